"""Streams: a fault after the status line must show as a broken body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from omnigraph.server.answer import Stream
from omnigraph.server.app import _send_stream


def run(chunks: AsyncIterator[bytes], *, gone_after: float | None = None) -> list[Any]:
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600 if gone_after is None else gone_after)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)
        await asyncio.sleep(0.005)

    async def main() -> None:
        await asyncio.wait_for(_send_stream(Stream(chunks), [], receive, send), 10)

    asyncio.run(main())
    return messages


async def some(count: int, fault: bool = False) -> AsyncIterator[bytes]:
    for number in range(count):
        yield b"%d\n" % number
        await asyncio.sleep(0.005)
    if fault:
        raise RuntimeError


def test_a_whole_stream_has_an_end() -> None:
    messages = run(some(3))
    assert [message.get("body") for message in messages[1:]] == [b"0\n", b"1\n", b"2\n", b""]
    assert messages[-1].get("more_body", False) is False


def test_a_fault_leaves_the_body_without_its_end() -> None:
    messages = run(some(3, fault=True))
    assert [message["more_body"] for message in messages[1:]] == [True] * 3


def test_a_reader_that_has_gone_stops_the_producer() -> None:
    assert len(run(some(10_000), gone_after=0.05)) < 100
