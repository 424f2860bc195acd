"""A stored table over plain Arrow, with dead slots if wanted: what the images of tables are tested on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.language.checked import Value
from omnigraph.storage.view import Mask, Ordinals


class ArrowBase:
    """Implements `table_protocol.BaseTable`. ``calls`` counts the accesses by method."""

    def __init__(self, table: pa.Table, dead: Sequence[int] = (), identity: tuple[str, str] = ("table", "1")) -> None:
        self._live = np.ones(table.num_rows, np.bool_)
        self._live[list(dead)] = False
        self._table = table
        self._nulled = pa.table(
            {name: pc.if_else(pa.array(self._live), table.column(name), None) for name in table.schema.names}
            if dead
            else {name: table.column(name) for name in table.schema.names}
        )
        self._identity = identity
        self.calls: dict[str, int] = {}

    @property
    def identity(self) -> tuple[str, str]:
        return self._identity

    @property
    def rows(self) -> int:
        return int(self._live.sum())

    @property
    def slots(self) -> int:
        return len(self._live)

    @property
    def schema(self) -> pa.Schema:
        return self._table.schema

    def live(self) -> Mask | None:
        return None if self._live.all() else self._live

    def read(self, columns: Sequence[str]) -> pa.Table:
        self._count("read")
        return self._nulled.select(list(columns))

    def take(self, slots: Ordinals, columns: Sequence[str]) -> pa.Table:
        self._count("take")
        assert len(slots) == 0 or slots.min() >= 0
        return self._nulled.select(list(columns)).take(pa.array(slots))

    def find(self, column: str, values: Sequence[Value], columns: Sequence[str] = ()) -> tuple[Ordinals, pa.Table]:
        self._count("find")
        type_ = self._table.schema.field(column).type
        wanted = pa.array(values).cast(type_) if not pa.types.is_string(type_) else pa.array(values, type_)
        hits = pc.is_in(self._nulled.column(column), value_set=wanted, skip_nulls=True)
        slots = np.flatnonzero(hits.to_numpy() & self._live).astype(np.int32)
        return slots, self._nulled.select(list(columns)).take(pa.array(slots))

    def has_index(self, column: str) -> bool:
        return column in ("id", "src", "dst")

    def _count(self, method: str) -> None:
        self.calls[method] = self.calls.get(method, 0) + 1
