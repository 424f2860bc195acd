"""Values as JSON-ready Python: the encoding of section 26.3 of the languages.

Columns are converted whole; only text of dates and lists of unusual elements cost work per value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Value

Json: TypeAlias = Any  # Any: a JSON value is recursive and of every kind
Encoder: TypeAlias = Callable[[Any], Json]  # Any: the value's kind is fixed by the type the encoder was made for

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000
_CALENDAR_DAYS = (-719_528, 2_932_896)  # 0000-01-01 to 9999-12-31
_PYTHON_DAYS = (-719_162, 2_932_896)  # 0001-01-01, the first day of `datetime.date`
_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def encode_float(value: float) -> float | str:
    return value if math.isfinite(value) else _NON_FINITE.get(value, "NaN")


def encode_date(days: int) -> str | int:
    if _PYTHON_DAYS[0] <= days <= _PYTHON_DAYS[1]:
        return date.fromordinal(days + _EPOCH_ORDINAL).isoformat()
    if _CALENDAR_DAYS[0] <= days < _PYTHON_DAYS[0]:
        return str(np.datetime64(days, "D"))
    return days


def encode_datetime(milliseconds: int) -> str | int:
    days, rest = divmod(milliseconds, _DAY_MS)
    text = encode_date(days)
    if isinstance(text, int):
        return milliseconds
    seconds, fraction = divmod(rest, 1000)
    return f"{text}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:03d}Z"


_SCALAR_ENCODERS: dict[Scalar, Encoder] = {
    Scalar.F32: encode_float,
    Scalar.F64: encode_float,
    Scalar.DATE: encode_date,
    Scalar.DATETIME: encode_datetime,
    Scalar.BLOB: lambda _: None,
}


def encoder(type_: PropertyType) -> Encoder | None:
    """Return how a value of a type becomes JSON; None when it is JSON already. Null is the caller's to skip."""
    if type_.scalar is Scalar.VECTOR:
        return lambda values: [encode_float(value) for value in values]
    one = _SCALAR_ENCODERS.get(type_.scalar)
    if type_.is_list:
        return list if one is None else lambda values: [None if value is None else one(value) for value in values]
    return one


def encode_value(value: Value, type_: PropertyType) -> Json:
    """Return one value as JSON."""
    if value is None:
        return None
    encode = encoder(type_)
    return value if encode is None else encode(value)


def encode_numbers(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, scalar: Scalar) -> list[Json]:
    """Return a column of fixed-width values as JSON values."""
    if scalar is Scalar.DATE:
        encoded = _calendar_texts(values, 1, "D", "")
    elif scalar is Scalar.DATETIME:
        encoded = _calendar_texts(values, _DAY_MS, "ms", "Z")
    else:
        encoded = values.tolist()
        if scalar.is_float and not np.isfinite(values).all():
            encoded = [encode_float(value) for value in encoded]
    if valid is None or valid.all():
        return encoded
    return [value if there else None for value, there in zip(encoded, valid.tolist(), strict=True)]


def _calendar_texts(values: npt.NDArray[Any], unit: int, name: str, suffix: str) -> list[Json]:
    """Return the texts of days or milliseconds; what no calendar has stays a number."""
    if len(values) < 16:
        one = encode_date if unit == 1 else encode_datetime
        return [one(value) for value in values.tolist()]
    low, high = _CALENDAR_DAYS[0] * unit, (_CALENDAR_DAYS[1] + 1) * unit - 1
    inside = (values >= low) & (values <= high)
    stamps = np.where(inside, values, 0).astype(np.int64).view(np.dtype(f"datetime64[{name}]"))
    texts: list[Json] = np.datetime_as_string(stamps).tolist()
    if suffix:
        texts = [text + suffix for text in texts]
    if inside.all():
        return texts
    return [text if there else raw for text, raw, there in zip(texts, values.tolist(), inside.tolist(), strict=True)]


def encode_array(array: pa.Array, type_: PropertyType) -> list[Json]:
    """Return an Arrow array of texts, lists or vectors as JSON values."""
    if type_.scalar is Scalar.BLOB:
        return [None] * len(array)
    if type_.scalar is Scalar.VECTOR:
        return _encode_vectors(array, type_)
    if type_.is_list:
        return _encode_lists(array, type_.scalar)
    texts: list[Json] = array.to_pylist()
    return texts


def _encode_vectors(array: pa.Array, type_: PropertyType) -> list[Json]:
    if array.null_count == 0 and type_.dimension:
        flat = array.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        if np.isfinite(flat).all():
            rows: list[Json] = flat.reshape(len(array), type_.dimension).tolist()
            return rows
    return [None if row is None else [encode_float(value) for value in row] for row in array.to_pylist()]


def _encode_lists(array: pa.Array, scalar: Scalar) -> list[Json]:
    encode = _SCALAR_ENCODERS.get(scalar)
    if scalar in (Scalar.DATE, Scalar.DATETIME):
        width = pa.int32() if scalar is Scalar.DATE else pa.int64()
        array = array.cast(pa.list_(width))
    rows: list[Json] = array.to_pylist()
    if encode is None:
        return rows
    return [None if row is None else [None if value is None else encode(value) for value in row] for row in rows]
