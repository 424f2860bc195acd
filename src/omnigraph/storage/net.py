"""Net changes: several changes of one table made into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from omnigraph.storage.change import Change


@dataclass(frozen=True, slots=True)
class NetChange:
    """What is left of a row of changes: the last image of every upserted id, and the ids that were deleted at the end.

    ``touched`` holds all of them. Rows are ordered by id, so that equal contents make equal files.
    """

    upserts: pa.Table | None
    deletes: tuple[str, ...]
    touched: tuple[str, ...]


def net_change(changes: Sequence[Change]) -> NetChange:
    """Return the net of changes, oldest first. O(rows of the changes)."""
    last: dict[str, int] = {}
    batches = []
    start = 0
    for change in changes:
        for row_id in change.deletes:
            last[row_id] = -1
        ids = change.upserted
        if ids:
            last.update(zip(ids, range(start, start + len(ids)), strict=True))
            batches.append(change.upserts)
            start += len(ids)
    touched = tuple(sorted(last))
    deletes = tuple(row_id for row_id in touched if last[row_id] < 0)
    places = np.array([last[row_id] for row_id in touched if last[row_id] >= 0], dtype=np.int64)
    if not len(places):
        return NetChange(None, deletes, touched)
    rows = _one_table(batches).take(pa.array(places)).combine_chunks()
    return NetChange(rows, deletes, touched)


def _one_table(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return batches below each other; columns that some of them lack are null there."""
    schema = batches[0].schema
    if all(batch.schema is schema or batch.schema.equals(schema) for batch in batches):
        return pa.Table.from_batches(batches, schema).combine_chunks()
    return pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")
