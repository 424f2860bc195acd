"""One value at a time: what a load or a mutation may store in a property, and the text when it may not.

`stored_value` is the authority for loads: the column-wise decoder must accept the same values and give the same results.
Stored values are those of `language.checked`, with lists for tuples: a Date is its day, a DateTime its millisecond, a blob
its reference, an F32 a Python float that float32 holds exactly.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from typing import Any, Final, Protocol

import pyarrow as pa

from omnigraph.errors import InvalidValue
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.temporal import TemporalError, parse_date, parse_datetime

BASE64_PREFIX: Final = "base64:"
INTEGER_BOUNDS: Final = {
    Scalar.I32: (-(2**31), 2**31 - 1, "Int32"),
    Scalar.I64: (-(2**63), 2**63 - 1, "Int64"),
    Scalar.U32: (0, 2**32 - 1, "UInt32"),
    Scalar.U64: (0, 2**64 - 1, "UInt64"),
}
"""Smallest value, largest value and the name in error texts."""
INTEGER_DIGITS_MAX: Final = 400
"""Digits of an integer that are read; a longer one stands for its overflow."""

Json = Any  # what a JSON parser gives
Stored = Any  # str, bool, int, float, a list of them, or None


class BlobSink(Protocol):
    """Where the blobs of one write go."""

    def add(self, data: bytes) -> str:
        """Take the bytes of a managed blob and return the reference to store."""
        ...

    def external(self, uri: str) -> str:
        """Return the reference of an external blob."""
        ...


class JsonFloat(float):
    """A JSON number that keeps its text, so that an F32 is rounded once and not by way of a double."""

    __slots__ = ("text",)
    text: str


class NegativeZero(int):
    """The JSON integer ``-0``: 0 as an integer, ``-0.0`` as a float."""

    __slots__ = ()


class HugeInteger(int):
    """A JSON integer of more than `INTEGER_DIGITS_MAX` digits: out of every range. Its text is kept, shortened."""

    text: str


def json_float(text: str) -> JsonFloat:
    """Read a JSON number with a fraction or an exponent."""
    value = JsonFloat(text)
    value.text = text
    return value


def json_integer(text: str) -> int:
    """Read a JSON number without fraction and exponent, in bounded time."""
    if len(text) > INTEGER_DIGITS_MAX:
        huge = HugeInteger(-(10**INTEGER_DIGITS_MAX) if text[0] == "-" else 10**INTEGER_DIGITS_MAX)
        huge.text = f"{text[:40]}… ({len(text)} digits)"
        return huge
    return NegativeZero() if text == "-0" else int(text)


def json_kind(value: Json) -> str:
    """Return the word for the JSON kind of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list | tuple):
        return "array"
    if isinstance(value, dict):
        return "object"
    return type(value).__name__


def stored_value(value: Json, type_: PropertyType, name: str, blobs: BlobSink) -> Stored:
    """Convert the value of property ``name`` in a load record. Raises InvalidValue with the texts of the load format."""
    if value is None:
        if type_.nullable:
            return None
        raise null_refused(type_, name)
    scalar = type_.scalar
    if type_.is_list:
        return _stored_list(value, type_, name)
    if scalar is Scalar.BLOB:
        if not isinstance(value, str):
            raise InvalidValue(f"blob property '{name}' must be a URI string or base64: prefixed data")
        return blob_reference(value, blobs)
    if scalar is Scalar.VECTOR:
        if isinstance(value, list):
            return _stored_vector(value, type_, name)
    elif _is_kind(value, scalar):
        return _stored_scalar(value, scalar, f"property '{name}'", f"property '{name}' value")
    if not type_.nullable:
        raise null_refused(PropertyType(Scalar.STRING), name)
    raise InvalidValue(f"property '{name}' expects {_bare(type_)}, got {json_kind(value)}")


def null_refused(type_: PropertyType, name: str) -> InvalidValue:
    """Return the error for a required property that has no value."""
    if type_.scalar is Scalar.VECTOR:
        return InvalidValue(f"non-nullable vector property '{name}' has null values")
    if type_.scalar is Scalar.BLOB:
        return InvalidValue(f"non-nullable blob property '{name}' has null values")
    return InvalidValue(f"non-nullable property '{name}' has null or invalid values")


