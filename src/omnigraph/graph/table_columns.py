"""Arrow tables that a caller loads, to the columns of rows."""

from __future__ import annotations

import pyarrow as pa

from omnigraph.graph.columns import Rows, Undecided, stored_rows
from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar
from omnigraph.storage.arrow import arrow_type


def decode_table(entity: NodeType | EdgeType, batch: pa.RecordBatch) -> Rows:
    """Take the columns ``id``, ``src``, ``dst`` and those named like properties. Raises Undecided.

    A column must have the Arrow type that the property is stored in, a wider one of the same kind whose values fit, or, for
    dates and times, text.
    """
    names = batch.schema.names
    ends = {"src", "dst"} if isinstance(entity, EdgeType) else set()
    if len(set(names)) < len(names) or not set(names) <= {"id", *ends, *entity.properties} or not ends <= set(names):
        raise Undecided
    columns = dict(zip(names, batch.columns, strict=True))
    raw = {name: _raw(columns[name], type_.type) for name, type_ in entity.properties.items() if name in columns}
    given = _text(columns["id"]) if "id" in columns else pa.nulls(batch.num_rows, pa.string())
    sides = {name: _text(columns[name]) for name in sorted(ends, reverse=True)}
    if any(side.null_count for side in sides.values()):
        raise Undecided
    return stored_rows(entity, raw, sides, given)


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type)):
        raise Undecided
    return _cast(column, pa.string())


def _raw(column: pa.Array, type_: PropertyType) -> pa.Array:
    if column.null_count == len(column):
        return pa.nulls(len(column), arrow_type(type_))
    if type_.scalar is Scalar.VECTOR:
        if not _is_list(column.type) or not _fits(column.type.value_type, Scalar.F32):
            raise Undecided
        return _cast(column, pa.list_(pa.float32()))
    if type_.is_list:
        if not _is_list(column.type):
            raise Undecided
        if type_.scalar in (Scalar.DATE, Scalar.DATETIME) and column.type.value_type != arrow_type(type_).value_type:
            raise Undecided
        if not _fits(column.type.value_type, type_.scalar):
            raise Undecided
        return _cast(column, arrow_type(type_))
    if type_.scalar in (Scalar.STRING, Scalar.BLOB):
        return _text(column)
    if type_.scalar in (Scalar.DATE, Scalar.DATETIME) and pa.types.is_string(column.type):
        return column
    if not _fits(column.type, type_.scalar):
        raise Undecided
    return _cast(column, arrow_type(type_))


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _fits(type_: pa.DataType, scalar: Scalar) -> bool:
    """Tell whether a column of an Arrow type is of the kind of a scalar, whatever its width."""
    if scalar.is_integer:
        return bool(pa.types.is_integer(type_))
    if scalar.is_float:
        return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))
    if scalar is Scalar.BOOL:
        return bool(pa.types.is_boolean(type_))
    if scalar is Scalar.STRING:
        return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))
    return bool(type_ == arrow_type(PropertyType(scalar)))


def _cast(column: pa.Array, type_: pa.DataType) -> pa.Array:
    # A float is rounded to the nearest, as everywhere; anything else must fit.
    floats = pa.types.is_floating(type_) or (pa.types.is_list(type_) and pa.types.is_floating(type_.value_type))
    try:
        return column if column.type == type_ else column.cast(type_, safe=not floats)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Undecided from None
