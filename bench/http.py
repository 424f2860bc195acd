"""Measures `omnigraph-server` over loopback: `python -m bench.http --size S`. See README.md.

The server runs on one core and this driver, which keeps its sockets in one loop without any framework, on the other. Every
answer is looked at: a status other than 200 ends the run.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

import omnigraph
from bench.engines.omnigraph import COLUMNS, INSERT, POINT
from bench.generator import BUILD, SIZES
from bench.run import _prepare

CLIENTS = 32
IDLE = 1_000
_HEAD_END = b"\r\n\r\n"


@dataclass
class Server:
    """A server process on the first core."""

    root: Path
    group_commit: bool = True
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Server:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OMNIGRAPH_")}
        environment |= {
            "OMNIGRAPH_GROUP_COMMIT": str(int(self.group_commit)),
            "OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "100",  # without tokens all are one actor
            "OMNIGRAPH_SUPPRESS_YAML_DEPRECATION": "1",
        }
        command = [sys.executable, "-m", "omnigraph.server", str(self.root), "--bind", "127.0.0.1:0", "--unauthenticated"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(self.process.pid, {min(os.sched_getaffinity(0))})
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().decode().rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def memory_mb(self, what: str = "VmRSS") -> float:
        """Return the memory of the process; ``VmHWM`` is the most it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024


def post(path: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data


HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
_addresses = count()


def reads(keys: list[str]) -> Iterator[bytes]:
    requests = [post("/query", {"query": POINT, "params": {"key": key}}) for key in keys]
    while True:
        yield from requests


def inserts() -> Iterator[bytes]:
    while True:
        values = (f"http-{time.time_ns():x}-{next(_addresses)}", "Ida", 33, "Oslo", 1.5, "2024-05-06")
        yield post("/mutate", {"query": INSERT, "params": dict(zip(COLUMNS, values, strict=True))})


@dataclass
class Load:
    """Clients that send the next request as soon as the last one is answered. ``times`` are seconds."""

    requests: Iterator[bytes]
    clients: int
    times: list[float] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)] * 1e3

    @property
    def median_ms(self) -> float:
        return median(self.times) * 1e3


