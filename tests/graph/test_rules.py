from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.loads import CATALOG, load
from omnigraph.errors import ConstraintViolation
from omnigraph.graph import rules
from omnigraph.graph.rules import ValueRules
from omnigraph.language.catalog import Check, NodeType, Property, PropertyType, Range, Scalar
from omnigraph.storage.arrow import row_schema

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"age": -1}, "@range violation on Ruled.age: value -1 < min 0"),
    ({"age": 121}, "@range violation on Ruled.age: value 121 > max 120"),
    ({"share": 0.49}, "@range violation on Ruled.share: value 0.49 < min 0.5"),
    ({"part": 0.100001}, "@range violation on Ruled.part: value 0.100001 > max 0.1"),
    ({"part": 0.1}, "@range violation on Ruled.part: value 0.1 > max 0.1"),  # the nearest float32 lies above
    ({"total": 9}, "@range violation on Ruled.total: value 9 < min 10"),
    ({"label": "x1"}, "@check violation on Ruled.label: value 'x1' does not match pattern '^[a-z]+$'"),
    ({"label": ""}, "@check violation on Ruled.label: value '' does not match"),
    ({"words": ["ab", "xyz"]}, "@check violation on Ruled.words: value 'xyz' does not match pattern '[aeiou]'"),
]


@pytest.mark.parametrize(("data", "text"), REFUSED)
def test_refuses(data: dict[str, Any], text: str) -> None:
    good = {"type": "Ruled", "data": {"code": "a", "age": 120, "share": 0.5, "part": 0.0, "label": "abc", "words": []}}
    with pytest.raises(ConstraintViolation) as caught:
        load([good, {"type": "Ruled", "data": {"code": "b", **data}}])
    assert str(caught.value).startswith("record 2: ")
    assert text in str(caught.value)


def test_enum() -> None:
    with pytest.raises(ConstraintViolation, match=r"invalid enum value 'Low' for Thing\.level \(expected: high, low, mid\)"):
        load([{"type": "Thing", "data": {"slug": "a", "level": "Low"}}])
    with pytest.raises(ConstraintViolation, match=r"record 1: invalid enum value '' for Knows\.kind \(expected: new, old\)"):
        load([{"edge": "Knows", "from": "a", "to": "b", "data": {"kind": ""}}])


def node(type_: PropertyType, *, ranges: tuple[Range, ...] = (), checks: tuple[Check, ...] = ()) -> NodeType:
    return NodeType("N", {"p": Property("p", type_)}, ranges=ranges, checks=checks)


def rows(entity: NodeType, values: list[Any]) -> pa.RecordBatch:
    ids = [str(i) for i in range(len(values))]
    return pa.RecordBatch.from_pydict({"id": ids, "p": values}, schema=row_schema(entity))


def test_enum_in_a_list() -> None:
    entity = node(PropertyType(Scalar.STRING, is_list=True, nullable=True, enum_values=("a", "b")))
    ValueRules(entity).check(rows(entity, [None, [], ["a", "b"]]))
    with pytest.raises(ConstraintViolation, match="record 9: invalid enum value 'c'"):
        ValueRules(entity).check(rows(entity, [None, [], ["a", "c"]]), np.array([7, 8, 9]))


def test_nan() -> None:
    entity = node(PropertyType(Scalar.F64), ranges=(Range("p", None, 1),))
    with pytest.raises(ConstraintViolation, match=r"@range violation on N\.p: value is NaN"):
        ValueRules(entity).check(rows(entity, [0.5, float("nan")]))


@pytest.fixture(params=[0, 16], autouse=True)
def few_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go by columns, and by values."""
    monkeypatch.setattr(rules, "FEW_ROWS", request.param)


BOUNDS = st.none() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.one_of(
        st.tuples(st.just(Scalar.I32), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(Scalar.U64), st.integers(0, 2**64 - 1)),
        st.tuples(st.just(Scalar.F64), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(Scalar.F32), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    ),
    BOUNDS,
    BOUNDS,
)
def test_ranges_are_exact(typed: tuple[Scalar, Any], minimum: Any, maximum: Any) -> None:
    """Python compares integers with floats exactly, and so must the rule."""
    scalar, value = typed
    entity = node(PropertyType(scalar), ranges=(Range("p", minimum, maximum),))
    allowed = (minimum is None or value >= minimum) and (maximum is None or value <= maximum)
    try:
        ValueRules(entity).check(rows(entity, [value]))
    except ConstraintViolation:
        assert not allowed
    else:
        assert allowed


def test_a_type_without_rules_has_none() -> None:
    assert ValueRules(CATALOG.nodes["Note"]).is_empty
    assert not ValueRules(CATALOG.nodes["Ruled"]).is_empty
    ValueRules(CATALOG.nodes["Ruled"]).check(row_schema(CATALOG.nodes["Ruled"]).empty_table())


def test_a_hard_pattern_takes_no_time() -> None:
    entity = node(PropertyType(Scalar.STRING), checks=(Check("p", "^(a+)+$"),))
    with pytest.raises(ConstraintViolation):
        ValueRules(entity).check(rows(entity, ["a" * 5000 + "b"]))
