"""Joining rows with those of a part of the match that no traversal connects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Weights
from omnigraph.query.operators.run import collected
from omnigraph.query.operators.step import Step
from omnigraph.storage.view import Ordinals

PASSING = 64


class Product(Step, frozen=True):
    """Pairs every row with every row of an independent part of the match.

    ``needed`` are the part's variables that somebody looks at later; without any, its number of rows is all that counts.
    ``share`` is how many pairs may be made for each one that memory has room for: 1 when all of them are kept, `PASSING` when
    they only pass through in pieces, None when a limit ends the walk early. Too many are refused before the first is made.
    """

    steps: tuple[Step, ...]
    needed: tuple[str, ...] = ()
    share: int | None = PASSING

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        other = independent(self, self.steps, context)
        if other is None:
            return Frame(0, {})
        columns = frame.columns
        if not self.needed:
            weights = _multiplied(frame.weights, frame.rows, other.total)
            return Frame(frame.rows, {name: columns[name] for name in self.carry}, weights)
        pairs = frame.rows * other.rows
        if self.share is not None:
            context.guard.reserve(pairs * 4 * (len(self.carry) + len(self.needed)) // self.share)
        if pairs <= context.settings.piece_rows:
            return self._paired(frame, other)
        return self._pieces(frame, other, context.settings.piece_rows)

    def _pieces(self, frame: Frame, other: Frame, most: int) -> Iterator[Frame]:
        width = min(other.rows, most)
        height = max(1, most // width)
        for top in range(0, frame.rows, height):
            upper = frame.part(top, top + height)
            for left in range(0, other.rows, width):
                yield self._paired(upper, other.part(left, left + width))

    def _paired(self, frame: Frame, other: Frame) -> Frame:
        columns: dict[str, Ordinals] = {name: frame.columns[name].repeat(other.rows) for name in self.carry}
        for name in self.needed:
            columns[name] = np.tile(other.columns[name], frame.rows)
        weights = None if frame.weights is None else frame.weights.repeat(other.rows)
        if other.weights is not None:
            tiled = np.tile(other.weights, frame.rows)
            weights = tiled if weights is None else weights * tiled
        return Frame(frame.rows * other.rows, columns, weights)

    def binds(self) -> frozenset[str]:
        return frozenset[str]().union(*(step.binds() for step in self.steps))

    def describe(self) -> str:
        return "product with" if self.needed else "product with the number of rows of"

    def inner(self) -> tuple[Step, ...]:
        return self.steps


def independent(step: Step, steps: tuple[Step, ...], context: Context) -> Frame | None:
    """Return the rows of steps that depend on nothing before them: found once per execution, however often asked."""
    memory = context.memory
    if id(step) not in memory:
        memory[id(step)] = collected(steps, Frame.unit(), context)
    return memory[id(step)]


def _multiplied(weights: Weights | None, rows: int, factor: int) -> Weights | None:
    if factor == 1:
        return weights
    return np.full(rows, factor, np.int64) if weights is None else weights * factor
