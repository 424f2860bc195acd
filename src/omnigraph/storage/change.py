"""The change of one table by one commit: what the log holds and what the tail is made of."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that one commit wrote and removed, net.

    ``upserts`` holds full after-images in the columns of `storage.arrow.row_schema` (by column name of the log; columns that
    a later schema added are missing, columns it dropped are extra); its ids are distinct. ``deletes`` holds distinct ids, none
    of which is upserted. ``step`` orders the changes of one line of history.
    """

    step: int
    upserts: pa.RecordBatch | None
    deletes: tuple[str, ...]
