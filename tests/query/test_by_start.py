"""What is counted once over walks from many starts is walked a block at a time, with the model's answers and in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from model.language import ModelEdge, ModelGraph
from omnigraph.errors import ResourceLimitExceeded
from omnigraph.language import compile_schema
from omnigraph.query import Limits, Profile, Settings, plan_read
from omnigraph.query.output import aggregate
from omnigraph.query.pairs import distinct_pairs, tallied_pairs
from omnigraph.storage.image import Mode
from query.harness import checked, compare, run
from query.memory_view import MemoryView
from query.stored_view import stored_view
from query.strategies import CATALOG, graphs

HOPS = (
    "$a knows $b",
    "$b knows $a",
    "$a <knows> $b",
    "$a knows{1,2} $b",
    "$a <knows>{2,3} $b",
    '$a knows{ kind: "a" } $b',
    "$a $e:knows $b",
    "$a knows $b  $b.age > 0",
    "$a knows $b  not { $b knows $v0 }",
    "$a knows $b  $b knows $v0",
    "$a knows $b  optional { $b at $place  $place.rank > 0 }",
)
KEYS = ("$v0", "$v0.key", "$v0.city", "$v0.age, $v0.city", "$v0.city, $end.city", "$v0, $end.age", "$end", "")
COUNTS = (
    "count(distinct $end) as n",
    "count(distinct $end.city) as n",
    "count(distinct $v0) as n",
    "count(distinct $v0.city) as n",
    "count(distinct $end) as n, count(*) as m",
    "count(distinct $end.age) as n, sum($end.age) as m",
    "count(distinct $v0) as n, min($end.score) as m, max($v0.age) as o",
)
ENDINGS = ("", " order { n desc } limit 3", " order { n } limit 2 offset 1")


@st.composite
def texts(draw: Any) -> str:
    hops = draw(st.lists(st.sampled_from(HOPS), min_size=1, max_size=3))
    names = [f"$v{at}" for at in range(len(hops) + 1)]
    clauses = [
        hop.replace("$a ", f"{near} ").replace("$b", far).replace(" $a", f" {near}").replace("$e:", f"$e{far[2:]}:")
        for hop, near, far in zip(hops, names, names[1:], strict=False)
    ]
    for at, clause in enumerate(clauses):
        clauses[at] = clause.replace("$place", f"$place{at}")
    condition = draw(st.sampled_from(["", "$v0.age > 0", "$v0.city is not null", '$v0.key in ["a", "b", "B"]']))
    keys, counts = draw(st.sampled_from(KEYS)), draw(st.sampled_from(COUNTS))
    distinct = draw(st.sampled_from(["", "", "", "distinct "]))
    returned = (f"{keys}, " if keys else "") + counts
    ending = draw(st.sampled_from(ENDINGS))
    text = f"match {{ $v0: Person  {condition}  {'  '.join(clauses)} }} return {distinct}{{ {returned} }}{ending}"
    return f"query q() {{ {text.replace('$end', names[-1])} }}"


@settings(max_examples=80, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(texts(), graphs(), st.sampled_from(["csr", "indexed", None]), st.sampled_from([1, 1 << 18]))
def test_blocks_answer_as_the_model(text: str, graph: ModelGraph, mode: Mode, merged_above: int) -> None:
    query = checked(CATALOG, text)
    before, aggregate._MERGED_ABOVE = aggregate._MERGED_ABOVE, merged_above
    try:
        compare(query, CATALOG, graph, MemoryView(CATALOG, graph, 1), {})
        compare(query, CATALOG, graph, stored_view(CATALOG, graph, mode), {})
    finally:
        aggregate._MERGED_ABOVE = before


@given(
    st.lists(st.tuples(st.integers(3, 9), st.integers(0, 200), st.integers(1, 5)), max_size=40), st.sampled_from([201, 10**6])
)
def test_pairs(rows: list[tuple[int, int, int]], slots: int) -> None:
    starts, nodes, weights = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    expected: dict[tuple[int, int], int] = {}
    for start, node, weight in rows:
        expected[start, node] = expected.get((start, node), 0) + weight
    found = [array.tolist() for array in distinct_pairs(starts, nodes, slots)]
    assert list(zip(*found, strict=True)) == sorted(expected)
    found = [array.tolist() for array in tallied_pairs(starts, nodes, weights, slots)]
    assert [((start, node), sum_) for start, node, sum_ in zip(*found, strict=True)] == sorted(expected.items())


# --- limits ------------------------------------------------------------------------------------------------------------

SCHEMA = compile_schema("node P { key: String @key  n: I32? }\nedge Knows: P -> P")
ROWS, DEGREE = 1_500, 10
VIEW = MemoryView(
    SCHEMA,
    ModelGraph(
        {"P": {f"p{at}": {"key": f"p{at}", "n": at % 7} for at in range(ROWS)}},
        {
            "Knows": {
                f"{at}-{to}": ModelEdge(f"p{at}", f"p{(at * 7 + to * to * 31) % ROWS}")
                for at in range(ROWS)
                for to in range(DEGREE)
            }
        },
    ),
)
LITTLE = Limits(query_memory_bytes_max=8 << 20)
PIECES = Settings(piece_rows=1 << 14)
WALK = "query q() { match { $p: P $p knows $a $a knows $b $b knows $f } return "


@pytest.mark.parametrize(
    "returned",
    [
        "{ $p, count(distinct $f) as n } order { n desc } limit 3",
        "{ $p.n, count(distinct $f) as n, count(*) as m } order { n desc } limit 3",
        "{ $f, count(distinct $p) as n } order { n desc } limit 3",
        "{ count(distinct $f) as n }",
        "distinct { $f.n }",
    ],
)
def test_a_long_walk_from_all_starts_needs_little_memory(returned: str) -> None:
    assert len(run(SCHEMA, VIEW, f"{WALK}{returned} }}", limits=LITTLE, settings=PIECES))  # all walks: 18 MB


def test_a_walk_is_ended_between_blocks() -> None:
    calls = iter(range(10**9))
    text = f"{WALK}{{ $p, count(distinct $f) as n }} }}"
    with pytest.raises(Exception, match="query cancelled"):
        run(SCHEMA, VIEW, text, cancelled=lambda: next(calls) > 12)
    with pytest.raises(ResourceLimitExceeded, match="query_timeout_s"):
        run(SCHEMA, VIEW, text, limits=Limits(query_timeout_s=0.001))
    with pytest.raises(ResourceLimitExceeded, match="query_memory_bytes_max"):
        run(SCHEMA, VIEW, text, limits=Limits(query_memory_bytes_max=100_000))


def test_the_steps_inside_a_block_are_profiled() -> None:
    profile = Profile()
    run(SCHEMA, VIEW, f"{WALK}{{ $p, count(distinct $f) as n }} }}", profile=profile)
    plan = plan_read(checked(SCHEMA, f"{WALK}{{ $p, count(distinct $f) as n }} }}"), SCHEMA)
    assert "walk from blocks of $p" in plan.explain()
    assert [(entry.depth, "-Knows->" in entry.operator) for entry in profile.operators[2:]] == [(1, True)] * 3
