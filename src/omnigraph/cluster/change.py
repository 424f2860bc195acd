"""Differences between what was applied and what is declared, and what becomes of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec import UNSET

from omnigraph.cluster import address
from omnigraph.cluster.declaration import Declaration
from omnigraph.cluster.ledger import Ledger
from omnigraph.wire.cluster import (
    ApprovalRequired,
    BlastRadius,
    ChangeOutput,
    Dependency,
    Disposition,
    Operation,
)

PENDING: Final = "cluster_recovery_pending"
APPROVAL: Final = "approval_required"
NOT_APPLIED: Final = "dependency_not_applied"
UNSUPPORTED: Final = "apply_unsupported_kind"
GATE_REASON: Final = "delete may remove deployed graph or schema definition"

Step = Literal["create", "schema", "delete"]
_FAILED: Final[dict[Step, tuple[str, str]]] = {
    "create": ("graph_create_failed", NOT_APPLIED),
    "schema": (NOT_APPLIED, "schema_apply_failed"),
    "delete": ("graph_delete_failed", NOT_APPLIED),
}
"""The reasons that a failed step leaves on the graph and on its schema."""


@dataclass(slots=True)
class Change:
    """One difference. ``disposition`` is decided by `classify` and may be taken back by `demote`."""

    resource: str
    operation: Operation
    before: str | None
    after: str | None
    rebinds: bool = False
    disposition: Disposition | None = None
    reason: str | None = None
    migration: dict[str, Any] | None = None  # Any: steps differ by their kind

    def output(self) -> ChangeOutput:
        return ChangeOutput(
            resource=self.resource,
            operation=self.operation,
            before_digest=UNSET if self.before is None else self.before,
            after_digest=UNSET if self.after is None else self.after,
            disposition=UNSET if self.disposition is None else self.disposition,
            reason=UNSET if self.reason is None else self.reason,
            binding_change=True if self.rebinds else UNSET,
            migration=UNSET if self.migration is None else self.migration,
        )


def differences(ledger: Ledger, declaration: Declaration) -> list[Change]:
    """Return every difference, by address; policies with other bindings are among them."""
    desired = declaration.digests
    changes: list[Change] = []
    for where in sorted({*ledger.resources, *desired}):
        before, after = ledger.digest_of(where), desired.get(where)
        if before is None:
            changes.append(Change(where, "create", None, after))
        elif after is None:
            changes.append(Change(where, "delete", before, None))
        elif before != after:
            changes.append(Change(where, "update", before, after))
        elif where in declaration.bindings and _bound(ledger, where) != declaration.bindings[where]:
            changes.append(Change(where, "update", before, after, rebinds=True))
    return changes


def _bound(ledger: Ledger, where: str) -> list[str] | None:
    scopes = ledger.resources[where].applies_to
    return None if scopes is None else sorted(set(scopes))


# --- what becomes of them ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides about a set of changes besides the changes themselves."""

    pending: frozenset[str]
    created: frozenset[str]
    deleted: frozenset[str]
    approved: frozenset[str]
    stuck: frozenset[str]
    bindings: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        changes: Iterable[Change],
        bindings: Mapping[str, list[str]],
        pending: Iterable[str],
        is_approved: Callable[[Change], bool],
    ) -> Circumstances:
        by_place = {change.resource: change for change in changes}

        def graphs(kind: str, operation: Operation) -> frozenset[str]:
            return frozenset(
                where.partition(".")[2]
                for where, change in by_place.items()
                if change.operation == operation and address.kind_of(where) == kind
            )

        created, deleted = graphs("graph", "create"), graphs("graph", "delete")
        approved = frozenset(graph_id for graph_id in deleted if is_approved(by_place[address.graph(graph_id)]))
        stuck = graphs("schema", "delete") | (graphs("schema", "create") - created)
        return cls(frozenset(pending), created, deleted, approved, stuck, bindings)


def classify(changes: Iterable[Change], circumstances: Circumstances) -> None:
    """Decide about every change of a set."""
    for change in changes:
        change.disposition, change.reason = _decided(change, circumstances)


