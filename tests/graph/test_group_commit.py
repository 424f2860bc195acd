"""Group commit: several writes in one record are what the same writes one by one would be."""

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import omnigraph
from omnigraph.errors import OmnigraphError, PreconditionFailed, StorageError
from omnigraph.graph import branch as branch_module
from omnigraph.graph import load as load_module
from omnigraph.graph.changed_ids import changed_ids
from omnigraph.graph.commits import cut_of
from omnigraph.graph.graph import Graph, init, open_graph
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage.local import LocalStore
from omnigraph.storage.log import Log
from omnigraph.storage.objects import OutcomeUnknown
from omnigraph.storage.record import Position
from support.faulty import FaultyStore, Killed

SCHEMA = """
node Person { name: String @key age: I32? email: String? @unique }
node Team { name: String @key }
edge Knows: Person -> Person
edge In: Person -> Team @card(0..1)
"""
START = b"""
{"type":"Person","data":{"name":"ann","age":1}}
{"type":"Team","data":{"name":"red"}}
{"edge":"In","from":"ann","to":"red","data":{"id":"i0"}}
"""
INSERT = "query add($n: String, $e: String?) { insert Person { name: $n, email: $e } }"
AGE = "query age($n: String, $a: I32) { update Person set { age: $a } where name = $n }"
REMOVE = "query remove($n: String) { delete Person where name = $n }"
KNOWS = "query knows($a: String, $b: String) { insert Knows { from: $a, to: $b } }"

Step = tuple[str, Any]  # Any: arguments of a write
NAMES = st.sampled_from(["ann", "bob", "cy", "dee"])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just(INSERT), st.fixed_dictionaries({"n": NAMES, "e": st.sampled_from([None, "a@x", "b@x"])})),
    st.tuples(st.just(AGE), st.fixed_dictionaries({"n": NAMES, "a": st.integers(0, 9)})),
    st.tuples(st.just(REMOVE), st.fixed_dictionaries({"n": NAMES})),
    st.tuples(st.just(KNOWS), st.fixed_dictionaries({"a": NAMES, "b": NAMES})),
    st.tuples(st.just("append"), NAMES.map(lambda name: [person(name), edge("In", name, "red", f"in-{name}")])),
    st.tuples(st.just("merge"), NAMES.map(lambda name: [person(name), person("eve"), edge("Knows", "eve", name, "k")])),
    st.tuples(st.just("overwrite"), NAMES.map(lambda name: [edge("In", name, "red", "i1")])),
    st.tuples(st.just("merge"), st.just([])),
)


def person(name: str) -> dict[str, Any]:
    return {"type": "Person", "data": {"name": name}}


def edge(kind: str, source: str, target: str, row_id: str) -> dict[str, Any]:
    return {"edge": kind, "from": source, "to": target, "data": {"id": row_id}}


def prepare(graph: Graph, step: Step, branch: str, actor: str) -> Any:
    what, arguments = step
    if what in ("append", "merge", "overwrite"):
        return graph.prepare_load(arguments, what, branch=branch, actor=actor)  # type: ignore[arg-type]
    return graph.prepare_mutation(what, arguments, branch=branch, actor=actor)


def carry_out(graph: Graph, steps: list[Step], branch: str = "main", sizes: tuple[int, ...] = (99,)) -> list[Any]:
    """Carry out writes in groups of the sizes given, over and over."""
    answers: list[Any] = []
    number = 0
    while len(answers) < len(steps):
        size = sizes[number % len(sizes)]
        number += 1
        at = len(answers)
        group = [prepare(graph, step, branch, f"u{at + n}") for n, step in enumerate(steps[at : at + size])]
        answers += graph.commit_some(group)
    return answers


