"""The verbs, one after the other, as an operator uses them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cluster.worlds import CONFIG, OTHER_TYPE, QUERY, SCHEMA, TWO, WIDER, codes, dispositions, files_of, ledger, write_config
from omnigraph.cluster.apply import apply
from omnigraph.cluster.approve import approve
from omnigraph.cluster.observe import import_state, refresh
from omnigraph.cluster.plan import plan
from omnigraph.cluster.status import force_unlock, status
from omnigraph.graph.graph import init, open_graph

CREATES = ["graph.atlas", "policy.base", "query.atlas.city_by_name", "schema.atlas"]


@pytest.fixture
def geo(tmp_path: Path) -> str:
    """A config directory with its first ledger."""
    folder = write_config(tmp_path / "geo")
    assert import_state(folder).ok
    return folder


@pytest.fixture
def applied(geo: str) -> str:
    assert apply(geo, "ines").converged
    return geo


def test_import_records_drift_and_the_declared_revision(geo: str) -> None:
    found = ledger(Path(geo))
    assert found["state_revision"] == 1
    assert found["applied_revision"]["config_digest"] == plan(geo).desired_revision.config_digest
    assert found["applied_revision"]["resources"] == {}
    assert found["resource_statuses"]["graph.atlas"] == {
        "status": "drifted",
        "conditions": ["graph_missing"],
        "message": "derived graph root is missing",
    }
    seen = found["observations"]["graph.atlas"]
    assert (seen["exists"], seen["schema_matches_desired"], seen["manifest_version"]) == (False, False, None)
    again = import_state(geo)
    assert (again.ok, codes(again)) == (False, ["state_already_exists"])


def test_import_adopts_a_graph_that_is_there(tmp_path: Path) -> None:
    folder = write_config(tmp_path)
    init(f"{folder}/graphs/atlas.omni", SCHEMA).close()
    output = import_state(folder)
    assert sorted(output.resource_digests) == ["graph.atlas", "schema.atlas"]
    assert output.resource_statuses["schema.atlas"].status == "applied"
    assert dispositions(plan(folder)) == {
        "graph.atlas": "derived",
        "policy.base": "applied",
        "query.atlas.city_by_name": "applied",
    }
    assert apply(folder).converged


def test_import_with_a_graph_that_does_not_open_writes_nothing(tmp_path: Path) -> None:
    folder = write_config(tmp_path)
    (tmp_path / "graphs" / "atlas.omni").mkdir(parents=True)
    output = import_state(folder)
    assert (output.ok, codes(output)) == (False, ["graph_observation_error"])
    assert output.observations["graph.atlas"]["exists"] is True
    assert not (tmp_path / "__cluster" / "state.json").exists()


def test_plan_shows_creates_and_writes_nothing(geo: str) -> None:
    before = files_of(Path(geo))
    output = plan(geo)
    assert output.ok
    assert dispositions(output) == dict.fromkeys(CREATES, "applied")
    assert [(one.resource, one.affected) for one in output.blast_radius] == [
        ("graph.atlas", ["policy.base", "query.atlas.city_by_name", "schema.atlas"]),
        ("schema.atlas", ["query.atlas.city_by_name"]),
    ]
    assert (output.state_observations.locked, output.state_observations.lock_acquired) == (False, True)
    assert files_of(Path(geo)) == before


def test_plan_without_a_ledger_creates_everything(tmp_path: Path) -> None:
    folder = write_config(tmp_path)
    output = plan(folder)
    assert output.ok
    assert list(dispositions(output)) == CREATES
    assert output.state_observations.state_found is False


def test_apply_needs_a_ledger(tmp_path: Path) -> None:
    folder = write_config(tmp_path)
    output = apply(folder)
    assert (output.ok, codes(output), output.applied_count) == (False, ["state_missing"], 0)
    assert not (tmp_path / "graphs").exists()


def test_apply_of_a_broken_declaration_touches_nothing(tmp_path: Path) -> None:
    folder = write_config(tmp_path, atlas_pg="nod x")
    assert codes(apply(folder)) == ["schema_parse_error", "query_typecheck_skipped"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["atlas.gq", "atlas.pg", "base.policy.yaml", "cluster.yaml"]


def test_apply_converges_and_then_changes_no_byte(geo: str) -> None:
    output = apply(geo, "ines")
    assert output.ok
    assert (output.applied_count, output.deferred_count) == (4, 0)
    assert (output.converged, output.state_written) == (True, True)
    assert output.state_observations.state_revision == 2
    with open_graph(f"{geo}/graphs/atlas.omni") as graph:
        assert graph.schema_source() == SCHEMA
    before = files_of(Path(geo))
    again = apply(geo)
    assert (again.ok, again.converged, again.state_written, again.changes) == (True, True, False, [])
    assert files_of(Path(geo)) == before
    assert sorted(name.partition("/")[0] for name in before if "__cluster" not in name and "graphs" not in name) == [
        "atlas.gq",
        "atlas.pg",
        "base.policy.yaml",
        "cluster.yaml",
    ]


def test_storage_elsewhere_leaves_the_config_directory_alone(tmp_path: Path) -> None:
    folder = write_config(tmp_path / "config", f"storage: {tmp_path}/store/\n{CONFIG}")
    assert import_state(folder).ok
    output = apply(folder)
    assert output.converged
    assert output.state_observations.state_path == f"{tmp_path}/store/__cluster/state.json"
    assert len(list((tmp_path / "config").iterdir())) == 4
    assert (tmp_path / "store/graphs/atlas.omni").is_dir()


def test_an_edited_query_updates_its_graph_too(applied: str) -> None:
    write_config(Path(applied), atlas_gq=QUERY + "// edited\n")
    output = plan(applied)
    assert dispositions(output) == {"graph.atlas": "derived", "query.atlas.city_by_name": "applied"}
    output = apply(applied)
    assert (output.applied_count, output.deferred_count, output.converged) == (1, 0, True)


def test_changed_bindings_are_an_update_with_equal_digests(applied: str) -> None:
    write_config(Path(applied), CONFIG.replace("applies_to: [atlas]", "applies_to: [cluster]"))
    output = plan(applied)
    assert [(one.resource, one.binding_change, one.before_digest == one.after_digest) for one in output.changes] == [
        ("policy.base", True, True)
    ]
    assert apply(applied).converged
    assert ledger(Path(applied))["applied_revision"]["resources"]["policy.base"]["applies_to"] == ["cluster"]
    assert plan(applied).changes == []


def test_bindings_of_an_old_ledger_are_filled_in(applied: str) -> None:
    path = Path(applied) / "__cluster/state.json"
    found = ledger(Path(applied))
    del found["applied_revision"]["resources"]["policy.base"]["applies_to"]
    path.write_text(json.dumps(found))
    assert [one.binding_change for one in plan(applied).changes] == [True]
    assert apply(applied).converged
    assert ledger(Path(applied))["applied_revision"]["resources"]["policy.base"]["applies_to"] == ["graph.atlas"]


def test_a_removed_query_goes_and_its_text_stays(applied: str) -> None:
    write_config(Path(applied), CONFIG.replace("    queries: { city_by_name: { file: atlas.gq } }\n", ""))
    output = apply(applied)
    assert output.converged
    assert "query.atlas.city_by_name" not in ledger(Path(applied))["applied_revision"]["resources"]
    assert len(list(Path(applied).rglob("*.gq"))) == 2  # the source and the blob


# --- deletes and approvals ---------------------------------------------------------------------------------------------


@pytest.fixture
def shrinking(tmp_path: Path) -> str:
    """A cluster of two graphs of which one is not declared any more."""
    folder = write_config(tmp_path / "geo", TWO)
    assert import_state(folder).ok
    assert apply(folder).converged
    return write_config(tmp_path / "geo")


def test_a_delete_waits_for_an_approval(shrinking: str) -> None:
    output = apply(shrinking)
    assert (output.ok, output.converged) == (True, False)
    assert dispositions(output) == {"graph.old": "blocked:approval_required", "schema.old": "blocked:approval_required"}
    assert codes(output) == ["apply_dependency_blocked"] * 2
    assert output.resource_statuses["graph.old"].conditions == ["approval_required"]
    assert apply(shrinking).state_written is False
    assert Path(shrinking, "graphs/old.omni").exists()
    planned = plan(shrinking)
    assert [(one.resource, one.satisfied) for one in planned.approvals_required] == [("graph.old", False)]


def test_an_approved_delete_is_carried_out_once(shrinking: str) -> None:
    approval = approve(shrinking, "graph.old", "ines")
    assert (approval.ok, approval.operation, approval.approved_by) == (True, "delete", "ines")
    assert plan(shrinking).approvals_required[0].satisfied is True
    output = apply(shrinking, "bo")
    assert (output.ok, output.converged, output.applied_count) == (True, True, 2)
    assert not Path(shrinking, "graphs/old.omni").exists()
    found = ledger(Path(shrinking))
    tombstone = found["observations"]["graph.old"]
    assert (tombstone["kind"], tombstone["approval_id"], tombstone["actor"]) == ("tombstone", approval.approval_id, "bo")
    assert found["approval_records"][approval.approval_id]["consumed_by_operation"] == "apply"
    artifact = json.loads(Path(shrinking, f"__cluster/approvals/{approval.approval_id}.json").read_text())
    assert artifact["consumed_at"] == found["approval_records"][approval.approval_id]["consumed_at"]
    # The same graph again, and its end again: the old consent is worth nothing.
    write_config(Path(shrinking), TWO)
    assert apply(shrinking).converged
    write_config(Path(shrinking))
    assert dispositions(apply(shrinking))["graph.old"] == "blocked:approval_required"


def test_an_approval_ends_with_any_edit(shrinking: str) -> None:
    assert approve(shrinking, "graph.old", "ines").ok
    write_config(Path(shrinking), atlas_gq=QUERY + "\n")
    output = apply(shrinking)
    assert codes(output)[0] == "approval_stale"
    assert dispositions(output)["graph.old"] == "blocked:approval_required"
    assert Path(shrinking, "graphs/old.omni").exists()


def test_what_needs_no_approval_gets_none(shrinking: str) -> None:
    for resource in ("graph.atlas", "schema.old", "nonsense"):
        assert codes(approve(shrinking, resource, "ines")) == ["approval_not_required"]


def test_an_unstamped_artifact_of_a_consumed_approval_is_worth_nothing_and_gets_stamped(shrinking: str) -> None:
    approval = approve(shrinking, "graph.old", "ines")
    path = Path(shrinking, f"__cluster/approvals/{approval.approval_id}.json")
    unstamped = path.read_text()
    assert apply(shrinking).converged
    path.write_text(unstamped)  # a death between the ledger and the stamp
    assert apply(shrinking).converged
    assert json.loads(path.read_text())["consumed_by_operation"] == "apply"


def test_a_withdrawn_delete_is_not_blocked_any_more(shrinking: str) -> None:
    apply(shrinking)
    write_config(Path(shrinking), TWO)
    output = apply(shrinking)
    assert (output.converged, output.resource_statuses["graph.old"].status) == (True, "applied")


# --- drift --------------------------------------------------------------------------------------------------------------


def test_a_vanished_graph_is_drift_and_is_made_again_empty(applied: str) -> None:
    shutil.rmtree(Path(applied, "graphs/atlas.omni"))
    assert plan(applied).changes == []  # the ledger is trusted until somebody looks
    output = refresh(applied)
    assert output.ok
    assert output.resource_statuses["graph.atlas"].conditions == ["graph_missing"]
    assert sorted(dispositions(plan(applied)).items()) == [("graph.atlas", "applied"), ("schema.atlas", "applied")]
    assert apply(applied).converged


@pytest.mark.parametrize("damage", ["missing", "mismatch"])
def test_bad_blobs_are_seen_by_status_and_healed_by_refresh_and_apply(applied: str, damage: str) -> None:
    blob = next(Path(applied, "__cluster").rglob("*.gq"))
    good = blob.read_bytes()
    blob.write_text("tampered") if damage == "mismatch" else blob.unlink()
    assert codes(status(applied)) == [f"catalog_payload_{damage}"]
    assert apply(applied).changes == []
    output = refresh(applied)
    assert output.ok
    assert codes(output) == [f"catalog_payload_{damage}"]
    assert output.resource_statuses["query.atlas.city_by_name"].conditions == [f"payload_{damage}"]
    assert not blob.exists()
    again = apply(applied)
    assert (again.converged, dispositions(again)) == (
        True,
        {"graph.atlas": "derived", "query.atlas.city_by_name": "applied"},
    )
    assert blob.read_bytes() == good
    assert codes(status(applied)) == []


def test_refresh_counts_on_and_keeps_entries(applied: str) -> None:
    before = ledger(Path(applied))
    output = refresh(applied)
    assert (output.ok, output.state_observations.state_revision) == (True, 3)
    after = ledger(Path(applied))
    assert after["applied_revision"] == before["applied_revision"]
    assert after["observations"]["graph.atlas"]["schema_matches_desired"] is True


def test_refresh_with_a_graph_that_does_not_open(applied: str) -> None:
    shutil.rmtree(Path(applied, "graphs/atlas.omni/log"))
    output = refresh(applied)
    assert (output.ok, codes(output)) == (False, ["graph_observation_error"])
    assert output.resource_statuses["graph.atlas"].conditions == ["graph_observation_error"]
    assert "schema.atlas" in output.resource_digests


# --- the ledger and the lock ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid_state_json"),
        ("[]", "invalid_state_json"),
        ('{"version":2,"anything":1}', "unsupported_state_version"),
        ('{"version":1}', "invalid_state_json"),
        ('{"version":1,"applied_revision":{},"extra":1}', "invalid_state_json"),
        ('{"version":1,"applied_revision":{"resources":{"graph.a":{"digest":"x","more":1}}}}', "invalid_state_json"),
        ('{"version":1,"applied_revision":{},"resource_statuses":{"a":{"status":"fine"}}}', "invalid_state_json"),
        ('{"version":1,"applied_revision":{},"state_revision":-1}', "invalid_state_json"),
    ],
)
def test_a_ledger_is_understood_completely_or_not_at_all(tmp_path: Path, text: str, code: str) -> None:
    folder = write_config(tmp_path)
    path = tmp_path / "__cluster/state.json"
    path.parent.mkdir()
    path.write_text(text)
    for verb in (plan, apply, refresh, import_state, status):
        output = verb(folder)
        assert (output.ok, codes(output)) == (False, [code])
        assert output.state_observations.state_found is True
    assert path.read_text() == text
    assert not (tmp_path / "__cluster/lock.json").exists()


def test_free_form_parts_and_unknown_kinds_are_kept(applied: str) -> None:
    found = ledger(Path(applied))
    found["observations"]["graph.atlas"]["later"] = {"x": [1]}
    found["recovery_records"]["01X"] = {"y": 2}
    found["applied_revision"]["resources"]["engine.v8"] = {"digest": "not hex"}
    found["resource_statuses"]["graph.atlas"] = {"status": "planned", "conditions": ["from_the_future"], "message": "m"}
    Path(applied, "__cluster/state.json").write_text(json.dumps(found))
    write_config(Path(applied), atlas_gq=QUERY + "\n")
    output = apply(applied)
    assert (output.ok, output.converged) == (True, False)
    assert dispositions(output)["engine.v8"] == "deferred:apply_unsupported_kind"
    assert "apply_unsupported_change" in codes(output)
    after = ledger(Path(applied))
    assert after["observations"]["graph.atlas"]["later"] == {"x": [1]}
    assert after["recovery_records"] == {"01X": {"y": 2}}
    assert after["resource_statuses"]["graph.atlas"]["conditions"] == ["from_the_future"]
    # Nothing converged, so the digest of the configuration stays that of the last time that it did.
    assert after["applied_revision"]["config_digest"] == found["applied_revision"]["config_digest"]


def test_a_ledger_changed_by_somebody_else_is_not_overwritten(applied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from omnigraph.cluster import apply as apply_module

    write_config(Path(applied), atlas_gq=QUERY + "\n")
    path = Path(applied, "__cluster/state.json")
    theirs = path.read_text().replace('"state_revision": 2', '"state_revision": 9')
    publish = apply_module.publish

    def interfere(*arguments: object) -> bool:
        path.write_text(theirs)
        return publish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(apply_module, "publish", interfere)
    output = apply(applied)
    assert (output.ok, codes(output), output.state_written, output.converged) == (False, ["state_cas_mismatch"], False, False)
    assert path.read_text() == theirs
    monkeypatch.undo()
    assert apply(applied).converged
    assert ledger(Path(applied))["state_revision"] == 10


def held(folder: str, text: str | None = None) -> Path:
    path = Path(folder, "__cluster/lock.json")
    path.parent.mkdir(exist_ok=True)
    lock = {"version": 1, "lock_id": "mine", "operation": "apply", "created_at": "2026-06-08T12:34:56Z", "pid": 7}
    path.write_text(json.dumps(lock) if text is None else text)
    return path


def test_a_held_lock_stops_every_verb_that_takes_it(applied: str) -> None:
    path = held(applied)
    before = files_of(Path(applied))
    for verb in (plan, apply, refresh, import_state, lambda folder: approve(folder, "graph.atlas", "ines")):
        output = verb(applied)
        assert (output.ok, codes(output)) == (False, ["state_lock_held"])
        assert "force-unlock mine" in output.diagnostics[0].message
    output = plan(applied)
    assert (output.changes, output.state_observations.locked, output.state_observations.lock_pid) == ([], True, 7)
    assert output.state_observations.lock_acquired is False
    assert files_of(Path(applied)) == before
    seen = status(applied)
    assert seen.ok
    assert seen.state_observations.lock_id == "mine"
    assert seen.state_observations.lock_age_seconds > 0
    for wrong in ("other", ""):
        assert codes(force_unlock(applied, wrong)) == ["state_lock_id_mismatch"]
    assert path.exists()
    removed = force_unlock(applied, "mine")
    assert (removed.ok, removed.lock_removed, removed.state_observations.locked) == (True, True, False)
    assert removed.state_observations.lock_id == "mine"
    assert codes(force_unlock(applied, "mine")) == ["state_lock_missing"]


@pytest.mark.parametrize(("text", "code"), [("{", "invalid_state_lock"), ('{"version":3}', "unsupported_state_lock_version")])
def test_a_lock_that_cannot_be_understood(applied: str, text: str, code: str) -> None:
    path = held(applied, text)
    output = apply(applied)
    assert output.diagnostics[0].message.startswith("cluster state lock already exists; remove it only after")
    assert codes(status(applied)) == [code]
    assert status(applied).state_observations.locked is True
    assert codes(force_unlock(applied, "x")) == [code]
    assert path.exists()


def test_without_the_lock_there_is_a_warning(applied: str) -> None:
    write_config(Path(applied), f"{CONFIG}state: {{ lock: false }}\n")
    held(applied)
    output = plan(applied)
    assert (output.ok, codes(output)) == (True, ["state_lock_disabled"])
    assert output.diagnostics[0].message == ("state.lock is false; plan read state without acquiring the cluster state lock")
    assert apply(applied).converged
    assert Path(applied, "__cluster/lock.json").exists()


def test_status_looks_past_broken_sources(applied: str) -> None:
    Path(applied, "atlas.pg").write_text("nod x")
    output = status(applied)
    assert (output.ok, output.state_observations.resource_count, codes(output)) == (True, 4, [])
    shutil.rmtree(Path(applied, "__cluster"))
    output = status(applied)
    assert (output.ok, codes(output)) == (True, ["state_missing"])


# --- what cannot be carried out ------------------------------------------------------------------------------------------


def test_a_failed_create_stops_the_graphs_behind_it_and_nothing_else(tmp_path: Path) -> None:
    config = CONFIG.replace("policies:", "  zulu: { schema: atlas.pg }\npolicies:").replace(
        "graphs:\n", "graphs:\n  aero: { schema: atlas.pg, queries: atlas.gq }\n"
    )
    folder = write_config(tmp_path, config.replace("applies_to: [atlas]", "applies_to: [aero]"))
    assert import_state(folder).ok
    init(f"{folder}/graphs/atlas.omni", SCHEMA).close()
    output = apply(folder)
    assert (output.ok, output.converged, output.state_written) == (False, False, True)
    assert codes(output)[:2] == ["graph_create_failed", "graph_create_skipped"]
    assert dispositions(output) == {
        "graph.aero": "applied",
        "graph.atlas": "blocked:graph_create_failed",
        "graph.zulu": "blocked:graph_create_failed",
        "policy.base": "applied",
        "query.aero.city_by_name": "applied",
        "query.atlas.city_by_name": "blocked:dependency_not_applied",
        "schema.aero": "applied",
        "schema.atlas": "blocked:dependency_not_applied",
        "schema.zulu": "blocked:dependency_not_applied",
    }
    assert not Path(folder, "graphs/zulu.omni").exists()
    assert len(list(Path(folder, "__cluster/recoveries").iterdir())) == 1
    again = apply(folder)
    assert (again.ok, again.converged) == (True, True)
    assert "cluster_recovery_rolled_forward" in codes(again)


def test_sources_that_change_while_apply_runs(applied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from omnigraph.cluster import apply as apply_module

    write_config(Path(applied), atlas_gq=QUERY + "\n")
    sweep = apply_module.sweep

    def edit(*arguments: object) -> object:
        Path(applied, "atlas.gq").write_text(QUERY)
        return sweep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(apply_module, "sweep", edit)
    output = apply(applied)
    assert (output.ok, codes(output), output.applied_count, output.state_written) == (
        False,
        ["resource_content_changed"],
        0,
        False,
    )


def test_text_that_is_no_utf8_is_not_published(geo: str) -> None:
    Path(geo, "base.policy.yaml").write_bytes(b"version: 1 # \xff\n")
    output = apply(geo)
    assert "resource_payload_write_error" in codes(output)
    assert output.state_written is False


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_root_that_cannot_be_written(applied: str) -> None:
    Path(applied, "__cluster").chmod(0o555)
    try:
        assert codes(apply(applied)) == ["state_lock_error"]
        assert status(applied).ok
    finally:
        Path(applied, "__cluster").chmod(0o755)


def test_an_unsupported_schema_change_is_shown_and_leaves_nothing_behind(applied: str) -> None:
    write_config(Path(applied), atlas_pg=OTHER_TYPE, atlas_gq=QUERY)
    planned = plan(applied)
    assert planned.ok
    assert codes(planned) == ["schema_preview_unavailable"]
    migration = next(one.migration for one in planned.changes if one.resource == "schema.atlas")
    assert (migration["supported"], migration["steps"][0]["kind"]) == (False, "unsupported_change")
    output = apply(applied)
    assert (output.ok, output.converged) == (False, False)
    assert codes(output)[0] == "schema_apply_failed"
    assert dispositions(output) == {"graph.atlas": "derived", "schema.atlas": "blocked:schema_apply_failed"}
    assert not list(Path(applied, "__cluster/recoveries").iterdir())


# --- schemas -------------------------------------------------------------------------------------------------------------


def test_a_wider_schema_is_previewed_and_applied(applied: str) -> None:
    write_config(Path(applied), atlas_pg=WIDER)
    planned = plan(applied)
    assert codes(planned) == []
    schema = next(one for one in planned.changes if one.resource == "schema.atlas")
    assert schema.disposition == "applied"
    assert (schema.migration["supported"], [step["kind"] for step in schema.migration["steps"]]) == (True, ["add_property"])
    output = apply(applied, "ines")
    assert (output.ok, output.converged, output.applied_count) == (True, True, 1)
    with open_graph(f"{applied}/graphs/atlas.omni") as graph:
        assert graph.schema_source() == WIDER
        assert graph.commits()[-1].actor_id == "ines"
    assert not list(Path(applied, "__cluster/recoveries").iterdir())


@pytest.mark.parametrize("text", ["// a comment\n" + SCHEMA, SCHEMA + "\n", SCHEMA.replace("  ", "\t")])
def test_layout_is_applied_like_anything_else(applied: str, text: str) -> None:
    write_config(Path(applied), atlas_pg=text)
    assert apply(applied).converged
    assert refresh(applied).observations["graph.atlas"]["schema_matches_desired"] is True


def test_a_change_behind_the_back_of_the_cluster_is_seen_by_refresh_and_undone_by_apply(applied: str) -> None:
    with open_graph(f"{applied}/graphs/atlas.omni") as graph:
        graph.apply_schema(WIDER)
    assert plan(applied).changes == []
    output = refresh(applied)
    assert (output.ok, output.resource_statuses["schema.atlas"].conditions) == (True, ["schema_mismatch"])
    planned = plan(applied)
    step = next(one for one in planned.changes if one.resource == "schema.atlas").migration["steps"][0]
    assert (step["kind"], step["mode"]) == ("drop_property", "soft")
    assert apply(applied).converged


def test_branches_keep_a_schema_from_changing(applied: str) -> None:
    with open_graph(f"{applied}/graphs/atlas.omni") as graph:
        graph.create_branch("draft")
    write_config(Path(applied), atlas_pg=WIDER)
    planned = plan(applied)
    assert codes(planned) == ["schema_preview_unavailable"]
    assert "found non-main branches: draft" in planned.diagnostics[0].message
    output = apply(applied)
    assert codes(output) == ["schema_apply_failed", "apply_dependency_blocked"]
    assert "found non-main branches: draft" in output.diagnostics[0].message
    assert not list(Path(applied, "__cluster/recoveries").iterdir())
    with open_graph(f"{applied}/graphs/atlas.omni") as graph:
        graph.delete_branch("draft")
    assert apply(applied).converged


def test_an_engine_that_fails_without_a_trace_leaves_no_sidecar(applied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from omnigraph.cluster import engine
    from omnigraph.errors import Conflict

    def fail(*_: object) -> None:
        raise Conflict("somebody was faster")

    write_config(Path(applied), atlas_pg=WIDER, atlas_gq=QUERY + "\n")
    monkeypatch.setattr(engine, "apply_schema", fail)
    output = apply(applied)
    assert codes(output)[0] == "schema_apply_failed"
    assert dispositions(output) == {
        "graph.atlas": "derived",
        "query.atlas.city_by_name": "blocked:dependency_not_applied",
        "schema.atlas": "blocked:schema_apply_failed",
    }
    assert not list(Path(applied, "__cluster/recoveries").iterdir())
    monkeypatch.undo()
    assert apply(applied).converged
