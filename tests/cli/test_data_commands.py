from __future__ import annotations

import io
import json
import sys

import pytest

from cli.conftest import CommandLine

SCHEMA = "node Person {\n  name: String @key\n}\n"


def test_load_for_people(run: CommandLine) -> None:
    run.write("d.jsonl", '{"type":"Person"}\n')
    outcome = run("load", "g", "--data", "d.jsonl", "--mode", "merge")
    assert outcome.out == ("loaded g on branch main with merge: 2 nodes across 1 node types, 1 edges across 1 edge types\n")
    assert run.graph.asked["data"] == '{"type":"Person"}\n'
    assert run.graph.asked["from_branch"] is None


def test_load_onto_a_new_branch(run: CommandLine) -> None:
    run.write("d.jsonl", "")
    outcome = run("load", "g", "--data", "d.jsonl", "--mode", "append", "--branch", "dev", "--from", "main")
    assert outcome.out.splitlines()[1] == "branch dev created from main"


def test_load_as_json(run: CommandLine) -> None:
    run.write("d.jsonl", "")
    outcome = run("load", "./g", "--data", "d.jsonl", "--mode", "merge", "--json")
    document = json.loads(outcome.out)
    assert list(document) == [
        "uri", "branch", "mode", "branch_created", "nodes_loaded", "edges_loaded", "node_types_loaded",
        "edge_types_loaded", "commit", "nodes", "edges", "total_entities",
    ]  # fmt: skip
    assert document["uri"] == "./g"
    assert document["nodes"] == [{"name": "Person", "entities_loaded": 2}]
    document = json.loads(run("load", "g", "--data", "d.jsonl", "--mode", "merge", "--from", "main", "--json").out)
    assert list(document)[:5] == ["uri", "branch", "mode", "base_branch", "branch_created"]


