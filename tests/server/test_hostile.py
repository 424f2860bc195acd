"""Clients that mean no good, or have bad luck: garbage, bodies that are cut, heads that never end, readers that do not read."""

from __future__ import annotations

import contextlib
import hmac
import http.client
import json
import random
import re
import resource
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnigraph.graph.graph import open_graph
from omnigraph.server import tokens
from server.process import Server
from server.worlds import make_graph, with_tokens, write_project

IMPATIENT = """
from omnigraph.server import listening, protocol
protocol.HEAD_S, protocol.WINDOW_S, listening.WATCH_S = 0.6, 1.0, 0.1
"""
NAMES = "query names() { match { $p: Person } return { $p.name as n } }"
PATHS = [
    "/query",
    "/mutate",
    "/load",
    "/queries/people",
    "/branches",
    "/branches/x",
    "/commits",
    "/snapshot",
    "/export",
    "/blob",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, roots: str) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    make_graph(folder / "a.omni")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def server(world: Path) -> Iterator[Server]:
    """A server with tokens and a policy; every test must leave it well, and its log without an error."""
    with Server((), world, with_tokens(OMNIGRAPH_FSYNC="0", OMNIGRAPH_LOG="warn"), token="k-mara") as running:
        yield running
        assert running.send("GET", "/readyz")[0] == 200
        assert running.stop() == 0
        log = running.logged()
        assert " ERROR " not in log
        assert "Traceback" not in log
        assert "k-mara" not in log


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Server]:
    with open_graph(str(make_graph(tmp_path / "a.omni"))) as graph:
        rows = (b'{"type":"Person","data":{"name":"%b%06d"}}\n' % (b"x" * 200, number) for number in range(40_000))
        graph.load(b"".join(rows), "merge")
    with Server((str(tmp_path / "a.omni"), "--unauthenticated"), tmp_path, settings=IMPATIENT) as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def answer(raw: socket.socket) -> tuple[int, bytes]:
    """Read what the server says; status 0 for a connection that it just closes."""
    found = http.client.HTTPResponse(raw)
    try:
        found.begin()
        return found.status, found.read()
    except (http.client.HTTPException, OSError):
        return 0, b""


def people(server: Server) -> int:
    return len(json.loads(server.send("POST", "/query", {"query": NAMES})[1])["rows"])


