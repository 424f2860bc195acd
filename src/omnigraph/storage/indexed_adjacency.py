"""Adjacency by look-ups in storage: nothing is built that costs O(edges).

Every call is one indexed look-up of the edges' ``src`` or ``dst``, and one of the neighbours' ids. `AutoAdjacency` serves the
first few calls of a process this way and then from memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from omnigraph.storage.adjacency import NOTHING, spread
from omnigraph.storage.adjacency_view import RestrictedAdjacency
from omnigraph.storage.overlay_strings import StringOverlay
from omnigraph.storage.view import Adjacency, Mask, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.table_view import StoredView


class IndexedAdjacency:
    """The adjacency of one version of an edge table by look-ups. Implements `view.Adjacency`."""

    def __init__(self, edges: StoredView, sources: StoredView, targets: StoredView) -> None:
        self._edges = edges
        self._ends = sources, targets
        self._written: dict[bool, dict[str, list[int]]] = {}

    @property
    def has_parallel(self) -> bool:
        return True  # finding out would read every edge

    def neighbours(self, ordinal: int, reverse: bool) -> Ordinals:
        return self._lists([ordinal], reverse)[1]

    def edges(self, ordinal: int, reverse: bool) -> Ordinals:
        return self._lists([ordinal], reverse)[2]

    def reached(self, ordinals: Ordinals, reverse: bool) -> Ordinals:
        return self.expand(ordinals, reverse)[1]

    def sizes(self, ordinals: Ordinals, reverse: bool) -> npt.NDArray[np.int64]:
        return np.bincount(self.expand(ordinals, reverse)[0], minlength=len(ordinals))

    def expand(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals]:
        positions, neighbours, _ = self.expand_edges(ordinals, reverse)
        return positions, neighbours

    def expand_edges(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        owners, neighbours, edges = self._lists(np.unique(ordinals[ordinals >= 0]).tolist(), reverse)
        starts = np.searchsorted(owners, ordinals, "left")
        counts = np.searchsorted(owners, ordinals, "right") - starts
        places = spread(starts, counts)
        return np.repeat(np.arange(len(ordinals)), counts), neighbours[places], edges[places]

    def degrees(self, reverse: bool) -> npt.NDArray[np.int32]:
        """Count by reading the endpoint column of all edges: O(edges)."""
        nodes = self._ends[reverse]
        ids = self._edges.column("dst" if reverse else "src").take(self._edges.all())
        ordinals = nodes.ordinals(ids)
        return np.bincount(ordinals, minlength=nodes.slots).astype(np.int32)

    def restricted(self, edge_ordinals: Mask) -> Adjacency:
        return RestrictedAdjacency(self, edge_ordinals)

    def _lists(self, ordinals: list[int], reverse: bool) -> tuple[Ordinals, Ordinals, Ordinals]:
        """Return (owner, neighbour, edge) of all edges at some nodes, sorted."""
        nodes, others = self._ends[reverse], self._ends[not reverse]
        if len(ordinals) == 1:
            ids = [nodes.column("id").value(ordinals[0])]
        else:
            ids = nodes.ids(np.array(ordinals, np.int32)).to_pylist()
        owner_of = {row_id: ordinal for row_id, ordinal in zip(ids, ordinals, strict=True) if isinstance(row_id, str)}
        own, other = ("dst", "src") if reverse else ("src", "dst")
        owners: list[int] = []
        other_ids: list[str] = []
        edges: list[int] = []
        table = self._edges.image.table
        if table is not None and owner_of:
            slots, rows = table.find(own, list(owner_of), ["id", own, other])
            cells = (slots.tolist(), *(rows.column(name).to_pylist() for name in ("id", own, other)))
            position_of_id = self._edges.overlay.position_of_id
            for slot, edge_id, owner_id, other_id in zip(*cells, strict=True):
                if position_of_id(edge_id) < 0:
                    owners.append(owner_of[owner_id])
                    other_ids.append(other_id)
                    edges.append(slot)
        if self._edges.overlay.length:
            self._add_written(owner_of, reverse, owners, other_ids, edges)
        if not owners:
            return NOTHING, NOTHING, NOTHING
        found = np.array([owners, others.ordinals(other_ids), edges], np.int32)
        found = found[:, np.lexsort((found[2], found[1], found[0]))]
        return found[0], found[1], found[2]

    def _add_written(
        self, owner_of: dict[str, int], reverse: bool, owners: list[int], other_ids: list[str], edges: list[int]
    ) -> None:
        overlay = self._edges.overlay
        written = self._written.get(reverse)
        own, other = self._strings("dst" if reverse else "src"), self._strings("src" if reverse else "dst")
        if written is None:
            written = {}
            for position in range(overlay.length):
                owner_id = own[position]
                if owner_id is not None and overlay.position_of_id(overlay.log.ids[position]) == position:
                    written.setdefault(owner_id, []).append(position)
            self._written[reverse] = written
        for owner_id, owner in owner_of.items():
            for position in written.get(owner_id, ()):
                other_id = other[position]
                assert other_id is not None
                owners.append(owner)
                other_ids.append(other_id)
                edges.append(overlay.ordinal_at(position))

    def _strings(self, name: str) -> list[str | None]:
        tail = self._edges.column(name).tail()
        assert isinstance(tail, StringOverlay)
        tail.upto(self._edges.overlay.length)
        return tail.strings


class AutoAdjacency:
    """Serves the first few calls by look-ups, then, or when a call asks for much, from memory."""

    def __init__(self, indexed: IndexedAdjacency, memory: Callable[[int], Adjacency | None]) -> None:
        self._indexed = indexed
        self._memory = memory  # the adjacency in memory if it should serve a call for so many nodes

    def _pick(self, rows: int) -> Adjacency:
        return self._memory(rows) or self._indexed

    @property
    def has_parallel(self) -> bool:
        return True

    def neighbours(self, ordinal: int, reverse: bool) -> Ordinals:
        return self._pick(1).neighbours(ordinal, reverse)

    def edges(self, ordinal: int, reverse: bool) -> Ordinals:
        return self._pick(1).edges(ordinal, reverse)

    def reached(self, ordinals: Ordinals, reverse: bool) -> Ordinals:
        return self._pick(len(ordinals)).reached(ordinals, reverse)

    def sizes(self, ordinals: Ordinals, reverse: bool) -> npt.NDArray[np.int64]:
        return self._pick(len(ordinals)).sizes(ordinals, reverse)

    def expand(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals]:
        return self._pick(len(ordinals)).expand(ordinals, reverse)

    def expand_edges(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        return self._pick(len(ordinals)).expand_edges(ordinals, reverse)

    def degrees(self, reverse: bool) -> npt.NDArray[np.int32]:
        return self._pick(1 << 31).degrees(reverse)

    def restricted(self, edge_ordinals: Mask) -> Adjacency:
        return RestrictedAdjacency(self, edge_ordinals)
