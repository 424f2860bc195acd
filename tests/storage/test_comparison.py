from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnigraph.storage.comparison import compare_numbers

_OPERATORS: dict[Any, Any] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DTYPES = [np.int32, np.int64, np.uint32, np.uint64, np.float32, np.float64]
_EDGES = [0, 1, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64]
_INTEGERS = st.one_of(st.sampled_from([*_EDGES, *(-edge for edge in _EDGES), 10**400]), st.integers(-5, 5))
_FLOATS = st.one_of(
    st.floats(), st.sampled_from([float(edge) for edge in _EDGES]), st.floats(width=32), st.integers(-9, 9).map(lambda i: i / 2)
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_DTYPES), st.data())
def test_numbers_compare_by_mathematical_value(dtype: Any, data: st.DataObject):
    if np.dtype(dtype).kind == "f":
        cells = data.draw(st.lists(st.floats(width=8 * np.dtype(dtype).itemsize), min_size=1, max_size=8))
    else:
        limits = np.iinfo(dtype)
        inside = [edge for edge in [*_EDGES, *(-edge for edge in _EDGES)] if limits.min <= edge <= limits.max]
        cells = data.draw(st.lists(st.sampled_from([*inside, limits.min, limits.max]), min_size=1, max_size=8))
    constant = data.draw(st.one_of(_INTEGERS, _FLOATS))
    values = np.array(cells, dtype)
    for sign, holds in _OPERATORS.items():
        wanted = [cell == cell and constant == constant and holds(cell, constant) for cell in values.tolist()]
        assert compare_numbers(values, None, sign, constant).tolist() == wanted, sign


def test_null_and_other_kinds_are_never_true():
    values = np.array([1, 2], np.int64)
    assert compare_numbers(values, np.array([True, False]), "!=", 5).tolist() == [True, False]
    assert compare_numbers(values, np.array([True, False]), "<", math.inf).tolist() == [True, False]
    for other in (None, "1", True, (1,)):
        for sign in _OPERATORS:
            assert not compare_numbers(values, None, sign, other).any()
    assert not compare_numbers(np.array([True]), None, "=", 1).any()
    assert compare_numbers(np.array([True, False]), None, "!=", True).tolist() == [False, True]


@pytest.mark.filterwarnings("error")
def test_constants_out_of_range_raise_no_warning():
    assert compare_numbers(np.array([1.0], np.float32), None, "<", 1e300).tolist() == [True]
    assert compare_numbers(np.array([1], np.int32), None, ">", -3_000_000_000).tolist() == [True]


def test_the_result_can_be_written_into_a_given_place():
    place = np.zeros(3, np.bool_)
    compare_numbers(np.array([1, 2], np.int32), None, ">", 1.5, out=place[:2])
    assert place.tolist() == [False, True, False]
