"""One direction of an adjacency at one snapshot, in layers: base, patch and what is recent.

A node whose edges the tail touches gets a whole new list. The *patch* is a small CSR of such nodes, built in one vectorised
pass over the tail. What later commits do to a node is kept in a dictionary from node to `Entry` that all versions of one line
of history share: an entry says from which length of the edge log on it holds and leads to the one before, so that an older
version still finds its own. A list is only made when somebody reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from omnigraph.storage.adjacency import NOTHING, Lists, in_range, sorted_lists, spread
from omnigraph.storage.part import Part
from omnigraph.storage.view import Mask, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.cache import CsrHolder

_FEW = 24  # up to so many nodes a loop over slices beats the vectorised gather

Edit: TypeAlias = tuple[int, int]
"""An edge, and the neighbour that it leads to from now on; -1 for none."""


class Entry:
    """What one commit did to the list of one node. ``lists`` are the neighbours and edges after it, once somebody asked."""

    __slots__ = ("before", "edits", "lists", "version")

    def __init__(self, version: int, edits: tuple[Edit, ...], before: Entry | None) -> None:
        self.version = version  # the length of the edge log from which on it holds
        self.edits = edits
        self.before = before
        self.lists: tuple[Ordinals, Ordinals] | None = None


class Patch:
    """Whole lists of some nodes. ``rows`` gives for every node slot its list's number plus one, 0 for none (and for -1)."""

    __slots__ = ("edges", "neighbours", "nodes", "rows", "starts", "stops")

    def __init__(
        self,
        rows: Ordinals,
        nodes: Ordinals,
        starts: npt.NDArray[np.int64],
        stops: npt.NDArray[np.int64],
        neighbours: Ordinals,
        edges: Ordinals,
    ) -> None:
        self.rows = rows
        self.nodes = nodes
        self.starts = starts
        self.stops = stops
        self.neighbours = neighbours
        self.edges = edges

    def slice_of(self, node: int) -> slice | None:
        if node >= len(self.rows) - 1 or node < 0:
            return None
        row = self.rows.item(node)
        return slice(self.starts.item(row - 1), self.stops.item(row - 1)) if row else None


