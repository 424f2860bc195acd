"""Schema changes on an opened graph: every step on rows in the tail and in bases, refusals, the past, hard drops."""

import json
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import BadRequest, Conflict, HistoryReclaimed, TypeCheckError, UnsupportedMigration
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage import reachability

SCHEMA = """node Person { name: String @key age: I32? mood: enum(calm, busy)? }
node Firm { name: String @key }
edge Knows: Person -> Person { since: I32? }
edge WorksAt: Person -> Firm
"""
ROWS = b"""
{"type":"Person","data":{"name":"ann","age":1,"mood":"calm"}}
{"type":"Person","data":{"name":"bob","age":2}}
{"type":"Firm","data":{"name":"acme"}}
{"edge":"Knows","from":"ann","to":"bob","data":{"id":"k","since":5}}
{"edge":"WorksAt","from":"ann","to":"acme","data":{"id":"w"}}
"""


@pytest.fixture(params=["tail", "base"])
def graph(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as graph:
        graph.load(ROWS, "append")
        if request.param == "base":
            fold(graph)
        yield graph


def fold(graph: Graph) -> None:
    fold_branch(graph._log, graph._main, graph._views.open_table)


def rows(graph: Graph, snapshot: str | None = None, **chosen: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(graph.export(snapshot=snapshot, **chosen)).splitlines()]


def persons(graph: Graph, snapshot: str | None = None, name: str = "Person") -> list[dict[str, Any]]:
    return [row["data"] for row in rows(graph, snapshot, types=[name])]


def head(graph: Graph) -> str:
    return graph.commits()[-1].graph_commit_id


ADD = SCHEMA.replace("age: I32?", "age: I32? nick: String? scores: [F64]? at: Vector(2)?")


def test_added_properties_are_null_and_can_be_written(graph: Graph) -> None:
    old = head(graph)
    done = graph.apply_schema(ADD, actor="ida")
    assert (done.supported, done.applied, done.step_count, done.manifest_version) == (True, True, 3, 3)
    assert graph.commits()[-1].actor_id == "ida"
    assert persons(graph)[1] == {"id": "bob", "name": "bob", "age": 2, "nick": None, "scores": None, "at": None, "mood": None}
    graph.mutate('query q() { update Person set { nick: "B", scores: [1.5] } where name = "bob" }')
    graph.load(b'{"type":"Person","data":{"name":"cy","at":[1,2]}}', "append")
    for _ in range(2):
        assert [row["nick"] for row in persons(graph)] == [None, "B", None]
        assert [row["scores"] for row in persons(graph)] == [None, [1.5], None]
        assert [row["at"] for row in persons(graph)] == [None, None, [1.0, 2.0]]
        found = graph.query('query q() { match { $p: Person $p.nick = "B" } return { $p.name } }').rows()
        assert found == [{"p.name": "bob"}]
        fold(graph)
    assert [set(row) for row in persons(graph, old)] == [{"id", "name", "age", "mood"}] * 2
    with omnigraph.open(graph.uri) as again:
        assert rows(again) == rows(graph)


def test_renames_keep_rows_ids_and_edges(graph: Graph) -> None:
    old = head(graph)
    source = """node Human @rename_from("Person") { name: String @key years: I32? @rename_from("age") mood: enum(calm, busy)? }
node Firm { label: String @key @rename_from("name") }
edge Likes: Human -> Human @rename_from("Knows") { since: I32? }
edge WorksAt: Human -> Firm
"""
    graph.apply_schema(source)
    assert persons(graph, name="Human")[0] == {"id": "ann", "name": "ann", "years": 1, "mood": "calm"}
    assert rows(graph, types=["Firm"]) == [{"type": "Firm", "data": {"id": "acme", "label": "acme"}}]
    walk = 'query q() { match { $p: Human $p.name = "ann" $p likes $q $p worksAt $f } return { $q.name, $f.label } }'
    assert graph.query(walk).rows() == [{"q.name": "bob", "f.label": "acme"}]
    graph.mutate('query q() { insert Human { name: "cy", years: 3 } insert Likes { from: "bob", to: "cy" } }')
    fold(graph)
    assert [row["years"] for row in persons(graph, name="Human")] == [1, 2, 3]
    assert {table.table_key for table in graph.snapshot().tables} == {"node:Human", "node:Firm", "edge:Likes", "edge:WorksAt"}
    assert [row["age"] for row in persons(graph, old)] == [1, 2]
    assert graph.query("query q() { match { $p: Person $p knows $q } return { $p.age } }", snapshot=old).rows() == [
        {"p.age": 1}
    ]


def test_the_past_is_read_with_its_own_names_or_else_with_the_present_ones(graph: Graph) -> None:
    old = head(graph)
    graph.apply_schema(
        SCHEMA.replace("age: I32?", 'years: I32? @rename_from("age") nick: String?').replace(
            "node Firm", "node Pet { name: String @key }\nnode Firm"
        )
    )
    assert graph.query("query q() { match { $p: Person } return { $p.age } }", snapshot=old).rows() == [
        {"p.age": 1},
        {"p.age": 2},
    ]
    found = graph.query("query q() { match { $p: Person } return { $p.years, $p.nick } }", snapshot=old).rows()
    assert found == [{"p.years": 1, "p.nick": None}, {"p.years": 2, "p.nick": None}]
    assert graph.query("query q() { match { $p: Pet } return { $p.name } }", snapshot=old).rows() == []
    with pytest.raises(TypeCheckError, match="nothing"):
        graph.query("query q() { match { $p: Person } return { $p.nothing } }", snapshot=old)
    with pytest.raises(TypeCheckError, match="age"):
        graph.query("query q() { match { $p: Person } return { $p.age } }")
    assert graph.explain("query q() { match { $p: Person } return { $p.nick } }", snapshot=old).plan


def test_what_is_dropped_softly_stays_in_the_past_and_does_not_come_back(graph: Graph) -> None:
    old = head(graph)
    graph.apply_schema(
        "node Person { name: String @key mood: enum(calm, busy)? }\nedge Knows: Person -> Person { since: I32? }\n"
    )
    assert persons(graph)[0] == {"id": "ann", "name": "ann", "mood": "calm"}
    assert {table.table_key for table in graph.snapshot().tables} == {"node:Person", "edge:Knows"}
    fold(graph)
    graph.apply_schema(SCHEMA)
    assert [row["age"] for row in persons(graph)] == [None, None]
    assert rows(graph, types=["Firm", "WorksAt"]) == []
    graph.mutate('query q() { update Person set { age: 7 } where name = "ann" }')
    fold(graph)
    assert [row["age"] for row in persons(graph)] == [7, None]
    assert [row["age"] for row in persons(graph, old)] == [1, 2]
    assert len(rows(graph, old)) == 5


def test_other_steps(graph: Graph) -> None:
    graph.apply_schema(SCHEMA.replace("enum(calm, busy)", "enum(busy, calm, sad)"))
    graph.mutate('query q() { update Person set { mood: "sad" } where name = "bob" }')
    graph.apply_schema(graph.schema_source().replace("age: I32?", 'age: I32? @index @description("in years")'))
    assert graph.query("query q() { match { $p: Person $p.age = 2 } return { $p.mood } }").rows() == [{"p.mood": "sad"}]
    source = graph.schema_source() + "interface Named { name: String }\n"
    assert [step["kind"] for step in graph.apply_schema(source).steps] == ["add_type"]
    assert [table.row_count for table in graph.snapshot().tables] == [1, 1, 1, 2]


def test_a_text_of_another_layout_is_kept_without_a_commit(graph: Graph) -> None:
    before = head(graph)
    text = SCHEMA + "// a comment\n"
    done = graph.apply_schema(text)
    assert (done.applied, done.supported, done.steps, done.manifest_version) == (False, True, [], 2)
    assert graph.schema_source() == text
    assert (Path(graph.uri) / "_schema.pg").read_text() == text
    assert head(graph) == before
    with omnigraph.open(graph.uri) as other:
        assert other.schema_source() == text
        assert rows(other) == rows(graph)
    seq = graph._main.current().cut.entry.position.seq
    (Path(graph.uri) / "_schema.pg").unlink()
    assert not graph.apply_schema(text).applied
    assert graph._main.current().cut.entry.position.seq == seq
    assert (Path(graph.uri) / "_schema.pg").read_text() == text


def test_refusals_change_nothing(graph: Graph) -> None:
    before, exported = head(graph), rows(graph)
    with pytest.raises(UnsupportedMigration, match=r"^\[OG-MF-106\] changing property type for 'Person.age' is not supported"):
        graph.apply_schema(SCHEMA.replace("I32?", "I64?"))
    with pytest.raises(
        UnsupportedMigration, match=r"^\[OG-MF-103\] adding required property 'Person.nick' requires a backfill"
    ):
        graph.apply_schema(SCHEMA.replace("age:", "nick: String age:"))
    with pytest.raises(BadRequest, match="parse error"):
        graph.apply_schema("node {")
    graph.create_branch("dev")
    graph.create_branch("alpha")
    with pytest.raises(Conflict, match="schema apply requires a graph with only main; found non-main branches: alpha, dev"):
        graph.apply_schema(ADD)
    assert graph.plan_schema(ADD).supported
    assert (head(graph), rows(graph), graph.schema_source()) == (before, exported, SCHEMA)


def test_a_hard_drop_closes_the_past_of_its_types_only(graph: Graph) -> None:
    old = head(graph)
    graph.mutate('query q() { update Person set { age: 424242 } where name = "ann" }')
    graph.apply_schema(SCHEMA.replace("age: I32? ", "").replace("edge WorksAt: Person -> Firm\n", ""), allow_data_loss=True)
    assert persons(graph)[0] == {"id": "ann", "name": "ann", "mood": "calm"}
    assert rows(graph, old, types=["Firm", "Knows"]) == rows(graph, types=["Firm", "Knows"])
    for name in ("Person", "WorksAt"):
        with pytest.raises(HistoryReclaimed, match=f":{name} can no longer be read at commit '{old}'"):
            rows(graph, old, types=[name])
    with pytest.raises(HistoryReclaimed):
        graph.query("query q() { match { $p: Person } return { $p.age } }", snapshot=old)
    with pytest.raises(HistoryReclaimed):
        graph.query("query q() { match { $p: Person } return { $p.mood } }", snapshot=old)
    assert graph.query("query q() { match { $f: Firm } return { $f.name } }", snapshot=old).rows() == [{"f.name": "acme"}]
    names = {table.table_id for table in graph._main.current().cut.state.tables}
    assert {path.parent.parent.name for path in Path(graph.uri).glob("tables/*/_versions/*")} <= names
    assert all(path.stat().st_size == 0 for path in Path(graph.uri).glob("tables/*/reclaimed/*"))
    for path in Path(graph.uri).rglob("*"):
        assert not path.is_file() or (424242).to_bytes(4, "little") not in path.read_bytes(), path
    graph.load(b'{"type":"Person","data":{"name":"cy"}}', "append")
    fold(graph)
    orphans = reachability.unreachable(graph._log, graph._views.open_table, -1.0)
    assert not [item.key for item in orphans if not any(word in item.key for word in ("_transactions", ".lance", "reclaimed"))]
    with omnigraph.open(graph.uri) as other:
        assert [row["id"] for row in persons(other)] == ["ann", "bob", "cy"]
        with pytest.raises(HistoryReclaimed):
            rows(other, old)
        assert len(other.commits()) == 5


def test_composite_keys_keep_the_order_of_their_members(tmp_path: Path) -> None:
    with omnigraph.init(
        str(tmp_path / "g"), "node Team { code: I64 region: String title: String? @key(region, code) }\n"
    ) as graph:
        graph.load(b'{"type":"Team","data":{"code":1,"region":"eu"}}', "append")
        graph.apply_schema(
            'node Team { zip: I64 @rename_from("code") area: String @rename_from("region") title: String? @key(zip, area) }\n'
        )
        graph.load(
            b'{"type":"Team","data":{"zip":1,"area":"eu","title":"t"}}\n{"type":"Team","data":{"zip":2,"area":"eu"}}', "merge"
        )
        graph.mutate('query q() { insert Team { zip: 2, area: "eu", title: "u" } }')
        assert [row["data"] for row in rows(graph)] == [
            {"id": '["1","eu"]', "zip": 1, "area": "eu", "title": "t"},
            {"id": '["2","eu"]', "zip": 2, "area": "eu", "title": "u"},
        ]


def test_interfaces_grow_with_the_types_that_have_them(tmp_path: Path) -> None:
    source = "interface Named { title: String? }\nnode Book implements Named { isbn: String @key }\n"
    with omnigraph.init(str(tmp_path / "g"), source) as graph:
        graph.load(b'{"type":"Book","data":{"isbn":"1","title":"t"}}', "append")
        done = graph.apply_schema(source.replace("title: String?", 'heading: String? @rename_from("title") note: String?'))
        assert done.supported and done.step_count == 4
        assert persons(graph, name="Book") == [{"id": "1", "isbn": "1", "heading": "t", "note": None}]
        graph.apply_schema(source.replace("title: String?", "note: String?"), allow_data_loss=True)
        assert persons(graph, name="Book") == [{"id": "1", "isbn": "1", "note": None}]


def test_no_branch_starts_where_a_hard_drop_removed_rows(graph: Graph) -> None:
    old = head(graph)
    graph.apply_schema(SCHEMA.replace(" age: I32?", ""), allow_data_loss=True)
    with pytest.raises(HistoryReclaimed, match=f"node:Person can no longer be read at commit '{old}'"):
        graph.create_branch("old", from_commit=old)
    graph.create_branch("new")
    graph.mutate('query q() { insert Person { name: "cy" } }', branch="new")
    graph.merge("new")
    assert [row["id"] for row in persons(graph)] == ["ann", "bob", "cy"]
    graph.delete_branch("new")
    before = head(graph)
    graph.apply_schema(SCHEMA.replace(" age: I32?", "").replace("mood: enum(calm, busy)?", ""), allow_data_loss=True)
    for commit in (old, before):
        with pytest.raises(HistoryReclaimed):
            persons(graph, commit)
    assert [set(row) for row in persons(graph)] == [{"id", "name"}] * 3


def test_vectors_lists_and_blobs_can_be_added_and_dropped(graph: Graph) -> None:
    wide = SCHEMA.replace("age: I32?", "age: I32? at: Vector(2)? tags: [String]? face: Blob?")
    graph.apply_schema(wide)
    graph.load(b'{"type":"Person","data":{"name":"ann","at":[1,2],"tags":["x"],"face":"base64:AAEC"}}', "merge")
    fold(graph)
    full = {"id": "ann", "name": "ann", "age": None, "at": [1.0, 2.0], "tags": ["x"], "face": "base64:AAEC", "mood": None}
    assert persons(graph)[0] == full
    commit = head(graph)
    graph.apply_schema(SCHEMA)
    graph.apply_schema(wide)
    assert persons(graph)[0] == {**full, "at": None, "tags": None, "face": None}
    assert persons(graph, commit)[0] == full
    graph.load(b'{"type":"Person","data":{"name":"bob","at":[3,4],"tags":[]}}', "merge")
    fold(graph)
    assert [row["at"] for row in persons(graph)] == [None, [3.0, 4.0]]
    graph.apply_schema(SCHEMA, allow_data_loss=True)
    assert set(persons(graph)[0]) == {"id", "name", "age", "mood"}
