"""Copies of small tables: the same answers as from the store, gone when they are not needed, done without where they cannot be."""

import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from omnigraph.errors import HistoryReclaimed
from omnigraph.storage import mirror
from omnigraph.storage import table as tables
from omnigraph.storage.local import LocalStore
from omnigraph.storage.names import reclaimed_key
from omnigraph.storage.table import LanceTable, create_table, extend_table, index_table
from omnigraph.storage.table_files import manifest_of

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("x", pa.int64())])


class FarStore(LocalStore):
    """A directory that claims to be far away, and tells what was fetched from it."""

    is_remote = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[list[str]] = []

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self.fetched.append([key.rpartition("/")[2].rpartition(".")[2] for key in keys])
        return super().get_many(keys)


@pytest.fixture
def store(tmp_path: Path) -> FarStore:
    return FarStore(tmp_path)


@pytest.fixture
def version(store: FarStore) -> str:
    """A table of 6,000 rows with an index; ten are deleted and a hundred are outside the index."""
    numbers = np.arange(6_000)
    made = create_table(store, "T", pa.table({"id": [f"r{n}" for n in numbers], "x": numbers}, schema=SCHEMA), SCHEMA)
    indexed = LanceTable(store, "T", index_table(LanceTable(store, "T", made), store, ["id"]))
    added = pa.table({"id": [f"n{n}" for n in range(100)], "x": range(100)}, schema=SCHEMA)
    return extend_table(indexed, store, added, np.arange(10))


def scratch() -> list[str]:
    assert mirror._directory is not None
    return os.listdir(mirror._directory[1])


def test_a_lookup_is_two_round_trips(store: FarStore, version: str) -> None:
    base = LanceTable(store, "T", version, rows=6_090)
    slots, found = base.find("id", ["r77", "n5", "r3", "none"], ["x"])
    assert (slots.tolist(), found.column("x").to_pylist()) == ([77, 6_005], [77, 5])
    assert base.has_index("id")
    manifest, files = store.fetched
    assert manifest == ["manifest"] and sorted(files) == ["arrow", "lance", "lance", "lance", "lance"]


def test_copies_and_the_store_give_the_same_answers(store: FarStore, version: str) -> None:
    far, near = LanceTable(store, "T", version), LanceTable(store, "T", version, rows=6_090)
    assert (far.rows, far.slots, far.pieces) == (near.rows, near.slots, near.pieces) == (6_090, 6_100, 2)
    assert far.schema == near.schema
    live = near.live()
    assert live is not None and (live == far.live()).all()
    assert far.read(["x", "id"]) == near.read(["x", "id"])
    assert far.take(np.array([6_050, 20]), ["id"]) == near.take(np.array([6_050, 20]), ["id"])
    assert pa.Table.from_batches(far.batches()) == pa.Table.from_batches(near.batches())
    assert near._is_mirrored and not far._is_mirrored


def test_what_is_copied_can_be_extended(store: FarStore, version: str) -> None:
    base = LanceTable(store, "T", version, rows=6_090)
    base.read(["id"])
    newer = LanceTable(store, "T", extend_table(base, store, SCHEMA.empty_table(), np.array([50])), rows=6_089)
    assert newer.rows == 6_089
    assert newer.find("id", ["r50"])[0].tolist() == [] and newer.find("id", ["r51"])[0].tolist() == [51]


@pytest.mark.parametrize("reason", ["large", "many", "no room", "no disk"])
def test_a_table_is_read_where_it_is(
    reason: str, store: FarStore, version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = 6_090
    if reason == "large":
        monkeypatch.setattr(tables, "MIRRORED_BYTES_MAX", 100_000)
    elif reason == "many":
        rows = mirror.MIRRORED_ROWS_MAX + 1
    elif reason == "no room":
        monkeypatch.setattr(mirror, "_TOTAL_BYTES_MAX", mirror._total_bytes + 10_000)
    else:
        monkeypatch.setattr(mirror, "_directory", (os.getpid(), str(tmp_path / "missing")))
    base = LanceTable(store, "T", version, rows=rows)
    assert base.find("id", ["r77"], ["x"])[1].column("x").to_pylist() == [77]
    assert not base._is_mirrored


def test_what_cleanup_removed_is_told(store: FarStore, version: str) -> None:
    store.put(reclaimed_key("T", version), b"")
    store.delete(manifest_of(("T", version)))
    with pytest.raises(HistoryReclaimed):
        LanceTable(store, "T", version, rows=6_090).find("id", ["r77"])


def test_copies_go_with_those_who_read_them(store: FarStore, version: str) -> None:
    gc.collect()
    base = LanceTable(store, "T", version, rows=6_090)
    base.read(["id"])
    before, used = scratch(), mirror._total_bytes
    del base
    gc.collect()
    assert len(scratch()) == len(before) - 1
    assert mirror._total_bytes < used


def test_directories_of_processes_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """if True:
        import os, sys, time
        from omnigraph.storage import mirror
        print(mirror._scratch(), flush=True)
        sys.stdin.readline()
        os._exit(9)
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(mirror, "_FRESH_S", -1.0)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        path = Path(process.stdout.readline().strip())
        mirror._sweep()
        assert path.parent == tmp_path and path.is_dir()
        process.stdin.close()
    assert path.is_dir()
    mirror._sweep()
    assert not path.exists()
