"""All rows of one type at one snapshot: a base image with an overlay. Implements `view.TableView` and `view.EdgeView`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa

from omnigraph.language.catalog import EdgeType, NodeType
from omnigraph.language.checked import Value
from omnigraph.storage.arrow import arrow_type
from omnigraph.storage.change import Change
from omnigraph.storage.column_view import ColumnView, NumberColumnView, StringColumnView, column_view
from omnigraph.storage.columns import cell_value
from omnigraph.storage.dictionary import StringDictionary
from omnigraph.storage.image import KEYS, BaseImage, Mode
from omnigraph.storage.keys import KeyIndex
from omnigraph.storage.overlay import Overlay
from omnigraph.storage.view import Mask, Ordinals

_FINDS_BEFORE_PLACES = 4
_FEW = 32


class StoredView:
    """The rows of one node type. Immutable, shared between threads; what it builds, it builds once."""

    def __init__(
        self,
        entity: NodeType | EdgeType,
        image: BaseImage,
        overlay: Overlay,
        column_of: Mapping[str, str],
        mode: Mode,
    ) -> None:
        self.entity = entity
        self.image = image
        self.overlay = overlay
        self.column_of = column_of
        self.mode = mode
        self.slots = overlay.slots
        self.rows = overlay.rows
        self._parts = image.parts
        self._columns: dict[str, ColumnView] = {}
        self._stored: dict[str, tuple[str, pa.DataType]] = {}
        self._live: Mask | None = None
        self._all: Ordinals | None = None

    def extended(self, entity: NodeType | EdgeType, change: Change | None = None) -> StoredView:
        """Return the view after one more change, or of the same rows under another schema of the same columns."""
        overlay = self.overlay if change is None else self.overlay.extend(change)
        view = StoredView(entity, self.image, overlay, self.column_of, self.mode)
        if entity is self.entity:
            view._stored = self._stored
        return view

    # --- rows ----------------------------------------------------------------------------------------------------------

    @property
    def live(self) -> Mask | None:
        self.overlay.settle()
        if self.rows == self.slots:
            return None
        live = self._live
        if live is None:
            live = np.zeros(self.slots, np.bool_)
            base = self.image.live()
            live[: self.image.slots] = True if base is None else base
            if self.overlay.length:
                live[self.overlay.ordinals] = ~self.overlay.dead
            self._live = live
        return live

    def all(self) -> Ordinals:
        found = self._all
        if found is None:
            live = self.live
            found = np.arange(self.slots, dtype=np.int32) if live is None else np.flatnonzero(live).astype(np.int32)
            self._all = found
        return found

    def ordinal(self, row_id: str) -> int:
        overlay = self.overlay
        if overlay.length:
            position = overlay.position_of_id(row_id)
            if position >= 0:
                return overlay.ordinal_at(position)
        part = self._parts.get(KEYS)
        if part is not None:
            keys: KeyIndex | None = part.value
            if keys is not None:
                part.used = True
                return keys.find(row_id)
        return self.image.slot_of(row_id, self.mode)

    def ordinals(self, row_ids: Sequence[str] | pa.Array) -> Ordinals:
        overlay = self.overlay
        if overlay.length == 0:
            return self.image.slots_of(row_ids, self.mode)
        if isinstance(row_ids, pa.Array | pa.ChunkedArray) and len(row_ids) <= _FEW:
            row_ids = row_ids.to_pylist()
        if len(row_ids) <= _FEW and self.image.warm(KEYS) is not None:
            return np.array([-1 if row_id is None else self.ordinal(row_id) for row_id in row_ids], np.int32)
        ids = row_ids.to_pylist() if isinstance(row_ids, pa.Array | pa.ChunkedArray) else row_ids
        positions = overlay.positions_of_ids(ids)
        written = [at for at, position in enumerate(positions) if position >= 0]
        if not written:
            return self.image.slots_of(row_ids, self.mode)
        if overlay.log.reserved:
            overlay.log.settle([ids[at] for at in written])
        if len(written) == len(ids):
            return np.array([overlay.ordinal_at(position) for position in positions], np.int32)
        found = np.array(self.image.slots_of(row_ids, self.mode))
        found[written] = [overlay.ordinal_at(positions[at]) for at in written]
        return found

    def id(self, ordinal: int) -> str:
        position = self.overlay.position_of(ordinal) if self.overlay.length else -1
        if position >= 0:
            return self.overlay.log.ids[position]
        row_id = self.column("id").value(ordinal)
        assert isinstance(row_id, str)
        return row_id

    def ids(self, ordinals: Ordinals) -> pa.Array:
        return self.column("id").take(ordinals)

    def id_list(self, ordinals: Ordinals) -> list[str | None]:
        keys: KeyIndex | None = self.image.warm(KEYS)
        strings = None if keys is None else keys.strings
        if strings is None:
            return cast(list[str | None], self.column("id").values(ordinals))
        if self.overlay.length == 0:
            return [strings[at] if at >= 0 else None for at in ordinals.tolist()]
        slots, ids, position_of = self.image.slots, self.overlay.log.ids, self.overlay.position_of
        # A row of the base keeps its id, whatever the tail does to it.
        return [None if at < 0 else strings[at] if at < slots else ids[position_of(at)] for at in ordinals.tolist()]

    # --- columns -------------------------------------------------------------------------------------------------------

    def column(self, name: str) -> ColumnView:
        column = self._columns.get(name)
        if column is None:
            stored = self._stored.get(name)
            if stored is None:
                stored = self._stored[name] = self.stored_name(name), self.arrow_type(name)
            column = self._columns[name] = column_view(self, *stored)
        return column

    def stored_name(self, name: str) -> str:
        return self.column_of.get(name, name)

    def arrow_type(self, name: str) -> pa.DataType:
        property_ = self.entity.properties.get(name)
        if property_ is not None:
            return arrow_type(property_.type)
        if name == "id" or (name in ("src", "dst") and isinstance(self.entity, EdgeType)):
            return pa.string()
        raise KeyError(f"{self.entity.name} has no property {name}")

    def values(self, ordinal: int, names: Sequence[str]) -> tuple[Value, ...]:
        columns = self._columns
        views = [columns.get(name) or self.column(name) for name in names]
        if self.overlay.length:
            position = self.overlay.position_of(ordinal)
            if position >= 0:
                return tuple([view.tail().value(position) for view in views])
            if ordinal >= self.image.slots:
                return (None,) * len(views)
        warm = self.image.warm
        cells: list[Any] = []  # Any: values, or columns that are not in memory
        cold: list[int] = []
        for at, view in enumerate(views):
            column = warm(view.part)
            if column is None:
                cold.append(at)
                cells.append(None)
            else:
                cells.append(column.value(ordinal))
        if cold:
            self._fill_in(cells, ordinal, views, cold)
        return tuple(cells)

    def _fill_in(self, cells: list[Any], ordinal: int, views: list[ColumnView], cold: list[int]) -> None:
        looked_up = []
        for at in cold:
            if views[at].is_cold(1):
                looked_up.append(at)
            else:
                cells[at] = views[at].base().value(ordinal)
        if looked_up:
            columns = [(views[at].stored, views[at].type) for at in looked_up]
            taken = self.image.take_columns(np.array([ordinal], np.int32), columns)
            for at, array in zip(looked_up, taken, strict=True):
                cells[at] = cell_value(array, 0)

    def is_warm(self, name: str | None = None) -> bool:
        part = KEYS if name is None else ("column", self.stored_name(name))
        return self.image.table is None or self.image.warm(part) is not None

    # --- equality ------------------------------------------------------------------------------------------------------

    def find(self, name: str, value: Value) -> Ordinals:
        if value is None:
            return np.empty(0, np.int32)
        if name == "id":
            found = self.ordinal(value) if isinstance(value, str) else -1
            return np.array([found], np.int32) if found >= 0 else np.empty(0, np.int32)
        view = self.column(name)
        if not isinstance(view, NumberColumnView | StringColumnView):
            raise TypeError(f"{name} is not a scalar property")
        places = self.image.warm(("places", view.stored))
        if places is None:
            if view.is_cold(1):
                return self._find_cold(view, value)
            if not self._is_sought(name) and self.image.scans(("places", view.stored)) <= _FINDS_BEFORE_PLACES:
                return self._scan(view, value)
            places = self.image.places(view.stored, view.type)
        slots: Ordinals = places.find(value)
        if self.overlay.length == 0:
            return slots
        return self._with_tail(view, value, self._untouched(slots))

    def _is_sought(self, name: str) -> bool:
        """Say whether the schema tells that rows are sought by this property."""
        entity = self.entity
        return (
            name in entity.indexed
            or (name,) in entity.unique
            or name in ("src", "dst")
            or (isinstance(entity, NodeType) and entity.key == (name,))
        )

    def _scan(self, view: NumberColumnView | StringColumnView, value: Value) -> Ordinals:
        return np.flatnonzero(view.compare("=", value)).astype(np.int32)  # dead slots hold nulls, which equal nothing

    def _untouched(self, slots: Ordinals) -> Ordinals:
        """Drop the slots that the tail writes."""
        positions = self.overlay.positions_of(slots)
        return slots if positions is None else slots[positions < 0]

    def _with_tail(self, view: NumberColumnView | StringColumnView, value: Value, slots: Ordinals) -> Ordinals:
        written = self._find_written(view, value)
        if len(written) == 0:
            return slots
        return np.sort(np.concatenate([slots, written])) if len(slots) else written

    def _find_written(self, view: NumberColumnView | StringColumnView, value: Value) -> Ordinals:
        """Return the live rows of the tail that equal a value, ascending."""
        overlay = self.overlay
        length = overlay.length
        if isinstance(view, StringColumnView):
            if not isinstance(value, str):
                return np.empty(0, np.int32)
            tail = view.tail()
            dictionary: StringDictionary | None = self.image.warm(("dictionary", view.stored))
            if dictionary is not None and not tail.may_hold(dictionary, length, value):
                return np.empty(0, np.int32)
            hits = np.flatnonzero(view.compare_tail(dictionary, "=", value)).tolist()
        else:
            hits = np.flatnonzero(view.compare_tail("=", value)).tolist()
        found = []
        for position in hits:
            if overlay.position_of_id(overlay.log.ids[position]) == position:
                ordinal = overlay.ordinal_at(position)
                if ordinal >= 0:
                    found.append(ordinal)
        return np.array(sorted(found), np.int32)

    def _find_cold(self, view: NumberColumnView | StringColumnView, value: Value) -> Ordinals:
        slots, row_ids = self.image.find(view.stored, value)
        if self.overlay.length == 0:
            return slots
        position_of_id = self.overlay.position_of_id
        kept = [slot for slot, row_id in zip(slots.tolist(), row_ids, strict=True) if position_of_id(row_id) < 0]
        return self._with_tail(view, value, np.array(kept, np.int32))
