"""How the types of a schema are stored as Arrow columns."""

from __future__ import annotations

import pyarrow as pa

from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar

_SCALARS: dict[Scalar, pa.DataType] = {
    Scalar.STRING: pa.string(),
    Scalar.BOOL: pa.bool_(),
    Scalar.I32: pa.int32(),
    Scalar.I64: pa.int64(),
    Scalar.U32: pa.uint32(),
    Scalar.U64: pa.uint64(),
    Scalar.F32: pa.float32(),
    Scalar.F64: pa.float64(),
    Scalar.DATE: pa.date32(),
    Scalar.DATETIME: pa.date64(),
    Scalar.BLOB: pa.string(),  # a reference, see `storage.blob`; the bytes are kept apart
}

ID_FIELD = pa.field("id", pa.string(), nullable=False)
SOURCE_FIELD = pa.field("src", pa.string(), nullable=False)
TARGET_FIELD = pa.field("dst", pa.string(), nullable=False)


def arrow_type(type_: PropertyType) -> pa.DataType:
    """Return the Arrow type that values of a property are stored in."""
    if type_.scalar is Scalar.VECTOR:
        return pa.list_(pa.field("item", pa.float32()), type_.dimension)
    scalar = _SCALARS[type_.scalar]
    return pa.list_(pa.field("item", scalar)) if type_.is_list else scalar


def row_schema(entity: NodeType | EdgeType) -> pa.Schema:
    """Return the Arrow schema of whole rows by property *name*: ``id``, on edges ``src`` and ``dst``, then the properties.

    Every property column is nullable in storage: whether null is allowed is the catalog's business, and adding a property
    must not rewrite rows.
    """
    fields = [ID_FIELD]
    if isinstance(entity, EdgeType):
        fields += [SOURCE_FIELD, TARGET_FIELD]
    fields += [pa.field(name, arrow_type(property_.type)) for name, property_ in entity.properties.items()]
    return pa.schema(fields)
