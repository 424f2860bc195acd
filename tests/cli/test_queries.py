from __future__ import annotations

import json

import pytest

from cli.conftest import CommandLine

ALIASES = """
graphs:
  desk: {uri: ./desk.omni}
cli: {graph: desk, branch: dev}
query: {roots: [missing, queries]}
aliases:
  ticket: {command: query, query: tickets.gq, name: by_ref, args: [ref, extra], format: kv, branch: side}
  close: {command: change, query: tickets.gq}
"""


def test_the_default_form_is_a_table(run: CommandLine) -> None:
    outcome = run("query", "g", "-e", "query q() {}")
    assert outcome.out == (
        "2 rows from branch main via stock_below\ni.sku | i.qty\n------+------\nA-1   | 3    \nB-7   | null \n"
    )
    assert run.graph.asked["branch"] == "main"
    assert run.graph.asked["snapshot"] is None


def test_the_json_document(run: CommandLine) -> None:
    outcome = run("query", "--uri", "g", "-e", "q", "--json", "--name", "é")
    assert (
        outcome.out
        == """{
  "query_name": "é",
  "target": {
    "branch": "main",
    "snapshot": null
  },
  "row_count": 2,
  "columns": [
    "i.sku",
    "i.qty"
  ],
  "rows": [
    {
      "i.sku": "A-1",
      "i.qty": 3
    },
    {
      "i.sku": "B-7",
      "i.qty": null
    }
  ],
  "graph_commit_id": "C2"
}
"""
    )


def test_a_snapshot_replaces_every_default_branch(run: CommandLine) -> None:
    run.write("omnigraph.yaml", "cli: {branch: dev}\n")
    outcome = run("query", "g", "-e", "q", "--snapshot", "C1", "--format", "jsonl")
    assert outcome.out.startswith(
        '{"kind":"metadata","query_name":"stock_below","target":{"branch":null,"snapshot":"C1"},"row_count":2}\n'
    )
    assert (run.graph.asked["branch"], run.graph.asked["snapshot"]) == (None, "C1")


def test_mutate(run: CommandLine) -> None:
    assert run("mutate", "g", "-e", "q").out == "changed main via set_age: 1 nodes, 2 edges\n"
    outcome = run("mutate", "g", "-e", "q", "--as", "ida")
    assert outcome.out == "changed main via set_age: 1 nodes, 2 edges\nactor_id: ida\n"
    document = json.loads(run("mutate", "g", "-e", "q", "--json").out)
    assert list(document) == ["branch", "query_name", "affected_nodes", "affected_edges", "actor_id", "commit"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["query", "g"], "exactly one of --query, --query-string, or --alias must be provided"),
        (["mutate"], "exactly one of --query, --query-string, or --alias must be provided"),
        (["query", "g", "-e", " \n"], "--query-string must not be empty"),
        (["query", "-e", "q"], "URI must be provided via <URI>, --target, or config"),
        (["query", "g", "x", "-e", "q"], "alias '<alias>' expects at most 0 args but got 1"),
        (["query", "g", "--alias", "nope"], "alias 'nope' not found"),
        (["query", "g", "-e", "q", "--params", "[1]"], "params JSON must be an object"),
        (["query", "g", "-e", "q", "--params", "null"], "params JSON must be an object"),
        (["query", "g", "-e", "q", "--params", "{"], "invalid JSON: Expecting property name"),
        (["query", "g", "-e", "q", "--params", '{"a": NaN}'], "invalid JSON: NaN is not a JSON value"),
        (["query", "g", "-e", "q", "--param", "x"], "--param must be NAME=VALUE, got 'x'"),
        (["query", "./g", "-e", "q", "--target", "nope"], ""),
        (["query", "-e", "q", "--target", "nope"], "graph 'nope' not found in omnigraph.yaml"),
        (["query", "top", "--uri", "./g"], "by-name invocation needs a server"),
    ],
)
def test_refusals(run: CommandLine, words: list[str], message: str) -> None:
    outcome = run(*words)
    assert outcome.status == (1 if message else 0)
    assert outcome.err.startswith(f"Error: {message}" if message else "")


