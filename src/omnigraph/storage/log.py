"""The log of one branch: finding its head, reading records and the tail, appending."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from omnigraph.errors import CorruptObject, HistoryReclaimed, OutcomeUnknown, StorageError, UpgradeRequired
from omnigraph.storage import record as format_
from omnigraph.storage.names import head_key, history_key, history_prefix, record_key
from omnigraph.storage.objects import ObjectExists, ObjectMissing, ObjectStore
from omnigraph.storage.record import CarriedChange, History, Position, Record, RecordHeader, Ref, Span, State

CARRY_EVERY: Final = 8
"""A record whose seq is a multiple of this carries the tail along, if it is small enough."""
CARRY_BYTES_MAX: Final = 256 * 1024
CARRY_EAGERLY_BYTES_MAX: Final = 16 * 1024
"""On a remote store every record carries a tail (and schema) as small as this: a reader then needs one object, not nine."""
HINT_EVERY: Final = 16
_CACHED_RECORDS_MAX: Final = 256
_CACHED_BYTES_MAX: Final = 32 * 1024 * 1024
_CACHED_HISTORIES_MAX: Final = 16
RECLAIMED: Final = b""
"""What cleanup leaves in place of a record. The place stays taken: whoever last looked long ago must lose its put there."""
_PREFETCHED_MAX: Final = 64
_SEARCHES_MAX: Final = 5
_LOOKS: Final = 5
"""Places that are looked at together when the head is searched for."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A record and where it stands. ``size_bytes`` is that of the object."""

    position: Position
    record: Record
    size_bytes: int


