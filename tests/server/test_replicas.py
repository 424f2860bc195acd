"""Several servers and a command line over one root, all writing: nothing is lost, and each sees the others at its next read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.storage.ulid import new_ulid
from server.process import Server
from support.s3_servers import BUCKET, S3Server

INSERT = "query put($n: String) { insert Person { name: $n } }"
NAMES = "query q() { match { $p: Person } return { $p.name } }"


@pytest.fixture(params=["directory", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    uri = str(tmp_path / "g.omni")
    if request.param == "bucket":
        server: S3Server = request.getfixturevalue("ministack_server")
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        uri = f"s3://{BUCKET}/replicas/{new_ulid()}"
    omnigraph.init(uri, "node Person { name: String @key }").close()
    yield uri


def ask(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def insert(server: Server, name: str) -> None:
    ask(server, "/change", {"query": INSERT, "params": {"n": name}})


def names(server: Server) -> set[str]:
    return {row["p.name"] for row in ask(server, "/query", {"query": NAMES})["rows"]}


def by_command(root: str, name: str) -> None:
    code = "import sys; from omnigraph.cli.main import main; sys.exit(main())"
    words = ["mutate", root, "-e", INSERT, "--params", json.dumps({"n": name})]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr


def test_replicas(root: str, tmp_path: Path) -> None:
    with Server((root, "--unauthenticated"), tmp_path) as one, Server((root, "--unauthenticated"), tmp_path) as two:
        for number in range(10):
            writer, reader = (one, two) if number % 2 else (two, one)
            insert(writer, f"turn-{number}")
            assert f"turn-{number}" in names(reader)
        by_command(root, "by-hand")
        assert "by-hand" in names(one) and "by-hand" in names(two)

        with ThreadPoolExecutor(9) as pool:
            work = [
                pool.submit(insert, server, f"{label}-{n}") for n in range(30) for label, server in (("a", one), ("b", two))
            ]
            work.append(pool.submit(by_command, root, "in-between"))
            for future in work:
                future.result()
        expected = {f"turn-{n}" for n in range(10)} | {f"{label}-{n}" for n in range(30) for label in "ab"}
        expected |= {"by-hand", "in-between"}
        assert names(one) == names(two) == expected
    with omnigraph.open(root) as graph:
        commits = graph.commits()
        assert len(commits) == 1 + len(expected)
        assert [commit.parent_commit_id for commit in commits[1:]] == [commit.graph_commit_id for commit in commits[:-1]]
