"""Connections to one server: kept, reused, and never trusted after they lay idle."""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from omnigraph.client.failure import error_of
from omnigraph.errors import BadRequest, OmnigraphError, Unreachable
from omnigraph.version import __version__

IDLE_MAX: Final = 8
CONNECT_TIMEOUT_S: Final = 10.0
CHUNK_BYTES: Final = 1 << 16
_SUCCESS: Final = range(200, 300)
_FOUND: Final = 302


class Connections:
    """The connections to one base address. Safe to share between threads: each request has a connection to itself.

    A request that only reads is sent again, once, when a reused connection turns out to be dead. A write never is: whether
    the server did it is not known then, and the error says so.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest(f"'{url}' is not the address of a server", hint="write http://<host>:<port> or https://<host>")
        try:
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            raise BadRequest(f"'{url}' has no valid port", hint="write http://<host>:<port>") from None
        self.base_url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Accept": "application/json", "User-Agent": f"omnigraph/{__version__}"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._idle: list[HTTPConnection] = []
        self._lock = Lock()

    def call(
        self, method: str, path: str, body: bytes | None = None, *, reads: bool, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Send a request and return the body of its answer. Raises the error that the answer tells of."""
        connection, response = self._send(method, path, body, reads, headers or {})
        try:
            answer = response.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._broken(error, reads) from None
        self._give_back(connection, response)
        if response.status not in _SUCCESS:
            raise error_of(response.status, answer)
        return answer

    def fetch(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[HTTPMessage, bytes]:
        """Send a reading request and return head and body of its answer, a redirection that is not followed included."""
        connection, response = self._send(method, path, None, True, {"Accept": "*/*", **(headers or {})})
        try:
            answer = response.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._broken(error, True) from None
        self._give_back(connection, response)
        if response.status not in _SUCCESS and response.status != _FOUND:
            raise error_of(response.status, answer)
        return response.headers, answer

    def stream(self, method: str, path: str, body: bytes | None = None, *, needs: str | None = None) -> Iterator[bytes]:
        """Send a reading request and return its body in pieces as they come. An error of the answer is raised here.

        ``needs`` is a header without which the server did not understand the request: BadRequest then. Raises Unreachable
        on the way when the server breaks off: what came before is not the whole.
        """
        connection, response = self._send(method, path, body, True, {"Accept": "*/*"})
        if response.status in _SUCCESS and needs is not None and response.headers.get(needs) is None:
            connection.close()
            raise BadRequest("the server is too old for this request", hint="upgrade it, or leave the option out")
        if response.status not in _SUCCESS:
            answer = response.read()
            self._give_back(connection, response)
            raise error_of(response.status, answer)
        return self._pieces(connection, response)

    def close(self) -> None:
        """Close what lies idle; a connection in use is closed when it is given back."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _pieces(self, connection: HTTPConnection, response: HTTPResponse) -> Iterator[bytes]:
        try:
            while piece := response.read(CHUNK_BYTES):
                yield piece
        except (OSError, HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self.base_url} broke off before the end: {_reason(error)}") from None
        except GeneratorExit:
            connection.close()
            raise
        self._give_back(connection, response)

    def _send(
        self, method: str, path: str, body: bytes | None, reads: bool, headers: Mapping[str, str]
    ) -> tuple[HTTPConnection, HTTPResponse]:
        sent = {**self._headers, **headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        while True:
            connection = self._idle_connection()
            reused = connection is not None
            if connection is None:
                connection = self._open()
            try:
                connection.request(method, self._prefix + path, body, sent)
                return connection, connection.getresponse()
            except (OSError, HTTPException) as error:
                answer = self._early_answer(connection, error)
                if answer is not None:
                    return connection, answer
                connection.close()
                if not (reused and reads):
                    raise self._broken(error, reads) from None

    def _early_answer(self, connection: HTTPConnection, error: Exception) -> HTTPResponse | None:
        """Return what a server answered before it stopped reading a body that it will not take."""
        if not isinstance(error, BrokenPipeError | ConnectionResetError) or connection.sock is None:
            return None
        try:
            return connection.getresponse()
        except (OSError, HTTPException):
            return None

    def _open(self) -> HTTPConnection:
        kind = HTTPSConnection if self._secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.connect()
        except (OSError, HTTPException) as error:
            connection.close()
            raise Unreachable(f"cannot connect to {self.base_url}: {_reason(error)}") from None
        assert connection.sock is not None
        connection.sock.settimeout(self._timeout_s)
        return connection

    def _idle_connection(self) -> HTTPConnection | None:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or _is_alive(connection):
                return connection
            connection.close()

    def _give_back(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        if response.will_close or not response.isclosed():
            connection.close()
            return
        with self._lock:
            if len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def _broken(self, error: Exception, reads: bool) -> OmnigraphError:
        message = f"{self.base_url} did not answer: {_reason(error)}"
        if reads:
            return Unreachable(message)
        return Unreachable(f"{message}; whether the write was done is not known", hint="read the branch before you repeat it")


def _is_alive(connection: HTTPConnection) -> bool:
    """Whether a connection lies there silently; one with something to read was closed by the server."""
    if connection.sock is None:
        return False
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return not readable


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
