"""Measures `optimize`, `repair` and `cleanup`, and reads beside them: `python -m bench.maintenance --size M`. See README.md."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable
from itertools import cycle

import omnigraph
from bench.engines.omnigraph import POINT
from bench.generator import BUILD, SIZES
from bench.run import _prepare

UPDATES = 8
BRANCHES = 10_000


def main() -> None:
    """Print one row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), default="S")
    arguments = parser.parse_args()
    work = _prepare(SIZES[arguments.size])
    keys = [case.args[0] for case in work.cases["point"]]
    root = BUILD / "databases" / f"maintenance-{arguments.size}"
    shutil.rmtree(root, ignore_errors=True)
    with omnigraph.init(str(root), (BUILD / arguments.size / "schema.pg").read_text()) as graph:
        graph.load(BUILD / arguments.size / "load.jsonl", mode="overwrite")
        for age in range(20, 20 + UPDATES):
            graph.mutate("query q($a: I32) { update Person set { age: 99 } where age = $a }", {"a": age})
        before_mb = peak_mb()
        seconds, worst_ms, usual_ms = beside_reads(graph, keys, lambda: graph.optimize())
        row("optimize", f"{seconds:.2f} s")
        row("optimize, growth of the peak of memory", f"{peak_mb() - before_mb:.0f} MB")
        row("point reads beside it, longest (median)", f"{worst_ms:.1f} ms ({usual_ms:.3f} ms)")
        row("optimize again", f"{timed(lambda: graph.optimize()):.3f} s")
        row("repair", f"{timed(lambda: graph.repair()):.2f} s")
        row("cleanup --keep 1", f"{timed(lambda: graph.cleanup(keep=1, confirm=True)):.2f} s")
        alone = least(lambda: graph.mutate('query q() { update Person set { age: 1 } where key = "nobody" }'))
        for number in range(BRANCHES):
            graph.create_branch(f"b{number:05}")
        beside = least(lambda: graph.mutate('query q() { update Person set { age: 1 } where key = "nobody" }'))
        row(f"a write that matches nothing: alone, beside {BRANCHES:,} branches", f"{alone:.3f} ms, {beside:.3f} ms")
        row(f"cleanup with {BRANCHES:,} branches", f"{timed(lambda: graph.cleanup(keep=1, confirm=True)):.2f} s")
    shutil.rmtree(root, ignore_errors=True)


def beside_reads(graph: omnigraph.Graph, keys: list[str], work: Callable[[], object]) -> tuple[float, float, float]:
    """Run something beside point reads; return its seconds, and the longest and the median read in ms."""
    done = threading.Event()
    times_ms: list[float] = []
    for key in keys:
        graph.query(POINT, {"key": key})

    def read() -> None:
        for key in cycle(keys):
            if done.is_set():
                return
            started_s = time.perf_counter()
            graph.query(POINT, {"key": key})
            times_ms.append((time.perf_counter() - started_s) * 1e3)
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    seconds = timed(work)
    done.set()
    reader.join()
    return seconds, max(times_ms), sorted(times_ms)[len(times_ms) // 2]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def least(work: Callable[[], object]) -> float:
    """Return the least of several times, in ms."""
    return min(timed(work) for _ in range(50)) * 1e3


def peak_mb() -> float:
    """Return the greatest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(name: str, text: str) -> None:
    """Print one row of a table."""
    print(f"| {name} | {text} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMNIGRAPH_SUPPRESS_YAML_DEPRECATION", "1")
    main()
