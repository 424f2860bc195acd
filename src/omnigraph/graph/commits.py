"""Commits as people see them: the history of a line, one commit, and the cut that one left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

import msgspec
from msgspec import UNSET

from omnigraph.errors import BadRequest, HistoryReclaimed, NotFound, PreconditionFailed
from omnigraph.graph.line import Line
from omnigraph.graph.moment import may_be_commit
from omnigraph.storage.ancestry import Located
from omnigraph.storage.cut import Cut, Schema, open_cut
from omnigraph.storage.history import Headers, folds_behind
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import branch_of_ref_key
from omnigraph.storage.objects import ObjectMissing, ObjectStore
from omnigraph.storage.record import MAIN, CommitEntry, Ref, State, TableState, decode
from omnigraph.storage.ulid import ULID_LENGTH, decode_ulid, encode_ulid
from omnigraph.wire.commit import CommitInfo, SettledInfo

_NAMED_MAX: Final = 4
_TOGETHER: Final = 16
"""So many branches are looked at side by side where a look is a round trip."""


def info(commit: CommitEntry) -> CommitInfo:
    """Return a commit in the shape that every door shows."""
    return CommitInfo(
        graph_commit_id=commit.id,
        manifest_branch=commit.branch,
        manifest_version=commit.version,
        parent_commit_id=commit.parent,
        merged_parent_commit_id=commit.merged_parent,
        actor_id=commit.actor,
        created_at=commit.created_at,
        settled=[SettledInfo(*one) for one in commit.extra["settled"]] if "settled" in commit.extra else UNSET,
    )


def listed(line: Line, *, newest: bool, limit: int | None, actor: str | None, after: str | None = None) -> list[CommitInfo]:
    """Return commits of a line, from either end: the first ``limit`` of those of ``actor``, behind the commit ``after``.

    Commits of a line ascend by version, time and id alike. From the newest end it costs what is returned, not the history.
    """
    commits = line.newest_first(limit) if newest else line.oldest_first()
    if after is not None:
        commits = _behind(commits, after)
    if actor is not None:
        commits = (commit for commit in commits if commit.actor == actor)
    return [info(commit) for commit in islice(commits, limit)]


def _behind(commits: Iterator[CommitEntry], commit_id: str) -> Iterator[CommitEntry]:
    for commit in commits:
        if commit.id == commit_id:
            return commits
    raise BadRequest(f"commit '{commit_id}' is not one of the branch", hint="take it from a list of the same branch")


def locate(log: Log, store: ObjectStore, main: LogEntry, commit_id: str) -> Located:
    """Return a commit of a live branch by its id, or by the beginning of it. Raises NotFound, BadRequest if several match."""
    highest = commit_id.ljust(ULID_LENGTH, "Z")
    found: list[Located] = []
    for branch_id, last in _logs(log, store, main, highest):
        matching = _matching(Headers(log, branch_id, last), commit_id, highest)
        if len(commit_id) == ULID_LENGTH and matching:
            return matching[0]
        found += matching
    if not found or not may_be_commit(commit_id):
        raise commit_not_found(commit_id)
    if len(found) > 1:
        names = ", ".join(sorted(located.commit.id for located in found)[:_NAMED_MAX])
        raise BadRequest(f"commit '{commit_id}' is ambiguous: it may be {names}", hint="write more of the id")
    return found[0]


def commit_not_found(commit_id: str) -> NotFound:
    """The one answer about a commit that is not there, or that the caller may not know of."""
    return NotFound(f"commit '{commit_id}' not found", hint="`omnigraph commit list` shows the commits of a branch")


def _logs(log: Log, store: ObjectStore, main: LogEntry, highest: str) -> Iterator[tuple[str, int]]:
    """Yield the logs that may hold ids up to one, and their last records: main's first, then those of branches."""
    yield MAIN, main.position.seq
    keys = [item.key for item in store.list("refs/") if branch_of_ref_key(item.key) is not None]
    together = _TOGETHER if store.is_remote else 1
    with ThreadPoolExecutor(together, "omnigraph-heads") as beside:
        for start in range(0, len(keys), together):
            some = keys[start : start + together]
            refs = [decode(data, Ref, key) for key, data in zip(some, store.get_many(some), strict=True) if data is not None]
            branches = [ref.branch_id for ref in refs if ref.fork_commit < highest]  # of others, own commits come behind that
            looked = beside.map(log.find_head, branches) if store.is_remote else map(log.find_head, branches)
            for branch_id, head in zip(branches, looked, strict=True):
                if head is not None:
                    yield branch_id, head.position.seq


