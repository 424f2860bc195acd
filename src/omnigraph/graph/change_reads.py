"""What an open graph tells about its changes: diffs, feeds, baselines and blame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from omnigraph.errors import BadRequest, CursorRejected, NotFound
from omnigraph.graph.branch import BranchHead, Head
from omnigraph.graph.line import Line
from omnigraph.graph.moment import commit_at, may_be_commit, parse_place
from omnigraph.storage.ancestry import Located
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.log import Log
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.record import MAIN
from omnigraph.wire.change import BaselineInfo, BlameOutput, ChangesOutput, CommitChangesOutput, DiffOutput
from omnigraph.wire.commit import At

if TYPE_CHECKING:
    from omnigraph.graph.change_set import Side
    from omnigraph.graph.export import Baseline

# The modules behind the methods are imported by them: a process that asks one query must not pay for them.


class History(Protocol):
    """The history of an open graph."""

    _log: Log
    _store: ObjectStore

    def _branch(self, name: str | None) -> BranchHead: ...
    def _line(self, branch: str | None) -> Line: ...
    def _locate(self, commit_id: str) -> Located: ...
    def _head_at(self, located: Located) -> Head: ...
    def _find(self, branch: str | None, snapshot: str | None, at: At | None) -> Located: ...


class ChangeReads:
    """The methods of a graph that tell what changed. Nothing of them writes."""

    def diff(
        self: History,
        before: str,
        after: str = MAIN,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        ids: Sequence[str] = (),
        limit: int | None = None,
    ) -> DiffOutput:
        """Return the rows that differ between two states, each with what it was and what it is.

        A state is a branch, a commit, ``<branch>@<version or time>`` (``@7`` is main's), each with ``~N`` for N commits before
        it. The difference is net, and sorted by type key and id; at most ``limit`` rows are listed, all are counted. Costs what
        the commits touched that only one of the two has behind it, whatever the graph holds. Raises BadRequest, NotFound.
        """
        from omnigraph.graph import diff
        from omnigraph.storage.ancestry import Ancestry

        (first, one), (second, other) = _place(self, before), _place(self, after)
        wanted = diff.ChangeFilter.of(kinds, types, ops, ids)
        sides = _side(self, first), _side(self, second)
        found, notes = diff.differing(self._store, Ancestry(self._log), *sides, (first, second), wanted)
        shared = one if one == other else None
        return diff.diff_output(found, notes, *sides, shared, BlobReader(self._store), limit=limit)

    def commit_changes(
        self: History,
        commit_id: str,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        limit: int | None = None,
        page_token: str | None = None,
    ) -> CommitChangesOutput:
        """Return a page of the rows that one commit changed, as seen from its first parent, with what they were and are.

        Raises ChangeDiffRefusal for the first commit and for one that changed the schema of stored rows, ChangeFeedGap for one
        that can no longer be read, CursorRejected, NotFound.
        """
        from omnigraph.graph import change_cursor, changes, diff

        wanted = diff.ChangeFilter.of(kinds, types, ops)
        limit = changes.page_size(limit)
        located = self._locate(commit_id)
        found = changes.Walk(self._log, lambda at: _side(self, at), wanted).changes_of(located)
        wanted.check_types(found.before.cut.schema, found.after.cut.schema)
        # A page token of one commit is bound to it as that of a feed is to its branch.
        graph_id, bound_to = found.before.cut.record.graph, located.commit.id
        cursor = change_cursor.new_cursor(graph_id, bound_to, wanted, bound_to)
        if page_token is not None:
            cursor = change_cursor.read_cursor(page_token, graph_id, bound_to, wanted, is_page_token=True)
        page, following = changes.commit_page(found, cursor.offset, limit, BlobReader(self._store))
        if following is None:
            return page
        return structs.replace(page, next_page_token=structs.replace(cursor, until=bound_to, offset=following).text())

    def changes(
        self: History,
        branch: str | None = None,
        *,
        cursor: str | None = None,
        start: str | None = None,
        page_token: str | None = None,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        limit: int | None = None,
    ) -> ChangesOutput:
        """Return the changes of a branch behind a cursor, commit by commit: one page, with the cursor or token for the next.

        Without a cursor the feed begins at ``start``: ``now`` (the default), ``beginning``, or ``after:<commit id>``. Each
        commit comes once and whole, in the order of the branch, whatever merges and pages lie in between. Raises
        CursorRejected, ChangeFeedGap, ChangeDiffRefusal, BadRequest, NotFound.
        """
        from omnigraph.graph import change_cursor, changes, diff

        if sum(given is not None for given in (cursor, start, page_token)) > 1:
            raise BadRequest("cursor, start and page token exclude each other", hint="name one of the three")
        wanted = diff.ChangeFilter.of(kinds, types, ops)
        limit = changes.page_size(limit)
        line, head = self._line(branch), self._branch(branch)
        cut = head.known.cut
        wanted.check_types(cut.schema)
        text = cursor if cursor is not None else page_token
        if text is None:
            at = change_cursor.new_cursor(cut.record.graph, head.branch_id, wanted, _start(self, line, start or "now"))
        else:
            is_page = page_token is not None
            at = change_cursor.read_cursor(text, cut.record.graph, head.branch_id, wanted, is_page_token=is_page)
            if line.holding(at.after) is None:
                raise CursorRejected("the branch has no such commit")
        walk = changes.Walk(self._log, lambda located: _side(self, located), wanted)
        return changes.feed_page(line, walk, at, limit, BlobReader(self._store))

    def baseline(
        self: History,
        branch: str | None = None,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
    ) -> Baseline:
        """Return the rows of a branch as an export, and the cursor from which `changes` goes on behind them."""
        from omnigraph.graph import change_cursor, diff
        from omnigraph.graph.export import Baseline, export_rows

        wanted = diff.ChangeFilter.of(kinds, types, ops)
        found = self._branch(branch)
        head = found.current()
        schema = head.cut.schema
        wanted.check_types(schema)
        cursor = change_cursor.new_cursor(head.cut.record.graph, found.branch_id, wanted, head.cut.state.head)
        tables = [key for key in schema.by_key if wanted.admits_type(key)]
        rows = export_rows(schema, head.view, BlobReader(self._store), (), tables) if tables else iter(())
        return Baseline(rows, BaselineInfo(head.cut.state.head, cursor.text()))

    def blame(
        self: History,
        type_name: str,
        row_id: str,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> BlameOutput:
        """Return, for each property of a row, its value and the commit that set it: through merges, the commit on the branch.

        ``type_name`` is the name of a type, or its key (``edge:Knows``). Costs the commits that wrote the type since the oldest
        of the answers. Raises NotFound for a row that is not there, BadRequest, HistoryReclaimed.
        """
        from omnigraph.graph.blame import blame
        from omnigraph.storage.ancestry import Ancestry

        if snapshot is None and at is None:
            located = next(self._line(branch).located_newest_first(0))
        else:
            located = self._find(branch, snapshot, at)
        blobs = BlobReader(self._store)
        return blame(self._log, Ancestry(self._log), lambda one: _side(self, one), located, type_name, row_id, blobs)


def branch_of(graph: History, place: str) -> str:
    """Return the name of the branch that a place of `diff` is of. Raises BadRequest, NotFound."""
    return _place(graph, place)[1]


def _side(graph: History, located: Located) -> Side:
    from omnigraph.graph.change_set import Side

    head = graph._head_at(located)
    return Side(head.cut, head.view)


def _place(graph: History, text: str) -> tuple[Located, str]:
    """Return the commit that a place names, and the branch that it is of."""
    place = parse_place(text)
    commit: Located | None = None
    branch = place.base or MAIN
    try:
        line = graph._line(branch)
    except (NotFound, BadRequest):
        if not may_be_commit(place.base):
            raise
        commit = graph._locate(place.base)
        branch = commit.commit.branch or MAIN
        line = graph._line(branch)
    if place.at is not None:
        if commit is not None:
            raise BadRequest(f"'{text}' names two moments", hint="write a commit, or <branch>@<version or time>")
        commit = commit_at(line, place.at)
    if commit is not None and not place.back:
        return commit, branch
    behind = line.located_newest_first() if commit is None else line.located_before(commit.commit.id)
    found = next(islice(behind, place.back, None), None)
    if found is None:
        raise NotFound(f"'{text}' lies before the first commit of branch '{line.name}'", hint="name a younger state")
    return found, branch


def _start(graph: History, line: Line, start: str) -> str:
    """Return the commit behind which a feed begins."""
    if start == "now":
        return line.head_id
    if start == "beginning":
        return next(line.oldest_first()).id
    word, _, commit_id = start.partition(":")
    if word != "after" or not commit_id:
        raise BadRequest(f"unknown start '{start}'", hint="write now, beginning or after:<commit id>")
    located = graph._locate(commit_id)
    if line.holding(located.commit.id) is None:
        raise BadRequest(f"commit '{commit_id}' is not one of branch '{line.name}'", hint="name a commit of the branch")
    return located.commit.id
