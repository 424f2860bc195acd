"""Dates, instants, and the texts of keys."""

from __future__ import annotations

import datetime
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnigraph.language.catalog import Scalar
from omnigraph.language.identity import composite_id, key_text, round_to_f32
from omnigraph.language.temporal import (
    DATE_DAYS_MAX,
    DATE_DAYS_MIN,
    TemporalError,
    export_date,
    export_datetime,
    format_date,
    format_datetime,
    parse_date,
    parse_datetime,
)

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2026-03-01", 20513),
        ("2024-02-29", 19782),
        ("0001-01-01", DATE_DAYS_MIN),
        ("9999-12-31", DATE_DAYS_MAX),
        ("1970-01-02T00:00:00Z", 1),
        ("1970-01-02T00:30:00+01:00", 0),
        ("1970-01-01T23:30:00-01:00", 1),
        ("1970-01-01 23:30:00", 0),
    ],
)
def test_dates(text: str, days: int) -> None:
    assert parse_date(text) == days


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-02", DAY_MS),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01 00:00:01Z", 1000),
        ("1970-01-01T00:00:00.5", 500),
        ("1970-01-01T00:00:00.1239999Z", 123),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01t00:00:00z", 0),
        ("2026-03-01T09:05:00-05:30", 1772375700000),
    ],
)
def test_instants(text: str, milliseconds: int) -> None:
    assert parse_datetime(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "", "2026", "2026-1-1", "2026-02-29", "2026-13-01", "2026-00-10", "2026-01-32", "0000-01-01", "12026-01-01",
        "2026-01-01T", "2026-01-01T1:00:00", "2026-01-01T24:00:00", "2026-01-01T00:60:00", "2026-01-01T00:00:60",
        "2026-01-01T00:00", "2026-01-01T00:00:00.", "2026-01-01T00:00:00+1", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60", " 2026-01-01", "2026-01-01 ", "2026-01-01\n", "２０２６-01-01",
        "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "tomorrow",
    ],
)  # fmt: skip
def test_bad_texts(text: str) -> None:
    with pytest.raises(TemporalError) as caught:
        parse_date(text)
    assert str(caught.value) == f"invalid Date literal '{text}'"
    with pytest.raises(TemporalError) as caught:
        parse_datetime(text)
    assert str(caught.value) == f"invalid DateTime literal '{text}'"


@settings(max_examples=200, deadline=None)
@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_formatting_is_the_inverse_of_parsing(moment: datetime.datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    milliseconds = parse_datetime(moment.isoformat())
    assert milliseconds == round((moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds() * 1000)
    shown, exported = format_datetime(milliseconds), export_datetime(milliseconds)
    assert isinstance(shown, str) and isinstance(exported, str)
    assert parse_datetime(shown) == parse_datetime(exported) == milliseconds
    days = parse_date(moment.date().isoformat())
    assert format_date(days) == moment.date().isoformat() and export_date(days) == days


def test_encodings() -> None:
    assert format_datetime(1772355900000) == "2026-03-01T09:05:00.000Z"
    assert export_datetime(1772355900000) == "2026-03-01T09:05:00"
    assert export_datetime(1772355900050) == "2026-03-01T09:05:00.050"
    assert format_datetime(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize("days", [DATE_DAYS_MIN - 1, DATE_DAYS_MAX + 1, 2**31 - 1, -(2**31)])
def test_outside_the_calendar_the_integer_is_shown(days: int) -> None:
    assert format_date(days) == days
    assert format_datetime(days * DAY_MS) == export_datetime(days * DAY_MS) == days * DAY_MS


@pytest.mark.parametrize(
    ("value", "scalar", "text"),
    [
        ("a b", Scalar.STRING, "a b"),
        (7, Scalar.I32, "7"),
        (-(2**63), Scalar.I64, "-9223372036854775808"),
        (True, Scalar.BOOL, "true"),
        (False, Scalar.BOOL, "false"),
        (20513, Scalar.DATE, "20513"),
        (-1, Scalar.DATETIME, "-1"),
        (0.0, Scalar.F64, "0"),
        (-0.0, Scalar.F32, "0"),
        (1.0, Scalar.F64, "1"),
        (100.0, Scalar.F64, "100"),
        (0.1, Scalar.F64, "0.1"),
        (round_to_f32(0.1), Scalar.F32, "0.1"),
        (-2.5e-7, Scalar.F64, "-0.00000025"),
        (1e21, Scalar.F64, "1" + "0" * 21),
        (16777216.0, Scalar.F32, "16777216"),
    ],
)
def test_key_texts(value: str | bool | int | float, scalar: Scalar, text: str) -> None:
    assert key_text(value, scalar) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_keys_are_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        key_text(value, Scalar.F64)


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_key_texts_of_floats_read_back(wide: float, narrow: float) -> None:
    assert float(key_text(wide, Scalar.F64)) == wide
    text = key_text(narrow, Scalar.F32)
    assert struct.unpack("<f", struct.pack("<f", float(text)))[0] == narrow
    assert "e" not in text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), min_size=2, max_size=4))
def test_composite_ids_tell_members_apart(texts: list[str]) -> None:
    assert json.loads(composite_id(texts)) == texts


def test_composite_ids_have_no_spaces() -> None:
    assert composite_id(["42", "eu", 'é"\n']) == '["42","eu","é\\"\\n"]'
