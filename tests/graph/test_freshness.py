"""Looks that are shared: never one that began before the question, and no starving."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from omnigraph.graph.freshness import SharedLook


def test_a_look_begins_after_the_question() -> None:
    state = [0]
    looks: list[int] = []

    def look() -> int:
        seen = state[0]
        time.sleep(0.002)
        looks.append(seen)
        return seen

    shared: SharedLook[int] = SharedLook()

    def ask(_: int) -> None:
        state[0] += 1
        known = state[0]
        assert shared.share(look) >= known

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(400)))
    assert len(looks) < 150


def test_a_failing_look_fails_for_all_who_share_it() -> None:
    calls: list[float] = []
    started = threading.Event()

    def look() -> int:
        calls.append(1)
        started.set()
        time.sleep(0.01)
        raise ValueError(str(len(calls)))

    shared: SharedLook[int] = SharedLook()
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(shared.share, look) for _ in range(8)]:
            with pytest.raises(ValueError):
                future.result()
    assert shared.share(lambda: 7) == 7
