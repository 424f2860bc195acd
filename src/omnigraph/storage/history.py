"""History: the commits of a line, and the place of a commit.

Headers are read from history objects where folds have gathered them and from the records themselves elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from omnigraph.storage import record as format_
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import history_key, history_prefix
from omnigraph.storage.objects import ObjectExists
from omnigraph.storage.record import CommitEntry, History, HistoryEntry, InlineChange, Position

GATHER_RECORDS: Final = 256
"""So many records make one history object."""


def header(commit: CommitEntry) -> CommitEntry:
    """Return a commit without its rows."""
    inline = [InlineChange(change.type_id, b"", [], change.rows) for change in commit.inline]
    return msgspec.structs.replace(commit, inline=inline)


def headers(log: Log, branch_id: str, last: int) -> Iterator[HistoryEntry]:
    """Yield what the records 0 to ``last`` of one log committed, oldest first."""
    seq = 0
    for first, end in gathered_spans(log, branch_id):
        if first != seq or end > last:
            continue
        key = history_key(branch_id, first, end)
        history = format_.decode(log.store.get(key), History, key)
        yield from history.entries
        seq = end + 1
    for position in range(seq, last + 1):
        record = log.read(Position(branch_id, position)).record
        yield HistoryEntry(position, record.kind, record.commits)


def gathered_spans(log: Log, branch_id: str) -> list[tuple[int, int]]:
    """Return the spans for which there are history objects, sorted."""
    spans = []
    prefix = history_prefix(branch_id)
    for item in log.store.list(prefix):
        first, separator, last = item.key.removeprefix(prefix).partition("-")
        if separator and first.isdigit() and last.isdigit():
            spans.append((int(first), int(last)))
    return sorted(spans)


def gather(log: Log, branch_id: str, last: int) -> None:
    """Write history objects for the full spans of records up to ``last`` that have none yet."""
    spans = gathered_spans(log, branch_id)
    first = spans[-1][1] + 1 if spans else 0
    while first + GATHER_RECORDS - 1 <= last:
        end = first + GATHER_RECORDS - 1
        entries = []
        for seq in range(first, end + 1):
            record = log.read(Position(branch_id, seq)).record
            entries.append(HistoryEntry(seq, record.kind, [header(commit) for commit in record.commits]))
        history = History(format=format_.FORMAT, first=first, last=end, entries=entries)
        with contextlib.suppress(ObjectExists):
            log.store.put_new(history_key(branch_id, first, end), format_.encode(history))
        first = end + 1


def find_commit(log: Log, branch_id: str, last: int, commit_id: str) -> tuple[LogEntry, CommitEntry] | None:
    """Return the record and the commit of an id on one log, or None.

    Commit ids ascend along a line and every record names the newest one, so this is a binary search: about 17 objects in a
    hundred thousand.
    """
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if log.read(Position(branch_id, middle)).record.state.head < commit_id:
            low = middle + 1
        else:
            high = middle
    entry = log.read(Position(branch_id, low))
    for commit in entry.record.commits:
        if commit.id == commit_id:
            return entry, commit
    return None
