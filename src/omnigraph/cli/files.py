"""Files that a command is pointed at; ``-`` is standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from omnigraph.errors import InvalidSetting

STANDARD_INPUT = "-"


def read_text(path: str) -> str:
    """Read a whole file as UTF-8. Raises :class:`InvalidSetting` with the reason of the operating system."""
    try:
        data = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidSetting(f"could not read '{path}': it is not UTF-8 text (byte {error.start})") from None


def open_input(path: str) -> BinaryIO:
    """Open a file for reading bytes. Raises :class:`InvalidSetting` with the reason of the operating system."""
    if path == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: str, error: OSError) -> InvalidSetting:
    """Say that ``path`` cannot be read, and why."""
    return InvalidSetting(f"could not read '{path}': {error.strerror or error}")
