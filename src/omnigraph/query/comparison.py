"""Two values compared row by row, by the rules of section 15 of the languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.compute as pc

from omnigraph.language.checked import CompareOperator
from omnigraph.query.exact import COMPARE, FLIPPED, compare_numbers
from omnigraph.query.vectors import Arrayed, Fixed, Repeated, Vector, fixed_from, to_arrow
from omnigraph.storage.view import Mask

_ARROW_COMPARE: dict[CompareOperator, Callable[..., Any]] = {  # Any: pyarrow has no types
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def compare_vectors(op: CompareOperator, left: Vector, right: Vector, rows: int) -> Mask:
    """Compare two vectors row by row; where either is null the result is false.

    Numbers compare by mathematical value, texts bytewise, ``false < true``.
    """
    if isinstance(left, Repeated):
        if left.value is None:
            return np.zeros(rows, np.bool_)
        if isinstance(right, Repeated):
            true = right.value is not None and bool(COMPARE[op](left.value, right.value))
            return np.full(rows, true, np.bool_)
        return compare_vectors(FLIPPED[op], right, left, rows)
    if isinstance(right, Repeated) and right.value is None:
        return np.zeros(rows, np.bool_)
    if isinstance(left, Fixed):
        other = fixed_from([right.value], right.type) if isinstance(right, Repeated) else right
        assert isinstance(other, Fixed), "the checker compares numbers with numbers only"
        result = compare_numbers(op, left.values, other.values)
        for valid in (left.valid, other.valid):
            if valid is not None:
                result = result & valid
        return result
    assert isinstance(left, Arrayed), "objects are not compared"
    operand = to_arrow([right.value], right.type)[0] if isinstance(right, Repeated) else right.arrow()
    compared = _ARROW_COMPARE[op](left.array, operand)
    mask: Mask = compared.fill_null(False).to_numpy(zero_copy_only=False)
    return mask
