from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.process import Server
from server.worlds import make_graph, with_tokens, write_project


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, roots: str) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server of two graphs; alpha has a policy and stored queries."""
    make_graph(folder / "a.omni")
    make_graph(folder / "b.omni")
    config = write_project(folder, multi=True, server_policy=True)
    with Server(("--config", str(config)), folder, with_tokens(OMNIGRAPH_FSYNC="0")) as running:
        yield running
