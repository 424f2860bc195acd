"""A process that dies at any store call of a write leaves the graph as it was or as it was to be, and ready for the next."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from omnigraph.graph import load as load_module
from omnigraph.graph.graph import Graph, init, open_graph
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage.local import LocalStore
from omnigraph.storage.log import Log
from omnigraph.storage.record import Position
from support.faulty import FaultyStore, Killed

SCHEMA = """
node Person { name: String @key age: I32? photo: Blob? }
edge Knows: Person -> Person
"""
SMALL = b"""
{"type":"Person","data":{"name":"cy","age":3,"photo":"base64:AAEC"}}
{"edge":"Knows","from":"cy","to":"ann","data":{"id":"k2"}}
"""
START = b"""
{"type":"Person","data":{"name":"ann","age":1}}
{"type":"Person","data":{"name":"bob","age":2,"photo":"u://x"}}
{"edge":"Knows","from":"ann","to":"bob","data":{"id":"k1"}}
"""


def prepared(folder: Path, *, folded: bool) -> Path:
    root = folder / "start"
    with init(str(root), SCHEMA) as graph:
        graph.load(START, "overwrite")
        if folded:
            fold_branch(graph._log, graph._main, graph._views.open_table)
    return root


def opened(root: Path, store: FaultyStore) -> Graph:
    entry = Log(store).find_head("main")
    assert entry is not None
    return Graph(str(root), store, entry, GraphSettings.from_environment())


def contents(root: Path) -> list[str]:
    with open_graph(str(root)) as graph:
        rows = b"".join(graph.export()).decode().splitlines()
        counted = {table.table_key: table.row_count for table in graph.snapshot().tables}
        assert sum(counted.values()) == len(rows)
        assert len(graph.commits()) == graph.snapshot().manifest_version
        return rows


def load(graph: Graph) -> None:
    graph.load(SMALL, "merge")


def mutate(graph: Graph) -> None:
    graph.mutate(
        'query q() { update Person set { age: 9, photo: $p } where name = "ann" }'.replace("q()", "q($p: Blob)"),
        {"p": "base64:AAAA"},
    )


def cascade(graph: Graph) -> None:
    graph.mutate('query q() { delete Person where name = "ann" }')


def fold(graph: Graph) -> None:
    fold_branch(graph._log, graph._main, graph._views.open_table)


def evolve(graph: Graph) -> None:
    graph.apply_schema(SCHEMA.replace("age: I32?", 'nick: String? years: I32? @rename_from("age")'))


def drop(graph: Graph) -> None:
    graph.apply_schema(SCHEMA.replace("age: I32? ", "").replace("edge Knows: Person -> Person\n", ""), allow_data_loss=True)


def reword(graph: Graph) -> None:
    graph.apply_schema(SCHEMA + "// the same")


WRITES: dict[str, tuple[Callable[[Graph], None], bool]] = {
    "load": (load, False),
    "bulk load": (load, True),
    "mutate": (mutate, False),
    "cascade": (cascade, False),
    "fold": (fold, False),
    "schema": (evolve, False),
    "hard drop": (drop, False),
    "schema text": (reword, False),
}


@pytest.mark.parametrize("folded", [False, True], ids=["tail", "base"])
@pytest.mark.parametrize("name", list(WRITES))
def test_death_at_every_store_call(name: str, folded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, bulk = WRITES[name]
    monkeypatch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
    start = prepared(tmp_path, folded=folded)
    before = contents(start)
    if bulk:
        monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 0)
    clean = tmp_path / "clean"
    shutil.copytree(start, clean)
    store = FaultyStore(LocalStore(clean, fsync=False))
    write(opened(clean, store))
    calls = len(store.calls)
    after = contents(clean)
    assert calls >= 1 or (name == "fold" and folded)
    for die_at in range(1, calls + 1):
        for late in (False, True):
            root = tmp_path / f"{die_at}-{late}"
            shutil.copytree(start, root)
            store = FaultyStore(LocalStore(root, fsync=False), die_at=die_at, after=late)
            with pytest.raises(Killed):
                write(opened(root, store))
            found = contents(root)
            # Fresh ids and pack names differ from run to run; what may be there is told by everything else.
            assert len(found) in (len(before), len(after))
            assert found in (before, after), f"half of a write is visible after {store.calls[-1]}"
            with open_graph(str(root)) as graph:
                graph.load(b'{"type":"Person","data":{"name":"next"}}', "append")
                graph.mutate('query q() { delete Person where name = "next" }')
            assert contents(root) == found
            shutil.rmtree(root)


@pytest.mark.parametrize("folded", [False, True], ids=["tail", "base"])
def test_a_hard_drop_that_was_killed_is_finished_by_the_next_run(
    folded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
    start = prepared(tmp_path, folded=folded)
    for die_at in range(1, 100):
        root = tmp_path / f"{die_at}"
        shutil.copytree(start, root)
        try:
            drop(opened(root, FaultyStore(LocalStore(root, fsync=False), die_at=die_at)))
        except Killed:
            pass
        else:
            break
        with open_graph(str(root)) as graph:
            drop(graph)
            state = graph._main.current().cut.state
            for seq in range(graph._main.current().cut.entry.position.seq):
                record = graph._log.read(Position("main", seq)).record
                assert all(change.gone for commit in record.commits for change in commit.inline)
        tables = {path.relative_to(root).parts[1] for path in root.glob("tables/*/data/*")}
        orphans = tables - {table.table_id for table in state.tables}
        assert len(orphans) <= 1, "what the killed run wrote and no record names is all that stays"
        shutil.rmtree(root)
    assert die_at > 4


def test_init_can_be_run_again_after_death_at_every_store_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for die_at in (1, 2):
        for late in (False, True):
            root = tmp_path / f"{die_at}-{late}"
            store = FaultyStore(LocalStore(root, fsync=False), die_at=die_at, after=late)
            monkeypatch.setattr("omnigraph.graph.graph.open_store", lambda uri, fsync, store=store: store)
            with pytest.raises(Killed):
                init(str(root), SCHEMA)
            monkeypatch.undo()
            try:
                init(str(root), SCHEMA).close()
            except Exception as error:
                assert "already initialized" in str(error)
            assert contents(root) == []


WRITER = """
    import sys
    import omnigraph
    graph = omnigraph.open(sys.argv[1])
    for number in range(100000):
        graph.mutate('query q($n: String) { insert Person { name: $n } insert Knows { from: $n, to: "ann" } }',
                     {"n": f"w{number}"})
        print(number, flush=True)
"""


@pytest.mark.parametrize("after_s", [0.05, 0.2])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, after_s: float) -> None:
    root = prepared(tmp_path, folded=True)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(root)], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    assert process.stdout is not None
    acknowledged = int(process.stdout.readline())
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    process.wait()
    if rest:
        acknowledged = int(rest[-1]) if rest[-1].isdigit() else int(rest[-2])
    rows = [json.loads(row) for row in contents(root)]
    persons = {row["data"]["id"] for row in rows if row.get("type") == "Person"}
    edges = {row["from"] for row in rows if "edge" in row}
    assert {f"w{number}" for number in range(acknowledged + 1)} <= persons
    assert persons - {"ann", "bob"} == edges - {"ann"}, "a commit is whole or absent"
