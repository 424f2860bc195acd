"""HTTP on the wire: uvicorn's protocol with a limit on heads, with our envelope for what is no HTTP, and with a watch over
connections that do not move.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable
from secrets import token_hex
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from omnigraph.server.logs import warn
from omnigraph.wire.encoding import compact
from omnigraph.wire.error import ErrorOutput

HEAD_BYTES_MAX: Final = 64 * 1024
HEAD_S: Final = 30.0
"""How long a client may take for the head of a request, and be silent on a connection that it has just opened."""
WINDOW_S: Final = 60.0
"""The time in which a body must bring, or a reader must take, at least `WINDOW_BYTES`, while it is the client's turn."""
WINDOW_BYTES: Final = 64 * 1024
RESERVED_FILES: Final = 256
"""Files of this process that are no connections: tables, the log, standard streams."""
_FILES_WITHOUT_LIMIT: Final = 1 << 20
_DROPPED_AT_ONCE: Final = 64

_REFUSAL: Final = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
    b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
)

GONE: Final = "omnigraph.gone"
"""The extension of ASGI's scope that says, on any thread, whether the client has closed the connection."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _head_since: float | None = None
    _body_bytes = 0
    _marked = (0.0, 0)
    _taken = (0.0, 0)
    _is_gone = False
    connections_max = _FILES_WITHOUT_LIMIT

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._head_since = self.loop.time()
        if len(self.connections) > self.connections_max:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        if self._head_since is None:
            self._head_since = self.loop.time()
        super().on_message_begin()
        self.scope["extensions"] = {GONE: {"ask": self.is_gone}}

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_since = None
        self._marked = (self.loop.time(), 0)
        self._body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close: nothing after it on the connection can be trusted."""
        self._refuse(b"400 Bad Request", "the request is not valid HTTP, or its head is too large")

    def is_gone(self) -> bool:
        """Whether the client has closed the connection."""
        return self._is_gone

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def judge(self, now: float) -> None:
        """End a connection whose client neither sends what it began nor takes what it asked for."""
        if self._head_since is not None and now - self._head_since > HEAD_S:
            if self._head_bytes:
                self._refuse(b"408 Request Timeout", "the head of the request did not come in time")
            else:
                self.transport.abort()
        elif self._reader_stalls(now):
            warn("connection dropped", reason="the client does not read its answer")
            self.transport.abort()
        elif self.cycle is not None and self._body_stalls(now):
            if self.cycle.response_started:
                self.transport.abort()
            else:
                self._refuse(b"408 Request Timeout", "the body of the request did not come in time")

    def _reader_stalls(self, now: float) -> bool:
        """Whether an answer lies there of which the client has not taken enough for a whole window."""
        waiting = self.transport.get_write_buffer_size()
        since, size_bytes = self._taken
        if not waiting or not size_bytes or waiting > size_bytes or size_bytes - waiting >= WINDOW_BYTES:
            self._taken = (now, waiting)
            return False
        return now - since > WINDOW_S

    def resume_writing(self) -> None:
        self._taken = (0.0, 0)
        super().resume_writing()

    def _body_stalls(self, now: float) -> bool:
        if self.is_idle or not self.cycle.more_body or self.flow.read_paused:
            self._marked = (now, self._body_bytes)
            return False
        since, size_bytes = self._marked
        if self._body_bytes - size_bytes >= WINDOW_BYTES:
            self._marked = (now, self._body_bytes)
            return False
        return now - since > WINDOW_S

    def _refuse(self, status: bytes, message: str) -> None:
        body = compact(ErrorOutput(message, "bad_request"))
        request_id = token_hex(8)
        self.transport.write(_REFUSAL % (status, len(body), request_id.encode()) + body)
        self.transport.close()
        warn("request refused", status=status.decode(), reason=message, request_id=request_id)

    def _count(self, size_bytes: int) -> None:
        """Raising inside a callback of the parser is its way to stop."""
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError("the head of the request is too large")

    def _make_room(self) -> None:
        """Drop the connections that have been idle for longest; when all are busy, this one."""
        idle = [one for one in self.connections if isinstance(one, Protocol) and one.is_idle and one is not self]
        idle.sort(key=lambda one: one._head_since or 0.0)
        for one in idle[:_DROPPED_AT_ONCE]:
            one.transport.abort()
        warn("too many connections", open=len(self.connections), dropped=min(len(idle), _DROPPED_AT_ONCE) or 1)
        if not idle:
            self.transport.abort()


def judge_all(connections: Iterable[Any], now: float) -> None:  # Any: whatever uvicorn keeps
    """Look at every connection once; called every few seconds."""
    for connection in tuple(connections):
        if isinstance(connection, Protocol) and not connection.transport.is_closing():
            connection.judge(now)
        elif isinstance(connection, Protocol) and connection._reader_stalls(now):
            connection.transport.abort()  # closing, but its last bytes are never taken


def allow_many_files() -> int:
    """Raise this process's limit on open files as far as it may, and return how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WITHOUT_LIMIT if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # a platform that allows less than it says
            pass
    files = _FILES_WITHOUT_LIMIT if soft == resource.RLIM_INFINITY else soft
    return max(files - RESERVED_FILES, files // 2)
