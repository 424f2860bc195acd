"""Removing duplicates among ordinals in linear time.

Each thread keeps a stamp array per use: ``stamp[x] = arange`` leaves in every slot the last position that wrote there, so
``stamp[x] == arange`` marks exactly one position per distinct value. Nothing is sorted and nothing needs clearing.

For short arrays ``array[mask]`` costs a quarter of ``array.take(numpy.flatnonzero(mask))``; for long ones
it is the other way round.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from omnigraph.storage.view import Mask, Ordinals

_SORTED_BELOW = 2048
_STAMP_SLOTS_MAX = 1 << 26
_WALKS_MAX = (1 << 31) - 1


class _Local(threading.local):
    def __init__(self) -> None:
        self.stamp: npt.NDArray[np.int32] = np.zeros(1024, np.int32)
        self.marks: npt.NDArray[np.int32] = np.zeros(1024, np.int32)
        self.walks = 0


_local = _Local()


def stamp(slots: int) -> npt.NDArray[np.int32]:
    """Return this thread's stamp array of at least ``slots`` entries. Its content is arbitrary."""
    array = _local.stamp
    if len(array) < slots:
        array = np.zeros(slots, np.int32)
        if slots <= _STAMP_SLOTS_MAX:
            _local.stamp = array
    return array


def _sorted(ordinals: Ordinals) -> Ordinals:
    """Return ordinals in order; what `numpy.sort` does, without its 0.5 µs of preparations."""
    ordered = ordinals.copy()
    ordered.sort()
    return ordered


def distinct(ordinals: Ordinals, slots: int) -> Ordinals:
    """Return each ordinal once, in no particular order.

    Sorting wins for a few; a bitmap when a good part of the slots is hit; stamps in between.
    """
    count = len(ordinals)
    if count < 2:
        return ordinals
    if count < _SORTED_BELOW:
        ordered = _sorted(ordinals)
        first = np.empty(count, np.bool_)
        first[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        return ordered[first]
    if count * 16 > slots:
        seen = np.zeros(slots, np.bool_)
        seen[ordinals] = True
        return np.flatnonzero(seen).astype(np.int32)
    marks = stamp(slots)
    positions = np.arange(count, dtype=np.int32)
    marks[ordinals] = positions
    return ordinals.take(np.flatnonzero(marks.take(ordinals) == positions))


def count_distinct(ordinals: Ordinals, slots: int) -> int:
    """Return how many different ordinals there are."""
    count = len(ordinals)
    if count < 2:
        return count
    if count < _SORTED_BELOW:
        ordered = _sorted(ordinals)
        return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1
    if count * 16 > slots:
        seen = np.zeros(slots, np.bool_)
        seen[ordinals] = True
        return int(np.count_nonzero(seen))
    marks = stamp(slots)
    positions = np.arange(count, dtype=np.int32)
    marks[ordinals] = positions
    return int(np.count_nonzero(marks.take(ordinals) == positions))


class Met:
    """The ordinals that one walk has met: a number of its own in this thread's marks, so that nothing needs clearing.

    Of the walks of one thread only the latest may be asked.
    """

    __slots__ = ("_marks", "_slots", "_walk")

    def __init__(self, slots: int) -> None:
        local = _local
        if len(local.marks) < slots or local.walks == _WALKS_MAX:
            local.marks = np.zeros(max(slots, len(local.marks)), np.int32)
            local.walks = 0
        local.walks += 1
        self._marks = local.marks
        self._walk = np.int32(local.walks)
        self._slots = slots
        if slots > _STAMP_SLOTS_MAX:  # too large to be kept
            local.marks = np.zeros(1024, np.int32)
            local.walks = 0

    def add(self, ordinals: Ordinals) -> None:
        """Mark ordinals as met."""
        self._marks[ordinals] = self._walk

    def others(self, ordinals: Ordinals) -> Ordinals:
        """Return those that have not been met, each once."""
        if len(ordinals) >= _SORTED_BELOW:
            return distinct(ordinals.take(np.flatnonzero(self._marks.take(ordinals) != self._walk)), self._slots)
        ordered = _sorted(ordinals)
        unmet = self._marks.take(ordered) != self._walk
        unmet[1:] &= ordered[1:] != ordered[:-1]
        found: Ordinals = ordered[unmet]
        return found


def tallied(ordinals: Ordinals, weights: npt.NDArray[np.int64] | None, slots: int) -> tuple[Ordinals, npt.NDArray[np.int64]]:
    """Return each ordinal once, ascending, and how often it occurs (the sum of its weights)."""
    count = len(ordinals)
    if count * 8 > slots:
        if weights is None:
            counts = np.bincount(ordinals, minlength=slots)
        else:
            counts = sums_by(ordinals, weights, slots)
        present = np.flatnonzero(counts).astype(np.int32)
        return present, counts.take(present)
    if count == 0:
        return ordinals, np.zeros(0, np.int64)
    if weights is None:
        ordered = _sorted(ordinals)
    else:
        order = np.argsort(ordinals, kind="stable")
        ordered = ordinals.take(order)
    first = np.empty(count, np.bool_)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    if weights is None:
        counts = np.empty(len(starts), np.int64)
        np.subtract(starts[1:], starts[:-1], out=counts[:-1])
        counts[-1] = count - starts[-1]
    else:
        counts = np.add.reduceat(weights.take(order), starts)
    return ordered.take(starts), counts


def sums_by(groups: npt.NDArray[np.integer], weights: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the exact sum of integer weights per group.

    `numpy.bincount` adds doubles, which is exact while no sum can pass 2**53; beyond that the slower exact way is taken.
    """
    if len(weights) == 0 or int(np.abs(weights).max()) * len(weights) < 1 << 53:
        return np.bincount(groups, weights=weights, minlength=count).astype(np.int64)
    sums = np.zeros(count, np.int64)
    np.add.at(sums, groups, weights)
    return sums


def first_of_each(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return each key once, ascending."""
    if len(keys) < 2:
        return keys
    ordered = np.sort(keys)
    first: Mask = np.empty(len(ordered), np.bool_)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered.take(np.flatnonzero(first))
