"""Merges of branches whose schemas differ: one was forked before a schema change."""

import json
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import Conflict, MergeConflicts
from omnigraph.graph import branches
from omnigraph.graph.graph import Graph
from omnigraph.storage.cut import Cut

SCHEMA = """node Person { name: String @key age: I32? }
node Pet { name: String @key }
edge Knows: Person -> Person
edge Owns: Person -> Pet
"""
CHANGED = """node Human @rename_from("Person") { name: String @key years: I32? @rename_from("age") nick: String? }
node Book { title: String @key }
edge Knows: Human -> Human
"""
ROWS = b"""
{"type":"Person","data":{"name":"ann","age":1}}
{"type":"Person","data":{"name":"bob","age":2}}
{"type":"Pet","data":{"name":"rex"}}
{"edge":"Owns","from":"ann","to":"rex","data":{"id":"o"}}
"""


@pytest.fixture
def graph(tmp_path: Path) -> Any:
    """A graph whose branch ``old`` was forked before the schema of main changed."""
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as graph:
        graph.load(ROWS, "append")
        before = graph._main.current().cut
        graph.apply_schema(CHANGED)
        fork(graph, "old", before)
        yield graph


def fork(graph: Graph, name: str, cut: Cut) -> None:
    branches.create(graph._store, name, "main", cut, None)


def rows(graph: Graph, branch: str, *types: str) -> list[dict[str, Any]]:
    return [json.loads(line)["data"] for line in b"".join(graph.export(branch=branch, types=types)).splitlines()]


def test_the_changed_side_takes_rows_of_the_old_one(graph: Graph) -> None:
    graph.mutate('query q() { update Person set { age: 9 } where name = "ann" insert Person { name: "cy" } }', branch="old")
    graph.mutate('query q() { update Human set { nick: "B" } where name = "bob" }')
    preview = graph.preview_merge("old")
    assert preview.mergeable and [(one.table_key, one.inserted, one.updated) for one in preview.changes] == [
        ("node:Human", 1, 1)
    ]
    assert graph.merge("old").outcome == "merged"
    assert rows(graph, "main") == [
        {"id": "ann", "name": "ann", "years": 9, "nick": None},
        {"id": "bob", "name": "bob", "years": 2, "nick": "B"},
        {"id": "cy", "name": "cy", "years": None, "nick": None},
    ]
    assert graph.schema_source() == CHANGED
    assert graph.merge("old").outcome == "already_up_to_date"
    assert [row["age"] for row in rows(graph, "old", "Person")] == [9, 2, None]


def test_the_old_side_gets_the_schema_and_the_rows(graph: Graph) -> None:
    graph.mutate('query q() { insert Person { name: "cy", age: 3 } }', branch="old")
    graph.mutate('query q() { update Human set { nick: "B" } where name = "bob" insert Book { title: "t" } }')
    assert graph.merge("main", into="old").outcome == "merged"
    assert rows(graph, "old") == [
        {"id": "t", "title": "t"},
        {"id": "ann", "name": "ann", "years": 1, "nick": None},
        {"id": "bob", "name": "bob", "years": 2, "nick": "B"},
        {"id": "cy", "name": "cy", "years": 3, "nick": None},
    ]
    assert [table.table_key for table in graph.snapshot("old").tables] == ["edge:Knows", "node:Book", "node:Human"]
    graph.mutate('query q() { insert Book { title: "u" } }', branch="old")
    assert graph.merge("old").outcome == "fast_forward"
    with omnigraph.open(graph.uri) as again:
        assert rows(again, "main") == rows(again, "old") == rows(graph, "old")
        graph.delete_branch("old")
        assert again.apply_schema(CHANGED + "// more\n").step_count == 0


def test_a_fast_forward_over_a_schema_change(graph: Graph) -> None:
    graph.mutate('query q() { insert Book { title: "t" } }')
    assert graph.preview_merge("main", into="old").outcome == "fast_forward"
    assert graph.merge("main", into="old").outcome == "fast_forward"
    assert rows(graph, "old") == rows(graph, "main")
    graph.mutate('query q() { insert Human { name: "cy", years: 3 } }', branch="old")
    assert graph.query("query q() { match { $p: Human } return { count($p) as n } }", branch="old").rows() == [{"n": 3}]


@pytest.mark.parametrize(("source", "into"), [("old", "main"), ("main", "old")])
def test_rows_of_a_type_that_was_dropped_conflict_when_they_changed(graph: Graph, source: str, into: str) -> None:
    graph.mutate('query q() { insert Book { title: "t" } }')
    graph.mutate('query q() { delete Pet where name = "rex" }', branch="old")
    graph.mutate('query q() { insert Pet { name: "tom" } }', branch="old")
    graph.mutate('query q() { insert Pet { name: "gone" } }', branch="old")
    graph.mutate('query q() { delete Pet where name = "gone" }', branch="old")
    with pytest.raises(MergeConflicts) as caught:
        graph.merge(source, into=into)
    found = [(one.table_key, one.row_id, one.kind) for one in caught.value.conflicts]
    assert found == [
        ("edge:Owns", "o", "delete_vs_update"),
        ("node:Pet", "rex", "delete_vs_update"),
        ("node:Pet", "tom", "delete_vs_update"),
    ]
    assert not graph.preview_merge(source, into=into).mergeable


def test_a_conflict_of_rows_is_told_in_the_names_of_the_result(graph: Graph) -> None:
    graph.mutate('query q() { update Person set { age: 9 } where name = "ann" }', branch="old")
    graph.mutate('query q() { update Human set { years: 8 } where name = "ann" }')
    with pytest.raises(MergeConflicts) as caught:
        graph.merge("old")
    (one,) = caught.value.conflicts
    assert (one.table_key, one.row_id, one.kind) == ("node:Human", "ann", "divergent_update")
    assert (
        one.base.row["properties"]["years"],
        one.ours.row["properties"]["years"],
        one.theirs.row["properties"]["years"],
    ) == (1, 8, 9)
    assert graph.merge("old", strategy="theirs").outcome == "merged"
    assert rows(graph, "main", "Human")[0]["years"] == 9


def test_both_sides_changed(tmp_path: Path) -> None:
    """Only a race between a new branch and a schema change can lead here: the schema is main's alone to change."""
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as graph:
        graph.load(ROWS, "append")
        before = graph._main.current().cut
        graph.apply_schema(CHANGED)
        fork(graph, "other", before)
        other = graph._branch("other")
        from omnigraph.graph.schema_change import _evaluate, plan_schema
        from omnigraph.storage.cut import compiled

        text = SCHEMA.replace("age: I32?", "age: I32? height: I32?")
        plan = plan_schema(before.schema, text, allow_data_loss=False)
        change = _evaluate(before, compiled(text), plan, graph._store, graph._views.open_table, None)
        assert change is not None
        other.publish(lambda head: (change, None))
        with pytest.raises(Conflict, match="cannot merge: both branches changed the schema since their common ancestor"):
            graph.merge("other")
