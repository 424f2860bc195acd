"""Rows as JSON images: what diffs, feeds and blame show of a row.

Values are those of query results, which a load takes back; a Blob is what an export writes: its bytes as ``base64:``, or its
URI.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from omnigraph.graph.integrity import table_of
from omnigraph.graph.values import BASE64_PREFIX
from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar
from omnigraph.query.encode import Json, encode_array, encode_numbers
from omnigraph.storage.blob import BlobReader, ExternalBlob, parse_reference
from omnigraph.storage.view import GraphView
from omnigraph.wire.change import Endpoints, RowImage


def json_images(view: GraphView, entity: NodeType | EdgeType, row_ids: Sequence[str], blobs: BlobReader) -> list[RowImage]:
    """Return the images of rows that are there, a column at a time. O(rows)."""
    if not row_ids:
        return []
    table = table_of(view, entity)
    ordinals = table.ordinals(list(row_ids))
    columns = {
        name: _values(table.column(name).take(ordinals), property_.type, blobs) for name, property_ in entity.properties.items()
    }
    names = tuple(columns)
    rows = zip(*columns.values(), strict=True) if names else iter([()] * len(row_ids))
    properties = [dict(zip(names, values, strict=True)) for values in rows]
    if not isinstance(entity, EdgeType):
        return [RowImage(values) for values in properties]
    sources, targets = (table.column(end).take(ordinals).to_pylist() for end in ("src", "dst"))
    return [
        RowImage(values, Endpoints(source, target)) for values, source, target in zip(properties, sources, targets, strict=True)
    ]


def _values(array: pa.Array, type_: PropertyType, blobs: BlobReader) -> list[Json]:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if type_.scalar is Scalar.BLOB:
        return [None if text is None else _blob(text, blobs) for text in array.to_pylist()]
    if type_.is_list or type_.scalar in (Scalar.STRING, Scalar.VECTOR):
        return encode_array(array, type_)
    valid = None if array.null_count == 0 else np.asarray(array.is_valid())
    if type_.scalar is Scalar.BOOL:
        numbers = np.asarray(array.fill_null(False))
    else:
        plain = {Scalar.DATE: pa.int32(), Scalar.DATETIME: pa.int64()}.get(type_.scalar)
        if plain is not None:
            array = array.view(plain)
        numbers = np.asarray(array.fill_null(0))
    return encode_numbers(numbers, valid, type_.scalar)


def _blob(text: str, blobs: BlobReader) -> str:
    blob = parse_reference(text)
    if isinstance(blob, ExternalBlob):
        return blob.uri
    return BASE64_PREFIX + base64.b64encode(blobs.read(blob)).decode()
