"""What becomes of the rows of a match: the common part of all outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct

from omnigraph.errors import ExecutionError
from omnigraph.language.checked import Amount, OrderKey, Projection
from omnigraph.query.context import Context
from omnigraph.query.expression import Groups, evaluate
from omnigraph.query.frame import Frame
from omnigraph.query.notation import expression_text
from omnigraph.query.operators.expand import Compaction
from omnigraph.query.output.grouping import group_vectors
from omnigraph.query.output.order import first_rows, sort_keys, values_tie
from omnigraph.query.vectors import ResultVector


class Rows(Struct):
    """The finished columns of a result."""

    count: int
    vectors: Sequence[ResultVector]


class Collector(Protocol):
    """Takes the frames of a match one after the other; ``push`` returns true when it needs no more."""

    def push(self, frame: Frame) -> bool: ...

    def finish(self) -> Rows: ...


class Output(Struct, frozen=True, kw_only=True):
    """Projections, order and amounts. ``columns_of`` says, for each order key, which projection it names, if any."""

    projections: tuple[Projection, ...]
    order: tuple[OrderKey, ...] = ()
    columns_of: tuple[int | None, ...] = ()
    limit: Amount | None = None
    offset: Amount | None = None
    distinct: bool = False

    def needs(self) -> frozenset[str]:
        """Return the variables that the output looks at."""
        raise NotImplementedError

    def mode(self) -> Compaction:
        """Say whether the number of equal rows matters."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return one line for people."""
        raise NotImplementedError

    def order_text(self) -> str:
        """Return the order as people write it, with a comma in front; empty without an order."""
        if not self.order:
            return ""
        keys = (f"{expression_text(key.expression)}{' desc' if key.descending else ''}" for key in self.order)
        return f", {'' if self.limit is None else 'first rows '}in order {', '.join(keys)}"

    def collector(self, context: Context) -> Collector:
        raise NotImplementedError

    def distinct_rows(self, frame: Frame | Groups, context: Context) -> Rows:
        """Make equal rows one, then order and cut: `section 30.6` of the languages."""
        start, stop = window(self, context)
        vectors = [evaluate(projection.expression, frame, context) for projection in self.projections]
        first = group_vectors(vectors, frame.rows).first
        vectors = [vector.taken(first) for vector in vectors]
        rows = len(first)
        if self.order:
            keys = []
            for item, column in zip(self.order, self.columns_of, strict=True):
                assert column is not None, "the checker asks for returned order keys"
                keys += sort_keys(vectors[column], item.expression, descending=item.descending)
            ties = [tie for tie in map(values_tie, vectors) if tie is not None]
            positions = first_rows(keys, ties, rows, stop)[start:]
        else:
            positions = np.arange(rows)[start:stop]
        return Rows(len(positions), [vector.taken(positions) for vector in vectors])


def amount(value: Amount | None, name: str, context: Context) -> int | None:
    """Return the value of ``limit`` or ``offset``.

    Raises:
        ExecutionError: a parameter is not a non-negative integer.
    """
    if value is None or isinstance(value, int):
        return value
    given = context.parameters.get(value.name)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        shown = "null" if given is None else given
        raise ExecutionError(f"{name} must be a non-negative integer, got {shown}")
    return given


def window(output: Output, context: Context) -> tuple[int, int | None]:
    """Return the first row and the end of what ``offset`` and ``limit`` keep."""
    start = amount(output.offset, "offset", context) or 0
    limit = amount(output.limit, "limit", context)
    return start, None if limit is None else start + limit
