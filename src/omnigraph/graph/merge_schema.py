"""Merges of branches whose schemas differ: both sides as they would be under the one that the result has.

Rows are found by stable ids, so a side that did not change its schema counts as if the change had been made there too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from omnigraph.errors import Conflict
from omnigraph.graph.layout import layouts_of
from omnigraph.graph.row_image import row_images
from omnigraph.storage.commit import Draft
from omnigraph.storage.cut import Cut, Schema
from omnigraph.storage.log import Log
from omnigraph.storage.schema_change import SchemaDraft, under_schema
from omnigraph.storage.snapshot_view import SnapshotView

if TYPE_CHECKING:
    from omnigraph.graph.merge import Relation, Sides, ViewAt


def under_one_schema(log: Log, relation: Relation, sides: Sides, view_of: Callable[[Cut], SnapshotView]) -> Sides:
    """Return the sides of a merge under the schema of its result. Raises Conflict when both changed it."""
    source, target = sides.source, sides.target
    schema = _common_schema(log, relation, source, target)
    if schema is source.schema and schema is target.schema:
        return sides
    source, target = under_schema(source, schema), under_schema(target, schema)
    return replace(
        sides,
        source=source,
        target=target,
        source_view=sides.source_view if schema is sides.source.schema else view_of(source),
        target_view=sides.target_view if schema is sides.target.schema else view_of(target),
        before=sides,
    )


def _common_schema(log: Log, relation: Relation, source: Cut, target: Cut) -> Schema:
    if source.schema.cache_key == target.schema.cache_key:
        return target.schema
    before = {log.read(base.position).record.state.schema_id for base in relation.bases}
    if source.state.schema_id in before:
        return target.schema
    if target.state.schema_id in before:
        return source.schema
    if source.schema.block.types == target.schema.block.types and source.schema.block.digest == target.schema.block.digest:
        return target.schema
    raise Conflict(
        "cannot merge: both branches changed the schema since their common ancestor",
        hint="bring the branches to one schema first: export one and load it into the other",
    )


def publishable(draft: Draft, sides: Sides) -> Draft | SchemaDraft:
    """Return the draft of a merge, with the schema that it brings to the target if that is another one."""
    if sides.before is None or sides.before.target.schema is sides.target.schema:
        return draft
    known = {(drop.type_id, drop.commit) for drop in sides.before.target.state.hard_drops}
    drops = [drop for drop in sides.source.state.hard_drops if (drop.type_id, drop.commit) not in known]
    return SchemaDraft(sides.target.schema, draft, tuple(drops))


def rows_of_dropped_types(
    relation: Relation,
    sides: Sides,
    theirs: Mapping[int, set[str] | None],
    ours: Mapping[int, set[str] | None],
    view_at: ViewAt,
) -> list[tuple[str, str]]:
    """Return the rows, by type key and id, that one side changed and the other's new schema has no type for."""
    if sides.before is None:
        return []
    found = []
    both = ((theirs, sides.before.source, sides.before.source_view), (ours, sides.before.target, sides.before.target_view))
    for changed, cut, view in both:
        for type_id, ids in changed.items():
            identity = cut.schema.by_id.get(type_id)
            if identity is None or type_id in sides.target.schema.by_id:
                continue
            entity = layouts_of(cut.schema)[identity.table_key].entity
            views = [view_at(base, cut.schema) for base in relation.bases]
            if ids is None:
                tables = [
                    one.nodes(entity.name) if identity.kind == "node" else one.edges(entity.name) for one in (view, *views)
                ]
                ids = {row_id for table in tables for row_id in table.ids(table.all()).to_pylist()}
            now = row_images(view, entity, sorted(ids))
            then = [row_images(one, entity, sorted(ids)) for one in views]
            found += [(identity.table_key, row_id) for row_id in now if any(now[row_id] != one[row_id] for one in then)]
    return found
