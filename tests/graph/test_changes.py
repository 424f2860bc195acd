"""Diffs, feeds and blame on random histories, against what whole exports of every commit say."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import (
    BadRequest,
    ChangeDiffRefusal,
    ChangeFeedGap,
    CursorRejected,
    MergeConflicts,
    NotFound,
    OmnigraphError,
    ResourceLimitExceeded,
)
from omnigraph.graph import load as load_module
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage import history as history_module
from omnigraph.storage.log import RECLAIMED
from omnigraph.storage.names import record_key
from omnigraph.wire.encoding import compact

SCHEMA = """
node Person { name: String @key age: I32? city: String? tags: [String]? at: Vector(2)? born: Date? photo: Blob? }
edge Knows: Person -> Person { w: I32? }
"""
PEOPLE = ["ann", "bob", "cy", "dée", "eve"]
Row = tuple[str, str]
State = dict[Row, dict[str, Any]]


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as opened:
        yield opened


def person(name: str, **values: Any) -> dict[str, Any]:
    return {"type": "Person", "data": {"name": name, **values}}


def knows(edge_id: str, source: str, target: str, w: int | None = None) -> dict[str, Any]:
    return {"edge": "Knows", "from": source, "to": target, "data": {"id": edge_id, "w": w}}


def state_at(graph: Graph, **where: Any) -> State:
    """Return all rows of a state in the form of change images, out of a whole export."""
    found: State = {}
    for line in b"".join(graph.export(**where)).splitlines():
        record = json.loads(line)
        row_id = record["data"].pop("id")
        if record["data"].get("born") is not None:
            record["data"]["born"] = f"1970-01-{record['data']['born'] + 1:02}"
        image: dict[str, Any] = {"properties": record["data"]}
        if "edge" in record:
            image["endpoints"] = {"from": record["from"], "to": record["to"]}
        found["node:Person" if "type" in record else "edge:Knows", row_id] = image
    return found


def plain(value: Any) -> Any:
    return json.loads(compact(value))


class World:
    """A graph that a seed has written a history into."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self.graph = graph
        self.random = random.Random(seed)

    def live(self, **steps: int) -> None:
        for _ in range(steps["steps"]):
            step = self.random.choice(
                [self.load, self.load, self.update, self.delete, self.fork, self.merge, self.fold, self.group]
            )
            step()

    def branch(self) -> str:
        return self.random.choice(self.graph.branches())

    def value(self, *values: Any) -> Any:
        return self.random.choice([None, *values])

    def records(self) -> list[dict[str, Any]]:
        found = []
        for name in self.random.sample(PEOPLE, self.random.randint(1, 3)):
            found.append(
                person(
                    name,
                    age=self.value(1, 2),
                    city=self.value("oslo", ""),
                    tags=self.value([], ["x"], ["x", "y"]),
                    at=self.value([0.0, 1.0], [0.5, 1.0]),
                    born=self.value("1970-01-03"),
                    photo=self.value("base64:AAEC", "base64:", "file:///x"),
                )
            )
        return found

    def attempt(self, work: Any) -> None:
        try:
            work()
        except OmnigraphError as error:
            assert error.http_status < 500, error

    def load(self) -> None:
        records = self.records()
        for edge_id in self.random.sample(["e1", "e2", "e3"], self.random.randint(0, 2)):
            records.append(knows(edge_id, self.random.choice(PEOPLE), self.random.choice(PEOPLE), self.value(1, 2)))
        mode: Any = self.random.choice(["merge", "merge", "merge", "overwrite"])
        with pytest.MonkeyPatch.context() as patch:
            if self.random.random() < 0.25:
                patch.setattr(load_module, "INLINE_ROWS_MAX", 0)
            branch = self.branch()
            self.attempt(lambda: self.graph.load(records, mode, branch=branch, actor=self.value("ida", "jon")))

    def update(self) -> None:
        text = "query q($a: I32?, $n: String) { update Person set { age: $a } where name = $n }"
        params = {"a": self.value(1, 2, 3), "n": self.random.choice(PEOPLE)}
        self.attempt(lambda: self.graph.mutate(text, params, branch=self.branch()))

    def delete(self) -> None:
        params = {"n": self.random.choice(PEOPLE)}
        self.attempt(
            lambda: self.graph.mutate("query q($n: String) { delete Person where name = $n }", params, branch=self.branch())
        )

    def fork(self) -> None:
        if len(self.graph.branches()) < 5:
            commits = self.graph.commits(self.branch())
            chosen = self.random.choice(commits).graph_commit_id
            self.graph.create_branch(f"b{len(self.graph.branches())}", from_commit=chosen)

    def merge(self) -> None:
        source, target = self.branch(), self.branch()
        if source == target:
            return
        try:
            self.attempt_merge(source, target, None)
        except MergeConflicts:
            self.attempt(lambda: self.attempt_merge(source, target, self.random.choice(["ours", "theirs"])))

    def attempt_merge(self, source: str, target: str, strategy: Any) -> None:
        self.graph.merge(source, into=target, strategy=strategy, actor="merger")

    def fold(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
            fold_branch(self.graph._log, self.graph._branch(self.branch()), self.graph._views.open_table)

    def group(self) -> None:
        branch = self.branch()
        text = "query q($a: I32?, $n: String) { insert Person { name: $n, age: $a } }"
        params = [{"a": self.value(7, 8), "n": self.random.choice(PEOPLE)} for _ in range(3)]
        self.graph.commit_some([self.graph.prepare_mutation(text, one, branch=branch) for one in params])

    def commits(self) -> dict[str, Any]:
        return {commit.graph_commit_id: commit for branch in self.graph.branches() for commit in self.graph.commits(branch)}


def difference(before: State, after: State) -> list[dict[str, Any]]:
    found = []
    for key in sorted({*before, *after}):
        then, now = before.get(key), after.get(key)
        if json.dumps(then) == json.dumps(now):
            continue
        op = "insert" if then is None else "delete" if now is None else "update"
        ends = (now or then or {}).get("endpoints")
        change = {"table_key": key[0], "id": key[1], "op": op, "endpoints": ends, "before": then, "after": now}
        found.append({name: value for name, value in change.items() if value is not None or name == "endpoints"})
    return found


def told(changes: list[Any]) -> list[dict[str, Any]]:
    shown = []
    for change in plain(changes):
        del change["kind"], change["type_name"], change["manifest_version"]
        shown.append(change)
    return shown


SEEDS = [*range(5), *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 120)]]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_histories(graph: Graph, seed: int) -> None:
    world = World(graph, seed)
    world.live(steps=30)
    commits = world.commits()
    states = {commit_id: state_at(graph, snapshot=commit_id) for commit_id in commits}
    for _ in range(40):
        one, other = world.random.choice(list(commits)), world.random.choice(list(commits))
        found = graph.diff(one, other)
        assert told(found.changes) == difference(states[one], states[other]), (commits[one], commits[other])
        counts = [sum(change.op == op for change in found.changes) for op in ("insert", "update", "delete")]
        assert [found.stats.inserts, found.stats.updates, found.stats.deletes] == counts
    for branch in graph.branches():
        check_feed(world, branch, states)
        check_blame(world, branch, commits, states)


