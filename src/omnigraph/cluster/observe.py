"""``cluster refresh`` and ``cluster import``: the ledger, rewritten from what is observably there."""

from __future__ import annotations

from typing import Any, Literal

from omnigraph.cluster import address, engine
from omnigraph.cluster.approval import read_approvals, stamp
from omnigraph.cluster.catalog import PayloadFault, tell, verify
from omnigraph.cluster.clock import now
from omnigraph.cluster.declaration import read_declaration
from omnigraph.cluster.engine import Live
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger, write_ledger
from omnigraph.cluster.parallel import each
from omnigraph.cluster.recovery import retire, sweep
from omnigraph.cluster.root import STATE_KEY
from omnigraph.cluster.session import Interruption, Session
from omnigraph.errors import OmnigraphError
from omnigraph.wire.cluster import RefreshOutput

ObserveOperation = Literal["refresh", "import"]


def refresh(config_dir: str, interruption: Interruption | None = None) -> RefreshOutput:
    """Bring an existing ledger up to date with the live graphs and the catalog."""
    return _observe("refresh", config_dir, interruption)


def import_state(config_dir: str, interruption: Interruption | None = None) -> RefreshOutput:
    """Make the first ledger, with the graphs and schemas that are there already."""
    return _observe("import", config_dir, interruption)


def _observe(operation: ObserveOperation, config_dir: str, interruption: Interruption | None) -> RefreshOutput:
    findings = Findings()
    session = Session(read_declaration(config_dir, findings), findings, interruption)
    ledger = Ledger()
    if findings.ok and session.usable:
        with session.locked(operation) as admitted:
            if admitted:
                ledger = _rewrite(operation, session)
    return RefreshOutput(
        ok=findings.ok,
        operation=operation,
        config_dir=config_dir,
        state_observations=session.seen,
        resource_digests=ledger.digests,
        resource_statuses=dict(sorted(ledger.statuses.items())),
        observations=dict(sorted(ledger.observations.items())),
        diagnostics=findings.diagnostics,
    )


def _rewrite(operation: ObserveOperation, session: Session) -> Ledger:
    """Observe everything and write the ledger; return the one that stands afterwards, or what was observed."""
    findings, root = session.findings, session.root
    before = session.read()
    understood = findings.ok
    if not understood or not _admits(operation, session):
        return before or Ledger()
    ledger = Ledger(config_digest=session.declaration.config_digest) if before is None else before.copy()
    swept = sweep(root, ledger, findings)
    faults = verify(root, ledger)
    tell(faults, findings)
    _drop_bad_payloads(ledger, faults)
    _observe_graphs(session, ledger)
    if session.interruption.requested:
        findings.error(
            "interrupted", "graphs", f"stopped by a signal before anything was written; re-run `cluster {operation}`"
        )
        return before or Ledger()
    if operation == "import" and not findings.ok:
        return ledger
    ledger.revision = 1 if before is None else before.revision + 1
    after = write_ledger(root, ledger, session.before, findings)
    if after is None:
        return before or Ledger()
    session.observe(after)
    retire(root, swept.retired, findings)
    _clear_bad_payloads(session, ledger, faults)
    if ledger.approval_records:
        stamp(root, read_approvals(root, ledger.approval_records, findings), ledger.approval_records, findings)
    return ledger


def _admits(operation: ObserveOperation, session: Session) -> bool:
    if operation == "refresh" and not session.before.found:
        message = "refresh requires an existing state.json; run `cluster import` to bootstrap state"
        session.findings.error("state_missing", STATE_KEY, message)
        return False
    if operation == "import" and session.before.found:
        message = (
            "import creates initial state only when state.json is missing; use `cluster refresh` for an existing state ledger"
        )
        session.findings.error("state_already_exists", STATE_KEY, message)
        return False
    return True


# --- catalog ----------------------------------------------------------------------------------------------------------


def _drop_bad_payloads(ledger: Ledger, faults: list[PayloadFault]) -> None:
    for fault in faults:
        if fault.fault == "unreadable":
            ledger.set_status(fault.resource, "error", "payload_read_error", fault.message)
            continue
        ledger.drop(fault.resource)
        ledger.set_status(fault.resource, "drifted", f"payload_{fault.fault}", fault.message)
        graph_id = address.graph_of(fault.resource)
        if graph_id is not None and address.graph(graph_id) in ledger.resources:
            ledger.put(address.graph(graph_id), ledger.composite(graph_id))


def _clear_bad_payloads(session: Session, ledger: Ledger, faults: list[PayloadFault]) -> None:
    """Take texts that are not what their names say out of the way, so that the next apply can publish the right ones."""
    for fault in faults:
        if fault.fault == "mismatch":
            try:
                session.root.store.delete(fault.key)
            except OmnigraphError as error:
                session.findings.error("catalog_payload_read_error", fault.resource, error.message)


# --- graphs -----------------------------------------------------------------------------------------------------------


def _observe_graphs(session: Session, ledger: Ledger) -> None:
    """Look at every declared graph and put what was seen into the ledger."""
    graph_ids = session.declaration.graph_ids

    def look(graph_id: str) -> Live | OmnigraphError | None:
        uri = session.root.graph_uri(graph_id)
        try:
            return engine.live(uri) if engine.root_exists(uri) else None
        except OmnigraphError as error:
            return error

    failures = 0
    for graph_id, seen in zip(graph_ids, each(look, graph_ids), strict=True):
        graph, schema = address.graph(graph_id), address.schema(graph_id)
        desired = session.declaration.schemas[graph_id].digest
        observation: dict[str, Any] = {  # Any: JSON values
            "kind": "graph",
            "address": graph,
            "graph_uri": session.root.graph_uri(graph_id),
            "observed_at": now(),
            "exists": seen is not None,
            "manifest_version": None,
            "schema_digest": None,
            "desired_schema_digest": desired,
            "schema_matches_desired": None,
            "error": None,
        }
        if seen is None:
            message = "derived graph root is missing"
            observation |= {"schema_matches_desired": False, "error": message}
            for where in (graph, schema):
                ledger.drop(where)
                ledger.set_status(where, "drifted", "graph_missing", message)
        elif isinstance(seen, OmnigraphError):
            failures += 1
            observation |= {"desired_schema_digest": None, "error": seen.message}
            for where in (graph, schema):
                ledger.set_status(where, "error", "graph_observation_error", seen.message)
        else:
            matches = seen.schema_digest == desired
            observation |= {
                "manifest_version": seen.manifest_version,
                "schema_digest": seen.schema_digest,
                "schema_matches_desired": matches,
            }
            ledger.put(schema, seen.schema_digest)
            ledger.put(graph, ledger.composite(graph_id))
            for where in (graph, schema):
                if matches:
                    ledger.set_status(where, "applied")
                else:
                    message = "live schema digest differs from desired schema digest"
                    ledger.set_status(where, "drifted", "schema_mismatch", message)
        ledger.observations[graph] = observation
    if failures:
        session.findings.error("graph_observation_error", "graphs", f"{failures} graph observation(s) failed")