def test_garbage(server: Server) -> None:
    """No answer is a failure of the server, whatever bytes come."""
    luck = random.Random(7)
    body = json.dumps({"query": NAMES, "data": "", "name": "x", "source": "x"}).encode()
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k-mara\r\nContent-Type: application/json\r\n"
    before, answered = people(server), 0
    for number in range(200):
        path = luck.choice(PATHS).encode()
        request = bytearray(head % path + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        kind = number % 5
        if kind == 0:  # bytes replaced
            for _ in range(luck.randint(1, 8)):
                request[luck.randrange(len(request))] = luck.randrange(256)
        elif kind == 1:  # a path of odd bytes and escapes
            odd = bytes(luck.choice(b"/%.?&=;:@ac019\xc3\xff\x00 +") for _ in range(luck.randint(1, 40)))
            request = bytearray(head % (path + odd) + b"Content-Length: 0\r\n\r\n")
        elif kind == 2:  # odd headers
            name = luck.choice(
                [b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Accept", b"Range", b"If-None-Match"]
            )
            value = bytes(luck.randrange(32, 256) for _ in range(luck.randint(0, 30)))
            request = bytearray(head % path + name + b": " + value + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif kind == 3:  # a body that is no JSON, or JSON that is odd
            odd = luck.choice(
                [b"[" * 20_000, b'{"query":' * 500, b"\xff\xfe", b'"\\ud800"', b'{"query": 1e999999}', b"nul", b"{}" * 9]
            )
            request = bytearray(head % path + b"Content-Length: %d\r\n\r\n" % len(odd) + odd)
        else:  # noise
            request = bytearray(luck.randbytes(luck.randint(1, 300)) + b"\r\n\r\n")
        with connect(server) as raw:
            raw.settimeout(0.3)  # where the server waits for more, it says nothing
            with contextlib.suppress(OSError):
                raw.sendall(request)
            status, told = answer(raw)
        answered += status != 0
        assert status < 500, (bytes(request), told)
        if status >= 400:
            assert set(json.loads(told)) >= {"error"}, (bytes(request), told)
    assert answered > 100
    assert people(server) == before


def test_bodies_that_are_cut_write_nothing(server: Server) -> None:
    before = people(server)
    body = json.dumps({"query": 'query q() { insert Person { name: "Cut" } }'}).encode()
    head = b"POST /mutate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k-mara\r\nContent-Type: application/json\r\n"
    whole = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    sized = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    cuts = [(whole, end) for end in range(len(whole) - 1, len(head), -37)] + [(sized, len(sized) - 1), (sized, len(head) + 30)]
    for request, end in cuts:
        with connect(server) as raw:
            raw.sendall(request[:end])
    for odd in (b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabcdefgh\r\n"):
        with connect(server) as raw:
            raw.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + odd)
            assert answer(raw)[0] == 400
    assert people(server) == before
    with connect(server) as raw:
        raw.sendall(whole)
        assert answer(raw)[0] == 200
    assert people(server) == before + 1


def test_two_lengths_are_refused(server: Server) -> None:
    """What two servers would read differently is read by none."""
    for pair in (b"Content-Length: 3\r\nContent-Length: 4", b"Content-Length: 3\r\nTransfer-Encoding: chunked"):
        with connect(server) as raw:
            raw.sendall(b"POST /query HTTP/1.1\r\nHost: x\r\n" + pair + b"\r\n\r\nabcd")
            assert answer(raw)[0] == 400


def test_what_is_no_http_has_an_id_too(server: Server) -> None:
    with connect(server) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        told = b"".join(iter(lambda: raw.recv(4096), b""))
    found = re.search(rb"x-request-id: ([0-9a-f]{16})\r\n", told)
    assert told.startswith(b"HTTP/1.1 400 ") and found is not None, told
    assert f"request_id={found[1].decode()}" in server.logged()


def test_heads_and_bodies_that_do_not_come(impatient: Server) -> None:
    with connect(impatient) as silent, connect(impatient) as dripping, connect(impatient) as stuck:
        dripping.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        stuck.sendall(b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for letter in b"X-Slow: " + b"y" * 40:
                dripping.sendall(bytes([letter]))
                time.sleep(0.05)
        assert impatient.send("GET", "/healthz")[0] == 200, "others are served meanwhile"
        for raw, expected in ((dripping, (0, 408)), (stuck, (408,)), (silent, (0,))):
            status, told = answer(raw)
            assert status in expected
            if status:
                assert json.loads(told)["code"] == "bad_request"
        assert time.monotonic() - began < 15
    kept = impatient.connect()
    for _ in range(3):  # a client that thinks between requests is not in the middle of one
        kept.request("GET", "/healthz")
        assert kept.getresponse().read()
        time.sleep(0.8)
    kept.close()


def test_readers_that_do_not_read(impatient: Server) -> None:
    """Neither a stream nor a whole answer is kept for ever for somebody who does not take it."""
    requests = []
    for path, body in (("/export", {}), ("/query", {"query": NAMES})):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", impatient.port))
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        raw.sendall(head.encode() + data)
        requests.append(raw)
    until = time.monotonic() + 20
    while impatient.logged().count("the client does not read its answer") < 2:
        assert time.monotonic() < until
        assert impatient.send("GET", "/healthz")[0] == 200
        time.sleep(0.2)
    for raw in requests:
        with contextlib.suppress(OSError):
            while raw.recv(65_536):
                pass
        raw.close()
    assert impatient.send("POST", "/query", {"query": NAMES})[0] == 200
    assert impatient.stop() == 0


def half_open(server: Server, count: int) -> list[socket.socket]:
    found = []
    for number in range(count):
        raw = connect(server)
        if number % 2:
            raw.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\n")
        found.append(raw)
    return found


def memory_bytes(server: Server) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_half_open_connections_hold_nobody_up(server: Server, count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    before = memory_bytes(server) if Path("/proc").exists() else 0
    waiting = half_open(server, count)
    try:
        assert server.send("GET", "/healthz")[0] == 200
        assert people(server) > 0
        if before:
            assert memory_bytes(server) - before < 10 << 20 or memory_bytes(server) - before < count * 20_000
    finally:
        for raw in waiting:
            raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.send("GET", "/healthz")[0] == 200


def test_more_connections_than_files(world: Path) -> None:
    """Those that are idle make room for those that want something."""
    with Server((str(world / "a.omni"), "--unauthenticated"), world, files_max=400) as server:
        busy = server.connect()
        busy.request("GET", "/healthz")
        busy.getresponse().read()
        waiting = half_open(server, 300)
        for _ in range(3):
            assert server.send("GET", "/healthz")[0] == 200
            assert people(server) > 0
        closed = select.select(waiting, [], [], 5)[0]
        assert closed
        assert "too many connections" in server.logged()
        for raw in waiting:
            raw.close()
        assert server.stop() == 0


def test_every_token_is_compared_whatever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    table = tokens.TokenTable.of([(f"actor-{number}", f"token-{number}") for number in range(9)])
    compared: list[int] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return compare(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", counted)
    for presented in (b"token-0", b"token-8", b"token-", b"", b"x" * 100_000):
        compared.clear()
        table.actor_of(presented)
        assert compared == [32] * 9
