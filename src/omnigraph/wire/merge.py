"""What ``branch merge`` answers."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from omnigraph.wire.commit import CommitInfo, SettledInfo
from omnigraph.wire.encoding import Shape
from omnigraph.wire.error import MergeConflictInfo


class MergeOutput(Shape, frozen=True, gc=False):
    """The answer of a merge: ``outcome`` is ``already_up_to_date``, ``fast_forward`` or ``merged``."""

    source: str
    target: str
    outcome: str
    actor_id: str | None
    commit: CommitInfo | None = None
    settled: list[SettledInfo] | UnsetType = UNSET


class MergeChangeInfo(Shape, frozen=True, gc=False):
    """How many rows of one type a merge would insert, update and delete on the target."""

    table_key: str
    inserted: int
    updated: int
    deleted: int


class MergePreviewOutput(Shape, frozen=True, gc=False):
    """What a merge would do. With conflicts it would be refused, and ``changes`` counts what does not conflict."""

    source: str
    target: str
    outcome: str
    mergeable: bool
    base_commit_ids: list[str]
    changes: list[MergeChangeInfo]
    settled: list[SettledInfo]
    merge_conflicts: list[MergeConflictInfo]
