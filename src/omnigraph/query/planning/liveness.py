"""What each step must carry: nothing that nobody looks at later.

Walking backward from what the result needs, every step learns which variables it has to gather, and steps whose new variable is
never looked at turn into cheaper ones: neighbours are counted instead of made, equal rows become one.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from omnigraph.query.notation import condition_variables
from omnigraph.query.operators.block import ROW, Attach
from omnigraph.query.operators.count_walks import CountWalks
from omnigraph.query.operators.equijoin import JoinEqual
from omnigraph.query.operators.expand import Compaction, CountNeighbours, Expand
from omnigraph.query.operators.product import Product
from omnigraph.query.operators.reach import Reach
from omnigraph.query.operators.step import Step


def _counts_from(step: Step, variable: str) -> bool:
    """Say whether a step counts neighbours or walks of a variable that nobody looks at behind it."""
    return isinstance(step, CountNeighbours | CountWalks) and step.source == variable and variable not in step.carry


def settle(steps: Sequence[Step], needed: frozenset[str], mode: Compaction, *, compact: bool = True) -> tuple[Step, ...]:
    """Return the steps with what they carry, when ``needed`` is looked at behind the last one.

    ``mode`` says whether the number of equal rows counts; ``compact`` whether making them one is worth it.
    """
    settled: list[Step] = []
    for step in reversed(steps):
        binds = step.binds()
        carry = tuple(sorted(needed - binds))
        step = structs.replace(step, carry=carry)
        if isinstance(step, Expand) and step.target not in needed:
            step = CountNeighbours(step.source, step.walk, mode, carry=carry)
        elif isinstance(step, Expand) and carry and settled and _counts_from(settled[-1], step.target):
            after = settled.pop()
            hops, last = (after.hops, after.last) if isinstance(after, CountWalks) else ((), after)
            assert isinstance(last, CountNeighbours)
            step = CountWalks((step, *hops), last, carry=after.carry)
        elif isinstance(step, Expand | Reach) and compact and not carry and step.target in needed:
            step = structs.replace(step, compact=mode)
        elif isinstance(step, Product | JoinEqual):
            inside = tuple(sorted(needed & binds))
            within = frozenset(inside) | (condition_variables(step.right) if isinstance(step, JoinEqual) else frozenset())
            inner = settle(step.steps, within, mode, compact=compact)
            step = structs.replace(step, steps=inner, needed=inside)
        elif isinstance(step, Attach):
            inside = tuple(sorted(needed & binds))
            inner = settle(step.steps, frozenset({ROW, *inside}), "bag", compact=compact)
            step = structs.replace(step, steps=inner, bound=inside)
        settled.append(step)
        needed = (needed - binds) | step.reads()
    settled.reverse()
    return tuple(settled)
