"""Counting walks of several hops by the row that they start from, without making them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Positions, Weights
from omnigraph.query.operators.expand import CountNeighbours, Expand, neighbour_slots
from omnigraph.query.operators.run import flow
from omnigraph.query.operators.source import shown
from omnigraph.query.operators.step import Step
from omnigraph.query.operators.walk import Walk, Walker
from omnigraph.query.scratch import sums_by
from omnigraph.storage.view import Ordinals

_SHARE = 16  # from one row for so many nodes on, a pass over all edges costs less than the walks


class CountWalks(Step, frozen=True):
    """Multiplies every row by the number of walks from ``source`` (or keeps it if there is one): nobody looks at their nodes.

    For many rows the number is found for every node at once, from the last hop back to the first: a node has as many walks as
    its neighbours together. That costs one pass over the edges for each hop, however many walks there are. Few rows are walked.
    """

    hops: tuple[Expand, ...]
    last: CountNeighbours

    @property
    def source(self) -> str:
        return self.hops[0].source

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        if frame.rows * _SHARE < context.table(self.source).slots:
            return flow((*self.hops, self.last), frame, context)
        counts = self._counts(context)
        sources = frame.columns[self.source]
        counts = counts.take(sources)
        counts[sources < 0] = 0
        positions = np.flatnonzero(counts)
        kept = frame.taken(positions, self.carry)
        if self.last.mode == "set":
            return kept
        weights = counts.take(positions)
        return Frame(kept.rows, kept.columns, weights if kept.weights is None else weights * kept.weights)

    def _counts(self, context: Context) -> Weights:
        """Return the number of walks from every slot."""
        counts: Weights | None = None
        walks = [(self.last.walk, self.last.source)]
        walks += [(hop.walk, hop.source) for hop in reversed(self.hops)]
        pairs: dict[Walk, tuple[Positions, Ordinals]] = {}
        for walk, variable in walks:
            table = context.table(variable)
            walker = Walker(walk, context, table.slots)
            degrees = walker.degrees()
            if counts is None and degrees is not None:
                counts = degrees.astype(np.int64)
            else:
                context.guard.check()
                if walk not in pairs:
                    pairs[walk] = self._pairs(walk, walker, table.slots, context)
                positions, neighbours = pairs[walk]
                if counts is None:
                    counts = np.bincount(positions, minlength=table.slots)
                else:
                    counts = sums_by(positions, counts.take(neighbours), table.slots)
            if self.last.mode == "set":
                counts = (counts > 0).astype(np.int64)
        assert counts is not None
        return counts

    @staticmethod
    def _pairs(walk: Walk, walker: Walker, slots: int, context: Context) -> tuple[Positions, Ordinals]:
        """Return all nodes with their distinct neighbours."""
        everything = np.arange(slots, dtype=np.int32)
        context.guard.reserve(40 * int(walker.sizes(everything).sum()))
        return walker.pairs(everything, neighbour_slots(walk, context))

    def reads(self) -> frozenset[str]:
        return frozenset({self.source})

    def describe(self) -> str:
        what = "multiply rows by the number of" if self.last.mode == "bag" else "keep rows with"
        steps = " ".join(f"{hop.walk.describe()} $_" for hop in self.hops)
        return f"{what} walks {shown(self.source)} {steps} {self.last.walk.describe()} $_"