def told(answer: Any) -> Any:
    """Return what an answer says, apart from ids that differ from run to run."""
    if isinstance(answer, Exception):
        assert isinstance(answer, OmnigraphError), answer
        return type(answer), answer.message
    commit = answer.commit and (answer.commit.manifest_version, answer.commit.actor_id, answer.commit.manifest_branch)
    counts = (answer.affected_nodes, answer.affected_edges) if hasattr(answer, "affected_nodes") else answer.tables
    return counts, answer.actor_id, commit


def rows_at(graph: Graph, commit_id: str) -> list[str]:
    """Return the rows at a commit; edges that got a fresh id without it."""
    lines = b"".join(graph.export(snapshot=commit_id)).decode().splitlines()
    return sorted(line.split(',"data":{"id":"0')[0] for line in lines)


def tables_at(graph: Graph, commit_id: str) -> list[Any]:
    tables = cut_of(graph._log, graph._locate(commit_id), graph._main.known.cut.schema).tables
    return [(table.type_id, table.rows, table.changed_version, table.changed_branch) for table in tables.values()]


def changed_by(graph: Graph, commit_id: str) -> dict[int, Any]:
    found = changed_ids(graph._store, [graph._locate(commit_id)])
    return {type_id: {i for i in ids if len(i) < 26} for type_id, ids in found.items() if ids is not None}


def assert_alike(one: Graph, other: Graph, branch: str) -> None:
    """Compare the history of a branch, and every commit of it, in two graphs."""
    left, right = one.commits(branch), other.commits(branch)
    assert [c.manifest_version for c in left] == [c.manifest_version for c in right]
    assert [c.actor_id for c in left] == [c.actor_id for c in right]
    for before, after in itertools.pairwise(left):
        assert after.parent_commit_id == before.graph_commit_id < after.graph_commit_id
    for mine, theirs in zip(left, right, strict=True):
        a, b = mine.graph_commit_id, theirs.graph_commit_id
        assert one.commit(a) == mine
        assert rows_at(one, a) == rows_at(other, b)
        assert tables_at(one, a) == tables_at(other, b)
        assert sum(rows for _, rows, _, _ in tables_at(one, a)) == len(rows_at(one, a))
        assert changed_by(one, a) == changed_by(other, b)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(STEPS, min_size=2, max_size=9),
    sizes=st.tuples(st.integers(2, 9), st.integers(1, 3)),
    branch=st.sampled_from(["main", "side"]),
    folded=st.booleans(),
)
def test_groups_are_what_single_writes_are(steps: list[Step], sizes: tuple[int, int], branch: str, folded: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        grouped, single = init(str(folder / "a"), SCHEMA), init(str(folder / "b"), SCHEMA)
        for graph in (grouped, single):
            graph.load(START, "overwrite")
            if folded:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("omnigraph.storage.fold.TAIL_ROWS_MAX", 0)
                    fold_branch(graph._log, graph._main, graph._views.open_table)
            if branch != "main":
                graph.create_branch(branch)
        one = [told(answer) for answer in carry_out(grouped, steps, branch, sizes)]
        other = [told(answer) for answer in carry_out(single, steps, branch, (1,))]
        assert one == other
        assert_alike(grouped, single, branch)
        with open_graph(str(folder / "a")) as reopened:
            assert_alike(reopened, single, branch)
        if branch != "main":
            outcomes = [graph.merge(branch).outcome for graph in (grouped, single)]
            assert outcomes[0] == outcomes[1]
            heads = [graph.commits()[-1].graph_commit_id for graph in (grouped, single)]
            assert rows_at(grouped, heads[0]) == rows_at(single, heads[1])
        grouped.close()
        single.close()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    graph = omnigraph.init(str(tmp_path / "g"), SCHEMA)
    graph.load(START, "overwrite")
    return graph


def inserts(graph: Graph, *names: str, **options: Any) -> list[Any]:
    return [graph.prepare_mutation(INSERT, {"n": name, "e": None}, actor=name, **options) for name in names]


def names(graph: Graph) -> list[str]:
    return sorted(row["n"] for row in graph.query("query q() { match { $p: Person } return { $p.name as n } }"))


def records(graph: Graph) -> int:
    return graph._main.current().cut.entry.position.seq


def test_a_group_is_one_record_with_a_commit_for_each(graph: Graph) -> None:
    before = records(graph)
    answers = graph.commit_some(inserts(graph, "b", "c", "d"))
    assert records(graph) == before + 1
    ids = [answer.commit.graph_commit_id for answer in answers]  # type: ignore[union-attr]
    assert ids == [commit.graph_commit_id for commit in graph.commits()[-3:]]
    assert [commit.actor_id for commit in graph.commits()[-3:]] == ["b", "c", "d"]


def test_a_failure_is_its_own_and_leaves_no_trace(graph: Graph) -> None:
    writes = inserts(graph, "b", "c")
    writes.insert(1, graph.prepare_mutation(KNOWS, {"a": "b", "b": "nobody"}))
    writes.insert(2, graph.prepare_mutation("query q() { insert Nobody { x: 1 } }"))
    writes.append(graph.prepare_mutation(KNOWS, {"a": "b", "b": "c"}))
    answers = graph.commit_some(writes)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, True, False, False]
    assert names(graph) == ["ann", "b", "c"]
    assert len(graph.commits()) == 5


