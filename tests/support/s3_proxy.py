"""Between us and the store: counts requests, delays them, and breaks them on demand.

Whole requests and whole answers pass through; the ``Host`` header stays as it is, so signatures hold.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

Fault = Literal["lose answer", "refuse", "reset", "slow", "half", "stale list", "no condition", "failed but done"]


@dataclass(frozen=True)
class Request:
    """One request: ``operation`` is GET, HEAD, PUT, DELETE, LIST or POST; ``key`` is relative to the bucket."""

    operation: str
    key: str
    query: str = ""
    conditional: bool = False
    size_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"


@dataclass
class Faults:
    """What goes wrong: the first ``times`` requests that match, after ``skip`` of them."""

    fault: Fault
    matches: Callable[[Request], bool]
    times: int = 1
    skip: int = 0
    hit: list[Request] = field(default_factory=list)

    def take(self, request: Request) -> bool:
        if not self.matches(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if len(self.hit) >= self.times:
            return False
        self.hit.append(request)
        return True


class S3Proxy:
    """Listens on a port of its own; ``url`` is the endpoint to use instead of the store's."""

    def __init__(self, upstream: str, *, latency_s: float = 0.0, slow_s: float = 1.0) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname and parts.port
        self._upstream = parts.hostname, parts.port
        self.latency_s = latency_s
        self.slow_s = slow_s
        self.requests: list[Request] = []
        self._faults: list[Faults] = []
        self._lists: dict[str, bytes] = {}
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and cut every connection, as a store does that goes away."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients, self._clients = self._clients, set()
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> S3Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def failing(self, fault: Fault, matches: Callable[[Request], bool], *, times: int = 1, skip: int = 0) -> Iterator[Faults]:
        """Break matching requests for a while."""
        faults = Faults(fault, matches, times, skip)
        with self._lock:
            self._faults.append(faults)
        try:
            yield faults
        finally:
            with self._lock:
                self._faults.remove(faults)

    @contextlib.contextmanager
    def counting(self) -> Iterator[list[Request]]:
        """Give the requests of a while; filled at its end."""
        with self._lock:
            start = len(self.requests)
        seen: list[Request] = []
        yield seen
        with self._lock:
            seen += self.requests[start:]

    def operations(self) -> Counter[str]:
        return Counter(request.operation for request in self.requests)

    # --- inside --------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        store: socket.socket | None = None
        with client, contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as stack:
            source = client.makefile("rb")
            answers = None
            while True:
                head = _head(source)
                body = _body(source, head)
                if store is None:
                    store = stack.enter_context(socket.create_connection(self._upstream))
                    store.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    answers = store.makefile("rb")
                assert answers is not None
                if not self._pass_on(client, store, answers, head, body):
                    break
        with self._lock:
            self._clients.discard(client)

    def _pass_on(self, client: socket.socket, store: socket.socket, answers: object, head: bytes, body: bytes) -> bool:
        request = _request(head, len(body))
        with self._lock:
            self.requests.append(request)
            fault = next((faults.fault for faults in self._faults if faults.take(request)), None)
        if self.latency_s:
            time.sleep(self.latency_s)
        if fault == "refuse":
            text = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            client.sendall(
                b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(text) + text
            )
            return True
        if fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if fault == "no condition":
            head = re.sub(rb"(?im)^if-none-match:[^\r\n]*\r\n", b"", head)
        store.sendall(head + body)
        answer_head = _head(answers)
        status = int(answer_head.split(b" ", 2)[1])
        empty = head.startswith(b"HEAD ") or status in (204, 304) or 100 <= status < 200
        answer = answer_head + (b"" if empty else _body(answers, answer_head))
        if request.operation == "LIST":
            with self._lock:
                if fault == "stale list":
                    answer = self._lists.get(request.query, answer)
                else:
                    self._lists[request.query] = answer
        if fault == "lose answer":
            return False
        if fault == "failed but done":
            client.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
            return True
        if fault == "slow":
            time.sleep(self.slow_s)
        if fault == "half":
            client.sendall(answer[: len(answer_head) + (len(answer) - len(answer_head)) // 2])
            return False
        client.sendall(answer)
        return True


def _head(source: object) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = source.readline()  # type: ignore[attr-defined]
        if not line:
            raise EOFError
        head += line
    return head


def _body(source: object, head: bytes) -> bytes:
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    if found:
        return source.read(int(found[1]))  # type: ignore[attr-defined,no-any-return]
    if not re.search(rb"(?im)^transfer-encoding:\s*chunked", head):
        return b""
    body = b""
    while True:
        line = source.readline()  # type: ignore[attr-defined]
        body += line
        size = int(line.split(b";")[0], 16)
        body += source.read(size + 2)  # type: ignore[attr-defined]
        if size == 0:
            return body


def _request(head: bytes, size_bytes: int) -> Request:
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
    path, _, query = target.partition("?")
    key = unquote(path).lstrip("/").partition("/")[2]
    operation = "LIST" if "list-type=2" in query else method
    return Request(operation, key, query, b"\r\nif-none-match:" in head.lower(), size_bytes)
