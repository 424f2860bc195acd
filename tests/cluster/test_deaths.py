"""Whatever an apply was doing when it died, the next one comes to the same end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.worlds import CONFIG, QUERY, SCHEMA, TWO, WIDER, codes, ledger, write_config
from omnigraph.cluster import engine, parallel
from omnigraph.cluster import root as root_module
from omnigraph.cluster.apply import apply
from omnigraph.cluster.approve import approve
from omnigraph.cluster.observe import import_state
from omnigraph.cluster.status import force_unlock
from omnigraph.graph import graph as graph_module
from omnigraph.graph.graph import open_graph
from omnigraph.graph.upkeep import Upkeep
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.root import open_store
from omnigraph.wire.cluster import ApplyOutput
from support.faulty import FaultyStore, Killed

NEXT = CONFIG.replace("policies:", "  young: { schema: young.pg, queries: atlas.gq }\npolicies:").replace(
    "applies_to: [atlas]", "applies_to: [atlas, young]"
)


class Watch(FaultyStore):
    """One of several stores of a process that dies at its n-th change, counted over all of them."""

    def __init__(self, inner: ObjectStore, fate: Fate) -> None:
        super().__init__(inner)
        self._fate = fate

    def _alive(self) -> None:
        self._fate.alive()

    def _changing(self, name: str, call: Callable[[], Any]) -> None:
        self._fate.step(name, call)


class Fate:
    def __init__(self, die_at: int | None, after: bool) -> None:
        self.die_at, self.after = die_at, after
        self.steps: list[str] = []
        self.dead = False

    def alive(self) -> None:
        if self.dead:
            raise Killed

    def step(self, name: str, call: Callable[[], Any]) -> Any:
        self.alive()
        self.steps.append(name)
        dies = self.die_at == len(self.steps)
        if dies and not self.after:
            self.dead = True
            raise Killed(name)
        try:
            return call()
        finally:
            if dies:
                self.dead = True
                raise Killed(name)


def fated_apply(folder: str, fate: Fate) -> ApplyOutput | None:
    """Apply in a process that dies at a step, as far as one process can play that; None when it did."""
    rmtree, rename = shutil.rmtree, Path.rename

    def watched(uri: str, **_: bool) -> ObjectStore:
        return Watch(open_store(uri, fsync=False), fate)

    with pytest.MonkeyPatch.context() as patch:
        for module in (root_module, graph_module, engine):
            patch.setattr(module, "open_store", watched)
        patch.setattr(Upkeep, "after_commit", lambda *_: None)  # folds in a thread of its own
        patch.setattr(parallel, "THREADS_MAX", 1)
        patch.setattr(engine.shutil, "rmtree", lambda path, **more: fate.step("rmtree", lambda: rmtree(path, **more)))
        patch.setattr(Path, "rename", lambda path, to: fate.step(f"rename {to}", lambda: rename(path, to)))
        try:
            return apply(folder, "ines")
        except Killed:
            return None


def outcome(folder: str) -> tuple[Any, ...]:
    """What must come out the same: entries, statuses, texts, live schemas, and what was approved."""
    found = ledger(Path(folder))
    schemas = {}
    for path in sorted(Path(folder, "graphs").glob("[!~]*.omni")):
        with open_graph(str(path)) as graph:
            schemas[path.name] = (graph.schema_source(), len(graph.commits()))
    resources = Path(folder, "__cluster/resources")
    texts = {str(path.relative_to(resources)): path.read_bytes() for path in resources.rglob("*") if path.is_file()}
    return (
        found["applied_revision"],
        found["resource_statuses"],
        {where: seen["kind"] for where, seen in found["observations"].items()},
        sorted(found["approval_records"]),
        schemas,
        texts,
        [path.name for path in Path(folder, "__cluster/recoveries").glob("*.json")],
    )


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything at once: a graph to make, one to change, one to remove, a query and bindings to change."""
    folder = tmp_path_factory.mktemp("deaths") / "geo"
    write_config(folder, TWO, old_pg=SCHEMA)
    assert import_state(str(folder)).ok
    assert apply(str(folder)).converged
    write_config(folder, NEXT, atlas_pg=WIDER, young_pg=SCHEMA, atlas_gq=QUERY + "// edited\n")
    assert approve(str(folder), "graph.old", "ines").ok
    return folder


def copied(start: Path, to: Path) -> str:
    shutil.copytree(start, to)
    return str(to)


def converge(folder: str) -> None:
    lock = Path(folder, "__cluster/lock.json")
    if lock.exists():
        import json

        assert force_unlock(folder, json.loads(lock.read_text())["lock_id"]).lock_removed
    output = apply(folder, "ines")
    assert output.ok, output.diagnostics
    assert output.converged, output.diagnostics
    assert apply(folder).state_written is False


