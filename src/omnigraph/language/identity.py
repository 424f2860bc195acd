"""The id of a keyed node: canonical texts of key values, and their composition."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import plain_decimal


def key_text(value: str | bool | int | float, scalar: Scalar) -> str:
    """Return the canonical text of a stored key value.

    Texts stand as they are, integers (Date and DateTime too) in decimal, Bool as ``true`` or ``false``, floats in the
    shortest decimal form, without exponent, that reads back equal at the stored width; both zeros are ``0``. Raises
    ValueError for NaN and the infinities.
    """
    if scalar is Scalar.BOOL:
        return "true" if value else "false"
    if scalar.is_float:
        return _float_text(float(value), scalar)
    return str(value)


def composite_id(texts: Sequence[str]) -> str:
    """Return the id of a composite key: the JSON array of its members' texts, without spaces."""
    return msgspec.json.encode(list(texts)).decode()


def round_to_f32(value: float) -> float:
    """Return the nearest 32-bit float. Raises OverflowError when that is infinite."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _float_text(value: float, scalar: Scalar) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a key must be finite")
    if value == 0:
        return "0"
    if scalar is Scalar.F32:
        value = round_to_f32(value)
        digits = next(text for text in (f"{value:.{count}e}" for count in range(9)) if _reads_back(text, value))
    else:
        digits = repr(value)
    return plain_decimal(digits).rstrip("0").rstrip(".")


def _reads_back(text: str, value: float) -> bool:
    try:
        return round_to_f32(float(text)) == value
    except OverflowError:  # the largest floats round up, at few digits, to what is infinite
        return False
