"""Log records: one line each on standard error, a level, a message and fields.

Records below WARN are written some milliseconds later, by a thread and as many as there are: a write on the event loop gives
the interpreter away, which costs more than all else that is done for a line while other threads have work. What is for auditors
is written at once.

A record never holds a token, an ``Authorization`` header or the value of a parameter; callers pass fields by name, so what
is logged can be read off the call. Every request writes two records, so they are formatted here and not by `logging`, which
takes ten times as long for each; what libraries log comes through a handler.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final, TextIO

LEVELS: Final = {"error": 40, "warn": 30, "info": 20, "debug": 10}
_NAMES: Final = {40: "ERROR", 30: "WARN", 20: "INFO", 10: "DEBUG"}
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+~,*<>")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered: it stands in every record that is written for it on the event loop."""


BATCH_S: Final = 0.02
"""So long a record may wait for others."""
BATCH_LINES_MAX: Final = 10_000
"""A reader of the stream that is slower than so many waiting lines holds up those who write more."""


class Log:
    """Where records go, from which level up, and in which form. ``batched`` ones come to the stream within `BATCH_S`."""

    def __init__(self, stream: TextIO, *, level: int = 20, as_json: bool = False, batched: bool = False) -> None:
        self.level = level
        self._waiting: deque[str] = deque()
        self._arrived = Event() if batched else None
        if batched:
            Thread(target=self._write_batches, name="omnigraph-log", daemon=True).start()
            atexit.register(self.flush)
        self._stream = stream
        self._as_json = as_json
        self._lock = Lock()
        self._is_held = False
        self._second = 0
        self._second_text = ""

    def write(self, level: int, message: str, fields: Mapping[str, object]) -> None:
        """Write one record as one line, in one piece."""
        name = _NAMES.get(level, "ERROR" if level > 40 else "INFO")
        request = request_id.get()
        if request:
            fields = {**fields, "request_id": request}
        if self._as_json:
            record = {"time": self._now(), "level": name, "message": message, **fields}
            line = json.dumps(record, ensure_ascii=False, default=str)
        else:
            shown = "".join([f" {key}={_shown(value)}" for key, value in fields.items()])
            line = f"{self._now()} {name} {_flat(message)}{shown}"
        self._put(level, line)

    def _put(self, level: int, line: str) -> None:
        self._waiting.append(line)
        if self._arrived is None or level >= 30 or len(self._waiting) > BATCH_LINES_MAX:
            self.flush()
        elif not self._arrived.is_set():
            self._arrived.set()

    def line(self, text: str) -> None:
        """Write a text as it is, with the end of its line."""
        self._put(30, text)

    def flush(self) -> None:
        """Write what waits, in its order, unless it is held."""
        with self._lock:
            if self._is_held:
                return
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()

    def _write_batches(self) -> None:
        assert self._arrived is not None
        while True:
            self._arrived.wait()
            time.sleep(BATCH_S)
            self._arrived.clear()
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                self.flush()

    def hold(self) -> None:
        """Keep what is written until `release`."""
        self._is_held = True

    def release(self) -> None:
        """Write what was kept, in its order, and keep nothing more."""
        self._is_held = False
        self.flush()

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._second_text}.{int((now - second) * 1000):03d}Z"


AUDIT_VARIABLE: Final = "OMNIGRAPH_AUDIT_LOG"

_log = Log(sys.stderr, level=30)  # until `configure`: warnings of code that is used without a process of its own
_audit: Log | None = None


def configure(environment: Mapping[str, str]) -> None:
    """Send records to standard error, from the level of ``OMNIGRAPH_LOG`` up; JSON when ``OMNIGRAPH_LOG_FORMAT`` says so.

    Decisions and writes go to the file of ``OMNIGRAPH_AUDIT_LOG`` too, if one is named, as JSON lines behind what it holds.
    Raises OSError when it cannot be opened.
    """
    global _log, _audit
    level = LEVELS.get(environment.get("OMNIGRAPH_LOG", "").strip().lower(), LEVELS["info"])
    _log = Log(sys.stderr, level=level, as_json=environment.get("OMNIGRAPH_LOG_FORMAT") == "json", batched=True)
    path = environment.get(AUDIT_VARIABLE)
    _audit = Log(Path(path).open("a", encoding="utf-8"), as_json=True) if path else None  # noqa: SIM115 - open to the end
    for name in ("uvicorn", "asyncio"):
        other = logging.getLogger(name)
        other.handlers[:] = [_Handler()]
        other.setLevel(max(level, LEVELS["warn"]))
        other.propagate = False


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Keep records back until what is yielded is called, or the block ends: what a refusing server says first is why."""
    log = _log
    log.hold()
    try:
        yield log.release
    finally:
        log.release()


def notice(text: str) -> None:
    """Write lines that are no record, for who starts the server."""
    _log.line(text)


def info(message: str, /, **fields: object) -> None:
    """Write one record at INFO."""
    if _log.level <= 20:
        _log.write(20, message, fields)


def audit(message: str, /, **fields: object) -> None:
    """Write one record at INFO that an auditor wants to keep: a decision, or what was written."""
    info(message, **fields)
    if _audit is not None:
        _audit.write(20, message, fields)


def warn(message: str, /, **fields: object) -> None:
    """Write one record at WARN."""
    if _log.level <= 30:
        _log.write(30, message, fields)


def error(message: str, /, **fields: object) -> None:
    """Write one record at ERROR."""
    _log.write(40, message, fields)


class _Handler(logging.Handler):
    """Takes in what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.write(record.levelno, record.getMessage(), {})


def _flat(text: str) -> str:
    return text if text.isprintable() else "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _shown(value: Any) -> str:  # Any: whatever the caller logs
    """Return a value as it stands, or as a JSON string when it holds more than plain letters."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return str(value)
    text = "" if value is None else str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)
