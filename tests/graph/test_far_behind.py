"""Those who have not looked for a long time: what they see is the newest commit, at the price of a handful of objects."""

from pathlib import Path

import pytest

import omnigraph
from omnigraph.graph import branch as branch_module
from omnigraph.graph.graph import Graph, init
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage.cut import next_cut, open_cut
from omnigraph.storage.record import Position

SCHEMA = "node Person { name: String @key age: I32? }\nedge Knows: Person -> Person"
ADD = "query add($n: String) { insert Person { name: $n } }"
COUNT = "query all() { match { $p: Person } return { count(*) as n } }"


def add(graph: Graph, name: str, branch: str = "main") -> None:
    graph.mutate(ADD, {"n": name}, branch=branch)


def count(graph: Graph, branch: str = "main") -> int:
    return int(graph.query(COUNT, branch=branch).rows()[0]["n"])


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    return init(str(tmp_path / "g"), SCHEMA)


def test_the_next_cut_is_what_opening_it_gives(graph: Graph) -> None:
    """Over commits, groups, folds, bulk loads, fast-forwards, three-way merges and a changed schema."""
    add(graph, "a")
    graph.create_branch("b")
    add(graph, "b", "b")
    graph.merge("b", into="main")
    graph.create_branch("c")
    add(graph, "c", "c")
    for number in range(12):
        add(graph, f"p{number}")
    cut = graph._main.known.cut
    tables = fold_module.fold_tables(graph._store, cut, {item.inline.type_id for item in cut.tail}, graph._views.open_table)
    add(graph, "q")
    assert graph._main.publish_fold(cut, tables)
    graph.merge("c", into="main")
    graph.load(b'{"edge":"Knows","from":"a","to":"q","data":{}}', "merge")
    graph.mutate('query gone() { delete Person where name = "p3" }', {})
    for name in "bc":
        graph.delete_branch(name)
    graph.apply_schema(SCHEMA.replace("age: I32?", "age: I32? city: String?"))
    add(graph, "r")
    rows = b'{"type":"Person","data":{"name":"s"}}\n{"edge":"Knows","from":"s","to":"s","data":{}}'
    graph.load(rows, "overwrite")
    add(graph, "t")

    log, last = graph._log, graph._main.known.cut.entry.position.seq
    cut = open_cut(log, log.read(Position("main", 0)))
    for seq in range(1, last + 1):
        entry = log.read(Position("main", seq))
        opened, cut = open_cut(log, entry, cut.schema), next_cut(log, cut, entry)
        assert cut.state == opened.state
        assert cut.schema.block == opened.schema.block
        assert [(item.step, item.inline) for item in cut.tail] == [(item.step, item.inline) for item in opened.tail]


def test_who_is_far_behind_reads_a_handful_of_objects(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_module, "_STEPS_MAX", 4)
    monkeypatch.setattr(branch_module, "_LEAP_RECORDS_MIN", 16)
    monkeypatch.setattr(fold_module, "TAIL_RECORDS_MAX", 40)
    with omnigraph.open(graph.uri) as idle:
        assert count(idle) == 0
        for number in range(150):
            add(graph, f"p{number:03}")
            if number % 60 == 59:
                fold_branch(graph._log, graph._main, graph._views.open_table)
        before = idle._store.counters.objects_read
        assert count(idle) == 150
        assert idle._store.counters.objects_read - before < 40
        add(idle, "mine")
        add(graph, "theirs")
        assert count(idle) == count(graph) == 152


def test_a_branch_that_was_deleted_far_ahead_is_not_found(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_module, "_STEPS_MAX", 2)
    monkeypatch.setattr(branch_module, "_LEAP_RECORDS_MIN", 2)
    graph.create_branch("b")
    with omnigraph.open(graph.uri) as idle:
        assert count(idle, "b") == 0
        for number in range(12):
            add(graph, f"p{number}", "b")
        graph.delete_branch("b")
        with pytest.raises(omnigraph.OmnigraphError, match="branch 'b' not found"):
            idle.query(COUNT, branch="b")
