"""Pairs of a start and a node, as two arrays: making equal ones one.

A pair is packed into one integer, counted from the least start, so that the pairs of a block of starts stand close together:
dense ones are marked in a bitmap, others sorted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from omnigraph.query.frame import Frame
from omnigraph.query.scratch import first_of_each, sums_by

_DENSE = 16  # a bitmap of up to so many bytes for each pair costs less than sorting

Keys = npt.NDArray[np.int64]
Members = npt.NDArray[np.integer]


def distinct_pairs(starts: Members, nodes: Members, slots: int) -> tuple[Members, Members]:
    """Return each (start, node) pair once, ascending. ``slots`` is the size of the nodes' table."""
    keys, low, span = _packed(starts, nodes, slots)
    if len(keys) < 2 or bool((keys[1:] > keys[:-1]).all()):
        return starts, nodes
    if span < _DENSE * len(keys):
        seen = np.zeros(span, np.bool_)
        seen[keys] = True
        keys = np.flatnonzero(seen)
    else:
        keys = first_of_each(keys)
    return _unpacked(keys, low, slots)


def tallied_pairs(starts: Members, nodes: Members, weights: Keys | None, slots: int) -> tuple[Members, Members, Keys]:
    """Return each (start, node) pair once, ascending, and how often it occurs (the sum of its weights)."""
    keys, low, span = _packed(starts, nodes, slots)
    if span < _DENSE * len(keys):
        sums = np.bincount(keys, minlength=span) if weights is None else sums_by(keys, weights, span)
        keys = np.flatnonzero(sums)
        return *_unpacked(keys, low, slots), sums.take(keys)
    order = np.argsort(keys, kind="stable")
    ordered = keys.take(order)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    firsts = np.flatnonzero(first)
    ones = np.ones(len(keys), np.int64) if weights is None else weights.take(order)
    sums = np.add.reduceat(ones, firsts) if len(firsts) else ones
    return *_unpacked(ordered.take(firsts), low, slots), sums


def paired(columns: Mapping[str, Members], weights: Keys | None, slots: int, *, counted: bool) -> Frame:
    """Return a frame of two variables, a start and a node, without most of its equal rows.

    With ``counted`` a row keeps the number of those that it stands for, and rows are only made one where that is cheap.
    """
    (start, starts), (target, nodes) = columns.items()
    if not counted:
        starts, nodes = distinct_pairs(starts, nodes, slots)
        weights = None
    elif len(starts) and (int(starts.max()) - int(starts.min()) + 1) * slots < _DENSE * len(starts):
        starts, nodes, weights = tallied_pairs(starts, nodes, weights, slots)
    return Frame(len(nodes), {start: starts.astype(np.int32, copy=False), target: nodes.astype(np.int32, copy=False)}, weights)


def _packed(starts: Members, nodes: Members, slots: int) -> tuple[Keys, int, int]:
    """Return the keys of pairs, the start that they count from, and how many keys there may be."""
    if len(starts) == 0:
        return np.zeros(0, np.int64), 0, 0
    low = int(starts.min())
    keys = starts.astype(np.int64)
    if low:
        keys -= low
    span = (int(starts.max()) - low + 1) * slots
    keys *= slots
    keys += nodes
    return keys, low, span


def _unpacked(keys: Keys, low: int, slots: int) -> tuple[Members, Members]:
    starts = keys // max(slots, 1)
    nodes = keys - starts * slots
    if low:
        starts += low
    return starts, nodes
