"""The engine and the model side by side: random writes, folds, bulk changes, reopenings; equal contents after every step."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

import omnigraph
from model.graph import EdgeRow, ModelGraph, Refused
from omnigraph.errors import HistoryReclaimed, OmnigraphError
from omnigraph.graph import load as load_module
from omnigraph.graph.upkeep import fold_branch
from omnigraph.language import compile_schema
from omnigraph.storage import fold as fold_module

SCHEMA = """
node Person {
    name: String @key
    age: I32?
    email: String? @unique
    city: enum(oslo, rome)?
    score: F64?
    tags: [String]?
    @range(age, 0..150)
}
node Team { code: I64 region: String title: String? @key(region, code) }
node Note { text: String at: DateTime? }
edge Knows: Person -> Person { since: Date? }
edge MemberOf: Person -> Team @card(0..2) { role: String? @unique(src, dst) }
edge About: Note -> Person
edge Leads: Person -> Team @card(1..)
"""
CATALOG = compile_schema(SCHEMA)

NAMES = st.sampled_from(["ann", "bob", "cy", "dée", 'e"v', "f'x"])
TEAM_IDS = ['["1","eu"]', '["2","eu"]', '["1","us"]']
NOTES = st.sampled_from(["n1", "n2", "n3"])
EDGE_IDS = st.sampled_from(["e1", "e2", "e3", "e4", "e5"])
MODES = st.sampled_from(["overwrite", "append", "merge", "merge"])


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


PERSON_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "age": optional(st.integers(-1, 151)),
        "email": optional(st.sampled_from(["a@x", "b@x", "c@x"])),
        "city": optional(st.sampled_from(["oslo", "rome"])),
        "score": optional(st.sampled_from([0.5, -1.0, 1e300])),
        "tags": optional(st.lists(st.sampled_from(["p", "q", ""]), max_size=3)),
    },
)
PERSONS = st.tuples(NAMES, PERSON_VALUES).map(lambda pair: {"type": "Person", "data": {"name": pair[0], **pair[1]}})
TEAMS = st.sampled_from([(1, "eu"), (2, "eu"), (1, "us")]).flatmap(
    lambda key: optional(st.sampled_from(["t", "u"])).map(
        lambda title: {"type": "Team", "data": {"code": key[0], "region": key[1], "title": title}}
    )
)
NOTE_RECORDS = st.tuples(NOTES, st.sampled_from(["x", "y"]), optional(st.sampled_from([0, 86_400_001]))).map(
    lambda item: {"type": "Note", "data": {"id": item[0], "text": item[1], "at": item[2]}}
)


def edges(name: str, sources: st.SearchStrategy[str], targets: st.SearchStrategy[str], **values: st.SearchStrategy[Any]) -> Any:
    return st.tuples(EDGE_IDS, sources, targets, st.fixed_dictionaries(values)).map(
        lambda item: {"edge": name, "from": item[1], "to": item[2], "data": {"id": item[0], **item[3]}}
    )


RECORDS = st.one_of(
    PERSONS,
    PERSONS,
    TEAMS,
    NOTE_RECORDS,
    edges("Knows", NAMES, NAMES, since=optional(st.integers(-3, 3))),
    edges("MemberOf", NAMES, st.sampled_from(TEAM_IDS), role=optional(st.sampled_from(["lead"]))),
    edges("About", NOTES, NAMES),
    edges("Leads", NAMES, st.sampled_from(TEAM_IDS)),
)


class Machine(RuleBasedStateMachine):
    always_bulk = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.graph: Any = None

    @initialize()
    def start(self) -> None:
        self.graph = omnigraph.init(str(self.folder / "g"), SCHEMA)
        self.model = ModelGraph(CATALOG)
        self.past: dict[str, bytes] = {}

    def teardown(self) -> None:
        if self.graph is not None:
            self.graph.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def both(self, engine: Any, model: Any) -> None:
        """Run a write on both; they must agree on whether it is refused."""
        try:
            model()
            refused = None
        except Refused as error:
            refused = error
        try:
            engine()
        except OmnigraphError as error:
            assert refused is not None, f"only the engine refuses: {error}"
        else:
            assert refused is None, f"only the model refuses: {refused}"

    @rule(mode=MODES, records=st.lists(RECORDS, min_size=1, max_size=8))
    def load(self, mode: str, records: list[dict[str, Any]]) -> None:
        text = "\n".join(json.dumps(record) for record in records).encode()
        self.both(lambda: self.graph.load(text, mode), lambda: self.model.load(mode, records, {}))

    @rule(name=NAMES, values=PERSON_VALUES)
    def insert_person(self, name: str, values: dict[str, Any]) -> None:
        source = (
            "query q($name: String, $age: I32?, $email: String?, $city: String?, $score: F64?, $tags: [String]?) "
            "{ insert Person { name: $name, age: $age, email: $email, city: $city, score: $score, tags: $tags } }"
        )
        self.both(
            lambda: self.graph.mutate(source, {"name": name, **values}),
            lambda: self.model.insert_node("Person", {"name": name, **values}, ""),
        )

    @rule(begin=NAMES, end=NAMES, teams=st.lists(st.sampled_from(TEAM_IDS), max_size=3))
    def insert_edges(self, begin: str, end: str, teams: list[str]) -> None:
        text = "query q($s: String, $t: String) { insert Knows { from: $s, to: $t } "
        for number, team in enumerate(teams):
            text += 'insert MemberOf { from: $s, to: "' + team.replace('"', '\\"') + f'", role: "r{number}" }} '
        before = {name: set(rows) for name, rows in self.model.state.edges.items()}

        def engine() -> None:
            self.graph.mutate(text + "}", {"s": begin, "t": end})
            _, found = contents(self.graph)
            self.fresh = {name: [key for key in rows if key not in before[name]] for name, rows in found.items()}

        # The engine makes the ids, so the model takes them over; which of two new rows has which does not matter here.
        self.fresh = {"Knows": ["?"], "MemberOf": [f"?{n}" for n in range(len(teams))]}
        rows = [("Knows", begin, end, {}, "?")]
        rows += [("MemberOf", begin, team, {"role": f"r{number}"}, f"?{number}") for number, team in enumerate(teams)]
        self.both(engine, lambda: self.model.insert_edges(rows))
        if "?" in self.model.state.edges["Knows"]:
            stored = contents(self.graph)[1]
            for name in ("Knows", "MemberOf"):
                model_rows = self.model.state.edges[name]
                for key in [key for key in model_rows if key.startswith("?")]:
                    row = model_rows.pop(key)
                    match = [k for k in self.fresh[name] if stored[name][k] == row and k not in model_rows]
                    assert match, f"{name} {row} is not in the engine"
                    model_rows[match[0]] = row

    @rule(
        age=st.integers(0, 3),
        operator=st.sampled_from(["=", "!=", "<", ">="]),
        assigned=st.fixed_dictionaries(
            {}, optional={"age": st.integers(-1, 3), "email": st.sampled_from(["a@x", "b@x"]), "score": st.just(2.5)}
        ).filter(bool),
    )
    def update(self, age: int, operator: str, assigned: dict[str, Any]) -> None:
        declared = {"age": "I32", "email": "String", "score": "F64"}
        params = ", ".join(f"${name}: {declared[name]}" for name in assigned)
        sets = ", ".join(f"{name}: ${name}" for name in assigned)
        source = f"query q($x: I32, {params}) {{ update Person set {{ {sets} }} where age {operator} $x }}".replace(
            "$age", "$a2"
        )
        matching = [key for key, row in self.model.state.nodes["Person"].items() if compare(row["age"], operator, age)]
        given = {"a2" if name == "age" else name: value for name, value in assigned.items()} | {"x": age}
        self.both(lambda: self.graph.mutate(source, given), lambda: self.model.update("Person", assigned, matching))

    @rule(name=NAMES)
    def delete_person(self, name: str) -> None:
        matching = [name] if name in self.model.state.nodes["Person"] else []
        counts: dict[str, int] = {}

        def engine() -> None:
            done = self.graph.mutate("query q($n: String) { delete Person where name = $n }", {"n": name})
            counts.update(nodes=done.affected_nodes, engine=done.affected_edges)

        self.both(engine, lambda: counts.update(model=self.model.delete_nodes("Person", matching)))
        if "nodes" in counts:
            assert (counts["nodes"], counts["engine"]) == (len(matching), counts["model"])

    @rule(edge=st.sampled_from(["Knows", "MemberOf", "Leads"]), end=st.sampled_from(["from", "to"]), name=NAMES)
    def delete_edges(self, edge: str, end: str, name: str) -> None:
        rows = self.model.state.edges[edge]
        matching = [key for key, row in rows.items() if (row.source if end == "from" else row.target) == name]
        source = f"query q($n: String) {{ delete {edge} where {end} = $n }}"
        self.both(lambda: self.graph.mutate(source, {"n": name}), lambda: self.model.delete_edges(edge, matching))

    @precondition(lambda self: not self.always_bulk)
    @rule()
    def fold(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
            fold_branch(self.graph._log, self.graph._main, self.graph._views.open_table)

    @rule()
    def optimize(self) -> None:
        self.graph.optimize()
        assert not any(table.committed for table in self.graph.optimize().tables)

    @rule(keep=st.integers(1, 4))
    def cleanup(self, keep: int) -> None:
        commits = [commit.graph_commit_id for commit in self.graph.commits()]
        kept = {commit_id: self.past[commit_id] for commit_id in commits[-keep:] if commit_id in self.past}
        report = self.graph.cleanup(keep=keep, confirm=True)
        assert not any(table.error for table in report.tables)
        assert [commit.graph_commit_id for commit in self.graph.commits()] == commits
        for commit_id, rows in self.past.items():
            if commit_id in kept:
                assert b"".join(self.graph.export(snapshot=commit_id)) == rows
                continue
            with contextlib.suppress(HistoryReclaimed):
                assert b"".join(self.graph.export(snapshot=commit_id)) == rows, "removed, or as it was"
        self.past = kept
        again = self.graph.cleanup(keep=keep, confirm=True)
        assert not any(table.bytes_removed or table.old_versions_removed for table in again.tables)

    @rule()
    def reopen(self) -> None:
        self.graph.close()
        self.graph = omnigraph.open(str(self.folder / "g"))

    @invariant()
    def same_contents(self) -> None:
        if self.graph is None:
            return
        nodes, found_edges = contents(self.graph)
        assert nodes == self.model.state.nodes
        assert found_edges == self.model.state.edges
        counts = {table.table_key: table.row_count for table in self.graph.snapshot().tables}
        expected = {f"node:{name}": len(rows) for name, rows in nodes.items()}
        expected |= {f"edge:{name}": len(rows) for name, rows in found_edges.items()}
        assert counts == expected
        self.past.setdefault(self.graph.commits()[-1].graph_commit_id, b"".join(self.graph.export()))

    @invariant()
    def same_neighbours(self) -> None:
        if self.graph is None:
            return
        found = self.graph.query("query q() { match { $a: Person $a knows $b } return { $a, $b } }").rows()
        pairs = sorted({(row.source, row.target) for row in self.model.state.edges["Knows"].values()})
        assert sorted((row["a"], row["b"]) for row in found) == pairs


def compare(value: int | None, operator: str, other: int) -> bool:
    if value is None:
        return False
    return {"=": value == other, "!=": value != other, "<": value < other, ">=": value >= other}[operator]


def contents(graph: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, EdgeRow]]]:
    nodes: dict[str, dict[str, Any]] = {name: {} for name in CATALOG.nodes}
    found: dict[str, dict[str, EdgeRow]] = {name: {} for name in CATALOG.edges}
    for line in b"".join(graph.export()).splitlines():
        record = json.loads(line)
        row_id = record["data"].pop("id")
        values = record["data"]
        if "at" in values and values["at"] is not None:
            values["at"] = {"1970-01-01T00:00:00": 0, "1970-01-02T00:00:00.001": 86_400_001}[values["at"]]
        if "type" in record:
            assert row_id not in nodes[record["type"]]
            nodes[record["type"]][row_id] = values
        else:
            assert row_id not in found[record["edge"]]
            found[record["edge"]][row_id] = EdgeRow(record["from"], record["to"], values)
    return nodes, found


class BulkMachine(Machine):
    always_bulk = True


BUDGET = {
    "max_examples": 25,
    "stateful_step_count": 20,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.parametrize("mode", ["auto", "indexed", "csr"])
def test_engine_and_model_agree(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    monkeypatch.setenv("OMNIGRAPH_TRAVERSAL_MODE", mode)
    run_state_machine_as_test(Machine, settings=settings(**BUDGET))


def test_engine_and_model_agree_when_every_load_is_a_bulk_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 0)
    run_state_machine_as_test(BulkMachine, settings=settings(**BUDGET))


@pytest.mark.parametrize("mode", ["auto", "indexed", "csr"])
def test_edges_that_went_with_their_node_do_not_outlive_a_newer_base_of_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("OMNIGRAPH_TRAVERSAL_MODE", mode)
    monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 0)
    with omnigraph.init(str(tmp_path / "g"), "node P { name: String @key }\nedge To: P -> P\n") as graph:
        nodes = "".join(f'{{"type":"P","data":{{"name":"{name}"}}}}\n' for name in "abc")
        edges = '{"edge":"To","from":"a","to":"b","data":{"id":"1"}}\n{"edge":"To","from":"b","to":"c","data":{"id":"2"}}\n'
        edges += '{"edge":"To","from":"a","to":"c","data":{"id":"3"}}\n'
        graph.load((nodes + edges).encode(), "append")
        graph.mutate('query q() { delete P where name = "b" }')
        graph.load(b'{"type":"P","data":{"name":"d"}}', "append")
        graph.mutate('query q() { insert To { from: "d", to: "a" } }')
        walk = "query q() { match { $p: P $p to{1,3} $q } return { $p.name as p, $q.name as q } order { p, q } }"
        expected = [{"p": "a", "q": "c"}, {"p": "d", "q": "a"}, {"p": "d", "q": "c"}]
        assert graph.query(walk).rows() == expected
        with omnigraph.open(graph.uri) as again:
            assert again.query(walk).rows() == expected
            again.mutate('query q() { delete P where name = "c" }')
            assert again.query(walk).rows() == [{"p": "d", "q": "a"}]
