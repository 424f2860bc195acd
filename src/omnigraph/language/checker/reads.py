"""Reads: what they return, grouped or not, and how much of it."""

from __future__ import annotations

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    Amount,
    Arithmetic,
    Constant,
    EntityRef,
    Expression,
    Now,
    Parameter,
    ParameterRef,
    Projection,
    PropertyRef,
    ReadQuery,
    TextMatch,
    WholeRef,
)
from omnigraph.language.checker.blocks import check_block
from omnigraph.language.checker.context import STRING, Context, Scope
from omnigraph.language.checker.expressions import check_expression
from omnigraph.language.checker.operands import describe, holds_aggregate, names_property
from omnigraph.language.checker.order import bare_edge, check_order
from omnigraph.language.query_tree import AmountNode, ProjectionNode, QueryDeclaration, ReadBody, WholeNode

_OPTIONAL_STRING = PropertyType(Scalar.STRING, nullable=True)


def check_read_body(
    context: Context, declaration: QueryDeclaration, body: ReadBody, parameters: tuple[Parameter, ...]
) -> ReadQuery:
    """Check a read."""
    block, scope = check_block(context, body.clauses)
    projections = tuple(_check_projection(context, scope, node) for node in body.projections)
    aggregating = any(holds_aggregate(each.expression) for each in projections)
    if aggregating:
        _check_groups(context, body, projections)
    if body.distinct:
        _check_distinct(context, body, projections)
    order = check_order(context, scope, body, projections, aggregating)
    return ReadQuery(
        declaration.name,
        parameters,
        block,
        projections,
        aggregating,
        body.distinct,
        order,
        None if body.limit is None else _check_amount(context, "limit", body.limit),
        None if body.offset is None else _check_amount(context, "offset", body.offset),
        declaration.description,
        declaration.instruction,
    )


def _check_amount(context: Context, word: str, node: AmountNode) -> Amount:
    if isinstance(node, int):
        return node
    type_ = context.parameters.get(node.name)
    if type_ is None:
        problem = f"variable `${node.name}` is not bound: {word} takes an integer or a declared query parameter"
        raise context.error(problem, node.at)
    if not type_.scalar.is_integer or type_.is_list:
        raise context.error(f"{word} must be an integer parameter, got {type_}", node.at)
    return ParameterRef(node.name, type_)


# --- groups ------------------------------------------------------------------------------------------------------------


def _check_groups(context: Context, body: ReadBody, projections: tuple[Projection, ...]) -> None:
    """Check that every column of an aggregating read is a group key, or made of aggregates, group keys and constants."""
    keys: set[Expression] = set()
    for node, each in zip(body.projections, projections, strict=True):
        expression = each.expression
        if isinstance(expression, WholeRef):
            raise context.error(f"X8: `${expression.variable}.*` may only be returned", node.at, node.end)
        if not holds_aggregate(expression):
            keys.add(expression)
    for node, each in zip(body.projections, projections, strict=True):
        expression = each.expression
        good = _is_grouped(expression, keys) if holds_aggregate(expression) else _is_group_key(expression)
        if not good:
            problem = "T9: non-aggregate expressions in an aggregate query must be property accesses or variables"
            raise context.error(problem, node.at, node.end)


def _is_group_key(expression: Expression) -> bool:
    if isinstance(expression, Arithmetic):
        return names_property(expression)
    return isinstance(expression, (PropertyRef, EntityRef, ParameterRef))


def _is_grouped(expression: Expression, keys: set[Expression]) -> bool:
    if isinstance(expression, (Aggregate, Constant, ParameterRef)) or expression in keys:
        return True
    if not isinstance(expression, Arithmetic):
        return False
    return _is_grouped(expression.left, keys) and _is_grouped(expression.right, keys)


def _check_distinct(context: Context, body: ReadBody, projections: tuple[Projection, ...]) -> None:
    for node, each in zip(body.projections, projections, strict=True):
        if each.type is None or each.type.scalar is Scalar.VECTOR:
            problem = f"X3: distinct cannot compare {describe(each.expression, each.type)}"
            raise context.error(problem, node.at, node.end)


# --- projections -------------------------------------------------------------------------------------------------------


def column_name(expression: Expression) -> str:
    """Return the name of a column without ``as``. An aggregate is named after its argument."""
    match expression:
        case Aggregate(function=function, argument=argument):
            return function if argument is None else column_name(argument)
        case PropertyRef(variable=variable, property_name=name):
            return f"{variable}.{name}"
        case EntityRef(variable=name) | ParameterRef(name=name) | AliasRef(name=name):
            return name
        case WholeRef(variable=variable):
            return f"{variable}.*"
        case Constant():
            return "literal"
        case Now():
            return "now"
        case TextMatch(function=function):
            return function
        case _:
            return type(expression).__name__.lower()


def _check_projection(context: Context, scope: Scope, node: ProjectionNode) -> Projection:
    if isinstance(node.expression, WholeNode):
        whole = _check_whole(context, scope, node.expression)
        return Projection(whole, node.alias or column_name(whole), None, node.alias)
    expression, type_ = check_expression(context, scope, node.expression)
    if isinstance(expression, EntityRef):
        if expression.kind == "edge":
            raise bare_edge(context, expression.variable, node.at)
        type_ = _OPTIONAL_STRING if scope.is_optional(expression.variable) else STRING
    if isinstance(expression, Arithmetic) and node.alias is None:
        raise context.error("X2: an expression in return needs a name; write `as <name>`", node.at, node.end)
    return Projection(expression, node.alias or column_name(expression), type_, node.alias)


def _check_whole(context: Context, scope: Scope, node: WholeNode) -> WholeRef:
    variable = scope.find(node.variable)
    if variable is None:
        raise context.error(f"T6: variable `${node.variable}` is not bound", node.at)
    return WholeRef(variable.name, variable.kind, variable.type_name)
