"""Rows to JSON lines, a column at a time: the encoding of an export.

Every line is the concatenation of literals and of one text per column; Arrow makes the texts and joins them, so no row passes
through Python unless its text needs an escape or it holds a blob. The text of a value depends on the value alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.graph.dates import datetime_texts
from omnigraph.graph.values import BASE64_PREFIX
from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar
from omnigraph.storage.blob import ExternalBlob, ManagedBlob, parse_reference

CHUNK_ROWS: Final = 16_384
CHUNK_BYTES: Final = 8 * 1024 * 1024
"""Rows, and bytes of columns or blobs, that are encoded at a time; a larger single row is a chunk of its own."""

_QUOTED = (Scalar.STRING, Scalar.BLOB)
_encode_text = msgspec.json.Encoder().encode
Piece: TypeAlias = str | pa.Array


class BlobSource(Protocol):
    """Where the bytes of managed blobs are."""

    def read(self, blob: ManagedBlob) -> bytes:
        """Return the bytes of a blob."""
        ...


class RowEncoder:
    """Encodes rows of one type."""

    def __init__(self, entity: NodeType | EdgeType, blobs: BlobSource) -> None:
        self._entity = entity
        self._blobs = blobs
        self._blob_columns = [name for name, one in entity.properties.items() if one.type.scalar is Scalar.BLOB]

    def encode(self, rows: pa.Table) -> bytes:
        """Return all rows as JSON lines. Rows have the columns of `row_schema`."""
        return b"".join(self.chunks(rows))

    def chunks(self, rows: pa.Table) -> Iterator[bytes]:
        """Yield the rows in pieces of whole lines whose memory is bounded, however large a row or a blob is."""
        for part in self.parts(rows):
            yield self.encode_part(part)

    def parts(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Yield the rows in parts that can be encoded one by one."""
        for start in range(0, rows.num_rows, CHUNK_ROWS):
            yield from self._bounded(rows.slice(start, CHUNK_ROWS).combine_chunks())

    def encode_part(self, part: pa.Table) -> bytes:
        """Return the lines of one of the `parts`. Most of the work is Arrow's, so threads do it side by side."""
        return _join(self._pieces(part))

    def _bounded(self, rows: pa.Table) -> Iterator[pa.Table]:
        if rows.num_rows > 1 and (rows.nbytes > CHUNK_BYTES or self._blob_bytes(rows) > CHUNK_BYTES):
            half = rows.num_rows // 2
            yield from self._bounded(rows.slice(0, half))
            yield from self._bounded(rows.slice(half))
        else:
            yield rows

    def _blob_bytes(self, rows: pa.Table) -> int:
        sizes = 0
        for name in self._blob_columns:
            for reference in rows.column(name):
                blob = parse_reference(reference.as_py()) if reference.is_valid else None
                sizes += blob.size_bytes if isinstance(blob, ManagedBlob) else 0
        return sizes

    def _pieces(self, rows: pa.Table) -> list[Piece]:
        entity = self._entity
        text = PropertyType(Scalar.STRING)
        line = _Line()
        if isinstance(entity, EdgeType):
            line.literal(f'{{"edge":{_json(entity.name)},"from":')
            line.column(_array(rows, "src"), text)
            line.literal(',"to":')
            line.column(_array(rows, "dst"), text)
            line.literal(',"data":{"id":')
        else:
            line.literal(f'{{"type":{_json(entity.name)},"data":{{"id":')
        line.column(_array(rows, "id"), text)
        for name, property_ in entity.properties.items():
            line.literal(f",{_json(name)}:")
            values = _array(rows, name)
            if property_.type.scalar is Scalar.BLOB:
                values = pa.array([self._blob_text(one.as_py()) for one in values], pa.string())
            line.column(values, property_.type)
        line.literal("}}\n")
        return line.pieces()

    def _blob_text(self, reference: str | None) -> str | None:
        if reference is None:
            return None
        blob = parse_reference(reference)
        if isinstance(blob, ExternalBlob):
            return blob.uri
        return BASE64_PREFIX + base64.b64encode(self._blobs.read(blob)).decode()


