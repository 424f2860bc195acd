"""The values of the rows of a tail, one growing column per property, over the positions of an `OverlayLog`.

A column catches up with its log when it is read, not when a commit is made; positions that are deletes hold nulls.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.checked import Value
from omnigraph.storage.columns import (
    cell_value,
    is_string,
    is_vector,
    number_array,
    number_cells,
    number_dtype,
    vector_array,
    vector_cells,
)
from omnigraph.storage.dictionary import StringDictionary
from omnigraph.storage.overlay import Growing
from omnigraph.storage.part import Part
from omnigraph.storage.view import Mask, Numbers, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.overlay import Overlay, OverlayLog

_GATHER_MIN = 8  # from so many batches on, joining them first is cheaper than converting each
_NEW_BITS = 20
_NEW_MAX = 1 << _NEW_BITS


def overlay_column(log: OverlayLog, name: str, type_: pa.DataType) -> OverlayColumn:
    """Return the column of a log for a stored column, made at first use."""
    column = log.columns.get(name)
    if column is None or column.type != type_:
        with log.lock:
            if number_dtype(type_) is not None:
                column = NumberOverlay(log, name, type_)
            elif is_string(type_):
                column = StringOverlay(log, name, type_)
            elif is_vector(type_):
                column = VectorOverlay(log, name, type_)
            else:
                column = ListOverlay(log, name, type_)
            log.columns[name] = column
    return column


class MergedCells:
    """The cells of all slots: those of the base with the tail's laid over them.

    While commits only add rows, their cells are appended in place: a version sees the slots that it knows. A write to a slot
    that some version sees already needs a new copy. So a reader after every insert does not pay for the whole column.
    """

    __slots__ = ("_all_valid", "_cells", "_length", "_origin", "_slots", "_valid", "size_bytes")

    def __init__(
        self, overlay: Overlay, base: npt.NDArray[Any], base_valid: Mask | None, cells: npt.NDArray[Any], valid: Mask
    ) -> None:
        slots = overlay.slots
        room = slots + max(64, slots // 8)
        self._cells = np.empty((room, *base.shape[1:]), base.dtype)
        self._valid = np.zeros(room, np.bool_)
        self._cells[: len(base)] = base
        self._cells[len(base) : slots] = 0
        self._valid[: len(base)] = True if base_valid is None else base_valid
        self._cells[overlay.ordinals] = cells
        self._valid[overlay.ordinals] = valid
        self._all_valid = bool(self._valid[:slots].all())
        self._origin = self._length = overlay.length
        self._slots = slots
        self.size_bytes = self._cells.nbytes + self._valid.nbytes

    def reaches(self, overlay: Overlay, cells: npt.NDArray[Any], valid: Mask) -> bool:
        """Append what a version has beyond this; False when that cannot be done in place. The caller holds the lock."""
        if overlay.length < self._origin:
            return False
        if overlay.length <= self._length:
            return True
        new = overlay.ordinals[self._length :]
        appended = overlay.slots - self._slots
        in_order = np.arange(self._slots, overlay.slots, dtype=np.int32)
        if len(new) != appended or overlay.slots > len(self._cells) or not np.array_equal(new, in_order):
            return False
        self._cells[self._slots : overlay.slots] = cells[self._length :]
        self._valid[self._slots : overlay.slots] = valid[self._length :]
        self._all_valid = self._all_valid and bool(valid[self._length :].all())
        self._length, self._slots = overlay.length, overlay.slots
        return True

    def upto(self, slots: int) -> tuple[npt.NDArray[Any], Mask | None]:
        return self._cells[:slots], None if self._all_valid else self._valid[:slots]


class _OverlayColumn:
    """What the kinds share: reading the batches that came since the last read."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        self.log = log
        self.name = name
        self.type = type_
        self.length = 0
        self._batches = 0
        self._merged: Part | None = None

    def upto(self, length: int) -> None:
        """Catch up with the log, at least up to a length."""
        if self.length >= length:
            return
        with self.log.lock:
            if self.length >= length:
                return
            end = self.log.length
            if self._batches + 1 == len(self.log.batches):
                self._append_last(*self.log.batches[-1])
            for start, array in self._arrays():
                self._pad(start - self.length)
                self._extend(array)
                self.length = start + len(array)
            self._batches = len(self.log.batches)
            if end > self.length:
                self._pad(end - self.length)
                self.length = end

    def _append_last(self, start: int, batch: pa.RecordBatch) -> None:
        """Take in the one new batch: what every commit of a few rows does."""
        array = self._column(batch)
        if start > self.length:
            self._pad(start - self.length)
        self._extend(array)
        self.length = start + len(array)
        self._batches += 1

    def _column(self, batch: pa.RecordBatch) -> pa.Array:
        at = batch.schema.get_field_index(self.name)
        if at < 0:
            return pa.nulls(batch.num_rows, self.type)
        array = batch.column(at)
        return array if array.type == self.type else array.cast(self.type)

    def _arrays(self) -> Iterator[tuple[int, pa.Array]]:
        """Yield the new cells as (position, array), joined where batches follow each other without a gap."""
        batches = self.log.batches[self._batches :]
        join = len(batches) >= _GATHER_MIN
        pending: list[pa.Array] = []
        first = end = 0
        for start, batch in batches:
            array = self._column(batch)
            if not join:
                yield start, array
                continue
            if pending and start != end:
                yield first, pa.concat_arrays(pending)
                pending = []
            if not pending:
                first = start
            pending.append(array)
            end = start + len(array)
        if pending:
            yield first, pa.concat_arrays(pending)

    def _laid_over(
        self,
        overlay: Overlay,
        base: tuple[npt.NDArray[Any], Mask | None],
        cells: tuple[npt.NDArray[Any], Mask],
        admit: Callable[[Part], None],
    ) -> tuple[npt.NDArray[Any], Mask | None]:
        """Return the cells of all slots and their validity, from those of the base and of the positions."""
        with self.log.lock:
            merged: MergedCells | None = None if self._merged is None else self._merged.value
            if merged is None or not merged.reaches(overlay, *cells):
                merged = MergedCells(overlay, *base, *cells)
                if self._merged is None or self._merged.value is None or overlay.length == self.log.length:
                    self._merged = Part(merged, merged.size_bytes)
                    admit(self._merged)
            return merged.upto(overlay.slots)

    def _extend(self, array: pa.Array) -> None:
        raise NotImplementedError  # replaced by every kind

    def _pad(self, count: int) -> None:
        raise NotImplementedError  # replaced by every kind

    def _copy_into(self, copied: Any, length: int) -> None:  # Any: the same kind
        copied.length = min(length, self.length)
        copied._batches = sum(1 for start, _ in self.log.batches[: self._batches] if start < copied.length)


