"""A real process on the loopback interface: start, refusals, signals, restarts, and what it logs."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from omnigraph.graph.graph import open_graph
from server.process import Server, refuse
from server.worlds import make_graph, with_tokens, write_project

ADD = "query add($name: String) { insert Person { name: $name } }"
NAMES = "query names() { match { $p: Person } return { $p.name as n } }"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_with_zero(graph: Path, tmp_path: Path, number: signal.Signals) -> None:
    with Server((str(graph),), tmp_path, {"OMNIGRAPH_UNAUTHENTICATED": "yes", "OMNIGRAPH_SOURCE_VERSION": "abc"}) as server:
        status, body = server.send("GET", "/healthz")
        assert (status, json.loads(body)["source_version"]) == (200, "abc")
        kept = server.connect()
        kept.request("GET", "/snapshot")
        kept.getresponse().read()
        assert server.stop(number) == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == b"", "nothing but the address goes to standard output"
        log = server.logged()
        assert "shutdown signal received" in log
        assert "running with --unauthenticated" in log
        assert f"serving omnigraph uri={graph} graph_id={graph}" in log
        with Server((str(graph), "--unauthenticated"), tmp_path, port=server.port) as again:
            assert again.send("GET", "/healthz")[0] == 200
        kept.close()


@pytest.mark.parametrize("kept", ["", "log/main"])
def test_a_root_that_cannot_be_written_is_told_at_boot(graph: Path, tmp_path: Path, kept: str) -> None:
    # Whoever runs the tests may write everywhere when it is root, so it is the system's answer that is changed.
    folder = str(graph / kept)
    settings = f"import os; real = os.access; os.access = lambda path, mode: str(path) != {folder!r} and real(path, mode)"
    with Server((str(graph), "--unauthenticated"), tmp_path, settings=settings) as server:
        assert server.send("GET", "/snapshot")[0] == 200
        assert (
            f"graph root cannot be written to, so that writes will fail graph={graph} folder={folder} user=" in server.logged()
        )
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        assert "cannot be written" not in server.logged()


def test_refusals(graph: Path, tmp_path: Path) -> None:
    port = free_port()
    bind = ("--bind", f"127.0.0.1:{port}")
    nothing = refuse(*bind, folder=tmp_path)
    assert (nothing.status, nothing.out) == (1, "")
    assert nothing.err.startswith("error: no graph to serve: pass a URI")
    closed = refuse(str(graph), *bind, folder=tmp_path)
    assert closed.status == 1
    assert "server has no bearer tokens and no policy file configured" in closed.err.splitlines()[0]
    (tmp_path / "stored.gq").write_text("query lost() { match { $p: Ghost } return { $p.name } }")
    (tmp_path / "omnigraph.yaml").write_text("queries: { lost: { file: stored.gq } }")
    lost = refuse(str(graph), *bind, folder=tmp_path, more=with_tokens())
    assert lost.err.startswith(f"error: graph '{graph}': 1 stored query failed the schema check:\n  query 'lost': "), lost.err
    assert "loaded bearer token source" in lost.err, "what led there is told behind the reason"
    missing = refuse("absent.omni", "--unauthenticated", *bind, folder=tmp_path)
    assert missing.status == 1
    assert "Traceback" not in missing.err
    for words in (("--nonsense",), ("--bind",), ("a", "b")):
        assert refuse(*words, folder=tmp_path).status == 2
    assert refuse("--help", folder=tmp_path).status == 0
    assert refuse("--version", folder=tmp_path).out.startswith("omnigraph-server ")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_an_address_that_cannot_be_bound(graph: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = refuse(str(graph), "--unauthenticated", "--bind", address, folder=tmp_path)
    assert done.status == 1
    assert f"cannot listen on {address}: Address already in use" in done.err
    for bad in ("nowhere", "127.0.0.1:x", ":80", "127.0.0.1:70000"):
        done = refuse(str(graph), "--unauthenticated", "--bind", bad, folder=tmp_path)
        assert (done.status, f"cannot listen on '{bad}'" in done.err) == (1, True)


def test_nothing_secret_is_logged(graph: Path, tmp_path: Path) -> None:
    write_project(tmp_path)
    with Server((), tmp_path, with_tokens(), token="k-mara") as server:
        assert server.send("POST", "/mutate", {"query": ADD, "params": {"name": "s3cret-name"}})[0] == 200
        assert server.send("POST", "/query", {"query": NAMES, "params": {"x": "s3cret-param"}})[0] == 200
        assert server.send("GET", "/commits?actor=s3cret-actor")[0] == 200
        assert server.send("GET", "/snapshot", Authorization="Bearer s3cret-token")[0] == 401
        assert server.send("POST", "/queries/people", **{"X-Request-Id": "trace-7"})[0] == 200
        assert server.send("POST", "/mutate", {"query": "s3cret"})[0] == 400
        assert server.stop() == 0
        log = server.logged()
    assert "s3cret" not in log
    for token in ("k-mara", "k-nightly", "Bearer"):
        assert token not in log
    assert "loaded bearer token source source=env-or-file" in log
    assert re.search(
        r'policy decision actor_id=act-mara action=change branch=main target_branch="" allowed=true matched_rule_id=curators-write',
        log,
    )
    assert "stored query invoked graph=alpha actor=act-mara query=people kind=read" in log
    assert re.search(r"request method=GET path=/commits status=200 latency_ms=[0-9.]+ request_id=", log)
    traced = [line.split(" ", 2)[2] for line in log.splitlines() if line.endswith(" request_id=trace-7")]
    assert [text.partition("=")[0].rpartition(" ")[0] for text in traced] == [
        "policy decision",
        "policy decision",
        "stored query invoked",
        "request",
    ]


def test_tokens_are_read_again_on_sighup(graph: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"act-mara": "old"}')
    with Server((str(graph),), tmp_path, {"OMNIGRAPH_SERVER_BEARER_TOKENS_FILE": str(tokens)}) as server:
        assert server.send("GET", "/snapshot", Authorization="Bearer old")[0] == 200

        def reloaded(text: str, message: str) -> None:
            tokens.write_text(text)
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: message in server.logged())

        reloaded('{"act-mara": ["old", "new"]}', "INFO reloaded bearer token source")
        assert server.send("GET", "/snapshot", Authorization="Bearer new")[0] == 200
        reloaded('{"act-mara": ', "bearer tokens not reloaded reason=")
        reloaded("{}", "a restart is needed to begin, or to stop, asking for tokens")
        assert server.send("GET", "/snapshot", Authorization="Bearer old")[0] == 200
        assert server.send("GET", "/snapshot")[0] == 401
        assert server.stop() == 0


def test_the_query_of_a_client_that_has_gone_is_stopped(tmp_path: Path) -> None:
    graph = make_graph(tmp_path / "a.omni")
    with open_graph(str(graph)) as opened:
        line = b'{"type":"Person","data":{"name":"n%05d","age":%d}}\n'
        opened.load(b"".join(line % (number, number) for number in range(6_000)), "merge")
    ordered = "$a: Person $b: Person $c: Person $a.age < $b.age $b.age < $c.age"
    endless = f"query q() {{ match {{ {ordered} }} return {{ count($c) as n }} }}"
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        connection = server.connect()
        connection.request("POST", "/query", json.dumps({"query": endless}), server.headers())
        threading.Event().wait(0.5)
        assert "client gone" not in server.logged()
        connection.close()
        wait_for(lambda: "client gone method=POST path=/query" in server.logged())
        assert server.send("GET", "/readyz")[0] == 200
        assert server.stop() == 0


def test_many_graphs(graph: Path, tmp_path: Path) -> None:
    make_graph(tmp_path / "b.omni")
    config = write_project(tmp_path, multi=True, server_policy=True)
    more = with_tokens(OMNIGRAPH_LOG_FORMAT="json", OMNIGRAPH_METRICS="1")
    with Server(("--config", str(config)), tmp_path, more, token="k-mara") as server:
        listed = json.loads(server.send("GET", "/graphs")[1])["graphs"]
        assert [entry["graph_id"] for entry in listed] == ["alpha", "beta"]
        assert server.send("GET", "/graphs/beta/snapshot")[0] == 200
        counters = server.send("GET", "/metrics")[1].decode()
        assert 'omnigraph_requests_total{operation="getSnapshot",status="200"} 1' in counters
        assert server.stop() == 0
        records = [json.loads(line) for line in server.logged().splitlines()]
    assert {"message": "graph routed", "graph_id": "beta"}.items() <= next(
        r for r in records if "routed" in r["message"]
    ).items()
    serving = next(record for record in records if record["message"] == "serving omnigraph")
    assert (serving["mode"], serving["graph_count"], serving["config"]) == ("multi", 2, str(config))


def test_a_body_that_never_ends_is_refused_early(graph: Path, tmp_path: Path) -> None:
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        connection = server.connect()
        connection.putrequest("POST", "/query")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        chunk = b" " * 65_536
        sent = 0
        try:
            while sent < 4 << 20:
                connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                sent += len(chunk)
        except OSError:
            pass
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["code"] == "bad_request"
        connection.close()
        assert server.send("HEAD", "/snapshot") == (200, b"")


def test_what_is_no_http_gets_the_envelope_too(graph: Path, tmp_path: Path) -> None:
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        large = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 70_000 + b"\r\n\r\n"
        many = b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)) + b"\r\n"
        for request in (b"nonsense\r\n\r\n", large, many, b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.port)) as raw:
                raw.sendall(request)
                answer = http.client.HTTPResponse(raw)
                answer.begin()
                assert answer.status == 400
                assert json.loads(answer.read())["code"] == "bad_request"
        assert server.send("GET", "/healthz")[0] == 200


def test_shutdown_under_load_loses_nothing_that_was_acknowledged(graph: Path, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        enough = threading.Event()

        def write(worker: int) -> None:
            connection = server.connect()
            number = 0
            while True:
                name = f"w{worker}-{number}"
                body = json.dumps({"query": ADD, "params": {"name": name}})
                try:
                    connection.request("POST", "/mutate", body, server.headers())
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    return
                assert answer.status == 200
                acknowledged.append(name)
                number += 1
                if len(acknowledged) > 150:
                    enough.set()

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(16)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        assert server.stop() == 0
        for thread in threads:
            thread.join(30)
        assert "ERROR" not in server.logged()
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        rows = json.loads(server.send("POST", "/query", {"query": NAMES})[1])["rows"]
    stored = {row["n"] for row in rows}
    assert set(acknowledged) <= stored
    assert len(stored) - 2 - len(acknowledged) <= 16, "at most one unanswered write for each connection"


def test_two_processes_on_one_graph(graph: Path, tmp_path: Path) -> None:
    serve = (str(graph), "--unauthenticated")
    with Server(serve, tmp_path) as one, Server(serve, tmp_path) as other:
        for number in range(6):
            writer, reader = (one, other) if number % 2 else (other, one)
            name = f"n{number}"
            assert writer.send("POST", "/mutate", {"query": ADD, "params": {"name": name}})[0] == 200
            rows = json.loads(reader.send("POST", "/query", {"query": NAMES})[1])["rows"]
            assert name in {row["n"] for row in rows}


def test_a_slow_reader_of_an_export_holds_nobody_up(tmp_path: Path) -> None:
    graph = make_graph(tmp_path / "a.omni")
    with open_graph(str(graph)) as opened:
        lines = (b'{"type":"Person","data":{"name":"%b%06d"}}\n' % (b"x" * 200, number) for number in range(60_000))
        opened.load(b"".join(lines), "merge")
    with Server((str(graph), "--unauthenticated"), tmp_path) as server:
        slow = server.connect()
        slow.request("POST", "/export", "{}", server.headers())
        answer = slow.getresponse()
        first = answer.read(1000)
        assert server.send("POST", "/mutate", {"query": ADD, "params": {"name": "during"}})[0] == 200
        for _ in range(5):
            assert server.send("GET", "/healthz")[0] == 200
        rest = answer.read()
        assert (first + rest).count(b"\n") == 60_003
        assert b'"during"' not in rest, "one snapshot for the whole stream"
        slow.request("POST", "/export", "{}", server.headers())
        gone = slow.getresponse()
        gone.read(10)
        slow.close()
        assert server.send("GET", "/readyz")[0] == 200
        assert server.stop() == 0


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
