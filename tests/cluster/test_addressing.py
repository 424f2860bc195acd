"""Graphs of a cluster, addressed by maintenance commands, and the layout that ``init`` leaves to ``apply``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.worlds import CONFIG, SCHEMA, TWO, write_config
from omnigraph.cli.addressing import Address, resolve_stored
from omnigraph.cli.grammar import Arguments, UsageError
from omnigraph.cli.main import main
from omnigraph.cli.workspace import Workspace
from omnigraph.cluster.apply import apply
from omnigraph.cluster.observe import import_state
from omnigraph.errors import ClusterStateMissing, GraphNotApplied, InvalidSetting


def resolved(explicit: str | None = None, **options: str) -> Address:
    arguments = Arguments({name.replace("_", "-"): (value,) for name, value in options.items()})
    return resolve_stored(Workspace(arguments), explicit)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    folder = write_config(tmp_path / "geo", f"storage: {tmp_path}/store\n{TWO}")
    assert import_state(folder).ok
    assert apply(folder).converged
    return folder


def test_a_graph_of_a_cluster(two: str, tmp_path: Path) -> None:
    wanted = Address(f"{tmp_path}/store/graphs/old.omni")
    assert resolved(cluster=two, cluster_graph="old") == wanted
    assert resolved(cluster=two, graph="old") == wanted
    assert resolved(cluster=f"{tmp_path}/store", cluster_graph="old") == wanted
    assert resolved(cluster=f"file://{tmp_path}/store", cluster_graph="old") == wanted
    assert resolved("x.omni") == Address("x.omni")


def test_catalog_faults_and_sidecars_do_not_matter(two: str, tmp_path: Path) -> None:
    next((tmp_path / "store").rglob("*.gq")).unlink()
    (tmp_path / "store/__cluster/recoveries/01X.json").write_text("{}")
    assert resolved(cluster=two, cluster_graph="old").uri.endswith("old.omni")


def test_what_is_not_there(two: str, tmp_path: Path) -> None:
    with pytest.raises(GraphNotApplied) as missing:
        resolved(cluster=two, cluster_graph="gone")
    assert missing.value.message == (
        f"graph `gone` is not applied in cluster `{two}` (applied graphs: [atlas, old]); "
        "declare it in cluster.yaml and run `cluster apply`, or check the id"
    )
    with pytest.raises(ClusterStateMissing) as missing:
        resolved(cluster=str(tmp_path), cluster_graph="old")
    assert missing.value.message == f"cluster `{tmp_path}` has no applied state; run `cluster apply` first"
    (tmp_path / "store/__cluster/state.json").write_text("{")
    with pytest.raises(InvalidSetting, match="could not parse state JSON"):
        resolved(cluster=two, cluster_graph="old")


@pytest.mark.parametrize(
    ("explicit", "options", "phrase"),
    [
        (None, {"cluster_graph": "old"}, "required"),
        ("x.omni", {"cluster": ".", "cluster_graph": "old"}, "cannot be used with"),
        (None, {"cluster": ".", "cluster_graph": "old", "target": "t"}, "cannot be used with"),
        (None, {"cluster": "geo"}, "required"),
    ],
)
def test_what_does_not_go_together(two: str, explicit: str | None, options: dict[str, str], phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase) as refused:
        resolved(explicit, **options)
    if "cluster_graph" not in options:
        assert "[atlas, old]" in refused.value.details[-1]
        assert "--cluster-graph" in refused.value.details[0]


def test_the_only_graph_needs_no_name(tmp_path: Path) -> None:
    folder = write_config(tmp_path, CONFIG)
    assert import_state(folder).ok
    assert apply(folder).converged
    assert resolved(cluster=folder) == Address(f"{tmp_path}/graphs/atlas.omni")


def test_init_leaves_the_layout_of_a_cluster_alone(two: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pg").write_text(SCHEMA)
    target = f"{tmp_path}/store/graphs/new.omni"
    for spelled in (target, f"{target}/", f"file://{target}", "store/graphs/new.omni"):
        assert main(["init", "--schema", "a.pg", spelled]) == 1
        told = capsys.readouterr().err
        assert "is inside cluster" in told
        assert "cluster apply" in told
    assert not Path(target).exists()
    assert main(["init", "--schema", "a.pg", f"{tmp_path}/store/graphs/deeper/new.omni"]) == 0
    assert main(["init", "--schema", "a.pg", f"{tmp_path}/elsewhere/graphs/new.omni"]) == 0


def test_maintenance_of_a_graph_of_a_cluster(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["optimize"], ["repair"], ["repair", "--confirm"], ["cleanup", "--keep", "1", "--confirm"]):
        for graph in (["--cluster-graph", "atlas"], ["--graph", "atlas"]):
            assert main([*words, "--cluster", two, *graph]) == 0, words
    assert "graphs/atlas.omni" in capsys.readouterr().out
    assert main(["optimize", "--cluster", two]) == 2
    assert main(["optimize", "x.omni", "--cluster", two, "--cluster-graph", "atlas"]) == 2
    assert main(["optimize", "--cluster", two, "--cluster-graph", "gone"]) == 1
    assert "is not applied in cluster" in capsys.readouterr().err
    assert main(["query", "--cluster", two, "-e", "query q() { match { $c: City } return { $c } }"]) == 2