class NumberOverlay(_OverlayColumn):
    """Fixed-width scalars."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        dtype = number_dtype(type_)
        assert dtype is not None
        self._values = Growing(dtype)
        self._valid = Growing(np.bool_)

    def _extend(self, array: pa.Array) -> None:
        values, valid = number_cells(array)
        self._values.append(values)
        self._valid.append(np.ones(len(values), np.bool_) if valid is None else valid)

    def _pad(self, count: int) -> None:
        if count:
            self._values.append(np.zeros(count, self._values.upto(0).dtype))
            self._valid.append(np.zeros(count, np.bool_))

    def cells(self, length: int) -> tuple[Numbers, Mask]:
        """Return values and validity of the first positions."""
        self.upto(length)
        return self._values.upto(length), self._valid.upto(length)

    def merged(
        self, overlay: Overlay, values: Numbers, valid: Mask | None, admit: Callable[[Part], None]
    ) -> tuple[Numbers, Mask | None]:
        """Return the numbers of all slots and their validity."""
        return self._laid_over(overlay, (values, valid), self.cells(overlay.length), admit)

    def value(self, position: int) -> Value:
        self.upto(position + 1)
        if not self._valid.upto(position + 1).item(position):
            return None
        value: Value = self._values.upto(position + 1).item(position)
        return value

    def take(self, positions: Ordinals) -> pa.Array:
        self.upto(int(positions.max(initial=-1)) + 1)
        values, valid = self._values.upto(self.length), self._valid.upto(self.length)
        return number_array(self.type, values[positions], valid[positions])

    def fork(self, log: OverlayLog, length: int) -> NumberOverlay:
        copied = NumberOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied._values = self._values.copy(copied.length)
        copied._valid = self._valid.copy(copied.length)
        return copied


class StringOverlay(_OverlayColumn):
    """Strings, and their places among the strings of the base.

    A string of the base's dictionary has the *key* ``2 * rank + 1``; one that is new has ``2 * rank`` of the first string
    behind it. New strings with equal keys are told apart by their order among all new ones. Nulls have the key -1.
    """

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        self.strings: list[str | None] = []
        self._keys = Growing(np.int64)
        self._new = Growing(np.int32)  # number of the new string, -1 for others
        self._seen: dict[str | None, tuple[int, int]] = {None: (-1, -1)}
        self._new_strings: list[str] = []  # in order
        self._new_numbers: list[int] = []  # their numbers, in the order of the strings
        self._new_keys: list[int] = []  # their keys, in the order of the strings
        self._orders: npt.NDArray[np.int64] | None = None

    def _extend(self, array: pa.Array) -> None:
        self.strings += array.to_pylist()

    def _pad(self, count: int) -> None:
        self.strings += [None] * count

    def value(self, position: int) -> Value:
        self.upto(position + 1)
        return self.strings[position]

    def values(self, length: int) -> list[str | None]:
        self.upto(length)
        return self.strings[:length]

    def take(self, positions: Ordinals) -> pa.Array:
        self.upto(int(positions.max(initial=-1)) + 1)
        strings = self.strings
        return pa.array([strings[position] for position in positions.tolist()], pa.string())

    def fork(self, log: OverlayLog, length: int) -> StringOverlay:
        copied = StringOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied.strings = self.strings[: copied.length]
        ranked = min(copied.length, self._keys.length)
        copied._keys = self._keys.copy(ranked)
        copied._new = self._new.copy(ranked)
        copied._seen = dict(self._seen)  # strings that only the other line holds do no harm
        copied._new_strings = self._new_strings.copy()
        copied._new_numbers = self._new_numbers.copy()
        copied._new_keys = self._new_keys.copy()
        return copied

    # --- order ---------------------------------------------------------------------------------------------------------

    def _rank(self, dictionary: StringDictionary, length: int) -> None:
        """Give keys to the strings up to a length; the caller holds the lock."""
        self.upto(length)
        keys: list[int] = []
        news: list[int] = []
        for string in self.strings[self._keys.length : length]:
            place = self._seen.get(string)
            if place is None:
                assert string is not None
                place = self._seen[string] = self._place(dictionary, string)
            keys.append(place[0])
            news.append(place[1])
        if keys:
            self._keys.append(np.array(keys, np.int64))
            self._new.append(np.array(news, np.int32))

    def _place(self, dictionary: StringDictionary, string: str) -> tuple[int, int]:
        rank, known = dictionary.lower_bound(string)
        if known:
            return 2 * rank + 1, -1
        number = len(self._new_strings)
        assert number < _NEW_MAX, "an overlay holds far fewer rows than this"
        at = bisect_left(self._new_strings, string)
        self._new_strings.insert(at, string)
        self._new_numbers.insert(at, number)
        self._new_keys.insert(at, 2 * rank)
        self._orders = None
        return 2 * rank, number

    def _order_of_new(self) -> npt.NDArray[np.int64]:
        """Return the order of each new string by its number, and a 0 behind them for -1."""
        if self._orders is None:
            orders = np.zeros(len(self._new_numbers) + 1, np.int64)
            orders[np.array(self._new_numbers, np.int64)] = np.arange(len(self._new_numbers))
            self._orders = orders
        return self._orders

    def labels(self, dictionary: StringDictionary, length: int, string: str) -> tuple[npt.NDArray[np.int64], int, bool]:
        """Return one integer per position that orders like the strings (negative for null), and where a constant stands.

        The constant's integer is its own if the third result is True; else it is that of the first string behind it.
        """
        with self.log.lock:
            self._rank(dictionary, length)
            labels = (self._keys.upto(length) << _NEW_BITS) | self._order_of_new()[self._new.upto(length)]
            rank, known = dictionary.lower_bound(string)
            if known:
                return labels, (2 * rank + 1) << _NEW_BITS, True
            at = bisect_left(self._new_strings, string)
            known = at < len(self._new_strings) and self._new_strings[at] == string
            return labels, (2 * rank) << _NEW_BITS | at, known

    def may_hold(self, dictionary: StringDictionary, length: int, string: str) -> bool:
        """Say whether a string stands somewhere in the first positions; exact when it says no."""
        with self.log.lock:
            self._rank(dictionary, length)
            return string in self._seen

    def merged_codes(self, dictionary: StringDictionary, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the codes of all ranks of the base (and a -1 behind them), and those of the positions.

        Codes are dense: places in the sorted list of the strings of the base and the new ones of this line.
        """
        with self.log.lock:
            self._rank(dictionary, length)
            gaps = np.array(self._new_keys, np.int64) >> 1
            table = np.arange(len(dictionary) + 1, dtype=np.int64)
            if len(gaps):
                table += np.searchsorted(gaps, table, side="right")
            table[-1] = -1
            keys = self._keys.upto(length)
            codes = table[np.where(keys & 1, keys >> 1, -1)]
            new = self._new.upto(length)
            fresh = new >= 0
            if fresh.any():
                order = self._order_of_new()[new[fresh]]
                codes[fresh] = gaps[order] + order
            return table, codes


