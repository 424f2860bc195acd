from __future__ import annotations

import json

import pytest

from cli.conftest import CommandLine

SCHEMA = "node Person { name: String @key  age: I32?  mark: Vector(3)? }\n"
PROJECT = """
graphs:
  desk: { uri: desk.omni, queries: { by_name: { file: q.gq }, add: { file: q.gq, mcp: { tool_name: add_person } } } }
  other: { uri: other.omni, queries: { hidden: { file: q.gq, mcp: { expose: false } } } }
  bare: { uri: bare.omni }
"""
QUERIES = """
query by_name($name: String, $ages: [I32]?) @description("Find one\\nperson") { match { $p: Person { name: $name } } return { $p.age } }
query add($name: String, $age: I32?) { insert Person { name: $name, age: $age } }
query hidden() { match { $p: Person } return { $p.name } }
query near($v: Vector(3)) { match { $p: Person } return { $p.name } order { nearest($p.mark, $v) } limit 3 }
query wrong() { match { $p: Nobody } return { $p.name } }
"""


@pytest.fixture
def project(run: CommandLine) -> CommandLine:
    run.write("omnigraph.yaml", PROJECT)
    run.write("q.gq", QUERIES)
    return run


def test_list_as_text(project: CommandLine) -> None:
    outcome = project("queries", "list", "--target", "desk")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == (
        "mutation  add($name: String, $age: I32?) [mcp: add_person]\n"
        "read  by_name($name: String, $ages: [I32]?) [mcp: by_name]\n"
        "    description: Find one\n"
        "                 person\n"
    )
    assert project("queries", "list", "--target", "other").out == "read  hidden()\n"
    assert project("queries", "list", "--target", "bare").out == "(no stored queries registered)\n"


def test_list_as_json(project: CommandLine) -> None:
    document = json.loads(project("queries", "list", "--target", "desk", "--json").out)
    assert [query["name"] for query in document["queries"]] == ["add", "by_name"]
    assert document["queries"][0] == {
        "name": "add",
        "mcp_expose": True,
        "tool_name": "add_person",
        "mutation": True,
        "params": [
            {"name": "name", "type": "String", "nullable": False},
            {"name": "age", "type": "I32", "nullable": True},
        ],
    }
    assert document["queries"][1]["tool_name"] is None
    assert document["queries"][1]["params"][1] == {"name": "ages", "type": "[I32]", "nullable": True}
    assert json.loads(project("queries", "list", "--target", "bare", "--json").out) == {"queries": []}


def test_list_wants_one_of_several_registries(project: CommandLine) -> None:
    assert project("queries", "list").err == (
        "Error: stored-query registries are configured for graphs desk, other but no graph was selected. "
        "Pass `--target desk` or set `cli.graph`.\n"
    )
    assert "graph 'nope' not found in omnigraph.yaml" in project("queries", "list", "--target", "nope").err
    project.write("omnigraph.yaml", PROJECT + "queries: { hidden: { file: q.gq } }\n")
    assert project("queries", "list").out == "read  hidden() [mcp: hidden]\n"
    assert "top-level queries is set and would be ignored" in project("queries", "list", "--target", "desk").err


def test_list_without_a_project_file(run: CommandLine) -> None:
    outcome = run("queries", "list")
    assert (outcome.status, outcome.out) == (0, "(no stored queries registered)\n")
    assert "`queries list` is a session-plane command" in run("queries", "list", "--server", "s").err


def test_what_cannot_be_loaded(run: CommandLine) -> None:
    run.write("omnigraph.yaml", "queries: { a: { file: no.gq }, b: { file: bad.gq }, c: { file: q.gq } }\n")
    run.write("bad.gq", "query b( {")
    run.write("q.gq", QUERIES)
    outcome = run("queries", "list")
    assert outcome.status == 1
    lines = outcome.err.splitlines()
    assert lines[0] == "Error: stored-query registry failed to load:"
    assert lines[1].startswith("  stored query 'a': cannot read '") and lines[1].endswith("no.gq': No such file or directory")
    assert lines[2].startswith("  stored query 'b': parse error: 1:10: ")
    assert lines[3] == (
        "  stored query 'c': no `query c` declaration found in its `.gq` file (the registry key must match the query symbol)"
    )


def test_validate(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.graph, "schema_source", lambda: SCHEMA)
    run.write("q.gq", QUERIES)
    run.write("omnigraph.yaml", "graphs: { desk: { uri: desk.omni, queries: { by_name: { file: q.gq } } } }\n")
    outcome = run("queries", "validate", "--target", "desk")
    assert (outcome.status, outcome.out) == (0, "OK  1 stored query type-check against the schema\n")
    assert run("queries", "validate", "desk.omni").out == "OK  0 stored queries type-check against the schema\n"

    run.write("omnigraph.yaml", "queries: { wrong: { file: q.gq }, near: { file: q.gq }, by_name: { file: q.gq } }\n")
    advice = (
        "MCP-exposed query declares a `Vector(3)` parameter `$v` that agents cannot supply; "
        "use a `String` parameter for server-side embedding"
    )
    outcome = run("queries", "validate", "desk.omni")
    assert (outcome.status, outcome.err) == (1, "")
    assert outcome.out == f"ERROR  query 'wrong': type error: T1: unknown node type `Nobody`\nWARN   query 'near': {advice}\n"
    document = json.loads(run("queries", "validate", "desk.omni", "--json").out)
    assert document == {
        "ok": False,
        "breakages": [{"query": "wrong", "message": "type error: T1: unknown node type `Nobody`"}],
        "warnings": [{"query": "near", "message": advice}],
    }


def test_validate_needs_storage(run: CommandLine) -> None:
    assert (
        "`queries validate` is a storage-plane command and needs direct storage" in run("queries", "validate", "http://h").err
    )
    assert run("queries", "validate").err.startswith("Error: URI must be provided via <URI>, --target, or config\n")
