"""Which expressions can fail.

Integer arithmetic fails beyond 64 bits, float arithmetic when it is not finite. A condition that can fail is tried only on rows
that meet all the others, so that neither the order of the clauses nor the plan decides whether a query fails. Bounds of the
operands show for most integer expressions that they never do.
"""

from __future__ import annotations

from omnigraph.language.catalog import Scalar
from omnigraph.language.checked import Arithmetic, Condition, Constant, Expression, TextMatch
from omnigraph.query.notation import walk

_RANGES: dict[Scalar, tuple[int, int]] = {
    Scalar.I32: (-(1 << 31), (1 << 31) - 1),
    Scalar.U32: (0, (1 << 32) - 1),
    Scalar.I64: (-(1 << 63), (1 << 63) - 1),
    Scalar.U64: (0, (1 << 64) - 1),
}


def can_fail(expression: Expression | Condition) -> bool:
    """Say whether evaluating an expression or a condition may raise an error."""
    return any(isinstance(part, TextMatch) or (isinstance(part, Arithmetic) and _overflows(part)) for part in walk(expression))


def _overflows(expression: Arithmetic) -> bool:
    if _integer_bounds(expression) is not None:
        return False
    # A quotient of integers lies between them in size, so it is finite.
    quotient = expression.operator == "/" and expression.left.__class__ is not Arithmetic
    return not (quotient and _is_integer(expression.left) and _is_integer(expression.right))


def _is_integer(expression: Expression) -> bool:
    type_ = getattr(expression, "type", None)
    return type_ is not None and type_.scalar.is_integer


def _integer_bounds(expression: Expression) -> tuple[int, int] | None:
    """Return the least and greatest value of an integer expression, or None if it may leave 64 bits or is a float."""
    if isinstance(expression, Constant) and isinstance(expression.value, int):
        return expression.value, expression.value
    if not isinstance(expression, Arithmetic):
        type_ = getattr(expression, "type", None)
        return None if type_ is None else _RANGES.get(type_.scalar)
    if not expression.type.scalar.is_integer:
        return None
    left, right = _integer_bounds(expression.left), _integer_bounds(expression.right)
    if left is None or right is None:
        return None
    match expression.operator:
        case "+":
            low, high = left[0] + right[0], left[1] + right[1]
        case "-":
            low, high = left[0] - right[1], left[1] - right[0]
        case "*":
            products = [a * b for a in left for b in right]
            low, high = min(products), max(products)
        case "%":
            most = max(abs(right[0]), abs(right[1]))
            low, high = -most if left[0] < 0 else 0, most if left[1] > 0 else 0
        case _:
            return None
    least, greatest = _RANGES[Scalar.I64]
    return (low, high) if least <= low and high <= greatest else None
