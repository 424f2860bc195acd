"""Commits and the state a branch shows at one of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import UNSET, UnsetType

from omnigraph.wire.encoding import Shape

At = str | int | datetime
"""A version of a branch, or a time: text of RFC 3339 or a `datetime` (a naive one is UTC)."""
Order = Literal["oldest", "newest"]
ORDERS: tuple[Order, ...] = ("oldest", "newest")
"""Which end of a history comes first."""


class SettledInfo(Shape, frozen=True, gc=False):
    """Conflicting rows of one type that a strategy settled: ``ours`` kept the target's, ``theirs`` took the source's."""

    table_key: str
    strategy: str
    rows: int


class CommitInfo(Shape, frozen=True, gc=False):
    """One commit. ``manifest_branch`` is null for main; ``created_at`` counts microseconds since the epoch.

    ``settled`` is there for a merge whose strategy settled conflicts.
    """

    graph_commit_id: str
    manifest_branch: str | None
    manifest_version: int
    parent_commit_id: str | None
    merged_parent_commit_id: str | None
    actor_id: str | None
    created_at: int
    settled: list[SettledInfo] | UnsetType = UNSET


class CommitListOutput(Shape, frozen=True, gc=False):
    """The history of one branch, oldest first unless another order was asked for."""

    commits: list[CommitInfo]


class BranchHeadInfo(Shape, frozen=True, gc=False):
    """A branch and its newest commit."""

    branch: str
    graph_commit_id: str


class CommitGraphOutput(Shape, frozen=True, gc=False):
    """The newest commits behind branch heads over both parents, children before parents; ``more`` if others are left out."""

    heads: list[BranchHeadInfo]
    commits: list[CommitInfo]
    more: bool


class TableInfo(Shape, frozen=True, gc=False):
    """One type of a branch: ``table_version`` changes exactly when the type's rows do; ``table_path`` is opaque."""

    table_key: str
    table_path: str
    table_version: int
    table_branch: str | None
    row_count: int


class SnapshotOutput(Shape, frozen=True, gc=False):
    """Every live type of a branch, sorted by ``table_key``; ``internal_schema_version`` is the storage format."""

    branch: str
    manifest_version: int
    tables: list[TableInfo]
    internal_schema_version: int | UnsetType = UNSET
