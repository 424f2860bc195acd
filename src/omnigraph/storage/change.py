"""The change of one table by one commit: what the log holds and what the tail is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa


class Change:
    """Rows that one commit wrote and removed, net. Never changed after it is made.

    ``upserts`` holds full after-images in the columns of `storage.arrow.row_schema` (by column name of the log; columns that
    a later schema added are missing, columns it dropped are extra); its ids are distinct. ``deletes`` holds distinct ids, none
    of which is upserted. ``step`` orders the changes of one line of history.
    """

    __slots__ = ("_ids", "_read", "_upserts", "deletes", "step")

    def __init__(self, step: int, upserts: pa.RecordBatch | None, deletes: Sequence[str]) -> None:
        self.step = step
        self.deletes = tuple(deletes)
        self._upserts = upserts
        self._ids: list[str] | None = None
        self._read: Callable[[], pa.RecordBatch] | None = None

    @classmethod
    def of_row(cls, step: int, row_id: str, read: Callable[[], pa.RecordBatch]) -> Change:
        """Return the change that writes one row, which is ``read`` when somebody looks at it: few rows are, before a fold."""
        change = cls(step, None, ())
        change._ids = [row_id]
        change._read = read
        return change

    @property
    def upserts(self) -> pa.RecordBatch | None:
        if self._upserts is None and self._read is not None:
            self._upserts = self._read()
        return self._upserts

    @property
    def writes_rows(self) -> bool:
        """Whether there are upserts."""
        return self._upserts is not None or self._read is not None

    @property
    def upserted(self) -> list[str]:
        """The ids of the upserts, in their order."""
        if self._ids is None:
            return [] if self._upserts is None else list(self._upserts.column("id").to_pylist())
        return self._ids.copy()

    @property
    def rows_written(self) -> int:
        """How many upserts there are."""
        if self._ids is not None:
            return len(self._ids)
        return 0 if self._upserts is None else int(self._upserts.num_rows)
