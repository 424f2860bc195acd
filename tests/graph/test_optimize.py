"""Optimizing changes where rows are and nothing else; it commutes with every write and comes to rest."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import WriteConflict
from omnigraph.graph import optimize as optimize_module
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage.table import LanceTable

SCHEMA = """
node Person { name: String @key age: I32? @index photo: Blob? }
edge Knows: Person -> Person
"""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        yield opened


def persons(first: int, count: int) -> list[dict[str, Any]]:
    return [{"type": "Person", "data": {"name": f"p{n:06}", "age": n}} for n in range(first, first + count)]


def contents(graph: Graph, **at: Any) -> bytes:
    return b"".join(graph.export(**at))


def pieces(graph: Graph) -> dict[str, tuple[int, int, bool]]:
    return {
        table.table_key: (table.fragments_removed, table.fragments_added, table.committed) for table in graph.optimize().tables
    }


def base_of(graph: Graph, key: str) -> LanceTable:
    cut = graph._main.current().cut
    return graph._views.open_table(cut.tables[cut.schema.by_key[key].type_id])


def test_everything_is_folded_compacted_and_indexed_once(graph: Graph) -> None:
    for number in range(4):
        graph.load(persons(number * 2_000, 2_000), "append")
        graph.load([{"edge": "Knows", "from": "p000000", "to": f"p{number:06}"}], "append")
    commits = graph.commits()
    before = contents(graph)
    past = {commit.graph_commit_id: contents(graph, snapshot=commit.graph_commit_id) for commit in commits}
    done = pieces(graph)
    assert done["edge:Knows"] == (4, 1, True)
    assert done["node:Person"][1:] == (1, True)
    assert pieces(graph) == {"edge:Knows": (0, 0, False), "node:Person": (0, 0, False)}
    assert graph.commits() == commits, "no commit is made"
    base = base_of(graph, "node:Person")
    assert base.pieces == 1 and base.has_index("id") and base.has_index("age")
    with omnigraph.open(graph.uri) as other:
        assert contents(other) == before == contents(graph)
        for commit_id, rows in past.items():
            assert contents(other, snapshot=commit_id) == rows


def test_holes_are_closed_and_tables_may_become_empty(graph: Graph) -> None:
    graph.load(persons(0, 5_000), "append")
    graph.optimize()
    graph.mutate("query q() { delete Person where age < 1000 }")
    before = contents(graph)
    assert pieces(graph)["node:Person"][2]
    base = base_of(graph, "node:Person")
    assert (base.rows, base.slots) == (4_000, 4_000)
    assert contents(graph) == before
    graph.mutate("query q() { delete Person where age >= 0 }")
    assert pieces(graph)["node:Person"][1:] == (0, True)
    assert pieces(graph)["node:Person"] == (0, 0, False)
    assert contents(graph) == b""
    graph.load(persons(7, 1), "append")
    assert pieces(graph)["node:Person"] == (1, 1, True)
    assert graph.query("query q() { match { $p: Person } return { $p } }").rows() == [{"p": "p000007"}]


def test_an_index_that_is_behind_is_brought_up_to_date(graph: Graph) -> None:
    graph.load(persons(0, 5_000), "append")
    graph.optimize()
    graph.load(persons(10_000, 10), "append")
    assert pieces(graph)["node:Person"] == (2, 1, True)
    found = graph.query("query q() { match { $p: Person { age: 10003 } } return { $p } }").rows()
    assert found == [{"p": "p010003"}]


def test_old_columns_go_with_the_files(graph: Graph) -> None:
    graph.load(persons(0, 100), "append")
    graph.optimize()
    graph.apply_schema(SCHEMA.replace("photo: Blob?", "nick: String?"))
    before = contents(graph)
    graph.optimize()
    assert "photo" not in base_of(graph, "node:Person").schema.names
    assert "nick" in base_of(graph, "node:Person").schema.names
    assert contents(graph) == before
    assert pieces(graph)["node:Person"] == (0, 0, False)


def test_a_branch_can_be_optimized_alone(graph: Graph) -> None:
    graph.load(persons(0, 10), "append")
    graph.create_branch("side")
    graph.load(persons(10, 10), "append", branch="side")
    before = contents(graph), contents(graph, branch="side")
    assert [table.fragments_removed for table in graph.optimize("side").tables] == [0, 2]
    assert (contents(graph), contents(graph, branch="side")) == before
    assert pieces(graph)["node:Person"] == (1, 1, True)
    assert graph.merge("side").outcome == "fast_forward"


def test_what_others_replace_is_done_again(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        graph.load(persons(number * 10, 10), "append")
        if not number:
            graph.optimize()
    real = optimize_module.compact_table
    raced: list[int] = []

    def overtaken(base: LanceTable, *args: Any, **kwargs: Any) -> str:
        version = real(base, *args, **kwargs)
        if len(raced) < 2 and base.rows >= 20:
            raced.append(1)
            with omnigraph.open(graph.uri) as rival, pytest.MonkeyPatch.context() as patch:
                rival.load(persons(100 + len(raced), 1), "append")
                patch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
                fold_branch(rival._log, rival._main, rival._views.open_table)
        return version

    monkeypatch.setattr(optimize_module, "compact_table", overtaken)
    graph.optimize()
    assert len(raced) == 2
    assert graph.snapshot().tables[1].row_count == 22
    with omnigraph.open(graph.uri) as other:
        assert contents(other) == contents(graph)
    monkeypatch.setattr(optimize_module, "RETRY_TIME_MAX_S", 0.0)
    monkeypatch.setattr("omnigraph.graph.branch.BranchHead.publish_fold", lambda *_: False)
    graph.load(persons(500, 1), "append")
    with pytest.raises(WriteConflict, match="stale view of 'node:Person'"):
        graph.optimize()


def test_writers_and_readers_go_on(graph: Graph) -> None:
    graph.load(persons(0, 6_000), "append")
    stop, failures = threading.Event(), []
    counts = [0, 0]

    def run(place: int, work: Any) -> None:
        try:
            while not stop.is_set():
                work(counts[place])
                counts[place] += 1
        except BaseException as error:
            failures.append(error)

    def write(number: int) -> None:
        graph.mutate("query q($n: String) { insert Person { name: $n, age: 7 } }", {"n": f"w{number}"})

    def read(_: int) -> None:
        assert graph.query('query q() { match { $p: Person { name: "p000042" } } return { $p.age } }').rows() == [{"p.age": 42}]

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate((write, read))]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        graph.optimize()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and min(counts) > 0
    assert graph.snapshot().tables[1].row_count == 6_000 + counts[0]
    with omnigraph.open(graph.uri) as other:
        assert contents(other) == contents(graph)
