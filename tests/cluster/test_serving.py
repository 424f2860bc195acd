"""Serving the applied revision: what is refused, what is shown, and taking up the next one."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.worlds import CONFIG, QUERY, SCHEMA, TWO, WIDER, files_of, ledger, write_config
from omnigraph.cluster.apply import apply
from omnigraph.cluster.approve import approve
from omnigraph.cluster.observe import import_state
from omnigraph.errors import InvalidSetting, OmnigraphError
from omnigraph.graph.graph import open_graph
from omnigraph.server.boot import plan_boot
from omnigraph.server.options import Options
from omnigraph.server.tokens import INLINE
from server.asgi import Browser
from server.process import Server, refuse
from server.worlds import boot

OPEN = Options(unauthenticated=True)
TOKENS = {INLINE: json.dumps({"mara": "k-mara", "bo": "k-bo"})}
GRAPH_POLICY = """\
version: 1
groups: { team: [mara], readers: [bo] }
rules:
  - { id: team, allow: { actors: { group: team }, actions: [read, change, invoke_query, admin] } }
  - { id: readers, allow: { actors: { group: readers }, actions: [read] } }
"""
SERVER_POLICY = """\
version: 1
groups: { team: [mara] }
rules:
  - { id: list, allow: { actors: { group: team }, actions: [graph_list] } }
