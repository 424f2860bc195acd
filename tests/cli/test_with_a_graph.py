"""The commands on a real graph, from init to export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Outcome
from omnigraph.cli.main import main

SCHEMA = """node Person {
  name: String @key
  age: I64?
}
edge Knows: Person -> Person {
  since: Date?
}
"""
DATA = """{"type":"Person","data":{"name":"Ida","age":41}}
{"type":"Person","data":{"name":"Jon"}}
{"edge":"Knows","from":"Ida","to":"Jon","data":{"id":"k1","since":"2020-01-01"}}
"""
WHO = "query who($n: String) { match { $p: Person { name: $n } } return { $p.name, $p.age } }"
ALL = "query everyone() { match { $p: Person } return { $p.name, $p.age } order { $p.name } }"
AGE = "query set_age($n: String, $a: I64) { update Person set { age: $a } where name = $n }"


class RealGraph:
    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self._capture = capture

    def __call__(self, *words: str, status: int = 0) -> Outcome:
        self._capture.readouterr()
        found = main(list(words))
        captured = self._capture.readouterr()
        outcome = Outcome(found, captured.out.decode(), captured.err.decode())
        assert outcome.status == status, outcome
        return outcome


@pytest.fixture
def og(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RealGraph:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    Path("s.pg").write_text(SCHEMA)
    Path("d.jsonl").write_text(DATA)
    run = RealGraph(tmp_path, capsysbinary)
    assert run("init", "--schema", "s.pg", "g.omni").out == "initialized g.omni\n"
    run("load", "g.omni", "--data", "d.jsonl", "--mode", "merge")
    return run


def test_a_life(og: RealGraph) -> None:
    assert og("query", "g.omni", "-e", ALL).out == (
        "2 rows from branch main via everyone\np.name | p.age\n-------+------\nIda    | 41   \nJon    | null \n"
    )
    out = og("mutate", "g.omni", "-e", AGE, "--params", '{"n": "Jon", "a": "9007199254740993"}', "--as", "ida").out
    assert out == "changed main via set_age: 1 nodes, 0 edges\nactor_id: ida\n"
    document = json.loads(og("query", "g.omni", "-e", WHO, "--param", "n=Jon", "--json").out)
    assert document["rows"] == [{"p.name": "Jon", "p.age": 9007199254740993}]
    commits = json.loads(og("commit", "list", "g.omni", "--json").out)["commits"]
    assert [commit["actor_id"] for commit in commits] == [None, None, "ida"]
    assert document["graph_commit_id"] == commits[-1]["graph_commit_id"]
    before = json.loads(
        og("query", "g.omni", "-e", WHO, "--param", "n=Jon", "--snapshot", commits[1]["graph_commit_id"], "--json").out
    )
    assert before["rows"] == [{"p.name": "Jon", "p.age": None}]
    assert before["target"] == {"branch": None, "snapshot": commits[1]["graph_commit_id"]}
    shown = og("commit", "show", "--uri", "g.omni", commits[-1]["graph_commit_id"]).out
    assert f"parent_commit_id: {commits[1]['graph_commit_id']}\nactor_id: ida\ncreated_at: " in shown
    snapshot = json.loads(og("snapshot", "g.omni", "--json").out)
    assert [(table["table_key"], table["row_count"]) for table in snapshot["tables"]] == [("edge:Knows", 1), ("node:Person", 2)]
    assert og("schema", "show", "g.omni").out == SCHEMA + "\n"


def test_export_loads_back(og: RealGraph) -> None:
    text = og("export", "g.omni").out
    assert text == (
        '{"edge":"Knows","from":"Ida","to":"Jon","data":{"id":"k1","since":18262}}\n'
        '{"type":"Person","data":{"id":"Ida","name":"Ida","age":41}}\n'
        '{"type":"Person","data":{"id":"Jon","name":"Jon","age":null}}\n'
    )
    Path("copy.jsonl").write_text(text)
    og("init", "--schema", "s.pg", "copy.omni")
    og("load", "copy.omni", "--data", "copy.jsonl", "--mode", "overwrite")
    assert og("export", "copy.omni").out == text
    assert og("export", "g.omni", "--table", "node:Person").out == "".join(text.splitlines(keepends=True)[1:])


def test_the_plan_of_a_query(og: RealGraph) -> None:
    planned = og("query", "g.omni", "-e", WHO, "--explain")
    assert planned.err == ""
    assert "Person" in planned.out
    plain = og("query", "g.omni", "-e", ALL)
    measured = og("query", "g.omni", "-e", ALL, "--profile")
    assert measured.out == plain.out
    assert " ms " in measured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["snapshot", "nowhere"], "not found"),
        (["snapshot", "g.omni", "--branch", ""], "branch name cannot be empty"),
        (["snapshot", "g.omni", "--branch", "dev"], "branch 'dev' not found"),
        (["init", "--schema", "s.pg", "g.omni"], "already initialized"),
        (["query", "g.omni", "-e", WHO], "parameter 'n' not provided"),
        (["query", "g.omni", "-e", WHO, "--params", '{"n": 1}'], "param 'n': expected string, got number"),
        (["query", "g.omni", "-e", AGE, "--params", '{"n": "a", "a": 1}'], "mutation query cannot be typechecked"),
        (["mutate", "g.omni", "-e", ALL], "mutation execution called on a read query; use query instead"),
        (["query", "g.omni", "-e", WHO + ALL], "query file contains multiple queries; pass --name"),
        (["query", "g.omni", "-e", WHO + ALL, "--name", "x"], "query 'x' not found"),
        (["query", "g.omni", "-e", ALL, "--snapshot", "nope"], "commit 'nope' not found"),
        (["commit", "show", "--uri", "g.omni", "nope"], "commit 'nope' not found"),
        (["export", "g.omni", "--type", "Nope"], "unknown export type 'Nope'"),
        (["export", "g.omni", "--table", "node:Nope"], "unknown export table 'node:Nope'"),
        (["load", "g.omni", "--data", "d.jsonl", "--mode", "append"], "already has id"),
        (["load", "g.omni", "--data", "d.jsonl", "--mode", "merge", "--branch", "dev"], "branch 'dev' not found"),
    ],
)
def test_refusals_reach_the_person(og: RealGraph, words: list[str], message: str) -> None:
    outcome = og(*words, status=1)
    assert outcome.out == ""
    assert outcome.err.startswith("Error: ")
    assert message in outcome.err
    if words[0] not in ("init", "export"):
        assert message in json.loads(og(*words, "--json", status=1).last_error_line)["error"]


POLICY = """version: 1
groups: {writers: [act-ida]}
protected_branches: [main]
rules:
  - {id: writers-write, allow: {actors: {group: writers}, actions: [change], branch_scope: any}}
  - {id: writers-branch, allow: {actors: {group: writers}, actions: [branch_create], target_branch_scope: unprotected}}
