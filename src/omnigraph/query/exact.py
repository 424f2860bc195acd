"""Numbers compared and combined by their mathematical value.

NumPy compares an integer with a float after rounding the integer to a double, so ``2**53 + 1 == 2.0**53`` there. The language
forbids that, and it forbids sums that wrap. The functions here are exact and cost little more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from omnigraph.errors import ExecutionError
from omnigraph.language.checked import ArithmeticOperator, CompareOperator
from omnigraph.storage.view import Mask, Numbers

COMPARE: dict[CompareOperator, Callable[[Any, Any], Any]] = {  # Any: NumPy arrays or scalars of any number type
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FLIPPED: dict[CompareOperator, CompareOperator] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

_TWO_63 = 2.0**63
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


def compare_numbers(op: CompareOperator, left: Numbers, right: Numbers) -> Mask:
    """Compare two arrays of numbers (or of Bool, Date, DateTime, equal kinds) element by element."""
    if left.dtype.kind == "f" and _is_wide(right):
        return compare_numbers(FLIPPED[op], right, left)
    if right.dtype.kind == "f" and _is_wide(left):
        return _compare_wide(op, left, right.astype(np.float64))
    if left.dtype.kind == "f" or right.dtype.kind == "f":
        left, right = left.astype(np.float64), right.astype(np.float64)
    result: Mask = COMPARE[op](left, right)
    return result


def _is_wide(values: Numbers) -> bool:
    """Say whether an integer type holds values that a double cannot."""
    return values.dtype.kind in "iu" and values.dtype.itemsize == 8


def _compare_wide(op: CompareOperator, left: Numbers, right: npt.NDArray[np.float64]) -> Mask:
    """Compare 64-bit integers with doubles: first with the double's whole part, then by its fraction.

    ``order`` becomes the sign of ``left - right``; not-a-number compares as neither.
    """
    top = _TWO_63 if left.dtype.kind == "i" else 2 * _TWO_63
    bottom = -_TWO_63 if left.dtype.kind == "i" else 0.0
    inside = (right >= bottom) & (right < top)
    whole = np.trunc(np.where(inside, right, 0.0))
    whole_integers = whole.astype(left.dtype)
    order = (left > whole_integers).astype(np.int8) - (left < whole_integers).astype(np.int8)
    fraction = np.where(inside, right, 0.0) - whole
    order = np.where(order == 0, -np.sign(fraction).astype(np.int8), order)
    # Below zero an unsigned integer meets a fraction such as -0.5: its whole part is 0, `inside` is already false.
    order = np.where(inside, order, np.where(right >= top, -1, 1))
    result: Mask = COMPARE[op](order, 0)
    unordered = np.isnan(right)
    return np.where(unordered, op == "!=", result) if unordered.any() else result


def arithmetic(op: ArithmeticOperator, left: Numbers, right: Numbers, valid: Mask | None) -> tuple[Numbers, Mask | None]:
    """Combine two arrays; ``valid`` marks the rows that count. Returns values and validity.

    Integers give int64 or fail; a float among them, or ``/``, gives float64 or fails when not finite. Division by zero is null.

    Raises:
        ExecutionError: ``arithmetic overflow``.
    """
    if op == "/" or left.dtype.kind == "f" or right.dtype.kind == "f":
        return _float_arithmetic(op, left, right, valid)
    return _integer_arithmetic(op, left, right, valid)


def _float_arithmetic(op: ArithmeticOperator, left: Numbers, right: Numbers, valid: Mask | None) -> tuple[Numbers, Mask | None]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    if op in "/%":
        nonzero = b != 0
        if not nonzero.all():
            valid = nonzero if valid is None else valid & nonzero
            b = np.where(nonzero, b, 1.0)
    with np.errstate(all="ignore"):
        if op == "+":
            values = a + b
        elif op == "-":
            values = a - b
        elif op == "*":
            values = a * b
        elif op == "/":
            values = a / b
        else:
            values = np.fmod(a, b)
    finite = np.isfinite(values)
    if not finite.all():
        if (~finite if valid is None else ~finite & valid).any():
            raise overflow()
        values = np.where(finite, values, 0.0)
    return values, valid


def _integer_arithmetic(
    op: ArithmeticOperator, left: Numbers, right: Numbers, valid: Mask | None
) -> tuple[Numbers, Mask | None]:
    if left.dtype == np.uint64 or right.dtype == np.uint64:
        return _large_arithmetic(op, left, right, valid)
    a, b = left.astype(np.int64), right.astype(np.int64)
    if op == "%":
        nonzero = b != 0
        if not nonzero.all():
            valid = nonzero if valid is None else valid & nonzero
        # -1 divides everything, and the most negative integer by -1 is the one case NumPy cannot do.
        values = np.fmod(a, np.where(nonzero & (b != -1), b, 1))
        return values, valid
    with np.errstate(over="ignore"):
        if op == "+":
            values = a + b
            wrapped = ((a ^ values) & (b ^ values)) < 0
        elif op == "-":
            values = a - b
            wrapped = ((a ^ b) & (a ^ values)) < 0
        else:
            values = a * b
            rough = a.astype(np.float64) * b.astype(np.float64)
            # Within 2**62 the double decides; near the edge Python integers do.
            doubtful = np.abs(rough) > 2.0**62
            wrapped = np.abs(rough) > 2.0**64
            each_a, each_b = np.broadcast_arrays(a, b)
            for at in np.flatnonzero(doubtful & ~wrapped).tolist():
                wrapped[at] = not _INT64_MIN <= int(each_a[at]) * int(each_b[at]) <= _INT64_MAX
    if (wrapped if valid is None else wrapped & valid).any():
        raise overflow()
    return values, valid


def _large_arithmetic(op: ArithmeticOperator, left: Numbers, right: Numbers, valid: Mask | None) -> tuple[Numbers, Mask | None]:
    """Combine integers of which some may lie beyond int64, in Python; U64 columns only."""
    left, right = np.broadcast_arrays(left, right)
    rows = len(left)
    there = [True] * rows if valid is None else valid.tolist()
    values: list[int] = []
    for at, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        value = 0
        if there[at]:
            if op == "%":
                if b == 0:
                    there[at] = False
                else:
                    value = abs(a) % abs(b) * (-1 if a < 0 else 1)
            else:
                value = a + b if op == "+" else a - b if op == "-" else a * b
            if not _INT64_MIN <= value <= _INT64_MAX:
                raise overflow()
        values.append(value)
    mask = np.array(there, np.bool_)
    return np.array(values, np.int64), None if mask.all() else mask


def overflow() -> ExecutionError:
    return ExecutionError("arithmetic overflow", hint="the result does not fit 64 bits; use a float in the expression")
