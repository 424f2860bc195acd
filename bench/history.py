"""Branches, merges and history: what they cost, and that the size of the graph and the length of its history do not matter.

    python -m bench.history                      # 1,000 and 100,000 persons
    python -m bench.history --persons 1000 100000 1000000 --commits 100000 --branches 10000

Run it from the checkout, with nothing else running. Every graph is made anew in a temporary folder. Exit status 1 when an
answer is wrong; a missed budget is shown and no failure.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import omnigraph
from omnigraph.graph.graph import Graph

SCHEMA = """
node Person { key: String @key name: String age: I32 score: F64 }
edge Knows: Person -> Person
"""
BUDGETS_MS = {
    "create a branch": 0.2,
    "merge one row": 2.0,
    "merge 1,000 rows": 60.0,
    "diff of 1,000 rows": 30.0,
    "list the last 50": 20.0,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Times branches, merges and history.")
    parser.add_argument("--persons", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--commits", type=int, default=10_000, help="length of the history that is listed")
    parser.add_argument("--branches", type=int, default=2_000, help="branches beside which a commit and an open are timed")
    asked = parser.parse_args()
    for persons in asked.persons:
        with graph_of(persons) as graph:
            print(f"{persons:,} persons")
            forks(graph)
            merges(graph, persons)
            diffs(graph)
    with graph_of(1_000) as graph:
        many_branches(graph, asked.branches)
    with graph_of(1_000) as graph:
        long_history(graph, asked.commits)
    return 0


@contextmanager
def graph_of(persons: int) -> Iterator[Graph]:
    with tempfile.TemporaryDirectory() as folder:
        with omnigraph.init(str(Path(folder) / "g.omni"), SCHEMA) as graph:
            graph.load(
                (
                    {"type": "Person", "data": {"key": f"p{n:07}", "name": f"Person {n}", "age": n % 90, "score": n / 7}}
                    for n in range(persons)
                ),
                "append",
            )
            gc.collect()
            gc.freeze()
            yield graph
        gc.unfreeze()


def told(name: str, times_ms: list[float], note: str = "") -> None:
    median = statistics.median(times_ms)
    budget = BUDGETS_MS.get(name)
    verdict = (
        "" if budget is None else f"  budget {budget:g}: {'met' if median <= budget else f'missed, {median / budget:.1f}x'}"
    )
    print(
        f"  {name:<34} {median:9.3f} ms  (min {min(times_ms):.3f}, max {max(times_ms):.3f}, n {len(times_ms)}){verdict}{note}"
    )


def timed(run: Callable[[int], object], times: int) -> list[float]:
    found = []
    for n in range(times):
        began = time.perf_counter()
        run(n)
        found.append((time.perf_counter() - began) * 1000)
    return found


def forks(graph: Graph) -> None:
    told("create a branch", timed(lambda n: graph.create_branch(f"fork{n}"), 200))
    told("delete a branch", timed(lambda n: graph.delete_branch(f"fork{n}"), 20))
    for n in range(20, 200):
        graph.delete_branch(f"fork{n}")

    def fast_forward(n: int) -> None:
        assert graph.merge(f"ff{n}").outcome == "fast_forward"

    found = []
    for n in range(20):
        graph.create_branch(f"ff{n}")
        graph.load([person(f"ff{n}", n)], "append", branch=f"ff{n}")
        found += timed(lambda _, n=n: fast_forward(n), 1)  # type: ignore[misc]
        graph.delete_branch(f"ff{n}")
    told("fast-forward", found)


def person(key: str, age: int) -> dict[str, object]:
    return {"type": "Person", "data": {"key": key, "name": "Someone", "age": age, "score": 1.0}}


def merges(graph: Graph, persons: int) -> None:
    for rows, times in ((1, 40), (1_000, 8)):
        found = []
        for n in range(times):
            graph.create_branch("side")
            graph.load([person(f"p{k:07}", n % 90) for k in range(min(rows, persons // 2))], "merge", branch="side")
            graph.load([person(f"p{persons - 1 - k:07}", n % 90) for k in range(min(rows, persons // 2))], "merge")

            def run(_: int) -> None:
                assert graph.merge("side").outcome == "merged"

            found += timed(run, 1)
            graph.delete_branch("side")
        told("merge one row" if rows == 1 else "merge 1,000 rows", found)


def diffs(graph: Graph) -> None:
    graph.create_branch("changed")
    graph.load(
        [person(f"p{k:07}", 7) for k in range(500)] + [person(f"new{k}", 7) for k in range(500)], "merge", branch="changed"
    )
    told("diff of 1,000 rows", timed(lambda _: graph.diff("main", "changed"), 8))
    graph.delete_branch("changed")


def many_branches(graph: Graph, branches: int) -> None:
    def commit(n: int) -> None:
        graph.load([person("one", n % 90)], "merge")

    def open_(_: int) -> None:
        with omnigraph.open(graph.uri) as again:
            again.commits()

    before, opened = timed(commit, 200), timed(open_, 10)
    for n in range(branches):
        graph.create_branch(f"b{n}")
    print(f"beside {branches:,} branches")
    told("commit, before", before)
    told("commit, after", timed(commit, 200))
    told("open, before", opened)
    told("open, after", timed(open_, 10))


def long_history(graph: Graph, commits: int) -> None:
    os.environ["OMNIGRAPH_FSYNC"] = "0"
    with omnigraph.open(graph.uri) as quick:
        for n in range(commits):
            quick.load([person("one", n % 90)], "merge")
    del os.environ["OMNIGRAPH_FSYNC"]
    print(f"{commits:,} commits")

    def last(_: int) -> None:
        assert len(graph.commits(limit=50, order="newest")) == 50

    def cold(_: int) -> None:
        with omnigraph.open(graph.uri) as again:
            assert len(again.commits(limit=50, order="newest")) == 50

    told("list the last 50", timed(last, 10))
    told("open and list the last 50", timed(cold, 5))


if __name__ == "__main__":
    sys.exit(main())
