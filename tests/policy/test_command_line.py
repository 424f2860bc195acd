"""``omnigraph policy``: texts, exit codes, and which file is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omnigraph.cli.main import main
from policy.texts import GRAPH_POLICY, SERVER_POLICY

Captured = pytest.CaptureFixture[bytes]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMNIGRAPH_SUPPRESS_YAML_DEPRECATION", "1")
    for name in ("OMNIGRAPH_CONFIG", "OMNIGRAPH_NO_LEGACY_CONFIG", "OMNIGRAPH_POLICY_STRICT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "desk.yaml").write_text(GRAPH_POLICY)
    (tmp_path / "omnigraph.yaml").write_text("policy: { file: rules/desk.yaml }\n")
    return tmp_path


def run(capture: Captured, *words: str) -> tuple[int, str, str]:
    capture.readouterr()
    status = main(list(words))
    captured = capture.readouterr()
    return status, captured.out.decode(), captured.err.decode()


def test_validate(folder: Path, capsysbinary: Captured) -> None:
    status, out, err = run(capsysbinary, "policy", "validate")
    assert (status, err) == (0, "")
    assert out == f"policy valid: {folder}/rules/desk.yaml [3 actors]\n"


def test_validate_warns_of_unknown_keys(folder: Path, capsysbinary: Captured) -> None:
    (folder / "p.yaml").write_text(GRAPH_POLICY + "note: 1\n")
    status, out, err = run(capsysbinary, "policy", "validate", "--policy", "p.yaml", "--json")
    assert status == 0
    assert "unknown key `note`" in err
    document = json.loads(out)
    assert (document["path"], document["actors"], len(document["warnings"])) == ("p.yaml", 3, 1)


def test_a_fault_is_an_exit_of_one(folder: Path, capsysbinary: Captured) -> None:
    (folder / "p.yaml").write_text("version: 3")
    status, out, err = run(capsysbinary, "policy", "validate", "--policy", "p.yaml")
    assert (status, out) == (1, "")
    assert "policy version must be 1" in err
    status, _, err = run(capsysbinary, "policy", "validate", "--policy", "absent.yaml")
    assert status == 1
    assert "No such file or directory" in err


def test_no_policy(folder: Path, capsysbinary: Captured) -> None:
    (folder / "omnigraph.yaml").unlink()
    status, _, err = run(capsysbinary, "policy", "validate")
    assert status == 1
    assert "policy.file or graphs.<name>.policy.file must be set in omnigraph.yaml" in err


def test_a_named_graph_uses_its_own_block(folder: Path, capsysbinary: Captured) -> None:
    named = "graphs: { desk: { uri: ./d, policy: { file: rules/desk.yaml } } }\nserver: { graph: desk }\n"
    (folder / "omnigraph.yaml").write_text(named)
    assert run(capsysbinary, "policy", "validate")[0] == 0
    (folder / "omnigraph.yaml").write_text(named + "policy: { file: rules/desk.yaml }\n")
    status, _, err = run(capsysbinary, "policy", "validate")
    assert status == 1
    assert "named graph 'desk' uses its own `graphs.desk.…` block, but top-level policy.file is set" in err


def test_cases(folder: Path, capsysbinary: Captured) -> None:
    tests = folder / "rules" / "policy.tests.yaml"
    case = "  - {{ id: {}, actor: act-nightly, action: change, branch: {}, expect: deny }}\n"
    tests.write_text("version: 1\ncases:\n" + case.format("a", "main"))
    assert run(capsysbinary, "policy", "test")[:2] == (0, "policy tests passed: 1 cases\n")
    tests.write_text("version: 1\ncases:\n" + case.format("a", "main") + case.format("b", "draft"))
    status, out, err = run(capsysbinary, "policy", "test")
    assert (status, out) == (1, "")
    assert "policy tests failed:\nb: expected Deny but got allow\n" in err
    tests.unlink()
    status, _, err = run(capsysbinary, "policy", "test")
    assert status == 1
    assert "No such file or directory" in err


def test_explain(capsysbinary: Captured) -> None:
    asked = ("policy", "explain", "--actor", "act-nightly", "--action", "change")
    assert run(capsysbinary, *asked, "--branch", "main")[:2] == (
        0,
        "decision: deny\nactor: act-nightly\naction: change\nbranch: main\n"
        "message: policy denied action 'change' on branch 'main' for actor 'act-nightly'\n",
    )
    assert run(capsysbinary, *asked, "--branch", "draft")[1] == (
        "decision: allow\nactor: act-nightly\naction: change\nbranch: draft\nmatched_rule: bots-write-drafts\n"
        "message: policy allowed action 'change' for actor 'act-nightly'\n"
    )
    assert run(capsysbinary, *asked, "--check")[0] == 3


@pytest.mark.parametrize("word", ["branch-merge", "branch_merge"])
def test_explain_takes_both_spellings(word: str, capsysbinary: Captured) -> None:
    asked = ("policy", "explain", "--actor", "act-mara", "--action", word, "--target-branch", "main", "--json")
    status, out, _ = run(capsysbinary, *asked)
    assert status == 0
    document = json.loads(out)
    assert document["action"] == "branch_merge"
    assert document["matched_rule"] == "curators-promote"
    assert "branch" not in document


def test_an_unknown_action_is_a_usage_error(capsysbinary: Captured) -> None:
    status, _, err = run(capsysbinary, "policy", "explain", "--actor", "a", "--action", "drop")
    assert status == 2
    assert "invalid value 'drop' for '--action <ACTION>'" in err


def test_tests_may_stand_elsewhere(folder: Path, capsysbinary: Captured) -> None:
    (folder / "cases.yaml").write_text(
        "version: 1\ncases:\n  - { id: a, actor: act-nightly, action: change, branch: main, expect: deny }\n"
    )
    (folder / "omnigraph.yaml").write_text("policy: { file: rules/desk.yaml, tests: cases.yaml }\n")
    assert run(capsysbinary, "policy", "test", "--verbose")[:2] == (0, "a: ok\npolicy tests passed: 1 cases\n")


def test_the_policy_of_a_server(folder: Path, capsysbinary: Captured) -> None:
    (folder / "server.yaml").write_text(SERVER_POLICY)
    assert run(capsysbinary, "policy", "validate", "--server-policy", "server.yaml")[:2] == (
        0,
        "policy valid: server.yaml [1 actors]\n",
    )
    status, _, err = run(capsysbinary, "policy", "validate", "--policy", "server.yaml")
    assert status == 1
    assert "in a Graph policy file; move it to a server policy file" in err
    asked = ("policy", "explain", "--server-policy", "server.yaml", "--actor", "act-mara")
    assert run(capsysbinary, *asked, "--action", "graph-list")[1].startswith("decision: allow\n")
    assert run(capsysbinary, *asked, "--all")[1].splitlines()[1].split() == ["act-mara", "graph_list", "-", "-", "allow"]
    assert run(capsysbinary, "policy", "validate", "--server-policy", "x", "--policy", "y")[0] == 2


def test_advice(folder: Path, capsysbinary: Captured) -> None:
    (folder / "p.yaml").write_text(
        "version: 1\n"
        "groups: { a: [act-ida], idle: [' act-jon'] }\n"
        "protected_branches: [main, ' release']\n"
        "rules:\n"
        "  - { id: wide, allow: { actors: { group: a }, actions: [read, change] } }\n"
    )
    status, out, err = run(capsysbinary, "policy", "validate", "--policy", "p.yaml")
    assert (status, out) == (0, "policy valid: p.yaml [2 actors]\n")
    assert [line.split(":")[0] for line in err.splitlines()] == ["advice"] * 4
    assert "rule 'wide' allows change on protected branches too; write `branch_scope: any` if that is meant" in err
    assert "group 'idle' is in no rule" in err
    (folder / "p.yaml").write_text(
        "version: 1\ngroups: { a: [x] }\n"
        "rules: [{ id: r, allow: { actors: { group: a }, actions: [change], branch_scope: protected } }]\n"
    )
    assert "rule 'r' never matches" in run(capsysbinary, "policy", "validate", "--policy", "p.yaml")[2]


def test_explain_everything(capsysbinary: Captured) -> None:
    status, out, _ = run(capsysbinary, "policy", "explain", "--all", "--actor", "act-nightly")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["actor", "action", "protected", "unprotected", "no", "branch"]
    assert ["act-nightly", "change", "deny", "allow", "deny"] in lines
    assert ["act-nightly", "invoke_query", "-", "-", "allow"] in lines
    document = json.loads(run(capsysbinary, "policy", "explain", "--all", "--json")[1])
    assert [one["actor"] for one in document["actors"]] == ["act-jonas", "act-mara", "act-nightly"]
    assert run(capsysbinary, "policy", "explain", "--actor", "act-nightly")[0] == 2


def test_show(capsysbinary: Captured) -> None:
    status, out, _ = run(capsysbinary, "policy", "show", "--cedar")
    assert status == 0
    assert "when { context.has_branch && context.branch_is_protected == false };\n" in out
