"""Neighbours along one edge type: direction, distinctness and conditions on the edges in one place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from omnigraph.language.checked import Condition
from omnigraph.query.condition import holds
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Positions
from omnigraph.query.notation import condition_text
from omnigraph.query.pairs import distinct_pairs
from omnigraph.query.scratch import distinct
from omnigraph.storage.view import Adjacency, EdgeView, Mask, Ordinals


class Walk(Struct, frozen=True):
    """How a traversal steps: along ``edge``, against it (``reverse``), or both ways.

    ``conditions`` restrict the edges that are walked; they look at the variable ``edge_variable``.
    """

    edge: str
    reverse: bool
    undirected: bool = False
    edge_variable: str = ""
    conditions: tuple[Condition, ...] = ()

    def turned(self) -> Walk:
        return Walk(self.edge, not self.reverse, self.undirected, self.edge_variable, self.conditions)

    def describe(self) -> str:
        arrow = f"<{self.edge}>" if self.undirected else f"<-{self.edge}-" if self.reverse else f"-{self.edge}->"
        if not self.conditions:
            return arrow
        return f"{arrow} where {' and '.join(map(condition_text, self.conditions))}"


class Walker:
    """A walk over the neighbours of one snapshot, for frontiers of about one size."""

    __slots__ = ("_adjacency", "_conditions", "_context", "_edges", "_walk", "plain", "repeats")

    def __init__(self, walk: Walk, context: Context, frontier: int, hops: int = 1) -> None:
        edges = context.edges(walk.edge)
        conditions = walk.conditions
        adjacency = context.adjacency(edges, frontier, hops)
        self._walk = walk
        self._context = context
        self._edges = edges
        if conditions and frontier > context.settings.measured_rows:
            adjacency = adjacency.restricted(self._allowed(edges))
            conditions = ()
        self._conditions = conditions
        self._adjacency: Adjacency = adjacency
        self.plain = not walk.undirected and not conditions
        """Whether neighbours come as the adjacency has them."""
        self.repeats = walk.undirected or adjacency.has_parallel
        """Whether a neighbour of a node may come more than once before it is made distinct."""

    def _allowed(self, edges: EdgeView) -> Mask:
        variable = self._walk.edge_variable
        frame = Frame.scanning(variable, edges, None)
        mask = np.ones(edges.slots, np.bool_) if edges.live is None else edges.live.copy()
        for condition in self._walk.conditions:
            mask &= holds(condition, frame, self._context)
        return mask

    def degrees(self) -> npt.NDArray[np.int32] | None:
        """Return the number of distinct neighbours of every slot, where that is known without walking."""
        if self.repeats or not self.plain:
            return None
        return self._adjacency.degrees(self._walk.reverse)

    def degrees_behind(self) -> npt.NDArray[np.int32] | None:
        """Return the same for the walk in the other direction."""
        if self.repeats or not self.plain:
            return None
        return self._adjacency.degrees(not self._walk.reverse)

    def sizes(self, ordinals: Ordinals) -> npt.NDArray[np.int64]:
        """Return an upper bound of how many entries each ordinal expands to."""
        reverse = self._walk.reverse
        sizes = self._adjacency.sizes(ordinals, reverse)
        if self._walk.undirected:
            sizes = sizes + self._adjacency.sizes(ordinals, not reverse)
        return sizes

    def one(self, ordinal: int, slots: int) -> Ordinals:
        """Return the distinct neighbours of one node. The array may be shared."""
        if ordinal < 0:
            return np.zeros(0, np.int32)
        if not self.plain:
            return distinct(self.many(np.array((ordinal,), np.int32))[1], slots)
        neighbours = self._adjacency.neighbours(ordinal, self._walk.reverse)
        return distinct(neighbours, slots) if self.repeats else neighbours

    def reached(self, ordinals: Ordinals) -> Ordinals:
        """Return the neighbours of bound nodes, without saying whose they are; any may repeat."""
        if self.plain:
            return self._adjacency.reached(ordinals, self._walk.reverse)
        return self.many(ordinals)[1]

    def many(self, ordinals: Ordinals) -> tuple[Positions, Ordinals]:
        """Return (positions, neighbours); with `repeats` a pair may come more than once, in any order."""
        reverse = self._walk.reverse
        if self._conditions:
            positions, neighbours, _ = self.edges(ordinals)
            return positions, neighbours
        positions, neighbours = self._adjacency.expand(ordinals, reverse)
        if self._walk.undirected:
            back_positions, back = self._adjacency.expand(ordinals, not reverse)
            positions = np.concatenate((positions, back_positions))
            neighbours = np.concatenate((neighbours, back))
        return positions, neighbours

    def pairs(self, ordinals: Ordinals, slots: int) -> tuple[Positions, Ordinals]:
        """Return the distinct (position, neighbour) pairs. ``slots`` is the size of the neighbours' table."""
        positions, neighbours = self.many(ordinals)
        if not self.repeats:
            return positions, neighbours
        different, distinct_neighbours = distinct_pairs(positions, neighbours, slots)
        return different.astype(np.int64, copy=False), distinct_neighbours.astype(np.int32, copy=False)

    def edges(self, ordinals: Ordinals) -> tuple[Positions, Ordinals, Ordinals]:
        """Return (positions, neighbours, edges): one entry per edge, a loop that is walked both ways once."""
        reverse = self._walk.reverse
        positions, neighbours, edges = self._adjacency.expand_edges(ordinals, reverse)
        if self._walk.undirected:
            back_positions, back, back_edges = self._adjacency.expand_edges(ordinals, not reverse)
            proper = np.flatnonzero(back != ordinals.take(back_positions))
            positions = np.concatenate((positions, back_positions.take(proper)))
            neighbours = np.concatenate((neighbours, back.take(proper)))
            edges = np.concatenate((edges, back_edges.take(proper)))
        if self._conditions:
            frame = Frame(len(edges), {self._walk.edge_variable: edges})
            mask = np.ones(len(edges), np.bool_)
            for condition in self._conditions:
                mask &= holds(condition, frame, self._context)
            kept = np.flatnonzero(mask)
            positions, neighbours, edges = positions.take(kept), neighbours.take(kept), edges.take(kept)
        return positions, neighbours, edges


def degrees_of(degrees: npt.NDArray[np.int32], ordinals: Ordinals) -> npt.NDArray[np.int64]:
    """Return the degrees of ordinals; an unbound one (-1) has none."""
    if len(degrees) == 0:
        return np.zeros(len(ordinals), np.int64)
    sizes = degrees.take(ordinals).astype(np.int64)
    sizes[ordinals < 0] = 0
    return sizes
