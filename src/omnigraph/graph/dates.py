"""Columns of dates and times: texts to the stored days and milliseconds, and milliseconds to the texts of an export.

`omnigraph.language.temporal` is the authority for single values; these give the same for whole columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.language.temporal import DATE_DAYS_MAX, DATE_DAYS_MIN, export_datetime, parse_date, parse_datetime

_DAY_MS: Final = 86_400_000
_USUAL_TIME: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,32})?Z?$"


def date_column(texts: pa.Array) -> pa.Array:
    """Return the date32 column of a column of texts, by `parse_date`. Raises TemporalError, naming no row."""
    try:
        days = texts.cast(pa.date32())
    except pa.ArrowInvalid:
        return _each(texts, parse_date, pa.int32()).cast(pa.date32())
    smallest = pc.min(days.cast(pa.int32())).as_py()
    if smallest is not None and smallest < DATE_DAYS_MIN:  # Arrow has a year 0
        return _each(texts, parse_date, pa.int32()).cast(pa.date32())
    return days


def datetime_column(texts: pa.Array) -> pa.Array:
    """Return the date64 column of a column of texts, by `parse_datetime`. Raises TemporalError, naming no row."""
    if pc.all(pc.match_substring_regex(texts, _USUAL_TIME)).as_py() is not False:
        try:
            seconds = pc.utf8_slice_codeunits(texts, 0, 19).cast(pa.timestamp("s")).cast(pa.int64())
        except pa.ArrowInvalid:
            seconds = None
        if seconds is not None and (pc.min(seconds).as_py() or 0) >= DATE_DAYS_MIN * _DAY_MS // 1000:
            fraction = pc.utf8_rtrim(pc.utf8_slice_codeunits(texts, 20, 23), "Z")
            fraction = pc.utf8_rpad(fraction, 3, "0").cast(pa.int64())
            return milliseconds_column(pc.add(pc.multiply(seconds, 1000), fraction))
    return milliseconds_column(_each(texts, parse_datetime, pa.int64()))


def milliseconds_column(values: pa.Array) -> pa.Array:
    """Return int64 milliseconds as the date64 column that is stored, without a change of value."""
    return pa.Array.from_buffers(pa.date64(), len(values), values.buffers(), values.null_count, values.offset)


def datetime_texts(values: pa.Array) -> pa.Array:
    """Return the texts of a date64 column as an export writes them, by `export_datetime`, unquoted; null stays null.

    A value outside the calendar becomes its integer.
    """
    milliseconds = values.cast(pa.int64())
    bounds = pc.min_max(milliseconds).as_py()
    if bounds["min"] is not None and not (
        bounds["min"] >= DATE_DAYS_MIN * _DAY_MS and bounds["max"] < (DATE_DAYS_MAX + 1) * _DAY_MS
    ):
        texts = [None if value is None else str(export_datetime(value)) for value in milliseconds.to_pylist()]
        return pa.array(texts, pa.string())
    seconds = pc.floor(pc.divide(milliseconds.cast(pa.float64()), 1000.0)).cast(pa.int64())
    has_fraction = pc.not_equal(milliseconds, pc.multiply(seconds, 1000))
    whole = seconds.cast(pa.timestamp("s")).cast(pa.string())
    if pc.any(has_fraction).as_py():
        whole = pc.if_else(has_fraction, milliseconds.cast(pa.timestamp("ms")).cast(pa.string()), whole)
    return pc.utf8_replace_slice(whole, 10, 11, "T")


def without_calendar(values: pa.Array) -> pa.Array:
    """Return dates and times as the integers that are stored, other columns as they are: Python's calendar ends in 9999."""
    if pa.types.is_date32(values.type):
        return values.cast(pa.int32())
    if pa.types.is_date64(values.type):
        return values.cast(pa.int64())
    if pa.types.is_list(values.type) and pa.types.is_date(values.type.value_type):
        return values.cast(pa.list_(pa.int32() if pa.types.is_date32(values.type.value_type) else pa.int64()))
    return values


def _each(texts: pa.Array, parse: Callable[[str], int], type_: pa.DataType) -> pa.Array:
    """Parse every distinct text once."""
    encoded = texts.dictionary_encode()
    values = pa.array([parse(text) for text in encoded.dictionary.to_pylist()], type_)
    return values.take(encoded.indices)
