"""An open graph: its store, its branches and their heads, and what every method of it starts from."""

from __future__ import annotations

import contextlib
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from omnigraph.errors import BadRequest, NotFound
from omnigraph.graph import commits as commit_log
from omnigraph.graph.branch import BranchHead, Head
from omnigraph.graph.branch_name import name_of, valid_branch_name
from omnigraph.graph.compiled import CompiledQueries
from omnigraph.graph.line import Line, line_of
from omnigraph.graph.moment import commit_at
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.upkeep import Upkeep
from omnigraph.graph.views import ViewFactory
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.cut import Cut, Schema, open_cut
from omnigraph.storage.hard_drop import refusals
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import ref_key
from omnigraph.storage.objects import ObjectMissing, ObjectStore
from omnigraph.storage.record import MAIN, Ref, decode
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.wire.commit import At

if TYPE_CHECKING:
    from omnigraph.policy.action import ActionName
    from omnigraph.policy.gate import Gate
    from omnigraph.storage.ancestry import Located

# What only writes and exports need is imported by them: a process that asks one question must not pay for it.


class OpenedGraph:
    """What the methods of a graph have in common; `Graph` says what it is."""

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

    def close(self) -> None:
        """Finish upkeep that is under way. Commits were durable before; a graph that is never closed loses nothing."""
        self._upkeep.close()
        for name in self._written:
            self._branches[name].leave_hint()
        self._written.clear()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Graph({self.uri!r})"

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

    def _past(self, cut: Cut) -> Head:
        """Return a head for an old cut. What hard drops took away since is refused."""
        drops = refusals(cut, self._main.known.cut.state)
        return Head(cut, lambda cut: self._views.view_of(cut, drops))

    def _branch(self, name: str | None) -> BranchHead:
        if name_of(name) == MAIN:
            return self._main
        name = valid_branch_name(name_of(name))
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
        name = name_of(branch)
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
