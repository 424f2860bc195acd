"""What the history names, and what a killed write leaves behind."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import omnigraph
from omnigraph.errors import OutcomeUnknown
from omnigraph.graph import load as load_module
from omnigraph.graph.graph import Graph
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage.local import LocalStore
from omnigraph.storage.log import Log
from omnigraph.storage.names import record_key
from omnigraph.storage.objects import ObjectExists
from omnigraph.storage.reachability import unreachable
from omnigraph.storage.record import MAIN
from support.faulty import FaultyStore, Killed

SCHEMA = "node Person { name: String @key photo: Blob? v: I32? }\nedge Knows: Person -> Person"


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    monkeypatch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        for number in range(6):
            records = [{"type": "Person", "data": {"name": f"p{number}-{k}", "photo": "base64:AAEC"}} for k in range(5)]
            opened.load([*records, {"edge": "Knows", "from": f"p{number}-0", "to": f"p{number}-1"}], "append")
            if number % 2:
                fold_branch(opened._log, opened._main, opened._views.open_table)
        opened.create_branch("Side")
        opened.load([{"type": "Person", "data": {"name": "side", "photo": "base64:BBBB"}}], "append", branch="Side")
        opened.mutate('query q() { delete Person where name = "p0-0" }')
        yield opened


def orphans(graph: Graph) -> list[str]:
    """Return what nothing names; Lance's own transaction files are garbage by design."""
    found = unreachable(graph._log, graph._views.open_table, older_than_s=-5)
    return [item.key for item in found if "/_transactions/" not in item.key]


def test_everything_but_superseded_builds_is_named(graph: Graph, tmp_path: Path) -> None:
    gone = orphans(graph)
    assert not [key for key in gone if key.startswith(("log/", "refs/", "blobs/", "_schema"))]
    copy = tmp_path / "copy"
    shutil.copytree(graph.uri, copy)
    for key in gone:
        (copy / key).unlink()
    with omnigraph.open(str(copy)) as again:
        assert b"".join(again.export()) == b"".join(graph.export())
        assert b"".join(again.export(branch="Side")) == b"".join(graph.export(branch="Side"))
        for commit in graph.commits():
            at = commit.graph_commit_id
            assert b"".join(again.export(snapshot=at)) == b"".join(graph.export(snapshot=at))


def test_what_a_killed_load_leaves_is_found(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(orphans(graph))
    monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 0)
    store = FaultyStore(LocalStore(Path(graph.uri), fsync=False))
    entry = Log(store).find_head("main")
    assert entry is not None
    dying = Graph(graph.uri, store, entry, GraphSettings.from_environment())
    real = store.put_new

    def die_at_the_record(key: str, data: bytes) -> None:
        if key.startswith("log/"):
            raise Killed
        real(key, data)

    monkeypatch.setattr(store, "put_new", die_at_the_record)
    with pytest.raises(Killed):
        dying.load([{"type": "Person", "data": {"name": "x", "photo": "base64:CCCC"}}], "append")
    left = set(orphans(graph)) - before
    assert any(key.startswith("blobs/") for key in left)
    assert any(key.startswith("tables/") for key in left)
    assert unreachable(graph._log, graph._views.open_table) == [], "all of it is younger than an hour"


@pytest.mark.parametrize("arrived", [True, False])
def test_a_put_without_an_answer_is_settled_by_reading(graph: Graph, arrived: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store = graph._store
    real = store.put_new
    lost: list[str] = []

    def no_answer(key: str, data: bytes) -> None:
        if key.startswith("log/") and not lost:
            lost.append(key)
            if arrived:
                real(key, data)
            raise OutcomeUnknown(key, "the connection was lost")
        real(key, data)

    monkeypatch.setattr(store, "put_new", no_answer)
    commits = len(graph.commits())
    source = 'query q() { insert Person { name: "once" } }'
    if arrived:
        graph.mutate(source)
        assert len(graph.commits()) == commits + 1
    else:
        with pytest.raises(omnigraph.OmnigraphError, match="is unknown: the connection was lost"):
            graph.mutate(source)
        assert len(graph.commits()) == commits
        graph.mutate(source)
    assert len(graph.query('query q() { match { $p: Person { name: "once" } } return { $p } }')) == 1


def test_a_put_without_an_answer_that_lost_the_race_is_evaluated_again(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    store = graph._store
    real = store.put_new
    with omnigraph.open(graph.uri) as rival:
        raced: list[str] = []

        def overtaken(key: str, data: bytes) -> None:
            if key.startswith("log/main/") and not raced:
                raced.append(key)
                rival.mutate('query q() { insert Person { name: "rival" } }')
                raise OutcomeUnknown(key, "timed out")
            real(key, data)

        monkeypatch.setattr(store, "put_new", overtaken)
        graph.mutate('query q() { insert Person { name: "ours" } }')
        names = {row["p"] for row in graph.query("query q() { match { $p: Person } return { $p } }").rows()}
        assert {"rival", "ours"} <= names
        with pytest.raises(ObjectExists):
            real(record_key(MAIN, 0), b"")
