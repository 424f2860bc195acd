"""Traversals of variable length: breadth first, by levels of shortest distance.

Level k holds the nodes whose shortest distance from the start is k; the result is the union of the levels from ``minimum`` to
``maximum``. A start node is reported only through a loop on itself, and only where level 1 is asked for.

One start walks with one array of marks over the node slots. Many starts walk together: a state is a pair of start and node,
packed into one integer, and a bitmap over (start, node) says what was seen; so many starts are taken at a time as a bitmap of
bounded size has room for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Positions
from omnigraph.query.operators.expand import Compaction
from omnigraph.query.operators.pieces import cuts, spread
from omnigraph.query.operators.source import shown
from omnigraph.query.operators.step import Step
from omnigraph.query.operators.walk import Walk, Walker
from omnigraph.query.pairs import paired
from omnigraph.query.scratch import Met, distinct, first_of_each, tallied
from omnigraph.storage.view import Mask, Ordinals


class Levels:
    """The breadth-first walk of one traversal over one snapshot."""

    def __init__(self, walk: Walk, minimum: int, maximum: int, slots: int, context: Context) -> None:
        self._walk = walk
        self._minimum = minimum
        self._maximum = maximum
        self._slots = slots
        self._context = context

    def from_one(self, start: int) -> Ordinals:
        """Return the nodes in reach of one node, each once."""
        slots, guard = self._slots, self._context.guard
        if start < 0:
            return np.zeros(0, np.int32)
        neighbours = self._walker(1).one(start, slots)
        met = Met(slots)
        origin = np.array((start,), np.int32)
        met.add(origin)
        frontier = met.others(neighbours)
        found: list[Ordinals] = []
        if self._minimum == 1 and len(frontier) < len(neighbours):  # they are distinct, so the start is among them
            found.append(origin)
        level = 1
        while len(frontier):
            if level >= self._minimum:
                found.append(frontier)
            if level == self._maximum:
                break
            guard.check()
            met.add(frontier)
            frontier = met.others(self._neighbours(frontier))
            level += 1
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def _walker(self, frontier: int) -> Walker:
        return Walker(self._walk, self._context, frontier, self._maximum)

    def _neighbours(self, frontier: Ordinals) -> Ordinals:
        """Return the neighbours of a frontier; any may repeat."""
        walker = self._walker(len(frontier))
        if len(frontier) <= self._context.settings.measured_rows:
            return walker.reached(frontier)
        parts = []
        for start, stop in cuts(walker.sizes(frontier), self._context.settings.piece_rows):
            self._context.guard.check()
            parts.append(distinct(walker.reached(frontier[start:stop]), self._slots))
        return np.concatenate(parts)

    def groups(self, starts: int) -> int:
        """Return how many starts are walked together."""
        return max(1, min(starts, self._context.settings.bitmap_bytes // max(self._slots, 1)))

    def from_many(self, starts: Ordinals) -> tuple[Positions, Ordinals]:
        """Return (positions, nodes) in reach of each of at most `groups` starts; all distinct."""
        slots, guard = self._slots, self._context.guard
        self._context.guard.reserve(len(starts) * slots)
        seen = np.zeros(len(starts) * slots, np.bool_)
        positions = np.flatnonzero(starts >= 0)
        frontier = starts.take(positions)
        seen[positions * slots + frontier] = True
        found: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        level = 0
        while len(frontier) and level < self._maximum:
            guard.check()
            level += 1
            keys = self._pair_keys(positions, frontier)
            if level == 1 and self._minimum == 1:
                found.append(keys[keys % slots == starts[keys // slots]])
            fresh = keys.take(np.flatnonzero(~seen.take(keys)))
            seen[fresh] = True
            positions, frontier = fresh // slots, (fresh % slots).astype(np.int32)
            if level >= self._minimum:
                found.append(fresh)
                guard.reserve(sum(part.nbytes for part in found) * 2)
        keys = np.concatenate(found) if found else np.zeros(0, np.int64)
        return keys // slots, (keys % slots).astype(np.int32)

    def _pair_keys(self, positions: Positions, frontier: Ordinals) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the distinct (start, neighbour) keys one step from the frontier."""
        walker = self._walker(len(frontier))
        if len(frontier) <= self._context.settings.measured_rows:
            at, neighbours = walker.many(frontier)
            return first_of_each(positions.take(at) * self._slots + neighbours)
        parts = []
        for start, stop in cuts(walker.sizes(frontier), self._context.settings.piece_rows):
            self._context.guard.check()
            at, neighbours = walker.many(frontier[start:stop])
            parts.append(first_of_each(positions[start:stop][at] * self._slots + neighbours))
        return parts[0] if len(parts) == 1 else first_of_each(np.concatenate(parts))