def check_feed(world: World, branch: str, states: dict[str, State]) -> None:
    """Apply the feed to a baseline, in pages of any size: after each commit the state is that of the commit."""
    graph = world.graph
    line = graph.commits(branch)
    place = world.random.randrange(len(line))
    state = dict(states[line[place].graph_commit_id])
    at: dict[str, Any] = {"start": f"after:{line[place].graph_commit_id}"}
    seen: list[str] = []
    while True:
        page = graph.changes(branch, limit=world.random.choice([1, 2, 5, 1000]), **at)
        for block in page.blocks:
            if not seen or seen[-1] != block.cause.graph_commit_id:
                if seen:
                    assert state == states[seen[-1]]
                seen.append(block.cause.graph_commit_id)
            for change in plain(block.changes):
                key = f"{change['kind']}:{change['type']['name']}", change["id"]
                assert state.get(key) == change.get("before")
                if change["op"] == "delete":
                    del state[key]
                else:
                    state[key] = change["after"]
        if "cursor" in plain(page):
            assert state == states[seen[-1]] if seen else True
            at = {"cursor": page.cursor}
            if page.caught_up:
                break
        else:
            at = {"page_token": page.next_page_token}
    parents = {commit.graph_commit_id: commit.parent_commit_id for commit in line}
    behind = [commit.graph_commit_id for commit in line[place + 1 :]]
    assert seen == [one for one in behind if difference(states[str(parents[one])], states[one])]
    assert state == states[line[-1].graph_commit_id]


