"""Requests to an application in this process: no socket, and every message in sight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnigraph.server.app import Application


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json()["error"])

    @property
    def code(self) -> str | None:
        found = self.json().get("code")
        return None if found is None else str(found)


@dataclass
class Browser:
    """Sends requests; ``token`` is presented unless a request brings its own header."""

    application: Application
    loop: asyncio.AbstractEventLoop
    token: str | None = None
    prefix: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def as_actor(self, token: str | None) -> Browser:
        return Browser(self.application, self.loop, token, self.prefix)

    def get(self, path: str, **more: Any) -> Response:
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Response:
        return self.send("POST", path, body, **more)

    def delete(self, path: str, **more: Any) -> Response:
        return self.send("DELETE", path, **more)

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
        return self.loop.run_until_complete(self.request(method, path, body, **more))

    def together(self, *requests: Any) -> list[Response]:
        async def run() -> list[Response]:
            return list(await asyncio.gather(*requests))

        return self.loop.run_until_complete(run())

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = "application/json",
        announce: bool = True,
        chunk_bytes: int = 1 << 20,
    ) -> Response:
        raw_path, _, query = (self.prefix + path).partition("?")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: list[tuple[bytes, bytes]] = [(b"host", b"test")]
        if content_type is not None and data:
            sent.append((b"content-type", content_type.encode()))
        if announce:
            sent.append((b"content-length", str(len(data)).encode()))
        if self.token is not None:
            sent.append((b"authorization", f"Bearer {self.token}".encode()))
        for name, value in (headers or {}).items():
            sent = [pair for pair in sent if pair[0] != name.lower().encode()]
            sent.append((name.lower().encode(), value.encode("latin-1")))
        pieces = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)] or [b""]
        state: dict[str, Any] = {"status": 0, "headers": {}, "body": []}

        async def receive() -> dict[str, Any]:
            if pieces:
                chunk = pieces.pop(0)
                return {"type": "http.request", "body": chunk, "more_body": bool(pieces)}
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                state["headers"] = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                state["body"].append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": method,
            "path": raw_path,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": sent,
        }
        await self.application(scope, receive, send)
        return Response(state["status"], state["headers"], b"".join(state["body"]))
