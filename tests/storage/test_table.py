"""Lance bases against a plain list of rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from omnigraph.storage import table as tables
from omnigraph.storage.local import LocalStore
from omnigraph.storage.table import LanceTable, create_table, extend_table, index_table

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("x", pa.int64()),
        pa.field("day", pa.date32()),
        pa.field("at", pa.date64()),
        pa.field("f", pa.float64()),
        pa.field("tags", pa.list_(pa.field("item", pa.string()))),
    ]
)


def rows(start: int, count: int) -> pa.Table:
    numbers = np.arange(start, start + count)
    return pa.table(
        {
            "id": [f"r{n:06d}" for n in numbers],
            "x": numbers,
            "day": pa.array((numbers - 50).astype("int32")).cast(pa.date32()),
            "at": pa.array((numbers - 5) * 1001).cast(pa.date64()),
            "f": numbers / 7,
            "tags": [[f"t{n % 3}"] if n % 2 else None for n in numbers],
        },
        schema=SCHEMA,
    )


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def make(store: LocalStore, count: int) -> LanceTable:
    base = LanceTable(store, "T", create_table(store, "T", rows(0, count), SCHEMA))
    return LanceTable(store, "T", index_table(base, store, ["id"]))


@pytest.mark.parametrize("count", [10, 5000])
def test_a_new_table_is_found_and_read(store: LocalStore, count: int) -> None:
    base = make(store, count)
    assert (base.rows, base.slots, base.live()) == (count, count, None)
    assert base.has_index("id") == (count >= tables.INDEX_ROWS_MIN)
    slots, found = base.find("id", ["r000007", "r000003", "it's not there"], ["x"])
    assert slots.tolist() == [3, 7]
    assert found.column("x").to_pylist() == [3, 7]
    assert base.take(np.array([5, 1, 5]), ["id", "x"]).to_pydict() == {"id": ["r000005", "r000001", "r000005"], "x": [5, 1, 5]}


@pytest.mark.parametrize(
    ("column", "value", "slot"), [("x", 5, 5), ("day", -47, 3), ("day", 2, 52), ("at", -5005, 0), ("f", 3 / 7, 3)]
)
def test_every_kind_of_value_is_found(store: LocalStore, column: str, value: object, slot: int) -> None:
    base = make(store, 60)
    assert base.find(column, [value])[0].tolist() == [slot]


def test_a_column_that_the_table_lacks_is_null(store: LocalStore) -> None:
    base = make(store, 4)
    assert base.read(["id", "later"]).column("later").null_count == 4
    assert base.take(np.array([1]), ["later"]).to_pydict() == {"later": [None]}
    assert base.find("id", ["r000001"], ["later"])[1].to_pydict() == {"later": [None]}
    assert base.find("later", ["x"])[0].tolist() == []


def test_an_extended_table_keeps_the_slots_of_what_stays(store: LocalStore) -> None:
    base = make(store, 5000)
    added = pa.table({"id": ["r000003", "new"], "x": [-3, -1]})
    after = LanceTable(store, "T", extend_table(base, store, added, np.array([3, 10])))
    assert (after.rows, after.slots) == (5000, 5002)
    live = after.live()
    assert live is not None and not live[3] and not live[10] and live[5000]
    assert after.find("id", ["r000003", "new", "r000010"], ["x"])[1].column("x").to_pylist() == [-3, -1]
    read = after.read(["id", "x"])
    assert read.column("id")[3].as_py() is None
    assert read.column("id")[4].as_py() == "r000004"
    assert after.has_index("id")
    assert base.find("id", ["r000003"], ["x"])[1].column("x").to_pylist() == [3], "the version before is untouched"


def test_many_extensions_stay_few_fragments_and_right(store: LocalStore) -> None:
    base = make(store, 5000)
    expected = {f"r{n:06d}": n for n in range(5000)}
    for turn in range(40):
        dead_ids = [f"r{turn * 20 + k:06d}" for k in range(3)] + ([f"n{turn - 1}-0"] if turn else [])
        slots, _ = base.find("id", dead_ids)
        for row_id in dead_ids:
            del expected[row_id]
        added = {f"n{turn}-{k}": turn * 10 + k for k in range(5)}
        expected |= added
        table = pa.table({"id": list(added), "x": list(added.values())})
        base = LanceTable(store, "T", extend_table(base, store, table, slots))
    assert base.rows == len(expected)
    assert len(base.dataset().get_fragments()) <= tables.SMALL_FRAGMENTS_MAX + 2
    live = base.read(["id", "x"]).filter(pa.array(base.live()))
    assert dict(zip(live.column("id").to_pylist(), live.column("x").to_pylist(), strict=True)) == expected
    again = LanceTable(store, "T", index_table(base, store, ["id"], thorough=True))
    probe = ["n39-0", "n0-0", "n0-1", "r004999", "r000000"]
    assert sorted(again.find("id", probe, ["x"])[1].column("x").to_pylist()) == sorted(
        expected[row_id] for row_id in probe if row_id in expected
    )


def test_two_extensions_of_one_version_do_not_disturb_each_other(store: LocalStore) -> None:
    base = make(store, 5000)
    one = LanceTable(store, "T", extend_table(base, store, pa.table({"id": ["a"], "x": [1]}), np.array([0])))
    two = LanceTable(store, "T", extend_table(base, store, pa.table({"id": ["b"], "x": [2]}), np.array([1])))
    one = LanceTable(store, "T", index_table(one, store, ["id"], thorough=True))
    assert one.find("id", ["a", "b", "r000000", "r000001"], ["x"])[1].column("x").to_pylist() == [1, 1]
    assert two.find("id", ["a", "b", "r000000", "r000001"], ["x"])[1].column("x").to_pylist() == [0, 2]


def test_all_rows_may_go(store: LocalStore) -> None:
    base = make(store, 20)
    empty = LanceTable(store, "T", extend_table(base, store, SCHEMA.empty_table(), np.arange(20)))
    assert empty.rows == 0
    assert empty.read(["id"]).num_rows == empty.slots
    assert empty.find("id", ["r000001"])[0].tolist() == []


def test_a_missing_table_is_a_storage_error(store: LocalStore) -> None:
    with pytest.raises(Exception, match="storage: opening a table failed"):
        _ = LanceTable(store, "none", "1").rows
