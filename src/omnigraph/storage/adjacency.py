"""Adjacency of the edges of one base in compressed sparse rows (CSR), in both directions.

Rows are the slots of the two node bases. Neighbours stand in ascending order, parallel edges in the order of their slots. It
is built from the endpoint ids by one hash join each and one sort of packed integers each, and never changes: what the tail
does to it is the business of `storage.adjacency_view`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.storage.image import BaseImage
from omnigraph.storage.view import Mask, Ordinals

NOTHING: Ordinals = np.empty(0, np.int32)
NOTHING.flags.writeable = False


class Lists:
    """One direction: the list of node ``i`` is ``[starts[i] : starts[i + 1]]`` of ``neighbours`` and ``edges``.

    ``bounds`` and ``cells`` are the same memory as ``starts`` and ``neighbours``: for a few lists, indexing and slicing a
    memoryview costs half of what it costs with NumPy.
    """

    __slots__ = ("bounds", "cells", "edges", "neighbours", "nodes", "starts", "stops")

    def __init__(self, starts: Ordinals, neighbours: Ordinals, edges: Ordinals) -> None:
        self.starts = starts
        self.stops = starts[1:]
        self.neighbours = neighbours
        self.edges = edges
        self.nodes = len(starts) - 1
        self.bounds = starts.data
        self.cells = neighbours.data


@dataclass(frozen=True, slots=True)
class Csr:
    """Both directions, the endpoints of every edge slot (-1 for dead ones), and whether parallel edges exist."""

    forward: Lists
    backward: Lists
    sources: Ordinals
    targets: Ordinals
    has_parallel: bool

    @property
    def size_bytes(self) -> int:
        arrays = [self.sources, self.targets]
        for lists in (self.forward, self.backward):
            arrays += [lists.starts, lists.neighbours, lists.edges]
        return sum(array.nbytes for array in arrays)


def build_csr(edges: BaseImage, sources: BaseImage, targets: BaseImage) -> Csr:
    """Build the adjacency of an edge base between two node bases. O(edges), about 0.3 µs each."""
    if edges.table is None:
        return _csr(NOTHING, NOTHING, sources.slots, targets.slots)
    endpoints = edges.table.read(["src", "dst"])
    source = _slots(sources, endpoints.column("src"))
    target = _slots(targets, endpoints.column("dst"))
    live = edges.live()
    if live is not None:
        source = np.where(live, source, np.int32(-1))
        target = np.where(live, target, np.int32(-1))
    # Bases of nodes may be newer: an edge that went with its node is still in the base of edges, and dead in the tail.
    dangling = (source < 0) | (target < 0)
    if dangling.any():
        source, target = np.where(dangling, np.int32(-1), source), np.where(dangling, np.int32(-1), target)
    return _csr(source, target, sources.slots, targets.slots)


def _slots(nodes: BaseImage, ids: pa.ChunkedArray) -> Ordinals:
    return np.ascontiguousarray(nodes.slots_of(ids, "csr"))


def _csr(source: Ordinals, target: Ordinals, source_slots: int, target_slots: int) -> Csr:
    there = np.flatnonzero(source >= 0).astype(np.int32)
    complete = len(there) == len(source)
    from_ = source if complete else source[there]
    to = target if complete else target[there]
    forward = sorted_lists(from_, to, there, source_slots, target_slots)
    backward = sorted_lists(to, from_, there, target_slots, source_slots)
    return Csr(forward, backward, source, target, has_repeats(forward))


def sorted_lists(rows: Ordinals, neighbours: Ordinals, edges: Ordinals, row_count: int, neighbour_count: int) -> Lists:
    """Sort edges by row, neighbour and edge; one sort of 64-bit integers when the three fit into one."""
    starts = np.zeros(row_count + 1, np.int32)
    np.cumsum(np.bincount(rows, minlength=row_count), out=starts[1:])
    edge_bits = int(edges.max(initial=0)).bit_length()
    neighbour_bits = max(neighbour_count - 1, 0).bit_length()
    row_bits = max(row_count - 1, 0).bit_length()
    if edge_bits + neighbour_bits + row_bits <= 63:
        packed = rows.astype(np.int64)
        packed <<= neighbour_bits
        packed |= neighbours
        packed <<= edge_bits
        packed |= edges
        packed.sort()
        sorted_edges = (packed & ((1 << edge_bits) - 1)).astype(np.int32)
        packed >>= edge_bits
        packed &= (1 << neighbour_bits) - 1
        return Lists(starts, packed.astype(np.int32), sorted_edges)
    if (edges[1:] > edges[:-1]).all():
        order = np.argsort((rows.astype(np.int64) << 32) | neighbours, kind="stable")
    else:
        order = np.lexsort((edges, neighbours, rows))
    return Lists(starts, neighbours[order], edges[order])


def has_repeats(lists: Lists) -> bool:
    """Say whether some row holds a neighbour twice."""
    same = lists.neighbours[1:] == lists.neighbours[:-1]
    borders = lists.starts[1:-1]
    same[borders[(borders > 0) & (borders < len(lists.neighbours))] - 1] = False
    return bool(same.any())


def spread(starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the indices of many slices one after the other: ``starts[i] … starts[i] + counts[i] - 1`` for every i."""
    ends = counts.cumsum()
    indices: npt.NDArray[np.int64] = (starts - ends + counts).repeat(counts)
    indices += np.arange(len(indices))
    return indices


def in_range(ordinals: Ordinals, count: int) -> Mask:
    """Say which ordinals are not negative and below a count."""
    return ordinals.view(np.uint32) < np.uint32(count)
