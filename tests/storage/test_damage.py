from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

import omnigraph
from omnigraph.errors import CorruptObject, OmnigraphError, StorageError
from omnigraph.storage import record
from omnigraph.storage.table_failure import guarded

SCHEMA = "node Person { name: String @key  age: I32? }\nedge Knows: Person -> Person\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "g.omni"
    with omnigraph.init(path, SCHEMA) as graph:
        graph.mutate('query q() { insert Person { name: "Ida", age: 3 } insert Person { name: "Jon" } }', actor="ann")
    return path


def test_a_flipped_byte_of_a_record_does_not_take_the_process_down(written: Path, tmp_path: Path) -> None:
    """Nothing is said about what is read: records have no checksum, so a byte inside a value passes."""
    copy = tmp_path / "g.omni"
    shutil.copytree(written, copy)
    record = copy / "log" / "main" / f"{1:020}"
    whole = record.read_bytes()
    for place in range(0, len(whole), 7):
        record.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            with omnigraph.open(copy) as graph:
                graph.query("query q() { match { $p: Person } return { $p.name, $p.age } }").rows()
        except (OmnigraphError, KeyError):
            continue


def test_moments_are_no_damage(tmp_path: Path) -> None:
    """They are kept as `date64`, which Arrow holds to be whole days when it is asked to look closely."""
    rows = [{"type": "Visit", "data": {"id": "a", "at": "2024-05-06T07:08:09.123Z", "also": ["2024-05-06T07:08:09Z"]}}]
    with omnigraph.init(tmp_path / "g.omni", "node Visit { at: DateTime?  also: [DateTime]? }") as graph:
        graph.load(rows, "append")
    with omnigraph.open(tmp_path / "g.omni") as graph:
        found = graph.query("query q() { match { $v: Visit } return { $v.at as at, $v.also as also } }").rows()
    assert found == [{"at": "2024-05-06T07:08:09.123Z", "also": ["2024-05-06T07:08:09.000Z"]}]


def test_text_that_is_no_utf8_is_damage() -> None:
    ref = msgspec.msgpack.encode({"format": 1, "nonce": "main"})
    with pytest.raises(CorruptObject, match="object 'refs/main' is damaged") as refused:
        record.decode(ref.replace(b"main", b"ma\x91n"), record.Ref, "refs/main")
    assert refused.value.hint == "run `omnigraph repair` to see what is affected"


@pytest.mark.parametrize(
    ("told", "reason", "hint"),
    [
        (
            "LanceError(IO): No space left on device (os error 28), /home/x/lance/src/writer.rs:190:9",
            "device (os error 28)",
            "free",
        ),
        (
            "Not found: g.omni/tables/1.lance, /rustc/48a/library/ops/function.rs:250:5",
            "tables/1.lance",
            "run `omnigraph repair`",
        ),
    ],
)
def test_failures_of_tables_do_not_name_the_library_s_source(told: str, reason: str, hint: str) -> None:
    def fail() -> None:
        raise OSError(told)

    with pytest.raises(StorageError) as refused:
        guarded("writing", fail)
    assert refused.value.message.endswith(reason)
    assert (refused.value.hint or "").startswith(hint)
    assert refused.value.__cause__ is None
