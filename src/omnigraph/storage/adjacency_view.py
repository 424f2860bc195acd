"""Adjacency at one snapshot in memory: the CSR of the base with the tail's edges laid over it.

`storage.adjacency_layers` holds the lists; here is what makes the next version out of one: a commit costs a few µs for every
edge that it writes, and when many have come together, the next version starts from a fresh patch.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.storage.adjacency_layers import Edit, Entry, Layers, Patch, build_patch
from omnigraph.storage.overlay import Growing, Overlay
from omnigraph.storage.overlay_columns import overlay_column
from omnigraph.storage.overlay_strings import StringOverlay
from omnigraph.storage.view import Adjacency, Mask, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.cache import CsrHolder
    from omnigraph.storage.table_view import StoredView

_RECENT_MAX = 2048
_STRING = pa.string()


class _Line:
    """What the versions of one line share. Appended to under its lock."""

    __slots__ = ("backward", "edits", "forward", "length", "lock", "sources", "targets")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.length = 0
        self.edits = 0
        self.sources = Growing(np.int32)  # of every position of the edge log
        self.targets = Growing(np.int32)
        self.forward: dict[int, Entry] = {}
        self.backward: dict[int, Entry] = {}


class MemoryAdjacency:
    """The adjacency of one version of an edge table. Implements `view.Adjacency`."""

    def __init__(
        self, holder: CsrHolder, line: _Line, edges: Overlay, forward: Layers, backward: Layers, has_parallel: bool
    ) -> None:
        self.holder = holder
        self.has_parallel = has_parallel
        self.length = edges.length
        self._line = line
        self._edges = edges
        self._layers = (forward, backward)

    # --- reading -------------------------------------------------------------------------------------------------------

    def neighbours(self, ordinal: int, reverse: bool) -> Ordinals:
        return self._layers[reverse].neighbours_of(ordinal)

    def edges(self, ordinal: int, reverse: bool) -> Ordinals:
        return self._layers[reverse].lists_of(ordinal)[1]

    def reached(self, ordinals: Ordinals, reverse: bool) -> Ordinals:
        return self._layers[reverse].reached(ordinals)

    def sizes(self, ordinals: Ordinals, reverse: bool) -> npt.NDArray[np.int64]:
        return self._layers[reverse].sizes(ordinals)

    def expand(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals]:
        positions, neighbours, _ = self._layers[reverse].expand(ordinals, False)
        return positions, neighbours

    def expand_edges(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        return self._layers[reverse].expand(ordinals, True)

    def degrees(self, reverse: bool) -> npt.NDArray[np.int32]:
        return self._layers[reverse].degrees()

    def restricted(self, edge_ordinals: Mask) -> Adjacency:
        return RestrictedAdjacency(self, edge_ordinals)

    # --- versions ------------------------------------------------------------------------------------------------------

    @classmethod
    def build(cls, holder: CsrHolder, edges: StoredView, sources: StoredView, targets: StoredView) -> MemoryAdjacency:
        """Build the adjacency of a version from its tail: 1 to 2 ms for 4,096 edges, O(edges) more if the CSR is not there."""
        csr = holder.get()
        overlay = edges.overlay
        line = _Line()
        line.length = overlay.length
        if overlay.length == 0:
            return cls._with(holder, line, overlay, None, None, sources, targets, csr.has_parallel)
        _append_endpoints(line, edges, sources, targets, 0)
        last = overlay.current()
        touched = overlay.ordinals[last]
        alive = ~overlay.dead[last]
        new_edges = touched[alive]
        new_sources = line.sources.upto(overlay.length)[last[alive]]
        new_targets = line.targets.upto(overlay.length)[last[alive]]
        old_edges = touched[touched < len(csr.sources)]
        old_edges = old_edges[csr.sources[old_edges] >= 0]
        gone = np.zeros(len(csr.sources), np.bool_)
        gone[old_edges] = True
        forward, repeats = build_patch(
            csr.forward, csr.sources[old_edges], gone, new_sources, new_targets, new_edges, sources.slots, targets.slots
        )
        backward, _ = build_patch(
            csr.backward, csr.targets[old_edges], gone, new_targets, new_sources, new_edges, targets.slots, sources.slots
        )
        return cls._with(holder, line, overlay, forward, backward, sources, targets, csr.has_parallel or repeats)

    @classmethod
    def _with(
        cls,
        holder: CsrHolder,
        line: _Line,
        overlay: Overlay,
        forward: Patch | None,
        backward: Patch | None,
        sources: StoredView,
        targets: StoredView,
        has_parallel: bool,
    ) -> MemoryAdjacency:
        return cls(
            holder,
            line,
            overlay,
            Layers(holder, False, forward, line.forward, overlay.length, sources.slots),
            Layers(holder, True, backward, line.backward, overlay.length, targets.slots),
            has_parallel,
        )

    def extend(self, edges: StoredView, sources: StoredView, targets: StoredView) -> MemoryAdjacency:
        """Return the adjacency of a later version of the same tables: O(what was written since)."""
        written = edges.overlay.length - self.length
        line = self._line
        with line.lock:
            linear = line.length == self.length and edges.overlay.log is self._edges.log
            if linear and line.edits + written <= _RECENT_MAX:
                has_parallel = self._append(edges, sources, targets)
                forward, backward = self._layers
                return self._with(
                    self.holder, line, edges.overlay, forward.patch, backward.patch, sources, targets, has_parallel
                )
        return self.build(self.holder, edges, sources, targets)

    def _append(self, edges: StoredView, sources: StoredView, targets: StoredView) -> bool:
        """Take the positions of the edge log in that this version lacks; return whether parallel edges may exist."""
        line, log, end = self._line, edges.overlay.log, edges.overlay.length
        has_parallel = self.has_parallel
        if end == self.length:
            return has_parallel
        csr = self.holder.get()
        forward = self._layers[0]
        log.settle_all()
        _append_endpoints(line, edges, sources, targets, self.length)
        source_of, target_of = line.sources.upto(end), line.targets.upto(end)
        for position in range(self.length, end):
            edge = log.ordinals[position]
            before = log.previous[position]
            if before >= 0:
                old = source_of.item(before), target_of.item(before)
            elif edge < len(csr.sources):
                old = csr.sources.item(edge), csr.targets.item(edge)
            else:
                old = (-1, -1)
            new = source_of.item(position), target_of.item(position)
            if old == new:
                continue
            # Of an edge that was written and removed since the last version a node may be gone too: it never showed.
            if min(old) >= 0:
                _edit(line.forward, old[0], (edge, -1), end)
                _edit(line.backward, old[1], (edge, -1), end)
            if min(new) >= 0:
                has_parallel = has_parallel or _may_lead_to(forward, line.forward.get(new[0]), *new)
                _edit(line.forward, new[0], (edge, new[1]), end)
                _edit(line.backward, new[1], (edge, new[0]), end)
        line.edits += end - self.length
        line.length = end
        return has_parallel


def _edit(recent: dict[int, Entry], node: int, edit: Edit, end: int) -> None:
    entry = recent.get(node)
    if entry is not None and entry.version == end:
        entry.edits += (edit,)  # of the same commit, which no version sees yet
    else:
        recent[node] = Entry(end, (edit,), entry)


def _may_lead_to(layers: Layers, entry: Entry | None, node: int, neighbour: int) -> bool:
    """Say whether a node may have a neighbour already; exact when it says no."""
    while entry is not None and entry.lists is None:
        if any(reached == neighbour for _, reached in entry.edits):
            return True
        entry = entry.before
    neighbours = layers.settled(node)[0] if entry is None or entry.lists is None else entry.lists[0]
    if len(neighbours) == 0:
        return False
    at = bisect_left(neighbours.data, neighbour)  # a third of the cost of NumPy's for short lists
    return at < len(neighbours) and neighbours.item(at) == neighbour


def _append_endpoints(line: _Line, edges: StoredView, sources: StoredView, targets: StoredView, start: int) -> None:
    """Append the endpoint ordinals of the positions of the edge log from ``start`` on; -1 for deletes."""
    length = edges.overlay.length
    for name, nodes, endpoints in (("src", sources, line.sources), ("dst", targets, line.targets)):
        tail = overlay_column(edges.overlay.log, name, _STRING)
        assert isinstance(tail, StringOverlay)
        tail.upto(length)
        ids = tail.strings[start:length]
        endpoints.length = start  # drops what a failed attempt may have left
        if len(ids) == 1:
            endpoints.append_one(-1 if ids[0] is None else nodes.ordinal(ids[0]))
            continue
        alive = ~edges.overlay.dead[start:]
        there = [row_id for row_id in compress(ids, alive.tolist()) if row_id is not None]
        found = np.full(len(ids), -1, np.int32)
        if there:
            found[alive] = nodes.ordinals(there)
        endpoints.append(found)


class RestrictedAdjacency:
    """The adjacency of only some edges: the other one's answers, filtered. Costs what the other one's answers cost."""

    def __init__(self, whole: Adjacency, chosen: Mask) -> None:
        self._whole = whole
        self._chosen = chosen

    @property
    def has_parallel(self) -> bool:
        return self._whole.has_parallel

    def neighbours(self, ordinal: int, reverse: bool) -> Ordinals:
        chosen = self._chosen[self._whole.edges(ordinal, reverse)]
        return self._whole.neighbours(ordinal, reverse)[chosen]

    def edges(self, ordinal: int, reverse: bool) -> Ordinals:
        edges = self._whole.edges(ordinal, reverse)
        return edges[self._chosen[edges]]

    def reached(self, ordinals: Ordinals, reverse: bool) -> Ordinals:
        return self.expand(ordinals, reverse)[1]

    def sizes(self, ordinals: Ordinals, reverse: bool) -> npt.NDArray[np.int64]:
        return np.bincount(self.expand(ordinals, reverse)[0], minlength=len(ordinals))

    def expand(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals]:
        positions, neighbours, _ = self.expand_edges(ordinals, reverse)
        return positions, neighbours

    def expand_edges(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        positions, neighbours, edges = self._whole.expand_edges(ordinals, reverse)
        chosen = self._chosen[edges]
        return positions[chosen], neighbours[chosen], edges[chosen]

    def degrees(self, reverse: bool) -> npt.NDArray[np.int32]:
        slots = len(self._whole.degrees(reverse))
        positions, _ = self.expand(np.arange(slots, dtype=np.int32), reverse)
        return np.bincount(positions, minlength=slots).astype(np.int32)

    def restricted(self, edge_ordinals: Mask) -> Adjacency:
        return RestrictedAdjacency(self._whole, self._chosen & edge_ordinals)
