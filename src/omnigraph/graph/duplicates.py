"""Rows of one input that meet each other: the same id twice, the same ``@unique`` tuple twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from omnigraph.errors import ConstraintViolation
from omnigraph.graph.identity import column_names
from omnigraph.language.catalog import EdgeType, NodeType
from omnigraph.language.identity import key_text

Positions = NDArray[np.int64]


def check_ids(entity: NodeType | EdgeType, rows: pa.Table, record_numbers: Positions) -> None:
    """Refuse an id that two rows have: the key of a keyed node twice, else the id itself. Raises ConstraintViolation."""
    pair = first_duplicate(rows.column("id"))
    if pair is None:
        return
    if isinstance(entity, NodeType) and entity.key:
        raise _unique_violation(entity, entity.key, rows, pair)
    first, second = (int(record_numbers[place]) for place in pair)
    raise ConstraintViolation(
        f"key conflict: {entity.table_key} has id '{rows.column('id')[pair[0]]}' in records {first} and {second}",
        hint="use merge mode to let the last one win, or give one of them another id",
    )


def last_of_each_id(rows: pa.Table) -> Positions | None:
    """Return the rows that stay when later rows replace earlier ones of the same id, in order; None if all do."""
    ids = rows.column("id")
    if pc.count_distinct(ids).as_py() == len(ids):
        return None
    codes = _codes(ids)
    _, from_the_end = np.unique(codes[::-1], return_index=True)
    return np.sort(len(codes) - 1 - from_the_end)


def check_unique(entity: NodeType | EdgeType, rows: pa.Table, kept: Positions | None = None) -> None:
    """Refuse two rows that share a ``@unique`` tuple; a tuple with a null is exempt. Raises ConstraintViolation.

    With ``kept`` only those rows count; the row numbers of the text are those of all ``rows`` either way.
    """
    for columns in entity.unique:
        considered = rows.select(list(columns))
        if kept is not None:
            considered = considered.take(pa.array(kept))
        pair = first_duplicate(*considered.columns)
        if pair is not None:
            if kept is not None:
                pair = int(kept[pair[0]]), int(kept[pair[1]])
            raise _unique_violation(entity, columns, rows, pair)


def first_duplicate(*columns: pa.Array | pa.ChunkedArray) -> tuple[int, int] | None:
    """Return the first row that repeats an earlier tuple of values, behind that earlier row; None if all differ.

    Values are compared as they are, member by member, both zeros alike; a tuple with a null is like no other.
    """
    columns = tuple(_comparable(column) for column in columns)
    if len(columns) == 1:
        column = columns[0]
        if pc.count_distinct(column, mode="only_valid").as_py() == len(column) - column.null_count:
            return None
    codes = _codes(*columns)
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    repeats = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0)) + 1
    if not len(repeats):
        return None
    second = int(order[repeats].min())
    return int(order[np.searchsorted(ordered, codes[second])]), second


def _comparable(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.add(column, pa.scalar(0.0, column.type)) if pa.types.is_floating(column.type) else column


def _codes(*columns: pa.Array | pa.ChunkedArray) -> Positions:
    """Return one number per row, equal for equal tuples, -1 for a tuple with a null."""
    codes: Positions | None = None
    for column in columns:
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        encoded = column.dictionary_encode()
        own = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
        if codes is None:
            codes = own
        else:
            # Both factors are below the number of rows (2**31), so their product fits.
            combined = codes * max(len(encoded.dictionary), 1) + own
            combined[(codes < 0) | (own < 0)] = -1
            codes = np.unique(combined, return_inverse=True)[1] - int(combined.min(initial=0) < 0)
    assert codes is not None
    return codes


def _unique_violation(
    entity: NodeType | EdgeType, columns: Sequence[str], rows: pa.Table, pair: tuple[int, int]
) -> ConstraintViolation:
    texts = tuple(_shown(entity, name, rows.column(name)[pair[0]]) for name in columns)
    return ConstraintViolation(
        f"@unique violation on {entity.name}.{column_names(tuple(columns))}:"
        f" value '{column_names(texts)}' appears in rows {pair[0]} and {pair[1]}",
        hint="rows count from 0 within the type; remove or change one of the two",
    )


def _shown(entity: NodeType | EdgeType, name: str, value: Any) -> str:  # Any: an Arrow scalar
    property_ = entity.properties.get(name)
    if property_ is None:
        return str(value)
    if pa.types.is_temporal(value.type):
        value = value.cast(pa.int32() if pa.types.is_date32(value.type) else pa.int64())
    return key_text(value.as_py(), property_.type.scalar)
