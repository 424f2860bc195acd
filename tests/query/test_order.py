"""The first rows in order, against sorting everything."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Constant
from omnigraph.query.output.order import first_rows, sort_keys, text_ranks
from omnigraph.query.vectors import Fixed

KEY = Constant(1, PropertyType(Scalar.I64))
CELLS = st.lists(st.tuples(st.none() | st.integers(-3, 3), st.integers(0, 2)), max_size=40)


@given(CELLS, st.booleans(), st.booleans(), st.none() | st.integers(0, 45))
def test_first_rows_are_those_of_a_full_sort(
    cells: list[tuple[int | None, int]], down: bool, second_down: bool, count: int | None
) -> None:
    valid = np.array([first is not None for first, _ in cells], np.bool_)
    first = Fixed(np.array([0 if value is None else value for value, _ in cells], np.int64), valid, KEY.type)
    second = Fixed(np.array([value for _, value in cells], np.int64), None, KEY.type)
    keys = [*sort_keys(first, KEY, descending=down), *sort_keys(second, KEY, descending=second_down)]
    ids = np.random.default_rng(len(cells)).permutation(len(cells))
    asked: list[int] = []

    def tie(positions: np.ndarray) -> np.ndarray:
        asked.append(len(positions))
        return ids[positions]

    found = first_rows(keys, [tie], len(cells), count).tolist()
    expected = sorted(range(len(cells)), key=lambda at: ids[at])
    expected.sort(key=lambda at: cells[at][1], reverse=second_down)
    expected.sort(key=lambda at: (-1 if cells[at][0] is None else 0, cells[at][0] or 0), reverse=down)
    assert found == expected[: len(cells) if count is None else count]


def test_ids_are_asked_for_only_where_rows_tie() -> None:
    asked: list[int] = []

    def tie(positions: np.ndarray) -> np.ndarray:
        asked.append(len(positions))
        return positions

    values = np.arange(100_000) // 2
    found = first_rows([values], [tie], len(values), 5)
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert sum(asked) <= 10


def test_texts_order_bytewise_with_null_first() -> None:
    for repeat in (1, 40):
        texts = ["b", None, "a", "B", "ä", "aa", "\U0001f600", "\uffff", ""] * repeat
        ranks = text_ranks(pa.array(texts, pa.string())).tolist()
        expected = {text: place for place, text in enumerate(sorted({text for text in texts if text is not None}))}
        assert ranks == [-1 if text is None else expected[text] for text in texts]


def test_wide_integers_turn_around_without_wrapping() -> None:
    values = Fixed(np.array([-(2**63), 2**63 - 1, 0]), None, KEY.type)
    assert first_rows(sort_keys(values, KEY, descending=True), [], 3, None).tolist() == [1, 2, 0]
    unsigned = Fixed(np.array([0, 2**64 - 1, 5], np.uint64), None, KEY.type)
    assert first_rows(sort_keys(unsigned, KEY, descending=True), [], 3, None).tolist() == [1, 2, 0]
