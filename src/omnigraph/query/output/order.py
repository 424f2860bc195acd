"""Order and limit: the first rows by several keys, without sorting the others.

Keys become arrays whose ascending order is the order asked for. Only rows that can be among the first are looked at again for
the next key, and what settles ties (ids, as a rule) is only fetched for rows that tie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.errors import ExecutionError
from omnigraph.language.catalog import NodeType, Scalar
from omnigraph.language.checked import EntityRef, Expression, PropertyRef
from omnigraph.query.context import Context
from omnigraph.query.expression import evaluate
from omnigraph.query.frame import Frame, Positions, SortKey
from omnigraph.query.notation import expression_text
from omnigraph.query.vectors import Arrayed, Fixed, Objects, Repeated, Vector
from omnigraph.storage.view import Ordinals, TableView

Tie: TypeAlias = Callable[[Positions], SortKey]
"""Returns, for some positions, values whose ascending order settles ties among exactly these positions."""

_FEW = 64


def first_rows(keys: Sequence[SortKey], ties: Sequence[Tie], rows: int, count: int | None) -> Positions:
    """Return the positions of the first ``count`` rows (None: of all) in order."""
    positions = np.arange(rows)
    if count is not None and count < rows:
        if count <= 0:
            return positions[:0]
        positions = _smallest(keys, ties, positions, count)
    return _sorted(keys, ties, positions)


def _smallest(keys: Sequence[SortKey], ties: Sequence[Tie], positions: Positions, count: int) -> Positions:
    """Return the ``count`` smallest of the positions, in any order; there are more than ``count``."""
    if not keys and not ties:
        return positions[:count]
    if keys:
        key, keys = keys[0][positions], keys[1:]
    else:
        key, ties = ties[0](positions), ties[1:]
    bound = np.partition(key, count - 1)[count - 1]
    below = positions.take(np.flatnonzero(key < bound))
    equal = positions.take(np.flatnonzero(key == bound))
    missing = count - len(below)
    if len(equal) > missing:
        equal = _smallest(keys, ties, equal, missing)
    return np.concatenate((below, equal))


def _sorted(keys: Sequence[SortKey], ties: Sequence[Tie], positions: Positions) -> Positions:
    if len(positions) < 2:
        return positions
    columns = [key.take(positions) for key in keys]
    if columns:
        order = np.argsort(columns[0], kind="stable") if len(columns) == 1 else np.lexsort(columns[::-1])
        positions = positions.take(order)
        columns = [column.take(order) for column in columns]
    if not ties:
        return positions
    differs = np.zeros(len(positions), np.bool_)
    differs[0] = True
    for column in columns:
        differs[1:] |= column[1:] != column[:-1]
    runs = np.cumsum(differs)
    tied = np.flatnonzero((np.bincount(runs) > 1)[runs])
    if len(tied) == 0:
        return positions
    # Only rows that share all keys with a neighbour are ordered again, within their runs.
    among = positions[tied]
    order = np.lexsort([*(tie(among) for tie in reversed(ties)), runs[tied]])
    result = positions.copy()
    result[tied] = among.take(order)
    return result


# --- keys --------------------------------------------------------------------------------------------------------------


def sort_keys(vector: Vector, expression: Expression, *, descending: bool) -> list[SortKey]:
    """Return arrays whose ascending order is the order of a vector: null below everything, so last when descending."""
    if isinstance(vector, Repeated):
        return []
    if isinstance(vector, Objects):
        raise unsupported(expression)
    if isinstance(vector, Arrayed):
        if vector.type.scalar is Scalar.BLOB:
            return []
        if vector.type.is_list or vector.type.scalar is Scalar.VECTOR:
            raise unsupported(expression)
        ranks = text_ranks(vector.array)
        return [~ranks if descending else ranks]
    values = vector.values
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.inf, values) if np.isnan(values).any() else values
        key: SortKey = -values if descending else values
    else:
        key = ~values if descending else values
    if vector.valid is None:
        return [key]
    nulls = vector.valid if not descending else ~vector.valid
    return [nulls, np.where(vector.valid, key, key.dtype.type(0))]


def expression_keys(expression: Expression, frame: Frame, context: Context, *, descending: bool) -> list[SortKey]:
    """Return the sort keys of an expression over a frame; texts by their codes where these are at hand."""
    if isinstance(expression, PropertyRef) and expression.type.scalar is Scalar.STRING and not expression.type.is_list:
        table = context.table(expression.variable)
        ordinals = frame.columns[expression.variable]
        if has_codes(table, expression.property_name, len(ordinals), context):
            codes = table.column(expression.property_name).codes().take(ordinals)
            if expression.variable in context.scope.optional:
                codes = np.where(ordinals < 0, -1, codes)
            return [~codes if descending else codes]
    return sort_keys(evaluate(expression, frame, context), expression, descending=descending)


def has_codes(table: TableView, name: str, rows: int, context: Context) -> bool:
    """Say whether comparing by codes is the cheaper way for so many rows: they are made once for the whole column."""
    if table.slots == 0 or rows <= context.settings.few_rows:
        return False
    return table.is_warm(name) or rows * 4 > table.slots


def text_ranks(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return one integer per text that orders as the texts do, bytewise; null below all."""
    if len(array) <= _FEW:
        texts = array.to_pylist()
        places = {text: place for place, text in enumerate(sorted({text for text in texts if text is not None}))}
        return np.array([-1 if text is None else places[text] for text in texts], np.int64)
    encoded = array.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order) + 1, np.int64)
    ranks[order] = np.arange(len(order))
    ranks[-1] = -1
    result: npt.NDArray[np.int64] = ranks[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return result


def entity_tie(variable: str, frame: Frame, context: Context) -> Tie:
    """Return what settles ties by the ids of a variable."""
    ordinals = frame.columns[variable]
    table = context.table(variable)
    return lambda positions: id_ranks(table, ordinals.take(positions), context)


def id_ranks(table: TableView, ordinals: Ordinals, context: Context) -> npt.NDArray[np.int64]:
    """Return one integer per row that orders as the ids do; unbound rows come first.

    Where the id is a text key whose codes are at hand, no id is read.
    """
    entity = table.entity
    if isinstance(entity, NodeType) and len(entity.key) == 1:
        key = entity.key[0]
        if entity.properties[key].type.scalar is Scalar.STRING and has_codes(table, key, len(ordinals), context):
            codes = table.column(key).codes().take(ordinals)
            return np.where(ordinals < 0, -1, codes)
    return text_ranks(table.ids(ordinals))


def vector_tie(expression: Expression, vector: Vector, frame: Frame, context: Context) -> Tie | None:
    """Return what settles ties by the values of a column; None for a column that cannot tell rows apart."""
    if isinstance(expression, EntityRef):
        return entity_tie(expression.variable, frame, context)
    return values_tie(vector)


def values_tie(vector: Vector) -> Tie | None:
    if isinstance(vector, Repeated | Objects):
        return None
    if isinstance(vector, Arrayed) and (vector.type.is_list or vector.type.scalar is Scalar.VECTOR):
        return lambda positions: _list_ranks(vector.taken(positions).array)
    if isinstance(vector, Arrayed):
        return lambda positions: text_ranks(vector.array.take(pa.array(positions)))
    return lambda positions: _dense_ranks(vector.taken(positions))


def _dense_ranks(vector: Fixed) -> npt.NDArray[np.int64]:
    _, places = np.unique(vector.values, return_inverse=True)
    return places if vector.valid is None else np.where(vector.valid, places, -1)


def _list_ranks(array: pa.Array) -> npt.NDArray[np.int64]:
    """Order lists element by element, a shorter one before its extensions, null first."""
    lists = [None if row is None else tuple(row) for row in array.to_pylist()]
    places = {row: place for place, row in enumerate(sorted({row for row in lists if row is not None}))}
    return np.array([-1 if row is None else places[row] for row in lists], np.int64)


def unsupported(expression: Expression) -> ExecutionError:
    return ExecutionError(
        f"unsupported ordering expression: {expression_text(expression)}",
        hint="order by a property, an alias or a group key",
    )
