"""Literals: their types and the values that they mean."""

from __future__ import annotations

from omnigraph.language import limits
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Constant, Value
from omnigraph.language.checker.context import STRING, Context
from omnigraph.language.query_tree import ListNode, LiteralNode
from omnigraph.language.temporal import TemporalError, parse_date, parse_datetime

_TYPES = {
    scalar: PropertyType(scalar)
    for scalar in (Scalar.STRING, Scalar.BOOL, Scalar.I64, Scalar.F64, Scalar.DATE, Scalar.DATETIME)
}


def check_literal(context: Context, node: LiteralNode | ListNode) -> Constant:
    """Return the constant of a literal, with the type that it has by itself."""
    if isinstance(node, ListNode):
        return _check_list(context, node)
    return Constant(_value(context, node), _TYPES[node.scalar])


def _value(context: Context, node: LiteralNode) -> str | bool | int | float:
    try:
        if node.scalar is Scalar.DATE:
            return parse_date(str(node.value))
        if node.scalar is Scalar.DATETIME:
            return parse_datetime(str(node.value))
    except TemporalError as error:
        raise context.error(str(error), node.at) from None
    return node.value


def _check_list(context: Context, node: ListNode) -> Constant:
    if len(node.items) > limits.LIST_ELEMENTS_MAX:
        raise context.error(
            f"X7: list of {len(node.items)} elements; a literal holds at most {limits.LIST_ELEMENTS_MAX}, use a parameter",
            node.at,
        )
    scalars: set[Scalar] = set()
    values: list[str | bool | int | float] = []
    for item in node.items:
        if isinstance(item, ListNode):
            raise context.error("nested list literals are not supported", item.at)
        scalars.add(item.scalar)
        values.append(_value(context, item))
    if not values:
        return Constant((), PropertyType(STRING.scalar, is_list=True))
    if len(scalars) > 1:
        if not all(scalar.is_numeric for scalar in scalars):
            raise context.error("list literal elements must share a compatible scalar type", node.at)
        return Constant(floats(tuple(values)), PropertyType(Scalar.F64, is_list=True))
    return Constant(tuple(values), PropertyType(scalars.pop(), is_list=True))


def floats(values: Value) -> tuple[float, ...]:
    """Return the numbers of a list as floats."""
    assert isinstance(values, tuple)
    return tuple(float(value) for value in values if isinstance(value, (int, float)))
