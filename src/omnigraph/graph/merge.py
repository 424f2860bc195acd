"""Merging: the rows of two branches by the rows of their common past.

Only rows that the log says were changed are looked at. The target takes the source's net change as one commit; what the change
could break is judged on the image that results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from omnigraph.errors import Conflict, ConstraintViolation, MergeConflicts
from omnigraph.graph.changed_ids import changed_ids, union
from omnigraph.graph.integrity import check_cardinality, check_endpoints, check_unique, table_of
from omnigraph.graph.layout import Layout, Layouts, layouts_of
from omnigraph.graph.merge_conflicts import ConflictReport
from omnigraph.graph.merge_schema import rows_of_dropped_types
from omnigraph.graph.merge_strategy import sides_by_table
from omnigraph.graph.row_image import Image, row_images
from omnigraph.language.catalog import EdgeType
from omnigraph.storage.ancestry import Ancestry, Located
from omnigraph.storage.change import Change
from omnigraph.storage.commit import Draft, RowChange
from omnigraph.storage.cut import Cut, Schema
from omnigraph.storage.log import Log
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.wire.commit import SettledInfo
from omnigraph.wire.error import MergeConflictInfo
from omnigraph.wire.merge import MergeChangeInfo
from omnigraph.wire.request import MergeStrategy

Outcome = Literal["already_up_to_date", "fast_forward", "merged"]
ViewAt = Callable[[Located, Schema], SnapshotView]
"""Shows the graph as a commit left it, under a schema."""

_CONFLICTED: Image = ("a row on which the ancestors conflict",)
"""The image of a row in a virtual base that equals neither side: compared by identity of this text with nothing stored."""


@dataclass(frozen=True, slots=True)
class Relation:
    """How two heads stand to each other. ``bases`` are their best common ancestors."""

    outcome: Outcome
    source: Located
    target: Located
    bases: tuple[Located, ...]


def relate(ancestry: Ancestry, source: Cut, target: Cut) -> Relation:
    """Return how a source stands to a target. Raises Conflict when they have no common ancestor.

    Reads as many commits as the two do not share.
    """
    left, right = ancestry.head_of(source), ancestry.head_of(target)
    bases = tuple(ancestry.merge_bases([left], [right]))
    if not bases:
        raise Conflict("branches have no common ancestor", hint="export one and load it into the other")
    outcome: Outcome = "merged"
    if bases[0].commit.id == left.commit.id:
        outcome = "already_up_to_date"
    elif bases[0].commit.id == right.commit.id:
        outcome = "fast_forward"
    return Relation(outcome, left, right, bases)


@dataclass(frozen=True, slots=True)
class Sides:
    """The two heads of a merge, opened; ``before`` are they under their own schemas where these differ."""

    source: Cut
    target: Cut
    source_view: SnapshotView
    target_view: SnapshotView
    before: Sides | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """An evaluated merge: a draft for the target, the view after it, and the conflicts that the strategy settled."""

    draft: Draft
    view: SnapshotView
    settled: list[SettledInfo]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a merge would change by type, what its strategy would settle, and every conflict that would refuse it."""

    changes: list[MergeChangeInfo]
    settled: list[SettledInfo]
    conflicts: list[MergeConflictInfo]


def evaluate_merge(
    log: Log, ancestry: Ancestry, relation: Relation, sides: Sides, view_at: ViewAt, strategy: MergeStrategy, actor: str | None
) -> Merged:
    """Merge by rows. Raises MergeConflicts with every conflict; nothing is changed then. O(changed rows).

    Raises BadRequest for a strategy that names no side or no type.
    """
    merge = _Merge(log, ancestry, relation, sides, view_at, strategy)
    merge.compare()
    merge.refuse()
    changes, view = merge.image()
    merge.refuse()
    return merge.merged(changes, view, actor)


def preview_merge(
    log: Log, ancestry: Ancestry, relation: Relation, sides: Sides, view_at: ViewAt, strategy: MergeStrategy
) -> Preview:
    """Evaluate a merge without publishing it; conflicts are told, not raised. O(changed rows)."""
    merge = _Merge(log, ancestry, relation, sides, view_at, strategy)
    merge.compare()
    if not merge.conflicts:
        merge.image()
    return Preview(merge.change_counts(), merge.settled(), merge.report())


