"""Recognising reads that need no frames: see `query.shortcut`."""

from __future__ import annotations

from collections.abc import Sequence

from omnigraph.language.catalog import Catalog, Scalar
from omnigraph.language.checked import Aggregate, Bm25, EntityRef, Expression, Nearest, PropertyRef, Rrf
from omnigraph.query.operators.expand import CountNeighbours, Expand
from omnigraph.query.operators.reach import Reach
from omnigraph.query.operators.source import FindKey
from omnigraph.query.operators.step import Step
from omnigraph.query.output.aggregate import Aggregation
from omnigraph.query.output.listing import Listing
from omnigraph.query.output.output import Output
from omnigraph.query.shortcut import CountByNode, CountRows, Ending, ListNodes, PointRead, Shortcut
from omnigraph.query.vectors import STRING


def find_point_read(steps: Sequence[Step], output: Output) -> PointRead | None:
    """Recognise a read of one node by its key, which needs no operators at all."""
    if len(steps) != 1 or not isinstance(steps[0], FindKey) or not isinstance(output, Listing):
        return None
    if output.offset is not None or not (output.limit is None or (isinstance(output.limit, int) and output.limit > 0)):
        return None
    if any(isinstance(key.expression, Nearest | Bm25 | Rrf) for key in output.order):
        return None
    names: list[str] = []
    places: list[int] = []
    for projection in output.projections:
        expression = projection.expression
        if isinstance(expression, EntityRef):
            places.append(-1)
        elif not isinstance(expression, PropertyRef):
            return None
        elif expression.type.scalar is Scalar.BLOB:
            places.append(-2)
        else:
            places.append(len(names))
            names.append(expression.property_name)
    plain = places == list(range(len(names)))
    find = steps[0]
    return PointRead(find.type_name, find.members, tuple(names), None if plain else tuple(places))


def find_shortcut(steps: Sequence[Step], output: Output, catalog: Catalog) -> Shortcut | None:
    """Recognise a walk from one key on which nothing but the end of the last hop is looked at."""
    start = steps[0] if steps else None
    if not isinstance(start, FindKey):
        return None
    variable = start.variable
    hops: list[Expand | Reach] = []
    for step in steps[1:]:
        if not isinstance(step, Expand | Reach) or step.carry or step.source != variable:
            break
        if isinstance(step, Reach) and hops:
            break
        hops.append(step)
        variable = step.target
    rest = steps[1 + len(hops) :]
    variables = (start.variable, *(hop.target for hop in hops))
    counted = None
    if len(rest) == 1 and isinstance(rest[0], CountNeighbours) and rest[0].source == variable and rest[0].mode == "bag":
        counted = rest[0]
    ending: Ending | None = None
    if counted is not None:
        ending = _counts(output, None, "", different=False)
        counted = None if ending is None else counted
    elif not rest and hops:
        ending = _ending(output, hops, catalog)
    if not hops and counted is None:
        return None
    return Shortcut(start, tuple(hops), counted, ending, variables)


def _ending(output: Output, hops: Sequence[Expand | Reach], catalog: Catalog) -> Ending | None:
    variable, type_name = hops[-1].target, hops[-1].target_type
    counts = _counts(output, variable, type_name, different=isinstance(hops[-1], Reach))
    return counts or _by_node(output, variable) or _nodes(output, variable, type_name, catalog)


def _is_cut(output: Output) -> bool:
    """Say whether amounts have to be looked at: all but a plain limit."""
    return output.offset is not None or not (output.limit is None or (isinstance(output.limit, int) and output.limit > 0))


def _counts(output: Output, variable: str | None, type_name: str, *, different: bool) -> CountRows | None:
    """Recognise a row of counts; without a variable, of rows only. ``different`` says that no node comes twice."""
    if not isinstance(output, Aggregation) or output.keys or output.distinct or _is_cut(output):
        return None
    distinct: list[bool] = []
    for projection in output.projections:
        aggregate = projection.expression
        if not isinstance(aggregate, Aggregate):
            return None
        argument = aggregate.argument
        nodes = aggregate.distinct and isinstance(argument, EntityRef) and argument.variable == variable
        if not nodes and aggregate not in output.counted:
            return None
        distinct.append(nodes and not different)
    return CountRows(tuple(distinct), type_name)


def _by_node(output: Output, variable: str) -> CountByNode | None:
    """Recognise counts of rows by the node at the end."""
    if not isinstance(output, Aggregation) or len(output.counted) != len(output.aggregates) or len(output.keys) != 1:
        return None
    key = output.keys[0]
    return CountByNode(output, variable) if isinstance(key, EntityRef) and key.variable == variable else None


def _nodes(output: Output, variable: str, type_name: str, catalog: Catalog) -> ListNodes | None:
    """Recognise a list of nodes: in no order, and distinct only by what tells them apart."""
    if not isinstance(output, Listing) or output.order or _is_cut(output):
        return None
    entity = catalog.nodes[type_name]
    key = entity.key[0] if len(entity.key) == 1 and entity.properties[entity.key[0]].type.scalar is Scalar.STRING else None
    names: list[str | None] = []
    for projection in output.projections:
        expression: Expression = projection.expression
        if not isinstance(expression, EntityRef | PropertyRef) or expression.variable != variable:
            return None
        if isinstance(expression, EntityRef) or expression.property_name == key:  # the id of a node with a text key is the key
            names.append(None)
        elif expression.type.scalar is Scalar.BLOB:
            return None
        else:
            names.append(expression.property_name)
    if output.distinct and None not in names:
        return None
    types = tuple(projection.type or STRING for projection in output.projections)
    limit = output.limit if isinstance(output.limit, int) else None
    return ListNodes(output, variable, type_name, tuple(names), types, limit)
