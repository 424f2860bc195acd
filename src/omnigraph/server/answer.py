"""What a handler gives back: a whole body, or chunks as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
NDJSON: Final = b"application/x-ndjson; charset=utf-8"
ARROW: Final = b"application/vnd.apache.arrow.stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose body is known."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    announced_bytes: int | None = None
    """The length to tell, where the body that has it is not made: the answer to a HEAD."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A response whose body is made while it is sent; the first chunk exists before the status line is written."""

    chunks: AsyncIterator[bytes]
    content_type: bytes = NDJSON
    status: int = 200
    headers: tuple[Header, ...] = field(default=())
    announced_bytes: int | None = None
    """The length of all chunks together, if it is known."""
