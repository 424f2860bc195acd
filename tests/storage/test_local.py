import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omnigraph.errors import StorageError
from omnigraph.storage import local
from omnigraph.storage.local import LocalStore
from omnigraph.storage.objects import ObjectChanged, ObjectExists, ObjectMissing


@pytest.fixture(params=["unnamed", "named"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "root")
    if request.param == "named":
        made._unnamed_files = False
    return made


def test_an_object_is_what_was_put(store: LocalStore) -> None:
    store.put_new("log/main/0", b"first")
    assert store.get("log/main/0") == b"first"
    assert store.exists("log/main/0")
    assert not store.exists("log/main/1")
    assert store.get_range("log/main/0", 1, 3) == b"irs"


def test_a_second_put_is_refused_and_changes_nothing(store: LocalStore) -> None:
    store.put_new("a/b", b"one")
    with pytest.raises(ObjectExists):
        store.put_new("a/b", b"two")
    assert store.get("a/b") == b"one"
    assert [item.key for item in store.list("a/")] == ["a/b"], "no temporary file is left"


def test_what_is_missing_says_its_key(store: LocalStore) -> None:
    with pytest.raises(ObjectMissing, match="nowhere/x"):
        store.get("nowhere/x")
    with pytest.raises(ObjectMissing):
        store.get_range("nowhere/x", 0, 1)
    store.delete("nowhere/x")


def test_a_range_past_the_end_is_an_error(store: LocalStore) -> None:
    store.put_new("a/b", b"0123")
    with pytest.raises(StorageError, match="ends before byte 9"):
        store.get_range("a/b", 2, 7)


def test_put_replaces(store: LocalStore) -> None:
    store.put("hint", b"1", durable=True)
    store.put("hint", b"2")
    assert store.get("hint") == b"2"
    store.delete("hint")
    assert not store.exists("hint")


def test_of_many_writers_one_succeeds(store: LocalStore) -> None:
    outcomes: list[int] = []
    gate = threading.Barrier(8)

    def write(number: int) -> None:
        gate.wait()
        try:
            store.put_new("log/main/7", str(number).encode() * 1000)
        except ObjectExists:
            return
        outcomes.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert store.get("log/main/7") == str(outcomes[0]).encode() * 1000


def test_listing_walks_below_a_prefix(store: LocalStore) -> None:
    for key in ("t/a/1", "t/a/2", "t/b/c/3", "u/4"):
        store.put_new(key, b"xx")
    assert sorted(item.key for item in store.list("t/")) == ["t/a/1", "t/a/2", "t/b/c/3"]
    assert sorted(item.key for item in store.list("")) == ["t/a/1", "t/a/2", "t/b/c/3", "u/4"]
    assert {item.size_bytes for item in store.list("t/")} == {2}
    assert list(store.list("none/")) == []


def test_a_root_that_was_removed_and_made_again_can_be_written(store: LocalStore) -> None:
    store.put_new("log/main/0", b"old")
    os.unlink(store.path("log/main/0"))
    os.rmdir(store.path("log/main"))
    store.put_new("log/main/0", b"new")
    assert store.get("log/main/0") == b"new"


def test_many_directories_do_not_use_up_handles(store: LocalStore) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        store.put_new(f"d{number}/x", b"1")
    assert len(os.listdir("/proc/self/fd")) <= before + 64
    store.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StorageError, match="storage: writing 'log/main/0'"):
        LocalStore(blocked).put_new("log/main/0", b"x")


@pytest.mark.parametrize("fsync", [True, False])
def test_a_put_syncs_the_file_and_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: bool) -> None:
    store = LocalStore(tmp_path, fsync=fsync)
    store.put_new("log/main/0", b"x")
    calls = {"fdatasync": 0, "fsync": 0}
    real_data, real = os.fdatasync, os.fsync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.__setitem__("fdatasync", calls["fdatasync"] + 1), real_data(fd))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.__setitem__("fsync", calls["fsync"] + 1), real(fd))[1])
    store.put_new("log/main/1", b"y")
    assert calls == ({"fdatasync": 1, "fsync": 1} if fsync else {"fdatasync": 0, "fsync": 0})


def test_of_many_replacements_of_one_content_exactly_one_succeeds(tmp_path: Path) -> None:
    stores = [LocalStore(tmp_path) for _ in range(8)]
    stores[0].put_new("a/state", b"0")

    def replace(number: int) -> bool:
        try:
            stores[number].replace("a/state", str(number).encode() * 9, expected=b"0")
        except ObjectChanged:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(replace, range(8)))
    assert won.count(True) == 1
    assert stores[0].get("a/state") == str(won.index(True)).encode() * 9
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["state"]


def test_what_is_not_there_is_not_replaced(tmp_path: Path) -> None:
    for key in ("state", "a/state"):
        with pytest.raises(ObjectChanged):
            LocalStore(tmp_path).replace(key, b"1", expected=b"0")
    assert not list(tmp_path.iterdir())


def test_a_file_that_vanishes_is_no_obstacle_to_syncing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    for name in ("a", "b", "c"):
        store.put(f"tables/t/{name}", b"x")
    real = local._sync_path
    synced = []

    def sync(path: str) -> None:
        (tmp_path / "tables" / "t" / "b").unlink(missing_ok=True)
        real(path)
        synced.append(Path(path).name)

    monkeypatch.setattr(local, "_sync_path", sync)
    store.sync_tree("tables/t", 0)
    assert {"a", "c", "t"} <= set(synced)