def test_a_condition_is_judged_on_the_state_before_its_write(graph: Graph) -> None:
    head = graph.commits()[-1].graph_commit_id
    first, second = graph.commit_some(inserts(graph, "b", "c", if_commit=head))
    assert not isinstance(first, Exception)
    assert isinstance(second, PreconditionFailed)
    assert second.actual == first.commit.graph_commit_id  # type: ignore[union-attr]
    assert names(graph) == ["ann", "b"]


def test_nothing_is_put_when_all_fail_or_do_nothing(graph: Graph) -> None:
    before = records(graph)
    answers = graph.commit_some(
        [graph.prepare_mutation(REMOVE, {"n": "nobody"}), graph.prepare_mutation(KNOWS, {"a": "x", "b": "y"})]
    )
    assert answers[0].commit is None  # type: ignore[union-attr]
    assert isinstance(answers[1], OmnigraphError)
    assert records(graph) == before


def test_a_bulk_load_gets_a_record_of_its_own(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 2)
    bulk = graph.prepare_load([person(f"p{n}") for n in range(5)], "append")
    writes: list[Any] = [*inserts(graph, "b"), bulk, *inserts(graph, "c", "d")]
    sizes = []
    while writes:
        answers = graph.commit_some(writes)
        assert not any(isinstance(answer, Exception) for answer in answers), answers
        sizes.append(len(answers))
        writes = writes[len(answers) :]
    assert sizes == [1, 1, 2]
    assert len(names(graph)) == 9


def test_limits_bound_a_group(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_module, "GROUP_COMMITS_MAX", 2)
    assert len(graph.commit_some(inserts(graph, "b", "c", "d"))) == 2
    monkeypatch.setattr(branch_module, "GROUP_BYTES_MAX", 1)
    assert len(graph.commit_some(inserts(graph, "d", "e"))) == 1


class HookedStore(FaultyStore):
    """Calls something before records are put."""

    before_put: Any = None

    def put_new(self, key: str, data: bytes) -> None:
        hook, self.before_put = self.before_put, None
        if hook is not None and key.startswith("log/"):
            hook(key, data)
        super().put_new(key, data)


def hooked(root: str, **options: Any) -> tuple[Graph, HookedStore]:
    store = HookedStore(LocalStore(Path(root), fsync=False), **options)
    entry = Log(store).find_head("main")
    assert entry is not None
    return Graph(root, store, entry, GraphSettings.from_environment()), store