def test_load_reads_standard_input(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    assert run("load", "g", "--data", "-", "--mode", "merge").status == 0
    assert run.graph.asked["data"] == "{}"


def test_a_bar_is_for_terminals_and_long_inputs(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["load", "g", "--data", "d.jsonl", "--mode", "merge"]
    run.write("d.jsonl", "{}")
    plain = run(*words)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(*words) == plain
    assert "progress" not in run.graph.asked
    monkeypatch.setattr("omnigraph.cli.load.PROGRESS_BYTES_MIN", 0)
    assert run(*words).out == plain.out
    assert run.graph.asked["progress"]


def test_missing_files_are_named_with_the_reason(run: CommandLine) -> None:
    for words in (
        ["load", "g", "--data", "nope", "--mode", "merge"],
        ["init", "g", "--schema", "nope"],
        ["query", "g", "-e", "q", "--params-file", "nope"],
        ["query", "g", "--query", "/nope/nope.gq"],
        ["snapshot", "g", "--config", "nope.yaml"],
    ):
        outcome = run(*words)
        assert outcome.status == 1
        assert outcome.out == ""
        assert outcome.err.startswith("Error: ")
        assert "No such file or directory" in outcome.err
    assert run("query", "g", "--query", "nope.gq").err.startswith("Error: query file 'nope.gq' not found\n")


def test_ingest(run: CommandLine) -> None:
    run.write("d.jsonl", "")
    outcome = run("ingest", "g", "--data", "d.jsonl", "--branch", "dev", "--as", "ida")
    assert outcome.out == (
        "ingested g into branch dev from main with merge (branch created)\n"
        "edge:Knows rows_loaded=1\nnode:Person rows_loaded=2\n"
    )
    document = json.loads(run("ingest", "g", "--data", "d.jsonl", "--as", "ida", "--json").out)
    assert list(document) == ["uri", "branch", "base_branch", "branch_created", "mode", "tables", "actor_id", "commit"]
    assert document["actor_id"] is None
    assert run.graph.asked["actor"] == "ida"


def test_snapshot(run: CommandLine) -> None:
    assert run("snapshot", "g").out == (
        "branch: main\nmanifest_version: 7\nedge:Knows v3 branch=main rows=12\nnode:Person v4 branch=dev rows=2\n"
    )
    document = json.loads(run("snapshot", "--uri", "g", "--branch", "dev", "--json").out)
    assert list(document) == ["branch", "manifest_version", "tables"]
    assert list(document["tables"][0]) == ["table_key", "table_path", "table_version", "table_branch", "row_count"]


def test_export(run: CommandLine) -> None:
    assert run("export", "g").out.splitlines()[1] == '{"type":"Person","data":{"id":"a"}}'


def test_commit_list(run: CommandLine) -> None:
    assert run("commit", "list", "g").out == (
        "C1 branch=main version=1\nC2 branch=main version=2 actor=act-ida\nC3 branch=dev version=3\n"
    )
    assert run.graph.asked["branch"] is None
    assert run("commit", "list", "g", "--order", "newest", "--limit", "1").out == "C3 branch=dev version=3\n"
    assert run("commit", "list", "g", "--actor", "act-ida").out == "C2 branch=main version=2 actor=act-ida\n"
    assert run("commit", "list", "g", "--actor", "nobody", "--json").out == '{\n  "commits": []\n}\n'


def test_commit_list_ignores_the_default_branch(run: CommandLine) -> None:
    run.write("omnigraph.yaml", "cli: {branch: dev}\n")
    run("commit", "list", "g")
    assert run.graph.asked["branch"] is None
    run("snapshot", "g")
    assert run.graph.asked["branch"] == "dev"


@pytest.mark.parametrize("words", [["--uri", "g", "C3"], ["g", "C3"]])
def test_commit_show(run: CommandLine, words: list[str]) -> None:
    assert run("commit", "show", *words).out == (
        "graph_commit_id: C3\nmanifest_branch: dev\nmanifest_version: 3\nparent_commit_id: C2\n"
        "merged_parent_commit_id: C1\ncreated_at: 1700000000000002\n"
    )
    assert run.graph.asked["uri"] == "g"
    document = json.loads(run("commit", "show", *words, "--json").out)
    assert list(document) == [
        "graph_commit_id", "manifest_branch", "manifest_version", "parent_commit_id", "merged_parent_commit_id",
        "actor_id", "created_at",
    ]  # fmt: skip


def test_an_error_under_json_ends_with_an_object(run: CommandLine) -> None:
    outcome = run("commit", "show", "--uri", "g", "nope", "--json")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == ("Error: commit 'nope' not found\n" + '{"error":"commit \'nope\' not found","code":"not_found"}\n')


def test_schema_show(run: CommandLine) -> None:
    assert run("schema", "show", "g").out == SCHEMA + "\n"
    assert json.loads(run("schema", "get", "g", "--json").out) == {"schema_source": SCHEMA}


def test_init(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    outcome = run("init", "--schema", "s.pg", "./new.omni", "--force")
    assert (outcome.status, outcome.out, outcome.err) == (0, "initialized ./new.omni\n", "")
    assert run.graph.asked == {"uri": "./new.omni", "schema": SCHEMA, "force": True, "closed": True}
    assert run("init", "--schema", "s.pg", "g", "--json").out == '{\n  "uri": "g",\n  "initialized": true\n}\n'


@pytest.mark.parametrize("uri", ["c/graphs/a.omni", "c/graphs/a.omni/", "./c/graphs/a.omni"])
def test_init_leaves_clusters_alone(run: CommandLine, uri: str) -> None:
    run.write("s.pg", SCHEMA)
    assert run("init", "--schema", "s.pg", uri).status == 0
    run.write("c/__cluster/state.json", "{}")
    outcome = run("init", "--schema", "s.pg", uri)
    assert outcome.status == 1
    assert outcome.err.startswith(f"Error: `{uri}` is inside cluster `{uri.partition('/graphs')[0]}`. Graphs in a cluster")
    assert "uri" not in run.graph.asked
    assert run("init", "--schema", "s.pg", "c/graphs/deep/a.omni").status == 0
    assert run("init", "--schema", "s.pg", "c/mygraphs/a.omni").status == 0
