"""What a server reads of a cluster: the applied revision, complete and verified, or every reason why it cannot be served.

No lock is taken and nothing is written. Declarations are looked at for the storage root alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Final

from omnigraph.cluster import address
from omnigraph.cluster.digest import content_digest, state_identity
from omnigraph.cluster.document import read_document
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger, ReadLedger, read_ledger
from omnigraph.cluster.parallel import each
from omnigraph.cluster.root import RECOVERIES, STATE_KEY, StorageRoot, declared_root, payload_key, usable
from omnigraph.cluster.sidecar import read_sidecars
from omnigraph.errors import ClusterStateMissing, GraphNotApplied, InvalidSetting, OmnigraphError
from omnigraph.storage.objects import ObjectMissing
from omnigraph.wire.cluster import Diagnostic

_HEAL: Final = "run `cluster refresh` then `cluster apply`, and restart"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The text of one policy and the scopes that it is bound to."""

    name: str
    text: bytes
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppliedGraph:
    """One applied graph with the texts of its stored queries by name."""

    graph_id: str
    uri: str
    queries: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Revision:
    """Which revision of the ledger something is."""

    state_revision: int
    state_cas: str
    config_digest: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One applied revision as it is to be served."""

    revision: Revision
    graphs: list[AppliedGraph]
    bundles: list[Bundle]
    interrupted: dict[str, Diagnostic] = field(default_factory=dict)
    """Graphs that a sidecar is about, where such graphs may be left out."""


def cluster_root(where: str, findings: Findings) -> StorageRoot | None:
    """Return the storage root that an argument of ``--cluster`` means.

    A text with ``://`` is one; a directory is one too, unless it has a ``cluster.yaml`` that names another. What is wrong
    with that file is told, and does not count.
    """
    if "://" in where:
        return declared_root(where, where, findings)
    directory = StorageRoot(os.path.abspath(where))  # noqa: PTH100 - lexically, links are not followed
    if not os.path.lexists(os.path.join(where, "cluster.yaml")):  # noqa: PTH118 - a plain look
        return directory
    document = read_document(where, findings)
    if document is None:
        return directory
    return declared_root(document.storage, where, findings) or directory


def read_snapshot(where: str, *, quarantine: bool = False) -> Snapshot:
    """Read the applied revision. Raises InvalidSetting with every finding that keeps it from being served.

    With ``quarantine`` a sidecar is a finding about its graph alone, and one that is not understood a finding about all.
    """
    findings, about_file = Findings(), Findings()
    root = cluster_root(where, about_file)
    if root is None:
        raise _not_ready(where, about_file)
    if not usable(root, findings):
        raise _not_ready(where, findings)
    interrupted = _interrupted(root, findings, quarantine=quarantine)
    found = read_ledger(root, findings)
    if found.ledger is None and not found.found and not any(one.code == "state_read_error" for one in findings.diagnostics):
        message = "no applied state; run `cluster import` and `cluster apply`"
        findings.error("cluster_state_missing", STATE_KEY, message)
        findings.diagnostics += [one for one in about_file.diagnostics if one.severity == "error"]
    snapshot = None if found.ledger is None else _complete(root, found, found.ledger, findings)
    if snapshot is None or not findings.ok:
        raise _not_ready(where, findings)
    applied = {graph.graph_id for graph in snapshot.graphs}
    return replace(snapshot, interrupted={graph_id: one for graph_id, one in interrupted.items() if graph_id in applied})


def _interrupted(root: StorageRoot, findings: Findings, *, quarantine: bool) -> dict[str, Diagnostic]:
    """Look at the sidecars; with ``quarantine`` return what they say about single graphs."""
    skipped = Findings()
    sidecars = [sidecar for _, sidecar in read_sidecars(root, skipped)]
    if not quarantine:
        if sidecars:
            message = (
                f"{len(sidecars)} interrupted operation(s) await recovery; run a state-mutating command, e.g. `cluster apply`"
            )
            findings.error("cluster_recovery_pending", RECOVERIES.rstrip("/"), message)
        return {}
    for one in skipped.diagnostics:
        findings.error(one.code, one.path, one.message)
    found = {}
    for sidecar in sidecars:
        if not sidecar.graph_id.strip():
            message = "an interrupted operation does not say which graph it is about; run `cluster apply`"
            findings.error("cluster_recovery_unattributed", sidecar.key, message)
            continue
        message = f"an interrupted {sidecar.kind.replace('_', ' ')} awaits recovery; run `cluster apply`"
        found[sidecar.graph_id] = Diagnostic("cluster_recovery_pending", "error", f"graph.{sidecar.graph_id}", message)
    return found


def _complete(root: StorageRoot, found: ReadLedger, ledger: Ledger, findings: Findings) -> Snapshot:
    wanted = [(where, entry.digest) for where, entry in sorted(ledger.resources.items()) if _has_payload(where)]
    payloads = dict(zip((where for where, _ in wanted), each(lambda one: _payload(root, *one), wanted), strict=True))
    texts: dict[str, bytes] = {}
    for where, payload in payloads.items():
        if isinstance(payload, bytes):
            texts[where] = payload
        else:
            findings.diagnostics.append(payload)
    bundles = []
    for where, entry in sorted(ledger.resources.items()):
        if address.kind_of(where) != "policy":
            continue
        if entry.applies_to is None:
            message = "the ledger does not say what the policy is bound to; `cluster apply` backfills it"
            findings.error("policy_bindings_missing", where, message)
        elif where in texts:
            bundles.append(Bundle(where.removeprefix("policy."), texts[where], tuple(entry.applies_to)))
    graphs = [
        AppliedGraph(
            graph_id,
            root.graph_uri(graph_id),
            {
                address.query_name(where): text
                for where, text in texts.items()
                if address.kind_of(where) == "query" and address.graph_of(where) == graph_id
            },
        )
        for graph_id in ledger.graph_ids
    ]
    if not graphs:
        message = "the applied revision records no graphs; apply a cluster with a graph"
        findings.error("cluster_empty", STATE_KEY, message)
    assert found.data is not None
    return Snapshot(Revision(ledger.revision, state_identity(found.data), ledger.config_digest), graphs, bundles)


def _has_payload(where: str) -> bool:
    return address.kind_of(where) in ("query", "policy")


def _payload(root: StorageRoot, where: str, digest: str) -> bytes | Diagnostic:
    key = payload_key(where, digest)
    try:
        if key is None:
            raise ObjectMissing(where)
        data = root.store.get(key)
    except ObjectMissing:
        return Diagnostic("catalog_payload_missing", "error", where, f"catalog payload blob is missing; {_HEAL}")
    except OmnigraphError as error:
        return Diagnostic("catalog_payload_missing", "error", where, f"{error.message}; {_HEAL}")
    actual = content_digest(data)
    if actual == digest:
        return data
    message = f"catalog payload blob has other content (actual sha256:{actual}); {_HEAL}"
    return Diagnostic("catalog_payload_digest_mismatch", "error", where, message)


def _not_ready(where: str, findings: Findings) -> InvalidSetting:
    lines = [f"  [{one.code}] {one.path}: {one.message}" for one in findings.diagnostics if one.severity == "error"]
    return InvalidSetting("\n".join([f"the cluster at '{where}' is not ready to serve:", *lines]))


# --- maintenance ------------------------------------------------------------------------------------------------------


def applied_graphs(where: str) -> dict[str, str]:
    """Return the roots of the applied graphs by id, from the ledger alone: a degraded cluster is where maintenance is needed.

    Raises ClusterStateMissing when there is no ledger, InvalidSetting for one that cannot be read.
    """
    findings = Findings()
    root = cluster_root(where, findings)
    if root is None or not usable(root, findings):
        raise InvalidSetting(f"cluster `{where}`: {findings.diagnostics[-1].message}")
    findings = Findings()
    found = read_ledger(root, findings)
    if found.ledger is not None:
        return {graph_id: root.graph_uri(graph_id) for graph_id in found.ledger.graph_ids}
    if findings.diagnostics:
        raise InvalidSetting(f"cluster `{where}`: {findings.diagnostics[0].message}")
    raise ClusterStateMissing(where)


def applied_graph(where: str, graph_id: str) -> str:
    """Return the root of one applied graph. Raises as `applied_graphs`, and GraphNotApplied for an unknown id."""
    applied = applied_graphs(where)
    if graph_id not in applied:
        raise GraphNotApplied(where, graph_id, list(applied))
    return applied[graph_id]
