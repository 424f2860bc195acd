"""Loads of Arrow tables."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from graph.loads import load
from omnigraph.errors import BadRequest


def thing(**columns: pa.Array) -> pa.Table:
    return pa.table({"slug": pa.array(["a"]), **columns})


ACCEPTED: list[tuple[str, pa.Array, Any]] = [
    ("small", pa.array([5], pa.int64()), 5),
    ("natural", pa.array([5], pa.int8()), 5),
    ("double", pa.array([5], pa.int8()), 5.0),
    ("single", pa.array([0.1], pa.float64()), 0.10000000149011612),
    ("text", pa.array(["x"], pa.large_string()), "x"),
    ("text", pa.array(["x"]).dictionary_encode(), "x"),
    ("text", pa.nulls(1), None),
    ("day", pa.array(["2020-01-01"]), date(2020, 1, 1)),
    ("day", pa.array([date(2020, 1, 1)]), date(2020, 1, 1)),
    ("day", pa.array([18262], pa.int64()), date(2020, 1, 1)),
    ("vector", pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float64())), [1, 2, 3]),
    ("vector", pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32(), 3)), [1, 2, 3]),
    ("numbers", pa.array([[1, 2]], pa.large_list(pa.int64())), [1, 2]),
    ("days", pa.array([["2020-01-01"]]), [date(2020, 1, 1)]),
    ("level", pa.array(["low"]), "low"),
]

REFUSED = [
    (thing(nope=pa.array([1])), "record 1: unknown input field 'nope' for 'node:Thing'"),
    (thing(small=pa.array([2**31])), "record 1: property 'small' value 2147483648 exceeds Int32 range"),
    (thing(small=pa.array([1.0])), "record 1: property 'small' expects I32, got number"),
    (thing(flag=pa.array([1])), "record 1: property 'flag' expects Bool, got number"),
    (thing(double=pa.array([float("nan")])), "record 1: property 'double' must be finite"),
    (thing(vector=pa.array([[1.0, 2.0]])), "record 1: vector property 'vector' expects 3 dimensions, got 2"),
    (thing(numbers=pa.array([[1, None]])), "record 1: list property 'numbers' element 1 expects I32, got null"),
    (thing(id=pa.array(["b"])), "record 1: node Thing has explicit id 'b' that does not match"),
    (pa.table({"slug": pa.array(["a", None])}), "record 2: node Thing missing @key property 'slug'"),
    (thing(day=pa.array(["x"])), "record 1: invalid Date literal 'x'"),
    (
        thing(
            days=pa.array([[1]], pa.list_(pa.date32())),
            day=pa.array([2**31 - 1], pa.date32()),
            instant=pa.array([2**60], pa.int64()).cast(pa.date64(), safe=False),
            text=pa.array([1]),
        ),
        "record 1: property 'text' expects String, got number",
    ),
    (thing(numbers=pa.array(["x"])), "record 1: list property 'numbers' expects a JSON array, got string"),
    (thing(vector=pa.array([["x"]])), "record 1: vector property 'vector' expects 3 dimensions, got 1"),
]


@pytest.mark.parametrize(("name", "column", "expected"), ACCEPTED)
def test_accepts(name: str, column: pa.Array, expected: Any) -> None:
    rows = load({"node:Thing": thing(**{name: column})}).tables["node:Thing"].table
    assert rows[name].to_pylist() == [expected]


@pytest.mark.parametrize(("table", "text"), REFUSED)
def test_refuses(table: pa.Table, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        load({"node:Thing": table})
    assert text in str(caught.value)


def test_edges() -> None:
    edges = pa.table({"src": ["a", "b"], "dst": ["b", "c"], "since": pa.array([1, None])})
    decoded = load({"edge:Knows": edges}).tables["edge:Knows"]
    assert decoded.table.select(["src", "dst", "since"]).to_pylist() == edges.to_pylist()
    assert not decoded.has_given_ids
    with pytest.raises(BadRequest, match="record 1: edge missing 'to'"):
        load({"edge:Knows": edges.drop_columns("dst")})
    with pytest.raises(BadRequest, match="unknown type key 'edge:Nope'"):
        load({"edge:Nope": edges})
