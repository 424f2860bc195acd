"""A graph on a server beside the same graph where it is stored: same answers, same errors."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import omnigraph
from omnigraph import errors
from omnigraph.client import RemoteGraph, RemoteResult, connect
from omnigraph.client.failure import error_of
from omnigraph.wire.write import MutateOutput
from server.process import Server

ADD = "query add($name: String) { insert Person { name: $name } }"
AGE = "query age($name: String, $age: I32) { update Person set { age: $age } where name = $name }"
PEOPLE = "query people() { match { $p: Person } return { $p.name, $p.age, $p.born } order { $p.name asc } }"


def base(server: Server, graph: str = "alpha") -> str:
    return f"http://127.0.0.1:{server.port}/graphs/{graph}/"


@pytest.fixture
def remote(server: Server) -> Iterator[RemoteGraph]:
    with connect(base(server), "k-mara") as graph:
        yield graph


@pytest.fixture
def local(server: Server, folder: Path) -> Iterator[omnigraph.Graph]:
    with omnigraph.open(str(folder / "a.omni")) as graph:
        yield graph


def test_reading(remote: RemoteGraph, local: omnigraph.Graph) -> None:
    here, there = local.query(PEOPLE), remote.query(PEOPLE)
    assert isinstance(there, RemoteResult)
    assert (there.query_name, tuple(there.columns), there.branch, there.snapshot) == (
        here.query_name,
        tuple(here.columns),
        here.branch,
        here.snapshot,
    )
    assert there.rows() == here.rows()
    assert there.value_columns() == here.value_columns()
    assert there.to_arrow().column("p.name").to_pylist() == here.to_arrow().column("p.name").to_pylist()
    assert "Ida" in repr(there)
    assert remote.snapshot() == local.snapshot()
    assert remote.commits() == local.commits()
    assert remote.commit(local.commits()[-1].graph_commit_id) == local.commits()[-1]
    assert remote.schema_source() == local.schema_source()
    assert b"".join(remote.export()) == b"".join(local.export())
    at = local.commits()[0].graph_commit_id
    assert remote.query(PEOPLE, snapshot=at).rows() == []


def test_writing(remote: RemoteGraph, local: omnigraph.Graph, tmp_path: Path) -> None:
    done = remote.mutate(ADD, {"name": "Cy"}, actor="ignored")
    assert isinstance(done, MutateOutput)
    assert done.actor_id == "act-mara"
    assert local.commits()[-1] == done.commit
    head = local.commits()[-1].graph_commit_id
    assert remote.mutate(AGE, {"name": "Cy", "age": 4}, if_commit=head).affected_nodes == 1
    with pytest.raises(errors.PreconditionFailed) as lost:
        remote.mutate(AGE, {"name": "Cy", "age": 5}, if_commit=head)
    assert lost.value.expected == head
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"type":"Person","data":{"name":"Di"}}\n')
    seen: list[tuple[int, int]] = []
    loads: list[Any] = [path, path.read_bytes(), path.read_text(), [{"type": "Person", "data": {"name": "Di"}}]]
    for data in loads:
        loaded = remote.load(data, "merge", progress=lambda done, total: seen.append((done, total)))
        assert [table.rows_loaded for table in loaded.tables] == [1]
    with path.open("rb") as file:
        assert remote.load(file, "merge").mode == "merge"
    assert len(seen) == 4


def test_branches(remote: RemoteGraph, local: omnigraph.Graph) -> None:
    created = remote.create_branch("work/new")
    assert (created.from_, created.name, created.actor_id) == ("main", "work/new", "act-mara")
    assert remote.branches() == local.branches() == ["main", "work/new"]
    remote.mutate(ADD, {"name": "On branch"}, branch="work/new")
    assert remote.merge("work/new").outcome == "fast_forward"
    assert remote.delete_branch("work/new").name == "work/new"
    assert remote.load(b'{"type":"Person","data":{"name":"F"}}\n', "append", branch="fork", from_branch="main").branch_created
    remote.delete_branch("fork")


def test_stored_queries(remote: RemoteGraph, server: Server) -> None:
    assert [entry.name for entry in remote.stored_queries()] == ["by_name", "people"]
    read = remote.invoke("people")
    assert isinstance(read, RemoteResult)
    assert "Ida" in {row["p.name"] for row in read}
    added = remote.invoke("add_person", {"name": "Stored"})
    assert isinstance(added, MutateOutput)
    with pytest.raises(errors.NotFound, match="stored query not found"):
        remote.invoke("a/b")
    with connect(f"http://127.0.0.1:{server.port}", "k-mara") as whole:
        assert [graph.graph_id for graph in whole.graphs()] == ["alpha", "beta"]
        assert whole.health().status == "ok"


SAME_ERRORS: list[Callable[[Any], object]] = [
    lambda graph: graph.query("query x("),
    lambda graph: graph.query("query x() { match { $g: Ghost } return { $g.x } }"),
    lambda graph: graph.query(PEOPLE, name="other"),
    lambda graph: graph.query(PEOPLE, branch="ghost"),
    lambda graph: graph.mutate(ADD),
    lambda graph: graph.mutate(PEOPLE),
    lambda graph: graph.load(b'{"type":"Person","data":{"name":"Ida"}}\n', "append"),
    lambda graph: graph.load(b"{", "merge"),
    lambda graph: graph.commit("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    lambda graph: graph.create_branch("main"),
    lambda graph: graph.delete_branch("ghost"),
    lambda graph: graph.merge("main"),
    lambda graph: graph.snapshot("ghost"),
    lambda graph: graph.export(types=["Ghost"]),
]


@pytest.mark.parametrize("call", SAME_ERRORS)
def test_errors_are_those_of_the_engine(remote: RemoteGraph, local: omnigraph.Graph, call: Callable[[Any], object]) -> None:
    with pytest.raises(errors.OmnigraphError) as here:
        call(local)
    with pytest.raises(errors.OmnigraphError) as there:
        call(remote)
    assert there.value.message == here.value.message
    assert there.value.hint == here.value.hint
    assert (there.value.code, there.value.http_status) == (here.value.code, here.value.http_status)
    assert there.value.facts() == here.value.facts()
    assert isinstance(here.value, type(there.value))


def test_access(server: Server) -> None:
    for token, message in ((None, "missing bearer token"), ("wrong", "invalid bearer token")):
        with connect(base(server), token) as graph, pytest.raises(errors.Unauthorized, match=message):
            graph.branches()
    with connect(base(server), "k-stranger") as graph, pytest.raises(errors.Forbidden, match="unknown actor 'act-stranger'"):
        graph.mutate(ADD, {"name": "x"})
    with connect(base(server, "gamma"), "k-mara") as graph, pytest.raises(errors.NotFound, match="graph 'gamma' not found"):
        graph.branches()


def test_every_error_survives_the_way() -> None:
    from omnigraph.wire.error import ErrorOutput, MergeConflictInfo

    conflict = MergeConflictInfo("node:Person", "Ida", "divergent_update", "both changed it")
    samples: list[errors.OmnigraphError] = [
        errors.KeyConflict("node:Person", "Ida"),
        errors.WriteConflict("node:Person", 3, 4),
        errors.MergeConflicts([conflict]),
        errors.PreconditionFailed("A", None),
        errors.ResourceLimitExceeded("result_rows_max", 11, 10),
        errors.HistoryReclaimed("gone"),
        errors.BadRequest("b", hint="h"),
        errors.TooManyRequests("actor in-flight count cap 3 exceeded"),
    ]
    for sample in samples:
        found = error_of(sample.http_status, msgspec.json.encode(ErrorOutput.of(sample)))
        assert type(found) is type(sample)
        assert (found.message, found.hint, found.facts()) == (sample.message, sample.hint, sample.facts())
    assert error_of(418, b"<html>").message == "server returned 418: <html>"
    assert isinstance(error_of(404, b'{"error":"x"}'), errors.NotFound)
    assert error_of(500, b'{"error":"storage: x","code":"internal"}').code == "internal"


def test_connections_are_reused(remote: RemoteGraph) -> None:
    remote.branches()
    (first,) = remote._connections._idle
    remote.mutate(ADD, {"name": "again"})
    list(remote.export())
    assert remote._connections._idle == [first]
    threads = [threading.Thread(target=remote.branches) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(remote._connections._idle) <= 8


def test_an_export_that_is_left_does_not_block(remote: RemoteGraph) -> None:
    rows = remote.export()
    next(iter(rows))
    rows.close()  # type: ignore[attr-defined]
    assert "main" in remote.branches()


def test_a_server_that_is_not_there() -> None:
    with (
        connect("http://127.0.0.1:1") as graph,
        pytest.raises(errors.Unreachable, match=r"cannot connect to http://127\.0\.0\.1:1"),
    ):
        graph.branches()
    for bad in ("ftp://h", "http://", "h:1", "http://h:x"):
        with pytest.raises(errors.BadRequest):
            connect(bad)


class Flaky(http.server.BaseHTTPRequestHandler):
    """Closes kept connections without a word, and breaks off in the middle of bodies."""

    protocol_version = "HTTP/1.1"
    requests: list[str] = []  # noqa: RUF012 - set by the tests

    def do_GET(self) -> None:
        self.requests.append(self.path)
        body = b'{"branches":["main"]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_POST(self) -> None:
        self.requests.append(self.path)
        if self.path == "/export":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nabcd\n\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[str]:
    Flaky.requests = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_connection_that_died_is_replaced(flaky: str) -> None:
    with connect(flaky) as graph:
        for _ in range(3):
            assert graph.branches() == ["main"]


def test_a_write_is_never_sent_twice(flaky: str) -> None:
    with connect(flaky) as graph:
        graph.branches()
        with pytest.raises(errors.Unreachable, match="whether the write was done is not known"):
            graph.mutate(ADD, {"name": "x"})
    assert Flaky.requests.count("/change") <= 1, "none when the kept connection was dead before the request arrived"


def test_a_broken_export_is_told(flaky: str) -> None:
    with connect(flaky) as graph:
        rows = graph.export()
        with pytest.raises(errors.Unreachable, match="broke off before the end"):
            list(rows)


def test_importing_the_client_is_light() -> None:
    code = (
        "import sys, omnigraph\n"
        "omnigraph.connect('http://127.0.0.1:1')\n"
        "heavy = {'numpy', 'pyarrow', 'lance', 'obstore', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
