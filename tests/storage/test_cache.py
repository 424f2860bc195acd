from __future__ import annotations

import gc
import threading

import pyarrow as pa
import pytest

from omnigraph.storage import image
from omnigraph.storage.cache import Budget, GraphCache
from omnigraph.storage.change import Change
from omnigraph.storage.part import Part
from omnigraph.storage.snapshot_view import SnapshotView
from storage.arrow_base import ArrowBase
from storage.graph_model import CATALOG, Model, Step, apply, base_of, empty_model, sources

_NOTHING = dict.fromkeys(CATALOG.nodes["Person"].properties)


def _graph(persons: int) -> tuple[Model, dict[str, ArrowBase | None]]:
    people = [{"id": f"p{number}", **_NOTHING, "age": number, "name": f"n{number}"} for number in range(persons)]
    knows = [{"id": f"k{n}", "long": n, "src": f"p{n}", "dst": f"p{(n * 7 + 1) % persons}"} for n in range(persons)]
    model, _ = apply(empty_model(), Step(0, {"node:Person": people, "edge:Knows": knows}), 0)
    return model, {key: base_of(key, rows, "1") for key, rows in model.items()}


def test_parts_that_were_not_used_lately_go_first():
    budget = Budget(100)
    parts = [Part(number, 40) for number in range(2)]
    for part in parts:
        budget.admit(part)
    parts[0].used = False
    fresh = Part("fresh", 40)
    budget.admit(fresh)
    assert [part.value for part in (*parts, fresh)] == [None, 1, "fresh"]
    assert budget.used_bytes == 80


def test_what_nobody_owns_any_more_is_not_counted():
    budget = Budget(100)
    part = Part("value", 70)
    budget.admit(part)
    assert budget.used_bytes == 70
    del part
    gc.collect()
    assert budget.used_bytes == 0
    for _ in range(500):
        budget.admit(Part("short-lived", 1))
    assert budget.used_bytes <= 1


def test_images_and_adjacency_are_shared_by_snapshots_of_the_same_bases():
    model, bases = _graph(30)
    cache = GraphCache(1 << 30)
    first, second = (SnapshotView(CATALOG, sources(bases, model, []), cache) for _ in range(2))
    assert first.nodes("Person").image is second.nodes("Person").image
    assert first.edges("Knows").holder() is second.edges("Knows").holder()
    first.edges("Knows").adjacency().neighbours(0, False)
    reads = bases["edge:Knows"].calls["read"]
    second.edges("Knows").adjacency().neighbours(0, False)
    assert bases["edge:Knows"].calls["read"] == reads


def test_the_budget_holds_whatever_is_asked_for():
    model, bases = _graph(400)
    cache = GraphCache(40_000)
    view = SnapshotView(CATALOG, sources(bases, model, []), cache)
    for _ in range(3):
        persons = view.nodes("Person")
        for name in ("age", "name", "score", "born"):
            persons.find(name, 5)
            persons.column(name).take(persons.all())
        persons.column("name").codes()
        assert persons.ordinal("p7") == persons.find("age", 7)[0]
        assert view.edges("Knows").adjacency().degrees(False).sum() == 400
        largest = 400 * 130 + 20_000
        assert cache.budget.used_bytes <= 40_000 + largest


def test_one_question_on_a_big_table_reads_no_column(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image, "SMALL_SLOTS_MAX", 10)
    model, bases = _graph(5000)
    view = SnapshotView(CATALOG, sources(bases, model, []), GraphCache(1 << 30))
    persons = view.nodes("Person")
    ordinal = persons.ordinal("p17")
    assert persons.values(ordinal, ["id", "name", "age"]) == ("p17", "n17", 17)
    assert persons.find("age", 18).tolist() == [persons.ordinal("p18")]
    neighbours = view.edges("Knows").adjacency().neighbours(ordinal, False)
    assert persons.ids(neighbours).to_pylist() == ["p120"]
    assert not persons.is_warm()
    assert not persons.is_warm("name")
    assert all("read" not in base.calls for base in bases.values() if base is not None)
    assert bases["node:Person"].calls == {"find": 4, "take": 3}
    assert "node:Company" not in {key for key, base in bases.items() if base is not None and base.calls}


