"""Decoders are prepared by one thread at a time: msgspec takes the process down when two prepare one struct at once."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
import pytest

from omnigraph.storage import record
from omnigraph.wire import encoding
from omnigraph.wire.branch import BranchListOutput

MSGPACK, JSON = msgspec.msgpack.Decoder, msgspec.json.Decoder


@pytest.mark.parametrize("kind", ["records", "wire"])
def test_one_thread_prepares_and_the_others_wait(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = record if kind == "records" else encoding
    made: list[object] = []
    at_once: list[int] = []

    def slow(shape: object) -> object:
        at_once.append(1)
        assert len(at_once) == 1, "two threads prepare a type"
        time.sleep(0.02)
        made.append(shape)
        at_once.pop()
        return (MSGPACK if kind == "records" else JSON)(shape)

    monkeypatch.setattr(module, "_decoders", {})
    monkeypatch.setattr(msgspec.msgpack if kind == "records" else msgspec.json, "Decoder", slow)
    found: list[object] = []

    def work() -> None:
        try:
            if kind == "records":
                record.decode(b"", record.Ref, "k")
            else:
                found.append(encoding.decode(b'{"branches":["main"]}', BranchListOutput))
        except Exception as error:
            found.append(type(error).__name__)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [record.Ref if kind == "records" else BranchListOutput]
    assert len(found) == 8
    expected = "CorruptObject" if kind == "records" else BranchListOutput(["main"])
    assert found == [expected] * 8
