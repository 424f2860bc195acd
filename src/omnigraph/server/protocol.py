"""HTTP on the wire: uvicorn's protocol with a limit on heads, and with our envelope for what is no HTTP."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from omnigraph.wire.encoding import compact
from omnigraph.wire.error import ErrorOutput

HEAD_BYTES_MAX: Final = 64 * 1024


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close: nothing after it on the connection can be trusted."""
        body = compact(ErrorOutput("the request is not valid HTTP, or its head is too large", "bad_request"))
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        )
        self.transport.write(head + body)
        self.transport.close()

    def _count(self, size_bytes: int) -> None:
        """Raising inside a callback of the parser is its way to stop."""
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError("the head of the request is too large")
