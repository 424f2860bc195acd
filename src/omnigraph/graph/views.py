"""Views of cuts: which stored table and which tail stand behind each type."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from threading import Lock
from typing import Final

from omnigraph.query.settings import Settings
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.change import Change
from omnigraph.storage.cut import Cut
from omnigraph.storage.hard_drop import refusal_text
from omnigraph.storage.identity import columns_of
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.record import HardDrop, TableState
from omnigraph.storage.snapshot_view import SnapshotView, TableSource
from omnigraph.storage.table import LanceTable

_TABLES_MAX: Final = 256


class ViewFactory:
    """Makes the views of one open graph; they share one cache. Safe to share between threads."""

    def __init__(self, store: ObjectStore, cache: GraphCache, settings: Settings) -> None:
        self._store = store
        self._cache = cache
        self._mode = None if settings.traversal_mode == "auto" else settings.traversal_mode
        self._tables: OrderedDict[tuple[str, str], LanceTable] = OrderedDict()
        self._lock = Lock()

    def open_table(self, table: TableState) -> LanceTable:
        """Return the base of a table; nothing is read before it is used."""
        identity = table.table_id, table.base_version
        with self._lock:
            opened = self._tables.get(identity)
            if opened is None:
                opened = self._tables[identity] = LanceTable(self._store, *identity, rows=table.rows)
                if len(self._tables) > _TABLES_MAX:
                    self._tables.popitem(last=False)
            else:
                self._tables.move_to_end(identity)
        return opened

    def view_of(self, cut: Cut, drops: Mapping[int, HardDrop] | None = None) -> SnapshotView:
        """Return a view of a cut. Costs a few µs a type; rows are read when they are asked for.

        ``drops`` are the hard drops that took types away, by type id: these are refused.
        """
        return SnapshotView(cut.catalog, self.sources_of(cut, drops), self._cache, self._mode)

    def on_own_bases(self, view: SnapshotView, cut: Cut) -> SnapshotView:
        """Return a view of a cut that reads the bases which the cut names.

        A view that has been carried along since before a fold reads older ones, which a cleanup may remove.
        """
        own = {key: self._identity(cut.tables[identity.type_id]) for key, identity in cut.schema.by_key.items()}
        return view if view.bases == own else self.view_of(cut)

    @staticmethod
    def _identity(table: TableState) -> tuple[str, str] | None:
        return (table.table_id, table.base_version) if table.base_version else None

    def rebased(self, view: SnapshotView, cut: Cut) -> SnapshotView:
        """Return a view of a cut with the parts in memory that ``view`` has. Reads whole columns: for a background thread."""
        return view.rebased(self.sources_of(cut), cut.catalog)

    def sources_of(self, cut: Cut, drops: Mapping[int, HardDrop] | None = None) -> dict[str, TableSource]:
        """Return where the rows of every type of a cut are."""
        tails: dict[int, list[Change]] = {}
        gone: dict[int, HardDrop | None] = dict(drops or {})
        for item in cut.tail:
            if item.inline.gone:
                gone.setdefault(item.inline.type_id, None)
            else:
                tails.setdefault(item.inline.type_id, []).append(item.change())
        sources = {}
        for key, identity in cut.schema.by_key.items():
            if identity.type_id in gone:
                text = refusal_text(key, cut.state.head, gone[identity.type_id])
                table = cut.tables[identity.type_id]
                sources[key] = TableSource(base_identity=self._identity(table), rows=table.rows, refusal=text)
                continue
            table = cut.tables[identity.type_id]
            sources[key] = TableSource(
                open_base=partial(self.open_table, table),
                base_identity=self._identity(table),
                tail=tails.get(identity.type_id, ()),
                column_of=columns_of(identity),
                rows=table.rows,
            )
        return sources
