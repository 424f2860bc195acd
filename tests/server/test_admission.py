"""Admission: caps per actor, exact and without traces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnigraph.server.admission import Admission, Pace
from omnigraph.server.failure import Refusal
from omnigraph.server.options import Options
from server.asgi import Browser
from server.conftest import Start
from server.worlds import with_tokens, write_project

ADD = "query add($name: String) { insert Person { name: $name } }"


@pytest.fixture
def capped(start: Start, graph: Path, tmp_path: Path) -> Browser:
    config = write_project(tmp_path)
    environment = with_tokens(OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX="3", OMNIGRAPH_PER_ACTOR_BYTES_MAX="5000")
    return start(Options(config=str(config)), environment, "k-mara")


@pytest.fixture
def held(capped: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Mutations wait until the event is set."""
    release = threading.Event()
    graph = capped.application.service.only_graph.graph
    prepare = graph.prepare_mutation

    def slow(*words: object, **named: object) -> object:
        release.wait(20)
        return prepare(*words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(graph, "prepare_mutation", slow)
    yield release
    release.set()


def test_exactly_the_cap_is_admitted(capped: Browser, held: threading.Event) -> None:
    async def run() -> list[int]:
        body = {"query": ADD, "params": {"name": "x"}}
        tasks = [
            asyncio.create_task(capped.request("POST", "/mutate", {**body, "params": {"name": f"n{i}"}})) for i in range(8)
        ]
        await asyncio.sleep(0.1)
        refused = [task.result() for task in tasks if task.done()]
        assert len(refused) == 5
        assert {answer.headers["retry-after"] for answer in refused} == {"60"}
        assert {(answer.status, answer.code, answer.error) for answer in refused} == {
            (429, "too_many_requests", "actor in-flight count cap 3 exceeded")
        }
        malformed = await capped.request("POST", "/mutate", {"query": "query x("})
        assert malformed.status == 429
        stranger = await capped.as_actor("k-stranger").request("POST", "/mutate", body)
        assert stranger.status == 403
        reader = await capped.request("GET", "/snapshot")
        assert reader.status == 200
        other = asyncio.create_task(capped.as_actor("k-nightly").request("POST", "/mutate", {**body, "branch": "ghost"}))
        held.set()
        assert (await other).status == 404
        return [(await task).status for task in tasks]

    assert sorted(capped.loop.run_until_complete(run())) == [200] * 3 + [429] * 5
    assert capped.application.service.admission._usage == {}
    assert capped.post("/mutate", {"query": ADD, "params": {"name": "later"}}).status == 200


def test_bytes(capped: Browser) -> None:
    big = capped.post("/load", {"data": " " * 5001})
    assert (big.status, big.error) == (429, "actor byte budget exceeded: would use 5001 bytes against cap 5000")
    assert capped.post("/load", {"data": '{"type":"Person","data":{"name":"x"}}' + " " * 4000}).status == 200
    params = capped.post("/mutate", {"query": ADD, "params": {"name": "é" * 2600}})
    size_bytes = len(ADD) + len('{"name":""}') + 2 * 2600
    assert params.error.startswith(f"actor byte budget exceeded: would use {size_bytes} bytes")


def test_how_long_to_wait_is_what_requests_take() -> None:
    pace = Pace()
    assert pace.retry_after_s(3) == 60, "nothing is known yet"
    pace.add(0.01)
    assert pace.retry_after_s(3) == 1
    for _ in range(50):
        pace.add(7.5)
    assert pace.retry_after_s(1) == 8
    for _ in range(50):
        pace.add(900)
    assert pace.retry_after_s(1) == 60
    assert Pace(0.1).retry_after_s(0) == 60, "a cap of nothing never ends"


def test_reads_are_bounded_where_that_is_asked_for(capped: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    query = {"query": "query q() { match { $p: Person } return { $p.name } }"}
    admission = capped.application.service.admission
    with admission.read_slot("act-mara"):
        assert capped.post("/query", query).status == 200
    monkeypatch.setattr(admission, "reads_max", 1)
    with admission.read_slot("act-mara"):
        refused = capped.post("/query", query)
        assert (refused.status, refused.error) == (429, "actor in-flight read count cap 1 exceeded")
        assert capped.post("/export", {}).status == 429
        assert capped.get("/healthz").status == 200
    assert capped.post("/export", {}).status == 200
    assert capped.post("/query", query).status == 200
    assert capped.post("/export", {"type_names": ["Nope"]}).status == 400
    assert admission.reads_under_way == 0


def test_zero_admits_nothing() -> None:
    admission = Admission(inflight_max=0)
    with pytest.raises(Refusal), admission.slot(None, 0):
        pass
    assert admission._usage == {}


def test_a_slot_is_free_after_a_crash() -> None:
    admission = Admission(inflight_max=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), admission.slot("a", 10):
            raise RuntimeError
    assert admission._usage == {}


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("0", 0), (" 8 ", 8), ("-1", 16), ("x", 16), ("", 16), ("1.5", 16)])
def test_environment(text: str, value: int) -> None:
    assert Admission.from_environment({"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": text}).inflight_max == value
