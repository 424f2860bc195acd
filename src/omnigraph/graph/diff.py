"""Diffs: the net difference of two states of a graph, with the rows before and after."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from omnigraph.errors import BadRequest
from omnigraph.graph.change_set import Side, Touched, TypeChanges, compare, touched_between
from omnigraph.graph.row_json import json_images
from omnigraph.storage.ancestry import Ancestry, Located
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.cut import Schema
from omnigraph.storage.objects import ObjectStore
from omnigraph.wire.change import (
    KINDS,
    OPS,
    ChangeOp,
    DiffOutput,
    DiffStats,
    EntityChange,
    EntityKind,
    RowChange,
    RowImage,
    TypeDiff,
    TypeRef,
)


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes are of interest; empty means all. ``type_ids`` is worked out from the names."""

    kinds: tuple[EntityKind, ...] = ()
    type_names: tuple[str, ...] = ()
    ops: tuple[ChangeOp, ...] = ()
    row_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, kinds: Iterable[str], types: Iterable[str], ops: Iterable[str], row_ids: Iterable[str] = ()) -> ChangeFilter:
        """Return a filter. Raises BadRequest for a word that is no kind or no operation."""
        kinds, ops = tuple(sorted(set(kinds))), tuple(sorted(set(ops)))
        for word in kinds:
            if word not in KINDS:
                raise BadRequest(f"unknown kind '{word}'", hint="write node or edge")
        for word in ops:
            if word not in OPS:
                raise BadRequest(f"unknown operation '{word}'", hint="write insert, update or delete")
        chosen_kinds = tuple(kind for kind in KINDS if kind in kinds)
        return cls(chosen_kinds, tuple(sorted(set(types))), tuple(op for op in OPS if op in ops), tuple(sorted(set(row_ids))))

    def check_types(self, *schemas: Schema) -> None:
        """Refuse a name that is a type in none of the schemas; a bare name or a type key. Raises BadRequest."""
        keys = {key for schema in schemas for key in schema.by_key}
        known = keys | {key.partition(":")[2] for key in keys}
        for name in self.type_names:
            if name not in known:
                raise BadRequest(f"unknown type '{name}'", hint="`omnigraph schema show` lists the types")

    def admits_type(self, table_key: str) -> bool:
        """Say whether rows of a type are of interest."""
        kind, _, name = table_key.partition(":")
        named = not self.type_names or name in self.type_names or table_key in self.type_names
        return named and (not self.kinds or kind in self.kinds)

    def admits_op(self, op: ChangeOp) -> bool:
        return not self.ops or op in self.ops

    def narrowed(self, touched: Touched, *schemas: Schema) -> Touched:
        """Return what is of interest among touched rows."""
        result: Touched = {}
        for type_id, ids in touched.items():
            names = {schema.by_id[type_id].table_key for schema in schemas if type_id in schema.by_id}
            if any(self.admits_type(key) for key in names):
                result[type_id] = ids if not self.row_ids else set(self.row_ids) if ids is None else ids & set(self.row_ids)
        return result


NO_FILTER = ChangeFilter()


def differing(
    store: ObjectStore, ancestry: Ancestry, before: Side, after: Side, ends: tuple[Located, Located], wanted: ChangeFilter
) -> tuple[list[TypeChanges], list[str]]:
    """Return the types that differ, narrowed to what is wanted, and notes on how that was found. Reads no unchanged row."""
    schemas = before.cut.schema, after.cut.schema
    wanted.check_types(*schemas)
    touched = wanted.narrowed(touched_between(store, ancestry, *ends), *schemas)
    notes = []
    for type_id, ids in touched.items():
        if ids is None:
            layout = after.layout(type_id) or before.layout(type_id)
            assert layout is not None
            notes.append(f"{layout.table_key} was compared as a whole: a commit in between replaced it, or its rows are gone")
    if schemas[0].block.digest != schemas[1].block.digest:
        notes.append(
            "the schemas differ: types and properties are matched by identity, and compared where both states have them"
        )
    found = [narrowed(changes, wanted) for changes in compare(before, after, touched)]
    return [changes for changes in found if len(changes)], sorted(notes)