def test_a_process_that_goes_on_asking_becomes_warm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image, "SMALL_SLOTS_MAX", 10)
    model, bases = _graph(5000)
    view = SnapshotView(CATALOG, sources(bases, model, []), GraphCache(1 << 30))
    persons = view.nodes("Person")
    for number in range(20):
        ordinal = persons.ordinal(f"p{number}")
        assert persons.values(ordinal, ["age"]) == (number,)
        view.edges("Knows").adjacency().neighbours(ordinal, False)
    assert persons.is_warm()
    assert persons.is_warm("age")
    assert view.edges("Knows").holder().is_built()
    calls = dict(bases["node:Person"].calls)
    assert persons.values(persons.ordinal("p4000"), ["id", "age"]) == ("p4000", 4000)
    assert bases["node:Person"].calls == calls


@pytest.mark.parametrize(("mode", "reads"), [("csr", True), ("indexed", False)])
def test_the_way_of_reading_can_be_forced(mode: image.Mode, reads: bool):
    model, bases = _graph(50)
    view = SnapshotView(CATALOG, sources(bases, model, []), GraphCache(1 << 30), mode)
    for number in range(30):
        ordinal = view.nodes("Person").ordinal(f"p{number}")
        assert len(view.edges("Knows").adjacency().neighbours(ordinal, False)) == 1
    assert ("read" in bases["edge:Knows"].calls) == reads


def test_a_replayed_tail_over_a_big_base_asks_for_its_own_rows_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image, "SMALL_SLOTS_MAX", 10)
    model, bases = _graph(3000)
    step = Step(
        0, {"node:Person": [{"id": f"p{n}", **_NOTHING, "age": -1} for n in (5, 2999, 3000, 3001)]}, {"node:Person": ["p9"]}
    )
    model, changes = apply(model, step, 1)
    view = SnapshotView(CATALOG, sources(bases, model, [changes]), GraphCache(1 << 30))
    persons = view.nodes("Person")
    assert persons.rows == len(model["node:Person"])
    assert bases["node:Person"].calls == {}
    assert persons.ordinal("p9") == -1
    assert bases["node:Person"].calls == {}
    assert persons.values(persons.ordinal("p5"), ["id", "age"]) == ("p5", -1)
    assert bases["node:Person"].calls == {"find": 1}
    assert persons.ordinal("p3000") >= 3000
    assert sorted(persons.ids(persons.find("age", -1)).to_pylist()) == ["p2999", "p3000", "p3001", "p5"]


def test_a_fold_leaves_the_view_alone_and_a_schema_may_grow():
    model, bases = _graph(20)
    view = SnapshotView(CATALOG, sources(bases, model, []), GraphCache(1 << 30))
    view.nodes("Person").ordinal("p1")
    model, changes = apply(model, Step(0, {"node:Company": [{"id": "c", "name": "x"}]}), 1)
    replaced = {"node:Company": sources({}, model, [changes])["node:Company"]}
    after = view.extend(CATALOG, {}, replaced)
    assert after.nodes("Company").ordinal("c") == 0
    assert view.nodes("Company").rows == 0
    assert after.nodes("Person") is view.nodes("Person")
    assert after.outgrown() == ()


def test_readers_of_old_snapshots_are_not_disturbed_by_a_writer():
    model, bases = _graph(200)
    view = SnapshotView(CATALOG, sources(bases, model, []), GraphCache(1 << 30))
    heads = [view]
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                head = heads[-1]
                persons, knows = head.nodes("Person"), head.edges("Knows")
                new = persons.rows - 200
                assert persons.find("age", -7).tolist() == [persons.ordinal(f"new{number}") for number in range(new)]
                hub = persons.ordinal("p0")
                assert len(knows.adjacency().neighbours(hub, True)) == knows.rows - 200 + 1
                assert persons.column("age").numbers()[0].shape == (persons.slots,)
        except BaseException as error:  # reported below
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    base = len(view.edges("Knows").adjacency().neighbours(view.nodes("Person").ordinal("p0"), True))
    assert base == 1
    for number in range(150):
        row = pa.record_batch({"id": [f"new{number}"], "age": pa.array([-7], pa.int32())})
        edge = pa.record_batch({"id": [f"e{number}"], "src": [f"new{number}"], "dst": ["p0"]})
        changes = {"node:Person": Change(number, row, ()), "edge:Knows": Change(number, edge, ())}
        heads.append(heads[-1].extend(CATALOG, changes))
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
