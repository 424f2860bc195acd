"""A traversal between two bound variables: a test, not a walk."""

from __future__ import annotations

import numpy as np

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame
from omnigraph.query.operators.pieces import cuts
from omnigraph.query.operators.source import shown
from omnigraph.query.operators.step import Step
from omnigraph.query.operators.walk import Walk, Walker
from omnigraph.storage.view import Mask, Ordinals


class JoinEnds(Step, frozen=True):
    """Keeps rows whose two bound ends are neighbours."""

    source: str
    target: str
    walk: Walk

    def run(self, frame: Frame, context: Context) -> Frame:
        rows = frame.rows
        frame = frame.settled()
        near, far = frame.columns[self.source], frame.columns[self.target]
        walker = Walker(self.walk, context, rows)
        if rows <= context.settings.measured_rows:
            return frame.filtered(matched(walker, near, far), self.carry)
        turned = Walker(self.walk.turned(), context, rows)
        for first, second, way in ((near, far, walker), (far, near, turned)):
            # Rows grow from left to right, so that the variable bound first is in order, unless it was bound by a lookup.
            if bool((first[1:] >= first[:-1]).all()):
                return frame.filtered(_by_bitmap(way, first, second, context), self.carry)
        return frame.filtered(_by_walking(walker, turned, near, far, context), self.carry)

    def reads(self) -> frozenset[str]:
        return frozenset({self.source, self.target})

    def describe(self) -> str:
        return f"join {shown(self.source)} {self.walk.describe()} {shown(self.target)}"


def matched(walker: Walker, near: Ordinals, far: Ordinals) -> Mask:
    """Walk from every row's near end, and see whether the far end is there."""
    positions, neighbours = walker.many(near)
    mask = np.zeros(len(near), np.bool_)
    mask[positions.take(np.flatnonzero(neighbours == far.take(positions)))] = True
    return mask


def _by_walking(walker: Walker, turned: Walker, near: Ordinals, far: Ordinals, context: Context) -> Mask:
    """Walk from the side with fewer edges, in pieces."""
    sizes, other_sizes = walker.sizes(near), turned.sizes(far)
    if int(other_sizes.sum()) < int(sizes.sum()):
        walker, near, far, sizes = turned, far, near, other_sizes
    mask = np.zeros(len(near), np.bool_)
    for start, stop in cuts(sizes, context.settings.piece_rows):
        context.guard.check()
        mask[start:stop] = matched(walker, near[start:stop], far[start:stop])
    return mask


def _by_bitmap(walker: Walker, near: Ordinals, far: Ordinals, context: Context) -> Mask:
    """Walk once from each distinct near end, in groups; a bitmap over (near end, node) then answers for every row.

    ``near`` is ascending, so the rows of a group stand together. The bitmap is cleared where it was set: a fresh one per group
    would cost a page fault per row.
    """
    slots = int(far.max()) + 1
    bounds = np.flatnonzero(np.concatenate(([True], near[1:] != near[:-1])))
    starts = near.take(bounds)
    ends = np.append(bounds[1:], len(near))
    places = np.repeat(np.arange(len(starts)), ends - bounds)
    group = max(1, min(len(starts), context.settings.bitmap_bytes // max(slots, 1)))
    bitmap = np.zeros(group * max(slots, 1), np.bool_)
    mask = np.zeros(len(near), np.bool_)
    for first in range(0, len(starts), group):
        context.guard.check()
        chosen = starts[first : first + group]
        positions, neighbours = walker.many(chosen)
        inside = np.flatnonzero(neighbours < slots)
        bits = positions.take(inside) * slots + neighbours.take(inside)
        bitmap[bits] = True
        low, high = bounds[first], ends[first + len(chosen) - 1]
        targets = far[low:high]
        found = bitmap.take((places[low:high] - first) * slots + targets, mode="clip")
        mask[low:high] = found & (targets >= 0)
        bitmap[bits] = False
    return mask