def drive(server: Server, seconds: float, *loads: Load) -> None:
    """Run closed loops side by side for a while."""
    selector = selectors.DefaultSelector()
    clock = time.perf_counter
    for load in loads:
        for _ in range(load.clients):
            connection = server.connect()
            selector.register(connection, selectors.EVENT_READ, [load, b"", clock()])
            connection.sendall(next(load.requests))
    end = clock() + seconds
    while (now := clock()) < end:
        for key, _ in selector.select(0.1):
            state, connection = key.data, key.fileobj
            assert isinstance(connection, socket.socket)
            chunk = connection.recv(65_536)
            data = state[1] + chunk
            if not chunk or not _complete(data):
                assert chunk, "the server closed a connection"
                state[1] = data
                continue
            if not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(data[:500].decode())
            now = clock()
            state[0].times.append(now - state[2])
            state[1], state[2] = b"", now
            connection.sendall(next(state[0].requests))
    for key in list(selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()


def _complete(data: bytes) -> bool:
    head = data.find(_HEAD_END)
    if head < 0:
        return False
    at = data.find(b"content-length: ") + 16
    return len(data) >= head + 4 + int(data[at : data.find(b"\r", at)])


def rate(server: Server, requests: Iterator[bytes], seconds: float, clients: int = CLIENTS) -> tuple[float, Load]:
    """Return requests per second, after a warm-up."""
    drive(server, 0.5, Load(requests, clients))
    load = Load(requests, clients)
    drive(server, seconds, load)
    return len(load.times) / seconds, load


def export(server: Server) -> tuple[float, float]:
    """Stream an export; returns MB/s and what the memory of the server grew by at its peak."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # resets the peak
    before = server.memory_mb()
    connection = server.connect()
    started = time.perf_counter()
    connection.sendall(post("/export", {}))
    size = 0
    tail = b""
    while not tail.endswith(b"0\r\n\r\n"):
        chunk = connection.recv(1 << 20)
        assert chunk, "the export was cut off"
        size += len(chunk)
        tail = (tail + chunk)[-16:]
    elapsed_s = time.perf_counter() - started
    return size / 1e6 / elapsed_s, server.memory_mb("VmHWM") - before


def idle(server: Server) -> float:
    """Return the MB that connections which asked once and stay take."""
    before = server.memory_mb()
    connections = [server.connect() for _ in range(IDLE)]
    for connection in connections:
        connection.sendall(HEALTH)
    for connection in connections:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    after = server.memory_mb()
    for connection in connections:
        connection.close()
    return after - before


def embedded(root: Path, keys: list[str]) -> float:
    """Return the median of the same lookups in this process, in ms."""
    times = []
    with omnigraph.open(str(root)) as graph:
        for key in keys * 3:
            start = time.perf_counter()
            graph.query(POINT, {"key": key}).rows()
            times.append(time.perf_counter() - start)
    return median(times[len(keys) :]) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.http", description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), default="S")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="echo, reads, commits, mixed, export, idle, latency")
    arguments = parser.parse_args()
    work = _prepare(SIZES[arguments.size])
    keys = [case.args[0] for case in work.cases["point"]]
    loaded = BUILD / "databases" / f"http-{arguments.size}"
    if not loaded.exists():
        with omnigraph.init(str(loaded), (BUILD / arguments.size / "schema.pg").read_text()) as graph:
            graph.load(BUILD / arguments.size / "load.jsonl", mode="overwrite")
    if len(os.sched_getaffinity(0)) > 1:
        cores = sorted(os.sched_getaffinity(0))
    root = BUILD / "databases" / "http-run"
    wanted = set(arguments.only or ("echo", "reads", "commits", "mixed", "export", "idle", "latency"))

    def row(name: str, text: str) -> None:
        print(f"| {name} | {text} |", flush=True)

    def on(group_commit: bool, work: Callable[[Server], None]) -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(loaded, root)
        with Server(root, group_commit) as server:
            os.sched_setaffinity(0, set(cores[1:]) or set(cores))
            try:
                work(server)
            finally:
                os.sched_setaffinity(0, set(cores))

    print(f"Size {arguments.size}, {CLIENTS} clients, load {os.getloadavg()[0]:.1f}\n\n| what | measured |\n|---|---|")
    single = 0.0

    def one_by_one(server: Server) -> None:
        nonlocal single
        single, load = rate(server, inserts(), arguments.seconds)
        row("durable commits/s, one record each", f"{single:,.0f} (median {load.median_ms:.2f} ms, p99 {load.p99_ms:.2f})")

    def rest(server: Server) -> None:
        if "echo" in wanted or "reads" in wanted:
            echo, _ = rate(server, iter(lambda: HEALTH, b""), arguments.seconds)
            row("echo: /healthz per s", f"{echo:,.0f}")
            found, load = rate(server, reads(keys), arguments.seconds)
            row("point reads/s", f"{found:,.0f} ({found / echo:.2f} of the echo; p99 {load.p99_ms:.2f} ms)")
        if "latency" in wanted:
            _, load = rate(server, reads(keys), arguments.seconds / 2, clients=1)
            inside = embedded(root, keys)
            row("median read, ms", f"{load.median_ms:.3f} over HTTP, {inside:.3f} embedded")
        if "idle" in wanted:
            row(f"{IDLE:,} idle connections, MB", f"{idle(server):.1f}")
        if "export" in wanted:
            _, columns = export(server)  # brings the columns into memory
            speed, memory = export(server)
            row("export, MB/s", f"{speed:.0f} (memory + {memory:.0f} MB; the first one + {columns:.0f})")
        if "commits" in wanted:
            grouped, load = rate(server, inserts(), arguments.seconds)
            times = f", {grouped / single:.1f} times" if single else ""
            row("durable commits/s", f"{grouped:,.0f}{times} (median {load.median_ms:.2f} ms, p99 {load.p99_ms:.2f})")
        if "mixed" in wanted:
            drive(server, 0.5, Load(reads(keys), 4))
            quiet = Load(reads(keys), 4)
            drive(server, arguments.seconds, quiet)
            during, writing = Load(reads(keys), 4), Load(inserts(), CLIENTS)
            drive(server, arguments.seconds, during, writing)
            commits = len(writing.times) / arguments.seconds
            row(
                "p99 of reads, ms (4 clients)",
                f"{quiet.p99_ms:.2f} quiet, {during.p99_ms:.2f} (median {during.median_ms:.2f}) beside {commits:,.0f} "
                f"commits/s: {during.p99_ms / quiet.p99_ms:.1f} times",
            )

    if "commits" in wanted:
        on(False, one_by_one)
    on(True, rest)
    shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