class Log:
    """Reads and appends the records of all branches of one graph. Safe to share between threads."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._cache: OrderedDict[Position, LogEntry] = OrderedDict()
        self._cached_bytes = 0
        self._histories: OrderedDict[Span, History] = OrderedDict()
        self._lock = Lock()
        self.refs: dict[tuple[str, str], Ref] = {}  # by key and tag; replaced as a whole

    def read(self, position: Position) -> LogEntry:
        """Return a record. Raises HistoryReclaimed, ObjectMissing, CorruptObject, UpgradeRequired."""
        with self._lock:
            entry = self._cache.get(position)
            if entry is not None:
                self._cache.move_to_end(position)
                return entry
        return self._decoded(position, self._stored(position))

    def read_header(self, position: Position) -> RecordHeader | Record:
        """Return what a record committed, for those who read many records once. Raises as `read` does."""
        with self._lock:
            entry = self._cache.get(position)
        if entry is not None:
            return entry.record
        return format_.decode(self._stored(position), RecordHeader, record_key(position.branch_id, position.seq))

    def _stored(self, position: Position) -> bytes:
        data = self.store.get(record_key(position.branch_id, position.seq))
        if data == RECLAIMED:
            raise HistoryReclaimed(
                f"record {position.seq} of log '{position.branch_id}' was removed by cleanup", hint="read a newer commit"
            )
        return data

    def try_read(self, position: Position) -> LogEntry | None:
        """Return a record, or None if there is none at this place yet."""
        try:
            return self.read(position)
        except ObjectMissing:
            return None

    def gathered_spans(self, branch_id: str) -> list[Span]:
        """Return the spans of a log for which there are history objects, sorted; they may overlap."""
        spans = []
        prefix = history_prefix(branch_id)
        for item in self.store.list(prefix):
            first, separator, last = item.key.removeprefix(prefix).partition("-")
            if separator and first.isdigit() and last.isdigit():
                spans.append(Span(branch_id, int(first), int(last)))
        return sorted(spans, key=lambda span: (span.first, span.last))

    def gathered(self, span: Span) -> History:
        """Return a history object."""
        with self._lock:
            known = self._histories.get(span)
            if known is not None:
                self._histories.move_to_end(span)
                return known
        key = history_key(span.branch_id, span.first, span.last)
        history = format_.decode(self.store.get(key), History, key)
        with self._lock:
            self._histories[span] = history
            while len(self._histories) > _CACHED_HISTORIES_MAX:
                self._histories.popitem(last=False)
        return history

    def gathered_around(self, position: Position) -> History | None:
        """Return a history object that covers a record, or None."""
        with self._lock:
            for span, history in self._histories.items():
                if span.branch_id == position.branch_id and span.first <= position.seq <= span.last:
                    return history
        for span in self.gathered_spans(position.branch_id):
            if span.first <= position.seq <= span.last:
                return self.gathered(span)
        return None

    def prefetch(self, positions: Iterable[Position]) -> None:
        """Fetch records side by side that are about to be read, where a look costs a round trip.

        Those that are damaged are left to who reads them: perhaps nobody does.
        """
        if not self.store.is_remote:
            return
        with self._lock:
            wanted = [position for position in dict.fromkeys(positions) if position not in self._cache]
        if len(wanted) < 2:
            return
        for start in range(0, len(wanted), _PREFETCHED_MAX):
            self._fetch(wanted[start : start + _PREFETCHED_MAX], lenient=True)

    def knows(self, position: Position) -> bool:
        """Say whether a record is at hand, so that reading it is no look at the store."""
        with self._lock:
            return position in self._cache

    def read_ahead(self, position: Position, count: int) -> int:
        """Fetch ``count`` records from a place on, side by side. Returns how many there are in a row."""
        found = self._fetch([Position(position.branch_id, position.seq + ahead) for ahead in range(count)])
        return next((at for at, data in enumerate(found) if data is None), count)

    def find_head(self, branch_id: str, *, roughly: bool = False) -> LogEntry | None:
        """Return the newest record of a branch's log; None if the log is empty.

        Starts at the hint and gallops: one look behind it when the hint is exact, a handful when it is missing or behind. On a
        remote store looks are taken side by side, so an exact hint costs two round trips. ``roughly``: there the record
        that the hint names will do, because the caller looks further before anything is read.
        """
        for _ in range(_SEARCHES_MAX):
            with contextlib.suppress(HistoryReclaimed):  # the branch moved on, and was cleaned up, while it was looked for
                return self._find_head(branch_id, roughly)
        raise CorruptObject(f"storage: the last record of log '{branch_id}' is empty", hint="run `omnigraph repair`")

    def _find_head(self, branch_id: str, roughly: bool) -> LogEntry | None:
        low = -1
        with contextlib.suppress(ObjectMissing, ValueError):
            hinted = int(self.store.get(head_key(branch_id)))
            if hinted >= 0 and roughly and self.store.is_remote:
                with contextlib.suppress(HistoryReclaimed):
                    return self.read(Position(branch_id, hinted))
            if hinted >= 0:
                found, behind = self._present(branch_id, [hinted, hinted + 1])
                low = hinted + int(behind) if found else -1
                if found and not behind:
                    return self.read(Position(branch_id, low))
        step = 1
        high: int | None = None  # the lowest seq that is known to be absent
        while high is None or high - low > 1:
            if high is None:
                seqs = [low + step * 2**power for power in range(_LOOKS)]
                step *= 2**_LOOKS
            else:
                seqs = sorted({low + max(1, (high - low) * place // (_LOOKS + 1)) for place in range(1, _LOOKS + 1)})
            for seq, there in zip(seqs, self._present(branch_id, seqs), strict=True):
                if not there:
                    high = seq
                    break
                low = seq
        return None if low < 0 else self.read(Position(branch_id, low))

    def _present(self, branch_id: str, seqs: Sequence[int]) -> list[bool]:
        if not self.store.is_remote:
            return [self.store.exists(record_key(branch_id, seq)) for seq in seqs]
        # What is found is about to be read, as the head or as part of its tail.
        return [data is not None for data in self._fetch([Position(branch_id, seq) for seq in seqs])]

    def _fetch(self, positions: Sequence[Position], *, lenient: bool = False) -> Sequence[bytes | None]:
        """Get records side by side and remember them. Returns what is stored, None where nothing is."""
        found = self.store.get_many([record_key(position.branch_id, position.seq) for position in positions])
        for position, data in zip(positions, found, strict=True):
            if data:  # an empty object stands where cleanup took a record away
                with contextlib.suppress(*((CorruptObject, UpgradeRequired) if lenient else ())):
                    self._decoded(position, data)
        return found

    def _decoded(self, position: Position, data: bytes) -> LogEntry:
        entry = LogEntry(position, format_.decode(data, Record, record_key(position.branch_id, position.seq)), len(data))
        self._remember(entry)
        return entry

    def append(self, position: Position, record: Record) -> LogEntry:
        """Put a record at a place that must be free; durable on return.

        Raises ObjectExists when another writer was first. A put whose answer was lost is settled by reading it back.
        """
        key = record_key(position.branch_id, position.seq)
        data = format_.encode(record)
        try:
            self.store.put_new(key, data)
        except OutcomeUnknown as unknown:
            try:
                stored = format_.decode(self.store.get(key), Record, key)
            except StorageError:
                # Missing now is no proof: the request may still be on its way.
                raise unknown from None
            if stored.nonce != record.nonce:
                raise ObjectExists(key) from unknown
        entry = LogEntry(position, record, len(data))
        self._remember(entry)
        return entry

    def replace(self, position: Position, record: Record) -> None:
        """Overwrite a record with one that says the same but lacks rows that a hard drop took away; durable on return."""
        data = format_.encode(record)
        self.store.put(record_key(position.branch_id, position.seq), data, durable=True)
        with self._lock:
            known = self._cache.pop(position, None)
            self._cached_bytes -= known.size_bytes if known is not None else 0

    def hint(self, position: Position) -> None:
        """Leave a hint for those who look for the head next. Never fails: it carries no truth."""
        with contextlib.suppress(StorageError):
            self.store.put_hint(head_key(position.branch_id), f"{position.seq:020d}".encode())

    def tail(self, entry: LogEntry) -> list[CarriedChange]:
        """Return the inline changes that lead from the bases of a record's state to that state, oldest first."""
        state = entry.record.state
        self.prefetch(tail_positions(state))
        changes: list[CarriedChange] = []
        for span in state.tail:
            for seq in range(span.first, span.last + 1):
                changes += inline_changes(self._read_tail(Position(span.branch_id, seq)).record)
        changes += inline_changes(entry.record)
        return changes

    def _read_tail(self, position: Position) -> LogEntry:
        try:
            return self.read(position)
        except ObjectMissing as missing:
            raise CorruptObject(f"storage: record '{missing.key}' is missing", hint="run `omnigraph repair`") from missing

    def forget(self, position: Position) -> None:
        """Read a record anew the next time: cleanup has replaced it."""
        with self._lock:
            entry = self._cache.pop(position, None)
            if entry is not None:
                self._cached_bytes -= entry.size_bytes

    def _remember(self, entry: LogEntry) -> None:
        with self._lock:
            if entry.position in self._cache:
                return
            self._cache[entry.position] = entry
            self._cached_bytes += entry.size_bytes
            while len(self._cache) > _CACHED_RECORDS_MAX or (self._cached_bytes > _CACHED_BYTES_MAX and len(self._cache) > 1):
                _, evicted = self._cache.popitem(last=False)
                self._cached_bytes -= evicted.size_bytes


