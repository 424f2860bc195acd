"""How a shape becomes text, compact for lines and HTTP bodies, indented for ``--json``; and how text becomes a shape."""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar, cast

import msgspec

_T = TypeVar("_T")

_ENCODER = msgspec.json.Encoder()
_decoders: dict[object, msgspec.json.Decoder[Any]] = {}  # Any: one decoder per shape
_preparing = Lock()
"""msgspec prepares a shape when it first meets it, and the process dies when two threads do so at once."""


class Shape(msgspec.Struct, frozen=True, gc=False):
    """Base of every wire shape: frozen, fields in written order, unknown members ignored when read."""


def compact(value: object) -> bytes:
    """Encode ``value`` on one line without spaces and without a newline at the end; non-ASCII stays as it is."""
    return _ENCODER.encode(value)


def pretty(value: object) -> bytes:
    """Encode ``value`` indented by two spaces, with one newline at the end; non-ASCII stays as it is."""
    return msgspec.json.format(_ENCODER.encode(value), indent=2) + b"\n"


def decode(data: bytes, shape: type[_T]) -> _T:
    """Decode JSON of a shape, on any thread. Raises msgspec.ValidationError for another shape, msgspec.DecodeError."""
    decoder = _decoders.get(shape)
    if decoder is None:
        with _preparing:
            decoder = _decoders.get(shape)
            if decoder is None:
                decoder = _decoders[shape] = msgspec.json.Decoder(shape)
    return cast("_T", decoder.decode(data))