class Layers:
    """One direction: base, patch and recent lists, as one version of a line sees them."""

    __slots__ = ("_complete", "_full", "holder", "patch", "recent", "reverse", "slots", "version")

    def __init__(
        self, holder: CsrHolder, reverse: bool, patch: Patch | None, recent: dict[int, Entry], version: int, slots: int
    ) -> None:
        self.holder = holder
        self.reverse = reverse
        self.patch = patch
        self.recent = recent
        self.version = version
        self.slots = slots
        self._complete: Patch | None = None
        self._full: Part | None = None

    def base(self) -> Lists:
        csr = self.holder.get()
        return csr.backward if self.reverse else csr.forward

    def lists_of(self, node: int) -> tuple[Ordinals, Ordinals]:
        """Return neighbours and edges of one node."""
        if self.recent:
            entry = self.visible(self.recent.get(node))
            if entry is not None:
                return entry.lists or self._materialized(node, entry)
        return self.settled(node)

    def visible(self, entry: Entry | None) -> Entry | None:
        """Return the entry that holds at this version."""
        while entry is not None and entry.version > self.version:
            entry = entry.before
        return entry

    def _materialized(self, node: int, entry: Entry) -> tuple[Ordinals, Ordinals]:
        edits = list(entry.edits)
        before = entry.before
        while before is not None and before.lists is None:
            edits = [*before.edits, *edits]
            before = before.before
        lists = self.settled(node) if before is None or before.lists is None else before.lists
        entry.lists = edited(*lists, edits)
        return entry.lists

    def settled(self, node: int) -> tuple[Ordinals, Ordinals]:
        """Return neighbours and edges of a node without what is recent."""
        if self.patch is not None:
            place = self.patch.slice_of(node)
            if place is not None:
                return self.patch.neighbours[place], self.patch.edges[place]
        base = self.base()
        if 0 <= node < base.nodes:
            start, stop = base.bounds[node], base.bounds[node + 1]
            return base.neighbours[start:stop], base.edges[start:stop]
        return NOTHING, NOTHING

    def neighbours_of(self, node: int) -> Ordinals:
        if self.recent or self.patch is not None:
            return self.lists_of(node)[0]
        base = self.base()
        if 0 <= node < base.nodes:
            return base.neighbours[base.bounds[node] : base.bounds[node + 1]]
        return NOTHING

    def reached(self, nodes: Ordinals) -> Ordinals:
        """Return the neighbours of many nodes, one list after the other."""
        count = len(nodes)
        if count > _FEW:
            full = self._whole(nodes)
            return self._reached(nodes) if full is None else full.neighbours
        if self.recent or self.patch is not None:
            lists = [self.lists_of(node)[0] for node in nodes.tolist()]
            return np.concatenate(lists) if count > 1 else lists[0] if lists else NOTHING
        base = self.base()
        cells, bounds, end = base.cells, base.bounds, base.nodes
        parts = [cells[bounds[node] : bounds[node + 1]] for node in nodes.tolist() if 0 <= node < end]
        return np.frombuffer(b"".join(parts), np.int32)

    def _reached(self, nodes: Ordinals) -> Ordinals:
        base = self.base()
        starts, counts, rows, hits = self._extents(nodes, base, bound=True)
        neighbours = _take(base.neighbours, spread(starts, counts))
        if len(hits):
            self._overwrite(neighbours, None, counts, rows, hits)
        return neighbours

    def sizes(self, nodes: Ordinals) -> npt.NDArray[np.int64]:
        """Return the number of neighbours of every node."""
        return self._extents(nodes, self.base())[1]

    def expand(self, nodes: Ordinals, with_edges: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        """Return positions, neighbours and, if asked for, edges of many nodes."""
        count = len(nodes)
        if count <= _FEW and not with_edges and not self.recent and self.patch is None:
            return self._expand_few(nodes.tolist())
        if count <= _FEW:
            lists = [self.lists_of(node) for node in nodes.tolist()]
            if count == 1:
                neighbours, edges = lists[0]
                return np.zeros(len(neighbours), np.int64), neighbours, edges
            if count == 0:
                return np.empty(0, np.int64), NOTHING, NOTHING
            positions = np.repeat(_FIRST[:count], np.array([len(neighbours) for neighbours, _ in lists]))
            edges = np.concatenate([edges for _, edges in lists]) if with_edges else NOTHING
            return positions, np.concatenate([neighbours for neighbours, _ in lists]), edges
        full = self._whole(nodes)
        if full is not None:
            counts = full.stops.take(nodes) - full.starts.take(nodes)
            return np.repeat(np.arange(count), counts), full.neighbours, full.edges
        return self._gather(nodes, with_edges)

    def _whole(self, nodes: Ordinals) -> Lists | None:
        """Return the lists of all nodes if these nodes, ascending, have all the edges there are."""
        if 2 * len(nodes) < self.slots or nodes[0] < 0 or not (nodes[1:] > nodes[:-1]).all():
            return None
        full = self.full()
        counts = full.stops.take(nodes) - full.starts.take(nodes)
        return full if counts.sum() == len(full.neighbours) else None

    def _expand_few(self, nodes: list[int]) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        """Return positions and neighbours of a few nodes of a base without a tail: slices, no arithmetic on arrays."""
        base = self.base()
        cells, bounds, end = base.cells, base.bounds, base.nodes
        lists = [cells[bounds[node] : bounds[node + 1]] if 0 <= node < end else _NO_CELLS for node in nodes]
        positions = np.repeat(_FIRST[: len(lists)], np.array([len(one) for one in lists], np.int64))
        return positions, np.frombuffer(b"".join(lists), np.int32), NOTHING

    def _gather(self, nodes: Ordinals, with_edges: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        base = self.base()
        starts, counts, rows, hits = self._extents(nodes, base)
        indices = spread(starts, counts)
        positions = np.repeat(np.arange(len(nodes)), counts)
        neighbours = _take(base.neighbours, indices)
        edges = _take(base.edges, indices) if with_edges else NOTHING
        if len(hits):
            self._overwrite(neighbours, edges if with_edges else None, counts, rows, hits)
        return positions, neighbours, edges

    def _overwrite(
        self,
        neighbours: Ordinals,
        edges: Ordinals | None,
        counts: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        hits: npt.NDArray[np.int64],
    ) -> None:
        """Put the lists that the patch holds where they belong among those gathered from the base."""
        patch = self.complete_patch()
        assert patch is not None
        there = counts[hits]
        ends = np.cumsum(counts)[hits]
        target = spread(ends - there, there)
        source = spread(patch.starts[rows], there)
        neighbours[target] = patch.neighbours[source]
        if edges is not None:
            edges[target] = patch.edges[source]

    def _extents(
        self, nodes: Ordinals, base: Lists, *, bound: bool = False
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return where the list of every node starts in the base and how long it is *in the end*; which nodes have a list
        in the patch, and its row there. ``bound`` says that no node is -1.
        """
        if (bound and self.slots == base.nodes) or (inside := in_range(nodes, base.nodes)).all():
            starts = base.starts.take(nodes).astype(np.int64)
            counts = base.stops.take(nodes) - starts
        else:
            starts = np.zeros(len(nodes), np.int64)
            counts = np.zeros(len(nodes), np.int64)
            known = nodes[inside]
            starts[inside] = base.starts[known]
            counts[inside] = base.starts[known + 1] - starts[inside]
        patch = self.complete_patch()
        if patch is None:
            return starts, counts, _NO_ROWS, _NO_ROWS
        row = patch.rows[nodes]
        hits = np.flatnonzero(row)
        rows = row[hits].astype(np.int64) - 1
        counts[hits] = patch.stops[rows] - patch.starts[rows]
        return starts, counts, rows, hits

    def complete_patch(self) -> Patch | None:
        """Return one patch that holds the recent lists too, long enough for every node slot."""
        if self._complete is None and (self.recent or self.patch is not None):
            self._complete = self._with_recent()
        return self._complete

    def _with_recent(self) -> Patch | None:
        visible: list[tuple[int, Ordinals, Ordinals]] = []
        for node, latest in list(self.recent.items()):
            entry = self.visible(latest)
            if entry is not None:
                visible.append((node, *(entry.lists or self._materialized(node, entry))))
        patch = self.patch
        if not visible and (patch is None or len(patch.rows) == self.slots + 1):
            return patch
        rows = np.zeros(self.slots + 1, np.int32)
        if patch is None:
            empty = np.empty(0, np.int64)
            patch = Patch(rows, NOTHING, empty, empty, NOTHING, NOTHING)
        else:
            common = min(len(patch.rows), len(rows)) - 1
            rows[:common] = patch.rows[:common]
        nodes = np.array([node for node, _, _ in visible], np.int32)
        counts = np.array([len(neighbours) for _, neighbours, _ in visible], np.int64)
        stops = np.cumsum(counts) + len(patch.neighbours)
        rows[nodes] = np.arange(1, len(nodes) + 1, dtype=np.int32) + len(patch.starts)
        return Patch(
            rows,
            np.union1d(patch.nodes, nodes).astype(np.int32),
            np.concatenate([patch.starts, stops - counts]),
            np.concatenate([patch.stops, stops]),
            np.concatenate([patch.neighbours, *(neighbours for _, neighbours, _ in visible)]),
            np.concatenate([patch.edges, *(edges for _, _, edges in visible)]),
        )

    def full(self) -> Lists:
        """Return the lists of all node slots as one CSR: the base's own where the tail has no part, else merged once."""
        base = self.base()
        if self.slots == base.nodes and self.complete_patch() is None:
            return base
        full: Lists | None = None if self._full is None else self._full.value
        if full is None:
            nodes = np.arange(self.slots, dtype=np.int32)
            _, neighbours, edges = self._gather(nodes, True)
            starts = np.zeros(self.slots + 1, np.int32)
            np.cumsum(self.degrees(), out=starts[1:])
            full = Lists(starts, neighbours, edges)
            self._full = Part(full, starts.nbytes + neighbours.nbytes + edges.nbytes)
            self.holder.admit(self._full)
        return full

    def degrees(self) -> npt.NDArray[np.int32]:
        base = self.base()
        degrees = np.zeros(self.slots, np.int32)
        degrees[: base.nodes] = np.diff(base.starts)
        patch = self.complete_patch()
        if patch is not None:
            rows = patch.rows[patch.nodes] - 1
            degrees[patch.nodes] = patch.stops[rows] - patch.starts[rows]
        return degrees


_FIRST = np.arange(_FEW)
_NO_CELLS = NOTHING.data
_NO_ROWS = np.empty(0, np.int64)


def _take(cells: Ordinals, indices: npt.NDArray[np.int64]) -> Ordinals:
    """Gather; places that the patch will overwrite may point anywhere."""
    if len(cells) == 0:
        return np.empty(len(indices), np.int32)
    return cells.take(indices, mode="clip")


def edited(neighbours: Ordinals, edges: Ordinals, edits: list[Edit]) -> tuple[Ordinals, Ordinals]:
    """Return the lists of a node after some edits; the later one of an edge counts."""
    net = dict(edits)
    removed = np.isin(edges, np.fromiter(net, np.int32, len(net))) if len(net) > 1 else edges == edits[0][0]
    added = [(neighbour, edge) for edge, neighbour in net.items() if neighbour >= 0]
    if removed.any():
        neighbours, edges = neighbours[~removed], edges[~removed]
    if not added:
        return neighbours, edges
    longer = np.empty((2, len(edges) + len(added)), np.int32)
    longer[0, : len(edges)] = neighbours
    longer[1, : len(edges)] = edges
    longer[:, len(edges) :] = np.array(added, np.int32).T
    order = np.lexsort((longer[1], longer[0]))
    return longer[0][order], longer[1][order]


def build_patch(
    base: Lists,
    old_nodes: Ordinals,
    gone: Mask,
    new_nodes: Ordinals,
    new_neighbours: Ordinals,
    new_edges: Ordinals,
    slots: int,
    neighbour_slots: int,
) -> tuple[Patch, bool]:
    """Build the patch of one direction, and say whether its lists hold parallel edges.

    ``old_nodes`` lose the edges that are ``gone``; ``new_nodes`` get a new neighbour each.
    """
    marked = np.zeros(slots, np.bool_)
    there = (new_nodes >= 0) & (new_neighbours >= 0)
    if not there.all():  # an edge whose node was removed later in the same tail is dead too; nothing else is expected
        new_nodes, new_neighbours, new_edges = new_nodes[there], new_neighbours[there], new_edges[there]
    marked[old_nodes] = True
    marked[new_nodes] = True
    nodes = np.flatnonzero(marked).astype(np.int32)
    rows = np.zeros(slots + 1, np.int32)
    rows[nodes] = np.arange(1, len(nodes) + 1, dtype=np.int32)
    known = nodes[: int(nodes.searchsorted(base.nodes))]
    starts = base.starts[known].astype(np.int64)
    counts = base.starts[known + 1] - starts
    indices = spread(starts, counts)
    owner = np.repeat(np.arange(len(known), dtype=np.int32), counts)
    kept_edges = base.edges[indices]
    kept = ~gone[kept_edges]
    lists = sorted_lists(
        np.concatenate([owner[kept], rows[new_nodes] - 1]),
        np.concatenate([base.neighbours[indices][kept], new_neighbours]),
        np.concatenate([kept_edges[kept], new_edges]),
        len(nodes),
        neighbour_slots,
    )
    starts = lists.starts.astype(np.int64)
    same = lists.neighbours[1:] == lists.neighbours[:-1]
    owners = np.repeat(np.arange(len(nodes)), np.diff(starts))
    repeats = bool((same & (owners[1:] == owners[:-1])).any())
    return Patch(rows, nodes, starts[:-1], starts[1:], lists.neighbours, lists.edges), repeats
