"""Bases: the stored tables, over Lance. The only module that imports it.

Lance's own concurrency rules are not relied on: every version is a *detached* one, made by `_commit` on exactly the version
that the caller read, and known to nobody until a record of the log names it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from omnigraph.errors import HistoryReclaimed, StorageError
from omnigraph.importing import import_large
from omnigraph.language.checked import Value
from omnigraph.storage.mirror import MIRRORED_BYTES_MAX, MIRRORED_ROWS_MAX, TableMirror
from omnigraph.storage.names import reclaimed_key, table_prefix
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.table_failure import guarded
from omnigraph.storage.table_files import index_files, manifest_of, row_files, size_of
from omnigraph.storage.view import Mask, Ordinals

if TYPE_CHECKING:
    import lance

INDEX_ROWS_MIN: Final = 4_096
"""Below this many rows a scan is as fast as an index lookup, so no index is built."""
UNINDEXED_ROWS_MAX: Final = 32_768
UNINDEXED_SHARE_MAX: Final = 0.1
SMALL_TABLE_ROWS: Final = 100_000
SMALL_TABLE_BLOCK_BYTES: Final = 4 * 1024 * 1024
"""On a remote store files of small tables are read in large pieces: a cold lookup then takes 5 requests, not 14. Of a large
table they would bring 20 MB, the usual 64 KiB bring 0.2."""
SMALL_FRAGMENT_ROWS: Final = 16_384
SMALL_FRAGMENTS_MAX: Final = 16
_ROWS_PER_FILE_MAX: Final = 1 << 20
_BATCH_ROWS: Final = 8_192
_SCAN_BYTES: Final = 32 * 1024 * 1024
_IN_LIST_MAX: Final = 1_000
_ADDRESS_BITS: Final = 32
_OFFSET_MASK: Final = (1 << _ADDRESS_BITS) - 1

_library: Any = None
_session: Any = None  # Any: lance has no stubs
_session_lock = threading.Lock()


def _lance() -> Any:  # Any: the module, imported at first use because it costs a third of a second
    global _library
    if _library is None:
        _library = import_large("lance")  # a thread that comes while another one imports it waits
    return _library


def _shared_session() -> Any:  # Any: lance.Session
    global _session
    with _session_lock:
        if _session is None:
            from lance.dataset import Session  # type: ignore[attr-defined]  # not in its __all__

            _session = Session()
        return _session


class LanceTable:
    """One version of one stored table: a `BaseTable`. Opened at first use; safe to share between threads."""

    def __init__(self, store: ObjectStore, table_id: str, version: str, *, rows: int | None = None) -> None:
        """Name a version; ``rows`` is about how many it holds, if that is known."""
        self._block_bytes = (
            SMALL_TABLE_BLOCK_BYTES if store.is_remote and rows is not None and rows <= SMALL_TABLE_ROWS else None
        )
        self._uri = f"{store.uri}/{table_prefix(table_id)}"
        self._store = store
        self._options = store.library_options
        self._counters = store.counters
        self._table_id = table_id
        self._version = version
        self._lock = threading.Lock()
        self._dataset: lance.LanceDataset | None = None
        small = store.is_remote and rows is not None and rows <= MIRRORED_ROWS_MAX
        self._mirror = TableMirror(store, table_prefix(table_id)) if small else None
        self._mirrored: lance.LanceDataset | None = None
        self._is_mirrored = small  # the copies stay for those who are reading them when it is found that they will not do
        self._starts: np.ndarray[Any, np.dtype[np.int64]] | None = None
        self._fragment_ids: np.ndarray[Any, np.dtype[np.int64]] | None = None
        self._rows = 0
        self._slots = 0
        self._live: Mask | None = None
        self._live_known = False
        self._indexed: frozenset[str] | None = None

    @property
    def identity(self) -> tuple[str, str]:
        return self._table_id, self._version

    @property
    def rows(self) -> int:
        self._layout()
        return self._rows

    @property
    def slots(self) -> int:
        self._layout()
        return self._slots

    @property
    def pieces(self) -> int:
        """The number of fragments: each is a file for the columns, and perhaps one that lists deleted rows."""
        return len(self._layout()[1])

    @property
    def schema(self) -> pa.Schema:
        return self._reader().schema

    def dataset(self) -> lance.LanceDataset:
        """Return the Lance handle of exactly this version."""
        dataset = self._dataset
        if dataset is None:
            with self._lock:
                dataset = self._dataset
                if dataset is None:
                    dataset = self._dataset = self.guarded(
                        "opening",
                        lambda: _lance().dataset(
                            self._uri,
                            version=int(self._version),
                            block_size=self._block_bytes,
                            storage_options=dict(self._options) or None,
                            session=_shared_session(),
                        ),
                    )
        return dataset

    def _reader(self, *, rows: bool = False, index: str | None = None) -> lance.LanceDataset:
        """Return the handle to read with. ``rows`` and ``index``, a column's, say which files will be needed.

        Of a small table on a remote store it is one over copies of those files.
        """
        mirror = self._mirror
        if mirror is None or not self._is_mirrored:
            return self.dataset()
        try:
            dataset = self._mirrored
            if dataset is None:
                mirror.fetch([manifest_of(self.identity)])
                dataset = _lance().dataset(mirror.path, version=int(self._version), session=_shared_session())
                if size_of(dataset) > MIRRORED_BYTES_MAX:
                    self._is_mirrored = False
                    return self.dataset()
                self._mirrored = dataset
            mirror.fetch([*(row_files(self._table_id, dataset) if rows else ()), *index_files(self._table_id, dataset, index)])
        except (StorageError, OSError, ValueError, RuntimeError):
            self._is_mirrored = False  # no room, no disk, or something is wrong with the files: then let that be said of them
            return self.dataset()
        return dataset

    def guarded(self, doing: str, call: Any) -> Any:  # Any: whatever the library call returns
        """Run a library call; what fails because cleanup has removed this version is told apart from damage."""
        try:
            return guarded(doing, call)
        except StorageError as error:
            if self._store.exists(reclaimed_key(self._table_id, self._version)):
                raise HistoryReclaimed(
                    f"version {self._version} of table '{self._table_id}' was removed by cleanup", hint="read a newer commit"
                ) from error
            raise

    def live(self) -> Mask | None:
        starts, _ = self._layout()
        if self._rows == self._slots:
            return None
        if not self._live_known:
            addresses = self.guarded("scanning", lambda: self._reader(rows=True).to_table(columns=[], with_row_address=True))
            mask = np.zeros(self._slots, dtype=np.bool_)
            mask[self._slots_of(addresses.column("_rowaddr"), starts)] = True
            with self._lock:
                self._live, self._live_known = mask, True
        return self._live

    def read(self, columns: Sequence[str]) -> pa.Table:
        dataset = self._reader(rows=True)
        starts, _ = self._layout()
        names = _present(dataset, columns) or ["id"]
        if self._rows == self._slots:
            table = self.guarded("scanning", lambda: dataset.to_table(columns=names))
        else:
            table = self.guarded("scanning", lambda: dataset.to_table(columns=names, with_row_address=True))
            places = np.full(self._slots, -1, dtype=np.int64)
            places[self._slots_of(table.column("_rowaddr"), starts)] = np.arange(table.num_rows)
            indices = pa.array(places, mask=places < 0)
            table = table.drop_columns(["_rowaddr"]).take(indices)
        self._counters.add(table.nbytes)
        return _with_missing(table, columns, self._slots)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all live rows with all columns, a few megabytes at a time."""
        dataset = self._reader(rows=True)
        scanner = dataset.scanner(batch_size=_BATCH_ROWS, batch_readahead=2, io_buffer_size=_SCAN_BYTES)
        reader = iter(self.guarded("scanning", scanner.to_batches))
        while (batch := self.guarded("scanning", lambda: next(reader, None))) is not None:
            yield batch

    def take(self, slots: Ordinals, columns: Sequence[str]) -> pa.Table:
        dataset = self._reader(rows=True)
        starts, fragment_ids = self._layout()
        wanted = np.asarray(slots, dtype=np.int64)
        fragments = np.searchsorted(starts, wanted, side="right") - 1
        addresses = (fragment_ids[fragments] << _ADDRESS_BITS) | (wanted - starts[fragments])
        names = _present(dataset, columns) or ["id"]
        # `_take_rows` wants each address once; the caller may ask for a slot twice.
        unique, inverse = np.unique(addresses, return_inverse=True)
        table = self.guarded("reading", lambda: dataset._take_rows(unique.tolist(), columns=names))
        if table.num_rows != len(unique):
            raise StorageError(
                f"storage: table {self._table_id} has {table.num_rows} of {len(unique)} rows asked for",
                hint="run `omnigraph repair` to check the graph",
            )
        if not (len(unique) == len(addresses) and (unique == addresses).all()):
            table = table.take(pa.array(inverse))
        self._counters.add(table.nbytes)
        return _with_missing(table, columns, len(addresses))

    def find(self, column: str, values: Sequence[Value], columns: Sequence[str] = ()) -> tuple[Ordinals, pa.Table]:
        dataset = self._reader(rows=True, index=column)
        starts, _ = self._layout()
        if column not in dataset.schema.names:
            return np.empty(0, dtype=np.int32), pa.table({name: pa.nulls(0) for name in columns})
        type_ = dataset.schema.field(column).type
        # What was asked for by one text is known to be that text: on a remote store reading it is two round trips.
        given = len(values) == 1 and isinstance(values[0], str) and pa.types.is_string(type_) and column in columns
        names = [name for name in _present(dataset, columns) if not (given and name == column)]
        tables = []
        for start in range(0, len(values), _IN_LIST_MAX):
            literals = [_literal(value, type_) for value in values[start : start + _IN_LIST_MAX] if value is not None]
            if not literals:
                continue
            condition = f"`{column}` = {literals[0]}" if len(literals) == 1 else f"`{column}` IN ({', '.join(literals)})"
            tables.append(
                self.guarded("looking up", lambda c=condition: dataset.to_table(columns=names, filter=c, with_row_address=True))
            )
        if not tables:
            return np.empty(0, dtype=np.int32), _with_missing(dataset.schema.empty_table().select(names), columns, 0)
        table = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
        self._counters.add(table.nbytes)
        slots = self._slots_of(table.column("_rowaddr"), starts).astype(np.int32)
        if given:
            table = table.append_column(column, pa.repeat(pa.scalar(values[0], type_), len(slots)))
        table = _with_missing(table.drop_columns(["_rowaddr"]), columns, len(slots))
        if len(slots) > 1 and (np.diff(slots) < 0).any():
            order = np.argsort(slots, kind="stable")
            slots, table = slots[order], table.take(pa.array(order))
        return slots, table

    def has_index(self, column: str) -> bool:
        if self._indexed is None:
            descriptions = self.guarded("opening", lambda: self._reader().describe_indices())
            self._indexed = frozenset(name for description in descriptions for name in description.field_names)
        return column in self._indexed

    def _layout(self) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
        """Return the first slot and the id of every fragment."""
        if self._starts is None or self._fragment_ids is None:
            fragments = self.guarded("opening", lambda: self._reader().get_fragments())
            sizes = np.array([fragment.physical_rows for fragment in fragments], dtype=np.int64)
            ids = np.array([fragment.fragment_id for fragment in fragments], dtype=np.int64)
            deleted = sum(fragment.num_deletions for fragment in fragments)
            with self._lock:
                self._slots = int(sizes.sum())
                self._rows = self._slots - deleted
                self._fragment_ids = ids
                self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)[:-1]]) if len(ids) else ids
        return self._starts, self._fragment_ids

    def _slots_of(self, addresses: pa.ChunkedArray, starts: Any) -> Any:  # Any: int64 arrays
        raw = addresses.to_numpy().astype(np.int64)
        assert self._fragment_ids is not None
        by_id = self._fragment_ids
        order = np.argsort(by_id)
        places = order[np.searchsorted(by_id, raw >> _ADDRESS_BITS, sorter=order)]
        return starts[places] + (raw & _OFFSET_MASK)


