"""Random histories of branches and merges, held against the model; with folds in between and with strategies."""

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model.history import ModelHistory, Rows

import omnigraph
from omnigraph.errors import MergeConflicts
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold

SCHEMA = """
node Person { name: String @key v: I32? }
edge Knows: Person -> Person { w: I32? }
"""
PEOPLE, EDGES = "abcd", ("k1", "k2", "k3")
BRANCHES = ("main", "left", "right")

branch = st.sampled_from(BRANCHES)
person = st.sampled_from(PEOPLE)
edge = st.sampled_from(EDGES)
value = st.integers(1, 3)
sides = st.dictionaries(st.sampled_from(["node:Person", "edge:Knows"]), st.sampled_from(["ours", "theirs"]), max_size=2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("person"), branch, person, value),
        st.tuples(st.just("edge"), branch, edge, person, person, value),
        st.tuples(st.just("no person"), branch, person),
        st.tuples(st.just("no edge"), branch, edge),
        st.tuples(st.just("merge"), branch, branch, sides),
        st.tuples(st.just("merge"), branch, branch, st.just({})),
        st.tuples(st.just("fold"), branch),
    ),
    min_size=4,
    max_size=40,
)


def rows_of(graph: Graph, name: str) -> Rows:
    rows: Rows = {}
    for line in b"".join(graph.export(branch=name)).splitlines():
        record = json.loads(line)
        data = record["data"]
        if "edge" in record:
            rows["edge:Knows", data["id"]] = (record["from"], record["to"], data["w"])
        else:
            rows["node:Person", data["name"]] = (data["v"],)
    return rows


class Pair:
    """The engine and the model, doing the same."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        graph.load([{"type": "Person", "data": {"name": name, "v": 0}} for name in "ab"], "append")
        for name in BRANCHES[1:]:
            graph.create_branch(name)
        self.model = ModelHistory.of(rows_of(graph, "main"))
        self.model.heads = dict.fromkeys(BRANCHES, self.model.heads["main"])

    def run(self, step: tuple[Any, ...]) -> None:
        getattr(self, "do_" + step[0].replace(" ", "_"))(*step[1:])

    def do_person(self, name: str, who: str, v: int) -> None:
        self.graph.load([{"type": "Person", "data": {"name": who, "v": v}}], "merge", branch=name)
        self.model.commit(name, {**self.model.heads[name].rows, ("node:Person", who): (v,)})

    def do_edge(self, name: str, which: str, start: str, end: str, w: int) -> None:
        rows = self.model.heads[name].rows
        if ("node:Person", start) not in rows or ("node:Person", end) not in rows:
            return
        self.graph.load([{"edge": "Knows", "from": start, "to": end, "data": {"id": which, "w": w}}], "merge", branch=name)
        self.model.commit(name, {**rows, ("edge:Knows", which): (start, end, w)})

    def do_no_person(self, name: str, who: str) -> None:
        rows = self.model.heads[name].rows
        done = self.graph.mutate("query q($n: String) { delete Person where name = $n }", {"n": who}, branch=name)
        if ("node:Person", who) not in rows:
            assert done.commit is None
            return
        kept = {
            key: row
            for key, row in rows.items()
            if key != ("node:Person", who) and not (key[0] == "edge:Knows" and who in row[:2])
        }
        self.model.commit(name, kept)

    def do_no_edge(self, name: str, which: str) -> None:
        rows = self.model.heads[name].rows
        ends = rows.get(("edge:Knows", which))
        if ends is None:
            return
        gone = [key for key, row in rows.items() if key[0] == "edge:Knows" and row[0] == ends[0]]
        self.graph.mutate("query q($n: String) { delete Knows where from = $n }", {"n": ends[0]}, branch=name)
        self.model.commit(name, {key: row for key, row in rows.items() if key not in gone})

    def do_merge(self, source: str, target: str, chosen: dict[str, Any]) -> None:
        if source == target:
            return
        preview = self.graph.preview_merge(source, into=target, strategy=chosen)
        outcome, conflicts = self.model.merge(source, target, chosen)
        assert [(one.table_key, one.row_id, one.kind) for one in preview.merge_conflicts] == sorted(
            conflicts, key=lambda one: one[:2]
        )
        assert preview.mergeable is not bool(conflicts)
        if conflicts:
            with pytest.raises(MergeConflicts) as caught:
                self.graph.merge(source, into=target, strategy=chosen)
            assert caught.value.conflicts == preview.merge_conflicts
            return
        before = rows_of(self.graph, target)
        done = self.graph.merge(source, into=target, strategy=chosen)
        assert done.outcome == preview.outcome == outcome
        assert (done.settled or []) == preview.settled
        after = rows_of(self.graph, target)
        counts = {change.table_key: (change.inserted, change.updated, change.deleted) for change in preview.changes}
        assert counts == changes_between(before, after)

    def do_fold(self, name: str) -> None:
        with mock.patch.object(fold, "TAIL_ROWS_MAX", 0):
            fold_branch(self.graph._log, self.graph._branch(name), self.graph._views.open_table)

    def agree(self) -> None:
        for name in BRANCHES:
            assert rows_of(self.graph, name) == self.model.heads[name].rows, name


def changes_between(before: Rows, after: Rows) -> dict[str, tuple[int, int, int]]:
    counts: dict[str, list[int]] = {}
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            place = 0 if key not in before else 2 if key not in after else 1
            counts.setdefault(key[0], [0, 0, 0])[place] += 1
    return {key: (found[0], found[1], found[2]) for key, found in counts.items()}


def drive(root: Path, steps: list[tuple[Any, ...]]) -> None:
    with mock.patch.dict(os.environ, {"OMNIGRAPH_FSYNC": "0"}), omnigraph.init(str(root), SCHEMA) as graph:
        pair = Pair(graph)
        for step in steps:
            pair.run(step)
        pair.agree()
        with omnigraph.open(str(root)) as again:
            for name in BRANCHES:
                assert rows_of(again, name) == pair.model.heads[name].rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_histories_agree_with_the_model(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    drive(tmp_path_factory.mktemp("history") / "g", steps)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(steps=st.lists(steps, min_size=3, max_size=6).map(lambda parts: [step for part in parts for step in part]))
def test_long_histories_agree_with_the_model(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    drive(tmp_path_factory.mktemp("history") / "g", steps)
