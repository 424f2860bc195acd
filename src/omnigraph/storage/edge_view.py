"""All rows of one edge type at one snapshot, with their adjacency. Implements `view.EdgeView`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from omnigraph.language.catalog import EdgeType
from omnigraph.language.checked import Value
from omnigraph.storage.adjacency_view import MemoryAdjacency
from omnigraph.storage.cache import CsrHolder, GraphCache
from omnigraph.storage.indexed_adjacency import AutoAdjacency, IndexedAdjacency
from omnigraph.storage.table_view import StoredView
from omnigraph.storage.view import Adjacency, Ordinals


@dataclass(slots=True)
class EdgeState:
    """What versions of an edge table hand on: its rows, and the adjacency that was built last.

    It knows no snapshot, so that handing it on keeps none alive.
    """

    rows: StoredView
    adjacency: MemoryAdjacency | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class StoredEdgeView(StoredView):
    """The rows of one edge type and their neighbours, for one snapshot."""

    def __init__(
        self,
        state: EdgeState,
        entity: EdgeType,
        endpoints: Callable[[], tuple[StoredView, StoredView]],
        cache: GraphCache,
    ) -> None:
        rows = state.rows
        super().__init__(entity, rows.image, rows.overlay, rows.column_of, rows.mode)
        self._columns = rows._columns
        self._stored = rows._stored
        self._state = state
        self._endpoints = endpoints
        self._cache = cache
        self._holder: CsrHolder | None = None
        self._memory: MemoryAdjacency | None = None
        self._indexed: IndexedAdjacency | None = None

    def adjacency(self, indexed: bool | None = None) -> Adjacency:
        if self._memory is not None and not indexed:
            return self._memory
        if indexed is None:
            if self.mode == "indexed":
                indexed = True
            elif self.mode == "csr" or self.image.is_small or self.holder().is_built():
                indexed = False
        if indexed is False:
            return self._in_memory()
        if self._indexed is None:
            self._indexed = IndexedAdjacency(self, *self._endpoints())
        return self._indexed if indexed else AutoAdjacency(self._indexed, self._if_it_pays)

    def find(self, name: str, value: Value) -> Ordinals:
        """Return the edges with a value; those at an endpoint come from the adjacency, which knows them already."""
        if name not in ("src", "dst") or not isinstance(value, str):
            return super().find(name, value)
        reverse = name == "dst"
        node = self._endpoints()[reverse].ordinal(value)
        if node < 0:
            return np.empty(0, np.int32)
        return np.sort(self.adjacency().edges(node, reverse))

    def has_adjacency(self) -> bool:
        """Say whether the adjacency is in memory, or can be had from a version before at little cost."""
        return self._memory is not None or self._state.adjacency is not None

    def holder(self) -> CsrHolder:
        """Return the holder of the base's adjacency, without building it."""
        if self._holder is None:
            sources, targets = self._endpoints()
            self._holder = self._cache.csr(self.image, sources.image, targets.image)
        return self._holder

    def _if_it_pays(self, rows: int) -> Adjacency | None:
        if self._memory is not None or self.image.prefers_memory(("csr", ""), rows, self.mode):
            return self._in_memory()
        return None

    def _in_memory(self) -> MemoryAdjacency:
        memory = self._memory
        if memory is None:
            ends = self._endpoints()
            images = self.image, ends[0].image, ends[1].image
            with self._state.lock:
                seed = self._state.adjacency
                if seed is not None and seed.holder.images == images and seed.length <= self.overlay.length:
                    memory = seed.extend(self, *ends)
                else:
                    memory = MemoryAdjacency.build(self.holder(), self, *ends)
                self._state.adjacency = memory
            self._memory = memory
        return memory
