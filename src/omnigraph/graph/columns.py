"""Columns of raw values to the columns of rows: the rules of `values.stored_value`, a column at a time.

Nothing here names a row: where a column holds anything that is not plainly right, `Undecided` is raised and the exact path
decides, row by row, whether it is refused and with which words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from omnigraph.graph.dates import date_column, datetime_column, milliseconds_column
from omnigraph.graph.identity import derived_ids
from omnigraph.graph.values import BlobSink, Stored, blob_reference
from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar
from omnigraph.language.temporal import TemporalError
from omnigraph.storage.arrow import arrow_type, row_schema


class Undecided(Exception):
    """The exact path has to look at these rows."""


class Rows(Struct):
    """Rows of one type. ``id`` may still be null where a fresh one is due; blob columns hold texts until `store_blobs`."""

    entity: NodeType | EdgeType
    columns: dict[str, pa.Array]

    def table(self) -> pa.Table:
        """Return the rows in the columns of `row_schema`, the id null where it is due."""
        schema = row_schema(self.entity)
        schema = schema.set(0, schema.field(0).with_nullable(True))
        return pa.Table.from_arrays([self.columns[name] for name in schema.names], schema=schema)


def stored_rows(
    entity: NodeType | EdgeType, raw: Mapping[str, pa.Array], ends: Mapping[str, pa.Array], given: pa.Array | None
) -> Rows:
    """Convert the raw columns of some rows; a property without a column is null throughout.

    ``ends`` are ``src`` and ``dst`` of edges, ``given`` the explicit ids (null: none). Raises Undecided.
    """
    count = len(given) if given is not None else len(next(iter((*raw.values(), *ends.values())), ()))
    columns = {}
    for name, property_ in entity.properties.items():
        column = raw.get(name)
        if column is None:
            column = pa.nulls(count, arrow_type(property_.type))
        elif column.null_count < count:
            column = stored_column(column, property_.type)
        else:
            column = pa.nulls(count, arrow_type(property_.type))
        if column.null_count and not property_.type.nullable:
            raise Undecided
        columns[name] = column
    if given is None:
        given = pa.nulls(count, pa.string())
    ids = _ids(entity, columns, given)
    return Rows(entity, {"id": ids, **ends, **columns})


def _ids(entity: NodeType | EdgeType, columns: Mapping[str, pa.Array], given: pa.Array) -> pa.Array:
    ids = given
    if isinstance(entity, NodeType) and entity.key:
        ids = derived_ids(entity, columns)
        if ids.null_count or (given.null_count < len(given) and pc.any(pc.not_equal(given, ids)).as_py()):
            raise Undecided
    if ids.null_count < len(ids) and pc.min(pc.binary_length(ids)).as_py() == 0:
        raise Undecided
    return ids


def stored_column(values: pa.Array, type_: PropertyType) -> pa.Array:
    """Convert one raw column with at least one value. Raises Undecided."""
    if type_.scalar is Scalar.VECTOR:
        return _vector_column(values, type_)
    if type_.is_list:
        lists = values if values.offset == 0 else pa.concat_arrays([values])
        items = lists.values
        if items.null_count:
            raise Undecided
        if len(items):
            items = _scalar_column(items, type_.scalar)
        else:
            items = pa.nulls(0, arrow_type(type_).value_type)
        mask = lists.is_null() if lists.null_count else None
        return pa.ListArray.from_arrays(lists.offsets, items, type=arrow_type(type_), mask=mask)
    return _scalar_column(values, type_.scalar)


def _scalar_column(values: pa.Array, scalar: Scalar) -> pa.Array:
    try:
        if scalar is Scalar.DATE:
            if pa.types.is_string(values.type):
                return date_column(values)
            return values if pa.types.is_date32(values.type) else values.cast(pa.int32()).cast(pa.date32())
        if scalar is Scalar.DATETIME:
            if pa.types.is_string(values.type):
                return datetime_column(values)
            return values if pa.types.is_date64(values.type) else milliseconds_column(values)
    except (TemporalError, pa.ArrowInvalid):
        raise Undecided from None
    if scalar.is_float and not pc.all(pc.is_finite(values)).as_py():
        raise Undecided
    return values


def _vector_column(values: pa.Array, type_: PropertyType) -> pa.Array:
    lengths = pc.list_value_length(values)
    bounds = pc.min_max(lengths).as_py()
    if bounds["min"] != type_.dimension or bounds["max"] != type_.dimension:
        raise Undecided
    items = values.flatten()
    if items.null_count:
        raise Undecided
    numbers = items.to_numpy()
    if not np.isfinite(numbers).all():
        raise Undecided
    if not values.null_count:
        return pa.FixedSizeListArray.from_arrays(items, type=arrow_type(type_))
    return vector_array(numbers, values.is_null().to_numpy(zero_copy_only=False), type_)


def vector_array(numbers: np.ndarray, is_null: np.ndarray, type_: PropertyType) -> pa.Array:
    """Return a vector column from the numbers of its valid rows, one after the other."""
    matrix = np.zeros((len(is_null), type_.dimension or 0), np.float32)
    matrix[~is_null] = numbers.reshape(-1, type_.dimension or 0)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(matrix.reshape(-1)), type=arrow_type(type_), mask=pa.array(is_null) if is_null.any() else None
    )


def value_column(values: Sequence[Stored], type_: PropertyType) -> pa.Array:
    """Return the column of values that are stored values already."""
    target = arrow_type(type_)
    if type_.scalar is Scalar.DATE and not type_.is_list:
        return pa.array(values, pa.int32()).cast(target)
    if type_.scalar is Scalar.DATETIME and not type_.is_list:
        return milliseconds_column(pa.array(values, pa.int64()))
    if type_.scalar in (Scalar.DATE, Scalar.DATETIME):
        plain = pa.array(values, pa.list_(pa.int32() if type_.scalar is Scalar.DATE else pa.int64()))
        items = plain.values.cast(pa.date32()) if type_.scalar is Scalar.DATE else milliseconds_column(plain.values)
        mask = plain.is_null() if plain.null_count else None
        return pa.ListArray.from_arrays(plain.offsets, items, type=target, mask=mask)
    return pa.array(values, target)


def store_blobs(rows: Rows, blobs: BlobSink) -> None:
    """Replace the texts of blob columns by the references under which the sink keeps them. Raises InvalidValue."""
    for name, property_ in rows.entity.properties.items():
        if property_.type.scalar is Scalar.BLOB:
            column = rows.columns[name]
            references = [blob_reference(text.as_py(), blobs) if text.is_valid else None for text in column]
            rows.columns[name] = pa.array(references, pa.string())
