"""Times on an object store that is far away: every request is held back for a while on its way to a store on this machine.

    python -m bench.latency [--ms 30] [--runs 7]

Needs the development tools (ministack). The figures to hold, at 30 ms: a warm read 35 ms, a small commit 75, a branch 40, and
250 for opening a graph and looking one node up.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import omnigraph
from support.s3_proxy import S3Proxy
from support.s3_servers import BUCKET, ministack

SCHEMA = "node Person { name: String @key age: I32? }\nedge Knows: Person -> Person\n"
INSERT = "query put($n: String) { insert Person { name: $n } }"
LOOKUP = "query who($n: String) { match { $p: Person { name: $n } } return { $p.name, $p.age } }"
ROWS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Times of a graph on S3 with latency added to every request.")
    parser.add_argument("--ms", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with ministack() as server, S3Proxy(server.url) as proxy:
        os.environ.update(server.environment(proxy.url))
        root = f"s3://{BUCKET}/latency"
        with omnigraph.init(root, SCHEMA) as graph:
            rows = (json.dumps({"type": "Person", "data": {"name": f"p{n}", "age": n % 90}}) for n in range(ROWS))
            graph.load("\n".join(rows).encode(), "append")
        proxy.latency_s = arguments.ms / 1000

        def cold() -> None:
            from omnigraph.storage import table

            table._session = None  # what Lance remembers of files that it has read
            with omnigraph.open(root) as opened:
                assert opened.query(LOOKUP, {"n": "p77"}).rows() == [{"p.name": "p77", "p.age": 77}]

        show("open, look one node up", proxy, arguments.runs, lambda _: cold())
        with omnigraph.open(root) as graph:
            graph.mutate(INSERT, {"n": "first"})
            graph.create_branch("dev")
            show("read", proxy, arguments.runs, lambda _: graph.query(LOOKUP, {"n": "first"}))
            show("commit", proxy, arguments.runs, lambda run: graph.mutate(INSERT, {"n": f"new-{run}"}))
            show("branch", proxy, arguments.runs, lambda run: graph.create_branch(f"branch-{run}"))
            show("delete a branch", proxy, arguments.runs, lambda run: graph.delete_branch(f"branch-{run}"))

            def forward(run: int) -> None:
                graph.mutate(INSERT, {"n": f"dev-{run}"}, branch="dev")
                graph.merge("dev")

            show("commit on a branch, fast-forward", proxy, arguments.runs, forward)


def show(name: str, proxy: S3Proxy, runs: int, call: Callable[[int], object]) -> None:
    """Print the best and the median time of some runs, and the requests of the last."""
    times = []
    for run in range(runs):
        with proxy.counting() as requests:
            started_s = time.perf_counter()
            call(run)
            times.append((time.perf_counter() - started_s) * 1000)
    times.sort()
    print(f"{name:36} {times[0]:7.1f} ms   median {times[len(times) // 2]:7.1f}   {len(requests):3} requests", flush=True)


if __name__ == "__main__":
    main()