"""
SERVED = CONFIG.replace(
    "base: { file: base.policy.yaml, applies_to: [atlas] }",
    "base: { file: base.policy.yaml, applies_to: [atlas] }\n  top: { file: top.yaml, applies_to: [cluster] }",
)


def cluster(folder: Path, config: str = CONFIG, **files: str) -> str:
    where = write_config(folder, config, **files)
    assert import_state(where).ok
    assert apply(where, "ines").converged
    return where


@pytest.fixture
def open_cluster(tmp_path: Path) -> str:
    return cluster(tmp_path / "geo", CONFIG.partition("policies:")[0])


@pytest.fixture
def guarded(tmp_path: Path) -> str:
    return cluster(tmp_path / "geo", SERVED, base_policy=GRAPH_POLICY, top_yaml=SERVER_POLICY)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = asyncio.new_event_loop()
    yield found
    found.run_until_complete(found.shutdown_default_executor())
    found.close()


def refusal(where: str, options: Options = OPEN) -> str:
    from dataclasses import replace

    with pytest.raises(InvalidSetting) as refused:
        service, _ = boot(replace(options, cluster=where), {})
        service.close()
    return refused.value.message


# --- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{"uri": "x.omni"}, {"target": "t"}, {"config": "c.yaml"}])
def test_a_cluster_is_an_exclusive_boot_source(more: dict[str, str], open_cluster: str) -> None:
    with pytest.raises(InvalidSetting, match="--cluster is an exclusive boot source; it cannot combine with"):
        plan_boot(Options(cluster=open_cluster, **more), {})


def test_nothing_applied_yet(tmp_path: Path) -> None:
    where = write_config(tmp_path)
    told = refusal(where)
    assert told.splitlines()[0] == f"the cluster at '{where}' is not ready to serve:"
    assert told.splitlines()[1].startswith("  [cluster_state_missing] __cluster/state.json: ")
    assert "`cluster import`" in told
    (tmp_path / "cluster.yaml").write_text("version: [")
    assert "[invalid_cluster_yaml]" in refusal(where)
    assert "[cluster_state_missing]" in refusal(str(tmp_path / "nowhere"))
    (tmp_path / "cluster.yaml").unlink()
    assert import_state(write_config(tmp_path, "version: 1\n")).ok
    assert "[cluster_empty]" in refusal(where)


def test_all_findings_are_told_at_once(open_cluster: str) -> None:
    from omnigraph.cluster.clock import now
    from omnigraph.cluster.findings import Findings
    from omnigraph.cluster.root import StorageRoot
    from omnigraph.cluster.sidecar import Sidecar, write_sidecar

    sidecar = Sidecar(
        schema_version=1,
        operation_id="01X",
        started_at=now(),
        kind="schema_apply",
        graph_id="atlas",
        graph_uri="x",
        desired_schema_digest="d",
    )
    assert write_sidecar(StorageRoot(open_cluster), sidecar, Findings())
    blob = next(Path(open_cluster, "__cluster").rglob("*.gq"))
    blob.write_text("tampered")
    found = ledger(Path(open_cluster))
    found["applied_revision"]["resources"]["policy.base"] = {"digest": "ab"}
    Path(open_cluster, "__cluster/state.json").write_text(json.dumps(found))
    told = refusal(open_cluster)
    for code in (
        "[cluster_recovery_pending] __cluster/recoveries: 1 interrupted operation(s) await recovery; ",
        "[catalog_payload_digest_mismatch] query.atlas.city_by_name: ",
        "[catalog_payload_missing] policy.base: ",
        "[policy_bindings_missing] policy.base: ",
    ):
        assert code in told
    Path(open_cluster, "__cluster/state.json").write_text("{")
    assert "[invalid_state_json]" in refusal(open_cluster)
    Path(open_cluster, "__cluster/state.json").write_text('{"version": 4}')
    assert "[unsupported_state_version]" in refusal(open_cluster)


def test_bundles_that_do_not_fit(tmp_path: Path) -> None:
    twice = CONFIG + "  more: { file: base.policy.yaml, applies_to: [atlas] }\n"
    assert "multiple policy bundles bind graph 'atlas'" in refusal(cluster(tmp_path / "a", twice))
    twice = CONFIG.replace("[atlas]", "[cluster]") + "  more: { file: base.policy.yaml, applies_to: [cluster] }\n"
    assert "multiple policy bundles bind the cluster scope" in refusal(cluster(tmp_path / "b", twice))


def test_a_policy_needs_tokens(guarded: str) -> None:
    assert "policy file is configured but no bearer tokens" in refusal(guarded)


def test_without_tokens_and_policies_consent_is_needed(open_cluster: str) -> None:
    assert "no bearer tokens and no policy file configured" in refusal(open_cluster, Options())


def test_a_bundle_of_both_kinds_is_refused(tmp_path: Path) -> None:
    both = CONFIG.replace("[atlas]", "[cluster, atlas]")
    where = cluster(tmp_path / "geo", both, base_policy=GRAPH_POLICY)
    with pytest.raises(InvalidSetting, match="per-graph action"):
        boot(Options(cluster=where), TOKENS)


def test_a_graph_id_that_no_server_takes(tmp_path: Path) -> None:
    where = cluster(tmp_path / "geo", "version: 1\ngraphs: { my_graph: { schema: atlas.pg } }\n")
    assert "invalid graph id 'my_graph'" in refusal(where)


def test_a_graph_that_is_gone_and_queries_that_do_not_fit_any_more(open_cluster: str) -> None:
    with open_graph(f"{open_cluster}/graphs/atlas.omni") as graph:
        graph.apply_schema("node Town { name: String @key }")
    told = refusal(open_cluster)
    assert "graph 'atlas': 1 stored query failed the schema check" in told
    assert "city_by_name" in told
    shutil.rmtree(f"{open_cluster}/graphs/atlas.omni")
    assert f"open graph 'atlas' at {open_cluster}/graphs/atlas.omni: " in _any_refusal(open_cluster)


def _any_refusal(where: str) -> str:
    with pytest.raises(OmnigraphError) as refused:
        boot(Options(cluster=where, unauthenticated=True), {})
    return refused.value.message


# --- what is served -----------------------------------------------------------------------------------------------------


def test_serving_what_was_applied_and_not_what_is_edited(
    open_cluster: str, tmp_path: Path, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "omnigraph.yaml").write_text("::: not even YAML")
    Path(open_cluster, "atlas.gq").write_text("not a query")
    Path(open_cluster, "__cluster/lock.json").write_text("{}")
    before = files_of(Path(open_cluster, "__cluster"))
    for where in (open_cluster, f"file://{open_cluster}"):
        service, application = boot(Options(cluster=where, unauthenticated=True), {})
        browser = Browser(application, loop, None, "")
        try:
            listed = browser.get("/graphs/atlas/queries").json()["queries"]
            assert [one["name"] for one in listed] == ["city_by_name"]
            assert browser.get("/graphs/atlas/schema").json() == {"schema_source": SCHEMA}
            body = {"params": {"name": "Oslo"}}
            assert browser.post("/graphs/atlas/queries/city_by_name", body).json()["row_count"] == 0
            assert browser.get("/schema").status == 404
            assert browser.get("/graphs/nobody/schema").status == 404
            assert browser.get("/graphs").status == 403
            revision = browser.get("/readyz").json()["revision"]
            assert (revision["state_revision"], revision["state_cas"][:7]) == (2, "sha256:")
        finally:
            service.close()
    assert files_of(Path(open_cluster, "__cluster")) == before


def test_policies_decide(guarded: str, loop: asyncio.AbstractEventLoop) -> None:
    service, application = boot(Options(cluster=guarded), TOKENS)
    mara, bo = (Browser(application, loop, token, "") for token in ("k-mara", "k-bo"))
    insert = {"query": 'query add() { insert City { name: "Oslo" } }'}
    try:
        assert [one["graph_id"] for one in mara.get("/graphs").json()["graphs"]] == ["atlas"]
        assert bo.get("/graphs").status == 403
        assert mara.post("/graphs/atlas/mutate", insert).status == 200
        assert bo.post("/graphs/atlas/mutate", insert).status == 403
        assert mara.get("/cluster").json()["graphs"] == ["atlas"]
        assert bo.get("/cluster").status == 403
        assert bo.post("/admin/reload").status == 403
        described = mara.get("/openapi.json").json()
        assert described["paths"]["/cluster"]["get"]["operationId"] == "getCluster"
        assert "409" in described["paths"]["/admin/reload"]["post"]["responses"]
        assert "DiagnosticOutput" in described["components"]["schemas"]
        assert mara.post("/admin/reload").json()["changed"] is False
    finally:
        service.close()


# --- the next revision --------------------------------------------------------------------------------------------------


def test_a_reload_takes_up_everything_at_once(guarded: str, loop: asyncio.AbstractEventLoop) -> None:
    service, application = boot(Options(cluster=guarded), TOKENS)
    mara, bo = (Browser(application, loop, token, "") for token in ("k-mara", "k-bo"))
    insert = {"query": 'query add() { insert City { name: "Oslo" } }'}
    try:
        assert mara.post("/graphs/atlas/mutate", insert).status == 200
        kept = service.graphs["atlas"].graph
        more = SERVED.replace("policies:", "  young: { schema: young.pg }\npolicies:").replace(
            "{ city_by_name: { file: atlas.gq } }", "atlas.gq"
        )
        renamed = QUERY.replace("city_by_name", "find_city").replace("$c.population", "$c.mayor")
        open_policy = GRAPH_POLICY.replace("actions: [read] ", "actions: [read, change] ")
        write_config(
            Path(guarded),
            more,
            atlas_gq=renamed,
            atlas_pg=WIDER,
            young_pg=SCHEMA,
            base_policy=open_policy,
            top_yaml=SERVER_POLICY,
        )
        assert apply(guarded, "ines").converged
        # Without being asked the server goes on as it was.
        assert [one["name"] for one in mara.get("/graphs/atlas/queries").json()["queries"]] == ["city_by_name"]
        assert mara.get("/graphs/young/schema").status == 404
        answer = mara.post("/admin/reload").json()
        assert (answer["changed"], answer["state_revision"]) == (True, 3)
        assert answer["config_digest"] == ledger(Path(guarded))["applied_revision"]["config_digest"]
        assert mara.get("/cluster").json()["graphs"] == ["atlas", "young"]
        assert mara.post("/graphs/atlas/queries/find_city", {"params": {"name": "Oslo"}}).json()["row_count"] == 1
        assert mara.post("/graphs/atlas/queries/city_by_name", {}).status == 404
        assert bo.post("/graphs/atlas/mutate", {"query": 'query add() { insert City { name: "Rome" } }'}).status == 200
        assert service.graphs["atlas"].graph is kept, "what it holds in memory is kept"
        assert mara.get("/readyz").json()["revision"]["state_revision"] == 3
    finally:
        service.close()


def test_a_revision_that_cannot_be_served_is_not_taken_up(guarded: str, loop: asyncio.AbstractEventLoop) -> None:
    service, application = boot(Options(cluster=guarded), TOKENS)
    mara = Browser(application, loop, "k-mara", "")
    try:
        write_config(Path(guarded), SERVED, base_policy="rules: []\n", top_yaml=SERVER_POLICY)
        assert apply(guarded, "ines").converged
        refused = mara.post("/admin/reload")
        assert refused.status == 409
        assert "version" in refused.json()["error"]
        shown = mara.get("/cluster").json()
        assert shown["state_revision"] == 2
        assert "policy bundle 'base'" in shown["refusal"]
        assert mara.get("/graphs/atlas/schema").status == 200
        write_config(Path(guarded), SERVED, base_policy=GRAPH_POLICY, top_yaml=SERVER_POLICY)
        assert apply(guarded, "ines").converged
        assert mara.post("/admin/reload").json()["state_revision"] == 4
        assert "refusal" not in mara.get("/cluster").json()
    finally:
        service.close()


def test_a_graph_that_was_made_anew_is_another_graph(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    two = TWO.partition("policies:")[0]
    where = cluster(tmp_path / "geo", two)
    service, application = boot(Options(cluster=where, unauthenticated=True), {})
    browser = Browser(application, loop, None, "")
    count = {"query": "query n() { match { $c: City } return { count($c) as n } }"}
    insert = {"query": 'query add() { insert City { name: "Oslo" } }'}
    try:
        assert browser.post("/graphs/old/mutate", insert).status == 200
        write_config(Path(where), CONFIG.partition("policies:")[0])
        assert approve(where, "graph.old", "ines").ok
        assert apply(where).converged
        write_config(Path(where), two)
        assert apply(where).converged
        assert browser.post("/admin/reload").json()["changed"] is True
        assert browser.post("/graphs/old/query", count).json()["rows"] == [{"n": 0}]
        write_config(Path(where), CONFIG.partition("policies:")[0])
        assert approve(where, "graph.old", "ines").ok
        assert apply(where).converged
        assert browser.post("/admin/reload").json()["changed"] is True
        assert browser.post("/graphs/old/query", count).status == 404
    finally:
        service.close()


def test_a_process(open_cluster: str, tmp_path: Path) -> None:
    refused = refuse("--cluster", open_cluster, "x.omni", folder=tmp_path)
    assert (refused.status, "--cluster is an exclusive boot source" in refused.err) == (1, True)
    with Server(("--cluster", open_cluster, "--unauthenticated"), tmp_path) as server:
        write_config(
            Path(open_cluster),
            CONFIG.partition("policies:")[0],
            atlas_gq=QUERY.replace("city_by_name", "found").replace("$name", "$n"),
        )
        named = CONFIG.partition("policies:")[0].replace("city_by_name", "found")
        write_config(Path(open_cluster), named, atlas_gq=QUERY.replace("city_by_name", "found"))
        assert apply(open_cluster).converged

        def queries() -> list[str]:
            found: dict[str, Any] = json.loads(server.send("GET", "/graphs/atlas/queries")[1])
            return [one["name"] for one in found["queries"]]

        assert queries() == ["city_by_name"]
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while queries() != ["found"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert queries() == ["found"]
        assert server.stop() == 0


# --- quarantine ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> str:
    return cluster(tmp_path / "geo", TWO.partition("policies:")[0])


def interrupt(where: str, graph_id: str) -> None:
    from omnigraph.cluster.findings import Findings
    from omnigraph.cluster.root import StorageRoot
    from omnigraph.cluster.sidecar import Sidecar, write_sidecar

    sidecar = Sidecar(
        schema_version=1,
        operation_id=f"01{graph_id.upper()}",
        started_at="2026-06-08T12:34:56Z",
        kind="schema_apply",
        graph_id=graph_id,
        graph_uri="x",
        desired_schema_digest="d",
    )
    assert write_sidecar(StorageRoot(where), sidecar, Findings())


def misfit(where: str, graph_id: str) -> None:
    with open_graph(f"{where}/graphs/{graph_id}.omni") as graph:
        graph.apply_schema("node Town { name: String @key }")


def vanish(where: str, graph_id: str) -> None:
    shutil.rmtree(f"{where}/graphs/{graph_id}.omni")


ALLOWED = Options(unauthenticated=True, allow_quarantine=True)


@pytest.mark.parametrize(
    ("harm", "code"),
    [(interrupt, "cluster_recovery_pending"), (misfit, "query_typecheck_error"), (vanish, "graph_open_failed")],
)
def test_a_fault_of_one_graph_takes_out_that_graph_where_it_may(
    two: str, loop: asyncio.AbstractEventLoop, harm: Any, code: str
) -> None:
    from dataclasses import replace

    harm(two, "atlas")
    assert _any_refusal(two)
    both = {"OMNIGRAPH_ALLOW_QUARANTINE": "1", "OMNIGRAPH_REQUIRE_ALL_GRAPHS": "yes"}
    for strict in (both, {"OMNIGRAPH_ALLOW_QUARANTINE": " 0 "}):
        with pytest.raises(OmnigraphError):
            boot(Options(cluster=two, unauthenticated=True), strict)
    service, application = boot(replace(ALLOWED, cluster=two), {})
    browser = Browser(application, loop, None, "")
    try:
        assert sorted(service.graphs) == ["old"]
        assert browser.get("/graphs/old/schema").status == 200
        assert browser.get("/graphs/atlas/schema").status == 404
        assert service.cluster is not None
        assert [one.code for one in service.cluster.quarantined.values()] == [code]
        if harm is interrupt:  # recovered: the next reload serves the graph again
            assert apply(two).converged
            assert browser.post("/admin/reload").status == 200
            assert browser.get("/graphs/atlas/schema").status == 200
            assert service.cluster.quarantined == {}
    finally:
        service.close()


def test_a_quarantine_of_everything_is_a_refusal(two: str) -> None:
    interrupt(two, "atlas")
    vanish(two, "old")
    told = refusal(two, ALLOWED)
    for text in ("[cluster_no_healthy_graphs]", "[cluster_recovery_pending] graph.atlas: ", "[graph_open_failed] graph.old: "):
        assert text in told


def test_what_belongs_to_no_graph_stays_fatal(two: str) -> None:
    Path(two, "__cluster/recoveries/01X.json").write_text("{")
    assert "[invalid_recovery_sidecar]" in refusal(two, ALLOWED)
    Path(two, "__cluster/recoveries/01X.json").unlink()
    interrupt(two, " ")
    assert "[cluster_recovery_unattributed]" in refusal(two, ALLOWED)
    for path in Path(two, "__cluster/recoveries").iterdir():
        path.unlink()
    next(Path(two, "__cluster").rglob("*.gq")).unlink()
    assert "[catalog_payload_missing]" in refusal(two, ALLOWED)


def test_no_request_fails_while_revisions_are_switched(open_cluster: str, tmp_path: Path) -> None:
    """Readers and writers go on through applies and reloads, and nothing that was acknowledged is lost."""
    base = CONFIG.partition("policies:")[0]
    failures: list[object] = []
    written: list[str] = []
    over = threading.Event()

    with Server(("--cluster", open_cluster, "--unauthenticated"), tmp_path) as server:

        def write(worker: int) -> None:
            for number in itertools.count():
                if over.is_set():
                    return
                name = f"c{worker}-{number}"
                body = {"query": "query add($n: String) { insert City { name: $n } }", "params": {"n": name}}
                status, answer = server.send("POST", "/graphs/atlas/mutate", body)
                if status == 200:
                    written.append(name)
                else:
                    failures.append((status, answer))

        def read() -> None:
            while not over.is_set():
                status, answer = server.send("GET", "/graphs/atlas/queries")
                names = [one["name"] for one in json.loads(answer)["queries"]]
                if status != 200 or len(names) != 1:
                    failures.append((status, answer))

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(2)] + [threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        for number in range(6):
            name = f"q{number}"
            wide = SCHEMA.replace("}", "".join(f"  p{each}: String?\n" for each in range(number)) + "}")
            write_config(
                Path(open_cluster),
                base.replace("city_by_name", name),
                atlas_gq=QUERY.replace("city_by_name", name),
                atlas_pg=wide,
            )
            output = apply(open_cluster)
            assert output.converged, output.diagnostics
            status, answer = server.send("POST", "/admin/reload")
            assert (status, json.loads(answer)["changed"]) == (200, True)
        over.set()
        for thread in threads:
            thread.join()
        assert failures == []
        count = {"query": "query n() { match { $c: City } return { count($c) as n } }"}
        status, answer = server.send("POST", "/graphs/atlas/query", count)
        assert json.loads(answer)["rows"] == [{"n": len(written)}]
        assert len(written) > 10