"""


@pytest.mark.parametrize(
    ("project", "address"),
    [
        ("policy: {file: p.yaml}\n", ["--uri", "g"]),
        ("graphs: {desk: {uri: ./g, policy: {file: p.yaml}}}\n", ["--target", "desk"]),
        ("graphs: {desk: {uri: ./g, policy: {file: p.yaml}}}\ncli: {graph: desk}\n", []),
    ],
)
def test_a_local_write_meets_the_policy(og: RealGraph, project: str, address: list[str]) -> None:
    og("init", "g", "--schema", "s.pg")
    Path("p.yaml").write_text(POLICY)
    Path("omnigraph.yaml").write_text(project)
    load = ["load", *address, "--data", "d.jsonl", "--mode", "merge"]
    assert "no actor for engine-layer policy check" in og(*load, status=1).err
    denied = og(*load, "--as", "act-jon", status=1)
    assert "Error: policy: policy denied: policy denied action 'change' for unknown actor 'act-jon'\n" in denied.err
    assert json.loads(og("query", *address, "-e", ALL, "--json").out)["row_count"] == 0, "reads ask nobody"
    og(*load, "--as", "act-ida")
    og("mutate", *address, "-e", AGE, "--params", '{"n": "Jon", "a": 1}', "--as", "act-ida")
    og("branch", "create", *address, "dev", "--as", "act-ida")
    gone = og("branch", "delete", *address, "dev", "--as", "act-ida", status=1)
    assert "policy denied action 'branch_delete' targeting branch 'dev' for actor 'act-ida'" in gone.err
    assert "branch_merge" in og("branch", "merge", *address, "dev", "--as", "act-ida", status=1).err
    Path("p.yaml").write_text("version: 2\n")
    assert "policy version must be 1" in og(*load, "--as", "act-ida", status=1).err
    Path("p.yaml").unlink()
    assert "could not read policy file" in og(*load, "--as", "act-ida", status=1).err
    og("query", *address, "-e", ALL)


def test_an_address_that_is_typed_has_no_policy_of_a_name(og: RealGraph) -> None:
    og("init", "g", "--schema", "s.pg")
    Path("p.yaml").write_text(POLICY)
    Path("omnigraph.yaml").write_text("graphs: {desk: {uri: ./g, policy: {file: p.yaml}}}\n")
    og("load", "g", "--data", "d.jsonl", "--mode", "merge")


def test_merges_are_previewed_settled_and_tidied_up(og: RealGraph) -> None:
    og("branch", "create", "draft", "g.omni")
    og("mutate", "g.omni", "--as", "act-a", "--branch", "draft", "-e", AGE, "--params", '{"n": "Ida", "a": 1}')
    og("mutate", "g.omni", "--as", "act-b", "-e", AGE, "--params", '{"n": "Ida", "a": 2}')
    preview = og("branch", "merge", "draft", "g.omni", "--dry-run", status=1)
    assert preview.out.startswith(
        "would merge draft into main: merged, refused by 1 conflict\n"
        "  node:Person:Ida (divergent_update): divergent update for id 'Ida'\n"
        "              base  ours                        theirs\n"
        "      age     41    2                           1\n"
    )
    document = json.loads(og("branch", "merge", "draft", "g.omni", "--dry-run", "--json", status=1).out)
    assert [document["mergeable"], document["outcome"], len(document["merge_conflicts"])] == [False, "merged", 1]
    refused = og("branch", "merge", "draft", "g.omni", "--json", status=1)
    assert refused.out == ""
    assert json.loads(refused.err.splitlines()[-1])["merge_conflicts"] == document["merge_conflicts"]
    assert document["merge_conflicts"][0]["theirs"]["actor_id"] == "act-a"
    for words in (["--strategy", "both"], ["--strategy", "ours", "--strategy", "theirs"], ["--dry-run", "--delete-branch"]):
        og("branch", "merge", "draft", "g.omni", *words, status=2)
    assert "unknown type 'Ghost'" in og("branch", "merge", "draft", "g.omni", "--strategy", "Ghost=ours", status=1).err
    og("branch", "create", "below", "g.omni", "--from", "draft")
    kept = og("branch", "merge", "draft", "g.omni", "--strategy", "Person=theirs", "--delete-branch", "--json")
    assert "warning: merged, but could not delete branch 'draft': " in kept.err
    merged = json.loads(kept.out)
    assert (merged["outcome"], merged["branch_deleted"]) == ("merged", False)
    assert "descendant branch 'below'" in merged["branch_delete_error"]
    shown = json.loads(og("commit", "show", merged["commit"]["graph_commit_id"], "--uri", "g.omni", "--json").out)
    assert shown["settled"] == [{"table_key": "node:Person", "strategy": "theirs", "rows": 1}]
    gone = og("branch", "merge", "below", "g.omni", "--delete-branch")
    assert gone.out == "merged below into main: already_up_to_date\ndeleted branch below\n"


def test_the_history_is_drawn(og: RealGraph) -> None:
    og("branch", "create", "draft", "g.omni")
    og("mutate", "g.omni", "--branch", "draft", "-e", AGE, "--params", '{"n": "Ida", "a": 1}')
    og("mutate", "g.omni", "-e", AGE, "--params", '{"n": "Jon", "a": 2}')
    og("branch", "merge", "draft", "g.omni")
    lines = og("commit", "list", "g.omni", "--graph").out.splitlines()
    assert [line[:4].rstrip() for line in lines] == ["* 01", "|\\", "* |", "| *", "|/", "* 01", "* 01"]
    assert " (main) " in lines[0]
    assert " (draft) " in lines[3]
    document = json.loads(og("commit", "list", "g.omni", "--graph", "--json", "--branch", "draft", "--limit", "1").out)
    assert [head["branch"] for head in document["heads"]] == ["draft"]
    assert (len(document["commits"]), document["more"]) == (1, True)
    assert "branch 'ghost' not found" in og("commit", "list", "g.omni", "--graph", "--branch", "ghost", status=1).err
