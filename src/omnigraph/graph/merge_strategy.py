"""Strategies: which side wins a row that two branches changed in ways that do not fit together."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from omnigraph.errors import BadRequest
from omnigraph.language.catalog import Catalog
from omnigraph.wire.request import MergeStrategy

Side: TypeAlias = Literal["ours", "theirs"]
SIDES: Final[tuple[Side, ...]] = ("ours", "theirs")
EVERY_TYPE: Final = "*"


def sides_by_table(strategy: MergeStrategy, catalog: Catalog) -> dict[str, Side]:
    """Return the winning side by table key; types without one keep their conflicts.

    Raises BadRequest for a side that is neither ours nor theirs and for a type that the schema does not have.
    """
    if strategy is None:
        return {}
    words = {EVERY_TYPE: strategy} if isinstance(strategy, str) else dict(strategy)
    keys = [entity.table_key for entity in (*catalog.nodes.values(), *catalog.edges.values())]
    chosen: dict[str, Side] = {}
    for name, word in sorted(words.items(), key=lambda item: item[0] != EVERY_TYPE):  # what is named overrides `*`
        side = _side(word)
        named = keys if name == EVERY_TYPE else [key for key in keys if name in (key, key.partition(":")[2])]
        if not named:
            raise BadRequest(f"unknown type '{name}' in the merge strategy", hint="`omnigraph schema show` lists the types")
        chosen.update(dict.fromkeys(named, side))
    return chosen


def _side(word: str) -> Side:
    for side in SIDES:
        if word == side:
            return side
    raise BadRequest(f"invalid merge strategy '{word}'", hint="use ours or theirs, or TYPE=ours for one type")
