"""How a shape becomes text: compact for lines and HTTP bodies, indented for ``--json``."""

from __future__ import annotations

import msgspec

_ENCODER = msgspec.json.Encoder()


class Shape(msgspec.Struct, frozen=True, gc=False):
    """Base of every wire shape: frozen, fields in written order, unknown members ignored when read."""


def compact(value: object) -> bytes:
    """Encode ``value`` on one line without spaces and without a newline at the end; non-ASCII stays as it is."""
    return _ENCODER.encode(value)


def pretty(value: object) -> bytes:
    """Encode ``value`` indented by two spaces, with one newline at the end; non-ASCII stays as it is."""
    return msgspec.json.format(_ENCODER.encode(value), indent=2) + b"\n"
