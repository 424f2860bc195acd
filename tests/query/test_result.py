"""Results: rows, Arrow, tables for people."""

from __future__ import annotations

import math
import sys

import pyarrow as pa
import pytest

from model.language import ModelEdge, ModelGraph
from omnigraph.errors import ExecutionError
from omnigraph.language import compile_schema
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.query.encode import encode_date, encode_datetime, encode_value
from omnigraph.query.vectors import Fixed, fixed_from, to_arrow
from query.harness import run
from query.memory_view import MemoryView

CATALOG = compile_schema("""
node Thing {
    key: String @key
    whole: I64?
    wide: U64?
    real: F64?
    half: F32?
    day: Date?
    time: DateTime?
    flag: Bool?
    days: [Date]?
    face: Vector(2)?
    photo: Blob?
}
edge Links: Thing -> Thing { note: String? }
""")
ROW = {
    "key": "a<b>",
    "whole": 2**63 - 1,
    "wide": 2**53 + 1,
    "real": 55.0,
    "half": 0.10000000149011612,
    "day": 19_783,
    "time": 1_772_355_900_000,
    "flag": True,
    "days": (0, 19_783),
    "face": (0.5, 1.0),
    "photo": "base64:AA",
}
GRAPH = ModelGraph({"Thing": {"a<b>": ROW, "b": {"key": "b"}}}, {"Links": {"l1": ModelEdge("a<b>", "b", {"note": "x"})}})
VIEW = MemoryView(CATALOG, GRAPH)
COLUMNS = ", ".join(f"$t.{name}" for name in ROW)
EXPECTED = {
    "t.key": "a<b>",
    "t.whole": 9223372036854775807,
    "t.wide": 9007199254740993,
    "t.real": 55.0,
    "t.half": 0.10000000149011612,
    "t.day": "2024-03-01",
    "t.time": "2026-03-01T09:05:00.000Z",
    "t.flag": True,
    "t.days": ["1970-01-01", "2024-03-01"],
    "t.face": [0.5, 1.0],
    "t.photo": None,
}


@pytest.mark.parametrize("match", ['$t: Thing { key: "a<b>" }', "$t: Thing  $t.flag = true", "$t: Thing"])
def test_values_are_encoded_the_same_by_every_way(match: str) -> None:
    """A point read, a few rows read one by one, and (with the null row) whole columns."""
    result = run(CATALOG, VIEW, f"query q() {{ match {{ {match} }} return {{ {COLUMNS} }} }}")
    rows = result.rows()
    assert rows[0] == EXPECTED
    assert all(type(rows[0][name]) is type(EXPECTED[name]) for name in EXPECTED)
    if len(rows) > 1:
        assert rows[1] == dict.fromkeys(EXPECTED) | {"t.key": "b"}
    table = result.to_arrow()
    assert table.column_names == list(EXPECTED)
    assert table.schema.field("t.day").type == pa.date32()
    assert table.schema.field("t.time").type == pa.date64()
    assert table.schema.field("t.days").type == pa.list_(pa.field("item", pa.date32()))
    assert table.schema.field("t.face").type == pa.list_(pa.field("item", pa.float32()), 2)
    assert table.column("t.wide").to_pylist()[0] == 2**53 + 1
    assert table.column("t.photo").null_count == len(rows)


def test_columns_are_there_without_rows() -> None:
    for match in ('$t: Thing { key: "none" }', "$t: Thing  $t.whole = 3"):
        result = run(CATALOG, VIEW, f"query named() {{ match {{ {match} }} return {{ $t.key, $t.day, $t }} }}")
        assert (len(result), result.rows(), list(result)) == (0, [], [])
        assert result.columns == ("t.key", "t.day", "t")
        assert result.query_name == "named"
        assert result.to_arrow().schema.types == [pa.string(), pa.date32(), pa.string()]
        assert "(0 rows)" in repr(result)


