"""What an open graph promises: refusals with their texts, histories, snapshots, limits."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import omnigraph
from omnigraph.errors import (
    BadRequest,
    Conflict,
    ConstraintViolation,
    KeyConflict,
    NotFound,
    OmnigraphError,
    PreconditionFailed,
    ResourceLimitExceeded,
    UpgradeRequired,
)
from omnigraph.graph.graph import Graph

SCHEMA = """
node Person { name: String @key age: I32? email: String? @unique photo: Blob? born: Date? seen: DateTime? }
node Team { name: String @key }
node Log { text: String }
edge Knows: Person -> Person { since: I32? }
edge MemberOf: Person -> Team @card(1..2) { @unique(src, dst) }
"""
NAMES = "query q() { match { $p: Person } return { $p.name } order { $p.name } }"


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        yield opened


def person(name: str, **values: Any) -> dict[str, Any]:
    return {"type": "Person", "data": {"name": name, **values}}


def knows(source: str, target: str, **values: Any) -> dict[str, Any]:
    return {"edge": "Knows", "from": source, "to": target, "data": values}


def names(graph: Graph, **where: Any) -> list[str]:
    return [row["p.name"] for row in graph.query(NAMES, **where).rows()]


def rows_of(graph: Graph, table: str) -> int:
    return {item.table_key: item.row_count for item in graph.snapshot().tables}[table]


# --- init and open -----------------------------------------------------------------------------------------------------


def test_the_address_may_be_a_path(tmp_path: Path) -> None:
    with omnigraph.init(tmp_path / "g", SCHEMA) as created, omnigraph.open(tmp_path / "g") as opened:
        assert created.uri == opened.uri == str(tmp_path / "g")


def test_a_new_graph_has_one_commit_and_every_type(graph: Graph) -> None:
    (genesis,) = graph.commits()
    assert (genesis.parent_commit_id, genesis.actor_id, genesis.manifest_branch, genesis.manifest_version) == (
        None,
        None,
        None,
        1,
    )
    tables = graph.snapshot().tables
    assert [table.table_key for table in tables] == ["edge:Knows", "edge:MemberOf", "node:Log", "node:Person", "node:Team"]
    assert {table.row_count for table in tables} == {0}
    assert (Path(graph.uri) / "_schema.pg").read_text() == SCHEMA == graph.schema_source()


@pytest.mark.parametrize("force", [False, True])
def test_a_graph_is_never_initialized_again(graph: Graph, force: bool) -> None:
    before = sorted((path, path.read_bytes()) for path in Path(graph.uri).rglob("*") if path.is_file())
    with pytest.raises(Conflict, match=r"graph already initialized at '.*'; pass --force to overwrite"):
        omnigraph.init(graph.uri, "node Other", force=force)
    assert sorted((path, path.read_bytes()) for path in Path(graph.uri).rglob("*") if path.is_file()) == before


def test_force_replaces_a_stray_schema_file(tmp_path: Path) -> None:
    (tmp_path / "_schema.pg").write_text("left over")
    with pytest.raises(Conflict, match="already initialized"):
        omnigraph.init(str(tmp_path), SCHEMA)
    omnigraph.init(str(tmp_path), SCHEMA, force=True).close()
    assert (tmp_path / "_schema.pg").read_text() == SCHEMA


def test_a_bad_schema_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OmnigraphError, match="parse error"):
        omnigraph.init(str(tmp_path / "g"), "node {")
    assert not (tmp_path / "g").exists()


def test_opening_nothing_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not found"):
        omnigraph.open(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_the_schema_copy_has_no_authority(graph: Graph) -> None:
    copy = Path(graph.uri) / "_schema.pg"
    copy.write_text("node Nonsense")
    with omnigraph.open(graph.uri) as again:
        assert again.schema_source() == SCHEMA
    copy.unlink()
    with omnigraph.open(graph.uri) as again:
        assert again.schema_source() == SCHEMA


def test_a_newer_format_is_refused(graph: Graph) -> None:
    path = next((Path(graph.uri) / "log" / "main").glob("0*"))
    record = msgspec.msgpack.decode(path.read_bytes())
    record["format"] = 99
    record["unknown"] = [1, 2]
    path.write_bytes(msgspec.msgpack.encode(record))
    with pytest.raises(UpgradeRequired, match="upgrade omnigraph"):
        omnigraph.open(graph.uri)


def test_a_damaged_record_says_so(graph: Graph) -> None:
    path = next((Path(graph.uri) / "log" / "main").glob("0*"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(OmnigraphError, match=r"storage: object 'log/main/0+' is damaged"):
        omnigraph.open(graph.uri)


def test_a_root_can_be_copied_and_read_without_write_access(graph: Graph, tmp_path: Path) -> None:
    graph.load([person("ann"), person("bob"), knows("ann", "bob")], "append")
    copy = tmp_path / "copy"
    shutil.copytree(graph.uri, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with omnigraph.open(str(copy)) as again:
            assert names(again) == ["ann", "bob"]
    finally:
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755)


def test_a_relative_path_and_a_file_uri_name_the_same_graph(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.load([person("ann")], "append")
    monkeypatch.chdir(Path(graph.uri).parent)
    for uri in ("g", "./x/../g/", f"file://{graph.uri}"):
        with omnigraph.open(uri) as again:
            assert names(again) == ["ann"]


# --- loads -------------------------------------------------------------------------------------------------------------


def test_an_edge_may_precede_its_nodes(graph: Graph) -> None:
    done = graph.load([knows("ann", "bob"), person("bob"), person("ann")], "append", actor="act")
    assert [(item.table_key, item.rows_loaded) for item in done.tables] == [("edge:Knows", 1), ("node:Person", 2)]
    assert done.commit is not None
    assert (done.commit.actor_id, done.actor_id, done.commit.manifest_version) == ("act", "act", 2)


@pytest.mark.parametrize(
    ("mode", "records", "text"),
    [
        ("append", [person("ann")], "key conflict: node:Person already has id 'ann'"),
        ("append", [person("x", email="a@x")], r"@unique violation on Person.email: value 'a@x' held by 'ann' and 'x'"),
        ("merge", [person("bob", email="a@x")], r"@unique violation on Person.email: value 'a@x' held by 'ann' and 'bob'"),
        ("append", [person("x", email="n"), person("y", email="n")], r"@unique violation on Person.email: value 'n' appears in rows 0 and 1"),
        ("append", [knows("ann", "bob"), knows("ann", "zed")], "edge Knows row 2: dst 'zed' not found in Person"),
        ("append", [knows("zed", "bob")], "edge Knows row 1: src 'zed' not found in Person"),
        ("overwrite", [person("ann")], "dst 'bob' not found in Person"),
        ("append", [{"edge": "MemberOf", "from": "ann", "to": t} for t in ("t1", "t2")], r"@card violation on edge MemberOf: source 'ann' has 3 edges \(max 2\)"),
        ("overwrite", [{"edge": "MemberOf", "from": "bob", "to": "t0"}], r"@card violation on edge MemberOf: source 'ann' has 0 edges \(min 1\)"),
        ("append", [{"edge": "MemberOf", "from": "ann", "to": "t0"}], r"@unique violation on MemberOf.\(src, dst\): value '\(ann, t0\)' held by"),
        ("append", [{"type": "Log", "data": {"id": "l", "text": "1"}}] * 2, "key conflict: node:Log has id 'l' in records 1 and 2"),
        ("append", [person("")], "node Person has an empty id"),
    ],
)  # fmt: skip
def test_a_load_that_breaks_a_rule_changes_nothing(graph: Graph, mode: Any, records: Any, text: str) -> None:
    teams = [{"type": "Team", "data": {"name": f"t{n}"}} for n in range(3)]
    start = [person("ann", email="a@x"), person("bob"), knows("ann", "bob"), *teams]
    graph.load([*start, {"edge": "MemberOf", "from": "ann", "to": "t0"}], "append")
    before = b"".join(graph.export())
    with pytest.raises(OmnigraphError, match=text):
        graph.load(records, mode)
    assert b"".join(graph.export()) == before
    assert len(graph.commits()) == 2


def test_a_key_conflict_names_the_row(graph: Graph) -> None:
    graph.load([person("ann", age=1)], "append")
    with pytest.raises(KeyConflict) as caught:
        graph.load([person("ann", age=2)], "append")
    assert caught.value.facts() == {"key_conflict": {"table_key": "node:Person", "row_id": "ann"}}
    assert caught.value.code == "conflict"


def test_a_value_that_the_same_write_frees_may_be_taken(graph: Graph) -> None:
    graph.load([person("ann", email="a"), person("bob", email="b")], "append")
    graph.load([person("ann", email="b"), person("bob", email="a")], "merge")
    found = graph.query("query q() { match { $p: Person } return { $p.name, $p.email } order { $p.name } }").rows()
    assert [row["p.email"] for row in found] == ["b", "a"]


def test_merge_replaces_rows_as_a_whole(graph: Graph) -> None:
    graph.load([person("ann", age=3, email="a")], "append")
    graph.load([person("ann", age=4)], "merge")
    (row,) = graph.query("query q() { match { $p: Person } return { $p.age, $p.email } }").rows()
    assert row == {"p.age": 4, "p.email": None}


def test_an_empty_load_is_one_commit(graph: Graph) -> None:
    done = graph.load(b"", "append")
    assert done.tables == []
    assert done.commit is not None
    assert len(graph.commits()) == 2


def test_a_missing_branch_is_named_and_not_created(graph: Graph) -> None:
    with pytest.raises(NotFound, match="branch 'nope' not found"):
        graph.load([person("ann")], "append", branch="nope")
    assert graph.branches() == ["main"]


def test_load_from_makes_the_branch(graph: Graph) -> None:
    graph.load([person("ann")], "append")
    done = graph.load([person("bob")], "append", branch="side", from_branch="main")
    assert (done.branch, done.base_branch, done.branch_created) == ("side", "main", True)
    again = graph.load([person("cy")], "append", branch="side", from_branch="whatever")
    assert (again.base_branch, again.branch_created) == ("whatever", False)
    assert names(graph, branch="side") == ["ann", "bob", "cy"]
    assert names(graph) == ["ann"]


def test_reserved_and_empty_branch_names_are_refused(graph: Graph) -> None:
    with pytest.raises(BadRequest, match="load does not allow internal system ref '__schema_apply_lock__'"):
        graph.load([], "append", branch="__schema_apply_lock__")
    with pytest.raises(BadRequest, match="branch name cannot be empty"):
        graph.query(NAMES, branch="  ")


def test_many_rows_become_a_base_and_stay_the_same(graph: Graph) -> None:
    people = [person(f"p{n:05d}", age=n % 90) for n in range(6_000)]
    edges = [knows(f"p{n:05d}", f"p{(n * 7) % 6000:05d}", id=f"e{n:05d}") for n in range(5_000)]
    graph.load([*people, *edges], "append")
    assert os.listdir(Path(graph.uri) / "tables")
    before = b"".join(graph.export())
    assert len(before.splitlines()) == 11_000
    graph.mutate('query q() { update Person set { age: 99 } where name = "p00007" }')
    graph.mutate('query q() { delete Person where name = "p00008" }')
    with omnigraph.open(graph.uri) as again:
        assert b"".join(again.export()) == b"".join(graph.export())
        assert rows_of(again, "node:Person") == 5_999
        assert again.query("query q() { match { $p: Person $p knows $x } return { count($p) as n } }").rows()[0]["n"] == sum(
            1 for n in range(5_000) if n != 8 and (n * 7) % 6000 != 8
        )


# --- mutations ---------------------------------------------------------------------------------------------------------


def test_statements_see_each_other(graph: Graph) -> None:
    done = graph.mutate("""query q() {
        insert Person { name: "ann", age: 1 }
        update Person set { age: 2 } where age = 1
        update Person set { age: 3 } where age = 2
        insert Knows { from: "ann", to: "later" }
        insert Person { name: "later" }
    }""")
    assert (done.affected_nodes, done.affected_edges) == (4, 1)
    assert graph.query('query q() { match { $p: Person { name: "ann" } } return { $p.age } }').rows() == [{"p.age": 3}]
    assert len(graph.commits()) == 2


def test_a_mutation_that_matches_nothing_makes_no_commit(graph: Graph) -> None:
    done = graph.mutate('query q() { delete Person where name = "none" }', actor="act")
    assert (done.affected_nodes, done.affected_edges, done.commit, done.actor_id) == (0, 0, None, "act")
    assert len(graph.commits()) == 1


def test_an_update_to_equal_values_is_a_commit(graph: Graph) -> None:
    graph.load([person("ann", age=1)], "append")
    assert graph.mutate("query q() { update Person set { age: 1 } where age = 1 }").commit is not None


def test_a_cascade_counts_every_edge_once(graph: Graph) -> None:
    graph.load([person("ann"), person("bob"), knows("ann", "ann"), knows("ann", "bob"), knows("bob", "ann")], "append")
    done = graph.mutate('query q() { delete Person where name = "ann" delete Person where name = "ann" }')
    assert (done.affected_nodes, done.affected_edges) == (1, 3)
    assert rows_of(graph, "edge:Knows") == 0


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('insert Knows { from: "ann", to: "zed" }', "dst 'zed' not found in Person"),
        ('insert Person { name: "zed", email: "a@x" }', "@unique violation on Person.email: value 'a@x' held by 'ann' and 'zed'"),
        ('insert MemberOf { from: "bob", to: "t1" } insert MemberOf { from: "bob", to: "t1" }', r"@unique violation on MemberOf.\(src, dst\)"),
        ('delete MemberOf where from = "ann"', r"@card violation on edge MemberOf: source 'ann' has 0 edges \(min 1\)"),
        ('delete Team where name = "t0"', r"@card violation on edge MemberOf: source 'ann' has 0 edges \(min 1\)"),
        ('insert Person { name: "" }', "node Person has an empty id"),
        ('update Person set { email: "a@x" } where name = "bob"', "@unique violation on Person.email"),
    ],
)  # fmt: skip
def test_a_mutation_that_breaks_a_rule_changes_nothing(graph: Graph, source: str, text: str) -> None:
    graph.load(
        [person("ann", email="a@x"), person("bob"), *({"type": "Team", "data": {"name": f"t{n}"}} for n in range(2)),
         {"edge": "MemberOf", "from": "ann", "to": "t0"}], "append",
    )  # fmt: skip
    before = b"".join(graph.export())
    with pytest.raises((ConstraintViolation, BadRequest), match=text):
        graph.mutate("query q() { " + source + " }")
    assert b"".join(graph.export()) == before
    assert len(graph.commits()) == 2


def test_a_deleted_source_is_not_judged(graph: Graph) -> None:
    graph.load(
        [person("ann"), {"type": "Team", "data": {"name": "t"}}, {"edge": "MemberOf", "from": "ann", "to": "t"}], "append"
    )
    assert graph.mutate('query q() { delete Person where name = "ann" }').affected_edges == 1


def test_reads_and_mutations_do_not_pass_for_each_other(graph: Graph) -> None:
    with pytest.raises(OmnigraphError, match="mutation query cannot be typechecked with read-query API"):
        graph.query('query q() { insert Person { name: "x" } }')
    with pytest.raises(OmnigraphError, match="mutation execution called on a read query; use query instead"):
        graph.mutate(NAMES)


def test_a_conditional_write_fails_when_the_head_has_moved(graph: Graph) -> None:
    head = graph.commits()[-1].graph_commit_id
    done = graph.mutate('query q() { insert Person { name: "a" } }', if_commit=head)
    assert done.commit is not None
    with pytest.raises(PreconditionFailed) as caught:
        graph.mutate('query q() { insert Person { name: "b" } }', if_commit=head)
    assert caught.value.facts() == {"precondition_failure": {"expected": head, "actual": done.commit.graph_commit_id}}
    assert names(graph) == ["a"]


# --- history -----------------------------------------------------------------------------------------------------------


def test_every_commit_can_be_read_again(graph: Graph) -> None:
    expected = []
    for number in range(90):
        graph.mutate("query q($n: String) { insert Person { name: $n } }", {"n": f"p{number:02d}"})
        expected.append([f"p{n:02d}" for n in range(number + 1)])
    graph.close()
    with omnigraph.open(graph.uri) as again:
        commits = again.commits()
        assert len(commits) == 91
        for commit, people in zip(commits[1:], expected, strict=True):
            result = again.query(NAMES, snapshot=commit.graph_commit_id)
            assert [row["p.name"] for row in result] == people
            assert (result.branch, result.snapshot) == (None, commit.graph_commit_id)
            assert again.commit(commit.graph_commit_id) == commit
        assert [item.manifest_version for item in commits] == list(range(1, 92))


def test_an_unknown_commit_is_named(graph: Graph) -> None:
    for unknown in ("nope", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"):
        with pytest.raises(NotFound, match=f"commit '{unknown}' not found"):
            graph.query(NAMES, snapshot=unknown)
        with pytest.raises(NotFound, match=f"commit '{unknown}' not found"):
            graph.commit(unknown)


def test_table_versions_change_with_the_rows_only(graph: Graph) -> None:
    graph.load([person("ann")], "append")
    graph.load([{"type": "Team", "data": {"name": "t"}}], "append")
    versions = {table.table_key: table.table_version for table in graph.snapshot().tables}
    assert versions == {"edge:Knows": 1, "edge:MemberOf": 1, "node:Log": 1, "node:Person": 2, "node:Team": 3}


def test_a_query_holds_its_snapshot_while_others_write(graph: Graph) -> None:
    graph.load([person(f"p{n}") for n in range(50)], "append")
    chunks = graph.export()
    result = graph.query(NAMES)
    graph.mutate('query q() { delete Person where name != "none" }')
    assert len(b"".join(chunks).splitlines()) == 50
    assert len(result.rows()) == 50
    assert names(graph) == []


# --- export and blobs --------------------------------------------------------------------------------------------------


def test_a_full_export_round_trips(graph: Graph, tmp_path: Path) -> None:
    graph.load(
        [person("ann", photo="base64:AAEC", born="1990-02-11", seen="2026-03-01T09:05:00.123Z"),
         person("bob", photo="file:///x.png"), person("c\u00e9\n\"", photo="base64:"),
         knows("ann", "bob", since=3), {"type": "Log", "data": {"text": "x"}}], "append",
    )  # fmt: skip
    first = b"".join(graph.export())
    with omnigraph.init(str(tmp_path / "again"), SCHEMA) as again:
        again.load(first, "overwrite")
        assert b"".join(again.export()) == first
    ann = next(json.loads(line) for line in first.splitlines() if b'"ann"' in line and b"type" in line)
    assert ann["data"]["photo"] == "base64:AAEC"
    assert ann["data"]["seen"] == "2026-03-01T09:05:00.123"
    assert list(ann["data"]) == ["id", "name", "age", "email", "photo", "born", "seen"]


def test_blobs_survive_an_update_of_other_properties(graph: Graph) -> None:
    graph.load([person("ann", photo="base64:AAEC")], "append")
    graph.mutate('query q() { update Person set { age: 4 } where name = "ann" }')
    assert b'"photo":"base64:AAEC"' in b"".join(graph.export())
    assert graph.query("query q() { match { $p: Person } return { $p.photo } }").rows() == [{"p.photo": None}]


def test_a_large_blob_loads_and_exports(graph: Graph) -> None:
    import base64

    data = os.urandom(1 << 20) * 8
    graph.load([person("ann", photo="base64:" + base64.b64encode(data).decode())], "append")
    (line,) = b"".join(graph.export()).splitlines()
    assert base64.b64decode(json.loads(line)["data"]["photo"].removeprefix("base64:")) == data
    record = max((Path(graph.uri) / "log" / "main").glob("0*"))
    assert record.stat().st_size < 10_000, "blobs travel outside the log"


def test_exports_select_types_and_tables(graph: Graph) -> None:
    graph.load([person("ann"), knows("ann", "ann"), {"type": "Team", "data": {"name": "t"}}], "append")

    def kinds(**selection: Any) -> list[str]:
        lines = [json.loads(line) for line in b"".join(graph.export(**selection)).splitlines()]
        return [line.get("type") or line["edge"] for line in lines]

    assert kinds() == ["Knows", "Person", "Team"]
    assert kinds(types=["Team", "Knows"]) == ["Knows", "Team"]
    assert kinds(types=["Team"], tables=["node:Person"]) == ["Person", "Team"]
    with pytest.raises(BadRequest, match="unknown export type 'X'"):
        graph.export(types=["X"])
    with pytest.raises(BadRequest, match="unknown export table 'X'"):
        graph.export(tables=["X"])


# --- limits and plans --------------------------------------------------------------------------------------------------


def test_a_query_that_would_explode_ends_with_the_name_of_the_limit(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.load([person(f"p{n}") for n in range(3000)], "append")
    everything = "query q() { match { $a: Person $b: Person $c: Person $d: Person } return { $a, $b, $c, $d } }"
    with pytest.raises(ResourceLimitExceeded, match="resource limit exceeded for query_memory_bytes_max"):
        graph.query(everything)
    monkeypatch.setenv("OMNIGRAPH_RESULT_ROWS_MAX", "10")
    with (
        omnigraph.open(graph.uri) as limited,
        pytest.raises(ResourceLimitExceeded, match="result_rows_max: actual 3000, limit 10"),
    ):
        limited.query(NAMES)


def test_a_plan_can_be_read_and_measured(graph: Graph) -> None:
    graph.load([person("ann"), knows("ann", "ann")], "append")
    source = 'query q() { match { $p: Person { name: "ann" } $p knows $x } return { $x } }'
    plan = graph.explain(source)
    assert plan.result is None
    assert "Person" in plan.text() and "Knows" in plan.text()
    measured = graph.explain(source, profile=True)
    assert measured.result is not None
    assert measured.result.rows() == [{"x": "ann"}]
    assert "objects read" in measured.text()


def test_several_queries_need_a_name(graph: Graph) -> None:
    source = NAMES + " query r() { match { $t: Team } return { $t } }"
    with pytest.raises(BadRequest, match="query file contains multiple queries; pass --name"):
        graph.query(source)
    assert graph.query(source, name="r").query_name == "r"
    with pytest.raises(OmnigraphError, match="query 'z' not found"):
        graph.query(source, name="z")


def test_a_required_parameter_is_never_dropped(graph: Graph) -> None:
    graph.load([person("ann")], "append")
    with pytest.raises(BadRequest, match="parameter 'n' not provided"):
        graph.query("query q($n: String) { match { $p: Person { name: $n } } return { $p } }")


# --- the extensions of the language ------------------------------------------------------------------------------------


def test_an_update_may_compute_from_the_row(graph: Graph) -> None:
    graph.load([person("ann", age=1), person("bob", age=10), person("cy")], "append")
    source = "query q($n: I32) { update Person set { age: age * 2 + $n } where age > 5 or age is null and not name = $x }"
    done = graph.mutate(source.replace("$n: I32", "$n: I32, $x: String"), {"n": 1, "x": "ann"})
    assert done.affected_nodes == 2
    found = graph.query("query q() { match { $p: Person } return { $p.age } order { $p.name } }").rows()
    assert [row["p.age"] for row in found] == [1, 21, None]
    with pytest.raises(OmnigraphError, match="integer value 21000000000 exceeds Int32 range"):
        graph.mutate("query q() { update Person set { age: age * 1000000000 } where age = 21 }")
    with pytest.raises(OmnigraphError, match="X10: insert has no row to read `age` from"):
        graph.mutate('query q() { insert Person { name: "z", age: age } }')


def test_extended_reads_run_on_an_open_graph(graph: Graph) -> None:
    graph.load([person("ann", age=3), person("bob", age=-4), person("cy"), knows("ann", "bob", since=7)], "append")
    rows = graph.query(
        """query q($ages: [I32]) {
            match { $p: Person optional { $p $k:knows $f } $p.age in $ages or $p.age is null }
            return distinct { $p.name as name, $f, $k.since as since, $p.age % 2 as odd }
            order { name desc } limit 2 offset 0
        }""",
        {"ages": [3, -4]},
    ).rows()
    assert rows == [
        {"name": "cy", "f": None, "since": None, "odd": None},
        {"name": "bob", "f": None, "since": None, "odd": 0},
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [('$p.name starts_with "a"', ["ann", "a_b"]), ('$p.name contains "n"', ["ann"]), ("$p.email starts_with $p.name", ["bob"]), ("$p.name starts_with $x", [])],
)  # fmt: skip
def test_texts_are_searched_for_their_beginning_and_their_parts(graph: Graph, condition: str, expected: list[str]) -> None:
    graph.load([person("ann"), person("bob", email="bobby@x"), person("a_b")], "append")
    found = graph.query("query q($x: String?) { match { $p: Person " + condition + " } return { $p.name } }", {"x": None})
    assert sorted(row["p.name"] for row in found) == sorted(expected)


def test_an_insert_may_compute_from_parameters(graph: Graph) -> None:
    graph.mutate('query q($n: I32) { insert Person { name: "x", age: $n * 2 + 1 } }', {"n": 20})
    assert graph.query("query q() { match { $p: Person } return { $p.age } }").rows() == [{"p.age": 41}]
    with pytest.raises(OmnigraphError, match="arithmetic overflow"):
        graph.mutate('query q($n: I64) { insert Person { name: "y", age: $n * $n } }', {"n": 2**40})