def test_death_at_every_step(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    usual = copied(start, tmp_path / "usual")
    fate = Fate(None, False)
    assert fated_apply(usual, fate)
    steps = fate.steps
    expected = outcome(usual)
    assert len(expected[4]) == 2
    assert {step.partition(" ")[0] for step in steps} >= {"put_new", "put", "replace", "delete", "rename", "rmtree"}
    for die_at in range(1, len(steps) + 1):
        for after in (False, True):
            folder = copied(start, tmp_path / f"{die_at}-{after}")
            assert fated_apply(folder, Fate(die_at, after)) is None, "it was to die"
            converge(folder)
            assert outcome(folder) == expected, steps[die_at - 1]
            leftover = [path.name for path in Path(folder, "graphs").iterdir() if path.name.startswith("~tmp-")]
            assert leftover == [], steps[die_at - 1]
            shutil.rmtree(folder)


def test_an_error_at_every_step_is_no_false_success(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store refuses one change and goes on: what is reported is what is on record, and the next apply converges."""
    from omnigraph.errors import StorageError

    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    usual = copied(start, tmp_path / "usual")
    fate = Fate(None, False)
    assert fated_apply(usual, fate)
    count = len(fate.steps)
    expected = outcome(usual)

    class Refusing(Fate):
        def step(self, name: str, call: Callable[[], Any]) -> Any:
            self.steps.append(name)
            if len(self.steps) == self.die_at:
                raise OSError(5, "Input/output error") if name.startswith(("rmtree", "rename")) else StorageError("refused")
            return call()

    for refused in range(1, count + 1):
        folder = copied(start, tmp_path / f"{refused}")
        before = ledger(Path(folder))
        output = fated_apply(folder, Refusing(refused, False))
        assert output is not None
        assert output.state_written == (ledger(Path(folder)) != before)
        assert output.ok or not output.converged or output.state_written
        assert output.state_written or not output.ok
        converge(folder)
        assert outcome(folder) == expected
        shutil.rmtree(folder)


def test_kill_9(start: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A real process, really killed, at moments spread over its run; at each of them with ``--slow``."""
    code = textwrap.dedent(
        """
        import sys, time
        from omnigraph.cluster import apply as module, engine, movement, catalog
        from omnigraph.storage import local
        put_new, put, replace = local.LocalStore.put_new, local.LocalStore.put, local.LocalStore.replace
        def slow(call):
            def run(*words, **more):
                print("step", flush=True)
                time.sleep(0.01)
                result = call(*words, **more)
                time.sleep(0.01)
                return result
            return run
        for name in ("put_new", "put", "replace", "delete"):
            setattr(local.LocalStore, name, slow(getattr(local.LocalStore, name)))
        module.apply(sys.argv[1], "ines")
        print("done", flush=True)
        """
    )
    usual = copied(start, tmp_path / "usual")
    assert apply(usual, "ines").converged
    expected = outcome(usual)
    for steps in range(1, 30) if request.config.getoption("--slow") else (2, 5, 9, 13, 17):
        folder = copied(start, tmp_path / str(steps))
        process = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(steps):
            if process.stdout.readline() == "done\n":
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        converge(folder)
        assert outcome(folder) == expected


def run_cli(folder: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from omnigraph.cli.main import main; sys.exit(main())",
            "cluster",
            *words,
            "--config",
            folder,
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMNIGRAPH_HOME": folder},
    )


def test_two_appliers_at_once(start: Path, tmp_path: Path) -> None:
    """One does everything, the other is told who holds the lock, or finds nothing left to do."""
    import json

    folder = copied(start, tmp_path / "geo")
    outputs = [json.loads(process.communicate()[0]) for process in [run_cli(folder, "apply", "--as", "x") for _ in range(2)]]
    assert any(output["converged"] and output["state_written"] for output in outputs)
    for output in outputs:
        assert output["ok"] or [one["code"] for one in output["diagnostics"]] == ["state_lock_held"]
    assert sum(output["state_written"] for output in outputs) == 1
    assert ledger(Path(folder))["state_revision"] == ledger(start)["state_revision"] + 1
    assert not Path(folder, "__cluster/lock.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_lock_back(start: Path, tmp_path: Path, number: signal.Signals) -> None:
    code = textwrap.dedent(
        """
        import sys, time
        from omnigraph.cli.main import main
        from omnigraph.cluster import movement
        create = movement.engine.create
        def slow(*words):
            print("creating", flush=True)
            time.sleep(1)
            return create(*words)
        movement.engine.create = slow
        sys.exit(main(["cluster", "apply", "--as", "x", "--config", sys.argv[1]]))
        """
    )
    folder = copied(start, tmp_path / "geo")
    process = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "creating\n"
    time.sleep(0.1)
    process.send_signal(number)
    printed = process.stdout.read()
    assert process.wait() == 128 + number
    assert "ERROR interrupted" in printed
    assert "schema_apply_skipped" in printed
    assert not Path(folder, "__cluster/lock.json").exists()
    assert not list(Path(folder, "__cluster/recoveries").glob("*.json")), "what was made is on record"
    assert "graph.young" in ledger(Path(folder))["applied_revision"]["resources"]
    output = apply(folder, "ines")
    assert "approval_stale" not in codes(output)
    assert output.converged
