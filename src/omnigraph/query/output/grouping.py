"""Rows with equal keys as groups: one small integer per row.

Keys compare by value: null equals null, -0.0 equals 0.0, lists compare element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from omnigraph.language.catalog import Scalar
from omnigraph.language.checked import EntityRef, Expression, PropertyRef
from omnigraph.query.context import Context
from omnigraph.query.expression import evaluate
from omnigraph.query.frame import Frame, Positions
from omnigraph.query.output.order import has_codes
from omnigraph.query.vectors import Arrayed, Objects, Repeated, Vector

Codes = npt.NDArray[np.int64]

_FEW = 4096


class Grouping(Struct):
    """``codes`` holds each row's group, ``first`` a row of each group."""

    codes: Codes
    first: Positions

    @property
    def count(self) -> int:
        return len(self.first)


def group_by(expressions: Sequence[Expression], frame: Frame, context: Context) -> Grouping:
    """Group the rows of a frame by expressions."""
    return group_codes([_expression_codes(expression, frame, context) for expression in expressions], frame.rows)


def group_vectors(vectors: Sequence[Vector], rows: int) -> Grouping:
    """Group rows by vectors."""
    return group_codes([vector_codes(vector) for vector in vectors], rows)


def group_codes(columns: Sequence[Codes | None], rows: int) -> Grouping:
    """Group rows by several columns of integers; None is a column with the same value everywhere."""
    combined: Grouping | None = None
    for column in columns:
        if column is None:
            continue
        dense = densify(column)
        # Both factors are at most the number of rows, so the product stays far within 64 bits.
        combined = dense if combined is None else densify(combined.codes * dense.count + dense.codes)
    if combined is None:
        return Grouping(np.zeros(rows, np.int64), np.zeros(min(rows, 1), np.int64))
    return combined


def densify(column: Codes) -> Grouping:
    """Return the same grouping with codes from 0 without gaps: by a table when values are close together, else by a hash."""
    rows = len(column)
    if rows == 0:
        return Grouping(np.zeros(0, np.int64), np.zeros(0, np.int64))
    low, high = int(column.min()), int(column.max())
    span = high - low + 1
    if span <= 2 * rows + 1024:
        shifted = column - low
        table = np.full(span, -1, np.int64)
        table[shifted] = np.arange(rows)
        present = np.flatnonzero(table >= 0)
        first = table[present]
        table[present] = np.arange(len(present))
        return Grouping(table.take(shifted), first)
    if rows <= _FEW:
        _, first, codes = np.unique(column, return_index=True, return_inverse=True)
        return Grouping(codes, first)
    encoded = pa.array(column).dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int64)
    first = np.empty(len(encoded.dictionary), np.int64)
    first[codes] = np.arange(rows)
    return Grouping(codes, first)


def vector_codes(vector: Vector) -> Codes | None:
    """Return one integer per row, equal exactly where values are; None when all rows are equal."""
    if isinstance(vector, Repeated):
        return None
    assert not isinstance(vector, Objects), "objects cannot be compared"
    if isinstance(vector, Arrayed):
        if vector.type.scalar is Scalar.BLOB:
            return None
        if vector.type.is_list or vector.type.scalar is Scalar.VECTOR:
            return _list_codes(vector.array)
        encoded = vector.array.dictionary_encode()
        codes: Codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        return codes
    values = vector.values
    if values.dtype.kind == "f":
        values = (values.astype(np.float64) + 0.0).view(np.int64)
    elif values.dtype == np.uint64:
        values = values.view(np.int64)
    else:
        values = values.astype(np.int64, copy=False)
    if vector.valid is None:
        return values
    dense = densify(np.where(vector.valid, values, 0)).codes
    return np.where(vector.valid, dense, -1)


def _expression_codes(expression: Expression, frame: Frame, context: Context) -> Codes | None:
    if isinstance(expression, EntityRef):
        return frame.columns[expression.variable].astype(np.int64)
    if isinstance(expression, PropertyRef) and expression.type.scalar is Scalar.STRING and not expression.type.is_list:
        table = context.table(expression.variable)
        ordinals = frame.columns[expression.variable]
        if has_codes(table, expression.property_name, len(ordinals), context):
            codes: Codes = table.column(expression.property_name).codes()
            if expression.variable in context.scope.optional:
                return np.where(ordinals < 0, -1, codes.take(ordinals))
            if len(ordinals) > table.slots:  # Making the codes of a column dense is cheaper than those of many copies.
                codes = densify(codes).codes
            return codes.take(ordinals)
    return vector_codes(evaluate(expression, frame, context))


def _list_codes(array: pa.Array) -> Codes:
    places: dict[Any, int] = {None: -1}  # Any: tuples of values, or null
    keys = (
        None if row is None else tuple(value + 0.0 if isinstance(value, float) else value for value in row)
        for row in array.to_pylist()
    )
    return np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
