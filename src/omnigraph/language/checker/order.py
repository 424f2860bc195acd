"""The order of a read: its keys, and what they ask of ``limit``, ``offset`` and ``distinct``."""

from __future__ import annotations

from typing import Literal

from omnigraph.errors import TypeCheckError
from omnigraph.language.checked import (
    AliasRef,
    Arithmetic,
    Bm25,
    EntityRef,
    Expression,
    Nearest,
    OrderKey,
    Projection,
    Rrf,
    TextMatch,
)
from omnigraph.language.checker.context import Context, Scope
from omnigraph.language.checker.expressions import check_expression
from omnigraph.language.checker.operands import holds_aggregate
from omnigraph.language.query_tree import ReadBody

_RANKINGS: dict[type, Literal["nearest", "bm25", "rrf"]] = {Nearest: "nearest", Bm25: "bm25", Rrf: "rrf"}


def check_order(
    context: Context, scope: Scope, body: ReadBody, projections: tuple[Projection, ...], aggregating: bool
) -> tuple[OrderKey, ...]:
    """Check the ordering keys. What only the run can tell, an unknown alias for one, passes."""
    columns = _columns_by_expression(projections) if body.distinct else {}
    keys: list[OrderKey] = []
    for number, node in enumerate(body.order):
        expression, _ = check_expression(context, scope, node.expression)
        ranking = _RANKINGS.get(type(expression))
        if isinstance(expression, TextMatch):
            raise context.error(f"unsupported ordering expression: {expression.function} ranks nothing", node.at)
        if ranking is not None:
            if number > 0:
                raise context.error("unsupported ordering expression: a ranking stands first", node.at, node.end)
            if body.distinct:
                raise context.error(f"X9: distinct does not combine with {ranking} ordering", node.at, node.end)
        if isinstance(expression, EntityRef) and expression.kind == "edge":
            raise bare_edge(context, expression.variable, node.at)
        if isinstance(expression, Arithmetic) and holds_aggregate(expression) and not aggregating:
            problem = "unsupported ordering expression: an aggregate in a read that returns none"
            raise context.error(problem, node.at, node.end)
        if body.distinct and not isinstance(expression, AliasRef):
            # An unknown name passes here too; an expression must repeat a column.
            name = columns.get(expression)
            if name is None:
                raise context.error("X3: order key must be returned when the result is distinct", node.at, node.end)
            expression = AliasRef(name)
        keys.append(OrderKey(expression, node.direction == "desc" and ranking is None))
    if body.offset is not None and not keys:
        raise context.error("X1: offset requires an order clause", body.at, body.end)
    _check_rankings(context, body, keys, projections)
    return tuple(keys)


def bare_edge(context: Context, name: str, at: int) -> TypeCheckError:
    """Make the error for an edge variable that stands by itself."""
    shown = f"${name}.{{prop}}"
    return context.error(f"T23: edge binding `${name}` cannot be used bare; access one of its properties (`{shown}`)", at)


def _columns_by_expression(projections: tuple[Projection, ...]) -> dict[Expression, str]:
    """Return the names under which order finds expressions: a name means the last of that alias, else the last column."""
    named: dict[str, Projection] = {}
    for each in projections:
        found = named.get(each.column)
        if each.alias is not None or found is None or found.alias is None:
            named[each.column] = each
    return {each.expression: name for name, each in named.items()}


def _check_rankings(context: Context, body: ReadBody, keys: list[OrderKey], projections: tuple[Projection, ...]) -> None:
    """Check what rankings need and refuse, whether they stand in the order or behind an alias of it."""
    if any(isinstance(key.expression, Nearest) for key in keys):
        for key, node in zip(keys, body.order, strict=True):
            if isinstance(key.expression, AliasRef):
                problem = "T18: alias-based ordering is not supported together with nearest in phase 1"
                raise context.error(problem, node.at, node.end)
    aliases = {each.alias: each.expression for each in projections if each.alias is not None}
    for key, node in zip(keys, body.order, strict=True):
        expression = key.expression
        if isinstance(expression, AliasRef):
            expression = aliases.get(expression.name, expression)
        ranking = _RANKINGS.get(type(expression))
        if ranking is None:
            continue
        if body.limit is None and ranking != "bm25":
            rule = "T21" if ranking == "rrf" else "T17"
            raise context.error(f"{rule}: {ranking} ordering requires a limit clause", node.at, node.end)
        if body.offset is not None and ranking == "rrf":
            raise context.error("X9: offset does not combine with rrf ordering", node.at, node.end)
        if body.distinct:
            raise context.error(f"X9: distinct does not combine with {ranking} ordering", node.at, node.end)
