"""Membership: ``in`` and ``not in``, in reads and in mutations (section 30.3)."""

from __future__ import annotations

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import And, Condition, Constant, In, Or
from omnigraph.language.checker.context import Context, compatible, is_plain
from omnigraph.language.checker.literals import check_literal
from omnigraph.language.checker.operands import Typed, describe, holds_aggregate
from omnigraph.language.query_tree import ListNode, LiteralNode


def check_membership(context: Context, operand: Typed, container: Typed, negated: bool, at: int) -> In:
    """Check ``operand in container``: a scalar in a list of what it can be compared with."""
    expression, type_ = operand
    whole, list_type = container
    is_empty = isinstance(whole, Constant) and whole.value == ()
    if (
        type_ is None
        or list_type is None
        or holds_aggregate(expression)
        or not is_plain(type_)
        or not list_type.is_list
        or not (is_empty or compatible(type_, list_type))
    ):
        raise context.error(f"X7: cannot test {describe(*operand)} in {describe(*container)}", at)
    if is_empty:
        whole = Constant((), PropertyType(type_.scalar, is_list=True))
    return In(expression, whole, negated)


def check_listed(context: Context, operand: Typed, node: ListNode, negated: bool, at: int) -> Condition:
    """Check ``operand in [a, b]``.

    A list of integers and floats is one of floats. Where that would round an integer, the two kinds are tested one by one.
    """
    constant = check_literal(context, node)
    test = check_membership(context, operand, (constant, constant.type), negated, at)
    numbers = [item.value for item in node.items if isinstance(item, LiteralNode)]
    integers = tuple(each for each in numbers if isinstance(each, int))
    if constant.type.scalar is not Scalar.F64 or all(float(each) == each for each in integers):
        return test
    parts = (
        Constant(integers, PropertyType(Scalar.I64, is_list=True)),
        Constant(tuple(each for each in numbers if isinstance(each, float)), constant.type),
    )
    tests = tuple(In(test.operand, part, negated) for part in parts)
    return And(tests) if negated else Or(tests)
