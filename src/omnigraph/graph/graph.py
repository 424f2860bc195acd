"""The graph: what every door opens."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import UNSET

from omnigraph.errors import BadRequest, Conflict, HistoryReclaimed, NotFound, TypeCheckError
from omnigraph.graph import commits as commit_log
from omnigraph.graph.branch import BranchHead, Evaluated, FastForward, Head
from omnigraph.graph.branch_name import distinct_branches, refuse_reserved, valid_branch_name
from omnigraph.graph.change_reads import ChangeReads
from omnigraph.graph.compiled import CompiledQueries, CompiledRead
from omnigraph.graph.line import Line, line_of
from omnigraph.graph.moment import commit_at
from omnigraph.graph.reclaimed import survives_cleanup
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.upkeep import Upkeep
from omnigraph.graph.views import ViewFactory
from omnigraph.language.catalog import Catalog
from omnigraph.query import Profile, Result, execute
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.cut import Cut, Schema, compiled, open_cut
from omnigraph.storage.hard_drop import refusal_text, refusals
from omnigraph.storage.identity import first_block
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import SCHEMA_COPY, record_key, ref_key
from omnigraph.storage.objects import ObjectExists, ObjectMissing, ObjectStore
from omnigraph.storage.record import MAIN, Position, Ref, decode
from omnigraph.storage.root import open_store
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.wire.branch import BranchCreateOutput, BranchDeleteOutput
from omnigraph.wire.commit import At, CommitGraphOutput, CommitInfo, Order, ResolvedInfo, SnapshotOutput, TableInfo
from omnigraph.wire.merge import MergeOutput, MergePreviewOutput
from omnigraph.wire.request import MergeStrategy
from omnigraph.wire.schema_apply import SchemaApplyOutput
from omnigraph.wire.write import LOAD_MODES, IngestOutput, LoadMode, MutateOutput

if TYPE_CHECKING:
    from omnigraph.graph.blob_cell import BlobCell, EntityKind
    from omnigraph.graph.repair import Repaired
    from omnigraph.graph.write import Write
    from omnigraph.language.migration import MigrationPlan
    from omnigraph.policy.action import ActionName
    from omnigraph.policy.gate import Gate
    from omnigraph.storage.ancestry import Located
    from omnigraph.wire.maintenance import CleanupOutput, OptimizeOutput

T = TypeVar("T")

# What only writes and exports need is imported by them: a process that asks one question must not pay for it.


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan as people read it; if it was run, what the run measured and its result."""

    plan: str
    profile: Profile | None = None
    result: Result | None = None

    def text(self) -> str:
        return self.plan if self.profile is None else f"{self.plan}\n\n{self.profile}"

    def __str__(self) -> str:
        return self.text()


