"""Shortcuts: reads that follow neighbours from one key, as bare ordinals.

Most reads of an application ask for a node by its key, or for what is a hop or a few away from it. They touch so little that
frames, collectors and Arrow arrays would cost more than the walk. A shortcut takes the first steps of a plan over a *frontier*
(an array of ordinals, nothing else) while it is small, and often gives the result itself. Where it cannot go on, the operators
take over from the step that it has reached: answers and limits are the same either way.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from msgspec import Struct

from omnigraph.language.catalog import PropertyType
from omnigraph.query.context import Context
from omnigraph.query.expression import Groups
from omnigraph.query.frame import Frame
from omnigraph.query.operators.expand import CountNeighbours, Expand
from omnigraph.query.operators.reach import Reach
from omnigraph.query.operators.source import FindKey, Member
from omnigraph.query.output.aggregate import Aggregation
from omnigraph.query.output.listing import Listing
from omnigraph.query.output.output import Rows
from omnigraph.query.scratch import count_distinct, distinct, tallied
from omnigraph.query.vectors import I64, Fixed, Listed
from omnigraph.storage.view import Ordinals

_NOWHERE: Ordinals = np.zeros(0, np.int32)


class PointRead(Struct, frozen=True):
    """A read of properties of the one node with a key: it needs not even a frontier.

    ``names`` are the properties to fetch, None in their place the id.
    """

    type_name: str
    members: tuple[Member, ...]
    names: tuple[str, ...]
    places: tuple[int, ...] | None
    """Which fetched value each column shows; -1 is the id, -2 null. None: all, in order."""


class Frontier(Struct):
    """Where a shortcut has come to: the nodes, once for each row of the match unless only their existence counts.

    ``steps`` of the plan led there. With ``total``, rows were counted by the last of them, and not made.
    """

    ordinals: Ordinals
    steps: int
    total: int | None = None


class CountRows(Struct, frozen=True):
    """The result is one row of counts: of all rows, or (``distinct``) of the different nodes at the end."""

    distinct: tuple[bool, ...]
    type_name: str

    def rows(self, frontier: Frontier, context: Context) -> Rows:
        ordinals = frontier.ordinals
        total = len(ordinals) if frontier.total is None else frontier.total
        counts = [
            count_distinct(ordinals, context.nodes(self.type_name).slots) if different else total for different in self.distinct
        ]
        return Rows(1, [Listed([count], I64) for count in counts])


class ListNodes(Struct, frozen=True):
    """The result is the nodes at the end: their ids (None) or properties by name."""

    output: Listing
    variable: str
    type_name: str
    names: tuple[str | None, ...]
    types: tuple[PropertyType, ...]
    limit: int | None

    def rows(self, frontier: Frontier, context: Context) -> Rows:
        table = context.nodes(self.type_name)
        ordinals = frontier.ordinals
        if self.output.distinct:
            ordinals = distinct(ordinals, table.slots)
        if self.limit is not None:
            ordinals = ordinals[: self.limit]
        count = len(ordinals)
        if count > context.settings.few_rows:
            return self.output.rows(Frame(count, {self.variable: ordinals}), context)
        if count == 1:
            values = table.values(ordinals.item(0), [name or "id" for name in self.names])
            return Rows(1, [Listed([value], type_) for value, type_ in zip(values, self.types, strict=True)])
        columns = [table.id_list(ordinals) if name is None else table.column(name).values(ordinals) for name in self.names]
        return Rows(count, [Listed(list(column), type_) for column, type_ in zip(columns, self.types, strict=True)])


class CountByNode(Struct, frozen=True):
    """The result is a group for each node at the end, with the number of rows that led there."""

    output: Aggregation
    variable: str

    def rows(self, frontier: Frontier, context: Context) -> Rows:
        if len(frontier.ordinals) == 0:
            return self.output.collector(context).finish()
        ordinals, counts = tallied(frontier.ordinals, None, context.table(self.variable).slots)
        vector = Fixed(counts, None, I64)
        groups = Groups(
            len(ordinals), Frame(len(ordinals), {self.variable: ordinals}), dict.fromkeys(self.output.aggregates, vector)
        )
        return self.output.rows(groups, context)


Ending: TypeAlias = CountRows | ListNodes | CountByNode


class Shortcut(Struct, frozen=True):
    """The steps of a plan that a frontier can take. ``ending`` says what the result is when these are all its steps."""

    start: FindKey
    hops: tuple[Expand | Reach, ...]
    counted: CountNeighbours | None
    ending: Ending | None
    variables: tuple[str, ...]
    """What the frontier stands for, after one step, two steps, …"""

    def follow(self, context: Context) -> Frontier:
        """Walk as far as the frontier stays small."""
        ordinal = self.start.find(context)
        if ordinal < 0:
            return Frontier(_NOWHERE, 1 + len(self.hops) + (self.counted is not None))
        ordinals: Ordinals = np.array((ordinal,), np.int32)
        most = context.settings.measured_rows
        steps = 1
        for hop in self.hops:
            reached = hop.follow(ordinals, context) if len(ordinals) <= most else None
            if reached is None:
                return Frontier(ordinals, steps)
            ordinals = reached
            steps += 1
        if self.counted is not None and len(ordinals) <= most:
            return Frontier(ordinals, steps + 1, self.counted.total(ordinals, context))
        return Frontier(ordinals, steps)
