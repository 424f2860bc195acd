"""What the verbs print, for people and for programs, and how they end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.worlds import CONFIG, TWO, WIDER, write_config
from omnigraph.cli.main import main

_TYPE = '"property_type":{"scalar":"String","nullable":true,"list":false,"enum_values":null}'
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))

    def cluster(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["cluster", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return cluster


def lines(found: tuple[int, str, str], status: int = 0) -> list[str]:
    assert found[0] == status, found
    assert found[2] == ""
    return re.sub(r"sha256:[0-9a-f]{64}|[0-9a-f]{64}|[0-9A-Z]{26}", "#", found[1]).replace(_TYPE, "…").splitlines()


def document(found: tuple[int, str, str], status: int = 0) -> dict[str, Any]:
    assert found[0] == status, found
    assert found[2] == ""
    assert found[1].startswith('{\n  "ok": ')
    tree: dict[str, Any] = json.loads(found[1])
    return tree


NOTE = "  note: servers booted from this cluster pick this up at their next restart or reload"


def test_texts(run: Run, tmp_path: Path) -> None:
    write_config(tmp_path, TWO)
    assert lines(run("validate")) == ["cluster config valid: 6 resource(s), 5 dependency edge(s)"]
    assert lines(run("status")) == [
        "cluster state missing",
        "  lock: not held",
        "WARN  state_missing __cluster/state.json: state.json is missing; no applied cluster revision has been recorded",
    ]
    assert lines(run("apply", "--as", "ines"), 1)[0] == "cluster apply failed"
    assert lines(run("import"))[:2] == ["cluster import: revision 1, 0 resource(s)", "  state_cas: #"]
    assert lines(run("plan")) == [
        "cluster plan: 6 change(s), 0 approval gate(s)",
        "  Create graph.atlas",
        "  Create graph.old",
        "  Create policy.base",
        "  Create query.atlas.city_by_name",
        "  Create schema.atlas",
        "  Create schema.old",
    ]
    assert lines(run("apply")) == [
        "cluster apply: 6 applied, 0 deferred/blocked",
        "  Create graph.atlas [Applied]",
        "  Create graph.old [Applied]",
        "  Create policy.base [Applied]",
        "  Create query.atlas.city_by_name [Applied]",
        "  Create schema.atlas [Applied]",
        "  Create schema.old [Applied]",
        "  state: revision 2, converged: true, written: true",
        NOTE,
    ]
    assert lines(run("plan")) == ["cluster plan: 0 change(s), 0 approval gate(s)", "  no changes"]
    assert lines(run("status")) == [
        "cluster state: revision 2, 6 resource(s)",
        "  applied config: #",
        "  lock: not held",
    ]
    assert lines(run("refresh"))[0] == "cluster refresh: revision 3, 6 resource(s)"
    write_config(tmp_path, CONFIG.replace("[atlas]", "[cluster]"), atlas_pg=WIDER)
    assert lines(run("plan")) == [
        "cluster plan: 5 change(s), 1 approval gate(s)",
        "  Update graph.atlas",
        "  Delete graph.old",
        "  Update policy.base [bindings]",
        "  Update schema.atlas",
        '    {"kind":"add_property","type_kind":"node","type_name":"City","property_name":"mayor",…}',
        "  Delete schema.old",
    ]
    assert lines(run("apply"))[:6] == [
        "cluster apply: 2 applied, 2 deferred/blocked",
        "  Update graph.atlas [Derived]",
        "  Delete graph.old [Blocked: approval_required]",
        "  Update policy.base [bindings] [Applied]",
        "  Update schema.atlas [Applied]",
        "  Delete schema.old [Blocked: approval_required]",
    ]
    assert lines(run("approve", "graph.old", "--as", "ines")) == [
        "cluster approve: delete graph.old approved by ines (approval #)"
    ]
    assert lines(run("approve", "graph.atlas", "--as", "ines"), 1) == [
        "cluster approve failed",
        "ERROR approval_not_required graph.atlas: no pending change for this resource requires approval (check `cluster plan`)",
    ]
    assert lines(run("force-unlock", "x"), 1) == [
        "cluster force-unlock failed",
        "ERROR state_lock_missing __cluster/lock.json: no cluster state lock is present",
    ]
    (tmp_path / "atlas.pg").write_text("nod")
    for verb in ("validate", "plan", "apply", "refresh"):
        word = {"validate": "cluster config invalid"}.get(verb, f"cluster {verb} failed")
        assert lines(run(verb), 1)[0] == word


def test_documents(run: Run, tmp_path: Path) -> None:
    write_config(tmp_path / "geo", TWO)

    def asked(*words: str, status: int = 0) -> dict[str, Any]:
        return document(run(*words, "--config", "geo", "--json"), status)

    found = asked("validate")
    assert list(found) == ["ok", "config_dir", "config_file", "resource_digests", "resources", "dependencies", "diagnostics"]
    assert (found["config_dir"], found["config_file"]) == ("geo", "geo/cluster.yaml")
    assert list(found["resources"][0]) == ["address", "kind", "digest"]
    assert found["resources"][-1]["path"] == "geo/atlas.pg"
    assert list(found["dependencies"][0]) == ["from", "to"]
    assert list(asked("import")) == [
        "ok",
        "config_dir",
        "operation",
        "state_observations",
        "resource_digests",
        "resource_statuses",
        "observations",
        "diagnostics",
    ]
    found = asked("plan")
    assert list(found) == [
        "ok",
        "config_dir",
        "desired_revision",
        "resource_digests",
        "dependencies",
        "state_observations",
        "changes",
        "blast_radius",
        "approvals_required",
        "diagnostics",
    ]
    assert found["changes"][0] == {
        "resource": "graph.atlas",
        "operation": "create",
        "after_digest": found["resource_digests"]["graph.atlas"],
        "disposition": "applied",
    }
    found = asked("apply", "--as", "ines")
    assert list(found) == [
        "ok",
        "config_dir",
        "actor",
        "desired_revision",
        "state_observations",
        "changes",
        "applied_count",
        "deferred_count",
        "converged",
        "state_written",
        "resource_statuses",
        "diagnostics",
    ]
    assert found["resource_statuses"]["graph.atlas"] == {"status": "applied"}
    assert "actor" not in asked("apply")
    write_config(tmp_path / "geo", CONFIG)
    found = asked("plan")
    assert found["changes"][0]["reason"] == "approval_required"
    assert found["approvals_required"] == [
        {"resource": "graph.old", "reason": "delete may remove deployed graph or schema definition", "satisfied": False}
    ]
    found = asked("approve", "graph.old", "--as", "ines")
    assert list(found) == ["ok", "config_dir", "approval_id", "resource", "operation", "approved_by", "diagnostics"]
    assert list(asked("approve", "nothing", "--as", "ines", status=1)) == ["ok", "config_dir", "diagnostics"]
    found = asked("status")
    assert list(found) == [
        "ok",
        "config_dir",
        "state_observations",
        "resource_digests",
        "resource_statuses",
        "observations",
        "diagnostics",
    ]
    assert list(found["state_observations"]) == [
        "state_path",
        "lock_path",
        "state_found",
        "applied_config_digest",
        "state_revision",
        "state_cas",
        "resource_count",
        "locked",
        "lock_acquired",
    ]
    found = asked("force-unlock", "x", status=1)
    assert list(found) == ["ok", "config_dir", "state_observations", "lock_removed", "diagnostics"]
    assert list(found["diagnostics"][0]) == ["code", "severity", "path", "message"]


def test_actors(run: Run, tmp_path: Path) -> None:
    write_config(tmp_path, TWO)
    assert run("import")[0] == 0
    (tmp_path / "home").mkdir()
    assert "actor" not in document(run("apply", "--json"))
    (tmp_path / "home/config.yaml").write_text("operator: { actor: from-home }\n")
    assert document(run("apply", "--json"))["actor"] == "from-home"
    (tmp_path / "omnigraph.yaml").write_text("cli: { actor: from-project }\n")
    assert document(run("apply", "--json"))["actor"] == "from-project"
    (tmp_path / "omnigraph.yaml").write_text("cli: [")
    (tmp_path / "home/config.yaml").write_text("[")
    assert document(run("apply", "--as", "me", "--json"))["actor"] == "me"
    for verb in ("validate", "plan", "status", "refresh"):
        assert run(verb)[0] == 0
    status, out, err = run("apply")
    assert (status, out) == (1, "")
    assert "omnigraph.yaml" in err
    assert "--as" in err
    (tmp_path / "omnigraph.yaml").unlink()
    (tmp_path / "home/config.yaml").unlink()
    write_config(tmp_path)
    status, out, err = run("approve", "graph.old")
    assert (status, out) == (1, "")
    assert "`cluster approve` requires an approver: pass the global --as <ACTOR> flag or set `cli.actor`" in err


def test_usage(run: Run) -> None:
    for words in (["approve"], ["force-unlock"], ["plan", "x"], ["nothing"], [], ["plan", "--uri", "x"]):
        assert run(*words)[0] == 2
    status, _, err = run("status", "--server", "x")
    assert status == 1
    assert (
        "`cluster` is a control-plane command; --server/--graph address the data plane and do not apply. "
        "It operates on a cluster directory (pass --config <dir>)."
    ) in err


def test_a_config_directory_whose_name_is_no_utf8(run: Run, tmp_path: Path) -> None:
    folder = os.fsdecode(bytes(tmp_path) + b"/geo\xff")
    write_config(Path(folder), f"storage: {tmp_path}/store\n{CONFIG}")
    for verb in ("validate", "import", "plan", "apply", "status"):
        assert run(verb, "--config", folder)[0] == 0
        assert document(run(verb, "--config", folder, "--json"), 0 if verb != "import" else 1)["config_dir"].endswith(
            "geo\ufffd"
        )
    write_config(Path(folder))
    assert "storage_root_invalid" in run("import", "--config", folder)[1]


def test_a_schema_changed_behind_the_back_of_a_cluster_is_warned_of(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path)
    assert run("import")[0] == 0
    assert run("apply")[0] == 0
    (tmp_path / "wider.pg").write_text(WIDER)
    capsys.readouterr()
    assert main(["schema", "apply", "--schema", "wider.pg", "graphs/atlas.omni"]) == 0
    assert "belongs to the cluster at ." in capsys.readouterr().err
