"""Merges: the truth table of the specification, repeated and crossing merges, constraints of the combination."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import BadRequest, MergeConflicts, NotFound
from omnigraph.graph.graph import Graph

SCHEMA = """
node Person { name: String @key v: I32? email: String? @unique }
edge Knows: Person -> Person { w: I32? }
edge One: Person -> Person @card(0..1)
"""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        people = [{"type": "Person", "data": {"name": name, "v": 0}} for name in "ABCD"]
        opened.load([*people, {"edge": "Knows", "from": "B", "to": "C", "data": {"id": "bc"}}], "append")
        yield opened


def insert(value: int) -> Callable[[Graph, str], Any]:
    return lambda g, b: g.mutate('query q($v: I32) { insert Person { name: "E", v: $v } }', {"v": value}, branch=b)


def run(source: str) -> Callable[[Graph, str], Any]:
    return lambda g, b: g.mutate(f"query q() {{ {source} }}", branch=b)


def put(value: int) -> Callable[[Graph, str], Any]:
    return run(f'update Person set {{ v: {value} }} where name = "A"')


def nothing(graph: Graph, branch: str) -> None:
    return None


OPERATIONS = {
    "none": (nothing, nothing),
    "+n": (insert(1), insert(2)),
    "-n": (run('delete Person where name = "A"'), run('delete Person where name = "A"')),
    "+e": (run('insert Knows { from: "A", to: "C" }'), run('insert Knows { from: "A", to: "C" }')),
    "-e": (run('delete Knows where from = "B"'), run('delete Knows where from = "B"')),
    "set": (put(1), put(2)),
}
FF, M, UTD = "fast_forward", "merged", "already_up_to_date"
TABLE = {
    "none": {"none": UTD, "+n": UTD, "-n": UTD, "+e": UTD, "-e": UTD, "set": UTD},
    "+n": {"none": FF, "+n": ("divergent_insert", "node:Person", "E"), "-n": M, "+e": M, "-e": M, "set": M},
    "-n": {"none": FF, "+n": M, "-n": M, "+e": ("orphan_edge", "edge:Knows", None), "-e": M, "set": ("delete_vs_update", "node:Person", "A")},
    "+e": {"none": FF, "+n": M, "-n": ("orphan_edge", "edge:Knows", None), "+e": M, "-e": M, "set": M},
    "-e": {"none": FF, "+n": M, "-n": M, "+e": M, "-e": M, "set": M},
    "set": {"none": FF, "+n": M, "-n": ("delete_vs_update", "node:Person", "A"), "+e": M, "-e": M, "set": ("divergent_update", "node:Person", "A")},
}  # fmt: skip


@pytest.mark.parametrize("folded", [False, True], ids=["tail", "base"])
@pytest.mark.parametrize("target", list(OPERATIONS))
@pytest.mark.parametrize("source", list(OPERATIONS))
def test_the_truth_table(graph: Graph, source: str, target: str, folded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.create_branch("feature")
    OPERATIONS[source][0](graph, "feature")
    OPERATIONS[target][1](graph, "main")
    if folded:
        from omnigraph.graph.upkeep import fold_branch
        from omnigraph.storage import fold

        monkeypatch.setattr(fold, "TAIL_ROWS_MAX", 0)
        fold_branch(graph._log, graph._main, graph._views.open_table)
        fold_branch(graph._log, graph._branch("feature"), graph._views.open_table)
    before = b"".join(graph.export())
    head = graph.commits()[-1]
    expected = TABLE[source][target]
    if isinstance(expected, tuple):
        with pytest.raises(MergeConflicts) as caught:
            graph.merge("feature")
        (conflict,) = caught.value.conflicts
        assert (conflict.kind, conflict.table_key) == expected[:2]
        assert expected[2] is None or conflict.row_id == expected[2]
        assert b"".join(graph.export()) == before
        return
    done = graph.merge("feature", actor="act")
    assert done.outcome == expected
    if expected == UTD:
        assert done.commit is None
        return
    assert done.commit is not None
    assert done.commit.parent_commit_id == head.graph_commit_id
    assert done.commit.merged_parent_commit_id == graph.commits("feature")[-1].graph_commit_id
    assert (done.commit.actor_id, done.commit.manifest_branch) == ("act", None)
    assert graph.commits()[-1] == done.commit
    assert graph.merge("feature").outcome == UTD
    again = omnigraph.open(graph.uri)
    assert b"".join(again.export()) == b"".join(graph.export())
    counts = {table.table_key: table.row_count for table in again.snapshot().tables}
    assert counts["node:Person"] + counts["edge:Knows"] == len(b"".join(graph.export()).splitlines())
    if (source, target) == ("+e", "+e"):
        assert counts["edge:Knows"] == 3
    if expected == FF:
        assert b"".join(graph.export()) == b"".join(graph.export(branch="feature"))


def test_equal_rows_on_both_sides_merge(graph: Graph) -> None:
    graph.create_branch("feature")
    for branch in ("feature", "main"):
        insert(7)(graph, branch)
        put(5)(graph, branch)
    assert graph.merge("feature").outcome == M
    assert graph.merge("main", into="feature").outcome == FF


def test_changes_that_cancel_are_no_change(graph: Graph) -> None:
    graph.create_branch("feature")
    put(1)(graph, "feature")
    put(0)(graph, "feature")
    put(9)(graph, "main")
    assert graph.merge("feature").outcome == M
    assert values(graph)["A"] == 9


def test_merges_go_back_and_forth(graph: Graph) -> None:
    graph.create_branch("feature")
    for turn in range(5):
        run(f'insert Person {{ name: "f{turn}" }}')(graph, "feature")
        run(f'insert Person {{ name: "m{turn}" }}')(graph, "main")
        assert graph.merge("feature").outcome == M
        put(turn)(graph, "main")
        assert graph.merge("main", into="feature").outcome == FF
    assert values(graph) == values(graph, branch="feature")
    assert len(values(graph)) == 14


def test_criss_cross_histories_do_not_undo(graph: Graph) -> None:
    graph.create_branch("one")
    graph.create_branch("two")
    put(1)(graph, "one")
    run('update Person set { v: 2 } where name = "B"')(graph, "two")
    graph.create_branch("one-side", from_branch="one")
    graph.create_branch("two-side", from_branch="two")
    graph.merge("two-side", into="one")
    graph.merge("one-side", into="two")
    put(3)(graph, "one")
    run('update Person set { v: 4 } where name = "B"')(graph, "two")
    assert graph.merge("two", into="one").outcome == M
    found = values(graph, branch="one")
    assert (found["A"], found["B"]) == (3, 4)


@pytest.mark.parametrize(
    ("source", "target", "kind", "row", "text"),
    [
        ('update Person set { email: "x" } where name = "A"', 'update Person set { email: "x" } where name = "B"', "unique_violation", "A", "@unique violation on Person.email: value 'x' held by 'B' and 'A'"),
        ('insert One { from: "A", to: "B" }', 'insert One { from: "A", to: "C" }', "cardinality_violation", None, "@card violation on edge One: source 'A' has 2 edges (max 1)"),
    ],
)  # fmt: skip
def test_the_combination_must_keep_the_rules(graph: Graph, source: str, target: str, kind: str, row: Any, text: str) -> None:
    graph.create_branch("feature")
    run(source)(graph, "feature")
    run(target)(graph, "main")
    with pytest.raises(MergeConflicts) as caught:
        graph.merge("feature")
    (conflict,) = caught.value.conflicts
    assert (conflict.kind, conflict.row_id, conflict.message) == (kind, row, text)
    assert caught.value.message.startswith("merge conflicts: ")


def test_many_conflicts_are_counted_and_all_there(graph: Graph) -> None:
    graph.create_branch("feature")
    run('update Person set { v: 1 } where name != ""')(graph, "feature")
    run('update Person set { v: 2 } where name != ""')(graph, "main")
    with pytest.raises(MergeConflicts, match=r"merge conflicts: node:Person:A \(divergent_update\); .*; and 1 more$") as caught:
        graph.merge("feature")
    assert [conflict.row_id for conflict in caught.value.conflicts] == ["A", "B", "C", "D"]
    assert len(caught.value.facts()["merge_conflicts"]) == 4


def test_a_deleted_branch_still_serves_as_base(graph: Graph) -> None:
    graph.create_branch("one")
    put(1)(graph, "one")
    graph.create_branch("two")
    graph.merge("one", into="two")
    graph.merge("one")
    graph.delete_branch("one")
    run('insert Person { name: "X" }')(graph, "main")
    run('insert Person { name: "Y" }')(graph, "two")
    assert graph.merge("two").outcome == M
    assert {"X", "Y"} <= set(values(graph))
    assert values(graph)["A"] == 1


def test_an_edge_moved_alike_on_both_sides_merges(graph: Graph) -> None:
    graph.create_branch("feature")
    moved = [{"edge": "Knows", "from": "C", "to": "D", "data": {"id": "bc"}}]
    graph.load(moved, "merge", branch="feature")
    graph.load(moved, "merge")
    assert graph.merge("feature").outcome == M


def test_a_replaced_table_merges_by_rows(graph: Graph) -> None:
    people = [{"type": "Person", "data": {"name": f"p{n:05d}", "v": n}} for n in range(5000)]
    graph.load(people, "append")
    graph.create_branch("feature")
    keep = [{"type": "Person", "data": {"name": name, "v": 0}} for name in "ABCD"]
    graph.load([*keep, *people[:4990]], "overwrite", branch="feature")
    run('insert Person { name: "new" }')(graph, "main")
    assert graph.merge("feature").outcome == M
    found = values(graph)
    assert len(found) == 4 + 4990 + 1
    assert "p04995" not in found


def test_bad_merges_are_refused(graph: Graph) -> None:
    with pytest.raises(BadRequest, match="branch_merge requires distinct source and target branches"):
        graph.merge("main")
    with pytest.raises(NotFound, match="branch 'nope' not found"):
        graph.merge("nope")
    with pytest.raises(
        BadRequest, match=r"branch_merge does not allow internal system refs \('__schema_apply_lock__' -> 'main'\)"
    ):
        graph.merge("__schema_apply_lock__")


def test_a_fast_forward_is_one_put(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.create_branch("feature")
    for number in range(70):
        put(number)(graph, "feature")
    graph._upkeep.close()
    puts: list[str] = []
    real = graph._store.put_new
    monkeypatch.setattr(graph._store, "put_new", lambda key, data: (puts.append(key), real(key, data))[1])
    assert graph.merge("feature").outcome == FF
    assert len(puts) == 1
    assert values(graph)["A"] == 69
    with omnigraph.open(graph.uri) as again:
        assert values(again)["A"] == 69


def values(graph: Graph, **where: Any) -> dict[str, int]:
    rows = graph.query("query q() { match { $p: Person } return { $p.name, $p.v } }", **where).rows()
    return {row["p.name"]: row["p.v"] for row in rows}
