"""Values that meet a property: in a binding, an assignment or a mutation's predicate."""

from __future__ import annotations

from typing import NoReturn

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Constant, Now, ParameterRef
from omnigraph.language.checker.context import DATETIME, Context, compatible, is_plain
from omnigraph.language.checker.literals import check_literal, floats
from omnigraph.language.query_tree import NowNode, ValueNode, VariableNode

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


def check_match(
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
    context: Context, name: str, property_type: PropertyType, value: CheckedValue, type_: PropertyType, at: int
) -> None:
    """Check that a value can be compared with, or assigned to, a property that is no list, vector or Blob."""
    if not is_plain(type_) or not compatible(type_, property_type):
        refuse_value(context, name, property_type, value, type_, at)
    values = property_type.enum_values
    if values is not None and isinstance(value, Constant) and value.value not in values:
        raise context.error(f"T3: property `{name}` expects one of [{', '.join(values)}], got '{value.value}'", at)


def check_assignment(context: Context, name: str, property_type: PropertyType, node: ValueNode) -> CheckedValue:
    """Check ``prop: value`` of an insert or update. A constant is brought to the kind of the property."""
    value, type_ = check_value(context, node, in_mutation=True)
    if property_type.scalar is Scalar.VECTOR:
        return _check_vector(context, name, property_type, value, type_, node.at)
    if property_type.scalar is Scalar.BLOB:
        if isinstance(value, ParameterRef) and not type_.is_list and type_.scalar in (Scalar.BLOB, Scalar.STRING):
            return value
        refuse_value(context, name, property_type, value, type_, node.at)
    if property_type.is_list:
        is_empty = isinstance(value, Constant) and value.value == ()
        if not type_.is_list or not (is_empty or compatible(type_, property_type)):
            refuse_value(context, name, property_type, value, type_, node.at)
    else:
        check_scalar(context, name, property_type, value, type_, node.at)
    return _fitted(value, property_type) if isinstance(value, Constant) else value


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
    context: Context, name: str, property_type: PropertyType, value: CheckedValue, type_: PropertyType, at: int
) -> NoReturn:
    """Raise the error for a value of another type than the property's."""
    if isinstance(value, Constant):
        raise context.error(f"T3: property `{name}` has type {property_type} but got {type_}", at)
    raise context.error(f"T7: cannot assign/compare {type_} with {property_type} for property `{name}`", at)


def _check_vector(
    context: Context, name: str, property_type: PropertyType, value: CheckedValue, type_: PropertyType, at: int
) -> CheckedValue:
    if not isinstance(value, Constant):
        if type_.scalar is Scalar.VECTOR and type_.dimension == property_type.dimension:
            return value
        refuse_value(context, name, property_type, value, type_, at)
    values = value.value
    if not isinstance(values, tuple) or not (type_.scalar.is_numeric or not values):
        refuse_value(context, name, property_type, value, type_, at)
    if len(values) != property_type.dimension:
        raise context.error(
            f"T3: property `{name}` has type {property_type} but got vector literal with {len(values)} elements", at
        )
    return Constant(floats(values), PropertyType(Scalar.VECTOR, dimension=property_type.dimension))


def _fitted(constant: Constant, property_type: PropertyType) -> Constant:
    """Turn integers for a float property into floats; an empty list takes the type of its property.

    A float for an integer property stays what it is: the write refuses it with its own words.
    """
    value, type_ = constant.value, constant.type
    if isinstance(value, tuple) and not value:
        return Constant((), PropertyType(property_type.scalar, is_list=True))
    if property_type.scalar.is_float and type_.scalar.is_integer:
        as_float = PropertyType(Scalar.F64, is_list=type_.is_list)
        if isinstance(value, tuple):
            return Constant(floats(value), as_float)
        assert isinstance(value, int)
        return Constant(float(value), as_float)
    return constant
