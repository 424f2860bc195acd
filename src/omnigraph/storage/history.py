"""History: the commits of a line, and the place of a commit.

Headers are read from history objects where folds have gathered them and from the records themselves elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from omnigraph.errors import CorruptObject, HistoryReclaimed
from omnigraph.storage import record as format_
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import history_key
from omnigraph.storage.objects import ObjectExists, ObjectMissing
from omnigraph.storage.record import CommitEntry, History, HistoryEntry, InlineChange, Position, Span

GATHER_RECORDS: Final = 256
"""So many records make one history object."""
_TOGETHER: Final = (4, 16, 64)
"""So many records are read side by side where a look is a round trip: more and more, for nobody says how many it takes."""
_SPARE: Final = 4
"""Not every record holds a commit."""
_LEVELS: Final = 3
"""Of a binary search the places of so many steps are read together there."""


def header(commit: CommitEntry) -> CommitEntry:
    """Return a commit without its rows."""
    inline = [InlineChange(change.type_id, b"", [], change.rows) for change in commit.inline]
    return msgspec.structs.replace(commit, inline=inline)


def headers(log: Log, branch_id: str, last: int) -> Iterator[HistoryEntry]:
    """Yield what the records 0 to ``last`` of one log committed, oldest first."""
    spans = log.gathered_spans(branch_id)
    ahead = ReadAhead(log, branch_id, last)
    seq = 0
    while seq <= last:
        span = max((span for span in spans if span.first <= seq <= span.last), key=lambda span: span.last, default=None)
        if span is not None:
            yield from (entry for entry in log.gathered(span).entries if seq <= entry.seq <= last)
            seq = span.last + 1
            continue
        ahead.upwards(seq)
        try:
            record = log.read_header(Position(branch_id, seq))
        except HistoryReclaimed:
            fresh = log.gathered_spans(branch_id)  # a cleanup may have gathered it since
            if fresh == spans:
                raise
            spans = fresh
            continue
        yield HistoryEntry(seq, record.kind, record.commits)
        seq += 1


def commits_at(log: Log, position: Position) -> list[CommitEntry]:
    """Return the commits of one record; without their rows when the record itself is gone."""
    try:
        return log.read(position).record.commits
    except (HistoryReclaimed, ObjectMissing) as gone:
        history = log.gathered_around(position)
        if history is None:
            raise CorruptObject(
                f"storage: record {position.seq} of '{position.branch_id}' is in no history object",
                hint="run `omnigraph repair` to see what is affected",
            ) from gone
        return history.entries[position.seq - history.first].commits


def gather(log: Log, branch_id: str, last: int, *, whole: bool = False) -> None:
    """Write history objects for the full spans of records up to ``last`` that have none yet.

    ``whole`` gathers what is left over as well, in a shorter span: what is not gathered cannot be reclaimed.
    """
    first = _first_loose(log, branch_id)
    while first <= last and (whole or first + GATHER_RECORDS - 1 <= last):
        end = min(last, first + GATHER_RECORDS - 1)
        try:
            gather_span(log, Span(branch_id, first, end))
        except (HistoryReclaimed, ObjectMissing):
            now = _first_loose(log, branch_id)
            if now <= first:
                raise
            first = now  # another cleanup gathered them
            continue
        first = end + 1


def gather_span(log: Log, span: Span) -> None:
    """Write the history object of a span whose records are all there."""
    entries = []
    ahead = ReadAhead(log, span.branch_id, span.last)
    for seq in range(span.first, span.last + 1):
        ahead.upwards(seq)
        record = log.read_header(Position(span.branch_id, seq))
        entries.append(HistoryEntry(seq, record.kind, [header(commit) for commit in record.commits]))
    history = History(format=format_.FORMAT, first=span.first, last=span.last, entries=entries)
    with contextlib.suppress(ObjectExists):
        log.store.put_new(history_key(span.branch_id, span.first, span.last), format_.encode(history))


def _first_loose(log: Log, branch_id: str) -> int:
    """Return the first record that is in no history object."""
    return max((span.last + 1 for span in log.gathered_spans(branch_id)), default=0)


class Headers:
    """The commits of one log up to a record: from the records, or without rows from history objects where those are gone.

    Commit ids and versions ascend along a log.
    """

    def __init__(self, log: Log, branch_id: str, last: int) -> None:
        self._log = log
        self._branch_id = branch_id
        self._last = last

    def newest_at(self, seq: int) -> tuple[str, int]:
        """Return id and version of the newest commit of the line after a record; nothing where only history knows that."""
        while seq >= 0:
            try:
                state = self._log.read(Position(self._branch_id, seq)).record.state
                return state.head, state.version
            except (HistoryReclaimed, ObjectMissing):
                history = self._log.gathered_around(Position(self._branch_id, seq))
                if history is None:
                    raise
            for entry in reversed(history.entries[: seq - history.first + 1]):
                if entry.commits:
                    return entry.commits[-1].id, entry.commits[-1].version
            seq = history.first - 1
        return "", 0

    def newest_first(self, about: int | None = None) -> Iterator[HistoryEntry]:
        """Yield what the records committed, the newest first; as much is read as is taken, which is ``about`` so many."""
        seq = self._last
        ahead = ReadAhead(self._log, self._branch_id, self._last, about)
        spans = ahead.downwards_and_spans(seq)
        while seq >= 0:
            span = min((span for span in spans if span.first <= seq <= span.last), key=lambda span: span.first, default=None)
            if span is None:
                ahead.downwards(seq)
                yield self._entry(seq)
                seq -= 1
                continue
            yield from (entry for entry in reversed(self._log.gathered(span).entries) if entry.seq <= seq)
            seq = span.first - 1

    def after(self, commit_id: str) -> Iterator[tuple[Position, CommitEntry]]:
        """Yield the commits of this log with greater ids, the oldest first; as much is read as is taken."""
        ahead = ReadAhead(self._log, self._branch_id, self._last)
        for seq in range(self._first_without(lambda id_, _: id_ <= commit_id), self._last + 1):
            ahead.upwards(seq)
            for commit in self._entry(seq).commits:
                if commit.id > commit_id:
                    yield Position(self._branch_id, seq), commit

    def last_where(self, holds: Callable[[str, int], bool], until: str) -> tuple[Position, CommitEntry] | None:
        """Return the last commit of this log up to the id ``until`` for which something holds, and its place; None without one.

        What holds for a commit must hold for those before it. A binary search: about 17 objects in a hundred thousand, in six
        round trips on a remote store.
        """
        for seq in range(min(self._first_without(holds), self._last), -1, -1):
            for commit in reversed(self._entry(seq).commits):
                if commit.id <= until and holds(commit.id, commit.version):
                    return Position(self._branch_id, seq), commit
        return None

    def _first_without(self, holds: Callable[[str, int], bool]) -> int:
        """Return the first record after which something does not hold any more; one behind the last if it always does."""
        low, high, step = 0, self._last + 1, 0
        while low < high:
            if step % _LEVELS == 0:
                self._log.prefetch(Position(self._branch_id, seq) for seq in _middles(low, high, _LEVELS))
            step += 1
            middle = (low + high) // 2
            if holds(*self.newest_at(middle)):
                low = middle + 1
            else:
                high = middle
        return low

    def _entry(self, seq: int) -> HistoryEntry:
        return HistoryEntry(seq, "", commits_at(self._log, Position(self._branch_id, seq)))


class ReadAhead:
    """Reads records of one log side by side that are about to be read one after the other, where a look is a round trip."""

    def __init__(self, log: Log, branch_id: str, last: int, about: int | None = None) -> None:
        self._log = log
        self._branch_id = branch_id
        self._last = last
        self._together = iter(_TOGETHER if about is None else (about + _SPARE,))
        self._end: int | None = None  # what is on the way there has been read

    def upwards(self, seq: int) -> None:
        """Prepare for reading a record and those behind it."""
        if self._log.store.is_remote and (self._end is None or seq > self._end):
            self._end = min(self._last, seq + self._count() - 1)
            self._log.prefetch(Position(self._branch_id, at) for at in range(seq, self._end + 1))

    def downwards(self, seq: int) -> None:
        """Prepare for reading a record and those before it."""
        if self._log.store.is_remote and (self._end is None or seq < self._end):
            self._end = max(0, seq - self._count() + 1)
            self._log.prefetch(Position(self._branch_id, at) for at in range(seq, self._end - 1, -1))

    def downwards_and_spans(self, seq: int) -> list[Span]:
        """Do so while the history objects of the log are listed, and return these."""
        if not self._log.store.is_remote:
            return self._log.gathered_spans(self._branch_id)
        with ThreadPoolExecutor(1, "omnigraph-history") as beside:
            listing = beside.submit(self._log.gathered_spans, self._branch_id)
            self.downwards(seq)
            return listing.result()

    def _count(self) -> int:
        return min(_TOGETHER[-1], next(self._together, _TOGETHER[-1]))


def _middles(low: int, high: int, levels: int) -> Iterator[int]:
    """Yield the places at which the next steps of a binary search may look."""
    if levels and low < high:
        middle = (low + high) // 2
        yield middle
        yield from _middles(low, middle, levels - 1)
        yield from _middles(middle + 1, high, levels - 1)


def folds_behind(log: Log, position: Position, commit_id: str) -> Iterator[LogEntry]:
    """Yield the folds that follow a record, as long as the commit is the newest: the same rows, in newer bases.

    What cleanup has reclaimed is passed over.
    """
    seq = position.seq
    while True:
        seq += 1
        try:
            entry = log.try_read(Position(position.branch_id, seq))
        except HistoryReclaimed:
            if any(commit for commit in commits_at(log, Position(position.branch_id, seq))):
                return
            continue
        if entry is None or entry.record.kind != "fold" or entry.record.state.head != commit_id:
            return
        if not entry.record.reclaimed:
            yield entry
