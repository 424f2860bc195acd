"""Walking from many starts a block at a time, so that no more than one block's walk is ever alive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from msgspec import structs

from omnigraph.language.checked import Expression
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Positions, concatenated
from omnigraph.query.notation import expression_text
from omnigraph.query.operators.expand import Compaction
from omnigraph.query.operators.run import run
from omnigraph.query.operators.source import shown
from omnigraph.query.operators.step import Step
from omnigraph.query.output.grouping import group_by
from omnigraph.query.pairs import paired

_FIRST_ROWS = 256  # what the first block holds: how far the others may go is seen from it
_SHARE = 4  # a block may end with this share of a piece, since walks are longer than what is left of them


class ByStart(Step, frozen=True):
    """Runs ``steps`` for one block of rows after the other; all that they make of a block is one frame.

    With ``keys``, expressions over ``start`` alone, rows with equal keys share a block and carry one of their starts instead of
    their own: walks from different starts of a group become one where they meet. Without keys every row is a group.
    """

    start: str
    keys: tuple[Expression, ...]
    steps: tuple[Step, ...]
    mode: Compaction

    def run(self, frame: Frame, context: Context) -> Iterator[Frame]:
        if self.keys:
            frame, bounds = self._gathered(frame, context)
        else:
            frame, bounds = frame.settled(), None
        first, block = 0, min(_FIRST_ROWS, context.settings.piece_rows)
        while first < frame.rows:
            end = _end(bounds, first, block, frame.rows)
            walk = _Block(self, context)
            run(self.steps, frame.part(first, end), context, walk.push)
            made = walk.finished()
            if made is not None:
                yield made
            room = context.settings.piece_rows // _SHARE
            block = max(1, min(4 * block, (end - first) * room // max(walk.rows, 1)))
            first = end

    def _gathered(self, frame: Frame, context: Context) -> tuple[Frame, Positions]:
        """Return the rows in the order of their groups, with a start of each group as their own, and where groups begin."""
        frame = frame.settled()
        grouping = group_by(self.keys, frame, context)
        order = np.argsort(grouping.codes, kind="stable")
        codes = grouping.codes.take(order)
        sources = frame.columns[self.start]
        columns = {self.start: sources.take(order), alias_of(self.start): sources.take(grouping.first.take(codes))}
        bounds = np.searchsorted(codes, np.arange(grouping.count + 1))
        return Frame(frame.rows, columns, None if frame.weights is None else frame.weights.take(order)), bounds

    def reads(self) -> frozenset[str]:
        return frozenset({self.start})

    def binds(self) -> frozenset[str]:
        return frozenset[str]().union(*(step.binds() for step in self.steps))

    def describe(self) -> str:
        if not self.keys:
            return f"walk from blocks of {shown(self.start)}"
        return f"walk from blocks of {shown(self.start)} with equal {', '.join(map(expression_text, self.keys))}"

    def inner(self) -> tuple[Step, ...]:
        return self.steps


class _Block:
    """What the steps make of one block. ``rows`` is how long their walks were."""

    def __init__(self, step: ByStart, context: Context) -> None:
        self._step = step
        self._context = context
        self._frames: list[Frame] = []
        self._kept = 0
        self.rows = 0

    def push(self, frame: Frame) -> bool:
        frame = frame.settled()
        self.rows += frame.rows
        self._kept += frame.rows
        self._frames.append(frame)
        self._context.guard.reserve(sum(frame.size_bytes() for frame in self._frames))
        if self._kept > 2 * self._context.settings.piece_rows:
            self._frames = [self._compacted(concatenated(self._frames))]
            self._kept = self._frames[0].rows
        return False

    def finished(self) -> Frame | None:
        if not self._frames:
            return None
        frame = concatenated(self._frames)
        if len(self._frames) > 1:
            frame = self._compacted(frame)
        if not self._step.keys:
            return frame
        columns = dict(frame.columns)
        columns[self._step.start] = columns.pop(alias_of(self._step.start))
        return Frame(frame.rows, columns, frame.weights)

    def _compacted(self, frame: Frame) -> Frame:
        """Return a frame without equal rows, where it holds nothing but the start and one more variable."""
        start = alias_of(self._step.start) if self._step.keys else self._step.start
        others = [name for name in frame.columns if name != start]
        if len(others) != 1 or start not in frame.columns or others[0] in self._context.scope.optional:
            return frame
        columns = {start: frame.columns[start], others[0]: frame.columns[others[0]]}
        slots = self._context.table(others[0]).slots
        return paired(columns, frame.weights, slots, counted=self._step.mode == "bag")


def alias_of(start: str) -> str:
    """Return the name under which rows carry the start that stands for their group."""
    return f"@{start}"


def carrying_alias(step: Step, start: str) -> Step:
    """Return a step that carries the start that stands for a group instead of the row's own."""
    return structs.replace(step, carry=tuple(alias_of(name) if name == start else name for name in step.carry))


def _end(bounds: npt.NDArray[np.int64] | None, first: int, block: int, rows: int) -> int:
    """Return where a block of about so many rows ends: with ``bounds``, between two groups."""
    if bounds is None:
        return min(first + block, rows)
    return int(bounds[np.searchsorted(bounds, min(first + block, rows))])
