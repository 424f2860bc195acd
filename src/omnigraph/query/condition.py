"""Conditions over the rows of a frame: each gives a mask of the rows that hold.

There is no third value: a test that meets null is not true, and ``not`` turns exactly that around.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from omnigraph.language.catalog import Scalar
from omnigraph.language.checked import (
    And,
    Compare,
    CompareOperator,
    Condition,
    Constant,
    Contains,
    In,
    IsNull,
    Not,
    Now,
    Or,
    ParameterRef,
    PropertyRef,
    StartsWith,
    TextCondition,
    Value,
)
from omnigraph.query import search
from omnigraph.query.comparison import compare_vectors
from omnigraph.query.context import Context
from omnigraph.query.exact import FLIPPED
from omnigraph.query.expression import evaluate
from omnigraph.query.frame import Frame
from omnigraph.query.membership import begins, contained
from omnigraph.storage.view import Mask

OPERANDS = (Constant, ParameterRef, Now)


def holds(condition: Condition, frame: Frame, context: Context) -> Mask:
    """Return a mask of the frame's `width`: the rows (or slots, dead ones included) where a condition is true."""
    return _EVALUATORS[type(condition)](condition, frame, context)


def _compare(condition: Compare, frame: Frame, context: Context) -> Mask:
    op, left, right = condition.operator, condition.left, condition.right
    if type(right) is PropertyRef and isinstance(left, OPERANDS):
        op, left, right = FLIPPED[op], right, left
    if type(left) is PropertyRef and isinstance(right, OPERANDS):
        return _compare_constant(op, left, context.value(right), frame, context)
    return compare_vectors(op, evaluate(left, frame, context), evaluate(right, frame, context), frame.width)


def _compare_constant(op: CompareOperator, left: PropertyRef, value: Any, frame: Frame, context: Context) -> Mask:
    """Compare a column with one value: the column knows the fastest way. ``value`` is Any: of the column's kind."""
    if value is None:
        return np.zeros(frame.width, np.bool_)
    column = context.table(left.variable).column(left.property_name)
    ordinals = frame.select(left.variable)
    if ordinals is None or left.variable not in context.scope.optional:
        return column.compare(op, value, ordinals)
    bound = ordinals >= 0
    result = np.zeros(len(ordinals), np.bool_)
    result[bound] = column.compare(op, value, ordinals[bound])
    return result


def _contains(condition: Contains, frame: Frame, context: Context) -> Mask:
    item = evaluate(condition.item, frame, context)
    container = evaluate(condition.container, frame, context)
    return contained(item, container, frame.width)[0]


def _starts_with(condition: StartsWith, frame: Frame, context: Context) -> Mask:
    return begins(evaluate(condition.item, frame, context), evaluate(condition.container, frame, context), frame.width)


def _in(condition: In, frame: Frame, context: Context) -> Mask:
    operand = condition.operand
    if (
        isinstance(operand, PropertyRef)
        and operand.type.scalar is Scalar.STRING
        and not operand.type.is_list
        and isinstance(condition.container, Constant | ParameterRef)
    ):
        return _among(operand, context.value(condition.container), condition.negated, frame, context)
    item = evaluate(condition.operand, frame, context)
    container = evaluate(condition.container, frame, context)
    found, known = contained(item, container, frame.width)
    return known & ~found if condition.negated else found


def _among(operand: PropertyRef, values: Value, negated: bool, frame: Frame, context: Context) -> Mask:
    """Look the texts of a column up in one list; a null list makes nothing true."""
    if not isinstance(values, tuple):
        return np.zeros(frame.width, np.bool_)
    column = context.table(operand.variable).column(operand.property_name)
    return column.among(values, frame.select(operand.variable), negated=negated)


def _is_null(condition: IsNull, frame: Frame, context: Context) -> Mask:
    nulls = evaluate(condition.operand, frame, context).nulls()
    if nulls is None:
        nulls = np.zeros(frame.width, np.bool_)
    return ~nulls if condition.negated else nulls


def _text(condition: TextCondition, frame: Frame, context: Context) -> Mask:
    return search.matches_text(condition.match, frame, context)


def _and(condition: And, frame: Frame, context: Context) -> Mask:
    result = np.ones(frame.width, np.bool_)
    for item in condition.items:
        result = result & holds(item, frame, context)
    return result


def _or(condition: Or, frame: Frame, context: Context) -> Mask:
    result = np.zeros(frame.width, np.bool_)
    for item in condition.items:
        result = result | holds(item, frame, context)
    return result


def _not(condition: Not, frame: Frame, context: Context) -> Mask:
    return ~holds(condition.item, frame, context)


_EVALUATORS: dict[type, Callable[[Any, Frame, Context], Mask]] = {  # Any: the key is the type of the argument
    Compare: _compare,
    Contains: _contains,
    StartsWith: _starts_with,
    In: _in,
    IsNull: _is_null,
    TextCondition: _text,
    And: _and,
    Or: _or,
    Not: _not,
}
