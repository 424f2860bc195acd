"""The three streams: results to standard output, everything else to standard error, bytes throughout.

Text is written as UTF-8 whatever the locale says; bytes of arguments that were no UTF-8 come out as they went in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable


def write_text(text: str) -> None:
    """Write a result in text form, with a newline at its end."""
    write_bytes(f"{text}\n".encode(errors="surrogateescape"))


def write_bytes(data: bytes) -> None:
    """Write a piece of a result as it stands."""
    sys.stdout.buffer.write(data)


def write_all(pieces: Iterable[bytes]) -> None:
    """Write the pieces of a result one after the other, as they come."""
    for piece in pieces:
        sys.stdout.buffer.write(piece)


def note(text: str) -> None:
    """Tell a person something beside the result: one line, or several, on standard error."""
    sys.stdout.flush()
    sys.stderr.buffer.write(f"{text}\n".encode(errors="surrogateescape"))
    sys.stderr.buffer.flush()


def json_text(text: str) -> str:
    """Make an argument fit for a JSON document: bytes that were no UTF-8 become replacement characters."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