def next_position(entry: LogEntry, branch_id: str) -> Position:
    """Return the place behind a record on a branch (whose log is empty if the record is its fork's)."""
    own = entry.position.branch_id == branch_id
    return Position(branch_id, entry.position.seq + 1 if own else 0)


def inline_changes(record: Record) -> list[CarriedChange]:
    """Return what a record brings to the tail: what it carries, then its own commits' changes."""
    own = [CarriedChange(commit.step, commit.inline) for commit in record.commits if commit.inline]
    return [*record.carried, *own] if record.carried else own


def spans_with(spans: list[Span], position: Position) -> list[Span]:
    """Return spans with one more position behind them."""
    if spans and spans[-1].branch_id == position.branch_id and spans[-1].last == position.seq - 1:
        last = spans[-1]
        return [*spans[:-1], Span(last.branch_id, last.first, position.seq)]
    return [*spans, Span(position.branch_id, position.seq, position.seq)]


def tail_positions(state: State) -> list[Position]:
    """Return the places of the records before this one that hold parts of its tail."""
    return [Position(span.branch_id, seq) for span in state.tail for seq in range(span.first, span.last + 1)]


def spans_length(spans: list[Span]) -> int:
    """Return the number of records in spans."""
    return sum(span.last - span.first + 1 for span in spans)