def test_whole_entities() -> None:
    text = 'query q() { match { $t: Thing { key: "a<b>" } $t $e:links $u } return { $e.*, $u.* } }'
    result = run(CATALOG, VIEW, text)
    empty = dict.fromkeys(ROW) | {"id": "b", "key": "b"}
    assert result.rows() == [{"e.*": {"id": "l1", "from": "a<b>", "to": "b", "note": "x"}, "u.*": empty}]
    assert list(result.rows()[0]["u.*"]) == ["id", *ROW]
    none = run(CATALOG, VIEW, text.replace("a<b>", "none"))
    assert none.to_arrow().schema == result.to_arrow().schema


def test_amounts_are_judged_whatever_the_match_gives() -> None:
    for shown in ("$t.key", "$t.key, count($t) as n"):
        for amount, message in (("limit $n", "limit must"), ("offset $n", "offset must")):
            text = 'query q($n: I64?) { match { $t: Thing { key: "none" } $t.flag = true } return { SHOWN } order { $t.key } AMOUNT }'
            text = text.replace("SHOWN", shown).replace("AMOUNT", amount)
            for value, word in ((-1, "-1"), (None, "null")):
                with pytest.raises(ExecutionError, match=f"{message} be a non-negative integer, got {word}"):
                    run(CATALOG, VIEW, text, {"n": value})


def test_two_columns_of_one_name_are_both_listed_and_the_last_is_shown() -> None:
    result = run(CATALOG, VIEW, 'query q() { match { $t: Thing { key: "b" } } return { $t.key as x, 3 as x } }')
    assert result.columns == ("x", "x")
    assert result.rows() == [{"x": 3}]
    assert result.to_arrow().column_names == ["x", "x"]


def test_counts_and_sums_have_their_types() -> None:
    text = (
        "query q() { match { $t: Thing } return { count($t) as n, sum($t.whole) as s, avg($t.half) as a, max($t.wide) as m } }"
    )
    (row,) = run(CATALOG, VIEW, text).rows()
    assert row == {"n": 2, "s": float(2**63 - 1), "a": 0.10000000149011612, "m": 2**53 + 1}
    assert [type(value) for value in row.values()] == [int, float, float, int]


def test_what_is_shown_to_people() -> None:
    result = run(CATALOG, VIEW, "query q() { match { $t: Thing } return { $t.key, $t.whole } order { $t.key } }")
    assert repr(result).splitlines() == [
        "t.key | t.whole",
        "------+--------------------",
        "a<b>  | 9223372036854775807",
        "b     |                null",
        "(2 rows)",
    ]
    page = result._repr_html_()
    assert "a&lt;b&gt;" in page
    assert "a<b>" not in page


def test_to_pandas_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    result = run(CATALOG, VIEW, "query q() { match { $t: Thing } return { $t.key } }")
    with pytest.raises(ExecutionError, match="pandas"):
        result.to_pandas()


def test_dates_outside_the_calendar_stay_numbers() -> None:
    assert [encode_date(days) for days in (-719_529, -719_528, -719_162, 2_932_896, 2_932_897)] == [
        -719_529,
        "0000-01-01",
        "0001-01-01",
        "9999-12-31",
        2_932_897,
    ]
    assert encode_datetime(-1) == "1969-12-31T23:59:59.999Z"
    assert encode_datetime(253_402_300_800_000) == 253_402_300_800_000
    days = [-719_529, -719_528, -719_162, 0, None, 2_932_896, 2_932_897]
    for repeat in (1, 5):
        for scalar, unit, one in ((Scalar.DATE, 1, encode_date), (Scalar.DATETIME, 86_400_000, encode_datetime)):
            values = [None if day is None else day * unit for day in days] * repeat
            vector = fixed_from(values, PropertyType(scalar, nullable=True))
            assert vector.json() == [None if value is None else one(value) for value in values]


def test_floats_that_are_not_finite_become_words() -> None:
    values = [math.nan, math.inf, -math.inf, 1.0]
    words = ["NaN", "Infinity", "-Infinity", 1.0]
    type_ = PropertyType(Scalar.F64)
    assert fixed_from(values, type_).json() == words
    assert [encode_value(value, type_) for value in values] == words
    listed = PropertyType(Scalar.F64, is_list=True)
    assert encode_value(tuple(values), listed) == words
    assert isinstance(fixed_from([1.0], type_), Fixed)
    assert to_arrow([(1.0, None)], listed).to_pylist() == [[1.0, None]]