class Graph(ChangeReads):
    """One graph, opened where it is stored. Safe to share between threads; use it as a context manager or call `close`.

    Every query, mutation, load and export sees one committed state. Reads never wait for writes; other processes may read and
    write the same root at the same time. ``gate`` is asked before every write; without one everything is allowed.
    """

    def __init__(
        self,
        uri: str,
        store: ObjectStore,
        entry: LogEntry,
        settings: GraphSettings,
        *,
        gate: Gate | None = None,
        log: Log | None = None,
        just_found: bool = False,
    ) -> None:
        self.uri = uri
        self.gate = gate
        self._store = store
        self._settings = settings
        self._log = Log(store) if log is None else log
        self._views = ViewFactory(store, GraphCache(settings.cache_bytes), settings.traversal)
        self._compiled = CompiledQueries()
        self._lock = Lock()
        self._main = BranchHead(self._log, MAIN, MAIN, open_cut(self._log, entry), self._views.view_of, just_found=just_found)
        self._branches: dict[str, BranchHead] = {MAIN: self._main}
        self._upkeep = Upkeep(self._log, self._views.open_table, self._rebase)
        self._written: set[str] = set()

    # --- reading -------------------------------------------------------------------------------------------------------

    @survives_cleanup
    def query(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Result:
        """Run one read query and return its result.

        ``source`` is `.gq` text; with several queries in it, ``name`` selects one. ``params`` are JSON values by parameter
        name. Reads the newest commit of ``branch`` (default ``main``); or exactly the commit ``snapshot``, named by its id or
        an unambiguous beginning of it; or ``branch`` as it was ``at`` a version or a time. ``cancelled`` is asked now and then
        whether to give up. Raises ParseError, TypeCheckError, NotFound, ResourceLimitExceeded, Cancelled. A point lookup on an
        open graph takes about 20 µs.
        """
        quick = branch is None and snapshot is None and at is None
        past = not quick and (snapshot is not None or at is not None)
        head = self._main.current() if quick else self._head(branch, snapshot, at)
        read, head = self._read(source, name, head, past)
        result = self._run(read, head, params, cancelled=cancelled)
        commit_id = head.cut.entry.record.state.head
        if past:
            return result.located(None, commit_id, commit_id)
        return result.located(MAIN if quick else _name_of(branch), None, commit_id)

    @survives_cleanup
    def explain(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        profile: bool = False,
    ) -> Explanation:
        """Return the plan of a read query; with ``profile`` run it and add rows, time, objects and bytes read.

        Without ``profile`` nothing of the graph is read but its schema.
        """
        past = snapshot is not None or at is not None
        read, head = self._read(source, name, self._head(branch, snapshot, at), past)
        if not profile:
            return Explanation(read.plan.explain())
        measured = Profile(self._store.counters.as_dict)
        result = self._run(read, head, params, measured)
        result.located(None if past else _name_of(branch), head.cut.state.head if past else None, head.cut.state.head)
        return Explanation(read.plan.explain(), measured, result)

    def snapshot(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> SnapshotOutput:
        """Return the tables of a branch, or of an older state, with their versions and exact row counts. Reads no rows."""
        cut = self._head(branch, snapshot, at).cut
        tables = []
        for key, identity in cut.schema.by_key.items():
            table = cut.tables[identity.type_id]
            path = f"tables/{table.table_id}" if table.table_id else f"log/{cut.entry.position.branch_id}"
            tables.append(TableInfo(key, path, table.changed_version, table.changed_branch, table.rows))
        shown = _name_of(branch)
        if snapshot is not None:
            shown = self._locate(snapshot).commit.branch or MAIN
        return SnapshotOutput(shown, cut.state.version, tables)

    def commits(
        self,
        branch: str | None = None,
        *,
        order: Order = "oldest",
        limit: int | None = None,
        actor: str | None = None,
        after: str | None = None,
    ) -> list[CommitInfo]:
        """Return the commits of a branch's own line: those inherited at its fork and those made on it.

        ``order`` says which end comes first; ``actor`` keeps the commits of one, ``after`` those behind a commit in that order,
        ``limit`` the first of what is left. The newest few of a long history cost no more than those of a short one.
        """
        line = self._line(branch)
        return commit_log.listed(line, newest=order == "newest", limit=limit, actor=actor, after=after)

    def commit_graph(self, branch: str | None = None, *, limit: int | None = None) -> CommitGraphOutput:
        """Return the newest commits behind every branch head, or behind one, over both parents; children come first.

        Unlike `commits` it holds what merges brought in. ``limit`` is 100 unless given. Raises NotFound.
        """
        from omnigraph.graph.commit_graph import commit_graph
        from omnigraph.storage.ancestry import Ancestry

        ancestry = Ancestry(self._log)
        names = self.branches() if branch is None else [_name_of(branch)]
        heads = {}
        for name in names:
            try:
                heads[name] = ancestry.head_of(self._current(name).cut)
            except NotFound:
                if branch is not None:
                    raise
        return commit_graph(ancestry, heads, limit)

    def commit(self, commit_id: str) -> CommitInfo:
        """Return a commit of any live branch, by its id or an unambiguous beginning of it. Raises NotFound, BadRequest."""
        return commit_log.info(self._locate(commit_id).commit)

    def export(
        self,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        types: Sequence[str] = (),
        tables: Sequence[str] = (),
    ) -> Iterator[bytes]:
        """Yield the rows of one commit as JSON lines, in chunks; memory is bounded by a batch.

        Loading a full export with mode ``overwrite`` into a new graph of the same schema gives a graph whose export is
        byte-identical. Raises BadRequest for an unknown type before the first chunk.
        """
        from omnigraph.graph.export import export_rows

        head = self._head(branch, snapshot, at)
        view = self._views.on_own_bases(head.view, head.cut)
        return export_rows(head.cut.schema, view, BlobReader(self._store), types, tables)

    @survives_cleanup
    def blob(
        self,
        kind: EntityKind,
        type_name: str,
        row_id: str,
        property_name: str,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> BlobCell:
        """Return one cell of a Blob property; its bytes are read when they are asked for. Raises BadRequest, NotFound."""
        from omnigraph.graph.blob_cell import find_blob

        head = self._head(branch, snapshot, at)
        cut, reader = head.cut, BlobReader(self._store)
        return find_blob(cut.schema, head.view, reader, cut.state.head, kind, type_name, row_id, property_name)

    @property
    def catalog(self) -> Catalog:
        """The accepted schema of main."""
        return self._main.current().cut.catalog

    @property
    def identity(self) -> str:
        """The ULID that the graph was created with; another graph in the same place has another one."""
        return self._main.known.cut.entry.record.graph

    def schema_source(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> str:
        """Return the accepted schema text of a branch (default main), or of an older state, byte for byte."""
        return self._head(branch, snapshot, at).cut.schema.block.source

    # --- writing -------------------------------------------------------------------------------------------------------

    def mutate(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> MutateOutput:
        """Run one mutation query as one commit, or as none when it matches nothing; durable on return.

        Any failure leaves the graph as it was. When another commit lands first it is evaluated again on the newer state.
        Raises ParseError, TypeCheckError, InvalidValue, ConstraintViolation, WriteConflict, NotFound.
        """
        write = self.prepare_mutation(source, params, name=name, branch=branch, actor=actor, if_commit=if_commit)
        return self._carry_out(write)

    def prepare_mutation(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> Write[MutateOutput]:
        """Return what `mutate` would carry out, for `commit_some`."""
        from omnigraph.graph.write import MutationWrite

        self._admit(actor, "change", branch=_name_of(branch))
        refuse_reserved("mutate", _name_of(branch))
        return MutationWrite(self._branch(branch), self._compiled, self._store, source, params, name, actor, if_commit)

    def load(
        self,
        data: Any,  # Any: bytes, str, path, binary file, or records
        mode: LoadMode,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Any = None,  # Any: Callable[[int, int], None]
    ) -> IngestOutput:
        """Load records as one commit, or fail and leave everything as it was; durable on return.

        ``data`` is JSON-lines text or bytes, a path, a binary file, or an iterable of records (dictionaries). Modes:
        ``overwrite`` replaces each type that the data names, ``append`` refuses ids that are stored, ``merge`` replaces rows by
        id. Raises BadRequest, InvalidValue, ConstraintViolation, KeyConflict, NotFound, Forbidden.
        """
        write = self.prepare_load(data, mode, branch=branch, from_branch=from_branch, actor=actor, progress=progress)
        return self._carry_out(write)

    def prepare_load(
        self,
        data: Any,  # Any: bytes, str, path, binary file, or records
        mode: LoadMode,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Any = None,  # Any: Callable[[int, int], None]
    ) -> Write[IngestOutput]:
        """Decode what `load` would carry out, for `commit_some`. A branch that is missing is made here."""
        from omnigraph.graph.load_source import LoadSource
        from omnigraph.graph.write import LoadWrite

        if mode not in LOAD_MODES:
            raise BadRequest(f"unknown load mode '{mode}'", hint="use overwrite, append or merge")
        refuse_reserved("load", _name_of(branch))
        target, created = self._load_target(branch, from_branch, actor)
        records = LoadSource(data, mode, self._store, progress)
        schema = target.current().cut.schema
        decoded = records.decode(schema)
        open_table = self._views.open_table
        return LoadWrite(target, records, decoded, schema, mode, self._store, open_table, actor, self.uri, from_branch, created)

    def commit_some(self, writes: Sequence[Write[T]]) -> list[T | Exception]:
        """Commit writes to a branch in one record, each as a commit of its own, evaluated on what those before it leave.

        Returns the answers of the first of them, as many as shared the record and at least one; an exception in the place of
        a write that failed, which leaves no trace and hinders no other. Durable on return. One record costs about what one
        commit does: this is how a server carries many small writes at a time (group commit).
        """
        target = writes[0].target
        together = takewhile(lambda write: write.target is target, writes)  # one record is of one branch
        outcomes = target.publish_some([write.evaluate for write in together])
        answers: list[T | Exception] = []
        head = None
        for write, outcome in zip(writes, outcomes, strict=False):
            if isinstance(outcome, Exception):
                answers.append(outcome)
                continue
            if outcome is not None:
                head = outcome.head
            answers.append(write.answer(None if outcome is None else commit_log.info(outcome.commit)))
        if head is not None:
            self._after_commit(target, head)
        return answers

    def _carry_out(self, write: Write[T]) -> T:
        answer = self.commit_some([write])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    # --- the schema ----------------------------------------------------------------------------------------------------

    def plan_schema(self, source: str, *, allow_data_loss: bool = False) -> MigrationPlan:
        """Return the steps that `apply_schema` would make of a schema text, supported or not; changes nothing.

        Raises ParseError, CatalogError.
        """
        from omnigraph.graph.schema_change import plan_schema

        return plan_schema(self._main.current().cut.schema, source, allow_data_loss=allow_data_loss)

    def apply_schema(self, source: str, *, allow_data_loss: bool = False, actor: str | None = None) -> SchemaApplyOutput:
        """Change the schema of main to ``source`` as one commit, or as none when there is no step; durable on return.

        A text that differs in layout only replaces the accepted one. ``allow_data_loss`` makes drops hard: earlier commits
        can no longer be read for the types in question, and their bytes go. Raises ParseError, CatalogError,
        UnsupportedMigration, Conflict while there are other branches; the graph is as it was then.
        """
        from omnigraph.graph.schema_change import apply_schema
        from omnigraph.language.migration_steps import step_json

        self._admit(actor, "schema_apply", target_branch=MAIN)
        plan, published = apply_schema(
            self._main, self._log, self._views.open_table, source, allow_data_loss=allow_data_loss, actor=actor
        )
        if published is not None:
            self._after_commit(self._main, published)
        version = (published or self._main.known).cut.state.version
        steps: list[dict[str, Any]] = [step_json(step) for step in plan.steps]  # Any: members differ by the step's kind
        return SchemaApplyOutput(self.uri, plan.supported, published is not None, len(steps), version, steps)

    # --- branches ------------------------------------------------------------------------------------------------------

    def branches(self) -> list[str]:
        """Return the names of all branches, byte-sorted, main among them."""
        from omnigraph.graph import branches

        return branches.names(self._store)

    def create_branch(
        self,
        name: str,
        *,
        from_branch: str | None = None,
        from_commit: str | None = None,
        at: At | None = None,
        actor: str | None = None,
    ) -> BranchCreateOutput:
        """Create a branch: one small object, whatever the graph holds.

        Its head is that of ``from_branch`` (default main), or what that was ``at`` a version or a time, or the commit
        ``from_commit`` of any live branch. Raises BadRequest for a bad name, Conflict for one that exists, NotFound for an
        unknown source, Forbidden.
        """
        from omnigraph.graph import branches

        if from_commit is not None and from_branch is not None:
            raise BadRequest("from_branch and from_commit exclude each other", hint="name one of the two")
        located = None if from_commit is None else self._find(None, from_commit, at)
        asked = None if from_branch is None else from_branch.strip()
        owner = None if located is None else located.commit.branch or MAIN
        self._admit(actor, "branch_create", branch=asked if located is None else owner, target_branch=name.strip())
        if located is None and at is not None:
            located = self._find(from_branch, None, at)
            owner = located.commit.branch or MAIN
        base = owner or _name_of(from_branch)
        at_once = located is None and self._store.is_remote
        head = self._known(base).known if at_once else self._current(base) if located is None else self._head_at(located)
        cut = head.cut
        for drop in refusals(cut, self._main.known.cut.state).values():
            raise HistoryReclaimed(refusal_text(drop.table_key, cut.state.head, drop), hint="start from a later commit")
        if at_once:
            ref = branches.create_at_once(self._store, self._log, name, base, cut, lambda: self._current(base).cut, actor)
            made = commit_log.fork_cut(self._log, ref, cut.schema)
            with self._lock:
                self._branches[ref.name] = BranchHead(self._log, ref.name, ref.branch_id, made, self._views.view_of)
        elif located is None:
            parent = self._branch(base)
            newest = lambda: parent.current().cut  # noqa: E731
            ref = branches.create_from_head(self._store, self._log, name, base, parent.branch_id, cut, newest, actor)
        else:
            ref = branches.create_from_past(self._store, self._log, name, base, cut, actor)
        return BranchCreateOutput(self.uri, base, ref.name, actor)

    def delete_branch(self, name: str, *, actor: str | None = None) -> BranchDeleteOutput:
        """Delete a branch; its own commits are gone at once, its name is free.

        Raises BadRequest, Conflict, NotFound, Forbidden.
        """
        from omnigraph.graph import branches

        self._admit(actor, "branch_delete", target_branch=name.strip())
        refuse_reserved("branch_delete", name.strip())
        name = valid_branch_name(name)
        if name == MAIN:
            raise BadRequest("cannot delete branch 'main'", hint="main always stays")
        with self._lock:
            known = self._branches.pop(name, None)
            self._written.discard(name)
        if known is not None and self._store.is_remote:
            branches.delete_known(self._store, self._log, name, known.branch_id, known.known.cut.entry, self._read_ref)
        else:
            branches.delete(self._store, self._log, self._read_ref(name))
        return BranchDeleteOutput(self.uri, name, actor)

    def merge(
        self, source: str, *, into: str | None = None, actor: str | None = None, strategy: MergeStrategy = None
    ) -> MergeOutput:
        """Merge a branch into another (default main) as one commit, or as none when there is nothing to merge.

        Rows are compared as wholes over the best common ancestor; the source branch is never changed. Costs what the rows cost
        that either side changed. ``strategy`` settles conflicts of rows: ``"ours"`` keeps the target's row, ``"theirs"`` takes
        the source's, a mapping says so by type (``"*"`` stands for the others); the commit records what it settled. Raises
        MergeConflicts with every conflict that is left, BadRequest, NotFound, WriteConflict, Forbidden.
        """
        from omnigraph.graph.merge import Sides, evaluate_merge, relate
        from omnigraph.graph.merge_schema import publishable, under_one_schema
        from omnigraph.graph.merge_strategy import sides_by_table
        from omnigraph.storage.ancestry import Ancestry

        self._admit(actor, "branch_merge", branch=source.strip(), target_branch=_name_of(into))
        source, target_name = distinct_branches(source, into)
        target = self._branch(into)
        taken = self._current(source)
        sides_by_table(strategy, target.known.cut.catalog)  # refuses what nobody can mean, also when nothing is to be merged
        ancestry = Ancestry(self._log)
        outcome = "already_up_to_date"
        resolved: list[ResolvedInfo] = []

        def evaluate(head: Head) -> Evaluated | None:
            nonlocal outcome, resolved
            relation = relate(ancestry, taken.cut, head.cut)
            outcome = relation.outcome
            if outcome == "already_up_to_date":
                return None
            if outcome == "fast_forward":
                return FastForward(taken.cut, actor), taken.view_if_made
            sides = Sides(taken.cut, head.cut, taken.view, head.view)
            sides = under_one_schema(self._log, relation, sides, self._view_of_past)
            merged = evaluate_merge(self._log, ancestry, relation, sides, self._view_at, strategy, actor)
            resolved = merged.resolved
            return publishable(merged.draft, sides), merged.view

        published = target.publish(evaluate)
        commit = None
        if published is not None:
            self._after_commit(target, published.head)
            commit = commit_log.info(published.commit)
        return MergeOutput(source, target_name, outcome, actor, commit, resolved or UNSET)

    def preview_merge(self, source: str, *, into: str | None = None, strategy: MergeStrategy = None) -> MergePreviewOutput:
        """Say what `merge` would do now, without writing: outcome, rows by type, and every conflict.

        Costs what the merge would. Raises BadRequest, NotFound, Conflict when the branches have no common past.
        """
        from omnigraph.graph.merge import Sides, preview_merge, relate
        from omnigraph.graph.merge_schema import under_one_schema
        from omnigraph.graph.merge_strategy import sides_by_table
        from omnigraph.storage.ancestry import Ancestry

        source, target_name = distinct_branches(source, into)
        head, taken = self._current(into), self._current(source)
        sides_by_table(strategy, head.cut.catalog)
        ancestry = Ancestry(self._log)
        relation = relate(ancestry, taken.cut, head.cut)
        bases = [base.commit.id for base in relation.bases]
        if relation.outcome == "already_up_to_date":
            return MergePreviewOutput(source, target_name, relation.outcome, True, bases, [], [], [])
        sides = Sides(taken.cut, head.cut, taken.view, head.view)
        sides = under_one_schema(self._log, relation, sides, self._view_of_past)
        found = preview_merge(self._log, ancestry, relation, sides, self._view_at, strategy)
        return MergePreviewOutput(
            source,
            target_name,
            relation.outcome,
            not found.conflicts,
            bases,
            found.changes,
            found.resolved,
            found.conflicts,
        )

    # --- maintenance ---------------------------------------------------------------------------------------------------

    def optimize(self, branch: str | None = None) -> OptimizeOutput:
        """Fold everything of a branch (default main), compact its tables and bring their indexes up to date.

        Changes no answer and makes no commit; a second run in a row does nothing. Safe beside readers and writers. Raises
        WriteConflict when others keep replacing the same tables.
        """
        from omnigraph.graph.optimize import optimize
        from omnigraph.wire.maintenance import OptimizeOutput

        target = self._branch(branch)
        tables = optimize(self._store, target, self._views.open_table)
        self._rebase(target)
        return OptimizeOutput(self.uri, tables)

    def repair(self, *, confirm: bool = False, force: bool = False) -> Repaired:
        """Verify everything that live branches name; with ``confirm`` make again what can be derived. Reads the whole graph."""
        from omnigraph.graph.repair import repair

        return repair(self._store, self.uri, confirm=confirm, force=force)

    def cleanup(self, *, keep: int | None = None, older_than_s: int | None = None, confirm: bool = False) -> CleanupOutput:
        """Remove versions outside the newest ``keep`` and older than so many seconds; or, without ``confirm``, tell which.

        What live branches read and what merges between them will need stays, commits stay listed, and files younger than an
        hour that no commit names are left alone. A second run removes nothing. Raises BadRequest without any bound.
        """
        from omnigraph.graph.cleanup import cleanup
        from omnigraph.wire.maintenance import CleanupOutput

        tables = cleanup(self._log, self._branch, self._views.open_table, keep=keep, older_than_s=older_than_s, confirm=confirm)
        return CleanupOutput(self.uri, keep, older_than_s, tables)

    # --- life ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish upkeep that is under way. Commits were durable before; a graph that is never closed loses nothing."""
        self._upkeep.close()
        for name in self._written:
            self._branches[name].leave_hint()
        self._written.clear()
        self._store.close()

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Graph({self.uri!r})"

    # --- inside --------------------------------------------------------------------------------------------------------

    def _admit(
        self, actor: str | None, action: ActionName, *, branch: str | None = None, target_branch: str | None = None
    ) -> None:
        """Ask the gate. The first line of every method that writes, before anything is read or made for it.

        ``branch`` is what the write goes to or starts from, ``target_branch`` what it creates, deletes or changes as a whole:
        mutate and load ask ``change`` on the branch, a merge ``branch_merge`` from the source onto the target, a new schema
        ``schema_apply`` onto the target main. Names are trimmed, none stays None. A write that the server offers too asks
        here exactly what the endpoint asks with ``call.authorize``, so that both doors give one answer.
        """
        if self.gate is not None:
            self.gate.check(actor, action, branch=branch, target_branch=target_branch)

    def _run(
        self,
        read: CompiledRead,
        head: Head,
        params: Mapping[str, Any] | None,  # Any: JSON values
        profile: Profile | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Result:
        return execute(
            read.plan,
            head.view,
            read.parameters.bind(params),
            now_ms=time.time_ns() // 1_000_000,
            limits=self._settings.limits,
            settings=self._settings.traversal,
            profile=profile,
            cancelled=cancelled,
        )

    def _read(self, source: str, name: str | None, head: Head, past: bool) -> tuple[CompiledRead, Head]:
        """Compile a read for a head: against the schema of its commit, else a past one as the current schema names things."""
        try:
            return self._compiled.read(source, name, head.cut.schema), head
        except TypeCheckError:
            current = self._main.known.cut.schema
            if not past or current is head.cut.schema:
                raise
        from omnigraph.storage.schema_change import under_schema

        read = self._compiled.read(source, name, current)
        return read, self._past(under_schema(head.cut, current))

    def _past(self, cut: Cut) -> Head:
        """Return a head for an old cut. What hard drops took away since is refused."""
        drops = refusals(cut, self._main.known.cut.state)
        return Head(cut, lambda cut: self._views.view_of(cut, drops))

    def _branch(self, name: str | None) -> BranchHead:
        if _name_of(name) == MAIN:
            return self._main
        name = valid_branch_name(_name_of(name))
        ref = self._read_ref(name)
        with self._lock:
            known = self._branches.get(name)
            if known is None or known.branch_id != ref.branch_id:
                entry = self._log.find_head(ref.branch_id)
                schema = self._main.known.cut.schema
                cut = commit_log.fork_cut(self._log, ref, schema) if entry is None else open_cut(self._log, entry, schema)
                if cut.record.kind == "close":  # its deletion was not finished
                    raise NotFound(f"branch '{name}' not found", hint="`omnigraph branch list` shows the branches")
                known = BranchHead(self._log, name, ref.branch_id, cut, self._views.view_of, just_found=True)
                self._branches[name] = known
        return known

    def _known(self, name: str) -> BranchHead:
        """Return a branch as this process knows it; it may have been deleted, and made again, since."""
        with self._lock:
            known = self._branches.get(name)
        return self._branch(name) if known is None else known

    def _current(self, branch: str | None) -> Head:
        """Return the newest head of a branch, by one look where the branch is known: the end of its log tells of its end."""
        name = _name_of(branch)
        if self._store.is_remote and name != MAIN:
            with self._lock:
                known = self._branches.get(name)
            if known is not None:
                with contextlib.suppress(NotFound):
                    return known.current()
                with self._lock:
                    self._branches.pop(name, None)
        return self._branch(name).current()

    def _view_at(self, located: Located, schema: Schema) -> SnapshotView:
        """Return a view of the graph as a commit left it, under a schema."""
        from omnigraph.storage.schema_change import under_schema

        return self._view_of_past(under_schema(commit_log.cut_of(self._log, located, schema), schema))

    def _view_of_past(self, cut: Cut) -> SnapshotView:
        return self._past(cut).view

    def _head_at(self, located: Located) -> Head:
        """Return the state that a commit left. Raises HistoryReclaimed when it can no longer be read."""
        return self._past(commit_log.cut_of(self._log, located, self._main.known.cut.schema))

    def _line(self, branch: str | None) -> Line:
        """Return the commits of a branch up to its head."""
        found = self._branch(branch)
        return line_of(self._log, self._read_ref, found.name, found.branch_id, found.current().cut)

    def _load_target(self, branch: str | None, base: str | None, actor: str | None) -> tuple[BranchHead, bool]:
        """Return the branch to load onto, and whether it was made for that: only when it is missing and a base was named."""
        name = _name_of(branch)
        try:
            found = self._branch(branch)
        except NotFound:
            if base is not None:  # both before anything is made
                self._admit(actor, "branch_create", branch=base.strip(), target_branch=name)
            self._admit(actor, "change", branch=name)
            if base is None:
                raise
        else:
            self._admit(actor, "change", branch=name)
            return found, False
        self.create_branch(name, from_branch=base, actor=actor)
        return self._branch(name), True

    def _read_ref(self, name: str) -> Ref:
        key = ref_key(name)
        try:
            return decode(self._store.get(key), Ref, key)
        except ObjectMissing:
            raise NotFound(f"branch '{name}' not found", hint="`omnigraph branch list` shows the branches") from None

    def _head(self, branch: str | None, snapshot: str | None, at: At | None = None) -> Head:
        if snapshot is None and at is None:
            return self._current(branch)
        known = self._main.known
        if snapshot is not None and branch is None and at is None and known.cut.state.head == snapshot:
            return known
        return self._head_at(self._find(branch, snapshot, at))

    def _find(self, branch: str | None, snapshot: str | None, at: At | None) -> Located:
        """Return the commit that is named, or that a branch was at a moment."""
        if snapshot is not None and branch is not None:
            raise BadRequest("branch and snapshot exclude each other", hint="name one of the two")
        if snapshot is not None and at is not None:
            raise BadRequest("snapshot and at exclude each other", hint="name one of the two")
        if snapshot is not None:
            return self._locate(snapshot)
        assert at is not None
        return commit_at(self._line(branch), at)

    def _locate(self, commit_id: str) -> Located:
        return commit_log.locate(self._log, self._store, self._main.current().cut.entry, commit_id)

    def refresh(self) -> None:
        """Give up what is held of the branches' bases; the next reads open those that their heads name now."""
        with self._lock:
            branches = list(self._branches.values())
        for branch in branches:
            branch.refresh()

    def _after_commit(self, branch: BranchHead, head: Head) -> None:
        self._written.add(branch.name)
        self._upkeep.after_commit(branch, head.cut)

    def _rebase(self, branch: BranchHead) -> None:
        head = branch.known
        view = head.view_if_made
        if view is not None and view.outgrown():
            branch.replace_view(head.cut, self._views.rebased(view, head.cut))


def init(uri: str | os.PathLike[str], schema_source: str, *, force: bool = False) -> Graph:
    """Create a graph and open it.

    The schema is compiled before anything is written. Of two racing inits exactly one succeeds. ``force`` replaces a stray
    schema file that a failed init left behind; it never touches a graph. Raises ParseError, CatalogError, Conflict.
    """
    from omnigraph.storage.commit import genesis_record

    uri = os.fspath(uri)
    settings = GraphSettings.from_environment()
    store = open_store(uri, fsync=settings.fsync)
    already = Conflict(
        f"graph already initialized at '{uri}'; pass --force to overwrite",
        hint="open it, or choose another directory; a graph is never overwritten",
    )
    if store.exists(record_key(MAIN, 0)) or (store.exists(SCHEMA_COPY) and not force):
        raise already
    block = first_block(compiled(schema_source))
    log = Log(store)
    try:
        entry = log.append(Position(MAIN, 0), genesis_record(block))
    except ObjectExists:
        raise already from None
    store.put(SCHEMA_COPY, schema_source.encode())
    return Graph(uri, store, entry, settings)


def open_graph(uri: str | os.PathLike[str], *, gate: Gate | None = None, at_once: bool = False) -> Graph:
    """Open a graph where it is stored. Creates nothing and needs no write access. Raises NotFound, UpgradeRequired.

    ``at_once``: the caller asks its only question right away, which saves a look at a remote store.
    ``gate`` is asked before every write, `omnigraph.policy.gate.PolicyGate` for the policy of a file.
    """
    uri = os.fspath(uri)
    settings = GraphSettings.from_environment()
    store = open_store(uri, fsync=settings.fsync)
    log = Log(store)
    with contextlib.suppress(HistoryReclaimed):  # the record that the hint names needs others, which are cleaned up
        entry = log.find_head(MAIN, roughly=not at_once)
        if entry is None:
            raise NotFound(f"graph not found at '{uri}' (no _schema.pg, no log)", hint="create it with `omnigraph init`")
        return Graph(uri, store, entry, settings, gate=gate, log=log, just_found=at_once)
    entry = log.find_head(MAIN)
    assert entry is not None, "the log has records"
    return Graph(uri, store, entry, settings, gate=gate, log=log)


def repair_graph(uri: str, *, confirm: bool = False, force: bool = False) -> Repaired:
    """Verify a graph that may be too damaged to be opened; see `Graph.repair`. Raises NotFound."""
    from omnigraph.graph.repair import repair

    store = open_store(uri, fsync=GraphSettings.from_environment().fsync)
    if not store.exists(record_key(MAIN, 0)):
        raise NotFound(f"graph not found at '{uri}' (no _schema.pg, no log)", hint="create it with `omnigraph init`")
    return repair(store, uri, confirm=confirm, force=force)


def _name_of(branch: str | None) -> str:
    return MAIN if branch is None else branch.strip()