# --- writing -----------------------------------------------------------------------------------------------------------


def create_table(store: ObjectStore, table_id: str, rows: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema) -> str:
    """Write a new table and return its version; durable on return.

    The attached version 1 that this makes is kept for ever: Lance opens nothing without one.
    """
    started_s = time.time()
    uri = f"{store.uri}/{table_prefix(table_id)}"
    reader = rows if isinstance(rows, pa.Table) else pa.RecordBatchReader.from_batches(schema, rows)

    def write() -> Any:  # Any: lance.LanceDataset
        return _lance().write_dataset(
            reader,
            uri,
            schema=schema,
            mode="create",
            enable_stable_row_ids=False,
            max_rows_per_file=_ROWS_PER_FILE_MAX,
            storage_options=dict(store.library_options) or None,
            session=_shared_session(),
        )

    store.before_write()
    dataset = guarded("writing", write)
    store.sync_tree(table_prefix(table_id), started_s)
    return str(dataset.version)


def live_batches(base: LanceTable, schema: pa.Schema, dead: Ordinals, rows: pa.Table | None) -> Iterator[pa.RecordBatch]:
    """Yield the live rows of a base but for the slots ``dead``, then ``rows``, in the columns of ``schema``."""
    starts, _ = base._layout()
    dataset = base.dataset()
    names = _present(dataset, schema.names)
    gone = np.zeros(base.slots, dtype=np.bool_)
    gone[dead] = True
    for batch in guarded("scanning", lambda: dataset.scanner(columns=names, with_row_address=True).to_batches()):
        table = pa.Table.from_batches([batch])
        kept = ~gone[base._slots_of(table.column("_rowaddr"), starts)]
        yield from _aligned(table.filter(pa.array(kept)), schema).combine_chunks().to_batches()
    if rows is not None:
        yield from _aligned(rows, schema).combine_chunks().to_batches()


