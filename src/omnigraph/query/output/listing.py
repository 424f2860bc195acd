"""The output of a read without aggregates: one result row per row of the match."""

from __future__ import annotations

import numpy as np

from omnigraph.language.checked import Bm25, Nearest, Rrf
from omnigraph.query import search
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, SortKey, concatenated
from omnigraph.query.notation import condition_variables
from omnigraph.query.operators.expand import Compaction
from omnigraph.query.output.narrowing import narrowed
from omnigraph.query.output.order import entity_tie, expression_keys, first_rows
from omnigraph.query.output.output import Output, Rows, window
from omnigraph.query.output.projection import no_rows, project

_ACCOUNTED_ROWS = 1024  # a single frame up to this size is not worth judging


class Listing(Output, frozen=True):
    """Lists rows. ``ties`` are the named node and edge variables whose ids settle ties, in name order."""

    ties: tuple[str, ...] = ()

    def needs(self) -> frozenset[str]:
        used = frozenset(self.ties) if self.order and not self.distinct else frozenset[str]()
        used = used.union(*(condition_variables(projection.expression) for projection in self.projections))
        return used.union(*(condition_variables(key.expression) for key in self.order))

    def mode(self) -> Compaction:
        return "set" if self.distinct else "bag"

    def collector(self, context: Context) -> _Collector:
        return _Collector(self, context)

    def describe(self) -> str:
        if self.distinct:
            return f"distinct rows{self.order_text()}"
        ties = f", ties by {', '.join(f'${name}' for name in self.ties)}" if self.order and self.ties else ""
        return f"rows{self.order_text()}{ties}"

    def ordered(self, frame: Frame, context: Context, count: int | None) -> Frame:
        """Return the first ``count`` rows of a frame in order."""
        ranking, order = self.order[0].expression, self.order
        keys: list[SortKey] = []
        if isinstance(ranking, Nearest | Bm25 | Rrf):
            positions, key = search.rank(ranking, frame, count, context)
            frame, order, keys = frame.taken(positions), order[1:], [key]
        for item in order:
            keys += expression_keys(item.expression, frame, context, descending=item.descending)
        ties = [entity_tie(name, frame, context) for name in self.ties]
        return frame.taken(first_rows(keys, ties, frame.rows, count))

    def rows(self, frame: Frame, context: Context) -> Rows:
        return Rows(frame.rows, project(self.projections, frame, context))


class _Collector:
    """Keeps the rows that can still be among those that are returned."""

    def __init__(self, output: Listing, context: Context) -> None:
        self._output = output
        self._context = context
        self._start, self._stop = window(output, context)
        self._frames: list[Frame] = []
        self._kept = 0
        self._done = self._stop is not None and self._stop <= self._start

    def push(self, frame: Frame) -> bool:
        if self._done:
            return True
        output, context, stop = self._output, self._context, self._stop
        if frame.scan is not None:
            if output.order and stop is not None and not output.distinct:
                frame = narrowed(frame, output.order[0], stop, context)
            frame = frame.settled()
        if not output.distinct and stop is not None:
            if not output.order:
                frame = _first(frame, stop - self._kept)
                self._kept += frame.total
                self._done = self._kept >= stop
            elif frame.rows > stop and self._frames:
                frame = output.ordered(frame, context, stop)
        self._frames.append(frame)
        if frame.rows > _ACCOUNTED_ROWS or len(self._frames) > 1 or frame.weights is not None:
            context.guard.hold(frame.size_bytes())
            if not output.distinct:
                self._judge()
        return self._done

    def _judge(self) -> None:
        """Refuse a result with too many rows before it is made."""
        if self._stop is None:
            total = sum(frame.total for frame in self._frames)
            self._context.guard.check_rows(total - self._start)
            self._context.guard.reserve(8 * total * len(self._output.projections))

    def finish(self) -> Rows:
        output, context = self._output, self._context
        if not self._frames:
            return Rows(0, no_rows(output.projections, context))
        frame = concatenated(self._frames)
        if output.distinct:
            return output.distinct_rows(frame, context)
        if output.order and frame.rows >= 1:
            frame = output.ordered(frame, context, self._stop)
        if frame.weights is not None:
            frame = (frame if self._stop is None else _first(frame, self._stop)).repeated()
        if self._start or (self._stop is not None and frame.rows > self._stop):
            frame = frame.taken(np.arange(frame.rows)[self._start : self._stop])
        return output.rows(frame, context)


def _first(frame: Frame, count: int) -> Frame:
    """Return a frame's first rows: at least ``count`` of the match if there are so many, and never many more."""
    if frame.weights is None:
        return frame if frame.rows <= count else frame.taken(np.arange(count))
    ends = np.cumsum(frame.weights)
    rows = min(int(np.searchsorted(ends, count)) + 1, frame.rows)
    frame = frame.taken(np.arange(rows))
    weights = frame.weights
    assert weights is not None
    excess = int(ends[rows - 1]) - count
    if excess > 0:
        weights = weights.copy()
        weights[-1] -= excess
    return Frame(rows, frame.columns, weights)
