"""One snapshot of a graph in memory. Implements `view.GraphView`.

Making one costs nothing: a table is opened, and its tail replayed, when it is first asked for. The next commit of the same
line of history makes the next view out of this one (`SnapshotView.extend`), at the price of what the commit changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from omnigraph.errors import HistoryReclaimed
from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.change import Change
from omnigraph.storage.edge_view import EdgeState, StoredEdgeView
from omnigraph.storage.image import KEYS, Mode
from omnigraph.storage.overlay import Overlay
from omnigraph.storage.table_protocol import BaseTable
from omnigraph.storage.table_view import StoredView

OVERLAY_ROWS_MAX = 16_384
OVERLAY_SHARE_MAX = 0.05


@dataclass(frozen=True, slots=True)
class TableSource:
    """Where the rows of one type come from at a snapshot.

    ``open_base`` is called when the table is first used; ``base_identity`` is None when there is no base. ``tail`` holds the
    changes beyond the base, oldest first. ``column_of`` leads from property names to stored columns, where they differ.
    ``rows`` is the number of live rows. ``refusal`` says why none of it can be read, if so.
    """

    open_base: Callable[[], BaseTable | None] = lambda: None
    base_identity: tuple[str, str] | None = None
    tail: Sequence[Change] = ()
    column_of: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    refusal: str = ""


_NO_SOURCE = TableSource()


class SnapshotView:
    """All tables of a graph at one snapshot. Immutable and thread-safe.

    ``tables`` is keyed like ``node:Person``; a type of the catalog without a source has no rows. ``mode`` is
    ``OMNIGRAPH_TRAVERSAL_MODE``.
    """

    def __init__(self, catalog: Catalog, tables: Mapping[str, TableSource], cache: GraphCache, mode: Mode = None) -> None:
        self.catalog = catalog
        self._sources = tables
        self._cache = cache
        self._mode: Mode = mode
        self._rows: dict[str, StoredView] = {}  # node types
        self._states: dict[str, EdgeState] = {}  # edge types
        self._edges: dict[str, StoredEdgeView] = {}
        self._lock = threading.RLock()

    # --- reading -------------------------------------------------------------------------------------------------------

    def nodes(self, type_name: str) -> StoredView:
        """Return the rows of a node type; KeyError when the catalog has none of that name."""
        view = self._rows.get(type_name)
        if view is None:
            with self._lock:
                view = self._rows.get(type_name)
                if view is None:
                    view = self._rows[type_name] = self._open(self.catalog.nodes[type_name])
        return view

    def edges(self, type_name: str) -> StoredEdgeView:
        """Return the rows of an edge type; KeyError when the catalog has none of that name."""
        view = self._edges.get(type_name)
        if view is None:
            with self._lock:
                view = self._edges.get(type_name)
                if view is None:
                    entity = self.catalog.edges[type_name]
                    state = self._states.get(type_name)
                    if state is None:
                        state = self._states[type_name] = EdgeState(self._open(entity))
                    view = StoredEdgeView(state, entity, lambda: self._endpoints(entity), self._cache)
                    self._edges[type_name] = view
        return view

    def _endpoints(self, entity: EdgeType) -> tuple[StoredView, StoredView]:
        return self.nodes(entity.source), self.nodes(entity.target)

    def _open(self, entity: NodeType | EdgeType) -> StoredView:
        source = self._sources.get(entity.table_key, _NO_SOURCE)
        self.require(entity.table_key)
        image = self._cache.image(source.base_identity, source.open_base)
        mode = self._mode
        overlay = Overlay.empty(image.slots, image.rows, lambda row_ids: image.slot_list(row_ids, mode))
        if source.tail:
            lazy = image.warm(KEYS) is None and (mode == "indexed" or (mode is None and not image.is_small))
            overlay = overlay.replay(source.tail, source.rows, lazy)
        return StoredView(entity, image, overlay, source.column_of, mode)

    def require(self, table_key: str) -> None:
        """Refuse a type whose rows were removed. Raises HistoryReclaimed."""
        refusal = self._sources.get(table_key, _NO_SOURCE).refusal
        if refusal:
            raise HistoryReclaimed(refusal, hint="read a later commit")

    @property
    def bases(self) -> dict[str, tuple[str, str] | None]:
        """The stored tables that are read, by type key; None where there is none."""
        return {key: source.base_identity for key, source in self._sources.items()}

    # --- the next versions ---------------------------------------------------------------------------------------------

    def extend(
        self,
        catalog: Catalog,
        changes: Mapping[str, Change],
        replaced: Mapping[str, TableSource] | None = None,
    ) -> SnapshotView:
        """Return the view after one more commit; this one stays as it is. O(what the commit changed).

        Tables whose base merely moved stay on the base that they have. ``replaced`` names the tables that do not continue
        what this view has: bulk writes, new types, other columns. They are opened afresh when they are used; an edge base
        must come with node bases that hold its endpoints, so pass those too.
        """
        view = SnapshotView(catalog, self._sources, self._cache, self._mode)
        with self._lock:
            same = catalog is self.catalog
            view._rows = dict(self._rows) if same else self._carried_rows(catalog)
            view._states = dict(self._states) if same else self._carried_states(catalog)
        if replaced:
            view._sources = {**self._sources, **replaced}
        for table_key in replaced or ():
            kind, _, name = table_key.partition(":")
            (view._rows if kind == "node" else view._states).pop(name, None)
        for table_key, change in changes.items():
            if replaced is None or table_key not in replaced:
                self._extend_table(view, table_key, change)
        return view

    def _extend_table(self, view: SnapshotView, table_key: str, change: Change) -> None:
        kind, _, name = table_key.partition(":")
        if kind == "node":
            entity = view.catalog.nodes[name]
            rows = self.nodes(name) if name in self.catalog.nodes else view._open(entity)
            view._rows[name] = rows.extended(entity, change)
        else:
            edge = view.catalog.edges[name]
            if name in self.catalog.edges:
                self.edges(name)
                state = self._states[name]
            else:
                state = EdgeState(view._open(edge))
            view._states[name] = EdgeState(state.rows.extended(edge, change), state.adjacency)

    def _carried_rows(self, catalog: Catalog) -> dict[str, StoredView]:
        return {name: rows.extended(catalog.nodes[name]) for name, rows in self._rows.items() if name in catalog.nodes}

    def _carried_states(self, catalog: Catalog) -> dict[str, EdgeState]:
        return {
            name: EdgeState(state.rows.extended(catalog.edges[name]), state.adjacency)
            for name, state in self._states.items()
            if name in catalog.edges
        }

    def outgrown(self) -> tuple[str, ...]:
        """Return the keys of the tables whose overlay has grown so large that a fresh view over newer bases pays."""
        with self._lock:
            tables = [*self._rows.values(), *(state.rows for state in self._states.values())]
        return tuple(
            table.entity.table_key
            for table in tables
            if table.overlay.length > max(OVERLAY_ROWS_MAX, OVERLAY_SHARE_MAX * table.image.slots)
        )

    def rebased(self, tables: Mapping[str, TableSource], catalog: Catalog | None = None) -> SnapshotView:
        """Return a fresh view of other sources with the same parts in memory as this one has. For a background thread."""
        view = SnapshotView(catalog or self.catalog, tables, self._cache, self._mode)
        with self._lock:
            rows = dict(self._rows)
            edges = dict(self._edges)
        for name, table in rows.items():
            if name in view.catalog.nodes:
                view.nodes(name).image.load_like(table.image)
        for name, table in edges.items():
            if name in view.catalog.edges:
                fresh = view.edges(name)
                fresh.image.load_like(table.image)
                if table.has_adjacency():
                    fresh.adjacency(indexed=False)
        return view
