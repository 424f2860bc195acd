"""Blame: for each property of a row the commit that gave it its present value.

The walk goes from the head to the past and takes along the properties that are not explained yet. A commit after which a value
is what it was in a parent has not set it; at a merge the value is followed to the first parent that has it, so one that came in
from a branch is explained by the commit on that branch. Commits that did not touch the row are passed over, whole stretches
of them where the type was not written at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import pyarrow.compute as pc

from omnigraph.errors import BadRequest, NotFound
from omnigraph.graph.change_set import Side
from omnigraph.graph.changed_ids import changed_ids
from omnigraph.graph.integrity import table_of
from omnigraph.graph.layout import Layout, layouts_of
from omnigraph.graph.row_image import compared
from omnigraph.graph.row_json import json_images
from omnigraph.language.catalog import EdgeType
from omnigraph.storage.ancestry import Ancestry, Located
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.cut import Schema, decode_rows
from omnigraph.storage.history import Headers
from omnigraph.storage.log import Log
from omnigraph.storage.record import MAIN, CommitEntry
from omnigraph.wire.change import BlameLine, BlameOutput

Key: TypeAlias = int | str
"""A property by its stable id, or ``src`` or ``dst``."""
Values: TypeAlias = dict[Key, Any]  # Any: values as `row_image` compares them
SideAt: TypeAlias = Callable[[Located], Side]

_JUMP_VERSIONS: Final = 16
_ENDS: Final = {"src": "from", "dst": "to"}


def blame(
    log: Log, ancestry: Ancestry, side_at: SideAt, at: Located, type_name: str, row_id: str, blobs: BlobReader
) -> BlameOutput:
    """Return who set what in a row as it stands at a commit. Reads the commits that wrote its type since. Raises NotFound."""
    side = side_at(at)
    layout = _layout(side.cut.schema, type_name)
    values = _values(side, layout, row_id)
    if values is None:
        raise NotFound(f"{layout.table_key} has no row '{row_id}'", hint="a deleted row shows in `omnigraph changes`")
    setters = _Walk(log, ancestry, side_at, layout.type_id, row_id, values).setters(at)
    (image,) = json_images(side.view, layout.entity, [row_id], blobs)
    shown: list[tuple[str, Key, Any]] = []  # Any: JSON values
    if image.endpoints:
        shown += [("from", "src", image.endpoints.from_), ("to", "dst", image.endpoints.to)]
    shown += [(one.name, one.property_id, image.properties[one.name]) for one in _in_order(layout)]
    lines = [_line(name, value, setters[key]) for name, key, value in shown]
    return BlameOutput(layout.table_key, row_id, at.commit.id, lines)


def _in_order(layout: Layout) -> list[Any]:  # Any: PropertyIdentity
    by_name = {one.name: one for one in layout.identity.properties}
    return [by_name[name] for name in layout.entity.properties]


def _line(name: str, value: Any, commit: CommitEntry) -> BlameLine:  # Any: a JSON value
    return BlameLine(name, value, commit.id, commit.branch or MAIN, commit.version, commit.actor, commit.created_at)


def _layout(schema: Schema, name: str) -> Layout:
    keys = [key for key in schema.by_key if name in (key, key.partition(":")[2])]
    if not keys:
        raise BadRequest(f"unknown type '{name}'", hint="`omnigraph schema show` lists the types")
    return layouts_of(schema)[keys[-1]]  # a node before an edge of the same name; write edge:<Type> for the other


def _values(side: Side, layout: Layout | None, row_id: str) -> Values | None:
    """Return the values of a row as they compare, or None if it is not there."""
    if layout is None:
        return None
    table = table_of(side.view, layout.entity)
    ordinal = table.ordinal(row_id) if table.rows else -1
    if ordinal < 0:
        return None
    names = list(layout.entity.properties)
    by_name = {one.name: one.property_id for one in layout.identity.properties}
    types = [layout.entity.properties[name].type for name in names]
    found: Values = dict(zip((by_name[name] for name in names), compared(table.values(ordinal, names), types), strict=True))
    if isinstance(layout.entity, EdgeType):
        found |= dict(zip(_ENDS, table.values(ordinal, list(_ENDS)), strict=True))
    return found


class _Walk:
    def __init__(self, log: Log, ancestry: Ancestry, side_at: SideAt, type_id: int, row_id: str, values: Values) -> None:
        self._log = log
        self._ancestry = ancestry
        self._side_at = side_at
        self._type_id = type_id
        self._row_id = row_id
        self._values = values

    def setters(self, head: Located) -> dict[Key, CommitEntry]:
        """Return the commit that set each value."""
        found: dict[Key, CommitEntry] = {}
        waiting: dict[str, tuple[Located, set[Key]]] = {head.commit.id: (head, set(self._values))}
        newest = [_Newest(head.commit.id)]
        while newest:
            located, keys = waiting.pop(heapq.heappop(newest).id)
            for parent, kept in self._explained_by(located, keys):
                if parent is None:
                    found |= dict.fromkeys(kept, located.commit)
                elif parent.commit.id in waiting:
                    waiting[parent.commit.id][1].update(kept)
                else:
                    waiting[parent.commit.id] = parent, set(kept)
                    heapq.heappush(newest, _Newest(parent.commit.id))
        return found

    def _explained_by(self, located: Located, keys: set[Key]) -> list[tuple[Located | None, set[Key]]]:
        """Return which parent has the values too, and with None which of them the commit set itself."""
        commit = located.commit
        if commit.merged_parent is None and not self._may_touch(located):
            before = self._last_write(located)
            return [(before, keys)] if before is not None else [(None, keys)]
        parts: list[tuple[Located | None, set[Key]]] = []
        left = set(keys)
        for parent in self._ancestry.parents(located):
            side = self._side_at(parent)
            then = _values(side, side.layout(self._type_id), self._row_id)
            same = set() if then is None else {key for key in left if then.get(key) == self._values[key]}
            if same:
                parts.append((parent, same))
                left -= same
        return [*parts, (None, left)] if left else parts

    def _may_touch(self, located: Located) -> bool:
        commit = located.commit
        for inline in commit.inline:
            if inline.type_id == self._type_id:
                if inline.gone or not (inline.upserts or inline.deletes) or self._row_id in inline.deletes:
                    return True
                if inline.upserts:
                    ids = decode_rows(inline.upserts).column("id")
                    return bool(pc.index(ids, self._row_id).as_py() >= 0)
                return False
        for bulk in commit.bulk:
            if bulk.type_id == self._type_id:
                touched = changed_ids(self._log.store, [located])[self._type_id]
                return touched is None or self._row_id in touched
        return False

    def _last_write(self, located: Located) -> Located | None:
        """Return the commit before this one that wrote the type, or just its parent when that is near."""
        parent = next(self._ancestry.parents(located), None)
        if parent is None:
            return None
        state = self._log.read(parent.position).record.state
        table = next((table for table in state.tables if table.type_id == self._type_id), None)
        if table is None or parent.commit.version - table.changed_version < _JUMP_VERSIONS or state.head != parent.commit.id:
            return parent
        headers = Headers(self._log, parent.position.branch_id, parent.position.seq)
        version = table.changed_version
        found = headers.last_where(lambda _, known: known <= version, parent.commit.id)
        return parent if found is None else Located(found[1], found[0])


class _Newest:
    """A heap entry: the greatest id comes out first."""

    __slots__ = ("id",)

    def __init__(self, id_: str) -> None:
        self.id = id_

    def __lt__(self, other: _Newest) -> bool:
        return self.id > other.id