def check_blame(world: World, branch: str, commits: dict[str, Any], states: dict[str, State]) -> None:
    head = world.graph.commits(branch)[-1].graph_commit_id
    for (table_key, row_id), image in states[head].items():
        found = world.graph.blame(table_key, row_id, branch=branch)
        names = [*(["from", "to"] if "endpoints" in image else []), *image["properties"]]
        assert [line.property for line in found.properties] == names
        for line in found.properties:
            setter = naive_setter(head, (table_key, row_id), line.property, commits, states)
            assert line.graph_commit_id == setter, (table_key, row_id, line)
            assert (line.actor_id, line.created_at) == (commits[setter].actor_id, commits[setter].created_at)


def naive_setter(commit_id: str, row: Row, name: str, commits: dict[str, Any], states: dict[str, State]) -> str:
    def value(of: str) -> Any:
        image = states[of].get(row)
        if image is None:
            return ("no row",)
        return image["endpoints"][name] if name in ("from", "to") else json.dumps(image["properties"][name])

    commit = commits[commit_id]
    for parent in (commit.parent_commit_id, commit.merged_parent_commit_id):
        if parent is not None and value(parent) == value(commit_id):
            return naive_setter(parent, row, name, commits, states)
    return commit_id


# --- diff --------------------------------------------------------------------------------------------------------------


def test_places_and_filters_of_a_diff(graph: Graph) -> None:
    graph.load([person("ann", age=1), person("bob"), knows("e1", "ann", "bob")], "merge")
    graph.create_branch("dev")
    graph.mutate('query q() { update Person set { age: 2 } where name = "ann" }', branch="dev", actor="ida")
    graph.mutate('query q() { delete Person where name = "bob" }', branch="dev")
    found = graph.diff("main", "dev")
    assert [(change.table_key, change.id, change.op) for change in found.changes] == [
        ("edge:Knows", "e1", "delete"),
        ("node:Person", "ann", "update"),
        ("node:Person", "bob", "delete"),
    ]
    assert plain(found.changes[0])["endpoints"] == {"from": "ann", "to": "bob"}
    assert (found.from_version, found.to_version, found.branch) == (2, 4, None)
    assert found.stats.types_affected == ["Knows", "Person"]
    ids = lambda **filters: [change.id for change in graph.diff("main", "dev", **filters).changes]  # noqa: E731
    assert ids(kinds=["edge"]) == ["e1"]
    assert ids(types=["Person"]) == ids(types=["node:Person"]) == ["ann", "bob"]
    assert ids(ops=["update"]) == ["ann"]
    assert ids(ids=["bob", "nobody"]) == ["bob"]
    limited = graph.diff("main", "dev", limit=1)
    assert (len(limited.changes), limited.truncated, limited.stats.deletes) == (1, True, 2)
    assert ids(limit=0) == []
    assert [change.op for change in graph.diff("dev", "main").changes] == ["insert", "update", "insert"]
    for one, other in (
        ("dev~2", "dev"),
        ("dev@2", "dev@4"),
        ("@2", "dev"),
        ("main", "dev~0"),
        (graph.commits()[1].graph_commit_id, "dev"),
    ):
        assert graph.diff(one, other).stats == found.stats, (one, other)
    assert graph.diff("dev~1", "dev").branch == "dev"
    assert graph.diff("main", "main").changes == []
    for wrong, error in (("ghost", NotFound), ("dev~9", NotFound), ("@99", NotFound), ("", BadRequest), ("main@b", BadRequest)):
        with pytest.raises(error):
            graph.diff(wrong, "main")
    with pytest.raises(BadRequest, match="unknown type 'Ghost'"):
        graph.diff("main", "dev", types=["Ghost"])


