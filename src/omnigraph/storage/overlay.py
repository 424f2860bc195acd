"""The tail of one table in memory: which rows were written or removed beyond the base, and where they stand.

Everything is an **append-only log of row writes**: every upsert and every delete of a change takes the next *position*. All
versions of one line of history share one log and differ only in how much of it they see (`Overlay.length`), so that a commit
costs what it changes, and an older snapshot stays right while a writer goes on. A dictionary leads from an id to the latest
position of that row, and ``previous`` from there to the ones before, which is what an older version follows. Two different
extensions of one version (branches, lost races) part ways: the second one copies the log up to that point.

The same holds for everything derived from the log: the values of its rows (`storage.overlay_columns`) are arrays over
positions that only grow. A vectorised read evaluates all positions and scatters them over the base in the order of the log:
what came last wins.

A row that the base has keeps its slot there as its ordinal. Any other id gets the next ordinal behind the base when it is
first written, and keeps it if it is deleted and inserted again. When the base's key index is not in memory, finding out
which of the two applies would cost a look-up a row; a log that was *replayed* over such a base therefore leaves the ordinal
open (`_OPEN`), reserves one behind the base in case it is needed, and asks only for the rows that a reader touches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from omnigraph.storage.change import Change
from omnigraph.storage.view import Mask, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.overlay_columns import OverlayColumn

_OPEN = -1
_FEW = 24  # up to here a Python loop beats building an array over all slots

SlotsOf = Callable[[Sequence[str]], Sequence[int]]


class Growing:
    """A NumPy array that grows at its end; slices taken before stay valid and unchanged."""

    __slots__ = ("_array", "length")

    def __init__(self, dtype: npt.DTypeLike, width: int | None = None) -> None:
        self._array: npt.NDArray[Any] = np.empty((16,) if width is None else (16, width), dtype)
        self.length = 0

    def append(self, cells: npt.NDArray[Any]) -> None:
        end = self.length + len(cells)
        if end > len(self._array):
            grown = np.empty((max(end, 2 * len(self._array)), *self._array.shape[1:]), self._array.dtype)
            grown[: self.length] = self._array[: self.length]
            self._array = grown
        self._array[self.length : end] = cells
        self.length = end

    def append_one(self, cell: Any) -> None:  # Any: what the element type takes
        if self.length == len(self._array):
            self.append(np.asarray([cell], self._array.dtype))
            return
        self._array[self.length] = cell
        self.length += 1

    def upto(self, length: int) -> npt.NDArray[Any]:
        return self._array[:length]

    def copy(self, length: int) -> Growing:
        copied = Growing.__new__(Growing)
        copied._array = self._array[:length].copy() if length else np.empty((16, *self._array.shape[1:]), self._array.dtype)
        copied.length = length
        return copied


class OverlayLog:
    """The writes of one line of history. Shared by its versions; only ever appended to, under its lock."""

    def __init__(self, base_slots: int, slots_of: SlotsOf) -> None:
        self.lock = threading.RLock()
        self.base_slots = base_slots
        self.slots_of = slots_of
        self.length = 0
        self.ids: list[str] = []
        self.ordinals: list[int] = []
        self.dead: list[bool] = []
        self.previous: list[int] = []
        self.reserved: dict[str, int] = {}  # ids whose ordinal is open
        self.by_id: dict[str, int] = {}
        self.by_ordinal: dict[int, int] = {}
        self.batches: list[tuple[int, Change]] = []  # those that write rows, with the position of the first row
        self.columns: dict[str, OverlayColumn] = {}
        self._ordinal_array = Growing(np.int32)
        self._dead_array = Growing(np.bool_)

    # --- writing -------------------------------------------------------------------------------------------------------

    def append(self, change: Change, slots: int, rows: int, lazy: bool) -> Overlay:
        """Append a change to a version of this log that ends where the log ends; the caller holds the lock."""
        position = self.length
        upserted = change.upserted
        upserts = len(upserted)
        by_id = self.by_id
        base: dict[str, int] = {}
        if self.base_slots and not lazy:
            unknown = [row_id for row_id in upserted if row_id not in by_id]
            if change.deletes:
                unknown += [row_id for row_id in change.deletes if row_id not in by_id]
            if unknown:
                base = dict(zip(unknown, self.slots_of(unknown), strict=True))
        known = [by_id.get(row_id, -1) for row_id in upserted]
        ordinals = []
        for row_id, before in zip(upserted, known, strict=True):
            if before >= 0:
                ordinals.append(self.ordinals[before])
                rows += self.dead[before]
                continue
            ordinal = base.get(row_id, -1)
            if ordinal < 0:
                if lazy:
                    self.reserved[row_id] = slots
                    ordinal = _OPEN
                else:
                    ordinal = slots
                    rows += 1
                slots += 1
            ordinals.append(ordinal)
        ids = upserted
        for row_id in change.deletes:
            before = by_id.get(row_id, -1)
            if before >= 0:
                ordinal = self.ordinals[before]
                rows -= not self.dead[before]
            else:
                ordinal = base.get(row_id, -1)
                if ordinal >= 0:
                    rows -= 1
                elif lazy:
                    self.reserved[row_id] = slots
                    slots += 1
                else:
                    continue  # nothing to remove
            ids.append(row_id)
            known.append(before)
            ordinals.append(ordinal)
        if upserts:
            self.batches.append((position, change))
        self._write(ids, ordinals, known, upserts)
        return Overlay(self, self.length, slots, rows)

    def _write(self, ids: list[str], ordinals: list[int], previous: list[int], upserts: int) -> None:
        # Readers do not lock: what a position says must stand before anything leads to it.
        start, end = self.length, self.length + len(ids)
        self.ids += ids
        self.ordinals += ordinals
        self.previous += previous
        self.dead += [False] * upserts
        self.dead += [True] * (len(ids) - upserts)
        self.by_id.update(zip(ids, range(start, end), strict=True))
        self.by_ordinal.update((ordinal, position) for position, ordinal in enumerate(ordinals, start) if ordinal != _OPEN)
        self.length = end

    def fork(self, length: int) -> OverlayLog:
        """Copy what a version of a length sees; the caller holds the lock. About 0.1 ms for 4,096 rows."""
        log = OverlayLog(self.base_slots, self.slots_of)
        log.length = length
        log.ids = self.ids[:length]
        log.ordinals = self.ordinals[:length]
        log.dead = self.dead[:length]
        log.previous = self.previous[:length]
        log.by_id = dict(self.by_id)
        log.by_ordinal = dict(self.by_ordinal)
        for row_id in set(self.ids[length:]):
            _step_back(log.by_id, row_id, self.previous, length)
        for ordinal in set(self.ordinals[length:]):
            if ordinal >= 0:
                _step_back(log.by_ordinal, ordinal, self.previous, length)
        log.reserved = {row_id: slot for row_id, slot in self.reserved.items() if row_id in log.by_id}
        log.batches = [(start, change) for start, change in self.batches if start < length]
        log._ordinal_array = self._ordinal_array.copy(min(length, self._ordinal_array.length))
        log._dead_array = self._dead_array.copy(min(length, self._dead_array.length))
        log.columns = {name: column.fork(log, length) for name, column in list(self.columns.items())}
        return log

    # --- ordinals that were left open ----------------------------------------------------------------------------------

    def settle(self, row_ids: Sequence[str]) -> None:
        """Find the ordinals of some of the open rows, with one look-up in the base."""
        with self.lock:
            asked = [row_id for row_id in dict.fromkeys(row_ids) if row_id in self.reserved]
            if not asked:
                return
            for row_id, slot in zip(asked, self.slots_of(asked), strict=True):
                ordinal = slot if slot >= 0 else self.reserved[row_id]
                position = self.by_id[row_id]
                latest = position
                while position >= 0:
                    self.ordinals[position] = ordinal
                    position = self.previous[position]
                self.by_ordinal[ordinal] = latest
                del self.reserved[row_id]

    def settle_all(self) -> None:
        if self.reserved:
            self.settle(list(self.reserved))

    # --- arrays over positions -----------------------------------------------------------------------------------------

    def ordinal_array(self, length: int) -> Ordinals:
        array = self._ordinal_array
        if array.length < length:
            with self.lock:
                self.settle_all()
                _catch_up(array, self.ordinals, length)
        return array.upto(length)

    def dead_array(self, length: int) -> Mask:
        array = self._dead_array
        if array.length < length:
            with self.lock:
                _catch_up(array, self.dead, length)
        return array.upto(length)


def _step_back(index: dict[Any, int], key: Any, previous: list[int], length: int) -> None:  # Any: ids or ordinals
    position = index[key]
    while position >= length:
        position = previous[position]
    if position >= 0:
        index[key] = position
    else:
        del index[key]


def _catch_up(array: Growing, cells: list[Any], length: int) -> None:
    missing = length - array.length
    if missing == 1:
        array.append_one(cells[length - 1])
    elif missing > 0:
        array.append(np.array(cells[array.length : length]))


class Overlay:
    """One version of a tail: immutable, a length of a log and three numbers."""

    __slots__ = ("_entries", "base_slots", "length", "log", "rows", "slots")

    def __init__(self, log: OverlayLog, length: int, slots: int, rows: int) -> None:
        self.log = log
        self.base_slots = log.base_slots
        self.length = length
        self.slots = slots
        self.rows = rows
        self._entries: Ordinals | None = None

    @classmethod
    def empty(cls, base_slots: int, base_rows: int, slots_of: SlotsOf) -> Overlay:
        """Return the overlay of a base without a tail. ``slots_of`` finds the slots of ids in the base, -1 for none."""
        return cls(OverlayLog(base_slots, slots_of), 0, base_slots, base_rows)

    def extend(self, change: Change) -> Overlay:
        """Return the version after one more change; this one stays as it is. O(change), about 5 µs for one row.

        Raises what the base raises if its slots must be looked up.
        """
        with self.log.lock:
            if self.log.length == self.length:
                return self.log.append(change, self.slots, self.rows, lazy=False)
            log = self.log.fork(self.length)
        return log.append(change, self.slots, self.rows, lazy=False)

    def replay(self, changes: Sequence[Change], rows: int, lazy: bool) -> Overlay:
        """Return the version after many changes, of which the number of live rows is known.

        With ``lazy``, ordinals of rows stay open until somebody asks for them, and the base is not touched now.
        """
        overlay = self
        lazy = lazy and self.base_slots > 0  # without a base there is nothing to look up
        for change in changes:
            overlay = overlay.log.append(change, overlay.slots, overlay.rows, lazy)
        return Overlay(overlay.log, overlay.length, overlay.slots, rows)

    # --- single rows ---------------------------------------------------------------------------------------------------

    def position_of_id(self, row_id: str) -> int:
        """Return the position of the last write of a row, or -1 when the tail says nothing about it."""
        log = self.log
        position = log.by_id.get(row_id, -1)
        while position >= self.length:
            position = log.previous[position]
        return position

    def positions_of_ids(self, row_ids: Sequence[str | None]) -> list[int]:
        """Return the positions of the last writes of many rows, -1 for those of which the tail says nothing."""
        get: Any = self.log.by_id.get  # Any: None may be asked for, and is not there
        positions = [get(row_id, -1) for row_id in row_ids]
        if self.length < self.log.length:
            previous, length = self.log.previous, self.length
            for at, position in enumerate(positions):
                while position >= length:
                    position = previous[position]
                positions[at] = position
        return positions

    def position_of(self, ordinal: int) -> int:
        """The same by ordinal."""
        log = self.log
        position = log.by_ordinal.get(ordinal, -1)
        while position >= self.length:
            position = log.previous[position]
        return position

    def ordinal_at(self, position: int) -> int:
        """Return the ordinal that a position writes; -1 when the write is a delete."""
        log = self.log
        if log.dead[position]:
            return -1
        ordinal = log.ordinals[position]
        if ordinal == _OPEN:
            log.settle([log.ids[position]])
            ordinal = log.ordinals[position]
        return ordinal

    # --- arrays --------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Find out the ordinals that are open: for those who go by ordinals, not by ids."""
        if self.log.reserved:
            self.log.ordinal_array(self.length)

    @property
    def ordinals(self) -> Ordinals:
        """The ordinal of every position, in the order of the log."""
        return self.log.ordinal_array(self.length)

    @property
    def dead(self) -> Mask:
        """Which positions are deletes."""
        return self.log.dead_array(self.length)

    @property
    def entries(self) -> Ordinals:
        """For every slot the last position that writes it, plus one; 0 for none. One more cell than slots, for -1."""
        entries = self._entries
        if entries is None:
            entries = np.zeros(self.slots + 1, np.int32)
            entries[self.ordinals] = np.arange(1, self.length + 1, dtype=np.int32)
            self._entries = entries
        return entries

    def positions_of(self, ordinals: Ordinals) -> Ordinals | None:
        """Return the last positions that write the given ordinals, -1 where none does; None when none does anywhere."""
        if self.length == 0:
            return None
        if len(ordinals) <= _FEW and self._entries is None:
            position_of = self.position_of
            positions = [position_of(ordinal) for ordinal in ordinals.tolist()]
            return np.array(positions, np.int32) if max(positions, default=-1) >= 0 else None
        found = self.entries[ordinals]
        return found - 1 if found.any() else None

    def current(self) -> Ordinals:
        """Return the positions that are the last of their row, deletes included, ascending."""
        if self.length == 0:
            return np.empty(0, np.int32)
        entries = self.entries
        last = entries[self.ordinals] == np.arange(1, self.length + 1, dtype=np.int32)
        return np.flatnonzero(last).astype(np.int32)
