from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.loads import load
from omnigraph.errors import ConstraintViolation
from omnigraph.graph.duplicates import first_duplicate, last_of_each_id


def ruled(code: str, **data: Any) -> dict[str, Any]:
    return {"type": "Ruled", "data": {"code": code, **data}}


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    (
        [ruled("a", mail="m"), ruled("b"), ruled("c", mail="m")],
        "@unique violation on Ruled.mail: value 'm' appears in rows 0 and 2",
    ),
    (
        [ruled("a", first="x,", last="y"), ruled("b", first="x,", last="y")],
        "@unique violation on Ruled.(first, last): value '(x,, y)' appears in rows 0 and 1",
    ),
    (
        [{"edge": "Knows", "from": "a", "to": "b"}, {"edge": "Knows", "from": "b", "to": "a"}] * 2,
        "@unique violation on Knows.(src, dst): value '(a, b)' appears in rows 0 and 2",
    ),
    (
        [{"type": "Pair", "data": {"num": 1, "region": "eu"}}] * 2,
        "@unique violation on Pair.(num, region): value '(1, eu)' appears in rows 0 and 1",
    ),
    (
        [{"type": "Keyed", "data": {"key": 0.0}}, {"type": "Keyed", "data": {"key": -0.0}}],
        "@unique violation on Keyed.key: value '0' appears in rows 0 and 1",
    ),
    (
        [{"type": "Dated", "data": {"day": 1}}] * 2,
        "@unique violation on Dated.day: value '1' appears in rows 0 and 1",
    ),
]


@pytest.mark.parametrize(("records", "text"), REFUSED)
@pytest.mark.parametrize("mode", ["overwrite", "append", "merge"])
def test_refuses(records: list[dict[str, Any]], text: str, mode: str) -> None:
    with pytest.raises(ConstraintViolation) as caught:
        load([{"type": "Note"}, *records], mode)
    assert text in str(caught.value)


def test_tuples_with_a_null_or_another_border_differ() -> None:
    load([ruled("a", first="x"), ruled("b", first="x"), ruled("c", mail=None), ruled("d")])
    load([ruled("a", first="x|y", last="z"), ruled("b", first="x", last="y|z")])


def test_in_merge_mode_only_rows_that_stay_count() -> None:
    edges = [
        {"edge": "Knows", "from": "a", "to": "b", "data": {"id": "1"}},
        {"edge": "Knows", "from": "a", "to": "b", "data": {"id": "2"}},
        {"edge": "Knows", "from": "a", "to": "c", "data": {"id": "1"}},
    ]
    table = load(edges, "merge").tables["edge:Knows"]
    assert table.table["dst"].to_pylist() == ["b", "c"]
    assert (table.records, table.numbers.tolist()) == (3, [2, 3])
    edges.append({"edge": "Knows", "from": "a", "to": "b", "data": {"id": "3"}})
    with pytest.raises(ConstraintViolation, match="appears in rows 1 and 3"):
        load(edges, "merge")


VALUES = st.none() | st.integers(0, 3)


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=12))
def test_first_duplicate_is_that_of_a_loop(tuples: list[tuple[int | None, ...]]) -> None:
    seen: dict[tuple[int | None, ...], int] = {}
    expected = None
    for place, one in enumerate(tuples):
        if None not in one:
            if one in seen:
                expected = seen[one], place
                break
            seen[one] = place
    columns = [pa.array([one[i] for one in tuples], pa.int64()) for i in range(3)]
    assert first_duplicate(*columns) == expected


@given(st.lists(st.text("abc", max_size=1)))
def test_last_of_each_id(ids: list[str]) -> None:
    kept = last_of_each_id(pa.table({"id": pa.array(ids, pa.string())}))
    expected = sorted({value: place for place, value in enumerate(ids)}.values())
    assert (list(range(len(ids))) if kept is None else kept.tolist()) == expected
