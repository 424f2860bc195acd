"""What an insert or update assigns: values, and in an update arithmetic over the row (section 30.11)."""

from __future__ import annotations

from omnigraph.language.catalog import NodeType, PropertyType, Scalar
from omnigraph.language.checked import Constant, Expression, ParameterRef, PropertyRef
from omnigraph.language.checker.arithmetic import check_arithmetic
from omnigraph.language.checker.context import Context, compatible
from omnigraph.language.checker.literals import floats
from omnigraph.language.checker.operands import Typed
from omnigraph.language.checker.values import check_scalar, check_value, refuse_value
from omnigraph.language.query_tree import (
    ArithmeticNode,
    AssignedNode,
    ExpressionNode,
    ListNode,
    LiteralNode,
    NegativeNode,
    NowNode,
    VariableNode,
    WordNode,
)


def check_assignment(
    context: Context, row: NodeType | None, name: str, property_type: PropertyType, node: AssignedNode
) -> Expression:
    """Check ``prop: value``. A constant is brought to the kind of the property; ``row`` is what a bare name reads."""
    value, type_ = _check_assigned(context, row, node)
    assert type_ is not None  # values, properties and arithmetic all have types
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


def _check_assigned(context: Context, row: NodeType | None, node: ExpressionNode) -> Typed:
    if isinstance(node, WordNode):
        return _check_column(context, row, node)
    if isinstance(node, (ArithmeticNode, NegativeNode)):
        return check_arithmetic(context, node, lambda operand: _check_assigned(context, row, operand))
    assert isinstance(node, (LiteralNode, ListNode, VariableNode, NowNode))  # the grammar of assignments has no others
    return check_value(context, node, in_mutation=True)


def _check_column(context: Context, row: NodeType | None, node: WordNode) -> Typed:
    if row is None:
        raise context.error(f"X10: insert has no row to read `{node.text}` from", node.at)
    found = row.properties.get(node.text)
    if found is None:
        raise context.error(f"T11: type `{row.name}` has no property `{node.text}`", node.at)
    return PropertyRef("", node.text, found.type), found.type


def _check_vector(
    context: Context, name: str, property_type: PropertyType, value: Expression, type_: PropertyType, at: int
) -> Expression:
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
