"""Comparison of numbers by mathematical value, whatever the two types are.

NumPy converts both sides to a common type first, which rounds: ``int64(2**53 + 1) == 2.0**53`` is true there, and a Python
float is rounded to float32 beside a float32 column. Here the *constant* is carried over to the column's own type together
with an operator that selects exactly the same cells, so that the loop over the cells runs on one type and stays fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from omnigraph.language.checked import CompareOperator, Value
from omnigraph.storage.view import Mask, Numbers

UFUNCS: dict[CompareOperator, Callable[..., Any]] = {  # Any: a NumPy function returns what it was given
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_BELOW_ALL: dict[CompareOperator, bool] = {"=": False, "!=": True, "<": False, "<=": False, ">": True, ">=": True}
_ABOVE_ALL: dict[CompareOperator, bool] = {"=": False, "!=": True, "<": True, "<=": True, ">": False, ">=": False}
# The constant lies strictly between two neighbouring values of the column's type: operators against the upper one…
_AGAINST_UPPER: dict[CompareOperator, CompareOperator] = {"<": "<", "<=": "<", ">": ">=", ">=": ">="}
# … and against the lower one.
_AGAINST_LOWER: dict[CompareOperator, CompareOperator] = {"<": "<=", "<=": "<=", ">": ">", ">=": ">"}


def compare_numbers(
    values: Numbers, valid: Mask | None, operator: CompareOperator, value: Value, out: Mask | None = None
) -> Mask:
    """Compare every value with a constant. Null, NaN and a constant of another kind give False."""
    plan = carried_over(values.dtype, operator, value)
    if isinstance(plan, bool):
        result = np.empty(len(values), np.bool_) if out is None else out
        result[:] = plan
        chosen_all = plan
    else:
        operator, constant = plan
        result = UFUNCS[operator](values, constant, out=out)
        chosen_all = operator == "!="
    if valid is not None:
        result &= valid
    if chosen_all and values.dtype.kind == "f":
        result &= values == values  # NaN differs from everything, itself included, but nothing about it is true
    return result


def carried_over(dtype: np.dtype[Any], operator: CompareOperator, value: Value) -> tuple[CompareOperator, Any] | bool:
    """Return an operator and a constant of the column's type that select the same cells, or the answer for all cells."""
    if dtype.kind == "b":
        return (operator, np.bool_(value)) if isinstance(value, bool) else False
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return False
    if dtype.kind == "f":
        return _to_float(dtype, operator, value)
    if isinstance(value, float):
        if math.isinf(value):
            return (_ABOVE_ALL if value > 0 else _BELOW_ALL)[operator]
        floor = math.floor(value)
        if floor != value:
            if operator in ("=", "!="):
                return operator == "!="
            operator, value = _AGAINST_LOWER[operator], floor
        else:
            value = floor
    limits = np.iinfo(dtype)
    if value > limits.max:
        return _ABOVE_ALL[operator]
    if value < limits.min:
        return _BELOW_ALL[operator]
    return operator, dtype.type(value)


def _to_float(dtype: np.dtype[Any], operator: CompareOperator, value: int | float) -> tuple[CompareOperator, Any] | bool:
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf if value > 0 else -math.inf
    if dtype.itemsize < 8:
        with np.errstate(over="ignore"):
            constant = dtype.type(nearest)
    else:
        constant = dtype.type(nearest)
    rounded = float(constant)
    if rounded == value:  # Python compares an int with a float exactly
        return operator, constant
    if operator in ("=", "!="):
        return operator == "!="
    return (_AGAINST_UPPER if rounded > value else _AGAINST_LOWER)[operator], constant
