"""Changes of rows: between two states, in one commit, and as a feed; and who set what."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from omnigraph.wire.encoding import Shape

EntityKind = Literal["node", "edge"]
ChangeOp = Literal["insert", "update", "delete"]
KINDS: tuple[EntityKind, ...] = ("node", "edge")
OPS: tuple[ChangeOp, ...] = ("insert", "update", "delete")

Properties = dict[str, Any]  # Any: JSON values by property name


class Endpoints(Shape, frozen=True, gc=False, rename={"from_": "from"}):
    """The ends of an edge."""

    from_: str
    to: str


class RowImage(Shape, frozen=True, gc=False):
    """A row: its properties, and of an edge its ends."""

    properties: Properties
    endpoints: Endpoints | UnsetType = UNSET


class TypeRef(Shape, frozen=True, gc=False):
    """A type: an opaque id that survives renames, and its name."""

    id: str
    name: str


class RowChange(Shape, frozen=True, gc=False):
    """One row that changed. An insert has no ``before``, a delete no ``after``."""

    kind: EntityKind
    type: TypeRef
    id: str
    op: ChangeOp
    before: RowImage | UnsetType = UNSET
    after: RowImage | UnsetType = UNSET


class ChangeCause(Shape, frozen=True, gc=False, kw_only=True):
    """The commit behind changes."""

    graph_commit_id: str
    parent_commit_id: str | UnsetType = UNSET
    merged_parent_commit_id: str | UnsetType = UNSET
    authored_branch: str
    actor_id: str | UnsetType = UNSET
    authored_at: int


class CommitChangesOutput(Shape, frozen=True, gc=False):
    """The rows that one commit changed, as seen from its first parent."""

    cause: ChangeCause
    changes: list[RowChange]
    next_page_token: str | UnsetType = UNSET


class ChangeBlock(Shape, frozen=True, gc=False):
    """The changes of one commit within a feed."""

    cause: ChangeCause
    changes: list[RowChange]


class ChangesOutput(Shape, frozen=True, gc=False):
    """A page of a feed. It has a ``cursor`` when it ends between two commits, else a token for the rest of the last one."""

    blocks: list[ChangeBlock]
    next_page_token: str | UnsetType = UNSET
    cursor: str | UnsetType = UNSET
    caught_up: bool | UnsetType = UNSET


class BaselineInfo(Shape, frozen=True, gc=False):
    """The state that a baseline holds, and the cursor from which the feed goes on."""

    snapshot_commit_id: str
    resume_cursor: str


class BaselineLine(Shape, frozen=True, gc=False):
    """The last line of a complete baseline."""

    baseline: BaselineInfo


class EntityChange(Shape, frozen=True, gc=False):
    """One row that differs between two states. ``endpoints`` are those of an edge, also of a deleted one."""

    table_key: str
    kind: EntityKind
    type_name: str
    id: str
    op: ChangeOp
    manifest_version: int
    endpoints: Endpoints | None
    before: RowImage | UnsetType = UNSET
    after: RowImage | UnsetType = UNSET


class TypeDiff(Shape, frozen=True, gc=False):
    """How many rows of one type differ."""

    table_key: str
    inserts: int
    updates: int
    deletes: int


class DiffStats(Shape, frozen=True, gc=False):
    """How many rows differ in all; ``types_affected`` are names, sorted."""

    inserts: int
    updates: int
    deletes: int
    types_affected: list[str]


class DiffOutput(Shape, frozen=True, gc=False, kw_only=True):
    """The net difference of two states, sorted by type key and id.

    ``branch`` is set when both states are of one branch. ``notes`` say what a reader should know of how it was found;
    ``truncated`` that more rows differ than are listed (the counts are complete).
    """

    from_commit: str
    to_commit: str
    from_version: int
    to_version: int
    branch: str | None
    changes: list[EntityChange]
    stats: DiffStats
    tables: list[TypeDiff]
    notes: list[str]
    truncated: bool = False


class BlameLine(Shape, frozen=True, gc=False):
    """A property of a row, its value, and the commit that set it."""

    property: str
    value: Any  # Any: a JSON value
    graph_commit_id: str
    branch: str
    manifest_version: int
    actor_id: str | None
    created_at: int


class BlameOutput(Shape, frozen=True, gc=False):
    """Who set what in one row, as it stands at a commit."""

    table_key: str
    id: str
    graph_commit_id: str
    properties: list[BlameLine]
