"""Arithmetic on numbers: sums, products, signs (section 30.7)."""

from __future__ import annotations

from collections.abc import Callable

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    Arithmetic,
    ArithmeticOperator,
    Bm25,
    Constant,
    Nearest,
    Rrf,
    TextMatch,
)
from omnigraph.language.checker.context import F64, I64, Context
from omnigraph.language.checker.operands import Typed, describe
from omnigraph.language.query_tree import ArithmeticNode, ExpressionNode, NegativeNode

_SEARCHES = (TextMatch, Nearest, Bm25, Rrf)

CheckOperand = Callable[[ExpressionNode], Typed]


def check_arithmetic(context: Context, node: ArithmeticNode | NegativeNode, check: CheckOperand) -> Typed:
    """Check an operation whose operands ``check`` checks. A sign subtracts from zero."""
    if isinstance(node, ArithmeticNode):
        return _operation(context, node.operator, check(node.left), check(node.right), node.at)
    operand = check(node.operand)
    type_ = operand[1]
    zero = Constant(0.0, F64) if type_ is not None and type_.scalar.is_float else Constant(0, I64)
    return _operation(context, "-", (zero, zero.type), operand, node.at)


def _operation(context: Context, operator: ArithmeticOperator, left: Typed, right: Typed, at: int) -> Typed:
    left_type, right_type = left[1], right[1]
    if left_type is None or right_type is None or not (_is_number(left) and _is_number(right)):
        words = f"{_words(left)} and {_words(right)}"
        raise context.error(f"X6: {operator} requires numeric operands, got {words}", at)
    floating = operator == "/" or left_type.scalar.is_float or right_type.scalar.is_float
    divides = operator in "/%" and not (isinstance(right[0], Constant) and right[0].value != 0)
    nullable = left_type.nullable or right_type.nullable or divides
    type_ = PropertyType(Scalar.F64 if floating else Scalar.I64, nullable)
    return Arithmetic(operator, left[0], right[0], type_), type_


def _is_number(typed: Typed) -> bool:
    expression, type_ = typed
    if type_ is None or isinstance(expression, _SEARCHES):
        return False
    return type_.scalar.is_numeric and not type_.is_list


def _words(typed: Typed) -> str:
    expression, type_ = typed
    if isinstance(expression, _SEARCHES):
        return expression.function if isinstance(expression, TextMatch) else type(expression).__name__.lower()
    return str(type_) if isinstance(expression, Aggregate) else describe(expression, type_)