def narrowed(changes: TypeChanges, wanted: ChangeFilter) -> TypeChanges:
    """Return the changes of a type that are of interest."""
    if wanted == NO_FILTER:
        return changes
    ids = set(wanted.row_ids)

    def kept(op: ChangeOp, row_ids: tuple[str, ...]) -> tuple[str, ...]:
        if not wanted.admits_op(op) or not wanted.admits_type(changes.layout.table_key):
            return ()
        return row_ids if not ids else tuple(row_id for row_id in row_ids if row_id in ids)

    return TypeChanges(
        changes.type_id,
        changes.before,
        changes.after,
        kept("insert", changes.inserted),
        kept("update", changes.updated),
        kept("delete", changes.deleted),
    )


def row_changes(
    changes: TypeChanges, before: Side, after: Side, blobs: BlobReader, ids: Collection[str] | None = None
) -> list[RowChange]:
    """Return the changes of a type with their images, sorted by id; of some ids only if they are given."""

    def some(row_ids: Sequence[str]) -> list[str]:
        return list(row_ids) if ids is None else [row_id for row_id in row_ids if row_id in ids]

    inserted, updated, deleted = some(changes.inserted), some(changes.updated), some(changes.deleted)
    then: dict[str, RowImage] = {}
    now: dict[str, RowImage] = {}
    if changes.before is not None:
        gone = updated + deleted
        then = dict(zip(gone, json_images(before.view, changes.before.entity, gone, blobs), strict=True))
    if changes.after is not None:
        there = updated + inserted
        now = dict(zip(there, json_images(after.view, changes.after.entity, there, blobs), strict=True))
    layout = changes.layout
    kind: EntityKind = "edge" if layout.identity.kind == "edge" else "node"
    type_ = TypeRef(str(changes.type_id), layout.entity.name)
    ops: list[tuple[str, ChangeOp]] = [(row_id, "insert") for row_id in inserted]
    ops += [(row_id, "update") for row_id in updated]
    ops += [(row_id, "delete") for row_id in deleted]
    return [RowChange(kind, type_, row_id, op, then.get(row_id, UNSET), now.get(row_id, UNSET)) for row_id, op in sorted(ops)]


def diff_output(
    found: Sequence[TypeChanges],
    notes: list[str],
    before: Side,
    after: Side,
    branch: str | None,
    blobs: BlobReader,
    *,
    limit: int | None,
) -> DiffOutput:
    """Return a diff as every door shows it, with at most ``limit`` rows listed and every row counted."""
    changes: list[EntityChange] = []
    for entity_changes in _limited(found, before, after, blobs, limit):
        changes.append(entity_changes)
    tables = [TypeDiff(one.layout.table_key, len(one.inserted), len(one.updated), len(one.deleted)) for one in found]
    stats = DiffStats(
        sum(table.inserts for table in tables),
        sum(table.updates for table in tables),
        sum(table.deletes for table in tables),
        sorted(one.layout.entity.name for one in found),
    )
    return DiffOutput(
        from_commit=before.cut.state.head,
        to_commit=after.cut.state.head,
        from_version=before.cut.state.version,
        to_version=after.cut.state.version,
        branch=branch,
        changes=changes,
        stats=stats,
        tables=tables,
        notes=notes,
        truncated=len(changes) < sum(len(one) for one in found),
    )


def _limited(
    found: Sequence[TypeChanges], before: Side, after: Side, blobs: BlobReader, limit: int | None
) -> Iterator[EntityChange]:
    left = sum(len(one) for one in found) if limit is None else limit
    for one in found:
        ids = sorted([*one.inserted, *one.updated, *one.deleted])[:left]
        left -= len(ids)
        table = after.cut.tables.get(one.type_id)
        version = after.cut.state.version if table is None else table.changed_version
        for change in row_changes(one, before, after, blobs, set(ids)):
            image = change.after if not isinstance(change.after, UnsetType) else change.before
            assert not isinstance(image, UnsetType)
            yield EntityChange(
                table_key=one.layout.table_key,
                kind=change.kind,
                type_name=change.type.name,
                id=change.id,
                op=change.op,
                manifest_version=version,
                endpoints=None if isinstance(image.endpoints, UnsetType) else image.endpoints,
                before=change.before,
                after=change.after,
            )
        if left <= 0:
            return
