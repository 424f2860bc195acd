"""Dividing walks from many starts into blocks, where the groups of an aggregating read do not span blocks."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from omnigraph.language.catalog import Catalog
from omnigraph.language.checked import Aggregate, EntityRef, Expression, PropertyRef
from omnigraph.query.context import Scope
from omnigraph.query.notation import condition_variables
from omnigraph.query.operators.block import Attach, Exclude
from omnigraph.query.operators.by_start import ByStart, alias_of, carrying_alias
from omnigraph.query.operators.equijoin import JoinEqual
from omnigraph.query.operators.expand import Compaction, Expand, ExpandEdges
from omnigraph.query.operators.filter import FilterRows
from omnigraph.query.operators.product import Product
from omnigraph.query.operators.reach import Reach
from omnigraph.query.operators.source import FindIndexed, FindKeys, ScanTable
from omnigraph.query.operators.step import Step
from omnigraph.query.output.aggregate import Aggregation
from omnigraph.query.output.output import Output

_SOURCES = (ScanTable, FindIndexed, FindKeys)
_GROWING = (Expand, ExpandEdges, Reach, Product, JoinEqual, Attach)


def divide(
    steps: tuple[Step, ...], output: Aggregation, scope: Scope, catalog: Catalog
) -> tuple[tuple[Step, ...], Aggregation]:
    """Return steps that walk a block of starts at a time, and an output that knows that no distinct value comes in two blocks.

    That holds where the start tells groups apart, where what is counted once are the starts themselves, or where groups are
    made by properties of the start alone: equal ones then share a block.
    """
    distinct = [aggregate for aggregate in output.aggregates if aggregate.distinct]
    if not distinct or not steps or not isinstance(steps[0], _SOURCES):
        return steps, output
    start = steps[0].variable
    first = next((at for at, step in enumerate(steps) if isinstance(step, _GROWING)), None)
    if first is None or not all(isinstance(step, FilterRows | Exclude) for step in steps[1:first]):
        return steps, output
    inside = steps[first:]
    keys: tuple[Expression, ...] = ()
    if not (_tells_apart(output.keys, start, scope, catalog) or _are_starts(distinct, start)):
        if not _groups_starts(output.keys, start) or not _only_first_reads(inside, start):
            return steps, output
        keys = output.keys
        inside = tuple(carrying_alias(step, start) for step in inside)
    carried = alias_of(start) if keys else start
    mode = output.mode()
    blocks = ByStart(start, keys, tuple(_compacting(step, carried, mode) for step in inside), mode)
    return (*steps[:first], blocks), structs.replace(output, whole=True)


def good_starts(output: Output, scope: Scope, catalog: Catalog) -> frozenset[str]:
    """Return the variables from which walks can be divided because they tell the groups apart."""
    if not isinstance(output, Aggregation) or not any(aggregate.distinct for aggregate in output.aggregates):
        return frozenset()
    used = frozenset[str]().union(*map(condition_variables, output.keys)) - scope.optional
    return frozenset(
        name for name in used if scope.types[name][0] == "node" and _tells_apart(output.keys, name, scope, catalog)
    )


def _tells_apart(keys: Sequence[Expression], start: str, scope: Scope, catalog: Catalog) -> bool:
    """Say whether rows of one group have one start."""
    if any(isinstance(key, EntityRef) and key.variable == start for key in keys):
        return True
    members = catalog.nodes[scope.types[start][1]].key
    names = {key.property_name for key in keys if isinstance(key, PropertyRef) and key.variable == start}
    return bool(members) and names.issuperset(members)


def _are_starts(aggregates: Sequence[Aggregate], start: str) -> bool:
    arguments = [aggregate.argument for aggregate in aggregates]
    return all(isinstance(argument, EntityRef) and argument.variable == start for argument in arguments)


def _groups_starts(keys: Sequence[Expression], start: str) -> bool:
    return bool(keys) and all(condition_variables(key) == {start} for key in keys)


def _only_first_reads(steps: Sequence[Step], start: str) -> bool:
    """Say whether nothing but the beginning of the walk has to know which start of a group a row is from."""
    if not isinstance(steps[0], Expand | Reach | ExpandEdges):
        return False
    simple = all(isinstance(step, Expand | Reach | ExpandEdges | FilterRows) for step in steps)
    return simple and not any(start in step.reads() for step in steps[1:])


def _compacting(step: Step, carried: str, mode: Compaction) -> Step:
    """Let a hop make equal rows one, where rows are nothing but its end and the start."""
    if isinstance(step, Expand | Reach) and step.carry == (carried,):
        return structs.replace(step, compact=mode)
    return step
