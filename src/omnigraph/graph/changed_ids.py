"""Changed ids: which rows a set of commits touched. Read from the log, never from the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from omnigraph.errors import HistoryReclaimed
from omnigraph.storage.ancestry import Located
from omnigraph.storage.cut import decode_rows
from omnigraph.storage.objects import ObjectMissing, ObjectStore

ALL_ROWS: Final = None
"""Stands for "any row of the type": a commit replaced the whole table."""


def changed_ids(store: ObjectStore, commits: Iterable[Located]) -> dict[int, set[str] | None]:
    """Return the ids that commits wrote or removed, by type id; None for a type that one of them replaced as a whole.

    A superset of the net change: rows that were changed and changed back are in it. O(rows that the commits changed).
    """
    found: dict[int, set[str] | None] = {}
    for located in commits:
        for change in located.commit.inline:
            if change.gone:
                raise HistoryReclaimed(f"a hard drop removed the rows of commit '{located.commit.id}'")
            if not change.upserts and not change.deletes:  # cleanup kept the header only
                found[change.type_id] = ALL_ROWS
                continue
            ids = found.setdefault(change.type_id, set())
            if ids is not None:
                ids.update(change.deletes)
                if change.upserts:
                    ids.update(decode_rows(change.upserts).column("id").to_pylist())
        for bulk in located.commit.bulk:
            if not bulk.changes:
                found[bulk.type_id] = ALL_ROWS
                continue
            ids = found.setdefault(bulk.type_id, set())
            if ids is None:
                continue
            try:
                ids.update(_listed(store.get(bulk.changes)))
            except ObjectMissing:  # it went with the rows, in a cleanup or a hard drop
                found[bulk.type_id] = ALL_ROWS
    return found


def _listed(data: bytes) -> list[str]:
    with pa.ipc.open_file(data) as reader:
        ids: list[str] = reader.read_all().column("id").to_pylist()
    return ids


def union(one: dict[int, set[str] | None], other: dict[int, set[str] | None]) -> dict[int, set[str] | None]:
    """Return the ids of both."""
    result = dict(one)
    for type_id, ids in other.items():
        known = result.get(type_id, set())
        result[type_id] = None if ids is None or known is None else known | ids
    return result
