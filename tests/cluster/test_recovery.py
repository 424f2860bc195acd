"""The recovery sweep, row by row: what is observed of a graph decides what becomes of the note about its step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.worlds import SCHEMA, TWO, WIDER, codes, dispositions, ledger, write_config
from omnigraph.cluster.apply import apply
from omnigraph.cluster.approve import approve
from omnigraph.cluster.digest import content_digest
from omnigraph.cluster.observe import import_state, refresh
from omnigraph.cluster.plan import plan
from omnigraph.cluster.status import status
from omnigraph.graph.graph import init, open_graph

OTHER = "node Town {\n  name: String @key\n}\n"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    assert import_state(write_config(tmp_path / "geo")).ok
    return tmp_path / "geo"


@pytest.fixture
def applied(fresh: Path) -> Path:
    assert apply(str(fresh)).converged
    return fresh


def note(folder: Path, kind: str, desired: str = SCHEMA, graph_id: str = "atlas", **more: str | None) -> Path:
    """Leave a sidecar as a killed apply would."""
    path = folder / "__cluster/recoveries/01NOTE.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    sidecar = {
        "schema_version": 1,
        "operation_id": "01NOTE",
        "started_at": "2026-06-08T12:34:56Z",
        "actor": "ines",
        "kind": kind,
        "graph_id": graph_id,
        "graph_uri": str(folder / f"graphs/{graph_id}.omni"),
        "desired_schema_digest": "" if kind == "graph_delete" else content_digest(desired.encode()),
    }
    path.write_text(json.dumps(sidecar | more))
    return path


def graph_at(folder: Path, source: str) -> None:
    init(str(folder / "graphs/atlas.omni"), source).close()


def change_behind_the_back(folder: Path, source: str) -> None:
    with open_graph(str(folder / "graphs/atlas.omni")) as graph:
        graph.apply_schema(source)


def test_c1_nothing_there(fresh: Path) -> None:
    path = note(fresh, "graph_create")
    output = apply(str(fresh))
    assert (output.converged, codes(output), path.exists()) == (True, [], False)


def test_c2_live_is_recorded(applied: Path) -> None:
    path = note(applied, "graph_create", WIDER)
    before = ledger(applied)
    output = apply(str(applied))
    assert (output.converged, output.state_written, codes(output), path.exists()) == (True, False, [], False)
    assert ledger(applied) == before


def test_c4_live_is_intended(fresh: Path) -> None:
    graph_at(fresh, SCHEMA)
    path = note(fresh, "graph_create")
    output = apply(str(fresh))
    assert (output.converged, codes(output), path.exists()) == (True, ["cluster_recovery_rolled_forward"], False)
    record = ledger(fresh)["recovery_records"]["01NOTE"]
    assert (record["kind"], record["graph_id"], record["outcome"], record["actor"]) == (
        "graph_create",
        "atlas",
        "rolled_forward",
        "ines",
    )


def test_c5_there_and_does_not_open(fresh: Path) -> None:
    (fresh / "graphs/atlas.omni").mkdir(parents=True)
    path = note(fresh, "graph_create")
    output = apply(str(fresh))
    assert (output.ok, codes(output)[0], path.exists()) == (False, "graph_create_incomplete", True)
    assert "remove the graph root and re-run `cluster apply`" in output.diagnostics[0].message
    assert dispositions(output) == dict.fromkeys(
        ["graph.atlas", "policy.base", "query.atlas.city_by_name", "schema.atlas"], "blocked:cluster_recovery_pending"
    )
    assert output.resource_statuses["graph.atlas"].conditions == ["graph_create_incomplete"]
    assert output.resource_statuses["schema.atlas"].status == "error"
    shutil.rmtree(fresh / "graphs/atlas.omni")
    assert apply(str(fresh)).converged
    assert not path.exists()


def test_c6_live_is_something_else_until_refresh_records_it(fresh: Path) -> None:
    graph_at(fresh, OTHER)
    path = note(fresh, "graph_create")
    output = apply(str(fresh))
    assert (output.ok, codes(output)[0], path.exists()) == (True, "cluster_recovery_pending", True)
    assert output.resource_statuses["graph.atlas"].conditions == ["actual_applied_state_pending"]
    assert dispositions(output)["policy.base"] == "blocked:cluster_recovery_pending"
    assert refresh(str(fresh)).ok
    output = apply(str(fresh))
    assert not path.exists()
    assert dispositions(output)["schema.atlas"] == "applied"


def test_s0_does_not_open(applied: Path) -> None:
    shutil.rmtree(applied / "graphs/atlas.omni/log")
    path = note(applied, "schema_apply", WIDER)
    before = ledger(applied)["resource_statuses"]
    output = apply(str(applied))
    assert (output.ok, codes(output), path.exists()) == (True, ["cluster_recovery_pending"], True)
    assert ledger(applied)["resource_statuses"] == before


def test_s1_live_is_recorded(applied: Path) -> None:
    path = note(applied, "schema_apply", WIDER)
    assert (codes(apply(str(applied))), path.exists()) == ([], False)


def test_s3_live_is_intended(applied: Path) -> None:
    change_behind_the_back(applied, WIDER)
    write_config(applied, atlas_pg=WIDER)
    path = note(applied, "schema_apply", WIDER)
    output = apply(str(applied))
    assert (output.converged, codes(output), path.exists()) == (True, ["cluster_recovery_rolled_forward"], False)
    assert ledger(applied)["recovery_records"]["01NOTE"]["kind"] == "schema_apply"


def test_s6_live_is_something_else(applied: Path) -> None:
    change_behind_the_back(applied, OTHER)
    path = note(applied, "schema_apply", WIDER)
    output = apply(str(applied))
    assert (output.ok, codes(output), path.exists()) == (True, ["cluster_recovery_pending"], True)
    assert output.resource_statuses["schema.atlas"].conditions == ["actual_applied_state_pending"]


@pytest.fixture
def shrinking(tmp_path: Path) -> Path:
    folder = write_config(tmp_path / "geo", TWO)
    assert import_state(folder).ok
    assert apply(folder).converged
    write_config(tmp_path / "geo")
    return tmp_path / "geo"


def test_d8_still_there_and_still_approved(shrinking: Path) -> None:
    approval = approve(str(shrinking), "graph.old", "ines").approval_id
    path = note(shrinking, "graph_delete", graph_id="old", approval_id=str(approval))
    output = apply(str(shrinking))
    assert (output.converged, codes(output), path.exists()) == (True, ["graph_delete_incomplete"], False)
    assert not (shrinking / "graphs/old.omni").exists()


def test_d7_gone_and_recorded_so(applied: Path) -> None:
    path = note(applied, "graph_delete", graph_id="old")
    output = apply(str(applied))
    assert (output.state_written, codes(output), path.exists()) == (False, [], False)


def test_d7b_gone_and_not_recorded(shrinking: Path) -> None:
    approval = str(approve(str(shrinking), "graph.old", "ines").approval_id)
    path = note(shrinking, "graph_delete", graph_id="old", approval_id=approval)
    shutil.rmtree(shrinking / "graphs/old.omni")
    output = apply(str(shrinking))
    assert (output.converged, codes(output), path.exists()) == (True, ["cluster_recovery_rolled_forward"], False)
    found = ledger(shrinking)
    assert found["observations"]["graph.old"]["kind"] == "tombstone"
    assert found["approval_records"][approval]["consumed_by_operation"] == "01NOTE"
    artifact = json.loads((shrinking / f"__cluster/approvals/{approval}.json").read_text())
    assert artifact["consumed_by_operation"] == "01NOTE"


def test_a_note_from_another_mount_of_the_same_storage(shrinking: Path) -> None:
    """The address in the note is where another machine saw the graph; here it is where this storage root has it."""
    path = note(shrinking, "graph_delete", graph_id="old", graph_uri="/mnt/elsewhere/graphs/old.omni")
    output = apply(str(shrinking))
    assert codes(output)[0] == "graph_delete_incomplete"
    assert not path.exists()
    assert (shrinking / "graphs/old.omni").exists()


@pytest.mark.parametrize("verb", [refresh, apply])
def test_refresh_sweeps_too(fresh: Path, verb: Callable[[str], object]) -> None:
    graph_at(fresh, SCHEMA)
    path = note(fresh, "graph_create")
    verb(str(fresh))
    assert not path.exists()
    assert "schema.atlas" in ledger(fresh)["applied_revision"]["resources"]


def test_plan_and_status_only_tell(fresh: Path) -> None:
    path = note(fresh, "graph_create")
    for output in (plan(str(fresh)), status(str(fresh))):
        assert [(one.code, one.severity, one.path) for one in output.diagnostics] == [
            ("cluster_recovery_pending", "warning", "__cluster/recoveries/01NOTE.json")
        ]
    assert path.exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid_recovery_sidecar"),
        ('{"schema_version": 1}', "invalid_recovery_sidecar"),
        ('{"schema_version": 2}', "unsupported_recovery_sidecar_version"),
    ],
)
def test_notes_that_are_not_understood_stay(applied: Path, text: str, code: str) -> None:
    path = note(applied, "schema_apply")
    path.write_text(text)
    for other in ("~tmp-1-2-x.json", "notes.txt", ".x.json"):
        path.with_name(other).write_text("{")
    output = apply(str(applied))
    assert (output.converged, codes(output)) == (True, [code])
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", "invalid_approval_artifact"), ('{"schema_version": 9}', "unsupported_approval_version")],
)
def test_approvals_that_are_not_understood_stay_and_authorize_nothing(shrinking: Path, text: str, code: str) -> None:
    approval = str(approve(str(shrinking), "graph.old", "ines").approval_id)
    path = shrinking / f"__cluster/approvals/{approval}.json"
    path.write_text(text)
    output = apply(str(shrinking))
    assert code in codes(output)
    assert dispositions(output)["graph.old"] == "blocked:approval_required"
    assert path.read_text() == text


def test_no_name_in_a_file_leads_out_of_the_storage_root(applied: Path, tmp_path: Path) -> None:
    """Whoever can write the storage root can write anything into its files, and still gets nothing else removed."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/x.gq").write_text("mine")
    path = note(applied, "graph_delete", graph_id="../../precious")
    path.write_text(path.read_text().replace("01NOTE", "x/../../../precious"))
    found = ledger(applied)
    found["applied_revision"]["resources"] |= {
        "query.atlas...": {"digest": "../../../../../precious/x"},
        "graph.../../precious": {"digest": "d"},
    }
    (applied / "__cluster/state.json").write_text(json.dumps(found))
    assert "invalid_recovery_sidecar" in codes(refresh(str(applied)))
    assert approve(str(applied), "graph.../../precious", "ines").ok
    output = apply(str(applied))
    assert "graph_delete_failed" in codes(output)
    assert (tmp_path / "precious/x.gq").read_text() == "mine"
