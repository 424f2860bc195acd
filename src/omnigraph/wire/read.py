"""What a read query answers."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from omnigraph.wire.encoding import Shape

Row = dict[str, Any]  # Any: the JSON values of one result row, keyed by projection name


class Target(Shape, frozen=True, gc=False):
    """What was read: a branch or a snapshot; the other is null."""

    branch: str | None
    snapshot: str | None


class ReadOutput(Shape, frozen=True, gc=False):
    """The whole result of a read query; ``columns`` is left out when there are none."""

    query_name: str
    target: Target
    row_count: int
    columns: list[str] | UnsetType
    rows: list[Row]
    graph_commit_id: str | UnsetType = UNSET


class ExplainOutput(Shape, frozen=True, gc=False):
    """A plan as people read it; for a query that was run, what the run measured and its result."""

    plan: str
    profile: str | UnsetType = UNSET
    result: ReadOutput | UnsetType = UNSET


class ReadMetadata(Shape, frozen=True, gc=False):
    """The first line of a result in JSON lines."""

    kind: str
    query_name: str
    target: Target
    row_count: int
