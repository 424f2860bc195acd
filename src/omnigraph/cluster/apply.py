"""``cluster apply``: make the world match the declaration, and put on record what was made."""

from __future__ import annotations

from msgspec import UNSET

from omnigraph.cluster import address
from omnigraph.cluster.approval import Approvals, read_approvals, stamp
from omnigraph.cluster.catalog import Publication, publish
from omnigraph.cluster.change import PENDING, Change, Circumstances, classify, differences, gated
from omnigraph.cluster.declaration import Declaration, read_declaration
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger, write_ledger
from omnigraph.cluster.movement import Mover
from omnigraph.cluster.plan import desired_revision
from omnigraph.cluster.recovery import Swept, bury, retire, sweep
from omnigraph.cluster.session import Interruption, Session
from omnigraph.wire.cluster import ApplyOutput, StatusRecord

_WAITING = "waiting on an unapplied or missing dependency"


class _Run:
    """One apply, from the ledger that was read to the one that is written."""

    def __init__(self, session: Session, actor: str | None) -> None:
        self.session = session
        self.actor = actor
        self.changes: list[Change] = []
        self.statuses: dict[str, StatusRecord] = {}
        self.completed = False
        self.converged = False
        self.written = False

    @property
    def findings(self) -> Findings:
        return self.session.findings

    @property
    def declaration(self) -> Declaration:
        return self.session.declaration

    def work(self) -> None:
        """Do everything that is to be done while the lock is held."""
        before = self.session.read()
        if before is None:
            if not self.session.before.found and self.findings.ok:
                message = "apply requires an existing state.json; run `cluster import` to bootstrap state"
                self.findings.error("state_missing", "__cluster/state.json", message)
            return
        self.statuses = before.statuses
        ledger = before.copy()
        swept = sweep(self.session.root, ledger, self.findings)
        approvals = self._classify(ledger, swept)
        if not self._consented(approvals):
            return
        mover = Mover(self.session, self.changes, self.actor)
        mover.create_graphs()
        mover.change_schemas()
        if self._interrupted() and not mover.finished:
            return
        self._warn()
        if not self._publish():
            return
        mover.delete_graphs(lambda change: self._approval(approvals, change))
        self.completed = True
        self._record(ledger, mover)
        if not ledger.same_as(before) and not self._write(ledger):
            return
        retire(self.session.root, [*swept.retired, *mover.finished], self.findings)
        stamp(self.session.root, approvals, ledger.approval_records, self.findings)

    def _interrupted(self) -> bool:
        """Whether a signal asked the run to stop; what was moved by then is put on record all the same."""
        if not self.session.interruption.requested:
            return False
        self.findings.error("interrupted", "changes", "stopped by a signal; re-run `cluster apply` to go on")
        return True

    def _classify(self, ledger: Ledger, swept: Swept) -> Approvals:
        self.changes = differences(ledger, self.declaration)
        # Nothing is removed and nothing was consumed, so nobody's consent matters.
        approvals = Approvals([], ledger.approval_records)
        if gated(self.changes) or ledger.approval_records:
            approvals = read_approvals(self.session.root, ledger.approval_records, self.findings)
        approvals.warn_of_stale(gated(self.changes), self.declaration.config_digest, self.findings)
        circumstances = Circumstances.of(
            self.changes,
            self.declaration.bindings,
            swept.pending,
            lambda change: self._approval(approvals, change) is not None,
        )
        classify(self.changes, circumstances)
        return approvals

    def _approval(self, approvals: Approvals, change: Change) -> str | None:
        found = approvals.valid_for(change, self.declaration.config_digest)
        return None if found is None else found.approval_id

    def _consented(self, approvals: Approvals) -> bool:
        """Whether everything irreversible that is about to run was approved. It was, or `classify` has a defect."""
        for change in gated(self.changes):
            if change.disposition == "applied" and self._approval(approvals, change) is None:
                message = "an executable change requires approval; refusing to apply"
                self.findings.error("apply_approval_invariant_violation", "changes", message)
                return False
        return True

    def _warn(self) -> None:
        for change in self.changes:
            if change.disposition == "deferred":
                message = f"the {change.operation} of `{change.resource}` is deferred: this build cannot apply it"
                self.findings.warning("apply_unsupported_change", change.resource, message)
            elif change.disposition == "blocked":
                message = f"blocked by an unapplied or missing dependency ({change.reason})"
                self.findings.warning("apply_dependency_blocked", change.resource, message)

    def _publish(self) -> bool:
        publications = [
            Publication(change.resource, self.declaration.sources[change.resource], change.after)
            for change in self.changes
            if change.disposition == "applied" and change.after is not None and change.resource in self.declaration.sources
        ]
        return publish(self.session.root, publications, self.findings)

    def _record(self, ledger: Ledger, mover: Mover) -> None:
        """Move the ledger to what is true now."""
        for change in self.changes:
            where = change.resource
            if change.disposition == "applied" and change.after is not None:
                ledger.put(where, change.after, self.declaration.bindings.get(where))
                ledger.set_status(where, "applied")
            elif change.disposition == "applied":
                ledger.drop(where)
            elif change.disposition == "blocked" and change.reason != PENDING:
                ledger.set_status(where, "blocked", change.reason, _WAITING)
        for graph_id, approval_id in mover.deleted.items():
            bury(ledger, graph_id, approval_id, self.actor, "apply")
        for graph_id in self.declaration.graph_ids:
            where = address.graph(graph_id)
            if where in ledger.resources:
                ledger.put(where, ledger.composite(graph_id))
        left = differences(ledger, self.declaration)
        self._unblock(ledger, {change.resource for change in left})
        self.converged = not left
        if self.converged:
            ledger.config_digest = self.declaration.config_digest

    def _unblock(self, ledger: Ledger, changing: set[str]) -> None:
        """Let go of statuses whose change was withdrawn from the declaration."""
        for where, status in list(ledger.statuses.items()):
            if status.status != "blocked" or where in changing:
                continue
            if where in ledger.resources:
                ledger.set_status(where, "applied")
            elif where not in self.declaration.digests:
                del ledger.statuses[where]

    def _write(self, ledger: Ledger) -> bool:
        ledger.revision += 1
        after = write_ledger(self.session.root, ledger, self.session.before, self.findings)
        if after is None:
            self.converged = False
            return False
        self.session.observe(after)
        self.statuses = ledger.statuses
        self.written = True
        return True


def apply(config_dir: str, actor: str | None = None, interruption: Interruption | None = None) -> ApplyOutput:
    """Apply a declaration. Durable on return as far as the ledger says; what could not be done is in the diagnostics."""
    findings = Findings()
    declaration = read_declaration(config_dir, findings)
    session = Session(declaration, findings, interruption)
    run = _Run(session, actor)
    if findings.ok and session.usable:
        with session.locked("apply") as admitted:
            if admitted:
                run.work()
    counted = [change.disposition for change in run.changes] if run.completed else []
    return ApplyOutput(
        ok=findings.ok,
        config_dir=config_dir,
        actor=UNSET if actor is None else actor,
        desired_revision=desired_revision(declaration),
        state_observations=session.seen,
        changes=[change.output() for change in run.changes],
        applied_count=counted.count("applied"),
        deferred_count=counted.count("deferred") + counted.count("blocked"),
        converged=run.converged,
        state_written=run.written,
        resource_statuses=dict(sorted(run.statuses.items())),
        diagnostics=findings.diagnostics,
    )
