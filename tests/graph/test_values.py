from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.loads import Blobs, load
from omnigraph.errors import BadRequest, InvalidValue
from omnigraph.graph.values import convert, json_float, json_integer, nearest_float32
from omnigraph.language.catalog import PropertyType, Scalar

I32, F32, F64 = PropertyType(Scalar.I32), PropertyType(Scalar.F32), PropertyType(Scalar.F64)
VECTOR = PropertyType(Scalar.VECTOR, dimension=2)

CONVERTED: list[tuple[Any, PropertyType, Any]] = [
    (5, I32, 5),
    (5, F64, 5.0),
    (0.1, F32, 0.10000000149011612),
    (2**53 + 1, F32, 2.0**53),
    ((1, 0.5), VECTOR, [1.0, 0.5]),
    ((), PropertyType(Scalar.I64, is_list=True), []),
    ((1, 2), PropertyType(Scalar.F64, is_list=True), [1.0, 2.0]),
    (None, PropertyType(Scalar.I32, nullable=True), None),
    (17000, PropertyType(Scalar.DATE), 17000),
    ("2020-01-02T03:04:05Z", PropertyType(Scalar.DATE), 18263),
    (-5, PropertyType(Scalar.DATETIME), -5),
    (True, PropertyType(Scalar.BOOL), True),
    ("x", PropertyType(Scalar.STRING), "x"),
    ("s3://x", PropertyType(Scalar.BLOB), "u:s3://x"),
]

REFUSED: list[tuple[Any, PropertyType, str]] = [
    (2**31, I32, "integer value 2147483648 exceeds Int32 range"),
    (2**63, PropertyType(Scalar.I64), "integer value 9223372036854775808 exceeds Int64 range"),
    (-1, PropertyType(Scalar.U32), "integer value -1 exceeds UInt32 range"),
    (-1, PropertyType(Scalar.U64), "integer value -1 exceeds UInt64 range"),
    (1.0, I32, "cannot convert number 1.0 to I32 for property 'p'"),
    (True, I32, "cannot convert boolean True to I32 for property 'p'"),
    (1, PropertyType(Scalar.STRING), "cannot convert number 1 to String for property 'p'"),
    (1, PropertyType(Scalar.BOOL), "cannot convert number 1 to Bool"),
    (math.nan, F64, "property 'p' must be finite"),
    (1e39, F32, "property 'p' must be finite"),
    (10**400, F64, "property 'p' must be finite"),
    ((1, 2, 3), VECTOR, "vector property 'p' expects 2 dimensions, got 3"),
    ((1, math.inf), VECTOR, "property 'p' must be finite"),
    ("x", VECTOR, "cannot convert string to Vector(2) for property 'p'"),
    ((1, None), PropertyType(Scalar.I32, is_list=True), "list property 'p' element 1 expects I32, got null"),
    ((2**31,), PropertyType(Scalar.I32, is_list=True), "integer value 2147483648 exceeds Int32 range"),
    ("x", PropertyType(Scalar.I32, is_list=True), "list property 'p' expects a list, got string"),
    (None, I32, "non-nullable property 'p' has null or invalid values"),
    (None, VECTOR, "non-nullable vector property 'p' has null values"),
    (None, PropertyType(Scalar.BLOB), "non-nullable blob property 'p' has null values"),
    (5, PropertyType(Scalar.BLOB), "blob property 'p' must be a URI string or base64: prefixed data"),
    ("base64:%", PropertyType(Scalar.BLOB), "invalid base64 blob data: "),
    ("x", PropertyType(Scalar.DATE), "invalid Date literal 'x'"),
]


@pytest.mark.parametrize(("value", "type_", "expected"), CONVERTED)
def test_convert(value: Any, type_: PropertyType, expected: Any) -> None:
    result = convert(value, type_, "p", Blobs())
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("value", "type_", "text"), REFUSED)
def test_convert_refuses(value: Any, type_: PropertyType, text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        convert(value, type_, "p", Blobs())
    assert text in str(caught.value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0, 1, -1]))
def test_numbers_near_the_middle_of_two_float32_are_rounded_by_their_text(low: float, nudge: int) -> None:
    middle = (low + float(np.nextafter(np.float32(low), np.float32(math.inf)))) / 2
    text = f"{middle:.1100f}".rstrip("0").rstrip(".") if abs(middle) < 1e30 else repr(middle)
    text += ("1" if "." in text else ".1") if nudge > 0 else ""
    value = json_float(text)
    assert nearest_float32(value) == pa.array([text]).cast(pa.float32())[0].as_py()


def test_a_number_of_many_digits_is_read_in_bounded_time() -> None:
    assert json_integer("9" * 400) == int("9" * 400)
    assert json_integer("-" + "9" * 10**6) < -(10**399)
    assert str(json_integer("-0")) == "0"


def test_python_values() -> None:
    zone = timezone(timedelta(hours=2))
    record = {
        "slug": "a",
        "vector": np.array([1, 2, 3], np.float32),
        "numbers": (1, 2),
        "small": np.int32(7),
        "day": date(2020, 1, 2),
        "instant": datetime(2020, 1, 2, 3, tzinfo=zone),
        "instants": [datetime(2020, 1, 1)],
        "file": b"abc",
        "texts": ("a",),
    }
    blobs = Blobs()
    row = load([{"type": "Thing", "data": record}], blobs=blobs).tables["node:Thing"].table.to_pylist()[0]
    assert (row["vector"], row["numbers"], row["small"], row["day"]) == ([1, 2, 3], [1, 2], 7, date(2020, 1, 2))
    assert row["instant"] == datetime(2020, 1, 2, 1, tzinfo=UTC).replace(tzinfo=None) or row["instant"] == date(2020, 1, 2)
    assert list(blobs.kept.values()) == [b"abc"]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"type": "Thing", "data": {"slug": "a", "text": b"x"}}, "record 1: property 'text' expects String, got bytes"),
        ({"type": "Thing", "data": {"slug": "a", "text": date(2020, 1, 1)}}, "property 'text' expects String, got date"),
        ({"type": "Thing", "data": {"slug": "a", "text": "\ud800"}}, "property 'text' holds half of a surrogate pair"),
        ({"type": "Thing", "data": {"slug": "a", "double": math.nan}}, "record 1: property 'double' must be finite"),
        ({"type": "Thing", "data": {"slug": "a", "small": 1.0}}, "record 1: property 'small' expects I32, got number"),
        ({"type": "Thing", "data": {"slug": "a", "singles": [1e39]}}, "record 1: list property 'singles' must be finite"),
        ({"type": "Thing", "data": {1: 2}}, "record 1: 'data' must be an object whose names are strings"),
        ({"type": "Note", "extra": 1}, "record 1: unknown input field 'extra'"),
        ([], "record 1: expected an object, got list"),
    ],
)
def test_python_values_are_no_looser_than_json(record: Any, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        load([record])
    assert text in str(caught.value)
