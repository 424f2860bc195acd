"""The error envelope of HTTP answers, and of the last line of standard error under ``--json``."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from omnigraph.errors import OmnigraphError
from omnigraph.wire.encoding import Shape


class MergeSideInfo(Shape, frozen=True, gc=False):
    """What one side of a conflict holds: the row (null where it has none), and the commit and actor that left it so."""

    row: dict[str, Any] | None  # Any: JSON values
    graph_commit_id: str | UnsetType = UNSET
    actor_id: str | UnsetType | None = UNSET


class MergeConflictInfo(Shape, frozen=True, gc=False):
    """One row that two branches changed in ways that do not fit together; ``row_id`` is null for a whole table.

    The sides are there for conflicts of single rows: ``base`` is the common past (absent where several pasts disagree),
    ``ours`` the target and ``theirs`` the source.
    """

    table_key: str
    row_id: str | None
    kind: str
    message: str
    base: MergeSideInfo | UnsetType = UNSET
    ours: MergeSideInfo | UnsetType = UNSET
    theirs: MergeSideInfo | UnsetType = UNSET


class ManifestConflictInfo(Shape, frozen=True, gc=False):
    """The version of a type that a write expected and the one that it met."""

    table_key: str
    expected: int
    actual: int


class KeyConflictInfo(Shape, frozen=True, gc=False):
    """The stored row that an append met."""

    table_key: str
    row_id: str


class PreconditionFailureInfo(Shape, frozen=True, gc=False):
    """The head that a conditional write named and the one that it met."""

    expected: str
    actual: str | UnsetType = UNSET


class ResourceLimitInfo(Shape, frozen=True, gc=False):
    """The limit that a request passed."""

    resource: str
    limit: int | float
    actual: int | float


class BlobRangeInfo(Shape, frozen=True, gc=False):
    """The range of a blob that was asked for, ``end`` not included, and the length of the blob."""

    start: int
    end: int
    length: int


class ChangeFeedGapInfo(Shape, frozen=True, gc=False):
    """The first commit of a feed that can no longer be read, and the cursor that met it."""

    first_unreadable_commit_id: str
    cursor: str | UnsetType = UNSET


class ChangeDiffRefusalInfo(Shape, frozen=True, gc=False):
    """Why the changes of a commit cannot be told."""

    reason: str
    graph_commit_id: str
    type_name: str | UnsetType = UNSET


class ErrorOutput(Shape, frozen=True, gc=False):
    """One error: its sentence, its code, and the facts that a program can act on."""

    error: str
    code: str | UnsetType = UNSET
    merge_conflicts: list[MergeConflictInfo] | UnsetType = UNSET
    manifest_conflict: ManifestConflictInfo | UnsetType = UNSET
    key_conflict: KeyConflictInfo | UnsetType = UNSET
    precondition_failure: PreconditionFailureInfo | UnsetType = UNSET
    resource_limit: ResourceLimitInfo | UnsetType = UNSET
    blob_range: BlobRangeInfo | UnsetType = UNSET
    hint: str | UnsetType = UNSET
    change_feed_gap: ChangeFeedGapInfo | UnsetType = UNSET
    change_diff_refusal: ChangeDiffRefusalInfo | UnsetType = UNSET

    @classmethod
    def of(cls, error: OmnigraphError) -> ErrorOutput:
        """Describe ``error`` with its facts."""
        document: dict[str, object] = {"error": error.message, "code": error.code, **error.facts()}
        if error.hint is not None:
            document["hint"] = error.hint
        return msgspec.convert(document, cls)
