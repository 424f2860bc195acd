from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from graph.loads import CATALOG, Blobs, load, path, rows_of
from omnigraph.errors import BadRequest, ConstraintViolation, InvalidValue, ResourceLimitExceeded
from omnigraph.graph import pipeline, records
from omnigraph.graph.decode import decode_load

__all__ = ["path"]


def thing(**data: Any) -> str:
    return json.dumps({"type": "Thing", "data": {"slug": "t", **data}})


def raw(member: str) -> str:
    return '{"type":"Thing","data":{"slug":"t",' + member + "}}"


def strict(**changes: Any) -> str:
    data = {"name": "n", "size": 1, "ratio": 1, "day": "2020-01-01", "vector": [1, 2], "file": "base64:", "tags": []}
    data |= changes
    return json.dumps({"type": "Strict", "data": {name: value for name, value in data.items() if value is not ...}})


EDGE = '{"edge":"Knows","from":"a","to":"b"}'

REFUSED = {
    # framing
    "malformed": ('{"type":}', "invalid JSON at record 2: Expecting value at line 2 column 9"),
    "truncated": (
        '{"type":"Note","data":{"text":"x',
        "invalid JSON at record 2: Invalid control character at line 2 column 33",
    ),
    "cut off": ('{"type":"Note"', "invalid JSON at record 2: Expecting ',' delimiter at line 3 column 1"),
    "array": ("[1]", "invalid JSON at record 2: expected an object, got array at line 2 column 1"),
    "null": ("null", "invalid JSON at record 2: expected an object, got null"),
    "null after an object": ('{"type":"Note"} null', "invalid JSON at record 3: expected an object, got null"),
    "comma": ('{"type":"Note"},{"type":"Note"}', "invalid JSON at record 3: Expecting value"),
    "NaN": (raw('"double":NaN'), "invalid JSON at record 2: 'NaN' is no JSON value"),
    "control character": (raw('"text":"a\tb"'), "invalid JSON at record 2: Invalid control character"),
    "NUL": (raw('"text":"a\0b"'), "invalid JSON at record 2: Invalid control character"),
    "lone surrogate": (raw('"text":"\\ud800"'), "invalid JSON at record 2: a string holds half of a surrogate pair"),
    "byte order mark": ("\ufeff" + EDGE, "invalid JSON at record 2: unexpected byte order mark"),
    "deep": (raw('"text":' + "[" * 100_000), "invalid JSON at record 2: values are nested too deeply"),
    "deep objects": (raw('"text":' + '{"a":' * 100_000), "invalid JSON at record 2: values are nested too deeply"),
    # members
    "no kind": ('{"data":{}}', "record 2: expected 'type' or 'edge' field"),
    "kind is null": ('{"type":null}', "record 2: expected 'type' or 'edge' field"),
    "both kinds": ('{"type":"Note","edge":"Knows"}', "record 2: expected exactly one of 'type' or 'edge'"),
    "both, one null": ('{"type":"Note","edge":null}', "record 2: expected exactly one of 'type' or 'edge'"),
    "unknown node type": ('{"type":"note"}', "record 2: unknown node type 'note'"),
    "unknown edge type": ('{"edge":"Hates","from":"a","to":"b"}', "record 2: unknown edge type 'Hates'"),
    "no from": ('{"edge":"Knows","to":"b"}', "record 2: edge missing 'from'"),
    "no to": ('{"edge":"Knows","from":"a"}', "record 2: edge missing 'to'"),
    "from is null": ('{"edge":"Knows","from":null,"to":"b"}', "record 2: edge missing 'from'"),
    "to is a number": ('{"edge":"Knows","from":"a","to":1}', "record 2: edge missing 'to'"),
    "unknown property": (raw('"nope":1'), "record 2: unknown input field 'nope' for 'node:Thing'"),
    "unknown edge property": (
        '{"edge":"Knows","from":"a","to":"b","data":{"x":1}}',
        "record 2: unknown input field 'x' for 'edge:Knows'",
    ),
    "unknown member": ('{"type":"Note","dat":{}}', "record 2: unknown input field 'dat'"),
    "from on a node": ('{"type":"Note","from":"a"}', "record 2: unknown input field 'from'"),
    "twice in data": (raw('"text":"a","text":"b"'), "record 2: duplicate JSON member 'text'"),
    "twice in data, escaped": (raw('"text":"a","\\u0074ext":"b"'), "record 2: duplicate JSON member 'text'"),
    "twice in the record": ('{"type":"Note","type":"Note"}', "record 2: duplicate JSON member 'type'"),
    "data is null": ('{"type":"Note","data":null}', "record 2: 'data' must be an object"),
    "data is null, escaped": ('{"type":"Note","d\\u0061ta":null}', "record 2: 'data' must be an object"),
    "data is an array": ('{"type":"Note","data":[]}', "record 2: 'data' must be an object"),
    # kinds
    "string for a number": (thing(small="1"), "record 2: property 'small' expects I32, got string"),
    "float for an integer": (raw('"small":1.0'), "record 2: property 'small' expects I32, got number"),
    "exponent for an integer": (raw('"large":1e2'), "record 2: property 'large' expects I64, got number"),
    "boolean for an integer": (thing(small=True), "record 2: property 'small' expects I32, got boolean"),
    "boolean for a float": (thing(double=True), "record 2: property 'double' expects F64, got boolean"),
    "number for a boolean": (thing(flag=1), "record 2: property 'flag' expects Bool, got number"),
    "number for a text": (thing(text=1), "record 2: property 'text' expects String, got number"),
    "number for an enum": (thing(level=1), "record 2: property 'level' expects enum(high, low, mid), got number"),
    "object for a text": (thing(text={}), "record 2: property 'text' expects String, got object"),
    "array for a text": (thing(text=["x"]), "record 2: property 'text' expects String, got array"),
    "string for a float": (thing(double="NaN"), "record 2: property 'double' expects F64, got string"),
    "float for a date": (thing(day=1.5), "record 2: property 'day' expects Date, got number"),
    "text for a vector": (thing(vector="x"), "record 2: property 'vector' expects Vector(3), got string"),
    # ranges
    "I32": (thing(small=2**31), "record 2: property 'small' value 2147483648 exceeds Int32 range"),
    "I64": (thing(large=-(2**63) - 1), "record 2: property 'large' value -9223372036854775809 exceeds Int64 range"),
    "U32": (thing(small_natural=-1), "record 2: property 'small_natural' value -1 exceeds UInt32 range"),
    "U64": (thing(natural=2**64), "record 2: property 'natural' value 18446744073709551616 exceeds UInt64 range"),
    "huge": (raw('"large":1' + "0" * 5000), "record 2: property 'large' value 1000000000"),
    "infinite": (raw('"double":1e999'), "record 2: property 'double' must be finite"),
    "infinite F32": (raw('"single":1e39'), "record 2: property 'single' must be finite"),
    "infinite integer": (raw('"double":1' + "0" * 400), "record 2: property 'double' must be finite"),
    "date out of range": (thing(day=2**31), "record 2: Date value out of range: 2147483648"),
    "date text": (thing(day="2020-02-30"), "record 2: invalid Date literal '2020-02-30'"),
    "datetime text": (thing(instant="yesterday"), "record 2: invalid DateTime literal 'yesterday'"),
    "year 0": (thing(day="0000-01-01"), "record 2: invalid Date literal '0000-01-01'"),
    # lists, vectors
    "no list": (thing(numbers=1), "record 2: list property 'numbers' expects a JSON array, got number"),
    "null in a list": (thing(numbers=[1, None]), "record 2: list property 'numbers' element 1 expects I32, got null"),
    "kind in a list": (thing(texts=["a", 1]), "record 2: list property 'texts' element 1 expects String, got number"),
    "range in a list": (thing(numbers=[2**31]), "record 2: list value 2147483648 exceeds Int32 range"),
    "infinite in a list": (raw('"doubles":[1e999]'), "record 2: list property 'doubles' must be finite"),
    "date in a list": (thing(days=["x"]), "record 2: invalid Date literal 'x'"),
    "vector width": (thing(vector=[1, 2]), "record 2: vector property 'vector' expects 3 dimensions, got 2"),
    "vector element": (thing(vector=[1, "2", 3]), "record 2: vector property 'vector' elements must be numeric, got string"),
    "null in a vector": (thing(vector=[1, None, 3]), "record 2: vector property 'vector' elements must be numeric, got null"),
    "infinite in a vector": (raw('"vector":[1,2,1e39]'), "property 'vector' must be finite"),
    # required
    "required absent": (strict(name=...), "record 2: non-nullable property 'name' has null or invalid values"),
    "required null": (strict(size=None), "record 2: non-nullable property 'size' has null or invalid values"),
    "required of another kind": (strict(size="1"), "record 2: non-nullable property 'size' has null or invalid values"),
    "required vector": (strict(vector=None), "record 2: non-nullable vector property 'vector' has null values"),
    "required blob": (strict(file=...), "record 2: non-nullable blob property 'file' has null values"),
    "required list": (strict(tags=None), "record 2: non-nullable property 'tags' has null or invalid values"),
    "required no list": (strict(tags="x"), "record 2: list property 'tags' expects a JSON array, got string"),
    "required date": (strict(day=True), "record 2: non-nullable property 'day' has null or invalid values"),
    # blobs
    "blob kind": (thing(file=1), "record 2: blob property 'file' must be a URI string or base64: prefixed data"),
    "blob base64": (thing(file="base64:a"), "record 2: invalid base64 blob data: "),
    "blob alphabet": (thing(file="base64:YQ=é"), "record 2: invalid base64 blob data: "),
    # identity
    "no key": ('{"type":"Thing"}', "record 2: node Thing missing @key property 'slug'"),
    "null key": ('{"type":"Thing","data":{"slug":null}}', "record 2: node Thing missing @key property 'slug'"),
    "empty key": ('{"type":"Thing","data":{"slug":""}}', "record 2: node Thing has an empty id"),
    "empty id": ('{"type":"Note","data":{"id":""}}', "record 2: node Note has an empty id"),
    "empty edge id": ('{"edge":"Knows","from":"a","to":"b","data":{"id":""}}', "record 2: edge Knows has an empty id"),
    "id is a number": ('{"type":"Note","data":{"id":1}}', "record 2: node Note has an id that is not a string"),
    "id is null": ('{"type":"Note","data":{"id":null}}', "record 2: node Note has an id that is not a string"),
    "other id": (
        '{"type":"Thing","data":{"id":"x","slug":"t"}}',
        "record 2: node Thing has explicit id 'x' that does not match @key property 'slug' value 't'",
    ),
    "no composite key": ('{"type":"Pair","data":{"num":1}}', "record 2: node Pair missing @key property 'region'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str, path: str) -> None:
    line, text = REFUSED[name]
    with pytest.raises(BadRequest) as caught:
        load(f'{{"type":"Note","data":{{"text":"first"}}}}\n{line}\n'.encode(errors="surrogatepass"))
    assert text in str(caught.value)


def test_invalid_utf8(path: str) -> None:
    with pytest.raises(BadRequest, match="invalid JSON at record 2: invalid UTF-8 at line 2 column 32"):
        load(b'{"type":"Note"}\n{"type":"Note","data":{"text":"\xff"}}\n')
    with pytest.raises(BadRequest, match="invalid JSON at record 2: invalid UTF-8"):
        load(b'{"type":"Note"}\n\xff\n')


def test_every_kind(path: str) -> None:
    full = {
        "slug": "a", "text": "é\u0000\n\"", "flag": True, "small": -5, "large": 2**63 - 1, "small_natural": 2**32 - 1,
        "natural": 2**64 - 1, "single": 0.1, "double": 0.1, "day": "2024-02-29", "instant": "2026-04-01T08:30:00.1239Z",
        "file": "base64:YWJj", "vector": [1, 0.1, -2.5e-3], "texts": ["a", ""], "flags": [True], "numbers": [],
        "naturals": [2**64 - 1], "doubles": [1, 0.5], "singles": [0.1], "days": ["1970-01-02", "2024-02-29T23:00:00-02:00"],
        "instants": ["1970-01-01"], "level": "low",
    }  # fmt: skip
    text = json.dumps({"type": "Thing", "data": full}) + "\n" + '{"type":"Thing","data":{"slug":"b"}}'
    first, second = load(text.encode()).tables["node:Thing"].table.to_pylist()
    assert (first["day"].isoformat(), first["natural"], first["text"]) == ("2024-02-29", 2**64 - 1, 'é\0\n"')
    assert [day.isoformat() for day in first["days"]] == ["1970-01-02", "2024-03-01"]
    assert first["file"].startswith("m:")
    assert load(text.encode()).tables["node:Thing"].table["instant"].cast("int64").to_pylist() == [1775032200123, None]
    assert first["single"] == 0.10000000149011612
    assert second == {name: "b" if name in ("id", "slug") else None for name in second}


@pytest.mark.parametrize(
    ("members", "row_id"),
    [
        ('"type":"Pair","data":{"region":"e\\"u","num":42}', '["42","e\\"u"]'),
        ('"type":"Pair","data":{"region":"eu","num":-1,"id":"[\\"-1\\",\\"eu\\"]"}', '["-1","eu"]'),
        ('"type":"Keyed","data":{"key":-0.0}', "0"),
        ('"type":"Keyed","data":{"key":1e-7}', "0.0000001"),
        ('"type":"Dated","data":{"day":"1970-01-02"}', "1"),
        ('"type":"Dated","data":{"day":-1}', "-1"),
        ('"type":"Counted","data":{"n":-0}', "0"),
        ('"type":"Note","data":{"id":"x"}', "x"),
        ('"edge":"KNOWS","from":"a","to":"b","data":{"id":"e"}', "e"),
    ],
)
def test_ids(members: str, row_id: str, path: str) -> None:
    (table,) = load(f"{{{members}}}".encode()).tables.values()
    assert table.table["id"].to_pylist() == [row_id]
    assert table.has_given_ids


@pytest.mark.parametrize("size", [1, 200])
def test_the_order_of_a_composite_key_can_be_given(path: str, size: int) -> None:
    lines = "\n".join(json.dumps({"type": "Pair", "data": {"num": i, "region": "eu"}}) for i in range(size))
    keys = {"node:Pair": ("region", "num")}
    decoded = decode_load(lines, CATALOG, mode="append", blobs=Blobs(), keys=keys)
    assert decoded.tables["node:Pair"].table["id"][0].as_py() == '["eu","0"]'


def test_fresh_ids_ascend_in_the_order_of_the_input(path: str) -> None:
    lines = [EDGE.replace('"b"', f'"b{i}"') for i in range(3000)] + ['{"type":"Note"}'] * 5
    decoded = load("\n".join(lines).encode())
    ids = decoded.tables["edge:Knows"].table["id"].to_pylist()
    assert ids == sorted(set(ids))
    assert all(len(row_id) == 26 for row_id in ids)
    assert not decoded.tables["edge:Knows"].has_given_ids
    assert decoded.counts() == [("edge:Knows", 3000), ("node:Note", 5)]
    assert decoded.tables["node:Note"].numbers.tolist() == list(range(3001, 3006))


LAYOUTS = {
    "pretty": lambda objects: "\n".join(json.dumps(item, indent=2) for item in objects),
    "one line": lambda objects: " ".join(json.dumps(item) for item in objects),
    "no space": lambda objects: "".join(json.dumps(item) for item in objects),
    "carriage returns": lambda objects: "\r\n\r\n".join(json.dumps(item) for item in objects) + "\r\n",
    "indented": lambda objects: "\n".join("\t " + json.dumps(item) + " " for item in objects),
    "type last": lambda objects: "\n".join(json.dumps(dict(reversed(item.items()))) for item in objects),
    "broken before the end": lambda objects: "\n".join(json.dumps(item)[:-1] + "\n}" for item in objects),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("block_bytes", [7, 100, 1000, 8 << 20])
def test_layouts(layout: str, block_bytes: int, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objects: list[Any] = []
    for i in range(40):
        objects.append({"type": "Note", "data": {"id": f"n{i}", "text": 'q"}{\\' * (i % 5) + "é" * i}})
        objects.append({"edge": "knows", "from": f"a{i}", "to": "b", "data": {"id": f"e{i}", "since": i}})
    monkeypatch.setattr(records.BlockReader.__init__, "__kwdefaults__", {"block_bytes": block_bytes, "record_bytes_max": 10**6})
    monkeypatch.setattr(pipeline, "BLOCK_BYTES", block_bytes)  # small blocks are read ahead and decoded by threads, too
    decoded = load(LAYOUTS[layout](objects).encode())
    notes = decoded.tables["node:Note"]
    assert notes.table.to_pylist() == [item["data"] for item in objects[::2]]
    assert notes.numbers.tolist() == list(range(1, 81, 2))
    assert decoded.tables["edge:Knows"].table["since"].to_pylist() == list(range(40))


def test_truncated_file(path: str) -> None:
    with pytest.raises(BadRequest, match="record 2: Unterminated string starting at line 2 column 31"):
        load(b'{"type":"Note"}\n{"type":"Note","data":{"text":"x')


def test_an_error_behind_blocks_that_were_read_ahead(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records.BlockReader.__init__, "__kwdefaults__", {"block_bytes": 500, "record_bytes_max": 10**6})
    monkeypatch.setattr(pipeline, "BLOCK_BYTES", 500)
    lines = [thing(slug=f"t{i}") for i in range(500)]
    for place, line, text in (
        (3, "{}", "expected 'type'"),
        (400, '{"type":"Nope"}', "unknown node type"),
        (499, "x", "line 500"),
    ):
        broken = [*lines[:place], line, *lines[place + 1 :]]
        with pytest.raises(BadRequest, match=f"record {place + 1}.*{text}"):
            load("\n".join(broken))
    with pytest.raises(InvalidValue, match="record 4:"):
        load("\n".join([*lines[:3], thing(slug="s", small="x"), *lines[4:]]))


def test_empty_input(path: str) -> None:
    assert load(b"").counts() == load(b" \n\n").counts() == load("").counts() == []


def test_a_record_that_is_none_wins_over_an_earlier_value(path: str) -> None:
    lines = thing(small="x") + "\n" + thing(small=1) + "\n" + '{"type":"Nope"}\n'
    with pytest.raises(BadRequest, match="record 3: unknown node type 'Nope'"):
        load(lines.encode())


def test_sources(tmp_path: Path) -> None:
    text = thing(day="2020-01-01")
    file = tmp_path / "load.jsonl"
    file.write_text(text)
    expected = rows_of(load(text.encode()))
    with file.open("rb") as stream:
        for source in (text, bytearray(text.encode()), file, str(file), stream, io.BytesIO(text.encode())):
            assert rows_of(load(source)) == expected
    assert rows_of(load([json.loads(text)])) == expected
    assert rows_of(load({"node:Thing": load(text).tables["node:Thing"].table})) == expected
    with pytest.raises(BadRequest, match="cannot read"):
        load(tmp_path / "absent.jsonl")


def test_progress_reaches_the_size(path: str) -> None:
    seen: list[tuple[int, int | None]] = []
    text = b'{"type":"Note"}\n' * 9
    decode_load(text, CATALOG, mode="append", blobs=Blobs(), progress=lambda *args: seen.append(args))
    assert seen[-1] == (len(text), len(text))


def test_a_record_that_never_ends(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records.BlockReader.__init__, "__kwdefaults__", {"block_bytes": 1000, "record_bytes_max": 20_000})
    for source in ('{"type":"Note","data":{"text":"' + "x" * 10**6, '{"type":"Note","data":[' + "1,\n" * 10**5):
        with pytest.raises(ResourceLimitExceeded, match="resource limit exceeded for record_size_bytes"):
            load(source.encode())


def test_same_id_twice(path: str) -> None:
    keyed = "\n".join([thing(text="1"), thing(text="2")]).encode()
    notes = b'{"type":"Note","data":{"id":"n","text":"1"}} {"type":"Note"} {"type":"Note","data":{"id":"n","text":"2"}}'
    for mode in ("overwrite", "append", "merge"):
        with pytest.raises(ConstraintViolation, match=r"@unique violation on Thing\.slug: value 't' appears in rows 0 and 1"):
            load(keyed, mode)
    for mode in ("overwrite", "append"):
        with pytest.raises(ConstraintViolation, match="key conflict: node:Note has id 'n' in records 1 and 3"):
            load(notes, mode)
    folded = load(notes, "merge").tables["node:Note"]
    assert folded.table["text"].to_pylist() == [None, "2"]
    assert folded.numbers.tolist() == [2, 3]
    assert folded.records == 3


def test_values_come_before_rules_and_nodes_before_edges(path: str) -> None:
    bad_edge = '{"edge":"Knows","from":"a","to":"b","data":{"kind":"none"}}'
    bad_node = '{"type":"Ruled","data":{"code":"c","age":200}}'
    with pytest.raises(ConstraintViolation, match="record 2: @range"):
        load(f"{bad_edge}\n{bad_node}".encode())
    with pytest.raises(InvalidValue, match="record 3"):
        load(f"{bad_edge}\n{bad_node}\n{thing(small='x')}".encode())
