"""The recovery sweep: what a killed run left under way is put on record as it observably is, and never rolled back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from omnigraph.cluster import address, engine
from omnigraph.cluster.clock import now
from omnigraph.cluster.engine import Live
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger
from omnigraph.cluster.parallel import each
from omnigraph.cluster.root import StorageRoot
from omnigraph.cluster.sidecar import Sidecar, read_sidecars
from omnigraph.errors import OmnigraphError

_DONE: Final = {"graph_create": "graph create", "schema_apply": "schema apply", "graph_delete": "graph delete"}


@dataclass(slots=True)
class Swept:
    """What a sweep came to. ``retired`` are the keys of sidecars that may go once the ledger is written."""

    retired: list[str] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Observed:
    """A sidecar's graph as it is: absent, alive, or there without opening (``fault``)."""

    exists: bool
    live: Live | None = None
    fault: str = ""


def sweep(root: StorageRoot, ledger: Ledger, findings: Findings) -> Swept:
    """Hold every sidecar against its graph and move the ledger, in memory, to what is true."""
    swept = Swept()
    sidecars = read_sidecars(root, findings)
    observations = each(lambda one: _observe(root, one[1]), sidecars)
    for (key, sidecar), observed in zip(sidecars, observations, strict=True):
        decide = _swept_delete if sidecar.kind == "graph_delete" else _swept_move
        if decide(ledger, sidecar, observed, findings):
            swept.retired.append(key)
        else:
            swept.pending.add(sidecar.graph_id)
    return swept


def _observe(root: StorageRoot, sidecar: Sidecar) -> _Observed:
    """Look at the graph where this storage root has it; the address in the sidecar may be another machine's view of it."""
    uri = root.graph_uri(sidecar.graph_id)
    engine.discard_staging(root, sidecar.operation_id)
    try:
        if not engine.root_exists(uri):
            if sidecar.kind == "graph_delete" or sidecar.graph_uri == uri or not engine.root_exists(sidecar.graph_uri):
                return _Observed(False)
            uri = sidecar.graph_uri
    except OmnigraphError as error:
        return _Observed(True, None, error.message)
    if sidecar.kind == "graph_delete":
        return _Observed(True)
    fault = ""
    for _ in range(2):  # opening completes what the engine itself has under way; the second look is the one that counts
        try:
            return _Observed(True, engine.live(uri))
        except OmnigraphError as error:
            fault = error.message
    return _Observed(True, None, fault)


def _swept_move(ledger: Ledger, sidecar: Sidecar, observed: _Observed, findings: Findings) -> bool:
    """Decide about a graph that was being created or changed; whether the sidecar may go."""
    graph_id = sidecar.graph_id
    graph, schema = address.graph(graph_id), address.schema(graph_id)
    creates = sidecar.kind == "graph_create"
    if not observed.exists:
        if creates:
            return True
        observed = _Observed(True, None, "the graph root is missing")
    if observed.live is None:
        if creates:
            for where in (graph, schema):
                ledger.set_status(where, "error", "graph_create_incomplete", "graph root exists but cannot be opened")
            message = (
                f"graph root '{sidecar.graph_uri}' exists but cannot be opened ({observed.fault}); "
                "remove the graph root and re-run `cluster apply`"
            )
            findings.error("graph_create_incomplete", graph, message)
        else:
            message = f"an interrupted schema apply is pending: the graph cannot be opened ({observed.fault})"
            findings.warning("cluster_recovery_pending", graph, message)
        return False
    digest = observed.live.schema_digest
    if digest == ledger.digest_of(schema):
        return True
    if digest != sidecar.desired_schema_digest:
        for where in (graph, schema):
            message = "the live schema is neither the recorded nor the intended one"
            ledger.set_status(where, "drifted", "actual_applied_state_pending", message)
        message = (
            f"an interrupted {_DONE[sidecar.kind]} is pending: the live schema is neither the recorded nor the intended one; "
            "run `cluster refresh` to record it"
        )
        findings.warning("cluster_recovery_pending", graph, message)
        return False
    ledger.put(schema, digest)
    ledger.put(graph, ledger.composite(graph_id))
    for where in (graph, schema):
        ledger.set_status(where, "applied")
    _roll_forward(ledger, sidecar, findings)
    return True


def _swept_delete(ledger: Ledger, sidecar: Sidecar, observed: _Observed, findings: Findings) -> bool:
    """Decide about a graph that was being removed; its sidecar may always go."""
    graph = address.graph(sidecar.graph_id)
    if observed.exists:
        message = "an interrupted graph delete did not remove the graph root; the delete is proposed again"
        findings.warning("graph_delete_incomplete", graph, message)
        return True
    if graph not in ledger.resources:
        return True
    bury(ledger, sidecar.graph_id, sidecar.approval_id, sidecar.actor, sidecar.operation_id)
    _roll_forward(ledger, sidecar, findings)
    return True


def bury(ledger: Ledger, graph_id: str, approval_id: str | None, actor: str | None, operation: str) -> None:
    """Record that a graph is gone: no entries below it, a tombstone, and the consent used up."""
    ledger.drop_graph(graph_id)
    moment = now()
    ledger.observations[address.graph(graph_id)] = {
        "kind": "tombstone",
        "deleted_at": moment,
        "approval_id": approval_id,
        "actor": actor,
    }
    if approval_id is not None:
        ledger.approval_records[approval_id] = {"consumed_at": moment, "consumed_by_operation": operation}


def _roll_forward(ledger: Ledger, sidecar: Sidecar, findings: Findings) -> None:
    ledger.recovery_records[sidecar.operation_id] = {
        "kind": sidecar.kind,
        "graph_id": sidecar.graph_id,
        "outcome": "rolled_forward",
        "recovered_at": now(),
        "actor": sidecar.actor,
    }
    message = f"an interrupted {_DONE[sidecar.kind]} had completed on the graph; cluster state was rolled forward to match"
    findings.warning("cluster_recovery_rolled_forward", address.graph(sidecar.graph_id), message)


def retire(root: StorageRoot, keys: list[str], findings: Findings) -> None:
    """Remove sidecars whose steps are on record."""

    def delete(key: str) -> str | None:
        try:
            root.store.delete(key)
        except OmnigraphError as error:
            return error.message
        return None

    for key, fault in zip(keys, each(delete, keys), strict=True):
        if fault is not None:
            findings.warning("recovery_sidecar_cleanup_failed", key, f"the step is on record, its sidecar stays: {fault}")
