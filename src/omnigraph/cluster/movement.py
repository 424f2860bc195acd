"""The steps of an apply that move graphs: each is announced by a sidecar before it begins.

Graphs are independent of each other and a store is slow, so the steps of one kind run at the same time. The order that counts
is kept all the same: what is sure to fail is found before anything begins, and nothing behind the first failure is begun.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from omnigraph.cluster import address, engine
from omnigraph.cluster.catalog import content_changed
from omnigraph.cluster.change import Change, Step, demote
from omnigraph.cluster.clock import now
from omnigraph.cluster.digest import content_digest
from omnigraph.cluster.engine import Live
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.parallel import each
from omnigraph.cluster.root import is_name
from omnigraph.cluster.session import Session
from omnigraph.cluster.sidecar import VERSION, Sidecar, SidecarKind, write_sidecar
from omnigraph.errors import OmnigraphError
from omnigraph.storage.ulid import new_ulid

if TYPE_CHECKING:
    from omnigraph.graph.graph import Graph


@dataclass(slots=True)
class _Outcome:
    """What came of one step: its sidecar if it is to go, and what there is to say."""

    failed: bool = False
    sidecar: str | None = None
    findings: Findings = field(default_factory=Findings)

    def fail(self, code: str, path: str, message: str) -> _Outcome:
        self.failed = True
        self.findings.error(code, path, message)
        return self


class Mover:
    """The graph-moving steps of one run. After the first failure no further one is begun."""

    def __init__(self, session: Session, changes: list[Change], actor: str | None) -> None:
        self._session = session
        self._root = session.root
        self._declaration = session.declaration
        self._changes = changes
        self._actor = actor
        self._stopped_by: str | None = None
        self.finished: list[str] = []
        self.deleted: dict[str, str | None] = {}

    # --- creates ------------------------------------------------------------------------------------------------------

    def create_graphs(self) -> None:
        """Create the graphs that are declared and not there, ascending."""
        creates = self._executable("graph", "create")
        self._run("create", "graph create", creates, self._sound_creates(creates), self._create)

    def _sound_creates(self, creates: list[Change]) -> int:
        """Return how many of the first creates meet nothing at their root; the one behind them is left to fail."""

        def is_free(change: Change) -> bool:
            graph_id = address.graph_of(change.resource) or ""
            try:
                return not engine.root_exists(self._root.graph_uri(graph_id)) and self._source(graph_id) is not None
            except OmnigraphError:
                return False

        return _leading(each(is_free, creates))

    def _create(self, change: Change) -> _Outcome:
        graph_id = address.graph_of(change.resource) or ""
        outcome = _Outcome()
        sidecar = self._sidecar("graph_create", graph_id, self._declaration.schemas[graph_id].digest)
        if not write_sidecar(self._root, sidecar, outcome.findings):
            outcome.failed = True
            return outcome
        source = self._source(graph_id)
        if source is None:
            self._withdraw(sidecar, outcome)
            return outcome.fail(*self._changed(graph_id))
        try:
            made = engine.create(self._root, graph_id, source, sidecar.operation_id)
        except OmnigraphError as error:
            message = f"could not initialize graph at '{sidecar.graph_uri}': {error.message}"
            return outcome.fail("graph_create_failed", change.resource, message)
        return self._expect(outcome, sidecar, made)

    # --- schema changes -----------------------------------------------------------------------------------------------

    def change_schemas(self) -> None:
        """Bring the schemas of graphs that are there to the declared ones, ascending."""
        updates = self._executable("schema", "update")
        with ExitStack() as graphs:
            ready = [None] * len(updates) if self._stops() else each(self._prepared, updates)
            opened = dict(zip((change.resource for change in updates), ready, strict=True))
            for one in ready:
                if isinstance(one, _Ready):
                    graphs.callback(one.graph.close)
            sound = _leading([isinstance(one, _Ready) for one in ready])
            self._run("schema", "schema apply", updates, sound, lambda change: self._change_schema(change, opened))

    def _prepared(self, change: Change) -> _Ready | _Outcome:
        """Open a graph and make sure that the change can run, before there is a sidecar that servers would stumble over."""
        graph_id = address.graph_of(change.resource) or ""
        uri = self._root.graph_uri(graph_id)
        outcome = _Outcome()
        try:
            graph = engine.open_to_write(uri)
        except OmnigraphError as error:
            return outcome.fail("schema_apply_failed", change.resource, f"could not open graph at '{uri}': {error.message}")
        source = self._source(graph_id)
        catalog = self._declaration.schemas[graph_id].catalog
        assert catalog is not None, "a declaration with a broken schema is not applied"
        fault = None
        if source is None:
            outcome.fail(*self._changed(graph_id))
        else:
            try:
                fault = engine.preview(graph, catalog).refusal
                if fault is None:
                    return _Ready(graph, source, engine.observed(graph))
            except OmnigraphError as error:
                fault = error.message
            outcome.fail("schema_apply_failed", change.resource, f"schema apply failed on '{uri}': {fault}")
        graph.close()
        return outcome

    def _change_schema(self, change: Change, opened: dict[str, _Ready | _Outcome | None]) -> _Outcome:
        ready = opened[change.resource]
        if not isinstance(ready, _Ready):
            assert ready is not None
            return ready
        graph_id = address.graph_of(change.resource) or ""
        outcome = _Outcome()
        sidecar = self._sidecar("schema_apply", graph_id, self._declaration.schemas[graph_id].digest, ready.live)
        if not write_sidecar(self._root, sidecar, outcome.findings):
            outcome.failed = True
            return outcome
        try:
            changed = engine.apply_schema(ready.graph, ready.source, self._actor)
        except OmnigraphError as error:
            message = f"schema apply failed on '{sidecar.graph_uri}': {error.message}"
            outcome.fail("schema_apply_failed", change.resource, message)
            if self._is_unchanged(ready.live, sidecar.graph_uri):
                self._withdraw(sidecar, outcome)
            return outcome
        return self._expect(outcome, sidecar, changed)

    def _is_unchanged(self, before: Live, uri: str) -> bool:
        try:
            return engine.live(uri) == before
        except OmnigraphError:
            return False

    def _withdraw(self, sidecar: Sidecar, outcome: _Outcome) -> None:
        """Take back the sidecar of a step that provably did nothing, so that servers still boot."""
        try:
            self._root.store.delete(sidecar.key)
        except OmnigraphError as error:
            outcome.findings.warning("recovery_sidecar_cleanup_failed", sidecar.key, error.message)

    # --- deletes ------------------------------------------------------------------------------------------------------

    def delete_graphs(self, approval_of: Callable[[Change], str | None]) -> None:
        """Remove the graphs whose end was approved, ascending."""
        deletes = self._executable("graph", "delete")

        def delete(change: Change) -> _Outcome:
            return self._delete(change, approval_of(change))

        self._run("delete", "graph delete", deletes, 0, delete)

    def _delete(self, change: Change, approval_id: str | None) -> _Outcome:
        graph_id = address.graph_of(change.resource) or ""
        outcome = _Outcome()
        if approval_id is None:
            message = "an executable change requires approval; refusing to apply"
            return outcome.fail("apply_approval_invariant_violation", "changes", message)
        if not is_name(graph_id):
            return outcome.fail("graph_delete_failed", change.resource, "the ledger names no graph that could be here")
        try:
            observed = engine.live(self._root.graph_uri(graph_id))
        except OmnigraphError:
            observed = None  # one that does not open is removed all the same
        sidecar = replace(self._sidecar("graph_delete", graph_id, "", observed), approval_id=approval_id)
        if not write_sidecar(self._root, sidecar, outcome.findings):
            outcome.failed = True
            return outcome
        try:
            engine.remove(self._root, graph_id, sidecar.operation_id)
        except OmnigraphError as error:
            message = f"could not remove graph root '{sidecar.graph_uri}': {error.message}"
            return outcome.fail("graph_delete_failed", change.resource, message)
        outcome.sidecar = sidecar.key
        self.deleted[graph_id] = approval_id
        return outcome

    # --- in common ----------------------------------------------------------------------------------------------------

    def _run(self, step: Step, what: str, changes: list[Change], sound: int, carry_out: Callable[[Change], _Outcome]) -> None:
        """Carry out steps: the first ``sound`` ones at the same time, the others one after the other."""
        groups = [changes[:sound], *([change] for change in changes[sound:])]
        for group in groups:
            if self._stops():
                for change in group:
                    code = f"{what.replace(' ', '_')}_skipped"
                    message = f"skipped after {self._stopped_by} in this run"
                    self._session.findings.warning(code, change.resource, message)
                    self._demote(change, step)
                continue
            for change, outcome in zip(group, each(carry_out, group), strict=True):
                self._session.findings.diagnostics += outcome.findings.diagnostics
                if outcome.sidecar is not None:
                    self.finished.append(outcome.sidecar)
                if outcome.failed:
                    self._stopped_by = self._stopped_by or f"an earlier {what} failed"
                    self._demote(change, step)

    def _stops(self) -> bool:
        if self._stopped_by is None and self._session.interruption.requested:
            self._stopped_by = "a signal to stop"
        return self._stopped_by is not None

    def _demote(self, change: Change, step: Step) -> None:
        demote(self._changes, address.graph_of(change.resource) or "", step, self._declaration.bindings)

    def _executable(self, kind: str, operation: str) -> list[Change]:
        return [
            change
            for change in self._changes
            if change.disposition == "applied" and change.operation == operation and address.kind_of(change.resource) == kind
        ]

    def _sidecar(self, kind: SidecarKind, graph_id: str, digest: str, observed: Live | None = None) -> Sidecar:
        return Sidecar(
            schema_version=VERSION,
            operation_id=new_ulid(),
            started_at=now(),
            actor=self._actor,
            kind=kind,
            graph_id=graph_id,
            graph_uri=self._root.graph_uri(graph_id),
            observed_manifest_version=None if observed is None else observed.manifest_version,
            desired_schema_digest=digest,
            state_cas_base=self._session.before.identity,
        )

    def _expect(self, outcome: _Outcome, sidecar: Sidecar, reached: Live) -> _Outcome:
        """Write into the sidecar what the step came to. It is done by now: failing to say so does not undo it."""
        if not write_sidecar(self._root, replace(sidecar, expected_manifest_version=reached.manifest_version), Findings()):
            message = "the step is done; its sidecar could not be rewritten"
            outcome.findings.warning("recovery_sidecar_write_error", sidecar.key, message)
        outcome.sidecar = sidecar.key
        return outcome

    def _source(self, graph_id: str) -> str | None:
        """Return the text of a declared schema; None when it is not any more what was planned with."""
        schema = self._declaration.schemas[graph_id]
        try:
            data = Path(schema.path).read_bytes()
        except OSError:
            return None
        return data.decode() if content_digest(data) == schema.digest else None

    def _changed(self, graph_id: str) -> tuple[str, str, str]:
        code, message = content_changed(self._declaration.schemas[graph_id].path)
        return code, address.schema(graph_id), message


@dataclass(frozen=True, slots=True)
class _Ready:
    """A graph that is open and whose change of schema can run."""

    graph: Graph
    source: str
    live: Live


def _leading(sound: list[bool]) -> int:
    """Return how many of the first ones are true."""
    return sound.index(False) if False in sound else len(sound)
