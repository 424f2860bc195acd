"""Which output a read has, and what its order keys stand for."""

from __future__ import annotations

from msgspec import structs

from omnigraph.errors import ExecutionError
from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    Arithmetic,
    Bm25,
    Constant,
    EntityRef,
    Expression,
    Nearest,
    OrderKey,
    ParameterRef,
    PropertyRef,
    ReadQuery,
    Rrf,
    TextMatch,
)
from omnigraph.query.context import Scope
from omnigraph.query.notation import expression_text, walk
from omnigraph.query.output.aggregate import Aggregation
from omnigraph.query.output.listing import Listing
from omnigraph.query.output.order import unsupported
from omnigraph.query.output.output import Output


def choose_output(query: ReadQuery, scope: Scope) -> Output:
    """Return the output of a read.

    Raises:
        ExecutionError: an order key that names nothing, or a projection that cannot be a value.
    """
    for projection in query.projections:
        for part in walk(projection.expression):
            if isinstance(part, AliasRef):
                raise ExecutionError(
                    f"unsupported projection expression: {part.name}",
                    hint="a bare word names a column and can only be used in order",
                )
            if isinstance(part, TextMatch | Nearest | Bm25 | Rrf):
                raise ExecutionError(
                    f"unsupported projection expression: {expression_text(part)}",
                    hint="use the function in match or order; scores as values come in a later release",
                )
    named = [_resolved(query, key) for key in query.order]
    order = tuple(key for key, _ in named)
    columns = tuple(column for _, column in named)
    common = {
        "projections": query.projections,
        "order": order,
        "columns_of": columns,
        "limit": query.limit,
        "offset": query.offset,
        "distinct": query.distinct,
    }
    if not query.aggregating:
        return Listing(ties=_ties(scope), **common)  # type: ignore[arg-type]  # one dictionary for what both outputs share
    keys = tuple(projection.expression for projection in query.projections if not _aggregates(projection.expression))
    found = dict.fromkeys(aggregate for projection in query.projections for aggregate in _aggregates(projection.expression))
    counted = frozenset(aggregate for aggregate in found if _counts_rows(aggregate, scope))
    return Aggregation(keys=keys, aggregates=tuple(found), counted=counted, **common)  # type: ignore[arg-type]  # as above


def _ties(scope: Scope) -> tuple[str, ...]:
    """Return the variables whose ids settle ties: all named ones that the rows bind."""
    return tuple(sorted(name for name in scope.types if name[0] not in "#@"))


def _aggregates(expression: Expression) -> list[Aggregate]:
    return [part for part in walk(expression) if isinstance(part, Aggregate)]


def _counts_rows(aggregate: Aggregate, scope: Scope) -> bool:
    """Say whether an aggregate is the number of rows: its argument is never null."""
    argument = aggregate.argument
    if aggregate.function != "count" or aggregate.distinct:
        return False
    if argument is None:
        return True
    if isinstance(argument, EntityRef):
        return argument.variable not in scope.optional
    return isinstance(argument, Constant) and argument.value is not None


# --- order keys --------------------------------------------------------------------------------------------------------


def _resolved(query: ReadQuery, key: OrderKey) -> tuple[OrderKey, int | None]:
    """Return an order key over what it stands for, and the projection that it names, if it names one."""
    expression = key.expression
    if isinstance(expression, AliasRef):
        column = _named(query, expression.name)
        return structs.replace(key, expression=query.projections[column].expression), column
    if isinstance(expression, Nearest | Bm25 | Rrf):
        if query.aggregating:
            raise unsupported(expression)
        return key, None
    place = _written(query, expression)
    if query.aggregating:
        if place is None:
            _check_over_groups(query, expression)
    elif not isinstance(expression, PropertyRef | Arithmetic):
        raise unsupported(expression)
    return key, place


def _named(query: ReadQuery, name: str) -> int:
    """Return the projection with an alias, else the one with that column name; of several the last, which is the one shown."""
    for aliased in (True, False):
        for place in reversed(range(len(query.projections))):
            projection = query.projections[place]
            if (projection.alias if aliased else projection.column) == name:
                return place
    raise ExecutionError(f"alias '{name}' not found for ordering", hint="order by an alias of the return block")


def _written(query: ReadQuery, expression: Expression) -> int | None:
    """Return the projection that an order key repeats as it was written."""
    for place, projection in enumerate(query.projections):
        if projection.expression == expression and (projection.alias is None or not isinstance(expression, PropertyRef)):
            return None if isinstance(expression, Aggregate) else place
    return None


def _check_over_groups(query: ReadQuery, expression: Expression) -> None:
    """Refuse an order key that the groups do not have."""
    if isinstance(expression, PropertyRef):
        raise ExecutionError(
            f"column '{expression_text(expression)[1:]}' not found for ordering",
            hint="order by a group key as it is returned, or by an alias",
        )
    if not isinstance(expression, Arithmetic):
        raise unsupported(expression)
    returned = [projection.expression for projection in query.projections]
    for part in (expression.left, expression.right):
        if not isinstance(part, Constant | ParameterRef) and part not in returned:
            _check_over_groups(query, part)
