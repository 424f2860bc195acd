"""The base of one table in memory, loaded part by part when something asks for it.

An image belongs to one immutable version of a stored table and is shared by every snapshot and branch that uses it. Each part
(key index, column, dictionary, places of equal values) is a `Part` of the memory budget and is built again after an eviction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.checked import Value
from omnigraph.storage.columns import BaseColumn, NumberColumn, StringColumn, absent_column, base_column, whole_array
from omnigraph.storage.dictionary import NumberPlaces, StringDictionary, StringPlaces
from omnigraph.storage.keys import KeyIndex, find_in_bulk, key_index
from omnigraph.storage.part import Part
from omnigraph.storage.table_protocol import BaseTable
from omnigraph.storage.view import Mask, Ordinals

Mode = Literal["indexed", "csr"] | None
"""How reads go: by look-ups in storage, from memory, or whichever costs less (None)."""

SMALL_SLOTS_MAX = 20_000
COLD_USES_MAX = 8
BULK_SCANS_MAX = 2
COLD_ROW_COST = 500  # one row by look-up costs as much as reading so many rows in bulk

PartName = tuple[str, str]
KEYS: PartName = ("keys", "id")
_Value = TypeVar("_Value")
_MEMO_MAX = 4096


class BaseImage:
    """The parts of one base that are in memory. ``table`` is None for a type that lives in the tail alone."""

    def __init__(self, table: BaseTable | None, admit: Callable[[Part], None]) -> None:
        self.table = table
        self.identity = None if table is None else table.identity
        self.slots = 0 if table is None else table.slots
        self.rows = 0 if table is None else table.rows
        self.parts: dict[PartName, Part] = {}
        self.types: dict[str, pa.DataType] = {}  # of the columns that were read
        self._columns = frozenset() if table is None else frozenset(table.schema.names)
        self.admit = admit
        self._uses: dict[PartName, int] = {}
        self._slots: dict[str, int] = {}  # what single look-ups found
        self._lock = threading.RLock()

    @property
    def is_small(self) -> bool:
        """Whether the table is loaded as soon as it is used."""
        return self.slots <= SMALL_SLOTS_MAX

    # --- cold or warm --------------------------------------------------------------------------------------------------

    def prefers_memory(self, part: PartName, rows: int, mode: Mode) -> bool:
        """Say whether to load a part now rather than look some rows up in storage; counts the look-ups.

        Small tables are loaded at once. Big ones serve the first few uses by look-up, so that a process that asks one
        question stays cold and one that goes on becomes warm.
        """
        if self.table is None or mode == "csr":
            return True
        if mode == "indexed":
            return False
        if self.is_small:
            return True
        uses = self._uses[part] = self._uses.get(part, 0) + 1
        return uses > COLD_USES_MAX or rows * COLD_ROW_COST > self.slots

    def scans(self, part: PartName) -> int:
        """Count one more scan that a part would have spared, and return how many there were."""
        count = self._uses[part] = self._uses.get(part, 0) + 1
        return count

    def warm(self, part: PartName) -> Any:  # Any: the part's own type
        """Return a part that is in memory, or None."""
        held = self.parts.get(part)
        if held is None:
            return None
        held.used = True
        return held.value

    def loaded(self) -> tuple[PartName, ...]:
        """Return the names of the parts that are in memory."""
        return tuple(name for name, part in list(self.parts.items()) if part.value is not None)

    def load_like(self, other: BaseImage) -> None:
        """Load the parts that another image of the same table has in memory."""
        for kind, name in other.loaded():
            type_ = other.types.get(name)
            if kind == "keys":
                self.keys()
            elif kind == "column" and type_ is not None:
                self.column(name, type_)
            elif kind in ("dictionary", "codes"):
                self.dictionary(name)
            elif kind == "places" and type_ is not None:
                self.places(name, type_)

    def _part(self, name: PartName, build: Callable[[], _Value]) -> _Value:
        value = self.warm(name)
        if value is None:
            with self._lock:
                value = self.warm(name)
                if value is None:
                    value = build()
                    size_bytes = value.nbytes if isinstance(value, np.ndarray) else getattr(value, "size_bytes", 0)
                    part = self.parts[name] = Part(value, size_bytes)
                    self.admit(part)
        return cast(_Value, value)

    # --- parts ---------------------------------------------------------------------------------------------------------

    def live(self) -> Mask | None:
        """Return which slots are live; None when all are."""
        if self.table is None or self.rows == self.slots:
            return None
        return self._part(("live", ""), self.table.live)

    def keys(self) -> KeyIndex:
        return self._part(KEYS, lambda: key_index(self._ids().array))

    def _ids(self) -> StringColumn:
        return cast(StringColumn, self.column("id", pa.string()))

    def column(self, name: str, type_: pa.DataType) -> BaseColumn:
        """Return a stored column; one that the table does not have is all null."""
        return self._part(("column", name), lambda: self._read(name, type_))

    def _read(self, name: str, type_: pa.DataType) -> BaseColumn:
        self.types[name] = type_
        if self.table is None or name not in self._columns:
            return absent_column(type_, self.slots)
        return base_column(whole_array(self.table.read([name]).column(0), type_))

    def dictionary(self, name: str) -> StringDictionary:
        """Return the sorted dictionary of a string column."""
        return self._part(
            ("dictionary", name), lambda: StringDictionary(cast(StringColumn, self.column(name, pa.string())).array)
        )

    def codes(self, name: str) -> npt.NDArray[np.int64]:
        """Return the ranks of a string column as the codes of `view.Column`."""
        return self._part(("codes", name), lambda: self.dictionary(name).ranks.astype(np.int64))

    def places(self, name: str, type_: pa.DataType) -> StringPlaces | NumberPlaces:
        """Return what finds the slots of a value of a scalar column."""
        return self._part(("places", name), lambda: self._places(name, type_))

    def _places(self, name: str, type_: pa.DataType) -> StringPlaces | NumberPlaces:
        column = self.column(name, type_)
        if isinstance(column, NumberColumn):
            return NumberPlaces(column.values, column.valid)
        return StringPlaces(self.dictionary(name))

    # --- look-ups ------------------------------------------------------------------------------------------------------

    def slot_of(self, row_id: str, mode: Mode) -> int:
        """Return the slot of a live row, or -1."""
        keys: KeyIndex | None = self.warm(KEYS)
        if keys is not None:
            return keys.find(row_id)
        if self.table is None:
            return -1
        known = self._slots.get(row_id)
        if known is not None:
            return known
        if self.prefers_memory(KEYS, 1, mode):
            return self.keys().find(row_id)
        return self._look_up([row_id])[0]

    def slot_list(self, row_ids: Sequence[str], mode: Mode) -> Sequence[int]:
        """Return the slots of many rows as a list: quicker than `slots_of` for a few."""
        keys: KeyIndex | None = self.warm(KEYS)
        if keys is not None and len(row_ids) <= 64:
            find = keys.find
            return [find(row_id) for row_id in row_ids]
        slots: list[int] = self.slots_of(row_ids, mode).tolist()
        return slots

    def slots_of(self, row_ids: Sequence[str | None] | pa.Array | pa.ChunkedArray, mode: Mode) -> Ordinals:
        """Return the slots of many rows, -1 for those that are not there."""
        if self.table is None or len(row_ids) == 0:
            return np.full(len(row_ids), -1, np.int32)
        keys: KeyIndex | None = self.warm(KEYS)
        if keys is not None:
            return keys.find_many(row_ids)
        if len(row_ids) * COLD_ROW_COST > self.slots and mode != "indexed":
            # Many rows at once: one pass over the column; who comes again gets the index.
            if not self.is_small and len(row_ids) > 64 and self.scans(KEYS) <= BULK_SCANS_MAX:
                return find_in_bulk(self._ids().array, row_ids)
            return self.keys().find_many(row_ids)
        ids = row_ids.to_pylist() if isinstance(row_ids, pa.Array | pa.ChunkedArray) else row_ids
        missing = list({row_id for row_id in ids if row_id is not None and row_id not in self._slots})
        if missing and self.prefers_memory(KEYS, len(missing), mode):
            return self.keys().find_many(ids)
        found = dict(zip(missing, self._look_up(missing), strict=True))
        known: dict[Any, int] = self._slots  # Any: None may be asked for, and is not there
        return np.array([found[row_id] if row_id in found else known.get(row_id, -1) for row_id in ids], np.int32)

    def _look_up(self, row_ids: list[str]) -> list[int]:
        if not row_ids:
            return []
        assert self.table is not None
        slots, rows = self.table.find("id", row_ids, ["id"])
        found = dict(zip(rows.column("id").to_pylist(), slots.tolist(), strict=True))
        answer = [found.get(row_id, -1) for row_id in row_ids]
        if len(self._slots) + len(row_ids) > _MEMO_MAX:
            self._slots = {}
        self._slots.update(zip(row_ids, answer, strict=True))
        return answer

    def has_column(self, name: str) -> bool:
        return name in self._columns

    def take(self, slots: Ordinals, name: str, type_: pa.DataType) -> pa.Array:
        """Return some cells of a column by look-up, -1 as null."""
        return self.take_columns(slots, [(name, type_)])[0]

    def take_columns(self, slots: Ordinals, columns: Sequence[tuple[str, pa.DataType]]) -> list[pa.Array]:
        """Return some cells of several columns with one access to storage, -1 as null."""
        stored = [name for name, _ in columns if name in self._columns]
        there = slots >= 0
        complete = bool(there.all())
        chosen = slots if complete else slots[there]
        if self.table is None or not stored or len(chosen) == 0:
            return [pa.nulls(len(slots), type_) for _, type_ in columns]
        rows = self.table.take(chosen, list(dict.fromkeys(stored)))
        spread = None
        if not complete:
            spread = pa.array(np.cumsum(there) - 1, mask=~there)
        taken = []
        for name, type_ in columns:
            if name not in self._columns:
                taken.append(pa.nulls(len(slots), type_))
                continue
            cells = whole_array(rows.column(name), type_)
            taken.append(cells if spread is None else cells.take(spread))
        return taken

    def find(self, name: str, value: Value) -> tuple[Ordinals, list[str]]:
        """Return slots and ids of the live rows whose column equals a value, by look-up."""
        if self.table is None or name not in self._columns or value is None:
            return np.empty(0, np.int32), []
        slots, rows = self.table.find(name, [value], ["id"])
        return slots, rows.column("id").to_pylist()