def test_a_missing_source_is_told_before_a_bad_project_file(run: CommandLine) -> None:
    run.write("omnigraph.yaml", "cli: [")
    assert "exactly one of" in run("query", "./g").err
    assert "could not parse config 'omnigraph.yaml'" in run("query", "./g", "-e", "q").err


def test_a_name_may_stand_as_the_first_word(run: CommandLine) -> None:
    run("query", "top_ten", "--uri", "./g", "-e", "q")
    assert (run.graph.asked["uri"], run.graph.asked["name"]) == ("./g", "top_ten")
    assert run("query", "top_ten", "--uri", "./g", "-e", "q", "--name", "other").status == 2
    assert run("query", "top_ten", "--uri", "./g", "-e", "q", "--name", "top_ten").status == 0
    (run.folder / "top_ten").mkdir()
    assert run("query", "top_ten", "--uri", "./g", "-e", "q").status == 2


def test_parameters(run: CommandLine) -> None:
    file = run.write("p.json", '{"big": 9007199254740993, "s": "ä"}')
    run("query", "g", "-e", "q", "--params-file", str(file), "--param", "n=42", "--param", "s=x=y", "--param", "t=2026-05-01")
    assert run.graph.asked["params"] == {"big": 9007199254740993, "s": "x=y", "n": 42, "t": "2026-05-01"}


def test_an_alias_binds_words_and_defaults(run: CommandLine) -> None:
    run.write("omnigraph.yaml", ALIASES)
    run.write("queries/tickets.gq", "query by_ref() {}")
    outcome = run("query", "--alias", "ticket", "42", "http://x/y", "--params", '{"extra": 7}')
    assert outcome.out.startswith("2 rows from branch side via by_ref\nrow 1\n")
    assert run.graph.asked["params"] == {"ref": 42, "extra": 7}
    assert run.graph.asked["uri"] == f"{run.folder}/./desk.omni"
    assert run.graph.asked["source"] == "query by_ref() {}"
    assert "alias 'ticket' expects at most 2 args but got 3" in run("query", "--alias", "ticket", "a", "b", "c").err
    run("query", "--alias", "ticket", "--uri", "other", "a", "--branch", "main", "--name", "n", "--format", "csv")
    assert (run.graph.asked["uri"], run.graph.asked["branch"], run.graph.asked["name"]) == ("other", "main", "n")


def test_an_alias_without_a_known_graph_takes_the_first_word_as_the_address(run: CommandLine) -> None:
    run.write("omnigraph.yaml", ALIASES.replace("graph: desk, ", ""))
    run.write("tickets.gq", "q")
    run("query", "--alias", "ticket", "there", "null")
    assert (run.graph.asked["uri"], run.graph.asked["params"]) == ("there", {"ref": None})


def test_an_alias_is_for_one_command(run: CommandLine) -> None:
    run.write("omnigraph.yaml", ALIASES)
    run.write("tickets.gq", "q")
    assert "alias 'ticket' is a Read alias, not a Change alias" in run("mutate", "--alias", "ticket").err
    assert "alias 'close' is a Change alias, not a Read alias" in run("query", "--alias", "close").err
    assert run("mutate", "--alias", "close").out == "changed dev via set_age: 1 nodes, 2 edges\n"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("42", 42), ("true", True), ("null", None), ("[1,2]", [1, 2]), ('"x"', "x"), ("2026-05-01", "2026-05-01"),
        ("sig-7", "sig-7"), ("NaN", "NaN"), ("Infinity", "Infinity"), ('"42"', "42"), ("", ""),
    ],
)  # fmt: skip
def test_words_are_read_as_json_else_as_text(run: CommandLine, word: str, value: object) -> None:
    run.write("omnigraph.yaml", ALIASES)
    run.write("tickets.gq", "q")
    run("query", "--alias", "ticket", word)
    assert run.graph.asked["params"] == {"ref": value}


