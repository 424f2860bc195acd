"""Conflicts of a merge, told in full: what each side holds, and which commit of whom left it so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from omnigraph.errors import OmnigraphError
from omnigraph.graph.changed_ids import ALL_ROWS, changed_ids
from omnigraph.graph.integrity import table_of
from omnigraph.graph.layout import Layout, Layouts
from omnigraph.graph.row_image import structural_names
from omnigraph.query.encode import encode_value
from omnigraph.storage.ancestry import Located
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.storage.view import GraphView
from omnigraph.wire.error import MergeConflictInfo, MergeSideInfo

DETAILED_CONFLICTS_MAX: Final = 200
"""Conflicts of one merge that come with rows and commits; the others only with type, id and kind."""


class ConflictReport:
    """Adds to conflicts of rows what the two branches and their past hold. Costs one look per row and one per commit."""

    def __init__(
        self,
        store: ObjectStore,
        layouts: Layouts,
        base: SnapshotView | None,
        ours: tuple[SnapshotView, Sequence[Located]],
        theirs: tuple[SnapshotView, Sequence[Located]],
    ) -> None:
        """``base`` is None where several pasts disagree; the commits of a side are those the other lacks, newest first."""
        self._store = store
        self._layouts = layouts
        self._base = base
        self._ours = ours
        self._theirs = theirs

    def detailed(self, conflicts: Sequence[MergeConflictInfo]) -> list[MergeConflictInfo]:
        """Return the conflicts, the first ones with their sides."""
        told = [one for one in conflicts[:DETAILED_CONFLICTS_MAX] if self._can_tell(one)]
        ours, theirs = self._last_commits(self._ours[1], told), self._last_commits(self._theirs[1], told)
        result = []
        for place, one in enumerate(conflicts):
            if place >= DETAILED_CONFLICTS_MAX or one.row_id is None or not self._can_tell(one):
                result.append(one)
                continue
            key = (one.table_key, one.row_id)
            base: MergeSideInfo | UnsetType = UNSET
            if self._base is not None:
                base = MergeSideInfo(self._row(self._base, one))
            result.append(
                replace(
                    one,
                    base=base,
                    ours=_side(self._row(self._ours[0], one), ours.get(key)),
                    theirs=_side(self._row(self._theirs[0], one), theirs.get(key)),
                )
            )
        return result

    def _can_tell(self, conflict: MergeConflictInfo) -> bool:
        """Whether it is about a row of a type that the result has."""
        known = conflict.table_key in self._layouts.schema.by_key
        return known and conflict.row_id is not None and conflict.kind in _ROW_KINDS

    def _row(self, view: SnapshotView, conflict: MergeConflictInfo) -> dict[str, Any] | None:  # Any: JSON values
        assert conflict.row_id is not None
        return row_document(view, self._layouts[conflict.table_key], conflict.row_id)

    def _last_commits(
        self, commits: Iterable[Located], conflicts: Iterable[MergeConflictInfo]
    ) -> dict[tuple[str, str], Located]:
        """Return the newest commit that touched each row; a merge only where none of the commits it took in did."""
        wanted = {(one.table_key, one.row_id) for one in conflicts if one.row_id is not None}
        found: dict[tuple[str, str], Located] = {}
        merges: dict[tuple[str, str], Located] = {}
        for located in commits:
            open_ = wanted - found.keys()
            if not open_:
                break
            try:
                touched = changed_ids(self._store, [located])
            except OmnigraphError:
                continue  # its rows were cleaned up; an older one may still tell
            known = merges if located.commit.merged_parent is not None else found
            for key in open_:
                ids = touched.get(self._layouts[key[0]].type_id, set())
                if ids is ALL_ROWS or key[1] in ids:
                    known.setdefault(key, located)
        return {**merges, **found}


_ROW_KINDS: Final = ("divergent_insert", "divergent_update", "delete_vs_update")


def row_document(view: GraphView, layout: Layout, row_id: str) -> dict[str, Any] | None:  # Any: JSON values
    """Return a row as JSON: its properties, and of an edge its endpoints; None where there is no row."""
    table = table_of(view, layout.entity)
    ordinal = table.ordinal(row_id) if table.rows else -1
    if ordinal < 0:
        return None
    names = structural_names(layout.entity)
    values = dict(zip(names, table.values(ordinal, names), strict=True))
    types = layout.entity.properties
    row: dict[str, Any] = {
        "properties": {name: encode_value(values[name], property_.type) for name, property_ in types.items()}
    }
    if layout.identity.kind == "edge":
        row["endpoints"] = {"from": values["src"], "to": values["dst"]}
    return row


def _side(row: dict[str, Any] | None, located: Located | None) -> MergeSideInfo:  # Any: JSON values
    if located is None:
        return MergeSideInfo(row)
    return MergeSideInfo(row, located.commit.id, located.commit.actor)