def add_columns(base: LanceTable, store: ObjectStore, schema: pa.Schema) -> LanceTable:
    """Return a version that has all columns of ``schema``; those that it had not are null. Touches one fragment, the smallest.

    Lance numbers the fields of a version itself; the numbers of new ones are had by adding the columns to one fragment.
    """
    dataset = base.dataset()
    missing = [field for field in schema if field.name not in dataset.schema.names]
    if not missing:
        return base
    started_s = time.time()
    fragments = guarded("opening", lambda: dataset.get_fragments())
    smallest = min(fragments, key=lambda fragment: fragment.physical_rows)

    def nulls(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(
            [pa.nulls(batch.num_rows, field.type) for field in missing], schema=pa.schema(missing)
        )

    changed, widened = guarded("writing", lambda: smallest.merge_columns(nulls, columns=["id"]))
    kept = [fragment.metadata for fragment in fragments if fragment.fragment_id != smallest.fragment_id]
    version = _commit(dataset, _lance().LanceOperation.Merge([*kept, changed], widened))
    store.sync_tree(table_prefix(base.identity[0]), started_s)
    return LanceTable(store, base.identity[0], version)


def extend_table(base: LanceTable, store: ObjectStore, rows: pa.Table, dead: Ordinals) -> str:
    """Write a version that lacks the slots ``dead`` and has ``rows`` behind the others; durable on return.

    Small fragments are gathered on the way once there are too many of them, so the number of fragments stays bounded
    however many times a table is extended. Costs about 3 ms plus the rows.
    """
    started_s = time.time()
    store.before_write()
    lance_module = _lance()
    dataset = base.dataset()
    starts, fragment_ids = base._layout()
    fragments = {fragment.fragment_id: fragment for fragment in guarded("opening", lambda: dataset.get_fragments())}
    removed: list[int] = []
    updated: list[Any] = []  # Any: lance FragmentMetadata
    gathered: list[pa.Table] = []

    dead = np.unique(np.asarray(dead, dtype=np.int64))
    places = np.searchsorted(starts, dead, side="right") - 1
    dead_of = {int(place): dead[places == place] - starts[place] for place in np.unique(places)}
    small = [place for place, id_ in enumerate(fragment_ids) if fragments[int(id_)].physical_rows < SMALL_FRAGMENT_ROWS]
    gather = frozenset(small) if len(small) >= SMALL_FRAGMENTS_MAX else frozenset()

    for place in sorted(gather):
        fragment = fragments[int(fragment_ids[place])]
        table = guarded("scanning", lambda f=fragment: f.scanner(with_row_address=True).to_table())
        offsets = table.column("_rowaddr").to_numpy().astype(np.int64) & _OFFSET_MASK
        keep = ~np.isin(offsets, dead_of.get(place, ()))
        gathered.append(table.drop_columns(["_rowaddr"]).filter(pa.array(keep)))
        removed.append(int(fragment_ids[place]))
    for place, offsets in dead_of.items():
        if place in gather:
            continue
        fragment = fragments[int(fragment_ids[place])]
        metadata = guarded("writing", lambda f=fragment, o=offsets: f.delete_rows(o.tolist()))
        if metadata is None:
            removed.append(int(fragment_ids[place]))
        else:
            updated.append(metadata)

    new_rows = pa.concat_tables([*gathered, _aligned(rows, dataset.schema)])
    new: list[Any] = []  # Any: lance FragmentMetadata
    if new_rows.num_rows:
        new = guarded(
            "writing",
            lambda: lance_module.fragment.write_fragments(
                new_rows,
                dataset,
                mode="append",
                max_rows_per_file=_ROWS_PER_FILE_MAX,
                storage_options=dict(store.library_options) or None,
                session=_shared_session(),
            ),
        )
    operation = lance_module.LanceOperation.Update(
        removed_fragment_ids=removed, updated_fragments=updated, new_fragments=list(new), update_mode="rewrite_rows"
    )
    version = _commit(dataset, operation)
    store.sync_tree(table_prefix(base.identity[0]), started_s)
    return version


def compact_table(base: LanceTable, store: ObjectStore, schema: pa.Schema, *, anew: bool = False) -> str:
    """Write a version with the same rows in few fragments and exactly the columns of ``schema``; the same if nothing is to do.

    Fragments are rewritten that are small or have deleted rows, all of them when columns have come or gone, or ``anew``. Memory
    is that of a few batches. Rewritten rows are in no index: see `index_table`.
    """
    started_s = time.time()
    dataset = base.dataset()
    fragments = base.guarded("opening", dataset.get_fragments)
    anew = anew or not _same_columns(dataset.schema, schema)
    chosen = list(fragments)
    if not anew:
        small = [fragment for fragment in fragments if fragment.physical_rows < _ROWS_PER_FILE_MAX // 2]
        holed = [fragment for fragment in fragments if fragment.num_deletions]
        if len(small) < 2 and not holed:
            return base.identity[1]
        chosen = small + [fragment for fragment in holed if fragment not in small]
    names = [name for name in schema.names if name in dataset.schema.names]

    def batches() -> Iterator[pa.RecordBatch]:
        scanner = dataset.scanner(
            columns=names, fragments=chosen, batch_size=_BATCH_ROWS, batch_readahead=2, io_buffer_size=_SCAN_BYTES
        )
        for batch in scanner.to_batches():
            yield from _aligned(pa.Table.from_batches([batch]), schema).combine_chunks().to_batches()

    def write() -> Any:  # Any: list of lance FragmentMetadata
        return _lance().fragment.write_fragments(
            pa.RecordBatchReader.from_batches(schema, batches()),
            dataset,
            schema=schema,
            mode="overwrite" if anew else "append",
            max_rows_per_file=_ROWS_PER_FILE_MAX,
            storage_options=dict(store.library_options) or None,
            session=_shared_session(),
        )

    store.before_write()
    new = list(base.guarded("writing", write)) if sum(fragment.count_rows() for fragment in chosen) else []
    operation = _lance().LanceOperation
    if anew:
        version = _commit(dataset, operation.Overwrite(schema, new))
    else:
        removed = [fragment.fragment_id for fragment in chosen]
        update = operation.Update(
            removed_fragment_ids=removed, updated_fragments=[], new_fragments=new, update_mode="rewrite_rows"
        )
        version = _commit(dataset, update)
    store.sync_tree(table_prefix(base.identity[0]), started_s)
    return version


def _same_columns(one: pa.Schema, other: pa.Schema) -> bool:
    return {field.name: field.type for field in one} == {field.name: field.type for field in other}


def index_table(base: LanceTable, store: ObjectStore, columns: Sequence[str], *, thorough: bool = False) -> str:
    """Bring BTREE indexes on ``columns`` up to date and return the version that has them (the same if nothing was to do).

    An index is (re)built when it is missing or when too many rows are outside it; ``thorough`` rebuilds as soon as one row is.
    About 120 ms for a million short strings.
    """
    if base.rows < INDEX_ROWS_MIN:
        return base.identity[1]
    started_s = time.time()
    store.before_write()
    dataset = base.dataset()
    existing = {description.field_names[0]: description for description in dataset.describe_indices()}
    present = {fragment.fragment_id: fragment.physical_rows for fragment in dataset.get_fragments()}
    allowed = 0 if thorough else max(UNINDEXED_ROWS_MAX, int(base.rows * UNINDEXED_SHARE_MAX))
    new, old = [], []
    for column in columns:
        description = existing.get(column)
        if description is not None:
            covered: set[int] = set()
            for segment in description.segments:
                covered |= set(segment.fragment_ids)
            if sum(size for id_, size in present.items() if id_ not in covered) <= allowed:
                continue
        name = f"{column}_btree"
        new.append(
            guarded(
                "indexing",
                lambda c=column, n=name: dataset.create_index_uncommitted(
                    c, "BTREE", name=n, replace=True, fragment_ids=list(present)
                ),
            )
        )
        if description is not None:
            old += [index for index in _indexes(dataset) if index.name == description.name]
    if not new:
        return base.identity[1]
    version = _commit(dataset, _lance().LanceOperation.CreateIndex(new, old))
    store.sync_tree(table_prefix(base.identity[0]), started_s)
    return version


def _indexes(dataset: Any) -> list[Any]:  # Any: lance Index
    from lance.dataset import Index

    found = []
    for description in dataset.describe_indices():
        for segment in description.segments:
            found.append(
                Index(
                    uuid=str(segment.uuid),
                    name=description.name,
                    fields=list(description.fields),
                    dataset_version=segment.dataset_version_at_last_update,
                    fragment_ids=set(segment.fragment_ids),  # type: ignore[arg-type]  # a set is accepted
                    index_version=segment.index_version,
                )
            )
    return found


def _commit(dataset: Any, operation: Any) -> str:  # Any: lance objects
    """Make a detached version on exactly the version of the handle.

    Lance bases a detached commit on the handle and ignores the read version that it is told, so the two must be one.
    """
    from lance import LanceDataset

    read_version = dataset.version
    committed = guarded("committing", lambda: LanceDataset.commit(dataset, operation, read_version=read_version, detached=True))
    return str(committed.version)


def _aligned(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows in the columns and types of a stored table; columns it has and the rows lack become null."""
    arrays = []
    for field in schema:
        place = rows.schema.get_field_index(field.name)
        column = pa.nulls(rows.num_rows, field.type) if place < 0 else rows.column(place)
        arrays.append(column.cast(field.type) if column.type != field.type else column)
    return pa.table(arrays, schema=schema)


def _present(dataset: Any, columns: Sequence[str]) -> list[str]:  # Any: lance.LanceDataset
    names = set(dataset.schema.names)
    return [name for name in columns if name in names]


def _with_missing(table: pa.Table, columns: Sequence[str], rows: int) -> pa.Table:
    """Return the columns asked for, in that order; what the table does not have (yet) is null."""
    have = set(table.column_names)
    arrays = [table.column(name) if name in have else pa.chunked_array([pa.nulls(rows)]) for name in columns]
    return pa.table(arrays, names=list(columns))


def _literal(value: Value, type_: pa.DataType) -> str:
    """Return a value as a literal of Lance's filter language."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        if pa.types.is_date32(type_):
            return f"CAST({value} AS DATE)" if value < 0 else f"arrow_cast({value}, 'Date32')"
        if pa.types.is_date64(type_):
            return f"arrow_cast({value}, 'Date64')"
        return str(value)
    if isinstance(value, float):
        return repr(value)
    raise StorageError(f"storage: {type(value).__name__} cannot be looked up in a table")