def blob_reference(text: str, blobs: BlobSink) -> str:
    """Hand a blob over: the bytes behind ``base64:``, or any other text as a URI."""
    if not text.startswith(BASE64_PREFIX):
        return blobs.external(text)
    try:
        data = base64.b64decode(text[len(BASE64_PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidValue(f"invalid base64 blob data: {error}") from None
    return blobs.add(data)


def nearest_float32(value: float) -> float:
    """Round to the nearest float32; a `JsonFloat` is rounded from its text. Overflow gives an infinity."""
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0] & 0x1FFF_FFFF
    if bits == 0x1000_0000 or abs(value) < 2.0**-125 or abs(value) > 2.0**127:
        # Where a double is half-way between two float32 (or where fewer bits count), the text decides.
        text = value.text if isinstance(value, JsonFloat) else repr(value)
        return float(pa.array([text]).cast(pa.float32())[0].as_py())
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def convert(value: Stored, type_: PropertyType, name: str, blobs: BlobSink | None = None) -> Stored:
    """Convert a value of a query for property ``name``; lists and vectors come back as Python lists.

    The type checker has settled the kind: what remains is null, numbers of another width, and sizes. Blob texts go to
    ``blobs`` and come back as references. Raises InvalidValue.
    """
    if value is None:
        if type_.nullable:
            return None
        raise null_refused(type_, name)
    scalar = type_.scalar
    if type_.is_list:
        if not isinstance(value, list | tuple):
            raise InvalidValue(f"list property '{name}' expects a list, got {json_kind(value)}")
        return [_converted_element(item, scalar, name, position) for position, item in enumerate(value)]
    if scalar is Scalar.VECTOR:
        if not isinstance(value, list | tuple):
            raise InvalidValue(f"cannot convert {json_kind(value)} to {_bare(type_)} for property '{name}'")
        return _stored_vector(value, type_, name)
    if scalar is Scalar.BLOB:
        if not isinstance(value, str):
            raise InvalidValue(f"blob property '{name}' must be a URI string or base64: prefixed data")
        return value if blobs is None else blob_reference(value, blobs)
    return _converted(value, scalar, name)


def _bare(type_: PropertyType) -> str:
    return str(type_).removesuffix("?")


def _is_kind(value: Json, scalar: Scalar) -> bool:
    if isinstance(value, bool):
        return scalar is Scalar.BOOL
    if isinstance(value, int):
        return scalar.is_numeric or scalar in (Scalar.DATE, Scalar.DATETIME)
    if isinstance(value, float):
        return scalar.is_float
    return isinstance(value, str) and scalar in (Scalar.STRING, Scalar.DATE, Scalar.DATETIME)


def _stored_scalar(value: Json, scalar: Scalar, place: str, subject: str) -> Stored:
    """Convert a value of the right kind; ``subject`` stands before an integer that is out of range."""
    if scalar is Scalar.STRING or scalar is Scalar.BOOL:
        return value
    if scalar in INTEGER_BOUNDS:
        minimum, maximum, word = INTEGER_BOUNDS[scalar]
        if minimum <= value <= maximum:
            return int(value)
        raise InvalidValue(f"{subject} {_integer_text(value)} exceeds {word} range")
    if scalar.is_float:
        return _finite(value, scalar, place)
    if isinstance(value, str):
        try:
            return parse_date(value) if scalar is Scalar.DATE else parse_datetime(value)
        except TemporalError as error:
            raise InvalidValue(str(error)) from None
    bits = 31 if scalar is Scalar.DATE else 63
    if -(2**bits) <= value < 2**bits:
        return int(value)
    raise InvalidValue(f"{scalar.value} value out of range: {_integer_text(value)}")


def _integer_text(value: int) -> str:
    return value.text if isinstance(value, HugeInteger) else str(value)


def _finite(value: int | float, scalar: Scalar, place: str) -> float:
    try:
        number = -0.0 if isinstance(value, NegativeZero) else value if isinstance(value, float) else float(value)
        if scalar is not Scalar.F64:
            if isinstance(value, int) and abs(value) > 2**53:
                exact = JsonFloat(number)
                exact.text = str(value)
                number = exact
            number = nearest_float32(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidValue(f"{place} must be finite")
    return float(number)


def _stored_list(value: Json, type_: PropertyType, name: str) -> list[Stored]:
    if not isinstance(value, list):
        raise InvalidValue(f"list property '{name}' expects a JSON array, got {json_kind(value)}")
    scalar = type_.scalar
    result = []
    for position, item in enumerate(value):
        if not _is_kind(item, scalar):
            expected = _bare(PropertyType(scalar, enum_values=type_.enum_values))
            raise InvalidValue(f"list property '{name}' element {position} expects {expected}, got {json_kind(item)}")
        result.append(_stored_scalar(item, scalar, f"list property '{name}'", "list value"))
    return result


def _stored_vector(value: Json, type_: PropertyType, name: str) -> list[float]:
    if len(value) != type_.dimension:
        raise InvalidValue(f"vector property '{name}' expects {type_.dimension} dimensions, got {len(value)}")
    result = []
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise InvalidValue(f"vector property '{name}' elements must be numeric, got {json_kind(item)}")
        result.append(_finite(item, Scalar.F32, f"vector property '{name}'"))
    return result


def _converted_element(value: Stored, scalar: Scalar, name: str, position: int) -> Stored:
    if value is None:
        raise InvalidValue(f"list property '{name}' element {position} expects {scalar.value}, got null")
    return _converted(value, scalar, name)


def _converted(value: Stored, scalar: Scalar, name: str) -> Stored:
    if scalar in INTEGER_BOUNDS and isinstance(value, int) and not isinstance(value, bool):
        minimum, maximum, word = INTEGER_BOUNDS[scalar]
        if minimum <= value <= maximum:
            return value
        raise InvalidValue(f"integer value {value} exceeds {word} range", hint=f"it is meant for property '{name}'")
    if not _is_kind(value, scalar):
        shown = f"{json_kind(value)} {value!r}" if isinstance(value, int | float) else json_kind(value)
        raise InvalidValue(f"cannot convert {shown} to {scalar.value} for property '{name}'")
    return _stored_scalar(value, scalar, f"property '{name}'", f"property '{name}' value")