def test_a_diff_reads_what_changed_only(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.load([person(f"p{number:05}") for number in range(5_000)], "append")
    before = graph.commits()[-1].graph_commit_id
    for number in range(3):
        graph.mutate(f'query q() {{ update Person set {{ age: {number} }} where name = "p0000{number}" }}')
    with omnigraph.open(graph.uri) as again, monkeypatch.context() as patch:
        from omnigraph.storage.table_view import StoredView

        patch.setattr(StoredView, "all", lambda _: pytest.fail("the whole table was read"))
        assert len(again.diff(before, "main").changes) == 3


def test_vectors_differ_bit_by_bit(graph: Graph) -> None:
    graph.load([person("ann", at=[0.0, 1.0]), person("bob", at=[0.0, 1.0])], "merge")
    graph.load([person("ann", at=[-0.0, 1.0]), person("bob", at=[0.0, 1.0])], "merge")
    assert [change.id for change in graph.diff("main~1", "main").changes] == ["ann"]


def test_a_diff_across_a_schema_change(graph: Graph) -> None:
    graph.load([person("ann", age=1), person("bob", age=2)], "merge")
    graph.apply_schema(SCHEMA.replace("city: String?", "city: String? nick: String?") + "node Team { name: String @key }")
    graph.load([{"type": "Team", "data": {"name": "t"}}], "append")
    graph.mutate('query q() { update Person set { nick: "B", age: 3 } where name = "bob" }')
    found = graph.diff("@2", "main")
    assert [(change.table_key, change.id, change.op) for change in found.changes] == [
        ("node:Person", "bob", "update"),
        ("node:Team", "t", "insert"),
    ]
    assert "the schemas differ" in found.notes[0]
    assert "nick" not in plain(found.changes[0])["before"]["properties"]
    assert [change.op for change in graph.diff("main", "@2").changes] == ["update", "delete"]
    with pytest.raises(ChangeDiffRefusal) as refused:
        graph.changes(start="after:" + graph.commits()[1].graph_commit_id)
    assert (refused.value.reason, refused.value.type_name) == ("schema_boundary", "Person")


def test_a_feed_stops_at_the_new_schema_of_rows_that_came_in_on_the_same_page(graph: Graph) -> None:
    start = "after:" + graph.commits()[0].graph_commit_id
    graph.load([person("ann")], "merge")
    graph.apply_schema(
        SCHEMA.replace("node Person {", 'node Human @rename_from("Person") {')
        .replace("Person ->", "Human ->")
        .replace("-> Person", "-> Human")
    )
    page = graph.changes(start=start)
    assert (len(page.blocks), page.caught_up) == (1, False)
    with pytest.raises(ChangeDiffRefusal, match="Person"):
        graph.changes(cursor=str(page.cursor))


# --- the feed ----------------------------------------------------------------------------------------------------------


def test_where_a_feed_begins_and_goes_on(graph: Graph) -> None:
    graph.load([person("ann")], "merge", actor="ida")
    assert plain(graph.changes()) == {"blocks": [], "cursor": graph.changes().cursor, "caught_up": True}
    now = graph.changes().cursor
    done = graph.mutate('query q() { insert Person { name: "bob" } }', actor="jon")
    (block,) = graph.changes(cursor=now).blocks
    assert done.commit is not None
    assert plain(block.cause) == {
        "graph_commit_id": done.commit.graph_commit_id,
        "parent_commit_id": done.commit.parent_commit_id,
        "authored_branch": "main",
        "actor_id": "jon",
        "authored_at": done.commit.created_at,
    }
    assert [len(block.changes) for block in graph.changes(start="beginning").blocks] == [1, 1]
    assert plain(graph.commit_changes(done.commit.graph_commit_id).changes) == plain(block.changes)
    filtered = graph.changes(start="beginning", kinds=["edge"])
    assert (filtered.blocks, filtered.caught_up) == ([], True)
    for wrong in ({"start": "later"}, {"start": "after:"}, {"limit": 0}, {"start": "now", "cursor": now}, {"kinds": ["row"]}):
        with pytest.raises(BadRequest):
            graph.changes(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ResourceLimitExceeded):
        graph.changes(limit=9_000)
    graph.create_branch("dev")
    graph.mutate('query q() { insert Person { name: "eve" } }', branch="dev")
    with pytest.raises(BadRequest, match="is not one of branch 'main'"):
        graph.changes(start="after:" + graph.commits("dev")[-1].graph_commit_id)


def test_a_cursor_belongs_to_its_feed(graph: Graph, tmp_path: Path) -> None:
    graph.load([person("ann"), person("bob")], "merge")
    graph.create_branch("dev")
    cursor = graph.changes("dev", start="beginning", ops=["insert"]).cursor
    assert len(cursor) < 4096
    page = graph.changes("dev", start="beginning", limit=1)
    rejected: list[dict[str, Any]] = [
        {"cursor": cursor},
        {"cursor": cursor, "branch": "dev"},
        {"cursor": "nonsense", "branch": "dev"},
        {"cursor": "é", "branch": "dev"},
        {"cursor": "A" * 5000, "branch": "dev"},
        {"cursor": page.next_page_token, "branch": "dev"},
        {"page_token": cursor, "branch": "dev", "ops": ["insert"]},
    ]
    for asked in rejected:
        with pytest.raises(CursorRejected, match="change cursor rejected: "):
            graph.changes(**asked)
    graph.delete_branch("dev")
    graph.create_branch("dev")
    with pytest.raises(CursorRejected, match="or to one of this name that was deleted"):
        graph.changes("dev", cursor=cursor, ops=["insert"])


def test_a_gap_is_told_and_a_baseline_closes_it(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "GATHER_RECORDS", 8)
    monkeypatch.setattr(fold_module, "TAIL_RECORDS_MAX", 8)
    old = graph.changes().cursor
    for number in range(20):
        graph.load([person(f"p{number}")], "append")
    fold_branch(graph._log, graph._main, graph._views.open_table)
    commits = graph.commits()
    for seq in range(8):
        graph._store.put(record_key("main", seq), RECLAIMED)
    with omnigraph.open(graph.uri) as again:
        with pytest.raises(ChangeFeedGap) as gap:
            again.changes(cursor=old)
        assert gap.value.first_unreadable_commit_id == commits[1].graph_commit_id
        assert gap.value.facts()["change_feed_gap"]["cursor"]
        with pytest.raises(ChangeFeedGap):
            again.commit_changes(commits[3].graph_commit_id)
        baseline = again.baseline()
        assert b"".join(baseline.chunks) == b"".join(again.export())
        again.load([person("last")], "append")
        (block,) = again.changes(cursor=baseline.info.resume_cursor).blocks
        assert [change.id for change in block.changes] == ["last"]


def test_pages_of_one_commit(graph: Graph) -> None:
    graph.load([person(name) for name in PEOPLE] + [knows("e1", "ann", "bob")], "merge")
    commit_id = graph.commits()[-1].graph_commit_id
    whole = graph.commit_changes(commit_id)
    assert [change.id for change in whole.changes] == [*PEOPLE, "e1"]  # nodes before edges
    found, token = [], None
    while True:
        page = graph.commit_changes(commit_id, limit=4, page_token=token)
        found += page.changes
        if "next_page_token" not in plain(page):
            break
        token = str(page.next_page_token)
    assert found == whole.changes
    with pytest.raises(CursorRejected):
        graph.commit_changes(commit_id, page_token=token, ops=["delete"])
    with pytest.raises(ChangeDiffRefusal, match="has no parent"):
        graph.commit_changes(graph.commits()[0].graph_commit_id)


# --- blame -------------------------------------------------------------------------------------------------------------


def test_blame_goes_through_merges_to_the_commit_on_the_branch(graph: Graph) -> None:
    graph.load([person("ann", age=1, city="oslo")], "merge", actor="ida")
    graph.create_branch("dev")
    graph.mutate('query q() { update Person set { age: 2 } where name = "ann" }', branch="dev", actor="jon")
    graph.load([person("bob")], "merge", actor="kim")
    graph.merge("dev", actor="lea")
    by_property = {line.property: (line.actor_id, line.branch, line.value) for line in graph.blame("Person", "ann").properties}
    assert by_property["age"] == ("jon", "dev", 2)
    assert by_property["city"] == ("ida", "main", "oslo")
    assert [line.actor_id for line in graph.blame("node:Person", "ann", at=2).properties] == ["ida"] * 7
    for wrong in (("Person", "nobody", NotFound), ("Ghost", "ann", BadRequest)):
        with pytest.raises(wrong[2]):
            graph.blame(wrong[0], wrong[1])


def test_blame_passes_over_commits_of_other_types(graph: Graph) -> None:
    graph.load([person("ann", age=1), person("bob")], "merge", actor="ida")
    for number in range(40):
        graph.load([knows(f"e{number}", "ann", "bob")], "append")
    with omnigraph.open(graph.uri) as again:
        reads = again._store.counters.objects_read
        assert {line.actor_id for line in again.blame("Person", "ann").properties} == {"ida"}
        assert again._store.counters.objects_read - reads < 30