def _matching(headers: Headers, prefix: str, highest: str) -> list[Located]:
    """Return up to two commits of a log whose ids begin with a text."""
    found: list[Located] = []
    until = highest
    while len(found) < 2:
        located = headers.last_where(lambda id_, _, until=until: id_ <= until, until)  # type: ignore[misc]
        if located is None or not located[1].id.startswith(prefix):
            break
        found.append(Located(located[1], located[0]))
        if len(prefix) == ULID_LENGTH:
            break
        until = _before(located[1].id)
    return found


def _before(commit_id: str) -> str:
    return encode_ulid(decode_ulid(commit_id) - 1)


def cut_of(log: Log, located: Located, known: Schema) -> Cut:
    """Return the cut that a commit left. Raises HistoryReclaimed, which names the commit, when its rows are gone.

    Folds that follow a commit hold the same rows in newer bases, and cleanup may have kept the last of them only.
    """
    position, commit = located.position, located.commit
    entry: LogEntry | None = None
    with contextlib.suppress(HistoryReclaimed, ObjectMissing):
        found = log.read(position)
        entry = None if found.record.reclaimed else found
    if entry is None or entry.record.commits[-1].id == commit.id:
        for later in folds_behind(log, position, commit.id):
            entry = later
    if entry is None:
        raise reclaimed(commit.id)
    try:
        return cut_at(log, entry, commit, known) if entry.position == position else open_cut(log, entry, known)
    except HistoryReclaimed as gone:
        raise reclaimed(commit.id) from gone


def reclaimed(commit_id: str) -> HistoryReclaimed:
    """Return the error of reading a commit whose rows are gone."""
    return HistoryReclaimed(
        f"commit '{commit_id}' can no longer be read: cleanup removed its rows",
        hint="read a newer commit; `omnigraph commit list` still shows this one",
    )


def cut_at(log: Log, entry: LogEntry, commit: CommitEntry, known: Schema) -> Cut:
    """Return the cut that a commit left, which may stand in the middle of its record (group commit)."""
    cut = open_cut(log, entry, known)
    commits = entry.record.commits
    if commits[-1].id == commit.id:
        return cut
    # The bases are those of the record, since none of its commits moved one. What the tables held is told by the changes of the
    # commits up to the one wanted and, for types that only later ones changed, by the record that holds the first one's parent.
    tables: dict[int, TableState] = dict(cut.tables)
    later = {inline.type_id for other in commits if other.step > commit.step for inline in other.inline}
    for table in _parent_state(log, commits[0], known).tables:
        if table.type_id in later:
            tables[table.type_id] = _changed(tables[table.type_id], table.rows, table.changed_version, table.changed_branch)
    for other in commits:
        if other.step > commit.step:
            break
        for inline in other.inline:
            tables[inline.type_id] = _changed(tables[inline.type_id], inline.rows, other.version, other.branch)
    state = msgspec.structs.replace(
        cut.state, version=commit.version, step=commit.step, head=commit.id, tables=list(tables.values())
    )
    record = msgspec.structs.replace(
        entry.record, state=state, commits=[other for other in commits if other.step <= commit.step]
    )
    return Cut(LogEntry(entry.position, record, entry.size_bytes), cut.schema, cut.before_last(commit), within_record=True)


def _parent_state(log: Log, commit: CommitEntry, known: Schema) -> State:
    """Return the state that the first parent of a commit left."""
    assert commit.parent_at is not None, "a record of several commits has a parent"
    entry = log.read(commit.parent_at)
    if entry.record.state.head == commit.parent:
        return entry.record.state
    parent = next(other for other in entry.record.commits if other.id == commit.parent)
    return cut_at(log, entry, parent, known).state


def fork_cut(log: Log, ref: Ref, known: Schema) -> Cut:
    """Return the state that a branch continues; it may stand in the middle of a record."""
    try:
        entry = log.read(ref.fork)
    except HistoryReclaimed:
        # A cleanup came in between the look at the head and the creation of the branch; it leaves the last fold of a commit.
        entry = next(folds_behind(log, ref.fork, ref.fork_commit), None)  # type: ignore[assignment]
        if entry is None:
            raise reclaimed(ref.fork_commit) from None
    if entry.record.state.head == ref.fork_commit:
        return open_cut(log, entry, known)
    return cut_at(log, entry, next(commit for commit in entry.record.commits if commit.id == ref.fork_commit), known)


def _changed(table: TableState, rows: int, version: int, branch: str | None) -> TableState:
    return msgspec.structs.replace(table, rows=rows, changed_version=version, changed_branch=branch)


def require(actual: str, expected: str | None, branch: str) -> None:
    """Refuse a conditional write whose branch has moved on."""
    if expected is not None and expected != actual:
        raise PreconditionFailed(expected, actual, branch=branch)