def _decided(change: Change, now: Circumstances) -> tuple[Disposition, str | None]:
    kind = address.kind_of(change.resource)
    graph_id = address.graph_of(change.resource) or ""
    if kind == "graph":
        return _graph(change, graph_id, now)
    if kind == "schema":
        return _schema(change, graph_id, now)
    if kind == "query":
        return _query(change, graph_id, now)
    if kind == "policy":
        scopes = now.bindings.get(change.resource, [])
        waits = change.operation != "delete" and any(address.graph(graph_id) in scopes for graph_id in now.pending)
        return ("blocked", PENDING) if waits else ("applied", None)
    return "deferred", UNSUPPORTED


def _graph(change: Change, graph_id: str, now: Circumstances) -> tuple[Disposition, str | None]:
    if change.operation == "update":
        return ("deferred", UNSUPPORTED) if graph_id in now.stuck else ("derived", None)
    if graph_id in now.pending:
        return "blocked", PENDING
    if change.operation == "create" or graph_id in now.approved:
        return "applied", None
    return "blocked", APPROVAL


def _schema(change: Change, graph_id: str, now: Circumstances) -> tuple[Disposition, str | None]:
    pending = graph_id in now.pending
    if change.operation != "delete":
        carried = change.operation == "update" or graph_id in now.created
        return ("applied", None) if carried and not pending else ("blocked", PENDING)
    if graph_id not in now.deleted:
        return "deferred", UNSUPPORTED
    if pending:
        return "blocked", PENDING
    return ("applied", None) if graph_id in now.approved else ("blocked", APPROVAL)


def _query(change: Change, graph_id: str, now: Circumstances) -> tuple[Disposition, str | None]:
    pending = graph_id in now.pending
    if change.operation == "delete":
        waits = graph_id in now.deleted and (pending or graph_id not in now.approved)
        return ("blocked", APPROVAL) if waits else ("applied", None)
    if pending:
        return "blocked", PENDING
    return ("blocked", NOT_APPLIED) if graph_id in now.stuck else ("applied", None)


def demote(changes: Iterable[Change], graph_id: str, step: Step, bindings: Mapping[str, list[str]]) -> None:
    """Take back what depends on a graph whose step failed."""
    of_graph, of_schema = _FAILED[step]
    for change in changes:
        if change.disposition != "applied":
            continue
        if change.resource == address.graph(graph_id):
            reason = of_graph
        elif change.resource == address.schema(graph_id):
            reason = of_schema
        elif address.graph_of(change.resource) == graph_id or (
            change.operation != "delete" and address.graph(graph_id) in bindings.get(change.resource, [])
        ):
            reason = NOT_APPLIED
        else:
            continue
        change.disposition, change.reason = "blocked", reason


# --- what a person should know ----------------------------------------------------------------------------------------


def gated(changes: Iterable[Change]) -> list[Change]:
    """Return the changes that need an approval: one for each graph that goes."""
    changes = list(changes)
    deleted = {change.resource for change in changes if change.operation == "delete"}
    found = []
    for change in changes:
        kind = address.kind_of(change.resource)
        if change.operation != "delete" or kind not in ("graph", "schema"):
            continue
        if kind == "graph" or address.graph(address.graph_of(change.resource) or "") not in deleted:
            found.append(change)
    return found


def gates(changes: Iterable[Change], is_approved: Callable[[Change], bool]) -> list[ApprovalRequired]:
    return [ApprovalRequired(change.resource, GATE_REASON, is_approved(change)) for change in gated(changes)]


def blast_radius(changes: Iterable[Change], dependencies: Iterable[Dependency]) -> list[BlastRadius]:
    """Return the direct dependents of every change that has some."""
    dependents: dict[str, list[str]] = {}
    for edge in dependencies:
        dependents.setdefault(edge.needed, []).append(edge.dependent)
    return [
        BlastRadius(change.resource, sorted(dependents[change.resource])) for change in changes if change.resource in dependents
    ]
