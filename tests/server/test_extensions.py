"""The extensions of the language give the same answers at every door: embedded by both ways to walk, on a branch, at an
older commit, over HTTP, from a stored query, and on the command line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import OmnigraphError
from omnigraph.server.options import Options
from server.conftest import Start
from server.worlds import with_tokens, write_project

SCHEMA = """
node Person { key: String @key  zone: I32?  cost: F64?  tags: [String]?  visits: I64? }
node Item { key: String @key  price: I64? }
edge Knows: Person -> Person { kind: String?  since: I32? }
edge Ordered: Person -> Item { qty: I32 }
"""
ROWS = """\
{"type": "Person", "data": {"key": "a", "zone": -1, "cost": 0.5, "tags": ["x", "y"], "visits": 3}}
{"type": "Person", "data": {"key": "b", "zone": 2, "tags": [], "visits": 9223372036854775807}}
{"type": "Person", "data": {"key": "c", "cost": 0.5}}
{"type": "Item", "data": {"key": "i", "price": 7}}
{"type": "Item", "data": {"key": "j"}}
{"edge": "Knows", "from": "a", "to": "b", "data": {"kind": "kin", "since": 1}}
{"edge": "Knows", "from": "b", "to": "c", "data": {"kind": "kin"}}
{"edge": "Knows", "from": "a", "to": "c", "data": {"kind": "work", "since": 2}}
{"edge": "Ordered", "from": "a", "to": "i", "data": {"qty": 2}}
{"edge": "Ordered", "from": "a", "to": "j", "data": {"qty": 1}}
"""
ORDER = " order { $p.key }"
READS: list[tuple[str, str, list[tuple[Any, ...]]]] = [
    ("30.1", "{ $p: Person { zone: -1 } } return { $p.key }", [("a",)]),
    ("30.1 least", "{ $p: Person  $p.visits > -9223372036854775808 } return { $p.key }" + ORDER, [("a",), ("b",)]),
    ("30.2", "{ $p: Person  $p.tags is null } return { $p.key }", [("c",)]),
    ("30.2 not", "{ $p: Person  $p.cost is not null } return { $p.key }" + ORDER, [("a",), ("c",)]),
    ("30.3", "{ $p: Person  $p.zone in [-1, 5] } return { $p.key }", [("a",)]),
    ("30.3 not", "{ $p: Person  $p.zone not in [] } return { $p.key }" + ORDER, [("a",), ("b",)]),
    ("30.3 of a property", '{ $p: Person  "x" in $p.tags } return { $p.key }', [("a",)]),
    ("30.4", "{ $p: Person  $p.zone = 2 or $p.zone is null  $p.key != \"z\" } return { $p.key }" + ORDER, [("b",), ("c",)]),
    ("30.4 not", "{ $p: Person  not $p.zone = 2 } return { $p.key }" + ORDER, [("a",), ("c",)]),
    ("30.4 both", "{ $p: Person  not ($p.zone = 2 and $p.cost is null) or false = true } return { $p.key }" + ORDER, [("a",), ("c",)]),
    ("30.5", "{ $p: Person  $p knows $f } return { count(*) as n, count(distinct $f) as m, count(distinct $p.cost) as k }", [(3, 2, 1)]),
    ("30.6", "{ $p: Person } return distinct { $p.cost } order { $p.cost }", [(None,), (0.5,)]),
    ("30.7", "{ $p: Person  $p.zone * 2 + 1 > -2 } return { $p.key, -$p.zone % 2 as odd, $p.zone / 0 as none }" + ORDER, [("a", 1, None), ("b", 0, None)]),
    ("30.7 aggregates", "{ $p: Person } return { sum($p.zone * 2) / count(*) as mean }", [(2 / 3,)]),
    ("30.8", "{ $p: Person } return { $p.key } order { $p.key } limit 1 offset 1", [("b",)]),
    ("30.8 alone", "{ $p: Person } return { $p.key } order { $p.key desc } offset 2", [("a",)]),
    ("30.9", "{ $p $e:knows $f  $e.since is not null } return { $p.key, $f.key, $e.since } order { $e.since desc }", [("a", "c", 2), ("a", "b", 1)]),
    ("30.9 walk", '{ $p: Person { key: "a" }  $p knows{1,3}{ kind: "kin" } $f } return { $f.key } order { $f.key }', [("b",), ("c",)]),
    ("30.9 count", "{ $p $e:knows $f } return { count($e) as n, count(distinct $e) as m }", [(3, 3)]),
    ("30.10", "{ $p: Person  optional { $p ordered $i  $i.price > 1 } } return { $p.key, $i.key }" + ORDER, [("a", "i"), ("b", None), ("c", None)]),
    ("30.10 nested", "{ $p: Person  optional { $p knows $f  optional { $f knows $g } } } return { $p.key, $f.key, $g.key } order { $p.key, $f.key }", [("a", "b", "c"), ("a", "c", None), ("b", "c", None), ("c", None, None)]),
    ("30.10 outside", "{ $p: Person  optional { $p ordered $i }  $i is null } return { $p.key }" + ORDER, [("b",), ("c",)]),
    ("30.12", '{ $p: Person { key: "b" } } return { $p.* }', [({"id": "b", "key": "b", "zone": 2, "cost": None, "tags": [], "visits": 2**63 - 1},)]),
    ("30.12 unbound", '{ $p: Person { key: "c" }  optional { $p ordered $i } } return { $i.* as item }', [(None,)]),
    ("30.14", "{ $p: Person  optional { $p $o:ordered $i  $o.qty > 1 } } return { $p.key, count(distinct $i) as n, sum($o.qty * $i.price) - 1 as due } order { due desc, $p.key }", [("a", 1, 13), ("b", 0, None), ("c", 0, None)]),
]  # fmt: skip
REFUSED = [
    ("X1", "{ $p: Person } return { $p.key } offset 1"),
    ("X2", "{ $p: Person } return { $p.zone + 1 }"),
    ("X3", "{ $p: Person } return distinct { $p.key } order { $p.zone }"),
    ("X4", "{ $p: Person  optional { $q: Person } } return { $p.key }"),
    ("X5", "{ $p: Person  optional { $p ordered $i }  $q ordered $i } return { $p.key }"),
    ("X6", "{ $p: Person  $p.key + 1 > 2 } return { $p.key }"),
    ("X7", "{ $p: Person  $p.key in [1] } return { $p.key }"),
    ("X8", "{ $p: Person } return { $p.*, count(*) as n }"),
    ("arithmetic overflow", "{ $p: Person } return { $p.visits + 1 as next }"),
]


def text(read: str) -> str:
    return f"query q() {{ match {read} }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extensions")


@pytest.fixture(scope="module")
def stored(folder: Path) -> tuple[Path, str]:
    """A graph whose main has gone on, a branch that has not, and the commit that both had."""
    path = folder / "a.omni"
    with omnigraph.init(str(path), SCHEMA) as graph:
        graph.load(ROWS, "append")
        graph.create_branch("as-it-was")
        commit = graph.commits()[-1].graph_commit_id
        graph.mutate('query m() { insert Person { key: "later", zone: -1, visits: 5 } }')
        graph.mutate('query m() { delete Knows where kind = "kin" }')
    return path, commit


@pytest.fixture(params=["csr", "indexed", "auto"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OMNIGRAPH_TRAVERSAL_MODE", request.param)
    yield request.param


def test_embedded(stored: tuple[Path, str], mode: str) -> None:
    path, commit = stored
    with omnigraph.open(str(path)) as graph:
        for part, read, expected in READS:
            for place in ({"branch": "as-it-was"}, {"snapshot": commit}):
                rows = [tuple(row.values()) for row in graph.query(text(read), **place).rows()]
                assert rows == expected, (part, place)
        for code, read in REFUSED:
            with pytest.raises(OmnigraphError, match=code):
                graph.query(text(read), branch="as-it-was").rows()


def test_over_http(stored: tuple[Path, str], start: Start) -> None:
    path, commit = stored
    server = start(Options(uri=str(path), unauthenticated=True), {})
    for part, read, expected in READS:
        for place in ({"branch": "as-it-was"}, {"snapshot": commit}):
            answer = server.post("/query", {"query": text(read), **place})
            assert answer.status == 200, answer.error
            assert [tuple(row.values()) for row in answer.json()["rows"]] == expected, (part, place)
    for code, read in REFUSED:
        answer = server.post("/query", {"query": text(read), "branch": "as-it-was"})
        assert answer.status == 400
        assert code in answer.error


def test_mutations_over_http(folder: Path, start: Start) -> None:
    path = folder / "written.omni"
    with omnigraph.init(str(path), SCHEMA) as graph:
        graph.load(ROWS, "append")
    server = start(Options(uri=str(path), unauthenticated=True), {})

    def write(statement: str, params: dict[str, Any] | None = None) -> Any:
        declared = "$n: I64, $keys: [String]" if params else ""
        return server.post("/mutate", {"query": f"query m({declared}) {{ {statement} }}", "params": params or {}})

    given = {"n": 2, "keys": ["a", "c"]}
    done = write("update Person set { visits: zone * $n - 1 } where key in $keys and (zone < 0 or zone is null)", given)
    assert done.json()["affected_nodes"] == 2
    read = '{ $p: Person  $p.key in ["a", "c"] } return { $p.key, $p.visits } order { $p.key }'
    assert server.post("/query", {"query": text(read)}).json()["rows"] == [
        {"p.key": "a", "p.visits": -3},
        {"p.key": "c", "p.visits": None},
    ]
    assert write('delete Knows where not kind = "kin" or since is null').json()["affected_edges"] == 2
    assert "arithmetic overflow" in write('update Person set { visits: visits + 1 } where key = "b"').error
    assert "X10" in write('insert Person { key: "n", zone: zone + 1 }').error


def test_a_stored_query_and_its_descriptor(folder: Path, start: Start, graph: Path, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    (tmp_path / "queries").mkdir(exist_ok=True)
    source = next(tmp_path.rglob("*.gq"))
    source.write_text(
        "query people($ages: [I32], $from: I64) {\n"
        "  match { $p: Person  $p.age in $ages or $p.age is null  optional { $p knows $f } }\n"
        "  return { $p.*, count(distinct $f) as friends }\n  order { $p.name }\n  limit 5 offset $from\n}\n".replace("$p.*", "$p.name, $p.age + 1 as next")
        + source.read_text()[source.read_text().index("query by_name") :]
    )  # fmt: skip
    server = start(Options(config=str(config)), with_tokens(), "k-mara")
    listed = {entry["name"]: entry for entry in server.get("/queries").json()["queries"]}
    assert [parameter["name"] for parameter in listed["people"]["params"]] == ["ages", "from"]
    answer = server.post("/queries/people", {"params": {"ages": [30], "from": 1}})
    assert answer.json()["rows"] == [{"p.name": "Ida", "next": 31, "friends": 1}]


def test_the_command_line_and_lint(stored: tuple[Path, str], folder: Path) -> None:
    path, commit = stored
    (folder / "all.gq").write_text("\n".join(f"query q{at}() {{ match {read} }}" for at, (_, read, _) in enumerate(READS)))
    (folder / "schema.pg").write_text(SCHEMA)
    command = [sys.executable, "-c", "from omnigraph.cli.main import main; main()"]
    linted = subprocess.run(
        [*command, "lint", "--query", "all.gq", "--schema", "schema.pg", "--json"], cwd=folder, capture_output=True
    )
    assert linted.returncode == 0, linted.stdout
    assert json.loads(linted.stdout)["errors"] == 0
    asked = [*command, "query", "--uri", str(path), "--query", "all.gq", "--snapshot", commit, "--json", "--name"]
    for at in (16, 24):
        done = subprocess.run([*asked, f"q{at}"], cwd=folder, capture_output=True)
        assert [tuple(row.values()) for row in json.loads(done.stdout)["rows"]] == READS[at][2], done.stderr


def test_every_extension_has_its_case() -> None:
    assert {part.split()[0] for part, _, _ in READS} >= {f"30.{part}" for part in (*range(1, 11), 12, 14)}
    assert {code for code, _ in REFUSED} >= {f"X{number}" for number in range(1, 9)}
