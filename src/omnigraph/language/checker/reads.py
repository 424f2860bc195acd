"""Reads: what they return, in which order, and how much of it."""

from __future__ import annotations

from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    Bm25,
    Constant,
    EntityRef,
    Expression,
    Nearest,
    Now,
    OrderKey,
    Parameter,
    ParameterRef,
    Projection,
    PropertyRef,
    ReadQuery,
    Rrf,
    TextMatch,
    WholeRef,
)
from omnigraph.language.checker.blocks import check_block
from omnigraph.language.checker.context import STRING, Context, Scope
from omnigraph.language.checker.expressions import check_expression
from omnigraph.language.query_tree import ProjectionNode, QueryDeclaration, ReadBody


def check_read_body(
    context: Context, declaration: QueryDeclaration, body: ReadBody, parameters: tuple[Parameter, ...]
) -> ReadQuery:
    """Check a read."""
    block, scope = check_block(context, body.clauses)
    projections = tuple(_check_projection(context, scope, node) for node in body.projections)
    aggregating = any(isinstance(each.expression, Aggregate) for each in projections)
    if aggregating:
        for node, each in zip(body.projections, projections, strict=True):
            if not isinstance(each.expression, (Aggregate, PropertyRef, EntityRef, ParameterRef)):
                problem = "T9: non-aggregate expressions in an aggregate query must be property accesses or variables"
                raise context.error(problem, node.at, node.end)
    order = _check_order(context, scope, body, projections)
    return ReadQuery(
        declaration.name,
        parameters,
        block,
        projections,
        aggregating,
        order=order,
        limit=body.limit,
        description=declaration.description,
        instruction=declaration.instruction,
    )


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
    expression, type_ = check_expression(context, scope, node.expression)
    if isinstance(expression, EntityRef):
        type_ = STRING
    return Projection(expression, node.alias or column_name(expression), type_, node.alias)


def _check_order(context: Context, scope: Scope, body: ReadBody, projections: tuple[Projection, ...]) -> tuple[OrderKey, ...]:
    """Check the ordering keys. What only the run can tell, an unknown alias for one, passes."""
    keys: list[OrderKey] = []
    for number, node in enumerate(body.order):
        expression, _ = check_expression(context, scope, node.expression)
        ranks = isinstance(expression, (Nearest, Bm25, Rrf))
        if isinstance(expression, TextMatch):
            raise context.error(f"unsupported ordering expression: {expression.function} ranks nothing", node.at)
        if ranks and number > 0:
            raise context.error("unsupported ordering expression: a ranking stands first", node.at, node.end)
        keys.append(OrderKey(expression, node.direction == "desc" and not ranks))
    _check_ranking(context, body, keys, projections)
    return tuple(keys)


def _check_ranking(context: Context, body: ReadBody, keys: list[OrderKey], projections: tuple[Projection, ...]) -> None:
    aliases = {each.alias: each.expression for each in projections if each.alias is not None}
    if any(isinstance(key.expression, Nearest) for key in keys):
        for key, node in zip(keys, body.order, strict=True):
            if isinstance(key.expression, AliasRef):
                problem = "T18: alias-based ordering is not supported together with nearest in phase 1"
                raise context.error(problem, node.at, node.end)
    if body.limit is not None:
        return
    for key, node in zip(keys, body.order, strict=True):
        expression = key.expression
        if isinstance(expression, AliasRef):
            expression = aliases.get(expression.name, expression)
        if isinstance(expression, Rrf):
            raise context.error("T21: rrf ordering requires a limit clause", node.at, node.end)
        if isinstance(expression, Nearest):
            raise context.error("T17: nearest ordering requires a limit clause", node.at, node.end)
