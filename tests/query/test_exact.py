"""Numbers compared and combined by their mathematical value, against Python's own."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnigraph.errors import ExecutionError
from omnigraph.query.exact import COMPARE, arithmetic, compare_numbers

INTEGERS = st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**62, 7]) | st.integers(
    -(2**63), 2**63 - 1
)
UNSIGNED = st.sampled_from([0, 1, 2**53 + 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
FLOATS = (
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 2.0**53, 2.0**63, -(2.0**63), 2.0**64, 1e300, math.inf, -math.inf]) | st.floats()
)


@given(INTEGERS, FLOATS, UNSIGNED)
def test_comparisons_are_those_of_python(signed: int, real: float, unsigned: int) -> None:
    sides = [(np.array([signed]), signed), (np.array([real]), real), (np.array([unsigned], np.uint64), unsigned)]
    for left, a in sides:
        for right, b in sides:
            for op in COMPARE:
                assert bool(compare_numbers(op, left, right)[0]) is COMPARE[op](a, b), (op, a, b)


@given(INTEGERS, INTEGERS, st.sampled_from("+-*%"))
def test_integer_arithmetic_is_exact_or_fails(a: int, b: int, op: str) -> None:
    if op == "%":
        expected = None if b == 0 else int(math.copysign(1, a)) * (abs(a) % abs(b))
    else:
        expected = {"+": operator.add, "-": operator.sub, "*": operator.mul}[op](a, b)
    if expected is not None and not -(2**63) <= expected < 2**63:
        with pytest.raises(ExecutionError, match="arithmetic overflow"):
            arithmetic(op, np.array([a]), np.array([b]), None)
        return
    values, valid = arithmetic(op, np.array([a]), np.array([b]), None)
    assert values.dtype == np.int64
    assert (None if valid is not None and not valid[0] else int(values[0])) == expected


def test_rows_that_do_not_count_cannot_fail() -> None:
    large = np.array([2**62, 1])
    values, valid = arithmetic("*", large, np.array([4, 4]), np.array([False, True]))
    assert values[1] == 4
    assert valid is not None
    assert valid.tolist() == [False, True]


def test_a_constant_stands_for_every_row() -> None:
    column, constant = np.array([2**61, 2**62, 1]), np.array([2])
    with pytest.raises(ExecutionError, match="arithmetic overflow"):
        arithmetic("*", column, constant, None)
    assert arithmetic("*", constant, column[[0, 2]], None)[0].tolist() == [2**62, 2]
    assert arithmetic("+", np.array([1], np.uint64), column, None)[0].tolist() == [2**61 + 1, 2**62 + 1, 2]


def test_division_gives_floats_and_null_for_zero() -> None:
    values, valid = arithmetic("/", np.array([7, 7]), np.array([2, 0]), None)
    assert values[0] == 3.5
    assert valid is not None
    assert valid.tolist() == [True, False]
    with pytest.raises(ExecutionError, match="arithmetic overflow"):
        arithmetic("*", np.array([1e300]), np.array([1e300]), None)


def test_unsigned_values_beyond_63_bits_are_combined_exactly() -> None:
    values, _ = arithmetic("-", np.array([2**64 - 1], np.uint64), np.array([2**63], np.uint64), None)
    assert values.tolist() == [2**63 - 1]
    with pytest.raises(ExecutionError, match="arithmetic overflow"):
        arithmetic("+", np.array([2**63], np.uint64), np.array([0]), None)
