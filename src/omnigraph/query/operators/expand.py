"""Walking one hop from a bound variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Weights
from omnigraph.query.operators.pieces import cuts
from omnigraph.query.operators.source import shown
from omnigraph.query.operators.step import Step
from omnigraph.query.operators.walk import Walk, Walker, degrees_of
from omnigraph.query.pairs import paired
from omnigraph.query.scratch import distinct, tallied
from omnigraph.storage.view import Ordinals

_DISTINCT_ABOVE = 256  # making fewer distinct costs as much as it may spare

Compaction: TypeAlias = Literal["bag", "set"]
"""How equal rows may be made one: with their number as a weight, or without, where only their existence counts."""


class Expand(Step, frozen=True):
    """Binds ``target`` to the distinct neighbours of ``source``.

    With ``compact`` the target is all that is needed behind the step, or the target and one more variable, and equal rows are
    made one once that is cheaper than carrying them: a walk is then never longer than its frontier.
    """

    source: str
    target: str
    target_type: str
    walk: Walk
    compact: Compaction | None = None

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        rows = frame.rows
        walker = Walker(self.walk, context, rows)
        slots = context.table(self.target).slots
        if frame.scan is not None and self.compact is not None and not self.carry and frame.scan.mask is None:
            behind = walker.degrees_behind()
            if behind is not None:  # All edges are walked: the neighbours are those with an edge.
                ordinals = np.flatnonzero(behind).astype(np.int32)
                weights = behind[ordinals].astype(np.int64) if self.compact == "bag" else None
                return Frame(len(ordinals), {self.target: ordinals}, weights)
        if rows == 1:
            return self._from_one(frame, walker, slots)
        if rows <= context.settings.measured_rows:
            return self._piece(frame, walker, slots)
        sizes = walker.sizes(frame.columns[self.source])
        total = int(sizes.sum())
        if total <= context.settings.piece_rows:
            context.guard.reserve(total * (16 + 4 * len(self.carry)))
            return self._piece(frame, walker, slots)
        return (
            self._piece(frame.taken(np.arange(start, stop)), walker, slots)
            for start, stop in cuts(sizes, context.settings.piece_rows)
        )

    def follow(self, ordinals: Ordinals, context: Context) -> Ordinals | None:
        """Return the neighbours of a small frontier that is all there is, or None where the rows need a frame."""
        walker = Walker(self.walk, context, len(ordinals))
        if len(ordinals) == 1:
            return walker.one(ordinals.item(0), context.table(self.target).slots if walker.repeats else 0)
        if walker.repeats and self.compact != "set":
            neighbours = walker.pairs(ordinals, context.table(self.target).slots)[1]
        else:
            neighbours = walker.reached(ordinals)
        if self.compact is None or len(neighbours) <= _DISTINCT_ABOVE:
            return neighbours
        slots = context.table(self.target).slots
        if self.compact == "set":
            return distinct(neighbours, slots)
        return neighbours if len(neighbours) * 8 <= slots or len(neighbours) <= context.settings.measured_rows else None

    def _from_one(self, frame: Frame, walker: Walker, slots: int) -> Frame:
        columns = frame.columns
        neighbours = walker.one(int(columns[self.source][0]), slots)
        count = len(neighbours)
        grown = {name: columns[name].repeat(count) for name in self.carry}
        grown[self.target] = neighbours
        return Frame(count, grown, None if frame.weights is None else frame.weights.repeat(count))

    def _piece(self, frame: Frame, walker: Walker, slots: int) -> Frame:
        positions, neighbours = walker.pairs(frame.columns[self.source], slots)
        weights = None if frame.weights is None else frame.weights.take(positions)
        if self.compact is not None and self.carry:
            (start,) = self.carry
            columns = {start: frame.columns[start].take(positions), self.target: neighbours}
            return paired(columns, weights, slots, counted=self.compact == "bag")
        if self.compact is not None and len(neighbours) * 8 > slots:
            if self.compact == "set":
                neighbours = distinct(neighbours, slots)
                return Frame(len(neighbours), {self.target: neighbours})
            neighbours, weights = tallied(neighbours, weights, slots)
            return Frame(len(neighbours), {self.target: neighbours}, weights)
        columns = {name: frame.columns[name].take(positions) for name in self.carry}
        columns[self.target] = neighbours
        return Frame(len(neighbours), columns, weights)

    def reads(self) -> frozenset[str]:
        return frozenset({self.source})

    def binds(self) -> frozenset[str]:
        return frozenset({self.target})

    def describe(self) -> str:
        compact = {None: "", "bag": ", counting equal rows", "set": ", keeping distinct rows"}[self.compact]
        return f"expand {shown(self.source)} {self.walk.describe()} {shown(self.target)}: {self.target_type}{compact}"


class ExpandEdges(Step, frozen=True):
    """Binds ``target`` and ``edge_variable``: one row per edge. Either may be dead behind the step."""

    source: str
    target: str
    edge_variable: str
    walk: Walk
    target_bound: bool = False

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        rows = frame.rows
        walker = Walker(self.walk, context, rows)
        frame = frame.settled()
        if rows <= context.settings.measured_rows:
            return self._piece(frame, walker)
        sizes = walker.sizes(frame.columns[self.source])
        if int(sizes.sum()) <= context.settings.piece_rows:
            return self._piece(frame, walker)
        return (
            self._piece(frame.taken(np.arange(start, stop)), walker) for start, stop in cuts(sizes, context.settings.piece_rows)
        )

    def _piece(self, frame: Frame, walker: Walker) -> Frame:
        positions, neighbours, edges = walker.edges(frame.columns[self.source])
        if self.target_bound:
            hit = np.flatnonzero(neighbours == frame.columns[self.target].take(positions))
            positions, neighbours, edges = positions.take(hit), neighbours.take(hit), edges.take(hit)
        columns = {name: frame.columns[name].take(positions) for name in self.carry}
        columns[self.target] = neighbours
        columns[self.edge_variable] = edges
        return Frame(len(edges), columns, None if frame.weights is None else frame.weights.take(positions))

    def reads(self) -> frozenset[str]:
        return frozenset({self.source, self.target} if self.target_bound else {self.source})

    def binds(self) -> frozenset[str]:
        return frozenset({self.edge_variable} if self.target_bound else {self.target, self.edge_variable})

    def describe(self) -> str:
        verb = "join" if self.target_bound else "expand"
        return f"{verb} {shown(self.source)} {self.walk.describe()} {shown(self.target)}, each edge {shown(self.edge_variable)}"


class CountNeighbours(Step, frozen=True):
    """Walks to neighbours that nobody looks at: rows are multiplied by their number, or kept if there is one."""

    source: str
    walk: Walk
    mode: Compaction

    def run(self, frame: Frame, context: Context) -> Frame:
        rows = frame.rows
        walker = Walker(self.walk, context, rows)
        degrees = walker.degrees() if rows > context.settings.measured_rows or frame.scan is not None else None
        if degrees is not None and frame.scan is not None and self.mode == "set":
            return frame.filtered(degrees > 0)
        if degrees is not None:
            sources = frame.columns[self.source]
            counts = degrees_of(degrees, sources)
        else:
            counts = self._counted(frame, walker, context)
        positions = np.flatnonzero(counts)
        weights = counts.take(positions) if frame.weights is None else counts.take(positions) * frame.weights.take(positions)
        kept = frame.taken(positions, self.carry)
        return Frame(kept.rows, kept.columns, kept.weights if self.mode == "set" else weights)

    def total(self, ordinals: Ordinals, context: Context) -> int:
        """Return the number of rows for a small frontier that is all there is."""
        walker = Walker(self.walk, context, len(ordinals))
        if walker.plain and not walker.repeats:
            return int(walker.sizes(ordinals).sum())
        return len(walker.pairs(ordinals, neighbour_slots(self.walk, context))[1])

    def _counted(self, frame: Frame, walker: Walker, context: Context) -> Weights:
        """Count by walking, a piece at a time."""
        sources = frame.columns[self.source]
        slots = neighbour_slots(self.walk, context)
        if len(sources) <= context.settings.measured_rows:
            return np.bincount(walker.pairs(sources, slots)[0], minlength=len(sources))
        counts = np.zeros(len(sources), np.int64)
        for start, stop in cuts(walker.sizes(sources), context.settings.piece_rows):
            context.guard.check()
            positions = walker.pairs(sources[start:stop], slots)[0]
            counts[start:stop] = np.bincount(positions, minlength=stop - start)
        return counts

    def reads(self) -> frozenset[str]:
        return frozenset({self.source})

    def describe(self) -> str:
        what = "multiply rows by the number of" if self.mode == "bag" else "keep rows with"
        return f"{what} neighbours {shown(self.source)} {self.walk.describe()} $_"


def neighbour_slots(walk: Walk, context: Context) -> int:
    """Return the size of the table that a walk leads to."""
    edge = context.edges(walk.edge).entity
    type_name = getattr(edge, "source" if walk.reverse else "target")
    return context.nodes(type_name).slots