def test_an_alias_in_both_files(run: CommandLine) -> None:
    run.write("omnigraph.yaml", ALIASES)
    run.write("tickets.gq", "q")
    run.write("home/config.yaml", "aliases: {ticket: {server: s, query: t}, other: {server: s, query: t}}\n")
    assert run("query", "--alias", "ticket").err == (
        "warning: alias 'ticket' is defined in both omnigraph.yaml (legacy, wins during the deprecation window) and the "
        "operator config; the legacy definition applies\n"
    )
    assert run("query", "--alias", "other").status == 1


def test_the_chain_of_forms(run: CommandLine) -> None:
    def first_line() -> str:
        return run("query", "g", "-e", "q").out.splitlines()[0]

    run.write("home/config.yaml", "defaults: {output: csv}\n")
    assert first_line() == "i.sku,i.qty"
    run.write("omnigraph.yaml", "cli: {output_format: jsonl}\n")
    assert first_line().startswith('{"kind":"metadata"')
    assert run("query", "g", "-e", "q", "--format", "json").out.startswith("{\n")
    run.write("omnigraph.yaml", "")
    run.write("home/config.yaml", "defaults: [")
    assert first_line() == "2 rows from branch main via stock_below"


@pytest.mark.parametrize(
    ("declared", "word", "value"),
    [
        ("String", "42", "42"),
        ("String", "null", "null"),
        ("String", '"42"', "42"),
        ("String?", "true", "true"),
        ("String?", "null", None),
        ("[String]", "42", 42),
        ("I64", "42", 42),
    ],
)
def test_a_declared_string_keeps_the_typed_text(run: CommandLine, declared: str, word: str, value: object) -> None:
    run.write("omnigraph.yaml", ALIASES)
    run.write("tickets.gq", f"query by_ref($ref: {declared}) {{ match {{ $t: T {{ ref: $ref }} }} return {{ $t }} }}")
    run("query", "--alias", "ticket", word)
    assert run.graph.asked["params"] == {"ref": value}
    run("query", "./g", "--query", "tickets.gq", "--param", f"ref={word}")
    assert run.graph.asked["params"] == {"ref": value}


def test_a_lost_race_exits_with_four(run: CommandLine) -> None:
    assert run("mutate", "./g", "-e", "q", "--if-commit", "C2").status == 0
    outcome = run("mutate", "./g", "-e", "q", "--if-commit", "C1")
    assert (outcome.status, outcome.out) == (4, "")
    assert outcome.err.startswith("Error: precondition failed on branch 'main': expected head 'C1' but current is C2\n")
    outcome = run("mutate", "./g", "-e", "q", "--if-commit", "C1", "--json")
    assert outcome.status == 4
    document = json.loads(outcome.out)
    assert list(document) == ["error", "precondition_failure"]
    assert document["precondition_failure"] == {"expected": "C1", "actual": "C2"}
    assert json.loads(outcome.last_error_line)["precondition_failure"] == {"expected": "C1", "actual": "C2"}


def test_the_chain_of_table_layouts(run: CommandLine) -> None:
    run.graph.rows = [{"i.sku": "x" * 30, "i.qty": 1}]

    def last_lines(*words: str) -> list[str]:
        return run("query", "./g", "-e", "q", *words).out.splitlines()[3:]

    assert last_lines() == ["x" * 30 + " | 1    "]
    run.write("home/config.yaml", "defaults: {table_max_column_width: 20, table_cell_layout: wrap}\n")
    assert last_lines() == ["x" * 20 + " | 1    ", "x" * 10 + " " * 10 + " |      "]
    run.write("omnigraph.yaml", "cli: {table_max_column_width: 10, table_cell_layout: truncate}\n")
    assert last_lines() == ["x" * 9 + "… | 1    "]
    assert last_lines("--max-width", "25") == ["x" * 24 + "… | 1    "]
    assert last_lines("--max-width=25", "--wrap")[1] == "x" * 5 + " " * 20 + " |      "
    assert run("query", "./g", "-e", "q", "--max-width", "x").status == 2
