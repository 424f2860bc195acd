"""From a checked read to a plan: a few passes, one after the other.

A plan depends on the query and the schema only. It costs about a tenth of a millisecond, and is meant to be cached.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from omnigraph.language.catalog import Catalog
from omnigraph.language.checked import (
    Block,
    Bm25,
    Filter,
    Nearest,
    Negation,
    Optional,
    ReadQuery,
    Rrf,
    TextMatch,
    Traversal,
)
from omnigraph.query.context import Scope
from omnigraph.query.encode import encoder
from omnigraph.query.notation import walk
from omnigraph.query.operators.product import Product
from omnigraph.query.operators.step import Step
from omnigraph.query.output.aggregate import Aggregation
from omnigraph.query.output.listing import Listing
from omnigraph.query.output.output import Output
from omnigraph.query.plan import Plan
from omnigraph.query.planning.arrange import arrange_match
from omnigraph.query.planning.by_start import divide, good_starts
from omnigraph.query.planning.liveness import settle
from omnigraph.query.planning.outputs import choose_output
from omnigraph.query.planning.pattern import visible
from omnigraph.query.planning.shortcuts import find_point_read, find_shortcut
from omnigraph.query.shortcut import PointRead, Shortcut


class Draft(Struct, frozen=True):
    """A plan in the making. Each pass fills in what it decides."""

    query: ReadQuery
    catalog: Catalog
    scope: Scope = Scope({})
    output: Output | None = None
    steps: tuple[Step, ...] = ()
    point: PointRead | None = None
    shortcut: Shortcut | None = None


def plan_read(query: ReadQuery, catalog: Catalog) -> Plan:
    """Plan a checked read.

    Raises:
        ExecutionError: an order key or a projection that cannot be carried out, found without looking at data.
    """
    draft = Draft(query, catalog)
    for step in PASSES:
        draft = step(draft)
    assert draft.output is not None
    types = tuple(projection.type for projection in query.projections)
    return Plan(
        name=query.name,
        columns=tuple(projection.column for projection in query.projections),
        types=types,
        encoders=tuple(None if type_ is None else encoder(type_) for type_ in types),
        steps=draft.steps,
        output=draft.output,
        scope=draft.scope,
        hops=_hops(query.block),
        search=_search(query),
        point=draft.point,
        shortcut=draft.shortcut,
    )


def name_variables(draft: Draft) -> Draft:
    """Find what can be seen at the top of the match."""
    return structs.replace(draft, scope=visible(draft.query.block, Scope({})))


def decide_output(draft: Draft) -> Draft:
    """Decide what becomes of the rows."""
    return structs.replace(draft, output=choose_output(draft.query, draft.scope))


def order_steps(draft: Draft) -> Draft:
    """Put the steps of the match in order."""
    assert draft.output is not None
    preferred = good_starts(draft.output, draft.scope, draft.catalog)
    steps, scope = arrange_match(draft.query.block, draft.catalog, preferred)
    return structs.replace(draft, scope=scope, steps=tuple(steps))


def drop_unused(draft: Draft) -> Draft:
    """Let each step carry only what is needed behind it."""
    output = draft.output
    assert output is not None
    compact = isinstance(output, Aggregation) or output.distinct
    steps = settle(draft.steps, output.needs(), output.mode(), compact=compact)
    return structs.replace(draft, steps=steps)


def divide_starts(draft: Draft) -> Draft:
    """Let what is counted once be walked a block of starts at a time."""
    output = draft.output
    if not isinstance(output, Aggregation):
        return draft
    steps, divided = divide(draft.steps, output, draft.scope, draft.catalog)
    return structs.replace(draft, steps=steps, output=divided)


def judge_products(draft: Draft) -> Draft:
    """Say how much of a product is kept, so that one that cannot end well is refused before it starts."""
    output, steps = draft.output, draft.steps
    if not isinstance(output, Listing) or output.distinct:
        return draft
    if output.limit is not None and not output.order:
        steps = tuple(structs.replace(step, share=None) if isinstance(step, Product) else step for step in steps)
    elif output.limit is None and steps and isinstance(steps[-1], Product):
        steps = (*steps[:-1], structs.replace(steps[-1], share=1))
    return structs.replace(draft, steps=steps)


def spot_shortcuts(draft: Draft) -> Draft:
    """Recognise what needs no frames: a read of one node by its key, and walks from one."""
    output, steps = draft.output, draft.steps
    assert output is not None
    point = find_point_read(steps, output)
    return structs.replace(draft, point=point, shortcut=find_shortcut(steps, output, draft.catalog))


PASSES: tuple[Callable[[Draft], Draft], ...] = (
    name_variables,
    decide_output,
    order_steps,
    drop_unused,
    divide_starts,
    judge_products,
    spot_shortcuts,
)


def _hops(block: Block) -> int:
    """Return the longest walk that any traversal asks for."""
    longest = 0
    for clause in block.clauses:
        if isinstance(clause, Traversal):
            longest = max(longest, clause.maximum)
        elif isinstance(clause, Negation | Optional):
            longest = max(longest, _hops(clause.block))
    return longest


def _search(query: ReadQuery) -> str | None:
    """Return the name of a search function that the read uses."""
    names: dict[type, str] = {Nearest: "nearest", Bm25: "bm25", Rrf: "rrf"}
    for key in query.order:
        if type(key.expression) in names:
            return names[type(key.expression)]
    return _search_in(query.block)


def _search_in(block: Block) -> str | None:
    for clause in block.clauses:
        found: str | None = None
        if isinstance(clause, Filter):
            found = next((part.function for part in walk(clause.condition) if isinstance(part, TextMatch)), None)
        elif isinstance(clause, Negation | Optional):
            found = _search_in(clause.block)
        if found is not None:
            return found
    return None
