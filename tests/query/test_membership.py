"""Numbers are found in long lists by value, however they are looked up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from omnigraph.query.membership import _number_in


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("count", [3, 40, 2_000])
def test_numbers_in_a_list(dtype: type, count: int) -> None:
    random = np.random.default_rng(count)
    if np.issubdtype(dtype, np.floating):
        values = random.normal(size=20_000).astype(dtype)
        values[:4] = [0.0, -0.0, math.nan, math.inf]
        extra: list[float] = [-0.0, math.nan, math.inf, 1e300]
    else:
        values = random.integers(0, np.iinfo(dtype).max, 20_000, dtype)
        extra = [-1, 2**63, 0.5]
    sought = [*values[5 : 5 + count].tolist(), *extra]
    expected = [value in set(sought) and value == value for value in values.tolist()]
    assert _number_in(values, sought).tolist() == expected
    assert sum(expected) >= count
