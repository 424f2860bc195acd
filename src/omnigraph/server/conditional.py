"""Conditional and partial requests: entity tags, ``If-Match``, ``If-None-Match``, and the one range of a ``Range`` header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from omnigraph.server.answer import Answer
from omnigraph.server.call import Call

_RANGE: Final = re.compile(rb"bytes[ \t]*=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.IGNORECASE)
_TAG_LETTERS: Final = 32


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` up to ``end``, which is not one of them."""

    start: int
    end: int


def tagged(call: Call, body: bytes) -> Answer:
    """Answer with a body and its tag, or with a 304 when the client has that very body."""
    tag = b'"%b"' % sha256(body).hexdigest()[:_TAG_LETTERS].encode()
    if is_unchanged(call, tag):
        return Answer(b"", 304, headers=((b"etag", tag),))
    return Answer(body, headers=((b"etag", tag),))


def is_unchanged(call: Call, tag: bytes) -> bool:
    """Whether ``If-None-Match`` names the tag; weak tags count."""
    given = call.header(b"if-none-match")
    return given is not None and (given.strip() == b"*" or tag in [one.removeprefix(b"W/") for one in _tags(given)])


def is_expected(call: Call, tag: bytes) -> bool:
    """Whether ``If-Match`` is not there, or names the tag; weak tags never match."""
    given = call.header(b"if-match")
    return given is None or given.strip() == b"*" or tag in _tags(given)


def range_of(call: Call, tag: bytes, size_bytes: int) -> ByteRange | None:
    """Return the range that is asked for; none when all is: no header, several ranges, another unit, or a stale ``If-Range``.

    A range that begins behind the end comes back as it is, with ``start`` at or above ``size_bytes``.
    """
    given, condition = call.header(b"range"), call.header(b"if-range")
    if given is None or (condition is not None and condition.strip() != tag):
        return None
    found = _RANGE.fullmatch(given.strip())
    if found is None or found[1] == found[2] == b"":
        return None
    if found[1] == b"":
        count = int(found[2])
        start = max(size_bytes - count, 0) if count else size_bytes
        return ByteRange(start, size_bytes)
    start = int(found[1])
    last = int(found[2]) if found[2] else size_bytes - 1
    if found[2] and last < start:
        return None
    return ByteRange(start, min(last + 1, size_bytes) if start < size_bytes else last + 1)


def _tags(header: bytes) -> list[bytes]:
    return [one.strip() for one in header.split(b",")]
