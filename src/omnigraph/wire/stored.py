"""The documents of ``omnigraph queries``: a registry as it stands in a project file, and what a schema says about it."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from omnigraph.wire.encoding import Shape


class StoredParameter(Shape, frozen=True, gc=False):
    """One parameter as it is declared; ``type`` is without its question mark."""

    name: str
    type: str
    nullable: bool


class StoredQueryInfo(Shape, frozen=True, gc=False):
    """One stored query; ``tool_name`` is null unless the registry sets one."""

    name: str
    mcp_expose: bool
    tool_name: str | None
    mutation: bool
    params: list[StoredParameter]
    description: str | UnsetType = UNSET
    instruction: str | UnsetType = UNSET


class StoredQueriesOutput(Shape, frozen=True, gc=False):
    """A registry, sorted by name."""

    queries: list[StoredQueryInfo]


class QueryRemark(Shape, frozen=True, gc=False):
    """What is to be said about one stored query."""

    query: str
    message: str


class QueriesValidateOutput(Shape, frozen=True, gc=False):
    """Whether every query of a registry fits a schema."""

    ok: bool
    breakages: list[QueryRemark]
    warnings: list[QueryRemark]