class VectorOverlay(_OverlayColumn):
    """Vectors."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        self._rows = Growing(np.float32, type_.list_size)
        self._valid = Growing(np.bool_)

    def _extend(self, array: pa.Array) -> None:
        rows, valid = vector_cells(array)
        self._rows.append(rows)
        self._valid.append(np.ones(len(rows), np.bool_) if valid is None else valid)

    def _pad(self, count: int) -> None:
        if count:
            self._rows.append(np.zeros((count, self.type.list_size), np.float32))
            self._valid.append(np.zeros(count, np.bool_))

    def cells(self, length: int) -> tuple[npt.NDArray[np.float32], Mask]:
        """Return vectors and validity of the first positions."""
        self.upto(length)
        return self._rows.upto(length), self._valid.upto(length)

    def merged(
        self, overlay: Overlay, matrix: npt.NDArray[np.float32], valid: Mask | None, admit: Callable[[Part], None]
    ) -> tuple[npt.NDArray[np.float32], Mask | None]:
        """Return the vectors of all slots and their validity."""
        return self._laid_over(overlay, (matrix, valid), self.cells(overlay.length), admit)

    def value(self, position: int) -> Value:
        rows, valid = self.cells(position + 1)
        return tuple(rows[position].tolist()) if valid[position] else None

    def take(self, positions: Ordinals) -> pa.Array:
        rows, valid = self.cells(int(positions.max(initial=-1)) + 1)
        return vector_array(self.type, rows[positions], valid[positions])

    def fork(self, log: OverlayLog, length: int) -> VectorOverlay:
        copied = VectorOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied._rows = self._rows.copy(copied.length)
        copied._valid = self._valid.copy(copied.length)
        return copied


class ListOverlay(_OverlayColumn):
    """Lists, as Python tuples."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        self._lists: list[Value] = []

    def _extend(self, array: pa.Array) -> None:
        self._lists += [cell_value(array, place) for place in range(len(array))]

    def _pad(self, count: int) -> None:
        self._lists += [None] * count

    def value(self, position: int) -> Value:
        self.upto(position + 1)
        return self._lists[position]

    def take(self, positions: Ordinals) -> pa.Array:
        self.upto(int(positions.max(initial=-1)) + 1)
        lists = self._lists
        cells = [lists[position] for position in positions.tolist()]
        item = self.type.value_type
        if not pa.types.is_date(item):
            return pa.array(cells, self.type)
        plain = pa.int32() if pa.types.is_date32(item) else pa.int64()
        numbers = pa.array(cells, pa.list_(plain))
        return pa.ListArray.from_arrays(numbers.offsets, numbers.values.view(item), type=self.type, mask=numbers.is_null())

    def fork(self, log: OverlayLog, length: int) -> ListOverlay:
        copied = ListOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied._lists = self._lists[: copied.length]
        return copied


OverlayColumn = Union[NumberOverlay, StringOverlay, VectorOverlay, ListOverlay]
