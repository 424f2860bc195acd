from __future__ import annotations

import json
from pathlib import Path

import pytest

from omnigraph.cli.main import main
from omnigraph.cli.maintenance import duration_s
from omnigraph.errors import BadRequest

RECORDS = '{"type":"Person","data":{"name":"p%d"}}\n'


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))
    Path("s.pg").write_text("node Person { name: String @key }\nedge Knows: Person -> Person\n")
    assert main(["init", "--schema", "s.pg", "./g.omni"]) == 0
    for number in range(4):
        Path("d.jsonl").write_text(RECORDS % number)
        assert main(["load", "--data", "d.jsonl", "--mode", "append", "g.omni"]) == 0
    capfdbinary.readouterr()
    return "g.omni"


def run(capfdbinary: pytest.CaptureFixture[bytes], *words: str) -> tuple[int, str, str]:
    status = main(list(words))
    out, err = capfdbinary.readouterr()
    return status, out.decode(), err.decode()


def test_optimize(graph: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, out, _ = run(capfdbinary, "optimize", graph)
    assert status == 0
    assert out == (
        "optimize g.omni — 2 tables\n"
        "  edge:Knows                               no-op\n"
        "  node:Person                              frags 4 → 1 ✓\n"
    )  # fmt: skip
    document = json.loads(run(capfdbinary, "optimize", f"./{graph}", "--json")[1])
    assert document["uri"] == "./g.omni"
    assert document["tables"][1] == {
        "table_key": "node:Person", "fragments_removed": 0, "fragments_added": 0, "committed": False, "skipped": None,
        "manifest_version": None, "lance_head_version": None, "pending_indexes": [],
    }  # fmt: skip


def test_cleanup_checks_in_order(graph: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(capfdbinary, "cleanup", "--keep", "1", "--older-than", "7x")[2].startswith("Error: URI must be provided")
    assert "unknown duration unit 'x'. Supported: s, m, h, d, w" in run(capfdbinary, "cleanup", "gone", "--older-than", "7x")[2]
    status, out, err = run(capfdbinary, "cleanup", "gone")
    assert (status, out) == (1, "") and err.startswith("Error: cleanup requires at least one of --keep or --older-than")
    for words in (["--keep", "3", "--older-than", "7d"], ["--keep", "3", "--older-than", "7d", "--json"]):
        status, out, err = run(capfdbinary, "cleanup", "gone", *words)
        assert (status, out) == (0, "")
        assert err == (
            "cleanup is destructive — rerun with --confirm. Policy for gone: "
            "keep 3 versions, remove anything older than 604800s\n"
        )  # fmt: skip
    assert run(capfdbinary, "cleanup", graph, "--keep=-1")[0] == 2
    assert run(capfdbinary, "cleanup", graph, "--keep", "1.5")[0] == 2
    assert run(capfdbinary, "cleanup", graph, "--keep", "4294967296")[0] == 2
    assert run(capfdbinary, "cleanup", "http://x", "--keep", "1")[0] == 1


def test_cleanup(graph: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    would = run(capfdbinary, "cleanup", graph, "--keep", "2", "--dry-run")[1].splitlines()
    assert would[0].startswith("cleanup g.omni (keep 2 versions) — would remove 3 versions (")
    status, out, err = run(capfdbinary, "cleanup", graph, "--keep", "2", "--confirm", "--json")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert [document[name] for name in ("uri", "keep_versions", "older_than_secs")] == ["g.omni", 2, None]
    assert document["tables"][1]["old_versions_removed"] == 3 and list(document["tables"][0]) == [
        "table_key", "bytes_removed", "old_versions_removed", "error",
    ]  # fmt: skip
    out = run(capfdbinary, "cleanup", graph, "--older-than", " 7d ", "--confirm")[1]
    assert out == "cleanup g.omni (remove anything older than 604800s) — removed 0 versions (0 bytes) across 2 tables\n"


def test_repair(graph: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    healthy = "  edge:Knows                               no_op        no_drift               1\n"
    status, out, _ = run(capfdbinary, "repair", graph)
    assert status == 0
    assert out.startswith(f"repair g.omni — preview mode, 2 tables\n{healthy}")
    assert out.endswith("\nrerun with --confirm to publish verified maintenance drift\n")
    assert run(capfdbinary, "repair", graph, "--force")[0] == 2
    run(capfdbinary, "optimize", graph)
    for path in Path(graph).glob("tables/*/data/*"):
        path.unlink()
    status, out, err = run(capfdbinary, "repair", graph, "--confirm", "--json")
    assert status == 1
    assert json.loads(out)["tables"][1]["action"] == "refused"
    assert err.startswith(
        "Error: repair refused 1 suspicious or unverifiable table(s); review the preview output and rerun with --force "
        "--confirm only if publishing that drift is intentional\n"
    )
    assert run(capfdbinary, "repair", "gone")[0] == 1


def test_durations() -> None:
    assert [duration_s(text) for text in ("90", "30s", "15m", "12h", "7d", "2w", " 1h ")] == [
        90, 30, 900, 43_200, 604_800, 1_209_600, 3_600,
    ]  # fmt: skip
    for text, words in {"10ms": "invalid duration '10ms'", "abc": "invalid duration 'abc'", "": "duration is empty"}.items():
        with pytest.raises(BadRequest, match=words):
            duration_s(text)
