"""``omnigraph schema plan`` and ``apply``, on a graph that is not there and on real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import CommandLine, Outcome
from omnigraph.cli.main import main

ACCEPTED = "node Person {\n  name: String @key\n}\n"
DESIRED = "node Person {\n  name: String @key\n  nick: String?\n}\n"


def test_plan(run: CommandLine) -> None:
    run.write("s.pg", DESIRED)
    outcome = run("schema", "plan", "./g", "--schema", "s.pg")
    assert outcome.out == ("schema plan for ./g\nsupported: yes\n- add property 'Person.nick' (String?) on node 'Person'\n")
    run.write("s.pg", DESIRED.replace("?", ""))
    outcome = run("schema", "plan", "g", "--schema", "s.pg", "--json")
    assert outcome.status == 0
    assert json.loads(outcome.out) == {
        "uri": "g",
        "supported": False,
        "step_count": 1,
        "steps": [
            {
                "kind": "unsupported_change",
                "entity": "node:Person.nick",
                "reason": "adding required property 'Person.nick' requires a backfill and is not supported in schema migration v1",
                "code": "OG-MF-103",
            }
        ],
    }
    run.write("s.pg", "")
    assert run("schema", "plan", "g", "--schema", "s.pg", "--allow-data-loss").out.endswith(
        "- drop node type 'Person' (hard mode)\n"
    )
    run.write("s.pg", ACCEPTED)
    assert run("schema", "plan", "g", "--schema", "s.pg").out == "schema plan for g\nsupported: yes\nno schema changes\n"


def test_plan_needs_the_storage(run: CommandLine) -> None:
    run.write("s.pg", DESIRED)
    outcome = run("schema", "plan", "https://h/g", "--schema", "s.pg")
    assert outcome.status == 1
    assert "`schema plan` is a storage-plane command and needs direct storage access" in outcome.err
    outcome = run("schema", "plan", "--server", "h", "--schema", "s.pg")
    assert "`schema plan` is a storage-plane command; --server/--graph address the data plane" in outcome.err
    assert run("schema", "plan", "g").status == 2


def test_apply(run: CommandLine) -> None:
    run.write("s.pg", DESIRED)
    outcome = run("schema", "apply", "./g", "--schema", "s.pg", "--as", "act-ida", "--allow-data-loss")
    assert outcome.out == (
        "schema apply for ./g\nsupported: yes\napplied: yes\nmanifest_version: 8\n- drop edge type 'Knows' (soft mode)\n"
    )
    assert run.graph.asked == {"uri": "./g", "source": DESIRED, "allow_data_loss": True, "actor": "act-ida", "closed": True}
    outcome = run("schema", "apply", "./g", "--schema", "s.pg", "--json")
    assert list(json.loads(outcome.out)) == ["uri", "supported", "applied", "step_count", "manifest_version", "steps"]
    assert json.loads(outcome.out)["uri"] == "./g"
    assert run("schema", "apply", "g", "--schema", "none.pg").err.startswith("Error: ")


def test_stored_queries_must_fit_the_new_schema(run: CommandLine) -> None:
    run.write("q.gq", "query people() { match { $p: Person } return { $p.nick } }")
    run.write("omnigraph.yaml", "graphs:\n  net:\n    uri: g\n    queries:\n      people: {file: q.gq}\n")
    run.write("s.pg", ACCEPTED)
    outcome = run("schema", "apply", "--target", "net", "--schema", "s.pg")
    assert outcome.status == 1
    lines = outcome.err.splitlines()
    assert "graph 'net': 1 stored query failed the schema check:" in lines[0]
    assert lines[1].startswith("  query 'people': type error: ")
    assert "source" not in run.graph.asked
    run.write("s.pg", DESIRED)
    assert run("schema", "apply", "--target", "net", "--schema", "s.pg").status == 0


def test_a_graph_of_a_cluster_may_be_changed_with_a_warning(run: CommandLine) -> None:
    run.write("c/__cluster/state.json", "{}")
    run.write("s.pg", DESIRED)
    outcome = run("schema", "apply", "c/graphs/a.omni", "--schema", "s.pg")
    assert outcome.status == 0
    assert outcome.err.startswith("warning: c/graphs/a.omni belongs to the cluster at c: ")
    assert run("schema", "apply", "d/graphs/a.omni", "--schema", "s.pg").err == ""


def test_on_a_real_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))
    Path("a.pg").write_text(ACCEPTED)
    Path("b.pg").write_text(DESIRED)
    Path("c.pg").write_text(DESIRED.replace("nick: String?", "nick: I32?"))

    def run(*words: str) -> Outcome:
        status = main(list(words))
        captured = capsysbinary.readouterr()
        return Outcome(status, captured.out.decode(), captured.err.decode())

    run("init", "--schema", "a.pg", "g")
    done = json.loads(run("schema", "apply", "g", "--schema", "b.pg", "--as", "act-ida", "--json").out)
    assert (done["applied"], done["manifest_version"], done["step_count"]) == (True, 2, 1)
    assert "actor=act-ida" in run("commit", "list", "g").out
    assert run("schema", "show", "g").out == DESIRED + "\n"
    again = run("schema", "apply", "g", "--schema", "b.pg")
    assert again.out == "schema apply for g\nsupported: yes\napplied: no\nmanifest_version: 2\nno schema changes\n"
    refused = run("schema", "apply", "g", "--schema", "c.pg")
    assert refused.status == 1
    assert refused.err.startswith("Error: [OG-MF-106] changing property type for 'Person.nick' is not supported")
    run("branch", "create", "dev", "--uri", "g")
    refused = run("schema", "apply", "g", "--schema", "a.pg")
    assert "schema apply requires a graph with only main; found non-main branches: dev" in refused.err
    assert run("schema", "plan", "g", "--schema", "a.pg").status == 0
