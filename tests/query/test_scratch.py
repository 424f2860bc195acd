"""Duplicates removed, counted and grouped, by every way there is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from omnigraph.query.output.grouping import densify, group_codes
from omnigraph.query.scratch import distinct, first_of_each, sums_by, tallied

SIZES = [(0, 10), (1, 10), (5, 10), (200, 100_000), (1_000, 100_000), (5_000, 1_000), (20_000, 100_000)]


@pytest.mark.parametrize(("count", "slots"), SIZES)
def test_distinct_and_tallied(count: int, slots: int) -> None:
    generator = np.random.default_rng(count)
    ordinals = generator.integers(0, max(slots // 3, 1), count).astype(np.int32)
    weights = generator.integers(1, 9, count)
    assert sorted(distinct(ordinals, slots).tolist()) == sorted(set(ordinals.tolist()))
    present, counts = tallied(ordinals, None, slots)
    assert dict(zip(present.tolist(), counts.tolist(), strict=True)) == Counter(ordinals.tolist())
    expected: Counter[int] = Counter()
    for ordinal, weight in zip(ordinals.tolist(), weights.tolist(), strict=True):
        expected[ordinal] += weight
    present, counts = tallied(ordinals, weights, slots)
    assert dict(zip(present.tolist(), counts.tolist(), strict=True)) == expected
    assert (np.diff(present) > 0).all()


def test_sums_are_exact_beyond_doubles() -> None:
    weights = np.array([2**53, 1, 2**53, 1])
    assert sums_by(np.array([0, 0, 1, 1]), weights, 2).tolist() == [2**53 + 1, 2**53 + 1]


@pytest.mark.parametrize("spread", [1, 50, 1 << 40])
@pytest.mark.parametrize("rows", [0, 1, 100, 9_000])
def test_groups_are_dense_whatever_the_values(rows: int, spread: int) -> None:
    values = np.random.default_rng(rows).integers(0, 40, rows) * spread - 7
    grouping = densify(values)
    assert sorted(set(grouping.codes.tolist())) == list(range(grouping.count))
    assert (values[grouping.first][grouping.codes] == values).all()
    pairs = group_codes([values, None, values % 3], rows)
    assert pairs.count == len(set(zip(values.tolist(), (values % 3).tolist(), strict=True)))


def test_first_of_each() -> None:
    assert first_of_each(np.array([3, 1, 3, 2, 1])).tolist() == [1, 2, 3]
    assert first_of_each(np.zeros(0, np.int64)).tolist() == []
