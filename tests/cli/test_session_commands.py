from __future__ import annotations

import io
import json
import sys

import pytest

from cli.conftest import CommandLine


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_login_and_logout(run: CommandLine) -> None:
    run.write("home/config.yaml", "servers: {live: {url: 'http://h'}}\n")
    path = run.folder / "home/credentials"
    outcome = run("login", "live", "--token", "  s3cret ")
    assert (outcome.status, outcome.out, outcome.err) == (0, f"stored credential for 'live' in {path}\n", "")
    assert path.read_text() == "[live]\ntoken = s3cret\n"
    document = json.loads(run("login", "live", "--token", "t", "--json").out)
    assert document == {"server": "live", "credentials_path": str(path), "declared": True}
    assert run("logout", "live").out == f"removed credential for 'live' from {path}\n"
    assert json.loads(run("logout", "live", "--json").out) == {"server": "live", "credentials_path": str(path)}
    assert path.read_text() == ""


def test_login_reads_one_line(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, b"first\nsecond\n")
    outcome = run("login", "dev")
    assert outcome.err == (
        "note: 'dev' is not declared under servers: in the operator config; the token applies once you add `servers:\n"
        "  dev:\n    url: <server url>` to ~/.omnigraph/config.yaml\n"
    )
    assert (run.folder / "home/credentials").read_text() == "[dev]\ntoken = first\n"


@pytest.mark.parametrize("words", [["login", "dev"], ["login", "dev", "--token", " "]])
def test_login_without_a_token(run: CommandLine, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    typed(monkeypatch, b"")
    outcome = run(*words)
    assert outcome.status == 1
    assert outcome.err == (
        "Error: no token provided: pass --token <TOKEN> or pipe it on stdin (echo $TOKEN | omnigraph login dev)\n"
    )
    assert not (run.folder / "home").exists()


def test_session_commands_read_no_project_file(run: CommandLine) -> None:
    run.write("omnigraph.yaml", "graphs: [")
    for words in (["version"], ["login", "a", "--token", "t"], ["logout", "a"]):
        assert run(*words).status == 0


def test_the_notice_appears_once_unless_silenced(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("omnigraph.yaml", "cli: {graph: g}\n")
    assert run("snapshot", "x").err == ""
    monkeypatch.delenv("OMNIGRAPH_SUPPRESS_YAML_DEPRECATION")
    outcome = run("snapshot", "x")
    assert outcome.err.count("is deprecated") == 1
    assert outcome.err.endswith("  `cli.graph` -> explicit `--target`/`--server` (no operator default-target yet)\n")


def test_strict_mode(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("omnigraph.yaml", "cli: {graph: g}\n")
    monkeypatch.setenv("OMNIGRAPH_NO_LEGACY_CONFIG", "")
    assert run("snapshot", "x").err.startswith("Error: legacy config 'omnigraph.yaml' refused: ")
    assert run("config", "migrate").status == 0


def test_the_env_file_fills_the_environment(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("conf/omnigraph.yaml", "auth: {env_file: secrets/.env}\n")
    run.write("conf/secrets/.env", "OG_TEST_NEW=filed\nOG_TEST_OLD=filed\n")
    monkeypatch.setenv("OG_TEST_OLD", "process")
    monkeypatch.setenv("OG_TEST_NEW", "x")
    monkeypatch.delenv("OG_TEST_NEW")
    run("snapshot", "x", "--config", "conf/omnigraph.yaml")
    import os

    assert os.environ["OG_TEST_NEW"] == "filed"
    assert os.environ["OG_TEST_OLD"] == "process"


def test_operator_warnings_appear_once(run: CommandLine) -> None:
    run.write("home/config.yaml", "typo: 1\n")
    assert run("query", "./g", "-e", "q").err.count("unknown key `typo`") == 1


def test_config_migrate(run: CommandLine) -> None:
    missing = run("config", "migrate")
    assert missing.err == "Error: no legacy config at 'omnigraph.yaml' — nothing to migrate\n"
    run.write("omnigraph.yaml", "cli: {actor: ada, graph: g}\n")
    assert run("config", "migrate").out == (
        "migration plan for omnigraph.yaml\n"
        "\n== personal half -> ~/.omnigraph/config.yaml ==\n  operator.actor: ada\n"
        "\n== no destination ==\n"
        "  cli.graph — name the graph with `--target` or `--server`; there is no operator default target yet\n"
        "\n(nothing written; pass --write to apply the operator merge and emit cluster.yaml)\n"
    )
    assert not (run.folder / "home").exists()
    document = json.loads(run("config", "migrate", "--json").out)
    assert list(document) == ["source", "cluster_yaml", "operator_merge", "dropped", "manual_steps"]
    document = json.loads(run("config", "migrate", "--write", "--json").out)
    assert list(document) == ["report", "written"]
    assert document["written"] == [f"merged personal keys into {run.folder}/home/config.yaml"]
