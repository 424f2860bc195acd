"""The fast path against the exact one: the same input is accepted with the same rows, or refused with the same words."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import example, given, settings

from graph.loads import Blobs, export, load, rows_of
from graph.values_strategy import RECORDS, mangled
from omnigraph.errors import OmnigraphError
from omnigraph.graph import pipeline


def outcome(source: Any, monkey_fast: bool, mode: str = "append") -> Any:
    before = pipeline.FAST_BYTES_MIN
    pipeline.FAST_BYTES_MIN = 0 if monkey_fast else 1 << 60  # type: ignore[misc]
    try:
        decoded = load(source, mode)
    except OmnigraphError as error:
        return type(error), str(error)
    finally:
        pipeline.FAST_BYTES_MIN = before  # type: ignore[misc]
    rows = rows_of(decoded)
    for key, table in decoded.tables.items():
        for row, number in zip(rows[key], table.numbers.tolist(), strict=True):
            row["#"] = number
            if len(row["id"]) == 26:
                row["id"] = "fresh"
    return rows


@settings(max_examples=300, deadline=None)
@given(mangled())
@example(b'{"type":"Note"}null{"type":"Note"}')
@example(b'{"type":"Note","data":{"text":"a"},"data":null}')
@example(b'{"type":"Thing","data":{"slug":"a","double":-0,"single":-0,"natural":-0}}')
@example(b'{"type":"Thing","data":{"slug":"a","single":1.00000005960464477539062501}}')
@example(b'{"type":"Thing","data":{"slug":"a","single":1.000000059604644775390625}}')
@example(b'{"type":"Thing","data":{"slug":"a","single":3.4028235677973366e38}}')
@example(b'{"type":"Thing","data":{"slug":"a","single":1e-45,"double":5e-324}}')
@example(b'{"type":"Thing","data":{"slug":"a","single":16777217,"vector":[9007199791611905,0,0]}}')
@example(b'{"type":"Thing","data":{"slug":"a","day":"2020-01-01"}}{"type":"Thing","data":{"slug":"b","day":5}}')
@example(b'{"type":"Thing","data":{"slug":"a","instant":"2020-01-01T00:00:00.1234567890Z"}}')
@example(b'{"type":"Thing","data":{"slug":"a","instant":"0001-01-01T00:00:00+00:01"}}')
@example(b'{"type":"Thing","data":{"slug":"a","instant":"0000-12-31"}}')
def test_text(text: bytes) -> None:
    assert outcome(text, True) == outcome(text, False)


@settings(max_examples=100, deadline=None)
@given(RECORDS)
def test_python_records(records: list[dict[str, Any]]) -> None:
    """Records as dictionaries give what their text gives."""
    text = "\n".join(json.dumps(record) for record in records).encode()
    assert outcome(records, True, "merge") == outcome(text, False, "merge")


@settings(max_examples=100, deadline=None)
@given(RECORDS)
def test_round_trip(records: list[dict[str, Any]]) -> None:
    """What is exported loads as the same rows, on either path and as tables, and is exported byte for byte alike."""
    text = "\n".join(json.dumps(record) for record in records).encode()
    blobs = Blobs()
    try:
        decoded = load(text, "merge", blobs=blobs)
    except OmnigraphError:
        return
    exported = export(decoded, blobs)
    for line in exported.splitlines():
        json.loads(line)
    for fast in (True, False):
        pipeline.FAST_BYTES_MIN = 0 if fast else 1 << 60  # type: ignore[misc]
        again = load(exported, "overwrite")
        pipeline.FAST_BYTES_MIN = 2048  # type: ignore[misc]
        assert export(again, blobs) == exported
        assert {key: sorted(map(str, rows)) for key, rows in rows_of(again).items()} == {
            key: sorted(map(str, rows)) for key, rows in rows_of(decoded).items()
        }
    plain: dict[str, pa.Table] = {
        key: table.table.drop_columns([name for name in ("file",) if name in table.table.column_names])
        for key, table in decoded.tables.items()
        if key != "node:Strict"
    }
    for key, table in load(plain, "overwrite").tables.items():
        assert table.table.drop_columns([n for n in ("file",) if n in table.table.column_names]).equals(plain[key])
