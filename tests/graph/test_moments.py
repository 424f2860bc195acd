"""Any moment of a branch can be named, read and branched off: by commit, by version, by time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import BadRequest, HistoryReclaimed, NotFound
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage import history as history_module
from omnigraph.storage.log import RECLAIMED
from omnigraph.storage.names import record_key

SCHEMA = "node Person { name: String @key age: I32? }"
NAMES = "query q() { match { $p: Person } return { $p.name as n } order { n } }"


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        yield opened


def add(graph: Graph, name: str, branch: str | None = None, actor: str | None = None) -> str:
    done = graph.mutate(f'query q() {{ insert Person {{ name: "{name}" }} }}', branch=branch, actor=actor)
    assert done.commit is not None
    return done.commit.graph_commit_id


def names(graph: Graph, **where: Any) -> str:
    return "".join(row["n"] for row in graph.query(NAMES, **where).rows())


def instant(commit: Any) -> datetime:
    return datetime.fromtimestamp(commit.created_at / 1_000_000, UTC)


def text_of(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"


def test_commit_version_and_time_name_the_same_states(graph: Graph) -> None:
    for name in "abc":
        add(graph, name)
        time.sleep(0.002)
    graph.create_branch("dev")
    for name in "de":
        add(graph, name, "dev")
        time.sleep(0.002)
    add(graph, "x")
    for branch, held in (("main", "abcx"), ("dev", "abcde")):
        for at, commit in enumerate(graph.commits(branch)):
            expected = held[:at]
            assert names(graph, snapshot=commit.graph_commit_id) == expected
            assert names(graph, branch=branch, at=commit.manifest_version) == expected
            assert names(graph, branch=branch, at=f"v{commit.manifest_version}") == expected
            assert names(graph, branch=branch, at=text_of(commit.created_at)) == expected
            assert names(graph, branch=branch, at=instant(commit)) == expected
            if at:
                assert names(graph, branch=branch, at=text_of(commit.created_at - 1)) == expected[:-1]
    result = graph.query(NAMES, branch="dev", at=2)
    assert (result.branch, result.snapshot) == (None, graph.commits("dev")[1].graph_commit_id)
    assert names(graph, at="2999-01-01") == "abcx"


def test_every_read_takes_a_moment(graph: Graph) -> None:
    add(graph, "a")
    second = add(graph, "b")
    add(graph, "c")
    assert b"".join(graph.export(at=3)).count(b"\n") == 2
    assert b"".join(graph.export(snapshot=second)).count(b"\n") == 2
    assert graph.snapshot(at=3).tables[0].row_count == 2
    assert (graph.snapshot(snapshot=second).manifest_version, graph.snapshot(snapshot=second).branch) == (3, "main")
    assert graph.schema_source(at=1) == graph.schema_source(snapshot=second) == SCHEMA
    assert len(graph.explain(NAMES, at=2, profile=True).result or ()) == 1


def test_an_unambiguous_beginning_of_an_id_is_enough(graph: Graph) -> None:
    first = add(graph, "a")
    time.sleep(0.003)
    second = add(graph, "b")
    graph.create_branch("dev")
    time.sleep(0.003)
    third = add(graph, "c", "dev")
    for commit_id in (first, second, third):
        assert graph.commit(commit_id[:18]).graph_commit_id == commit_id
        assert names(graph, snapshot=commit_id[:18]) == names(graph, snapshot=commit_id)
    with pytest.raises(BadRequest, match="is ambiguous: it may be 01"):
        graph.commit(first[:4])
    for missing in ("01", "nope", "", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", first[:-1] + ("0" if first[-1] != "0" else "1")):
        with pytest.raises(NotFound, match=f"commit '{missing}' not found"):
            graph.commit(missing)


def test_moments_that_are_not_there(graph: Graph) -> None:
    add(graph, "a")
    with pytest.raises(NotFound, match="version 7 not found on branch 'main'"):
        graph.query(NAMES, at=7)
    with pytest.raises(NotFound, match=r"branch .main. has no commit at or before 2000-01-01T00:00:00\.000Z") as early:
        graph.query(NAMES, at="2000-01-01")
    assert early.value.hint is not None
    assert early.value.hint.startswith("its first commit is of 20")
    for wrong in ("soon", "2026-13-01", "", "-1", 0, True):
        with pytest.raises(BadRequest):
            graph.query(NAMES, at=wrong)
    with pytest.raises(BadRequest, match="snapshot and at exclude each other"):
        graph.query(NAMES, at=1, snapshot="x")
    with pytest.raises(NotFound, match="branch 'ghost' not found"):
        graph.query(NAMES, at=1, branch="ghost")


def test_a_branch_begins_at_any_moment_with_one_put(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    add(graph, "a")
    second = add(graph, "b")
    add(graph, "c")
    graph.create_branch("dev")
    on_dev = add(graph, "d", "dev")
    puts: list[str] = []
    put_new = graph._store.put_new
    with monkeypatch.context() as patch:
        patch.setattr(graph._store, "put_new", lambda key, data: (puts.append(key), put_new(key, data)))
        made = graph.create_branch("early", at=2)
    assert puts == ["refs/early"]
    assert (made.from_, names(graph, branch="early")) == ("main", "a")
    assert graph.create_branch("from-b", from_commit=second).from_ == "main"
    assert graph.create_branch("from-d", from_commit=on_dev).from_ == "dev"
    assert graph.create_branch("inherited", from_branch="dev", at=2).from_ == "main"
    assert [names(graph, branch=name) for name in ("from-b", "from-d", "inherited")] == ["ab", "abcd", "a"]
    for name in ("early", "from-b", "from-d", "inherited"):
        add(graph, "z", name)
    assert [names(graph, branch=name) for name in ("early", "from-b", "from-d", "inherited")] == ["az", "abz", "abcdz", "az"]
    assert [commit.manifest_version for commit in graph.commits("from-d")] == [1, 2, 3, 4, 5, 6]
    assert [commit.manifest_version for commit in graph.commits("inherited")] == [1, 2, 3]
    with pytest.raises(BadRequest):
        graph.create_branch("both", from_branch="dev", from_commit=second)
    with pytest.raises(NotFound, match="commit 'nope' not found"):
        graph.create_branch("none", from_commit="nope")


def test_a_line_through_branches_without_commits_of_their_own(graph: Graph) -> None:
    add(graph, "a")
    graph.create_branch("one")
    add(graph, "b", "one")
    graph.create_branch("two", from_branch="one")
    graph.create_branch("three", from_branch="two")
    add(graph, "c", "three")
    assert [commit.manifest_version for commit in graph.commits("three")] == [1, 2, 3, 4]
    assert [names(graph, branch="three", at=version) for version in (1, 2, 3, 4)] == ["", "a", "ab", "abc"]


def test_a_branch_may_begin_inside_a_shared_record(graph: Graph, tmp_path: Path) -> None:
    add(graph, "a")
    sources = [f'query q() {{ insert Person {{ name: "{name}" }} }}' for name in "bcd"]
    commits = [done.commit.graph_commit_id for done in graph.commit_some([graph.prepare_mutation(text) for text in sources])]
    graph.create_branch("mid", from_commit=commits[0])
    assert names(graph, branch="mid") == "ab"
    graph.create_branch("empty", from_branch="mid")
    add(graph, "y", "mid")
    add(graph, "z", "empty")
    with omnigraph.open(graph.uri) as again:
        assert [names(again, branch=name) for name in ("main", "mid", "empty")] == ["abcd", "aby", "abz"]
        assert [commit.manifest_version for commit in again.commits("mid")] == [1, 2, 3, 4]
        assert again.snapshot("mid").tables[0].row_count == 3


def test_the_newest_commits_of_a_long_history_are_cheap(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "GATHER_RECORDS", 16)
    monkeypatch.setattr(fold_module, "TAIL_RECORDS_MAX", 24)
    for number in range(100):
        add(graph, f"p{number:03}", actor="even" if number % 2 == 0 else "odd")
        if number % 30 == 29:
            fold_branch(graph._log, graph._main, graph._views.open_table)
    everything = graph.commits()
    assert [commit.manifest_version for commit in everything] == list(range(1, 102))
    with omnigraph.open(graph.uri) as again:
        assert again.commits(order="newest", limit=12) == everything[:-13:-1]
        assert again._store.counters.objects_read < 40
    assert graph.commits(order="newest") == everything[::-1]
    assert graph.commits(limit=3) == everything[:3]
    odd = [commit for commit in everything if commit.actor_id == "odd"]
    assert graph.commits(actor="odd", order="newest", limit=5) == odd[:-6:-1]
    assert graph.commits(after=everything[40].graph_commit_id, limit=2) == everything[41:43]
    with pytest.raises(BadRequest, match="is not one of the branch"):
        graph.commits(after="nope")
    for version in (1, 2, 17, 60, 101):
        assert len(graph.query(NAMES, at=version)) == version - 1


def test_commits_whose_records_are_gone_stay_listed(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "GATHER_RECORDS", 8)
    monkeypatch.setattr(fold_module, "TAIL_RECORDS_MAX", 8)
    for number in range(30):
        add(graph, f"p{number:03}")
    fold_branch(graph._log, graph._main, graph._views.open_table)
    everything = graph.commits()
    for seq in range(14):
        graph._store.put(record_key("main", seq), RECLAIMED)
    with omnigraph.open(graph.uri) as again:
        assert again.commits() == everything
        assert again.commits(order="newest") == everything[::-1]
        assert again.commit(everything[3].graph_commit_id) == everything[3]
        assert len(again.query(NAMES, at=25)) == 24
        with pytest.raises(HistoryReclaimed, match=f"commit '{everything[4].graph_commit_id}' can no longer be read"):
            again.query(NAMES, at=5)
