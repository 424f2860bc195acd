"""Change sets: which rows differ between two states, found by what the log says was touched and compared column by column.

Rows that no commit on the way between the states touched cannot differ, so they are not looked at. Types and properties are
matched by their stable ids, so a rename is no difference; a property that only one of the states has is not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.graph.changed_ids import changed_ids
from omnigraph.graph.integrity import table_of
from omnigraph.graph.layout import Layout, layouts_of
from omnigraph.language.catalog import EdgeType, PropertyType, Scalar
from omnigraph.storage.ancestry import Ancestry, Located
from omnigraph.storage.blob import content_key
from omnigraph.storage.cut import Cut
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.storage.view import TableView

Touched = dict[int, set[str] | None]
"""Ids by type id; None for every row of the type."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two states."""

    cut: Cut
    view: SnapshotView

    def layout(self, type_id: int) -> Layout | None:
        """Return a type as this state has it."""
        identity = self.cut.schema.by_id.get(type_id)
        return None if identity is None else layouts_of(self.cut.schema)[identity.table_key]


@dataclass(frozen=True, slots=True)
class TypeChanges:
    """The rows of one type that differ, each list sorted by id. ``before`` and ``after`` are the type in the two states."""

    type_id: int
    before: Layout | None
    after: Layout | None
    inserted: tuple[str, ...]
    updated: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def layout(self) -> Layout:
        """The type as the later state calls it, or as the earlier one did if it is gone."""
        layout = self.after or self.before
        assert layout is not None
        return layout

    def __len__(self) -> int:
        return len(self.inserted) + len(self.updated) + len(self.deleted)


def touched_between(store: ObjectStore, ancestry: Ancestry, before: Located, after: Located) -> Touched:
    """Return what the commits that only one of two states has behind it touched: a superset of their difference.

    Reads those commits, whatever the size of the graph or the length of its history.
    """
    past = _shared_past(ancestry, before, after)
    commits = ancestry.only_in([before], past) + ancestry.only_in([after], past)
    return changed_ids(store, {located.commit.id: located for located in commits}.values())


def _shared_past(ancestry: Ancestry, before: Located, after: Located) -> list[Located]:
    """Return a commit behind both such that whatever is not behind it may differ.

    That is the best common ancestor. Where histories cross there are several, which need not agree themselves, so the past goes
    back to where they do; likewise for the sides of a merge that was told which of them wins.
    """
    bases = ancestry.merge_bases([before], [after])
    for located in ancestry.only_in([before, after], bases):
        if "settled" in located.commit.extra:
            first, second = ancestry.parents(located)
            bases = [*bases, *ancestry.merge_bases([first], [second])]
    while len({base.commit.id for base in bases}) > 1:
        bases = ancestry.merge_bases(bases[:1], bases[1:])
    return bases


def compare(before: Side, after: Side, touched: Touched) -> Iterator[TypeChanges]:
    """Yield the types that differ, by their type keys. O(touched rows); whole types only where whole types were replaced."""
    type_ids = set(touched)
    type_ids |= before.cut.schema.by_id.keys() ^ after.cut.schema.by_id.keys()
    found = []
    for type_id in type_ids:
        old, new = before.layout(type_id), after.layout(type_id)
        if old is None and new is None:
            continue
        ids = touched.get(type_id, set()) if old is not None and new is not None else None
        changes = _compare_type(type_id, before, after, old, new, ids)
        if len(changes):
            found.append(changes)
    yield from sorted(found, key=lambda changes: changes.layout.table_key)


def _compare_type(
    type_id: int, before: Side, after: Side, old: Layout | None, new: Layout | None, ids: set[str] | None
) -> TypeChanges:
    old_table = None if old is None else table_of(before.view, old.entity)
    new_table = None if new is None else table_of(after.view, new.entity)
    sorted_ids = sorted(_all_ids(old_table, new_table) if ids is None else ids)
    then, now = _ordinals(old_table, sorted_ids), _ordinals(new_table, sorted_ids)
    inserted = np.flatnonzero((then < 0) & (now >= 0))
    deleted = np.flatnonzero((then >= 0) & (now < 0))
    both = np.flatnonzero((then >= 0) & (now >= 0))
    if len(both) and old is not None and new is not None and old_table is not None and new_table is not None:
        both = both[_differing(old, new, old_table, new_table, then[both], now[both])]
    return TypeChanges(type_id, old, new, *(_picked(sorted_ids, places) for places in (inserted, both, deleted)))


def _picked(ids: Sequence[str], places: npt.NDArray[np.int64]) -> tuple[str, ...]:
    return tuple([ids[place] for place in places.tolist()])


def _all_ids(*tables: TableView | None) -> set[str]:
    ids: set[str] = set()
    for table in tables:
        if table is not None and table.rows:
            ids.update(table.ids(table.all()).to_pylist())
    return ids


def _ordinals(table: TableView | None, ids: Sequence[str]) -> npt.NDArray[np.int32]:
    if table is None or table.rows == 0 or not ids:
        return np.full(len(ids), -1, np.int32)
    return np.asarray(table.ordinals(pa.array(ids, pa.string())), np.int32)


def _differing(
    old: Layout,
    new: Layout,
    old_table: TableView,
    new_table: TableView,
    then: npt.NDArray[np.int32],
    now: npt.NDArray[np.int32],
) -> npt.NDArray[np.bool_]:
    """Say of rows that both states have which differ in a column that both have."""
    differs = np.zeros(len(then), np.bool_)
    for was, is_, type_ in _shared_columns(old, new):
        differs |= unequal(old_table.column(was).take(then), new_table.column(is_).take(now), type_)
    return differs


def _shared_columns(old: Layout, new: Layout) -> Iterator[tuple[str, str, PropertyType | None]]:
    if isinstance(new.entity, EdgeType):
        yield "src", "src", None
        yield "dst", "dst", None
    names = {property_.property_id: property_.name for property_ in old.identity.properties}
    for property_ in new.identity.properties:
        was = names.get(property_.property_id)
        if was is not None:
            yield was, property_.name, new.entity.properties[property_.name].type


def unequal(one: pa.Array, other: pa.Array, type_: PropertyType | None) -> npt.NDArray[np.bool_]:
    """Say where two columns of stored values differ: null from anything, vectors bit by bit, managed blobs by content."""
    one, other = _whole(one), _whole(other)
    if type_ is not None and (type_.is_list or type_.scalar is Scalar.VECTOR or one.type != other.type):
        return _unequal_values(one.to_pylist(), other.to_pylist(), bitwise=type_.scalar is Scalar.VECTOR)
    missing = np.asarray(one.is_null()) != np.asarray(other.is_null())
    found: npt.NDArray[np.bool_] = missing | np.asarray(pc.fill_null(pc.not_equal(one, other), False))
    if type_ is not None and type_.scalar is Scalar.BLOB:
        for place in np.flatnonzero(found & ~missing).tolist():
            found[place] = content_key(one[place].as_py()) != content_key(other[place].as_py())
    return found


def _unequal_values(one: Iterable[object], other: Iterable[object], *, bitwise: bool) -> npt.NDArray[np.bool_]:
    # The only floats that are equal and have other bits are the two zeros (NaN is never stored); their texts differ.
    pairs = zip(one, other, strict=True)
    return np.fromiter((left != right or (bitwise and repr(left) != repr(right)) for left, right in pairs), np.bool_)


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
