"""Log records: one line each on standard error, a level, a message and fields.

A record never holds a token, an ``Authorization`` header or the value of a parameter; callers pass fields by name, so what
is logged can be read off the call.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

LOGGER: Final = logging.getLogger("omnigraph.server")
_LEVELS: Final = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
_NAMES: Final = {logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}


def configure(environment: Mapping[str, str]) -> None:
    """Send records to standard error, from the level of ``OMNIGRAPH_LOG`` up; JSON when ``OMNIGRAPH_LOG_FORMAT`` says so."""
    level = _LEVELS.get(environment.get("OMNIGRAPH_LOG", "").strip().lower(), logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if environment.get("OMNIGRAPH_LOG_FORMAT") == "json" else _Lines())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level)
    LOGGER.propagate = False
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        other = logging.getLogger(name)
        other.handlers[:] = [handler] if name != "uvicorn.error" else []
        other.setLevel(max(level, logging.WARNING))
        other.propagate = name == "uvicorn.error"


def log(level: int, message: str, /, **fields: object) -> None:
    """Write one record."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, message, extra={"fields": fields})


def info(message: str, /, **fields: object) -> None:
    """Write one record at INFO."""
    log(logging.INFO, message, **fields)


def warn(message: str, /, **fields: object) -> None:
    """Write one record at WARN."""
    log(logging.WARNING, message, **fields)


def error(message: str, /, **fields: object) -> None:
    """Write one record at ERROR."""
    log(logging.ERROR, message, **fields)


class _Lines(logging.Formatter):
    """``<time> <level> <message> <name>=<value> …``; a value with white space or quotes is a JSON string."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        level = _NAMES.get(record.levelno, record.levelname)
        fields = "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items())
        return f"{self.formatTime(record)} {level} {_flat(record.getMessage())}{fields}"


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        level = _NAMES.get(record.levelno, record.levelname)
        head = {"time": self.formatTime(record), "level": level, "message": record.getMessage()}
        return json.dumps({**head, **_fields(record)}, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:  # Any: whatever the caller logged
    return getattr(record, "fields", {})


def _flat(text: str) -> str:
    return text if text.isprintable() else "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = "" if value is None else str(value)
    if text and text.isprintable() and not any(letter in ' "=' for letter in text):
        return text
    return json.dumps(text, ensure_ascii=True)
