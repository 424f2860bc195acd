"""A cluster whose storage root is a bucket: the same verbs, several machines, and a store that fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.test_deaths import Fate, fated_apply
from cluster.worlds import CONFIG, QUERY, SCHEMA, TWO, WIDER, codes, dispositions, write_config
from omnigraph.cli.addressing import Address, resolve_stored
from omnigraph.cli.grammar import Arguments
from omnigraph.cli.main import main
from omnigraph.cli.workspace import Workspace
from omnigraph.cluster.apply import apply
from omnigraph.cluster.approve import approve
from omnigraph.cluster.observe import import_state, refresh
from omnigraph.cluster.plan import plan
from omnigraph.cluster.status import force_unlock, status
from omnigraph.graph.graph import open_graph
from omnigraph.server.options import Options
from omnigraph.storage.objects import ObjectMissing
from omnigraph.storage.root import open_store
from omnigraph.storage.ulid import new_ulid
from server.asgi import Browser
from server.worlds import boot
from support.s3_proxy import Request, S3Proxy
from support.s3_servers import BUCKET, S3Server


@pytest.fixture(params=["ministack_server", pytest.param("seaweedfs_server", marks=pytest.mark.slow)])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    server: S3Server = request.getfixturevalue(request.param)
    with S3Proxy(server.url) as running:
        for name, value in server.environment(running.url).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def storage(proxy: S3Proxy) -> str:
    return f"s3://{BUCKET}/clusters/{new_ulid()}"


def config_of(storage: str, config: str = CONFIG) -> str:
    return f"storage: {storage}/\n{config}"


def keys_of(storage: str) -> list[str]:
    return sorted(info.key for info in open_store(storage).list(""))


def test_the_life_of_a_cluster_in_a_bucket(storage: str, tmp_path: Path) -> None:
    folder = write_config(tmp_path, config_of(storage, TWO))
    assert import_state(folder).ok
    assert len(plan(folder).changes) == 6
    output = apply(folder, "ines")
    assert (output.ok, output.converged) == (True, True), output.diagnostics
    assert output.state_observations.state_path == f"{storage}/__cluster/state.json"
    before = {key: open_store(storage).get(key) for key in keys_of(storage)}
    assert apply(folder).state_written is False
    assert {key: open_store(storage).get(key) for key in keys_of(storage)} == before
    write_config(tmp_path, config_of(storage), atlas_pg=WIDER)
    assert approve(folder, "graph.old", "ines").ok
    output = apply(folder, "ines")
    assert output.converged, output.diagnostics
    assert not [key for key in keys_of(storage) if key.startswith("graphs/old.omni/")]
    assert not [key for key in keys_of(storage) if "recoveries" in key or key.endswith("lock.json")]
    with open_graph(f"{storage}/graphs/atlas.omni") as graph:
        assert graph.schema_source() == WIDER
    assert refresh(folder).ok
    assert codes(status(folder)) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["atlas.gq", "atlas.pg", "base.policy.yaml", "cluster.yaml"]


def test_serving_and_addressing_from_the_bare_uri(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(storage, CONFIG.partition("policies:")[0])
    folder = write_config(tmp_path / "geo", config)
    assert import_state(folder).ok
    assert apply(folder).converged
    monkeypatch.chdir(tmp_path)
    service, application = boot(Options(cluster=storage, unauthenticated=True), {})
    loop = asyncio.new_event_loop()
    browser = Browser(application, loop, None, "")
    try:
        body = {"query": 'query add() { insert City { name: "Oslo" } }'}
        assert browser.post("/graphs/atlas/mutate", body).status == 200
        assert browser.post("/graphs/atlas/queries/city_by_name", {"params": {"name": "Oslo"}}).json()["row_count"] == 1
    finally:
        service.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    for where in (storage, folder):
        arguments = Arguments({"cluster": (where,), "cluster-graph": ("atlas",)})
        assert resolve_stored(Workspace(arguments), None) == Address(f"{storage}/graphs/atlas.omni")
    (tmp_path / "a.pg").write_text(SCHEMA)
    assert main(["init", "--schema", "a.pg", f"{storage}/graphs/new.omni"]) == 1
    assert not [key for key in keys_of(storage) if "new.omni" in key]


def test_two_machines_exclude_each_other(storage: str, tmp_path: Path) -> None:
    checkouts = [write_config(tmp_path / name, config_of(storage)) for name in ("one", "two")]
    assert import_state(checkouts[0]).ok
    code = "import sys; from omnigraph.cli.main import main; sys.exit(main())"
    words = ["cluster", "apply", "--as", "x", "--json", "--config"]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, *words, folder], stdout=subprocess.PIPE, text=True, env=os.environ)
        for folder in checkouts
    ]
    outputs = [json.loads(process.communicate()[0]) for process in processes]
    assert sum(output["state_written"] for output in outputs) == 1
    for output in outputs:
        assert output["ok"] or [one["code"] for one in output["diagnostics"]] == ["state_lock_held"]
    assert all(apply(folder).converged for folder in checkouts)


def ledger_put(request: Request) -> bool:
    return request.operation == "PUT" and request.key.endswith("__cluster/state.json")


def lock_put(request: Request) -> bool:
    return request.operation == "PUT" and request.key.endswith("__cluster/lock.json")


def test_lost_answers_are_settled(storage: str, tmp_path: Path, proxy: S3Proxy) -> None:
    folder = write_config(tmp_path, config_of(storage))
    with proxy.failing("lose answer", lock_put), proxy.failing("lose answer", ledger_put):
        assert import_state(folder).ok
    with proxy.failing("lose answer", lock_put), proxy.failing("lose answer", ledger_put) as faults:
        output = apply(folder, "ines")
    assert faults.hit
    assert (output.ok, output.converged, output.state_written) == (True, True, True), output.diagnostics
    with proxy.failing("refuse", lambda request: "__cluster" in request.key, times=3):
        assert apply(folder).converged
    assert not [key for key in keys_of(storage) if "recoveries" in key or key.endswith("lock.json")]


def test_a_ledger_that_somebody_else_replaces_meanwhile(storage: str, tmp_path: Path) -> None:
    """Without the lock there is the comparison, on the store itself."""
    from omnigraph.cluster import apply as apply_module

    folder = write_config(tmp_path, config_of(storage, f"{CONFIG}state: {{ lock: false }}\n"))
    assert import_state(folder).ok
    theirs = b""
    publish = apply_module.publish

    def interfere(*arguments: object) -> bool:
        nonlocal theirs
        found = json.loads(open_store(storage).get("__cluster/state.json"))
        theirs = json.dumps(found | {"state_revision": 7}).encode()
        open_store(storage).put("__cluster/state.json", theirs)
        return publish(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply_module, "publish", interfere)
        output = apply(folder)
    assert (output.ok, codes(output)) == (False, ["state_lock_disabled", "state_cas_mismatch"])
    assert open_store(storage).get("__cluster/state.json") == theirs
    assert apply(folder).converged


def test_a_lock_that_a_dead_machine_left(storage: str, tmp_path: Path) -> None:
    folder = write_config(tmp_path, config_of(storage))
    assert import_state(folder).ok
    lock = {"version": 1, "lock_id": "theirs", "operation": "apply", "created_at": "2026-06-08T12:34:56Z", "pid": 7}
    open_store(storage).put("__cluster/lock.json", json.dumps(lock).encode())
    assert codes(apply(folder)) == ["state_lock_held"]
    assert force_unlock(folder, "theirs").lock_removed
    assert apply(folder).converged


def test_a_create_that_died_before_its_graph_was_there(storage: str, tmp_path: Path) -> None:
    """What the engine leaves when it has asked the store for its abilities and no more is no graph, nor half of one."""
    from omnigraph.storage.s3 import S3Store

    folder = write_config(tmp_path, config_of(storage))
    assert import_state(folder).ok
    probed = open_store(f"{storage}/graphs/atlas.omni")
    assert isinstance(probed, S3Store)
    probed.before_write()
    output = apply(folder)
    assert (output.converged, dispositions(output)["graph.atlas"]) == (True, "applied")


def test_what_a_converged_apply_asks_of_the_store(storage: str, tmp_path: Path, proxy: S3Proxy) -> None:
    folder = write_config(tmp_path, config_of(storage))
    assert import_state(folder).ok
    assert apply(folder).converged
    with proxy.counting() as seen:
        assert apply(folder).converged
    # The lock is put, read and deleted, the ledger read, the sidecars listed; one put is the question whether puts can be
    # conditional.
    assert Counter(request.operation for request in seen) == {"PUT": 2, "GET": 2, "LIST": 1, "DELETE": 1}
    write_config(tmp_path, config_of(storage), atlas_gq=QUERY + "\n")
    with proxy.counting() as seen:
        assert apply(folder).converged
    assert len(seen) <= 10, [str(request) for request in seen]


def test_death_at_every_step_on_a_bucket(
    storage: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a directory, where graphs are made and removed in another way; at every step with ``--slow``."""
    folder = write_config(tmp_path, config_of(storage, TWO))
    assert import_state(folder).ok
    assert apply(folder).converged
    config = config_of(storage, CONFIG.replace("policies:", "  young: { schema: young.pg }\npolicies:"))
    write_config(tmp_path, config, atlas_pg=WIDER, young_pg=SCHEMA, atlas_gq=QUERY + "// edited\n")
    assert approve(folder, "graph.old", "ines").ok
    store = open_store(storage)
    start = {key: store.get(key) for key in keys_of(storage)}

    def restore() -> None:
        for key in keys_of(storage):
            if key not in start:
                store.delete(key)
        for key, data in start.items():
            store.put(key, data)

    def outcome() -> tuple[object, ...]:
        found = json.loads(store.get("__cluster/state.json"))
        graphs = {}
        for graph_id in ("atlas", "young"):
            with open_graph(f"{storage}/graphs/{graph_id}.omni") as graph:
                graphs[graph_id] = (graph.schema_source(), len(graph.commits()))
        texts = [key for key in keys_of(storage) if "resources" in key or "recoveries" in key or "graphs/old" in key]
        return found["applied_revision"], found["resource_statuses"], sorted(found["approval_records"]), graphs, texts

    fate = Fate(None, False)
    usual = fated_apply(folder, fate)
    assert usual is not None
    assert usual.converged, usual.diagnostics
    expected = outcome()
    every = range(1, len(fate.steps) + 1)
    for die_at in every if request.config.getoption("--slow") else every[3::6]:
        for after in (False, True):
            restore()
            assert fated_apply(folder, Fate(die_at, after)) is None
            with contextlib.suppress(ObjectMissing):
                assert force_unlock(folder, json.loads(store.get("__cluster/lock.json"))["lock_id"]).lock_removed
            output = apply(folder, "ines")
            assert output.converged, output.diagnostics
            assert outcome() == expected, fate.steps[die_at - 1]