class _Line:
    """The pieces of a line in the making; neighbouring literals become one."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._literal = ""

    def literal(self, text: str) -> None:
        self._literal += text

    def column(self, values: pa.Array, type_: PropertyType) -> None:
        """Append the JSON texts of a column; null is written ``null``."""
        texts, quote = _texts(values, type_)
        if texts.null_count:
            if quote:
                texts = pc.binary_join_element_wise(quote, texts, quote, "")
            texts, quote = pc.fill_null(texts, "null"), ""
        self._pieces += [self._literal + quote, texts]
        self._literal = quote

    def pieces(self) -> list[Piece]:
        return [*self._pieces, self._literal]


def _join(pieces: list[Piece]) -> bytes:
    lines = pc.binary_join_element_wise(*pieces, "")
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return bytes(memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])])


def _texts(values: pa.Array, type_: PropertyType) -> tuple[pa.Array, str]:
    """Return the texts of a column, null where it is null, and the quote that still belongs around them."""
    if type_.scalar is Scalar.VECTOR:
        return _list_texts(values, _float_texts(values.flatten()), type_.dimension), ""
    if type_.is_list:
        items, quote = _texts(values.flatten(), PropertyType(type_.scalar))
        if quote:
            items = pc.binary_join_element_wise(quote, items, quote, "")
        return _list_texts(values, items, None), ""
    if type_.scalar in _QUOTED:
        return _escaped(values), '"'
    if type_.scalar is Scalar.DATE:
        return values.cast(pa.int32()).cast(pa.string()), ""
    if type_.scalar is Scalar.DATETIME:
        texts = datetime_texts(values)
        # Beyond the calendar it is an integer, which takes no quotes.
        is_text = pc.match_substring(texts, "T")
        if pc.all(is_text).as_py() is not False:
            return texts, '"'
        return pc.if_else(is_text, pc.binary_join_element_wise('"', texts, '"', ""), texts), ""
    if pa.types.is_floating(values.type):
        return _float_texts(values), ""
    return values.cast(pa.string()), ""


def _float_texts(values: pa.Array) -> pa.Array:
    """Return the shortest exact texts. Arrow's ``-0`` is an integer to most readers of JSON, who lose its sign."""
    texts = values.cast(pa.string())
    numbers = values.to_numpy(zero_copy_only=False)
    if not (np.signbit(numbers) & (numbers == 0)).any():
        return texts
    return pc.if_else(pc.equal(texts, "-0"), "-0.0", texts)


def _list_texts(values: pa.Array, items: pa.Array, width: int | None) -> pa.Array:
    """Return ``[a,b]`` for every list; ``items`` are the texts of the elements of its valid rows."""
    if width is not None:
        lengths = np.where(values.is_valid().to_numpy(zero_copy_only=False), width, 0)
    else:
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    lists = pa.ListArray.from_arrays(pa.array(offsets), items)
    texts = pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
    return pc.if_else(values.is_valid(), texts, pa.scalar(None, pa.string())) if values.null_count else texts


def _escaped(values: pa.Array) -> pa.Array:
    """Return texts as they stand between the quotes of a JSON string."""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    if values.buffers()[2] is None or offsets[0] == offsets[-1]:
        return values
    data = np.frombuffer(values.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    special = np.flatnonzero((data < 0x20) | (data == 0x22) | (data == 0x5C))
    if not len(special):
        return values
    rows = np.unique(np.searchsorted(offsets, special + offsets[0], side="right") - 1)
    mask = np.zeros(len(values), np.bool_)
    mask[rows] = True
    escaped = [_encode_text(text)[1:-1] for text in values.filter(pa.array(mask)).to_pylist()]
    return pc.replace_with_mask(values, pa.array(mask), pa.array(escaped, pa.string()))


def _json(text: str) -> str:
    return _encode_text(text).decode()


def _array(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
