"""Conditions of reads: comparisons, membership, null tests, text predicates, and what joins them."""

from __future__ import annotations

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    And,
    Arithmetic,
    Bm25,
    Compare,
    Condition,
    Constant,
    Contains,
    EntityRef,
    Expression,
    IsNull,
    Nearest,
    Not,
    Or,
    ParameterRef,
    PropertyRef,
    Rrf,
    StartsWith,
    TextCondition,
    TextMatch,
)
from omnigraph.language.checker.context import Context, Scope, compatible, is_plain
from omnigraph.language.checker.expressions import check_expression, check_text_match
from omnigraph.language.checker.membership import check_listed, check_membership
from omnigraph.language.checker.operands import Typed, describe, holds_aggregate
from omnigraph.language.query_tree import (
    CompareNode,
    ConditionNode,
    ListNode,
    LogicNode,
    MembershipNode,
    NotNode,
    NullTestNode,
    TextNode,
)


def check_condition(context: Context, scope: Scope, node: ConditionNode) -> Condition:
    """Check a condition; every variable in it must be bound at this level or around it."""
    if isinstance(node, CompareNode):
        return _check_comparison(context, scope, node)
    if isinstance(node, TextNode):
        return TextCondition(check_text_match(context, scope, node.call))
    if isinstance(node, NullTestNode):
        return _check_null_test(context, scope, node)
    if isinstance(node, MembershipNode):
        operand = check_expression(context, scope, node.operand)
        if isinstance(node.container, ListNode):
            return check_listed(context, operand, node.container, node.negated, node.at)
        container = check_expression(context, scope, node.container)
        return check_membership(context, operand, container, node.negated, node.at)
    if isinstance(node, NotNode):
        return Not(check_condition(context, scope, node.item))
    assert isinstance(node, LogicNode)  # the grammar of reads has no predicates
    items = tuple(check_condition(context, scope, item) for item in node.items)
    return And(items) if node.operator == "and" else Or(items)


def _check_null_test(context: Context, scope: Scope, node: NullTestNode) -> IsNull:
    expression, type_ = check_expression(context, scope, node.operand)
    can_be_null = isinstance(expression, (PropertyRef, ParameterRef, Arithmetic)) and not holds_aggregate(expression)
    if can_be_null or (isinstance(expression, EntityRef) and scope.is_optional(expression.variable)):
        return IsNull(expression, node.negated)
    problem = "T7: is null tests a property, a parameter, arithmetic or an optional variable"
    raise context.error(f"{problem}, got {describe(expression, type_)}", node.at)


def _check_comparison(context: Context, scope: Scope, node: CompareNode) -> Condition:
    left = check_expression(context, scope, node.left)
    right = check_expression(context, scope, node.right)
    for expression, _ in (left, right):
        if isinstance(expression, (Nearest, Bm25, Rrf)):
            name = type(expression).__name__.lower()
            raise context.error(f"T7: {name} ranks rows and cannot be compared; use it in order", node.at)
    if isinstance(left[0], TextMatch) or isinstance(right[0], TextMatch):
        return _check_text_equality(context, node, left[0], right[0])
    if node.operator == "contains":
        return _check_contains(context, node, left, right)
    if node.operator == "starts_with":
        return _check_prefix(context, node, left, right)
    _check_comparable(context, node, left, right)
    return Compare(node.operator, left[0], right[0])


def _check_text_equality(context: Context, node: CompareNode, left: Expression, right: Expression) -> TextCondition:
    """Check ``search(…) = true``, the only comparison that a text predicate takes part in."""
    match, other = (left, right) if isinstance(left, TextMatch) else (right, left)
    assert isinstance(match, TextMatch)
    if node.operator != "=" or not isinstance(other, Constant) or other.value is not True:
        raise context.error(f"T7: {match.function} can only be compared with `= true`", node.at)
    return TextCondition(match)


def _check_comparable(context: Context, node: CompareNode, left: Typed, right: Typed) -> None:
    left_type, right_type = _operand(left), _operand(right)
    if left_type is None or right_type is None:
        words = f"{describe(*left)} and {describe(*right)}"
        raise context.error(f"T7: filter comparisons require scalar operands, got {words}", node.at)
    types = (left_type, right_type)
    if any(type_.is_list for type_ in types):
        problem = "T7: list comparisons in filters are not supported; use `contains` for list membership"
        raise context.error(problem, node.at)
    if any(type_.scalar is Scalar.VECTOR for type_ in types):
        raise context.error("T7: vector comparisons in filters are not supported", node.at)
    if any(type_.scalar is Scalar.BLOB for type_ in types):
        raise context.error("T7: blob comparisons in filters are not supported", node.at)
    if not compatible(left_type, right_type):
        raise context.error(f"T7: cannot compare {left_type} with {right_type}", node.at)


def _check_contains(context: Context, node: CompareNode, left: Typed, right: Typed) -> Contains:
    left_type, right_type = _operand(left), _operand(right)
    if left_type is not None and left_type.scalar is Scalar.VECTOR:
        raise context.error("T7: vector membership filters are not supported", node.at)
    textual = left_type is not None and left_type.scalar is Scalar.STRING
    if left_type is None or not (left_type.is_list or textual):
        problem = "T7: contains requires a list property (membership) or a String property (substring) on the left"
        raise context.error(f"{problem}, got {describe(*left)}", node.at)
    if right_type is None or not is_plain(right_type):
        raise context.error("T7: contains requires a scalar right operand", node.at)
    is_empty = isinstance(left[0], Constant) and left[0].value == ()
    if not is_empty and not compatible(left_type, right_type):
        raise context.error(f"T7: cannot test membership of {right_type} in {left_type}", node.at)
    return Contains(left[0], right[0])


def _check_prefix(context: Context, node: CompareNode, left: Typed, right: Typed) -> StartsWith:
    for typed, side in ((left, "property on the left"), (right, "right operand")):
        type_ = _operand(typed)
        if type_ is None or type_.scalar is not Scalar.STRING or type_.is_list:
            raise context.error(f"T7: starts_with requires a String {side}, got {describe(*typed)}", node.at)
    return StartsWith(left[0], right[0])


def _operand(typed: Typed) -> PropertyType | None:
    """Return the type of an operand that is a value; None for entities, aggregates and bare words."""
    expression, type_ = typed
    return None if holds_aggregate(expression) else type_
