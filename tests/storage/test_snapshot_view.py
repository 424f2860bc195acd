from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from omnigraph.storage import image
from omnigraph.storage.adjacency_view import MemoryAdjacency
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.image import Mode
from omnigraph.storage.snapshot_view import SnapshotView
from storage.graph_model import CATALOG, Model, Step, apply, base_of, check, empty_model, sources, steps

_QUIET = settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes; the histories are short anyway
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def _stored(model: Model, which: tuple[bool, ...], version: str = "1"):
    """Store the tables for which there is to be a base; an edge base needs those of its nodes."""
    persons, companies, knows, works = which
    keys = {"node:Person": persons, "node:Company": companies}
    keys["edge:Knows"] = knows and persons
    keys["edge:Works"] = works and persons and companies
    return {key: base_of(key, model[key], version) if chosen else None for key, chosen in keys.items()}


def _base(first: list[Step], which: tuple[bool, ...]):
    """Return a state, the bases that hold it, and what stands in the tail because its table has no base."""
    model = empty_model()
    logged = []
    for number, step in enumerate(first):
        model, changes = apply(model, step, number)
        logged.append(changes)
    bases = _stored(model, which)
    tail = [{key: change for key, change in changes.items() if bases[key] is None} for changes in logged]
    return model, bases, tail


_WHICH = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans())


@_QUIET
@given(st.lists(steps(), max_size=3), _WHICH, st.lists(steps(), max_size=6), st.sampled_from(["csr", "indexed", None]))
def test_views_over_random_histories_answer_like_the_model(
    first: list[Step], which: tuple[bool, ...], then: list[Step], mode: Mode
):
    """Extends random earlier snapshots, so that lines part; holds all of them; checks old ones again at the end."""
    model, bases, tail = _base(first, which)
    cache = GraphCache(1 << 30)
    held = [(SnapshotView(CATALOG, sources(bases, model, tail), cache, mode), model, tail)]
    seen = [check(held[0][0], model, thorough=False)]
    for number, step in enumerate(then):
        view, model, logged = held[step.parent % len(held)] if step.parent % 3 == 0 else held[-1]
        model, changes = apply(model, step, 100 + number)
        view = view.extend(CATALOG, changes)
        held.append((view, model, [*logged, changes]))
        seen.append(check(view, model, thorough=number % 3 == 2))
    for (view, model, logged), ordinals in zip(held, seen, strict=True):
        assert check(view, model) == ordinals
        afresh = SnapshotView(CATALOG, sources(bases, model, logged), GraphCache(1 << 30), mode)
        check(afresh, model)


@_QUIET
@given(st.lists(steps(), max_size=2), _WHICH, st.lists(steps(), min_size=1, max_size=4))
def test_a_view_that_turns_warm_keeps_its_ordinals(
    monkeypatch: pytest.MonkeyPatch, first: list[Step], which: tuple[bool, ...], then: list[Step]
):
    monkeypatch.setattr(image, "SMALL_SLOTS_MAX", 0)
    monkeypatch.setattr(image, "COLD_ROW_COST", 0)
    model, bases, tail = _base(first, which)
    logged = list(tail)
    for number, step in enumerate(then):
        model, changes = apply(model, step, 100 + number)
        logged.append(changes)
    view = SnapshotView(CATALOG, sources(bases, model, logged), GraphCache(1 << 30))
    cold = {key: {row_id: view.nodes(key[5:]).ordinal(row_id) for row_id in model[key]} for key in ("node:Person",)}
    seen = check(view, model)
    assert seen["node:Person"] == cold["node:Person"]
    monkeypatch.setattr(image, "COLD_USES_MAX", 0)
    assert check(view, model) == seen


@_QUIET
@given(st.lists(steps(), max_size=3), st.lists(steps(), min_size=1, max_size=4), st.lists(steps(), max_size=2))
def test_a_budget_of_nothing_and_a_moved_base_change_no_answer(first: list[Step], then: list[Step], last: list[Step]):
    model, bases, tail = _base(first, (True, True, True, True))
    cache = GraphCache(0)
    view = SnapshotView(CATALOG, sources(bases, model, tail), cache)
    for number, step in enumerate(then):
        model, changes = apply(model, step, 100 + number)
        view = view.extend(CATALOG, changes)
        check(view, model, thorough=False)
    folded = _stored(model, (True, True, True, True), "2")
    for current in (view, view.rebased(sources(folded, model, []))):
        after = model
        check(current, after)
        for number, step in enumerate(last):
            after, changes = apply(after, step, 200 + number)
            current = current.extend(CATALOG, changes)
        check(current, after)


def test_recent_lists_are_gathered_into_a_patch(monkeypatch: pytest.MonkeyPatch):
    """A long line of commits, checked at every commit, with so small a limit that patches are built often."""
    from omnigraph.storage import adjacency_view

    monkeypatch.setattr(adjacency_view, "_RECENT_MAX", 5)
    people = [{"id": name, **dict.fromkeys(CATALOG.nodes["Person"].properties)} for name in ("p", "q", "1", "2")]
    model, bases, tail = _base([Step(0, {"node:Person": people})], (True, False, False, False))
    view = SnapshotView(CATALOG, sources(bases, model, tail), GraphCache(1 << 30))
    held = []
    for number in range(40):
        ends = {"src": "pq12"[number % 4], "dst": "pq12"[number * 7 % 3]}
        edge = {"id": f"k{number % 6}", "long": number, **ends}
        step = Step(0, {"edge:Knows": [edge]}, {"edge:Knows": [f"k{(number + 3) % 7}"]} if number % 5 == 4 else {})
        model, changes = apply(model, step, number)
        view = view.extend(CATALOG, changes)
        assert isinstance(view.edges("Knows").adjacency(), MemoryAdjacency)
        held.append((view, model, check(view, model, thorough=False)))
    for view, model, seen in held:
        assert check(view, model, thorough=False) == seen
