"""Every limit ends a query with an error that names it; none costs memory first."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from model.language import ModelEdge, ModelGraph
from omnigraph.errors import ExecutionError, ResourceLimitExceeded
from omnigraph.language import compile_schema
from omnigraph.query import Cancelled, Limits, Profile, Settings
from query.harness import run
from query.memory_view import MemoryView

CATALOG = compile_schema("node P { key: String @key  n: I32?  text: String? }\nedge Knows: P -> P")
ROWS = 3_000
GRAPH = ModelGraph(
    {"P": {f"p{at}": {"key": f"p{at}", "n": at} for at in range(ROWS)}},
    {"Knows": {f"k{at}": ModelEdge(f"p{at}", f"p{(at * 7 + 1) % ROWS}") for at in range(ROWS)}},
)
VIEW = MemoryView(CATALOG, GRAPH)


def refused(text: str, limits: Limits, **options: Any) -> ResourceLimitExceeded:
    with pytest.raises(ResourceLimitExceeded) as error:
        run(CATALOG, VIEW, text, limits=limits, **options)
    assert error.value.message.startswith(f"resource limit exceeded for {error.value.resource}: actual ")
    return error.value


def test_rows() -> None:
    text = "query q() { match { $p: P } return { $p.key } }"
    assert refused(text, Limits(result_rows_max=10)).resource == "result_rows_max"
    assert len(run(CATALOG, VIEW, text + "", limits=Limits(result_rows_max=ROWS))) == ROWS
    limited = text.replace("return { $p.key }", "return { $p.key } limit 10")
    assert len(run(CATALOG, VIEW, limited, limits=Limits(result_rows_max=10))) == 10


def test_bytes() -> None:
    text = "query q() { match { $p: P } return { $p.key } }"
    assert refused(text, Limits(result_bytes_max=100)).resource == "result_bytes_max"


def test_hops() -> None:
    text = "query q() { match { $p: P not { $p knows{1,5} $_ } } return { $p } }"
    error = refused(text, Limits(hops_max=4))
    assert (error.resource, error.actual, error.limit) == ("hops_max", 5, 4)


def test_a_product_is_refused_before_it_is_made() -> None:
    text = "query q() { match { $a: P $b: P $c: P } return { $a.key, $b.key, $c.key } }"
    started = time.perf_counter()
    assert refused(text, Limits(query_memory_bytes_max=100 << 20)).resource == "query_memory_bytes_max"
    assert time.perf_counter() - started < 5


def test_a_product_that_passes_through_is_refused_when_hopeless() -> None:
    text = "query q() { match { $a: P $b: P $c: P } return { $a.n, sum($b.n) as s, sum($c.n) as t } }"
    assert refused(text, Limits(query_memory_bytes_max=100 << 20)).resource == "query_memory_bytes_max"


def test_a_product_that_is_only_counted_costs_nothing() -> None:
    text = "query q() { match { $a: P $b: P $c: P $d: P } return { count($a) as n } }"
    assert run(CATALOG, VIEW, text, limits=Limits(query_memory_bytes_max=10 << 20)).rows() == [{"n": ROWS**4}]


def test_rows_that_stand_for_many_are_counted_as_many() -> None:
    text = 'query q() { match { $a: P { key: "p1" } $b: P $c: P $d: P } return { $a.n } }'
    assert refused(text, Limits(query_memory_bytes_max=100 << 20)).resource == "query_memory_bytes_max"
    assert run(CATALOG, VIEW, text.replace("$a.n } }", "$a.n } limit 2 }")).rows() == [{"a.n": 1}] * 2


def test_a_product_that_is_cut_stops_early() -> None:
    text = "query q() { match { $a: P $b: P $a.n < $b.n } return { $a.n, $b.n } limit 7 }"
    assert len(run(CATALOG, VIEW, text, limits=Limits(query_memory_bytes_max=100 << 20))) == 7


def test_time_and_cancellation() -> None:
    text = "query q() { match { $a: P $b: P $c: P $a.n < $b.n $b.n < $c.n } return { $a.n, count($b) as n, max($c.n) as m } }"
    started = time.perf_counter()
    assert refused(text, Limits(query_timeout_s=0.3)).resource == "query_timeout_s"
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    with pytest.raises(Cancelled):
        run(CATALOG, VIEW, text, cancelled=cancelled)
    assert time.perf_counter() - started < 5


def test_a_profile_says_what_each_operator_did() -> None:
    reads = {"objects": 0}

    def counters() -> dict[str, int]:
        reads["objects"] += 2
        return dict(reads)

    profile = Profile(counters)
    text = "query q() { match { $p: P $p knows $f not { $f knows $p } } return { $f.key } limit 5 }"
    assert len(run(CATALOG, VIEW, text, profile=profile)) == 5
    assert profile.rows == 5
    assert profile.storage == {"objects": 2}
    assert [entry.operator.split()[0] for entry in profile.operators] == ["scan", "expand", "drop", "join"]
    assert profile.operators[1].rows == ROWS
    assert "expand $p -Knows-> $f" in str(profile)


def test_search_is_refused_by_name() -> None:
    for clause, name in (('search($p.text, "x")', "search"), ('fuzzy($p.text, "x") = true', "fuzzy")):
        with pytest.raises(ExecutionError, match=rf"{name}.* later release"):
            run(CATALOG, VIEW, f"query q() {{ match {{ $p: P {clause} }} return {{ $p }} }}")
    with pytest.raises(ExecutionError, match=r"bm25.* later release"):
        run(CATALOG, VIEW, 'query q() { match { $p: P } return { $p } order { bm25($p.text, "x") } }')
    with pytest.raises(ExecutionError, match="unsupported projection expression: bm25"):
        run(CATALOG, VIEW, 'query q() { match { $p: P } return { bm25($p.text, "x") } }')


def test_arrays_of_the_snapshot_are_left_alone() -> None:
    values, _ = VIEW.nodes("P").column("n").numbers()
    before = values.copy()
    run(CATALOG, VIEW, "query q() { match { $p: P } return { $p.n, sum($p.n) as s } order { $p.n desc } limit 3 }")
    run(CATALOG, VIEW, "query q() { match { $p: P $p.n > 5 } return { $p.n } order { $p.n desc } limit 3 }")
    assert np.array_equal(values, before)


def test_large_frontiers_ask_for_the_adjacency_in_memory() -> None:
    edges = VIEW.edges("Knows")
    hop = "query q() { match { $p: P MATCH $p knows $f } return { $f } }"
    for match, settings, expected in (
        ('$p.key = "p1"', Settings(), {None}),
        ("", Settings(), {False}),
        ("", Settings(indexed_frontier_max=ROWS), {None}),
        ('$p.key = "p1"', Settings(traversal_mode="csr"), {False}),
        ("", Settings(traversal_mode="indexed"), {True}),
    ):
        edges.asked.clear()
        run(CATALOG, VIEW, hop.replace("MATCH", match), settings=settings)
        assert set(edges.asked) == expected
    edges.asked.clear()
    far = 'query q() { match { $p: P { key: "p1" } $p knows{1,7} $f } return { $f } }'
    run(CATALOG, VIEW, far)
    assert set(edges.asked) == {False}
