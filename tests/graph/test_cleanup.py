"""Cleanup removes what nobody asked to keep, and nothing else: not in a race, and not when it is killed."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import BadRequest, HistoryReclaimed, OmnigraphError
from omnigraph.graph import cleanup as cleanup_module
from omnigraph.graph.cleanup import cleanup
from omnigraph.graph.graph import Graph
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage.local import LocalStore
from omnigraph.storage.log import Log
from omnigraph.storage.reachability import unreachable
from omnigraph.wire.maintenance import CleanupTable
from support.faulty import FaultyStore, Killed

SCHEMA = """
node Person { name: String @key age: I32? @index photo: Blob? }
node City { name: String @key }
edge Knows: Person -> Person
"""


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        yield opened


def person(name: str, **values: Any) -> dict[str, Any]:
    return {"type": "Person", "data": {"name": name, **values}}


def knows(one: str, other: str) -> dict[str, Any]:
    return {"edge": "Knows", "from": one, "to": other, "data": {"id": f"{one}-{other}"}}


def contents(graph: Graph, **at: Any) -> bytes:
    return b"".join(graph.export(**at))


def heads(graph: Graph) -> list[str]:
    return [commit.graph_commit_id for commit in graph.commits()]


def removed(graph: Graph, **bounds: Any) -> dict[str, int]:
    report = graph.cleanup(**bounds, confirm=True)
    assert not [table.error for table in report.tables if table.error]
    return {table.table_key: table.old_versions_removed for table in report.tables}


def freed(graph: Graph, **bounds: Any) -> int:
    return sum(table.bytes_removed for table in graph.cleanup(**bounds, confirm=True).tables)


def size(graph: Graph) -> int:
    return sum(path.stat().st_size for path in Path(graph.uri).rglob("*") if path.is_file())


def fold(graph: Graph) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
        fold_branch(graph._log, graph._main, graph._views.open_table)


def orphans(graph: Graph) -> list[str]:
    return [
        item.key
        for item in unreachable(Log(graph._store), graph._views.open_table, older_than_s=-5)
        if "/_transactions/" not in item.key
    ]


def clean_now(graph: Graph, keep: int = 1) -> list[CleanupTable]:
    """Clean up as if everything that nobody names were old enough."""
    open_table = graph._views.open_table
    return cleanup(graph._log, graph._branch, open_table, keep=keep, older_than_s=None, orphan_age_s=-5)


def assert_only_kept(graph: Graph, before: dict[str, bytes], kept: set[str]) -> None:
    for commit_id, rows in before.items():
        if commit_id in kept:
            assert contents(graph, snapshot=commit_id) == rows
        else:
            with pytest.raises(HistoryReclaimed, match=f"commit '{commit_id}' can no longer be read"):
                contents(graph, snapshot=commit_id)
        assert graph.commit(commit_id).graph_commit_id == commit_id


@pytest.mark.parametrize("folded", [False, True], ids=["tail", "folds"])
def test_the_newest_versions_stay(graph: Graph, folded: bool) -> None:
    for number in range(6):
        graph.load([person(f"p{number}", age=number, photo="base64:AAEC"), knows(f"p{number}", "p0")], "append")
        if folded:
            fold(graph)
    ids = heads(graph)
    before = {commit_id: contents(graph, snapshot=commit_id) for commit_id in ids}
    listed = graph.commits()
    preview = graph.cleanup(keep=3)
    assert preview.tables[2].old_versions_removed == 4
    assert_only_kept(graph, before, set(ids))
    assert removed(graph, keep=3) == {"edge:Knows": 4, "node:City": 0, "node:Person": 4}
    with omnigraph.open(graph.uri) as other:
        assert_only_kept(other, before, set(ids[-3:]))
        assert other.commits() == listed
    assert_only_kept(graph, before, set(ids[-3:]))
    assert removed(graph, keep=3) == {"edge:Knows": 0, "node:City": 0, "node:Person": 0}
    assert removed(graph, keep=1) == {"edge:Knows": 2, "node:City": 0, "node:Person": 2}
    assert freed(graph, keep=1) == 0
    graph.mutate('query q() { insert Person { name: "after" } }')
    assert len(graph.commits()) == len(listed) + 1
    with omnigraph.open(graph.uri) as other:
        assert contents(other) == contents(graph)
        assert_only_kept(other, before, {ids[-1]})


def test_the_bounds_add_up(graph: Graph) -> None:
    for number in range(4):
        graph.load([person(f"p{number}")], "append")
    with pytest.raises(BadRequest, match="cleanup requires at least one of --keep or --older-than"):
        graph.cleanup(confirm=True)
    assert not any(removed(graph, older_than_s=3600).values())
    assert not any(removed(graph, keep=1, older_than_s=3600).values())
    assert not any(removed(graph, keep=5, older_than_s=0).values())
    assert removed(graph, keep=2, older_than_s=0)["node:Person"] == 3
    assert removed(graph, older_than_s=0)["node:Person"] == 1


def test_a_type_that_changes_seldom_keeps_its_versions(graph: Graph) -> None:
    graph.load([{"type": "City", "data": {"name": "oslo"}}], "append")
    fold(graph)
    graph.load([{"type": "City", "data": {"name": "rome"}}], "append")
    fold(graph)
    cities = heads(graph)
    for number in range(5):
        graph.load([person(f"p{number}")], "append")
        fold(graph)
    assert removed(graph, keep=2) == {"edge:Knows": 0, "node:City": 1, "node:Person": 4}
    names = "query q() { match { $c: City } return { $c } order { $c.name } }"
    assert [row["c"] for row in graph.query(names, snapshot=cities[1]).rows()] == ["oslo"]
    assert [row["c"] for row in graph.query(names).rows()] == ["oslo", "rome"]
    for gone in (cities[0], cities[2]):  # the newest version of a type is read at the head as well as where it was made
        with pytest.raises(HistoryReclaimed):
            graph.query(names, snapshot=gone)


def test_after_optimize_the_old_files_go(graph: Graph) -> None:
    rows = [person(f"p{number:05}", age=number, photo="base64:AAEC") for number in range(5000)]
    graph.load(rows, "append")
    graph.mutate("query q() { update Person set { age: 0 } where age > 10 }")
    fold(graph)
    before = contents(graph)
    graph.optimize()
    large = size(graph)
    gone = freed(graph, keep=1)
    assert large - size(graph) >= gone - 4096 > 0
    assert contents(graph) == before
    with omnigraph.open(graph.uri) as other:
        assert contents(other) == before
        assert other.query('query q() { match { $p: Person { name: "p00007" } } return { $p.age } }').rows() == [{"p.age": 7}]
    assert {key.split("/")[2] for key in orphans(graph)} <= {"_versions", "_deletions", "_indices", "data", "reclaimed"}
    clean_now(graph)
    assert orphans(graph) == []
    assert contents(graph) == before


def test_a_view_on_files_that_are_gone_heals(graph: Graph) -> None:
    graph.load([person(f"p{number}", age=number) for number in range(5000)], "append")
    fold(graph)
    graph.load([person("x", age=-1)], "append")
    read = "query q() { match { $p: Person { name: $n } } return { $p.age } }".replace("q()", "q($n: String)")
    with omnigraph.open(graph.uri) as reader:
        assert reader.query(read, {"n": "p1"}).rows() == [{"p.age": 1}]
        graph.optimize()
        graph.cleanup(keep=1, confirm=True)
        assert reader.query("query q() { match { $p: Person } return { sum($p.age) as s } }").rows() == [{"s": 12497499}]
        reader.mutate("query q() { update Person set { age: 5 } where age = 4 }")
        reader.load([person("y")], "merge")
        assert reader.query(read, {"n": "p4"}).rows() == [{"p.age": 5}]
        assert contents(reader) == contents(graph)


def test_a_writer_that_looked_long_ago_cannot_write_into_the_past(graph: Graph) -> None:
    with omnigraph.open(graph.uri) as sleeper:
        sleeper.mutate('query q() { insert Person { name: "early" } }')
        for number in range(40):
            graph.mutate(f'query q() {{ insert Person {{ name: "p{number}" }} }}')
        graph.optimize()
        graph.cleanup(keep=1, confirm=True)
        (Path(graph.uri) / "log/main/head").unlink()
        sleeper.mutate('query q() { insert Person { name: "late" } }')
        assert len(sleeper.commits()) == len(graph.commits()) == 43
        assert contents(sleeper) == contents(graph)
    with omnigraph.open(graph.uri) as other:
        assert len(other.commits()) == 43


def test_what_merges_will_need_stays(graph: Graph) -> None:
    graph.load([person(f"p{number}", age=0) for number in range(4)], "append")
    graph.create_branch("old")
    for number in range(3):
        graph.mutate(f'query q() {{ update Person set {{ age: {number + 1} }} where name = "p{number}" }}')
        fold(graph)
    graph.create_branch("young")
    graph.mutate('query q() { insert Person { name: "side" } }', branch="young")
    graph.mutate('query q() { update Person set { age: 9 } where name = "p3" }', branch="old")
    graph.optimize()
    removed(graph, keep=1)
    with omnigraph.open(graph.uri) as other:
        assert other.merge("young", into="old").outcome == "merged"
        other.mutate('query q() { update Person set { age: 7 } where name = "p0" }')
        assert other.merge("old").outcome == "merged"
        ages = {
            row["p"]: row["p.age"] for row in other.query("query q() { match { $p: Person } return { $p, $p.age } }").rows()
        }
        assert ages == {"p0": 7, "p1": 2, "p2": 3, "p3": 9, "side": None}
    assert graph.merge("young").outcome == "already_up_to_date"


def test_crossed_histories_merge_after_a_cleanup(graph: Graph) -> None:
    graph.load([person(name, age=0) for name in "abcd"], "append")
    graph.create_branch("one")
    graph.create_branch("two")
    age = "query q($n: String, $a: I32) { update Person set { age: $a } where name = $n }"
    graph.mutate(age, {"n": "a", "a": 1}, branch="one")
    graph.mutate(age, {"n": "b", "a": 2}, branch="two")
    graph.create_branch("left", from_branch="one")
    graph.create_branch("right", from_branch="two")
    graph.merge("two", into="left")
    graph.merge("one", into="right")
    graph.mutate(age, {"n": "c", "a": 3}, branch="left")
    graph.mutate(age, {"n": "d", "a": 4}, branch="right")
    removed(graph, keep=1)
    with omnigraph.open(graph.uri) as other:
        other.merge("left", into="right")
        rows = other.query("query q() { match { $p: Person } return { $p, $p.age } }", branch="right").rows()
        assert {row["p"]: row["p.age"] for row in rows} == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_deleted_branches_go_and_what_was_merged_stays_known(graph: Graph) -> None:
    graph.load([person("a", photo="base64:AAAA")], "append")
    for name in ("merged", "dropped"):
        graph.create_branch(name)
        graph.load([person(name, photo="base64:BBBB")], "append", branch=name)
    graph.mutate('query q() { insert Person { name: "main" } }')
    graph.merge("merged")
    merged = graph.commits()[-1].merged_parent_commit_id
    graph.delete_branch("merged")
    graph.delete_branch("dropped")
    logs = Path(graph.uri) / "log"
    assert removed(graph, keep=1)["node:Person"] > 0
    assert len(list(logs.iterdir())) == 3, "a branch that was deleted a moment ago may still have a writer"

    old = time.time() - 7200
    for path in Path(graph.uri).rglob("*"):
        os.utime(path, (old, old))
    graph.cleanup(keep=1, confirm=True)
    left = [path for path in logs.rglob("*") if path.is_file() and "main" not in path.parts]
    assert [path.parent.name for path in left] == ["history"], "only the merged branch is remembered, by its headers"
    assert graph.commits()[-1].merged_parent_commit_id == merged
    assert orphans(graph) == []
    graph.create_branch("next")
    graph.mutate('query q() { insert Person { name: "next" } }', branch="next")
    assert graph.merge("next").outcome == "fast_forward"
    assert {row["p"] for row in graph.query("query q() { match { $p: Person } return { $p } }").rows()} == {
        "a", "merged", "main", "next",
    }  # fmt: skip


def test_files_of_a_write_in_flight_are_left_alone(graph: Graph) -> None:
    graph.load([person("a")], "append")
    for key in ("blobs/01HX0000000000000000000000", "tables/01HX0000000000000000000000/data/x.lance", "log/main/~tmp-1"):
        path = Path(graph.uri) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (Path(graph.uri) / "notes.txt").write_text("not ours")
    assert freed(graph, keep=9) == 0
    tables = clean_now(graph, keep=9)
    assert sum(table.bytes_removed for table in tables) == 3
    assert (Path(graph.uri) / "notes.txt").exists()
    assert contents(graph)


def test_a_damaged_table_is_reported_and_left_alone(graph: Graph) -> None:
    for number in range(3):
        graph.load([person(f"p{number}"), {"type": "City", "data": {"name": f"c{number}"}}], "append")
        fold(graph)
    table = next(table.table_path for table in graph.snapshot().tables if table.table_key == "node:City")
    versions = Path(graph.uri) / table / "_versions"
    for path in versions.glob("d*.manifest"):
        path.write_bytes(b"damaged")
    with omnigraph.open(graph.uri) as other:
        report = {entry.table_key: entry for entry in other.cleanup(keep=1, confirm=True).tables}
    assert report["node:City"].error is not None
    assert report["node:Person"].error is None and report["node:Person"].bytes_removed > 0


# --- deaths and races --------------------------------------------------------------------------------------------------


def opened(root: Path, store: FaultyStore) -> Graph:
    entry = Log(store).find_head("main")
    assert entry is not None
    return Graph(str(root), store, entry, GraphSettings.from_environment())


def prepared(root: Path) -> None:
    with omnigraph.init(str(root), SCHEMA) as graph:
        for number in range(3):
            graph.load([person(f"p{number}", photo="base64:AAEC"), knows(f"p{number}", "p0")], "append")
            fold(graph)
        graph.create_branch("side")
        graph.load([person("side", photo="base64:CCCC")], "append", branch="side")
        graph.mutate('query q() { delete Person where name = "p1" }')


def optimize(graph: Graph) -> None:
    graph.optimize()


def clean(graph: Graph) -> None:
    graph.cleanup(keep=1, confirm=True)


@pytest.mark.parametrize("work", [optimize, clean])
def test_death_at_every_store_call(work: Callable[[Graph], None], tmp_path: Path) -> None:
    start = tmp_path / "start"
    prepared(start)
    with omnigraph.open(str(start)) as graph:
        expected = {name: contents(graph, branch=name) for name in ("main", "side")}
        commits = graph.commits()
    clean_root = tmp_path / "clean"
    shutil.copytree(start, clean_root)
    store = FaultyStore(LocalStore(clean_root, fsync=False))
    work(opened(clean_root, store))
    calls = len(store.calls)
    assert calls > 3
    for die_at in range(1, calls + 1):
        root = tmp_path / str(die_at)
        shutil.copytree(start, root)
        with pytest.raises(Killed):
            work(opened(root, FaultyStore(LocalStore(root, fsync=False), die_at=die_at, after=die_at % 2 == 0)))
        with omnigraph.open(str(root)) as graph:
            assert {name: contents(graph, branch=name) for name in expected} == expected
            assert graph.commits() == commits
            assert not graph.repair().refused
            work(graph)
            assert {name: contents(graph, branch=name) for name in expected} == expected
            assert graph.commits() == commits
            graph.cleanup(keep=1, confirm=True)
            assert freed(graph, keep=1) == 0
            assert graph.merge("side").outcome == "merged"
        shutil.rmtree(root)


def test_cleanups_race_writers_readers_and_merges(graph: Graph) -> None:
    graph.load([person(f"p{number}", age=0) for number in range(50)], "append")
    stop = time.monotonic() + 3.0
    failures: list[BaseException] = []
    counts = {"write": 0, "merge": 0, "cleanup": 0, "read": 0}

    def running(name: str, work: Callable[[Graph, int], None]) -> threading.Thread:
        def run() -> None:
            try:
                with omnigraph.open(graph.uri) as own:
                    while time.monotonic() < stop:
                        work(own, counts[name])
                        counts[name] += 1
            except BaseException as error:
                failures.append(error)

        return threading.Thread(target=run)

    def write(own: Graph, number: int) -> None:
        own.mutate("query q($n: String) { insert Person { name: $n, age: 0 } }", {"n": f"w{number}"})
        if number % 7 == 0:
            fold(own)

    def merge(own: Graph, number: int) -> None:
        name = f"b{number}"
        own.create_branch(name)
        own.mutate("query q($n: String) { insert Person { name: $n, age: 0 } }", {"n": f"m{number}"}, branch=name)
        own.merge(name)
        own.delete_branch(name)

    def clean_up(own: Graph, number: int) -> None:
        if number % 2:
            own.optimize()
        for table in own.cleanup(keep=2, confirm=True).tables:
            assert table.error is None, table.error

    def read(own: Graph, number: int) -> None:
        rows = own.query("query q() { match { $p: Person } return { count($p) as n, sum($p.age) as s } }").rows()
        assert rows[0]["n"] >= 50 and rows[0]["s"] == 0

    threads = [running("write", write), running("merge", merge), running("cleanup", clean_up), running("read", read)]
    threads.append(running("cleanup", clean_up))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert min(counts.values()) > 0, counts
    names = {row["p"] for row in graph.query("query q() { match { $p: Person } return { $p } }").rows()}
    expected = {f"p{number}" for number in range(50)} | {f"w{number}" for number in range(counts["write"])}
    assert names == expected | {f"m{number}" for number in range(counts["merge"])}
    assert len(graph.commits()) == 2 + counts["write"] + counts["merge"]
    assert not graph.repair().refused


def test_many_branches_cost_a_commit_nothing(graph: Graph) -> None:
    graph.load([person("a")], "append")
    for number in range(300):
        graph.create_branch(f"b/{number:03}")
    calls: list[str] = []
    real = graph._store.list
    graph._store.list = lambda prefix: calls.append(prefix) or real(prefix)  # type: ignore[method-assign, func-returns-value]
    graph.mutate('query q() { insert Person { name: "b" } }')
    with omnigraph.open(graph.uri) as other:
        assert len(other.branches()) == 301
    assert calls == [], "neither a commit nor an open lists anything"
    started_s = time.perf_counter()
    assert removed(graph, keep=1)["node:Person"] == 1
    assert time.perf_counter() - started_s < 5
    assert contents(graph, branch="b/007") != contents(graph)


def test_no_branch_is_made_from_a_commit_that_only_memory_still_has(graph: Graph) -> None:
    for name in "abc":
        graph.load([person(name)], "append")
    old = graph.commits()[1].graph_commit_id
    with omnigraph.open(graph.uri) as reader:
        assert contents(reader, snapshot=old).count(b"\n") == 1
        graph.cleanup(keep=1, confirm=True)
        with pytest.raises(HistoryReclaimed, match=old):
            reader.create_branch("late", from_commit=old)
        assert reader.branches() == ["main"]
        reader.create_branch("late")
        assert contents(reader, branch="late") == contents(graph)


def test_a_cleanup_may_be_asked_to_keep_more_than_the_last_one_left(graph: Graph) -> None:
    for name in "ab":
        graph.load([person(name)], "append")
        fold(graph)
    for number in range(4):
        graph.load([person(f"p{number}")], "append")
    assert graph._main.current().cut.entry.position.seq == 8, "the next record takes the schema from this one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("omnigraph.graph.load.INLINE_ROWS_MAX", 0)
        graph.load([person("d")], "overwrite")
    for keep in (1, 2, 9):
        assert not any(table.error for table in graph.cleanup(keep=keep, confirm=True).tables), keep
    with pytest.raises(HistoryReclaimed):
        contents(graph, snapshot=heads(graph)[-2])


def test_what_changed_is_found_without_the_lists_that_a_cleanup_removed(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnigraph.graph.load.INLINE_ROWS_MAX", 0)
    graph.load([person(name, age=0) for name in "ab"], "append")
    graph.create_branch("old")
    graph.load([person("b", age=1)], "merge")
    graph.load([person("c", age=1)], "merge")
    graph.load([person("c", age=2)], "merge")
    setter, before = heads(graph)[2], heads(graph)[1]
    graph.delete_branch("old")
    graph.create_branch("old", from_commit=before)
    shutil.rmtree(next((Path(graph.uri) / "tables").glob("*/changes")))
    assert [(change.id, change.op) for change in graph.diff("old", "main").changes] == [("b", "update"), ("c", "insert")]
    assert graph.blame("Person", "b").properties[1].graph_commit_id == setter
    graph.load([person("d", age=1)], "merge", branch="old")
    assert graph.merge("old").outcome == "merged"


@pytest.mark.parametrize("moment", ["plan", "carry_out", "after"])
def test_a_branch_made_during_a_cleanup_can_be_read_or_is_not_there(
    graph: Graph, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        graph.load([person(name)], "append")
        fold(graph)
    old = heads(graph)[2]
    before = contents(graph, snapshot=old)
    refused: list[OmnigraphError] = []

    def make() -> None:
        with omnigraph.open(graph.uri) as other:
            try:
                other.create_branch("late", from_commit=old)
            except HistoryReclaimed as error:
                refused.append(error)

    maker = threading.Thread(target=make)

    def meanwhile(work: Callable[..., Any]) -> Callable[..., Any]:
        def doing(*args: Any, **options: Any) -> Any:
            if moment == "after":
                done = work(*args, **options)
                maker.start() if not maker.ident else None
                return done
            planned = work(*args, **options) if moment == "plan" else None
            if not maker.ident:
                maker.start()
                maker.join(1.0 if moment == "plan" else 0.3)
                assert maker.is_alive() == (moment == "carry_out"), "it waits while a cleanup deletes"
            return planned if moment == "plan" else work(*args, **options)

        return doing

    name = "plan" if moment == "plan" else "carry_out"
    monkeypatch.setattr(cleanup_module, name, meanwhile(getattr(cleanup_module, name)))
    graph.cleanup(keep=1, confirm=True)
    maker.join()
    assert not list((Path(graph.uri) / "_cleaning").glob("*"))
    with omnigraph.open(graph.uri) as other:
        if moment == "plan":
            assert contents(other, branch="late") == before
            assert not other.repair().refused
        else:
            assert refused and other.branches() == ["main"]


def test_the_commit_that_a_branch_began_with_is_read_from_what_the_branch_holds(graph: Graph) -> None:
    graph.load([person("a"), {"type": "City", "data": {"name": "oslo"}}], "append")
    fold(graph)
    graph.load([person("b"), {"type": "City", "data": {"name": "rome"}}], "append")
    began = heads(graph)[-1]
    graph.create_branch("late")
    before = contents(graph)
    fold(graph)
    for name in "cdef":
        more = [{"type": "City", "data": {"name": "bonn"}}] if name == "c" else []
        graph.load([person(name), *more], "append")
        fold(graph)
    graph.merge("main", into="late")  # so that merges to come do not need the commit
    graph.cleanup(keep=2, confirm=True)
    with omnigraph.open(graph.uri) as other:
        assert contents(other, branch="late") == contents(other)
        assert contents(other, snapshot=began) == before
