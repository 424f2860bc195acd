"""What the columns of a tail have in common: catching up with the log, and laying cells over those of the base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.storage.change import Change
from omnigraph.storage.part import Part
from omnigraph.storage.view import Mask

if TYPE_CHECKING:
    from omnigraph.storage.overlay import Overlay, OverlayLog


_GATHER_MIN = 8  # from so many batches on, joining them first is cheaper than converting each


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


class OverlayCells:
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

    def _append_last(self, start: int, change: Change) -> None:
        """Take in the one new batch: what every commit of a few rows does."""
        array = self._column(change)
        if start > self.length:
            self._pad(start - self.length)
        self._extend(array)
        self.length = start + len(array)
        self._batches += 1

    def _column(self, change: Change) -> pa.Array:
        batch = change.upserts
        assert batch is not None
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
        for start, change in batches:
            array = self._column(change)
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
