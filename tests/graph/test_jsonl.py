from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import omnigraph
from graph.loads import CATALOG, Blobs, export, load
from omnigraph.graph import jsonl
from omnigraph.graph.dates import datetime_texts
from omnigraph.graph.jsonl import RowEncoder
from omnigraph.language import compile_schema
from omnigraph.language.temporal import export_datetime


def exported(text: str) -> str:
    blobs = Blobs()
    return export(load(text, "overwrite", blobs=blobs), blobs).decode()


def test_every_kind() -> None:
    data = {
        "slug": 'q"\\\n\u0001é/', "text": "", "flag": False, "small": -5, "large": 2**63 - 1, "small_natural": 0,
        "natural": 2**64 - 1, "single": 0.1, "double": -0.0, "day": "1969-12-31", "instant": "2026-04-01 08:30:00.5+02:00",
        "file": "base64:YWJj", "vector": [-0.0, 0.1, -2.5e-30], "texts": ['"', ""], "flags": [True], "numbers": [],
        "naturals": [2**64 - 1], "doubles": [1e300, -0.0, -10, 0], "singles": [16777217], "days": ["1970-01-02"],
        "instants": ["1970-01-01", 2**62], "level": "low",
    }  # fmt: skip
    line = exported(json.dumps({"type": "Thing", "data": data}))
    assert line == (
        r'{"type":"Thing","data":{"id":"q\"\\\n\u0001é/","slug":"q\"\\\n\u0001é/","text":"","flag":false,"small":-5,'
        r'"large":9223372036854775807,"small_natural":0,"natural":18446744073709551615,"single":0.1,"double":-0.0,"day":-1,'
        r'"instant":"2026-04-01T06:30:00.500","file":"base64:YWJj","vector":[-0.0,0.1,-2.5e-30],"texts":["\"",""],"flags":[true],'
        r'"numbers":[],"naturals":[18446744073709551615],"doubles":[1e+300,-0.0,-10,0],"singles":[16777216],"days":[1],'
        r'"instants":["1970-01-01T00:00:00",4611686018427387904],"level":"low"}}'
        "\n"
    )
    assert exported(line) == line


def test_nulls_and_edges() -> None:
    assert exported('{"type":"Note","data":{"id":"n"}}') == '{"type":"Note","data":{"id":"n","text":null}}\n'
    assert exported('{"edge":"near","from":"a\\"","to":"b","data":{"id":"e"}}') == (
        '{"edge":"Near","from":"a\\"","to":"b","data":{"id":"e"}}\n'
    )
    line = json.loads(exported('{"type":"Thing","data":{"slug":"a"}}'))
    assert set(line["data"].values()) == {"a", None}
    assert list(line["data"]) == ["id", *CATALOG.nodes["Thing"].properties]


def test_blobs() -> None:
    lines = [f'{{"type":"Thing","data":{{"slug":"{i}","file":{blob}}}}}' for i, blob in enumerate(BLOBS)]
    assert [json.loads(line)["data"]["file"] for line in exported("\n".join(lines)).splitlines()] == list(
        map(json.loads, BLOBS)
    )


BLOBS = ['"base64:"', "null", '"file:///x"', '"base64:AAECAw=="', '""']


def test_chunks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs()
    notes = [{"type": "Note", "data": {"id": f"{i:04}", "text": "x" * (i % 50)}} for i in range(1000)]
    table = load(notes, blobs=blobs).tables["node:Note"].table
    whole = RowEncoder(CATALOG.nodes["Note"], blobs).encode(table)
    monkeypatch.setattr(jsonl, "CHUNK_BYTES", 2000)
    chunks = list(RowEncoder(CATALOG.nodes["Note"], blobs).chunks(table))
    assert b"".join(chunks) == whole
    assert max(map(len, chunks)) < 5000
    assert all(chunk.endswith(b"}}\n") for chunk in chunks)
    things = [{"type": "Thing", "data": {"slug": str(i), "file": "base64:" + "AAAA" * 400}} for i in range(5)]
    table = load(things, blobs=blobs).tables["node:Thing"].table
    assert len(list(RowEncoder(CATALOG.nodes["Thing"], blobs).chunks(table))) == 5


def test_slices_and_empty_tables() -> None:
    table = load([{"type": "Note", "data": {"id": f"{i}", "text": '"'}} for i in range(9)]).tables["node:Note"].table
    encoder = RowEncoder(CATALOG.nodes["Note"], Blobs())
    assert encoder.encode(table.slice(3, 2)) == b"".join(encoder.encode(table).splitlines(True)[3:5])
    assert encoder.encode(table.slice(0, 0)) == b""


def test_datetime_texts_are_those_of_single_values() -> None:
    values = [0, 1, -1, 999, 1000, -62135596800000, 253402300799999, None, *range(10**12, 10**12 + 5000, 499)]
    texts = datetime_texts(pa.array(values, pa.int64()).cast(pa.date64(), safe=False)).to_pylist()
    assert texts == [None if value is None else export_datetime(value) for value in values]
    beyond = [253402300800000, -(2**63), 5, None]
    texts = datetime_texts(pa.array(beyond, pa.int64()).cast(pa.date64(), safe=False)).to_pylist()
    assert texts == [None if value is None else str(export_datetime(value)) for value in beyond]


def test_float32_texts_are_short_and_exact() -> None:
    bits = np.random.default_rng(5).integers(0, 2**32, 30_000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    texts = pa.array(numbers).cast(pa.string())
    assert (texts.cast(pa.float32()).to_numpy() == numbers).all()
    assert max(len(text) for text in texts.to_pylist()) <= 16


REAL = Path(__file__).parents[3] / "shared" / "data" / "industry-intel.jsonl"
REAL_SCHEMA = Path(__file__).parent / "industry_intel.pg"


@pytest.mark.skipif(not REAL.exists(), reason="the real input is not at hand")
def test_a_real_graph() -> None:
    catalog = compile_schema(REAL_SCHEMA.read_text())
    blobs = Blobs()
    decoded = load(REAL, "overwrite", catalog, blobs)
    lines = REAL.read_text().splitlines()
    assert decoded.records == len(lines) == sum(count for _, count in decoded.counts())
    text = export(decoded, blobs)
    assert export(load(text, "overwrite", catalog, blobs), blobs) == text
    for line in map(json.loads, lines):
        entity = catalog.nodes.get(line.get("type")) or catalog.edges[line["edge"]]
        assert set(line.get("data", {})) <= {"id", *entity.properties}


def test_an_export_is_the_same_with_threads_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with omnigraph.init(str(tmp_path / "g"), "node N { name: String @key number: F32? blob: Blob? }") as graph:
        records = [{"name": f"n{at}", "number": at / 7, "blob": "base64:AAEC"} for at in range(200)]
        graph.load([{"type": "N", "data": record} for record in records], "append")
        alone = list(graph.export())
        monkeypatch.setattr("omnigraph.graph.export.THREADS_ROWS_MIN", 1)
        monkeypatch.setattr("omnigraph.graph.export.BATCH_ROWS", 7)
        assert b"".join(graph.export()) == b"".join(alone)
        left = graph.export()
        next(left)
        left.close()