class Reach(Step, frozen=True):
    """Binds ``target`` to the nodes whose shortest distance from ``source`` lies within the bounds."""

    source: str
    target: str
    target_type: str
    walk: Walk
    minimum: int
    maximum: int
    compact: Compaction | None = None

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        slots = context.table(self.target).slots
        levels = Levels(self.walk, self.minimum, self.maximum, slots, context)
        rows = frame.rows
        if rows == 1:
            columns = frame.columns
            found = levels.from_one(int(columns[self.source][0]))
            count = len(found)
            grown = {name: columns[name].repeat(count) for name in self.carry}
            grown[self.target] = found
            return Frame(count, grown, None if frame.weights is None else frame.weights.repeat(count))
        return self._pieces(frame.settled(), levels, slots, context.settings.piece_rows)

    def follow(self, ordinals: Ordinals, context: Context) -> Ordinals | None:
        """Return the nodes in reach of the one node of a frontier, or None where the rows need a frame."""
        if len(ordinals) != 1:
            return None
        slots = context.table(self.target).slots
        return Levels(self.walk, self.minimum, self.maximum, slots, context).from_one(ordinals.item(0))

    def _pieces(self, frame: Frame, levels: Levels, slots: int, most: int) -> Iterator[Frame]:
        """Walk the distinct starts in groups, and give every row its start's nodes."""
        sources = frame.columns[self.source]
        order = np.argsort(sources, kind="stable")
        ordered = sources.take(order)
        starts = np.unique(ordered)
        group = levels.groups(len(starts))
        for first in range(0, len(starts), group):
            chosen = starts[first : first + group]
            positions, nodes = levels.from_many(chosen)
            by_start = np.argsort(positions, kind="stable")
            nodes = nodes[by_start]
            counts = np.bincount(positions, minlength=len(chosen)).astype(np.int64)
            offsets = np.cumsum(counts) - counts
            low = np.searchsorted(ordered, chosen[0], side="left")
            high = np.searchsorted(ordered, chosen[-1], side="right")
            rows = order[low:high]
            at = np.searchsorted(chosen, ordered[low:high])
            for start, stop in cuts(counts.take(at), most):
                yield self._grown(frame, rows[start:stop], at[start:stop], counts, offsets, nodes, slots)

    def _grown(
        self,
        frame: Frame,
        rows: Positions,
        at: Positions,
        counts: Positions,
        offsets: Positions,
        nodes: Ordinals,
        slots: int,
    ) -> Frame:
        sizes = counts.take(at)
        total = int(sizes.sum())
        positions = np.repeat(rows, sizes)
        target = nodes.take(spread(offsets.take(at), sizes))
        weights = None if frame.weights is None else frame.weights.take(positions)
        if self.compact is not None and self.carry:
            (start,) = self.carry
            pairs = {start: frame.columns[start].take(positions), self.target: target}
            return paired(pairs, weights, slots, counted=self.compact == "bag")
        if self.compact is not None and total * 8 > slots:
            if self.compact == "set":
                target = distinct(target, slots)
                return Frame(len(target), {self.target: target})
            target, weights = tallied(target, weights, slots)
            return Frame(len(target), {self.target: target}, weights)
        columns = {name: frame.columns[name].take(positions) for name in self.carry}
        columns[self.target] = target
        return Frame(total, columns, weights)

    def reads(self) -> frozenset[str]:
        return frozenset({self.source})

    def binds(self) -> frozenset[str]:
        return frozenset({self.target})

    def describe(self) -> str:
        bounds = f"{{{self.minimum},{self.maximum}}}"
        return f"reach {shown(self.source)} {self.walk.describe()}{bounds} {shown(self.target)}: {self.target_type}"


class JoinReach(Step, frozen=True):
    """Keeps rows whose two bound ends lie at a distance within the bounds."""

    source: str
    target: str
    walk: Walk
    minimum: int
    maximum: int

    def run(self, frame: Frame, context: Context) -> Frame:
        frame = frame.settled()
        near, far = frame.columns[self.source], frame.columns[self.target]
        slots = context.table(self.source).slots
        walk = self.walk
        starts, others = np.unique(near), np.unique(far)
        if len(others) < len(starts):
            walk, near, far, starts = walk.turned(), far, near, others
        levels = Levels(walk, self.minimum, self.maximum, slots, context)
        mask = np.zeros(frame.rows, np.bool_)
        group = levels.groups(len(starts))
        for first in range(0, len(starts), group):
            chosen = starts[first : first + group]
            rows = np.flatnonzero((near >= chosen[0]) & (near <= chosen[-1]) & (far >= 0))
            reached = self._reached(levels, chosen, slots)
            mask[rows] = reached[np.searchsorted(chosen, near[rows]) * slots + far[rows]]
        return frame.filtered(mask, self.carry)

    @staticmethod
    def _reached(levels: Levels, starts: Ordinals, slots: int) -> Mask:
        positions, nodes = levels.from_many(starts)
        reached = np.zeros(len(starts) * slots, np.bool_)
        reached[positions * slots + nodes] = True
        return reached

    def reads(self) -> frozenset[str]:
        return frozenset({self.source, self.target})

    def describe(self) -> str:
        bounds = f"{{{self.minimum},{self.maximum}}}"
        return f"join {shown(self.source)} {self.walk.describe()}{bounds} {shown(self.target)}"
