"""The ASGI application: one request from its first byte to its last."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_hex
from typing import Any, Final

from omnigraph.query import Cancelled
from omnigraph.server import logs
from omnigraph.server.answer import Answer, Header, Stream
from omnigraph.server.call import Call, ClientGone
from omnigraph.server.failure import answer_to
from omnigraph.server.logs import error as log_error
from omnigraph.server.logs import info
from omnigraph.server.protocol import GONE
from omnigraph.server.route import Match, RouteTable
from omnigraph.server.service import Service

Scope = MutableMapping[str, Any]  # Any: members of ASGI's connection scope
Message = MutableMapping[str, Any]  # Any: members of ASGI's messages
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Message], Awaitable[None]]

_NOT_MODIFIED: Final = 304
PIECE_BYTES: Final = 256 * 1024
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NO_SNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
_NO_STORE: Final[Header] = (b"cache-control", b"no-store")


class Application:
    """Answers requests for one service."""

    def __init__(self, service: Service, routes: RouteTable) -> None:
        self.service = service
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers: list[Header] = scope["headers"]
        incoming = next((value for name, value in headers if name == b"x-request-id"), b"")
        request_id = incoming if _SANE_ID.fullmatch(incoming) else token_hex(8).encode()
        logs.request_id.set(request_id.decode())
        operation = "none"
        match: Match | None = None
        try:
            match = self.routes.match(scope["method"], scope["raw_path"])
            operation = match.route.operation_id
            extensions = scope.get("extensions")
            gone = extensions[GONE]["ask"] if extensions and GONE in extensions else None
            call = Call(self.service, match, headers, scope["query_string"], receive, gone, scope["method"] == "HEAD")
            answer = await self._answer(call)
        except (ClientGone, Cancelled):
            info("client gone", method=scope["method"], path=scope["path"])
            return
        except Exception as error:
            answer = answer_to(error)
        extra = [(b"x-request-id", request_id), _NO_SNIFF, *answer.headers, *_deprecation(match)]
        if match is not None and self.service.authenticates and not match.route.public:
            extra.append(_NO_STORE)
        if isinstance(answer, Stream):
            await _send_stream(answer, extra, receive, send)
        else:
            await _send(answer, extra, send)
        elapsed_s = time.perf_counter() - started
        if self.service.metrics is not None:
            self.service.metrics.observe(operation, answer.status, elapsed_s)
        info("request", method=scope["method"], path=scope["path"], status=answer.status, latency_ms=elapsed_s * 1000)

    async def _answer(self, call: Call) -> Answer | Stream:
        """Authenticate, find the graph, then let the handler work. The order decides what a stranger can learn."""
        route = call.match.route
        if route.public:
            return await route.handler(call)
        if self.service.authenticates:
            call.authenticate()
        call.locate()
        if call.match.graph_id is not None:
            info("graph routed", graph_id=call.match.graph_id)
        call.query_names()  # a query string that cannot be decoded is refused on every route, whether it would be read or not
        return await route.handler(call)


def _deprecation(match: Match | None) -> list[Header]:
    if match is None or match.route.successor is None:
        return []
    return [(b"deprecation", b"true"), (b"link", f'<{match.route.successor}>; rel="successor-version"'.encode())]


async def _send(answer: Answer, extra: list[Header], send: Send) -> None:
    size_bytes = len(answer.body) if answer.announced_bytes is None else answer.announced_bytes
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % size_bytes), *extra]
    if answer.status == _NOT_MODIFIED:
        headers = extra
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = answer.body
    if len(body) > PIECE_BYTES:  # a slow reader then holds one piece in the socket's buffer, not a second copy of all of it
        last = (len(body) - 1) // PIECE_BYTES * PIECE_BYTES
        for start in range(0, last, PIECE_BYTES):
            await send({"type": "http.response.body", "body": body[start : start + PIECE_BYTES], "more_body": True})
        body = body[last:]
    await send({"type": "http.response.body", "body": body})


async def _send_stream(answer: Stream, extra: list[Header], receive: Receive, send: Send) -> None:
    """Send chunks as they are made, until the last one, a fault, or the reader's end.

    After a fault the body is left without its end, so that the connection breaks and a reader can tell.
    """
    headers = [(b"content-type", answer.content_type), *extra]
    if answer.announced_bytes is not None:
        headers.append((b"content-length", b"%d" % answer.announced_bytes))
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for chunk in answer.chunks:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except Exception as error:
        log_error("stream broken", error=type(error).__name__)
    finally:
        gone.cancel()
        close = getattr(answer.chunks, "aclose", None)
        if close is not None:
            await close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
