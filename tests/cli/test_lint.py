from __future__ import annotations

import json

from cli.conftest import CommandLine

SCHEMA = "node Person {\n  name: String @key\n  age: I64?\n  note: String?\n}\n"
GOOD = "query who($n: String) { match { $p: Person { name: $n } } return { $p.age } }\n"
UPDATE = "query age($n: String, $a: I64) { update Person set { age: $a } where name = $n }\n"


def test_a_good_file(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    run.write("q.gq", GOOD)
    outcome = run("lint", "--query", "q.gq", "--schema", "s.pg", "http://ignored")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == (
        "OK    query `who` (read)\nINFO  Lint complete: 1 queries processed (0 error(s), 0 warning(s), 0 info item(s))\n"
    )


def test_the_document(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    run.write("q.gq", UPDATE)
    document = json.loads(run("lint", "--query", "q.gq", "--schema", "s.pg", "--json").out)
    assert list(document) == [
        "status", "schema_source", "query_path", "queries_processed", "errors", "warnings", "infos", "results", "findings",
    ]  # fmt: skip
    assert document["schema_source"] == {"kind": "file", "path": "s.pg"}
    assert document["query_path"] == f"{run.folder}/q.gq"
    assert [finding["message"] for finding in document["findings"]] == [
        "Person.note exists in schema but no update query sets it"
    ]


def test_an_error_exits_with_one_and_keeps_the_report_on_stdout(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    run.write("q.gq", "query {")
    outcome = run("lint", "--query", "q.gq", "--schema", "s.pg", "--json")
    assert (outcome.status, outcome.err) == (1, "")
    document = json.loads(outcome.out)
    assert (document["status"], document["errors"], document["queries_processed"]) == ("error", 1, 0)
    assert document["findings"][0]["code"] == "Q000"


def test_deprecated_spellings(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    run.write("q.gq", GOOD)
    expected = run("lint", "--query", "q.gq", "--schema", "s.pg").out
    for words in (["check"], ["query", "lint"], ["query", "check"], ["--as", "x", "check"]):
        outcome = run(*words, "--query", "q.gq", "--schema", "s.pg")
        assert outcome.out == expected
        assert outcome.err.endswith("is deprecated; use `omnigraph lint` instead\n")


def test_a_graph_gives_the_schema(run: CommandLine) -> None:
    run.write("q.gq", "query n($n: String) { match { $p: Person { name: $n } } return { $p.name } }")
    document = json.loads(run("lint", "--query", "q.gq", "./g", "--json").out)
    assert document["schema_source"] == {"kind": "graph", "uri": "./g"}


def test_refusals(run: CommandLine) -> None:
    run.write("q.gq", GOOD)
    assert run("lint", "--query", "q.gq").err == ("Error: lint requires --schema <schema.pg> or a resolvable graph target\n")
    assert "`lint` is a storage-plane command and needs direct storage access" in run("lint", "--query", "q.gq", "http://h").err
    run.write("omnigraph.yaml", "graphs: {d: {uri: d}}\npolicy: {file: p}\n")
    assert "named graph 'd' uses its own" in run("lint", "--query", "q.gq", "--target", "d").err
    outcome = run("lint", "--query", "q.gq", "--server", "s")
    assert outcome.err == (
        "Error: `lint` is a storage-plane command; --server/--graph address the data plane and do not apply. "
        "Use --target <name>, a storage URI, or --cluster <dir> --cluster-graph <id>.\n"
    )
