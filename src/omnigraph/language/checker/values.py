"""Values that meet a property: in a binding, an assignment or a mutation's predicate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from omnigraph.language.catalog import Property, PropertyType, Scalar
from omnigraph.language.checked import Constant, Expression, Now, ParameterRef, PropertyMatch
from omnigraph.language.checker.context import DATETIME, Context, compatible, is_plain
from omnigraph.language.checker.literals import check_literal
from omnigraph.language.query_tree import MatchNode, NowNode, ValueNode, VariableNode

CheckedValue = Constant | ParameterRef | Now


def check_value(context: Context, node: ValueNode, in_mutation: bool) -> tuple[CheckedValue, PropertyType]:
    """Return a value and its own type. A variable must be a declared parameter."""
    if isinstance(node, VariableNode):
        type_ = context.parameters.get(node.name)
        if type_ is None:
            if in_mutation:
                raise context.error(f"T14: mutation variable `${node.name}` must be a declared query parameter", node.at)
            raise context.error(
                f"variable `${node.name}` is not bound: a value in a binding must be a declared query parameter", node.at
            )
        return ParameterRef(node.name, type_), type_
    if isinstance(node, NowNode):
        return Now(), DATETIME
    constant = check_literal(context, node)
    return constant, constant.type


def check_matches(
    context: Context, owner: str, properties: Mapping[str, Property], nodes: tuple[MatchNode, ...]
) -> tuple[PropertyMatch, ...]:
    """Check ``{ prop: value, … }`` on a node or an edge of the type ``owner``."""
    matches: list[PropertyMatch] = []
    for node in nodes:
        name = node.property_name
        found = properties.get(name)
        if found is None:
            raise context.error(f"T2: type `{owner}` has no property `{name}`", node.at)
        value, membership = _check_match(context, owner, name, found.type, node.value)
        matches.append(PropertyMatch(name, found.type, value, membership))
    return tuple(matches)


def _check_match(
    context: Context, owner: str, name: str, property_type: PropertyType, node: ValueNode
) -> tuple[CheckedValue, bool]:
    """Check ``prop: value`` of a binding. Return the value, and whether it asks for membership in a list."""
    for scalar, word in ((Scalar.BLOB, "blob"), (Scalar.VECTOR, "vector")):
        if property_type.scalar is scalar:
            raise context.error(f"T3: {word} property `{owner}.{name}` cannot be used in match patterns", node.at)
    value, type_ = check_value(context, node, in_mutation=False)
    if not property_type.is_list:
        check_scalar(context, name, property_type, value, type_, node.at)
        return value, False
    is_literal = isinstance(value, Constant)
    if type_.is_list:
        if is_literal:
            problem = f"T3: list equality is not supported for property `{name}`; "
            raise context.error(problem + "use a scalar value to match list membership", node.at)
        problem = f"T7: list equality is not supported for property `{name}`; "
        raise context.error(problem + "use a scalar parameter for membership matching", node.at)
    if not is_plain(type_) or not compatible(type_, property_type):
        if is_literal:
            problem = f"T3: property `{name}` has type {property_type} but membership match got {type_}"
            raise context.error(problem, node.at)
        problem = f"T7: cannot compare {type_} membership against {property_type} for property `{name}`"
        raise context.error(problem, node.at)
    return value, True


def check_scalar(
    context: Context, name: str, property_type: PropertyType, value: Expression, type_: PropertyType, at: int
) -> None:
    """Check that a value can be compared with, or assigned to, a property that is no list, vector or Blob."""
    if not is_plain(type_) or not compatible(type_, property_type):
        refuse_value(context, name, property_type, value, type_, at)
    values = property_type.enum_values
    if values is not None and isinstance(value, Constant) and value.value not in values:
        raise context.error(f"T3: property `{name}` expects one of [{', '.join(values)}], got '{value.value}'", at)


def check_comparison(context: Context, name: str, property_type: PropertyType, node: ValueNode) -> CheckedValue:
    """Check the value of ``prop op value`` in a mutation's predicate."""
    value, type_ = check_value(context, node, in_mutation=True)
    if property_type.is_list:
        problem = "T7: list comparisons in filters are not supported; use `contains` for list membership"
        raise context.error(problem, node.at)
    if property_type.scalar is Scalar.VECTOR:
        raise context.error("T7: vector comparisons in filters are not supported", node.at)
    check_scalar(context, name, property_type, value, type_, node.at)
    return value


def refuse_value(
    context: Context, name: str, property_type: PropertyType, value: Expression, type_: PropertyType, at: int
) -> NoReturn:
    """Raise the error for a value of another type than the property's."""
    if isinstance(value, Constant):
        raise context.error(f"T3: property `{name}` has type {property_type} but got {type_}", at)
    raise context.error(f"T7: cannot assign/compare {type_} with {property_type} for property `{name}`", at)
