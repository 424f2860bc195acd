"""Joining two independent parts of a match on equal properties."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import PropertyRef
from omnigraph.query.context import Context
from omnigraph.query.expression import evaluate
from omnigraph.query.frame import Frame, Positions
from omnigraph.query.notation import expression_text
from omnigraph.query.operators.pieces import cuts, spread
from omnigraph.query.operators.product import independent
from omnigraph.query.operators.step import Step
from omnigraph.query.output.grouping import Codes
from omnigraph.query.vectors import Arrayed, Fixed, Vector
from omnigraph.storage.view import Mask, Ordinals


def joinable(left: PropertyType, right: PropertyType) -> bool:
    """Say whether equal values of two types have equal codes. An integer and a float compare exactly, but not so."""
    if left.is_list or right.is_list:
        return False
    if left.scalar.is_numeric or right.scalar.is_numeric:
        return left.scalar.is_integer == right.scalar.is_integer and left.scalar.is_float == right.scalar.is_float
    return left.scalar is right.scalar and left.scalar not in (Scalar.VECTOR, Scalar.BLOB)


class JoinEqual(Step, frozen=True):
    """Pairs every row with the rows of an independent part whose property is equal; null equals nothing.

    ``needed`` are the part's variables that somebody looks at later; without any, their number is all that counts.
    """

    steps: tuple[Step, ...]
    left: PropertyRef
    right: PropertyRef
    needed: tuple[str, ...] = ()

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        other = independent(self, self.steps, context)
        if other is None:
            return Frame(0, {})
        frame = frame.settled()
        other = other.settled()
        left, left_valid, right, right_valid = shared_codes(
            evaluate(self.left, frame, context), evaluate(self.right, other, context)
        )
        if right_valid is not None:
            other = other.taken(np.flatnonzero(right_valid))
            right = right.take(np.flatnonzero(right_valid))
        order = np.argsort(right, kind="stable")
        ordered = right.take(order)
        starts = np.searchsorted(ordered, left, side="left")
        counts = np.searchsorted(ordered, left, side="right") - starts
        if left_valid is not None:
            counts[~left_valid] = 0
        if not self.needed:
            return self._counted(frame, other, order, starts, counts)
        if int(counts.sum()) <= context.settings.piece_rows:
            return self._paired(frame, other, order, starts, counts)
        return self._pieces(frame, other, order, starts, counts, context)

    def _pieces(
        self, frame: Frame, other: Frame, order: Positions, starts: Positions, counts: Positions, context: Context
    ) -> Iterator[Frame]:
        for low, high in cuts(counts, context.settings.piece_rows):
            yield self._paired(frame.part(low, high), other, order, starts[low:high], counts[low:high])

    def _paired(self, frame: Frame, other: Frame, order: Positions, starts: Positions, counts: Positions) -> Frame:
        rows = np.repeat(np.arange(frame.rows), counts)
        places = order.take(spread(starts, counts))
        columns: dict[str, Ordinals] = {name: frame.columns[name].take(rows) for name in self.carry}
        columns.update({name: other.columns[name].take(places) for name in self.needed})
        weights = None if frame.weights is None else frame.weights.take(rows)
        if other.weights is not None:
            others = other.weights.take(places)
            weights = others if weights is None else weights * others
        return Frame(len(rows), columns, weights)

    def _counted(self, frame: Frame, other: Frame, order: Positions, starts: Positions, counts: Positions) -> Frame:
        if other.weights is not None:
            sums = np.concatenate(([0], np.cumsum(other.weights.take(order))))
            counts = sums.take(starts + counts) - sums.take(starts)
        kept = np.flatnonzero(counts)
        weights = counts.take(kept) if frame.weights is None else counts.take(kept) * frame.weights.take(kept)
        result = frame.taken(kept, self.carry)
        return Frame(result.rows, result.columns, weights)

    def reads(self) -> frozenset[str]:
        return frozenset({self.left.variable})

    def binds(self) -> frozenset[str]:
        return frozenset[str]().union(*(step.binds() for step in self.steps))

    def describe(self) -> str:
        return f"join on {expression_text(self.left)} = {expression_text(self.right)} with"

    def inner(self) -> tuple[Step, ...]:
        return self.steps


def shared_codes(left: Vector, right: Vector) -> tuple[Codes, Mask | None, Codes, Mask | None]:
    """Return codes of two vectors that are equal exactly where values are, and the validity of each."""
    if isinstance(left, Arrayed) and isinstance(right, Arrayed):
        both = pa.concat_arrays([left.array, right.array]).dictionary_encode().indices
        codes = both.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        near, far = codes[: len(left)], codes[len(left) :]
        return near, near >= 0, far, far >= 0
    assert isinstance(left, Fixed), "texts join with texts"
    assert isinstance(right, Fixed), "numbers join with numbers"
    mixed = (left.values.dtype == np.uint64) != (right.values.dtype == np.uint64)
    return (*_number_codes(left, mixed), *_number_codes(right, mixed))


def _number_codes(vector: Fixed, mixed: bool) -> tuple[Codes, Mask | None]:
    values, valid = vector.values, vector.valid
    if values.dtype.kind == "f":
        return (values.astype(np.float64) + 0.0).view(np.int64), valid
    if values.dtype == np.uint64:
        if mixed:  # Beyond 63 bits nothing signed can be equal.
            small = values < np.uint64(1 << 63)
            valid = small if valid is None else valid & small
        return values.view(np.int64), valid
    return values.astype(np.int64), valid