def test_when_another_writer_is_first_all_are_judged_again(graph: Graph) -> None:
    mine, store = hooked(graph.uri)
    # What failed beside a commit that never came to be may succeed, and the other way round.
    taken = [mine.prepare_mutation(INSERT, {"n": n, "e": e}) for n, e in (("b", "a@x"), ("c", "b@x"), ("d", "c@x"))]
    knows = [mine.prepare_mutation(KNOWS, {"a": "zoe", "b": "ann"})]
    store.before_put = lambda key, data: graph.mutate(INSERT, {"n": "zoe", "e": "a@x"})
    answers = mine.commit_some(taken + knows)
    assert [isinstance(answer, Exception) for answer in answers] == [True, False, False, False]
    assert names(graph) == ["ann", "c", "d", "zoe"]
    assert [c.manifest_version for c in graph.commits()] == list(range(1, 7))


@pytest.mark.parametrize("arrived", [True, False])
def test_a_put_without_an_answer_is_settled_by_reading(graph: Graph, arrived: bool) -> None:
    mine, store = hooked(graph.uri)

    def lose(key: str, data: bytes) -> None:
        if arrived:
            store._inner.put_new(key, data)
        raise OutcomeUnknown(key, "the line went dead")

    writes = [
        mine.prepare_mutation(KNOWS, {"a": "x", "b": "y"}),
        *inserts(mine, "b", "c"),
        mine.prepare_mutation(REMOVE, {"n": "z"}),
    ]
    store.before_put = lose
    answers = mine.commit_some(writes)
    assert not isinstance(answers[0], StorageError), "it failed on the state that is there"
    assert [isinstance(answer, Exception) for answer in answers[1:]] == [not arrived] * 3
    assert names(graph) == (["ann", "b", "c"] if arrived else ["ann"])
    assert isinstance(mine.commit_some(inserts(mine, "d"))[0], Exception) is False


@pytest.mark.parametrize("late", [False, True])
def test_a_death_leaves_all_of_a_group_or_nothing(graph: Graph, tmp_path: Path, late: bool) -> None:
    graph.close()
    steps: list[Step] = [(INSERT, {"n": "b", "e": None}), (AGE, {"n": "ann", "a": 5}), (KNOWS, {"a": "b", "b": "ann"})]
    for die_at in range(1, 3):
        root = str(tmp_path / f"{die_at}")
        shutil.copytree(graph.uri, root)
        mine, store = hooked(root, die_at=die_at, after=late)
        try:
            carry_out(mine, steps)
        except Killed:
            pass
        else:
            assert len(store.calls) < die_at
        with open_graph(root) as after:
            whole = die_at > 1 or late
            assert len(after.commits()) == (5 if whole else 2)
            assert names(after) == (["ann", "b"] if whole else ["ann"])
            after.mutate(INSERT, {"n": "next", "e": None})


def test_the_merge_base_may_stand_inside_a_record(graph: Graph) -> None:
    graph.commit_some(inserts(graph, "b", "c"))
    graph.create_branch("side")
    graph.commit_some(inserts(graph, "m1", "m2"))
    graph.commit_some(inserts(graph, "s1", "s2", branch="side"))
    assert graph.merge("side").outcome == "merged"
    graph.commit_some(inserts(graph, "m3", "m4"))
    graph.commit_some([graph.prepare_mutation(AGE, {"n": n, "a": 7}, branch="side") for n in ("s1", "b")])
    assert graph.merge("side").outcome == "merged"
    assert names(graph) == ["ann", "b", "c", "m1", "m2", "m3", "m4", "s1", "s2"]
    ages = graph.query("query q() { match { $p: Person  $p.age = 7 } return { $p.name as n } }")
    assert sorted(row["n"] for row in ages) == ["b", "s1"]


def test_another_process_reads_every_commit_of_a_group(graph: Graph) -> None:
    other = open_graph(graph.uri)
    assert names(other) == ["ann"]
    graph.commit_some([*inserts(graph, "b", "c"), graph.prepare_mutation(REMOVE, {"n": "ann"})])
    assert names(other) == ["b", "c"]
    record = other._log.read(Position("main", records(graph))).record
    assert [commit.parent_at for commit in record.commits][1:] == [Position("main", records(graph))] * 2
