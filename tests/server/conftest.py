from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omnigraph.server.options import Options
from server.asgi import Browser
from server.worlds import boot, make_graph, with_tokens, write_project

Start = Callable[..., Browser]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Boot services in this process; they are closed at the end of the test."""
    loop = asyncio.new_event_loop()
    services = []

    def run(options: Options, environment: dict[str, str], token: str | None = None, prefix: str = "") -> Browser:
        service, application = boot(options, environment)
        services.append(service)
        return Browser(application, loop, token, prefix)

    yield run
    for service in services:
        service.close()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return make_graph(tmp_path / "a.omni")


@pytest.fixture
def open_server(start: Start, graph: Path) -> Browser:
    """One anonymous graph, no tokens, everyone welcome."""
    return start(Options(uri=str(graph), unauthenticated=True), {})


@pytest.fixture
def guarded(start: Start, graph: Path, tmp_path: Path) -> Browser:
    """One named graph with stored queries, tokens and a policy; asks as act-mara."""
    config = write_project(tmp_path)
    return start(Options(config=str(config)), with_tokens(), "k-mara")


@pytest.fixture
def many(start: Start, graph: Path, tmp_path: Path) -> Browser:
    """Two graphs with tokens and a server policy; only alpha has a policy of its own."""
    make_graph(tmp_path / "b.omni")
    config = write_project(tmp_path, multi=True, server_policy=True)
    return start(Options(config=str(config)), with_tokens(), "k-mara", "/graphs/alpha")
