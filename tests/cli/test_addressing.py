from __future__ import annotations

import pytest

from cli.conftest import CommandLine

PROJECT = """
graphs:
  desk: {uri: ./desk.omni}
  far: {uri: "s3://bucket/far"}
  live: {uri: "https://graphs.example.net/graphs/desk"}
  guarded: {uri: guarded.omni, policy: {file: rules.yaml}}
cli: {graph: desk}
"""
SERVERS = "servers: {live: {url: 'http://h:1/'}, b: {url: 'http://b'}}\n"


@pytest.mark.parametrize(
    ("words", "uri"),
    [
        ([], "{folder}/./desk.omni"),
        (["--target", "far"], "s3://bucket/far"),
        (["typed.omni"], "typed.omni"),
        (["--uri", "typed.omni"], "typed.omni"),
        (["typed.omni", "--target", "far"], "typed.omni"),
        (["file:///x/y"], "file:///x/y"),
    ],
)
def test_the_order_of_addresses(run: CommandLine, words: list[str], uri: str) -> None:
    run.write("omnigraph.yaml", PROJECT)
    assert run("snapshot", *words).status == 0
    assert run.graph.asked["uri"] == uri.format(folder=run.folder)


def test_a_named_address_is_echoed_with_its_folder(run: CommandLine) -> None:
    run.write("conf/project.yaml", PROJECT)
    run.write("d.jsonl", "")
    outcome = run("load", "--config", "conf/project.yaml", "--data", "d.jsonl", "--mode", "merge", "--json")
    assert f'"uri": "{run.folder}/conf/./desk.omni"' in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["snapshot", "--target", "nope"], "graph 'nope' not found in omnigraph.yaml\nhint: graphs defined there: desk, far"),
        (["snapshot", "x", "--server", "live"], "--server is exclusive with a positional URI and --target — pick one way"),
        (["snapshot", "--target", "desk", "--server", "live"], "--server is exclusive with a positional URI and --target"),
        (
            ["snapshot", "--server", "nope"],
            "unknown server 'nope' — servers defined in the operator config: [b, live] "
            "(add it under servers: in ~/.omnigraph/config.yaml)",
        ),
        (
            ["init", "--schema", "s.pg", "https://h/g"],
            "`init` is a storage-plane command and needs direct storage access; the resolved target is a remote server "
            "(https://h/g). Pass the graph's file:// or s3:// URI.\n",
        ),
    ],
)
def test_refused_addresses(run: CommandLine, words: list[str], message: str) -> None:
    run.write("omnigraph.yaml", PROJECT)
    run.write("home/config.yaml", SERVERS)
    outcome = run(*words)
    assert outcome.status == 1
    assert outcome.err.startswith(f"Error: {message}")
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("words", "label", "plane", "hint"),
    [
        (["init", "--schema", "s", "g"], "init", "storage", "Pass a storage URI."),
        (["version"], "version", "session", "It does not address a graph."),
        (["login", "x"], "login", "session", "It does not address a graph."),
        (["config", "migrate"], "config", "session", "It does not address a graph."),
    ],
)
def test_planes(run: CommandLine, words: list[str], label: str, plane: str, hint: str) -> None:
    run.write("omnigraph.yaml", "graphs: [")
    outcome = run(*words, "--server", "x")
    assert outcome.status == 1
    assert outcome.err == (
        f"Error: `{label}` is a {plane}-plane command; --server/--graph address the data plane and do not apply. {hint}\n"
    )


def test_writes_to_a_named_graph_refuse_shadowed_blocks(run: CommandLine) -> None:
    run.write("d.jsonl", "")
    run.write("omnigraph.yaml", PROJECT + "policy: {file: p.yaml}\nqueries: {q: {file: q.gq}}\n")
    for words in (["load", "--data", "d.jsonl", "--mode", "merge"], ["mutate", "-e", "q"]):
        outcome = run(*words)
        assert outcome.status == 1
        assert outcome.err == (
            "Error: named graph 'desk' uses its own `graphs.desk.…` block, but top-level policy.file and queries are set "
            "and would be ignored. Move it to `graphs.desk` (e.g. `graphs.desk.policy.file`, `graphs.desk.queries`).\n"
        )
    assert run("snapshot").status == 0


def test_the_chain_of_actors(run: CommandLine) -> None:
    def actor(*words: str) -> object:
        assert run("mutate", "g", "-e", "q", *words).status == 0
        return run.graph.asked["actor"]

    assert actor() is None
    run.write("home/config.yaml", "operator: {actor: from-operator}\n")
    assert actor() == "from-operator"
    run.write("omnigraph.yaml", "cli: {actor: from-project}\n")
    assert actor() == "from-project"
    assert actor("--as", "typed") == "typed"


def test_a_broken_operator_file_matters_only_when_it_is_needed(run: CommandLine) -> None:
    run.write("home/config.yaml", "operator: {actor: 7}\n")
    assert run("mutate", "g", "-e", "q", "--as", "ida").status == 0
    assert run("query", "g", "-e", "q").status == 0
    outcome = run("mutate", "g", "-e", "q")
    assert outcome.status == 1
    assert outcome.err.startswith(f"Error: could not parse operator config '{run.folder}/home/config.yaml': ")