class _Merge:
    def __init__(
        self, log: Log, ancestry: Ancestry, relation: Relation, sides: Sides, view_at: ViewAt, strategy: MergeStrategy
    ) -> None:
        self.log = log
        self.ancestry = ancestry
        self.relation = relation
        self.source = sides.source
        self.target = sides.target
        self.source_view = sides.source_view
        self.target_view = sides.target_view
        self.sides = sides
        self._view_at = view_at
        self.layouts: Layouts = layouts_of(sides.target.schema)
        self.winners = sides_by_table(strategy, sides.target.catalog)
        self.taken: dict[str, list[str]] = {}
        self.removed: dict[str, list[str]] = {}
        self.inserted: dict[str, int] = {}
        self.settled_rows: dict[str, int] = {}
        self.conflicts: list[MergeConflictInfo] = []
        self.only_theirs: list[Located] = []
        self.only_ours: list[Located] = []

    def view_at(self, located: Located) -> SnapshotView:
        return self._view_at(located, self.target.schema)

    # --- rows ----------------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Decide every row that either side changed."""
        shared = self._shared_past()
        self.only_theirs = self.ancestry.only_in([self.relation.source], shared)
        self.only_ours = self.ancestry.only_in([self.relation.target], shared)
        theirs = changed_ids(self.log.store, self.only_theirs)
        ours = changed_ids(self.log.store, self.only_ours)
        if len(self.relation.bases) > 1:
            theirs = ours = union(theirs, ours)
        for table_key, identity in self.target.schema.by_key.items():
            if identity.type_id not in theirs:
                continue
            self._compare_type(self.layouts[table_key], theirs[identity.type_id], ours.get(identity.type_id, set()))
        for table_key, row_id in rows_of_dropped_types(self.relation, self.sides, theirs, ours, self._view_at):
            self.conflicts.append(_row_conflict(table_key, row_id, _CONFLICTED, None, _CONFLICTED))

    def _shared_past(self) -> list[Located]:
        """Return commits such that whatever is not behind them may have changed since the base."""
        bases = list(self.relation.bases)
        while len(bases) > 1:
            bases = self.ancestry.merge_bases(bases[:1], bases[1:])
        return bases

    def _compare_type(self, layout: Layout, theirs: set[str] | None, ours: set[str] | None) -> None:
        entity = layout.entity
        ids = sorted(theirs if theirs is not None else self._all_ids(layout))
        source = row_images(self.source_view, entity, ids)
        target = row_images(self.target_view, entity, ids)
        differing = [row_id for row_id in ids if source[row_id] != target[row_id]]
        # Where the target did not touch a row it is the base's, and the source's image wins.
        contested = [row_id for row_id in differing if ours is None or row_id in ours]
        base = self._base_images(layout, contested)
        for row_id in differing:
            theirs_now, ours_now = source[row_id], target[row_id]
            then = base.get(row_id, ours_now)
            if theirs_now == then:
                continue
            if ours_now != then and not self._settle(layout.table_key):
                self.conflicts.append(_row_conflict(layout.table_key, row_id, then, theirs_now, ours_now))
            elif ours_now != then and self.winners[layout.table_key] == "ours":
                continue
            elif theirs_now is None:
                self.removed.setdefault(layout.table_key, []).append(row_id)
            else:
                self.taken.setdefault(layout.table_key, []).append(row_id)
                self.inserted[layout.table_key] = self.inserted.get(layout.table_key, 0) + (ours_now is None)

    def _settle(self, table_key: str) -> bool:
        """Return whether the strategy names a side for a conflict of a type, and count it then."""
        if table_key not in self.winners:
            return False
        self.settled_rows[table_key] = self.settled_rows.get(table_key, 0) + 1
        return True

    def _all_ids(self, layout: Layout) -> set[str]:
        """Return every id of a type on either side or in the base: a whole table was replaced."""
        ids: set[str] = set()
        for view in (self.source_view, self.target_view, *(self.view_at(base) for base in self.relation.bases)):
            table = table_of(view, layout.entity)
            ids.update(table.ids(table.all()).to_pylist())
        return ids

    def _base_images(self, layout: Layout, row_ids: Sequence[str]) -> dict[str, Image]:
        if not row_ids:
            return {}
        return self._virtual(layout, list(self.relation.bases), row_ids)

    def _virtual(self, layout: Layout, bases: list[Located], row_ids: Sequence[str]) -> dict[str, Image]:
        """Return the rows of several ancestors merged one after the other, in order of their ids, over their own base."""
        merged = row_images(self.view_at(bases[0]), layout.entity, row_ids)
        for place in range(1, len(bases)):
            other = row_images(self.view_at(bases[place]), layout.entity, row_ids)
            under = self.ancestry.merge_bases(bases[:place], [bases[place]])
            then = self._virtual(layout, under, row_ids) if under else dict.fromkeys(row_ids)
            for row_id in row_ids:
                one, two = merged[row_id], other[row_id]
                if one == two or two == then[row_id]:
                    continue
                merged[row_id] = two if one == then[row_id] else _CONFLICTED
        return merged

    # --- the image -----------------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        if self.conflicts:
            raise MergeConflicts(self.report())

    def report(self) -> list[MergeConflictInfo]:
        """Return the conflicts in their order, with what each side holds."""
        if not self.conflicts:
            return []
        bases = self.relation.bases
        base = self.view_at(bases[0]) if len(bases) == 1 else None
        ours, theirs = (self.target_view, self.only_ours), (self.source_view, self.only_theirs)
        return ConflictReport(self.log.store, self.layouts, base, ours, theirs).detailed(sorted(self.conflicts, key=_order))

    def change_counts(self) -> list[MergeChangeInfo]:
        """Return what the target would take over, by type."""
        counts = []
        for table_key in sorted({*self.taken, *self.removed}):
            inserted = self.inserted.get(table_key, 0)
            updated = len(self.taken.get(table_key, [])) - inserted
            counts.append(MergeChangeInfo(table_key, inserted, updated, len(self.removed.get(table_key, []))))
        return counts

    def settled(self) -> list[SettledInfo]:
        """Return the conflicts that the strategy settled, by type."""
        return [SettledInfo(key, self.winners[key], rows) for key, rows in sorted(self.settled_rows.items())]

    def image(self) -> tuple[dict[str, Change], SnapshotView]:
        """Take the source's net change over and judge what it can break: violations join the conflicts."""
        step = self.target.state.step + 1
        changes: dict[str, Change] = {}
        for table_key in sorted({*self.taken, *self.removed}):
            layout = self.layouts[table_key]
            batch = self._rows(layout, self.taken.get(table_key, []))
            changes[table_key] = Change(step, batch, tuple(self.removed.get(table_key, [])))
        view = self.target_view.extend(self.target.catalog, changes) if changes else self.target_view
        self._judge(view, changes)
        return changes, view

    def merged(self, changes: Mapping[str, Change], view: SnapshotView, actor: str | None) -> Merged:
        """Return the draft of the one commit that the target gets."""
        settled = self.settled()
        notes: dict[str, Any] = {}  # Any: notes of a commit
        if settled:
            notes["settled"] = [[one.table_key, one.strategy, one.rows] for one in settled]
        inline = {}
        for table_key, change in changes.items():
            layout = self.layouts[table_key]
            rows = table_of(view, layout.entity).rows
            inline[layout.type_id] = RowChange(change, rows, layout.stored_header)
        return Merged(Draft("merge", actor, inline, source=self.source, extra=notes), view, settled)

    def _rows(self, layout: Layout, row_ids: Sequence[str]) -> pa.RecordBatch | None:
        if not row_ids:
            return None
        table = table_of(self.source_view, layout.entity)
        ordinals = table.ordinals(list(row_ids))
        arrays = [table.column(field.name).take(ordinals) for field in layout.rows]
        return layout.as_stored(pa.RecordBatch.from_arrays(arrays, schema=layout.rows))

    def _judge(self, view: SnapshotView, changes: Mapping[str, Change]) -> None:
        """Collect every violation that the combination creates."""
        judged: dict[str, set[str]] = {}
        for table_key, row_ids in self.taken.items():
            entity = self.layouts[table_key].entity
            for row_id in row_ids:
                with self._collecting("unique_violation", table_key, row_id):
                    check_unique(view, entity, [row_id])
        for edge in self.target.catalog.edges.values():
            table_key = edge.table_key
            self._judge_endpoints(view, edge)
            sources = judged.setdefault(table_key, set())
            sources.update(self._sources(self.source_view, edge, self.taken.get(table_key, [])))
            touched = [*self.taken.get(table_key, []), *self.removed.get(table_key, [])]
            sources.update(self._sources(self.target_view, edge, touched))
            for source in sorted(sources):
                with self._collecting("cardinality_violation", table_key, None):
                    check_cardinality(view, edge, [source])

    def _judge_endpoints(self, view: SnapshotView, edge: EdgeType) -> None:
        edges, before = view.edges(edge.name), self.target_view.edges(edge.name)
        suspects = set(self.taken.get(edge.table_key, []))
        for end, type_name in (("src", edge.source), ("dst", edge.target)):
            for node_id in self.removed.get(f"node:{type_name}", []):
                suspects.update(before.ids(before.find(end, node_id)).to_pylist())
        for row_id in sorted(suspects):
            ordinal = edges.ordinal(row_id)
            if ordinal < 0:
                continue
            source, target = edges.values(ordinal, ("src", "dst"))
            with self._collecting("orphan_edge", edge.table_key, row_id):
                check_endpoints(view, edge, [str(source)], [str(target)])

    def _sources(self, view: SnapshotView, edge: EdgeType, row_ids: Iterable[str]) -> list[str]:
        table = view.edges(edge.name)
        ordinals = table.ordinals(list(row_ids))
        found = np.unique(ordinals[ordinals >= 0])
        return [str(source) for source in table.column("src").take(found).to_pylist()]

    @contextmanager
    def _collecting(self, kind: str, table_key: str, row_id: str | None) -> Iterator[None]:
        try:
            yield
        except ConstraintViolation as violation:
            self.conflicts.append(MergeConflictInfo(table_key, row_id, kind, violation.message))


def _row_conflict(table_key: str, row_id: str, then: Image, theirs: Image, ours: Image) -> MergeConflictInfo:
    if theirs is None or ours is None:
        kind, words = "delete_vs_update", "delete/update conflict"
    elif then is None:
        kind, words = "divergent_insert", "divergent insert"
    else:
        kind, words = "divergent_update", "divergent update"
    return MergeConflictInfo(table_key, row_id, kind, f"{words} for id '{row_id}'")


def _order(conflict: MergeConflictInfo) -> tuple[str, str]:
    return conflict.table_key, conflict.row_id or ""
