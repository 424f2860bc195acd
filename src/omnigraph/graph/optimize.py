"""Optimizing: everything folded, in few fragments, in the columns of the present schema, and in the indexes.

It changes where rows are, never what they are, and commutes with every commit: what it publishes says "this base holds the same
rows". A type whose base was replaced meanwhile, by a fold or a bulk load, is done again.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import msgspec

from omnigraph.errors import HistoryReclaimed, WriteConflict
from omnigraph.graph.branch import ATTEMPTS_MIN, RETRY_TIME_MAX_S, BranchHead
from omnigraph.storage.cut import Cut
from omnigraph.storage.fold import OpenTable, fold_tables, indexed_columns, stored_schema, with_endpoints
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.record import TableState
from omnigraph.storage.table import LanceTable, compact_table, index_table
from omnigraph.wire.maintenance import OptimizeTable

CONCURRENCY: Final = 8
_BACKOFF_MAX_S: Final = 0.25


@dataclass(slots=True)
class _Work:
    """What was done to one type so far. Pieces are fragments of the base and changes of the tail."""

    pieces_before: int
    pieces_after: int
    done: bool = False


def optimize(
    store: ObjectStore, branch: BranchHead, open_table: OpenTable, *, rebuild: frozenset[str] = frozenset()
) -> list[OptimizeTable]:
    """Bring every type of a branch into its best shape and tell what was done to each, sorted by type key.

    Types in ``rebuild`` are written anew whatever their shape. Raises WriteConflict when others keep replacing the same bases.
    """
    run = _Run(store, branch, open_table, set(rebuild))
    if rebuild:
        run.compact()  # first: a fold would look rows up by indexes that are not to be trusted
        run.rebuilt()
    run.fold()
    run.compact()
    return run.report()


def concurrency(environment: Mapping[str, str] | None = None) -> int:
    """Return how many types are worked on at once: `OMNIGRAPH_MAINTENANCE_CONCURRENCY`."""
    variables = os.environ if environment is None else environment
    try:
        value = int(variables.get("OMNIGRAPH_MAINTENANCE_CONCURRENCY", ""))
    except ValueError:
        return CONCURRENCY
    return value if value > 0 else CONCURRENCY


class _Run:
    def __init__(self, store: ObjectStore, branch: BranchHead, open_table: OpenTable, rebuild: set[str]) -> None:
        self._store = store
        self._branch = branch
        self._open_table = open_table
        self._rebuild = rebuild
        self._started_s = time.monotonic()
        self._attempts = 0
        self._work: dict[str, _Work] = {}

    def fold(self) -> None:
        """Move the whole tail into the bases."""
        while True:
            cut = self._branch.current().cut
            self._look(cut)
            due = with_endpoints(cut.schema, cut.tail_types())
            if not due:
                return
            try:
                folded = fold_tables(self._store, cut, due, self._open_table)
                published = self._branch.publish_fold(cut, folded)
            except HistoryReclaimed:
                published = False  # a cleanup took the base away that a fold had replaced before
            if published:
                for type_id, state in folded.items():
                    if state.base_version != cut.tables[type_id].base_version or type_id in cut.tail_types():
                        self._note(cut, type_id, state)
                return
            self._lost(cut, due)

    def compact(self) -> None:
        """Rewrite what is in pieces, has holes or old columns, and bring the indexes up to date."""
        pending: set[int] | None = None
        while pending is None or pending:
            cut = self._branch.current().cut
            self._look(cut)
            type_ids = [
                type_id
                for type_id, table in cut.tables.items()
                if table.base_version and type_id in cut.schema.by_id and (pending is None or type_id in pending)
            ]
            with ThreadPoolExecutor(concurrency(), thread_name_prefix="omnigraph-optimize") as pool:
                made = list(pool.map(lambda type_id, cut=cut: self._rewritten(cut, type_id), type_ids))
            rewritten = {
                type_id: state
                for type_id, state in zip(type_ids, made, strict=True)
                if state is not None and state.base_version != cut.tables[type_id].base_version
            }
            published = self._branch.publish_bases(cut, rewritten) if rewritten else set()
            for type_id in published:
                self._note(cut, type_id, rewritten[type_id])
            gone = {type_id for type_id, state in zip(type_ids, made, strict=True) if state is None}
            pending = (set(rewritten) - published) | gone
            if pending:
                self._lost(cut, pending)

    def rebuilt(self) -> None:
        """Note that the types that were to be written anew have been."""
        self._rebuild.clear()

    def report(self) -> list[OptimizeTable]:
        """Return what was done to each type."""
        return [
            OptimizeTable(key, work.pieces_before, work.pieces_after, True) if work.done else OptimizeTable(key, 0, 0, False)
            for key, work in sorted(self._work.items())
        ]

    def _look(self, cut: Cut) -> None:
        for key, identity in cut.schema.by_key.items():
            if key not in self._work:
                table = cut.tables[identity.type_id]
                changes = sum(1 for item in cut.tail if item.inline.type_id == identity.type_id)
                pieces = changes + (self._base(table).pieces if table.base_version else 0)
                self._work[key] = _Work(pieces, pieces)

    def _base(self, table: TableState) -> LanceTable:
        return self._open_table(table)

    def _note(self, cut: Cut, type_id: int, state: TableState) -> None:
        work = self._work[cut.schema.by_id[type_id].table_key]
        work.pieces_after = self._base(state).pieces if state.base_version else 0
        work.done = True

    def _rewritten(self, cut: Cut, type_id: int) -> TableState | None:
        """Return the state of a type with its base in order; None if the base went away meanwhile."""
        identity = cut.schema.by_id[type_id]
        table = cut.tables[type_id]
        anew = identity.table_key in self._rebuild
        try:
            version = compact_table(self._base(table), self._store, stored_schema(cut.schema, identity), anew=anew)
            base = LanceTable(self._store, table.table_id, version)
            version = index_table(base, self._store, indexed_columns(cut.schema, identity), thorough=True)
        except HistoryReclaimed:
            return None
        return msgspec.structs.replace(table, base_version=version)

    def _lost(self, cut: Cut, type_ids: set[int]) -> None:
        """Wait a little before the next attempt, or give up."""
        self._attempts += 1
        if self._attempts >= ATTEMPTS_MIN and time.monotonic() - self._started_s > RETRY_TIME_MAX_S:
            type_id = min(type_ids)
            now = self._branch.current().cut.state.version
            raise WriteConflict(cut.schema.by_id[type_id].table_key, cut.tables[type_id].changed_version, now)
        time.sleep(random.uniform(0, min(_BACKOFF_MAX_S, 0.002 * 2**self._attempts)))
