"""Walks from one key answer without frames what the operators answer with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from model.language import ModelEdge, ModelGraph
from omnigraph.errors import ResourceLimitExceeded
from omnigraph.query import Limits, Profile, Settings, execute, plan_read
from omnigraph.storage.image import Mode
from query.harness import NOW_MS, TINY, checked, compare, rows_of, run
from query.memory_view import MemoryView
from query.stored_view import stored_view
from query.strategies import CATALOG, graphs

HOPS = (
    "$a knows $b",
    "$b knows $a",
    "$a <knows> $b",
    "$a knows{1,3} $b",
    "$a knows{2,3} $b",
    '$a knows{ kind: "a" } $b',
    '$a knows{1,2}{ kind: "a" } $b',
)
ENDINGS = (
    "{ $b }",
    "{ $b.key, $b.age, $b.tags }",
    "{ $b.key, $b } limit 2",
    "distinct { $b.key, $b.born }",
    "distinct { $b }",
    "distinct { $b.city }",
    "{ count(*) as n }",
    "{ count($b) as n, count(distinct $b) as m }",
    "{ count(distinct $b) as n }",
    "{ count(distinct $b.city) as n }",
    "{ $b, count($a) as n }",
    "{ $b, count(*) as n } order { n desc, $b } limit 2",
    "{ $b.photo }",
    "{ count(*) as n } limit 0",
)
SHORT = Settings(traversal_mode="csr")


@st.composite
def texts(draw: Any) -> str:
    """Draw one to three hops in a row from one key, and what becomes of the nodes at the end."""
    hops = draw(st.lists(st.sampled_from(HOPS), min_size=1, max_size=3))
    names = [f"v{at}" for at in range(len(hops) + 1)]
    clauses = [
        hop.replace("$a", "$A").replace("$b", "$B").replace("$A", f"${near}").replace("$B", f"${far}")
        for hop, near, far in zip(hops, names, names[1:], strict=False)
    ]
    ending = draw(st.sampled_from([ending for ending in ENDINGS if "photo" not in ending]))
    ending = ending.replace("$a", f"${names[0]}").replace("$b", f"${names[-1]}")
    key = draw(st.sampled_from(["", "a", "b", "nobody"]))
    return f'query q() {{ match {{ $v0: Person {{ key: "{key}" }} {"  ".join(clauses)} }} return {ending} }}'


@settings(max_examples=150, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(texts(), graphs(), st.sampled_from(["csr", "indexed", None]))
def test_both_ways_agree_with_the_model(text: str, graph: ModelGraph, mode: Mode) -> None:
    query = checked(CATALOG, text)
    plan = plan_read(query, CATALOG)
    for view in (MemoryView(CATALOG, graph, 1), stored_view(CATALOG, graph, mode)):
        compare(query, CATALOG, graph, view, {})
        short = execute(plan, view, {}, now_ms=NOW_MS, settings=SHORT)
        long = execute(plan, view, {}, now_ms=NOW_MS, settings=SHORT, profile=Profile())
        if query.limit is None or query.order:
            assert sorted(rows_of(short), key=repr) == sorted(rows_of(long), key=repr)
        assert short.columns == long.columns
        assert short.to_arrow().schema == long.to_arrow().schema


@pytest.mark.parametrize(
    ("match", "ending", "hops", "ended"),
    [
        ("$p knows $f", "{ $f.key }", 1, True),
        ("$p knows $m  $m knows $f", "{ count(distinct $f) as n }", 2, True),
        ("$p knows $m  $m knows $f", "{ count(*) as n }", 1, True),
        ("$p knows{1,3} $f", "distinct { $f }", 1, True),
        ("$p knows $m  $m knows{1,3} $f", "{ $f }", 1, False),
        ("$p knows $f  $f.age > 3", "{ $f.key }", 1, False),
        ("$p knows $f", "{ $f.key } order { $f.age }", None, False),
        ("$p knows $f", "{ $f.key } limit 3 ", 1, True),
        ("$p knows $f", "{ sum($f.age) as n }", 1, False),
        ("$p knows $f", "{ $p.city, $f.key }", None, False),
        ("$p knows $f  $p wrote $n", "{ $f.key }", None, False),
    ],
)
def test_what_a_shortcut_takes_on(match: str, ending: str, hops: int | None, ended: bool) -> None:
    text = f'query q() {{ match {{ $p: Person {{ key: "a" }} {match} }} return {ending} }}'
    shortcut = plan_read(checked(CATALOG, text), CATALOG).shortcut
    if hops is None:
        assert shortcut is None
    else:
        assert shortcut is not None
        assert len(shortcut.hops) == hops
        assert (shortcut.ending is not None) is ended


def test_a_large_frontier_goes_on_with_the_operators_and_limits_hold() -> None:
    people = {f"p{at}": {"key": f"p{at}", "age": at} for at in range(60)}
    edges = {f"k{a}-{b}": ModelEdge(f"p{a}", f"p{b}") for a in range(60) for b in range(60) if (a + b) % 3}
    view = MemoryView(CATALOG, ModelGraph({"Person": people}, {"Knows": edges}))
    text = 'query q() { match { $a: Person { key: "p1" } $a knows $b $b knows $c $c knows $d } return RETURN }'
    for ending in ("{ count(distinct $d) as n }", "{ count(*) as n }", "{ $d, count($c) as n }"):
        found = [
            sorted(rows_of(run(CATALOG, view, text.replace("RETURN", ending), settings=Settings(measured_rows=most))))
            for most in (0, 10, 50, 5_000)
        ]
        assert found[0] == found[1] == found[2] == found[3]
    with pytest.raises(ResourceLimitExceeded):
        run(CATALOG, view, text.replace("RETURN", "distinct { $d }"), limits=Limits(result_rows_max=10))


class Watched:
    """An adjacency that notes for which nodes edges were asked."""

    def __init__(self, inner: Any, asked: set[int]) -> None:
        self._inner = inner
        self._asked = asked
        self.has_parallel = inner.has_parallel

    def restricted(self, edge_ordinals: Any) -> Watched:
        return Watched(self._inner.restricted(edge_ordinals), self._asked)

    def neighbours(self, ordinal: int, reverse: bool) -> Any:
        self._asked.add(ordinal)
        return self._inner.neighbours(ordinal, reverse)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def noted(ordinals: Any, reverse: bool) -> Any:
            self._asked.update(ordinals.tolist())
            return method(ordinals, reverse)

        return noted


@pytest.mark.parametrize("profiled", [False, True])
@pytest.mark.parametrize("settings", [Settings(), TINY])
def test_a_condition_on_edges_holds_a_walk_back_while_it_walks(settings: Settings, profiled: bool) -> None:
    """Behind an edge of another kind stands a hub with hundreds of people behind it: nobody may look at them."""
    people = {f"p{at}": {"key": f"p{at}"} for at in range(300)}
    edges = {"k1": ModelEdge("p0", "p1", {"kind": "a"}), "k2": ModelEdge("p1", "p2", {"kind": "a"})}
    edges["hub"] = ModelEdge("p0", "p9", {"kind": "b"})
    edges |= {f"h{at}": ModelEdge("p9", f"p{at}", {"kind": "a"}) for at in range(10, 300)}
    view = MemoryView(CATALOG, ModelGraph({"Person": people}, {"Knows": edges}))
    asked: set[int] = set()
    knows = view.edges("Knows")
    knows._adjacency = Watched(knows._adjacency, asked)
    text = 'query q() { match { $p: Person { key: "p0" } $p knows{1,4}{ kind: "a" } $f } return { $f.key } }'
    assert 'where kind = "a"' in plan_read(checked(CATALOG, text), CATALOG).explain()
    result = run(CATALOG, view, text, settings=settings, profile=Profile() if profiled else None)
    assert sorted(rows_of(result)) == [("p1",), ("p2",)]
    assert asked <= {0, 1, 2}


@settings(max_examples=60, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.sampled_from(["$a knows $b", "$b knows $a", "$a <knows> $b", '$a knows{ kind: "a" } $b']),
    st.sampled_from(["$b knows $c", "$b <knows> $c", "$b at $c", "$c knows $b"]),
    st.sampled_from(["", "$c knows $d", "$c <knows> $d"]),
    st.sampled_from(["{ $a, count(*) as n }", "{ $a.city, count($c) as n }", "distinct { $a.city }", "{ $a.key, $a.age }"]),
    graphs(),
)
def test_walks_that_are_only_counted(first: str, second: str, third: str, ending: str, graph: ModelGraph) -> None:
    if "at $c" in second:
        third = ""
    text = f"query q() {{ match {{ $a: Person {first} {second} {third} }} return {ending} }}"
    for view in (MemoryView(CATALOG, graph, 1), stored_view(CATALOG, graph, "csr")):
        compare(checked(CATALOG, text), CATALOG, graph, view, {})
    within = f"query q() {{ match {{ $x: Person optional {{ $x knows $a }} optional {{ {first} {second} {third} }} }} return {{ $x, count($a) as n }} }}"
    compare(checked(CATALOG, within), CATALOG, graph, MemoryView(CATALOG, graph, 1), {})
