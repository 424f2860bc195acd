"""Shared by the tests of loads: a schema with every kind of property, a sink for blobs, both ways to decode."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest

from omnigraph.graph import pipeline
from omnigraph.graph.decode import DecodedLoad, decode_load
from omnigraph.graph.jsonl import RowEncoder
from omnigraph.language import compile_schema
from omnigraph.storage.blob import ManagedBlob

SCHEMA = """
node Thing {
    slug: String @key
    text: String?
    flag: Bool?
    small: I32?
    large: I64?
    small_natural: U32?
    natural: U64?
    single: F32?
    double: F64?
    day: Date?
    instant: DateTime?
    file: Blob?
    vector: Vector(3)?
    texts: [String]?
    flags: [Bool]?
    numbers: [I32]?
    naturals: [U64]?
    doubles: [F64]?
    singles: [F32]?
    days: [Date]?
    instants: [DateTime]?
    level: enum(low, mid, high)?
}

node Strict {
    name: String
    size: I64
    ratio: F32
    day: Date
    vector: Vector(2)
    file: Blob
    tags: [String]
}

node Note { text: String? }

node Pair {
    num: I64
    region: String
    @key(num, region)
}

node Keyed { key: F64 @key }
node Dated { day: Date @key }
node Counted { n: I32 @key }

node Ruled {
    code: String @key
    age: I32? @range(age, 0..120)
    share: F64? @range(share, 0.5..)
    part: F32? @range(part, ..0.1)
    total: U64? @range(total, 10..)
    label: String? @check(label, "^[a-z]+$")
    words: [String]? @check(words, "[aeiou]")
    mail: String? @unique
    first: String?
    last: String?
    born: Date?
    @unique(first, last)
}

edge Knows: Thing -> Thing { since: I32? kind: enum(old, new)? note: String? @unique(src, dst) }
edge Near: Thing -> Note
"""

CATALOG = compile_schema(SCHEMA)


class Blobs:
    """Keeps blobs under their digests."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def add(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.kept[digest] = data
        return f"m:pack:0:{len(data)}:{digest}"

    def external(self, uri: str) -> str:
        return f"u:{uri}"

    def read(self, blob: ManagedBlob) -> bytes:
        return self.kept[blob.sha256]


def load(source: Any, mode: Any = "append", catalog: Any = CATALOG, blobs: Blobs | None = None) -> DecodedLoad:
    return decode_load(source, catalog, mode=mode, blobs=blobs or Blobs())


def export(decoded: DecodedLoad, blobs: Blobs) -> bytes:
    """Encode the rows as an export does: types and ids ascending."""
    chunks = []
    for _, table in sorted(decoded.tables.items()):
        chunks.append(RowEncoder(table.entity, blobs).encode(table.table.sort_by("id")))
    return b"".join(chunks)


def rows_of(decoded: DecodedLoad) -> dict[str, list[dict[str, Any]]]:
    """Give rows as Python values that compare exactly (a float by its hexadecimal text)."""
    return {key: [_exact(row) for row in _plain(table.table).to_pylist()] for key, table in decoded.tables.items()}


def _plain(table: pa.Table) -> pa.Table:
    """Turn dates into integers: Python has none beyond the year 9999."""
    whole = {"date32[day]": pa.int32(), "date64[ms]": pa.int64()}
    for i, field in enumerate(table.schema):
        inner = field.type.value_type if pa.types.is_list(field.type) else field.type
        target = whole.get(str(inner))
        if target is not None:
            column = table.column(i).cast(pa.list_(target) if pa.types.is_list(field.type) else target)
            table = table.set_column(i, field.name, column)
    return table


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    return value


@pytest.fixture(params=["columns", "exact"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send every block down one of the two paths first."""
    monkeypatch.setattr(pipeline, "FAST_BYTES_MIN", 0 if request.param == "columns" else 1 << 60)
    return str(request.param)
