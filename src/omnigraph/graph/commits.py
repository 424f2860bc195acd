"""Commits as people see them: the history of a line, one commit, and the cut that one left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from omnigraph.errors import HistoryReclaimed, PreconditionFailed
from omnigraph.storage.cut import Cut, Schema, open_cut
from omnigraph.storage.history import find_commit, folds_behind, headers
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import branch_of_ref_key
from omnigraph.storage.objects import ObjectMissing, ObjectStore
from omnigraph.storage.record import MAIN, CommitEntry, Position, Ref, TableState
from omnigraph.wire.commit import CommitInfo, ResolvedInfo

Located: TypeAlias = tuple[Position, CommitEntry]
ReadRef = Callable[[str], Ref]


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
        resolved=[ResolvedInfo(*one) for one in commit.extra["resolved"]] if "resolved" in commit.extra else UNSET,
    )


def line(log: Log, read_ref: ReadRef, branch_id: str, name: str, head: LogEntry) -> list[CommitInfo]:
    """Return the commits of a line, oldest first: by version, then time, then id."""
    found = [info(commit) for commit in _line_entries(log, read_ref, branch_id, name, head)]
    return sorted(found, key=lambda item: (item.manifest_version, item.created_at, item.graph_commit_id))


def _line_entries(log: Log, read_ref: ReadRef, branch_id: str, name: str, head: LogEntry) -> list[CommitEntry]:
    own: list[CommitEntry] = []
    if head.position.branch_id == branch_id:
        for entry in headers(log, branch_id, head.position.seq):
            own += entry.commits
    if branch_id == MAIN:
        return own
    ref = read_ref(name)
    inherited = _up_to(log, ref.fork, ref.fork_commit, read_ref, ref.parent)
    return inherited + own


def _up_to(log: Log, fork: Position, commit_id: str, read_ref: ReadRef, parent: str) -> list[CommitEntry]:
    """Return the commits of the parent's line up to the one that was forked from."""
    if fork.branch_id == MAIN:
        entries = [commit for entry in headers(log, MAIN, fork.seq) for commit in entry.commits]
    else:
        entries = _line_entries(log, read_ref, fork.branch_id, parent, log.read(fork))
    return [commit for commit in entries if commit.id <= commit_id]


def locate(log: Log, store: ObjectStore, read_ref: ReadRef, main: LogEntry, commit_id: str) -> Located | None:
    """Return the place of the record that holds a commit of a live branch, main's first, and the commit."""
    found = find_commit(log, MAIN, main.position.seq, commit_id)
    if found is not None:
        return found
    for item in store.list("refs/"):
        name = branch_of_ref_key(item.key)
        if name is None:
            continue
        ref = read_ref(name)
        head = log.find_head(ref.branch_id)
        if head is not None:
            found = find_commit(log, ref.branch_id, head.position.seq, commit_id)
            if found is not None:
                return found
    return None


def cut_of(log: Log, position: Position, commit: CommitEntry, known: Schema) -> Cut:
    """Return the cut that a commit left. Raises HistoryReclaimed, which names the commit, when its rows are gone.

    Folds that follow a commit hold the same rows in newer bases, and cleanup may have kept the last of them only.
    """
    entry: LogEntry | None = None
    with contextlib.suppress(HistoryReclaimed, ObjectMissing):
        entry = log.read(position)
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
    first_parent = commits[0].parent_at
    assert first_parent is not None, "a record of several commits has a parent"
    for table in log.read(first_parent).record.state.tables:
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
    return Cut(LogEntry(entry.position, record, entry.size_bytes), cut.schema, cut.before_last(commit))


def _changed(table: TableState, rows: int, version: int, branch: str | None) -> TableState:
    return msgspec.structs.replace(table, rows=rows, changed_version=version, changed_branch=branch)


def require(actual: str, expected: str | None) -> None:
    """Refuse a conditional write whose branch has moved on."""
    if expected is not None and expected != actual:
        raise PreconditionFailed(expected, actual)
