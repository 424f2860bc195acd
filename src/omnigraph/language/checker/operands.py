"""Checked expressions seen as operands: their types, their words in error texts, and what they are made of."""

from __future__ import annotations

from omnigraph.language.catalog import PropertyType
from omnigraph.language.checked import Aggregate, Arithmetic, EntityRef, Expression, PropertyRef, WholeRef

Typed = tuple[Expression, PropertyType | None]
"""An expression and its type; entities and aliases have none."""


def describe(expression: Expression, type_: PropertyType | None) -> str:
    """Return the words for an operand in an error text."""
    if isinstance(expression, (EntityRef, WholeRef)):
        return f"{expression.kind} `{expression.type_name}`"
    if type_ is None or holds_aggregate(expression):
        return "aggregate"
    return str(type_)


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """Return the operands of arithmetic that are not arithmetic themselves; of anything else itself."""
    if not isinstance(expression, Arithmetic):
        return (expression,)
    return (*parts_of(expression.left), *parts_of(expression.right))


def holds_aggregate(expression: Expression) -> bool:
    """Tell whether an expression is an aggregate, or computes with one."""
    return any(isinstance(part, Aggregate) for part in parts_of(expression))


def names_property(expression: Expression) -> bool:
    """Tell whether an expression is a property access, or computes with one."""
    return any(isinstance(part, PropertyRef) for part in parts_of(expression))
