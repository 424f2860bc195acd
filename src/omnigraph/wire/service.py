"""What a server tells about itself, its graphs and its stored queries."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from omnigraph.wire.cluster import Diagnostic
from omnigraph.wire.encoding import Shape
from omnigraph.wire.merge import MergeOutput

ParamKind = Literal["string", "bool", "int", "bigint", "float", "date", "datetime", "blob", "vector", "list"]


class HealthOutput(Shape, frozen=True, gc=False):
    """A process that is alive."""

    status: str
    version: str
    source_version: str | UnsetType = UNSET
    internal_schema_version: int | UnsetType = UNSET


class RevisionOutput(Shape, frozen=True, gc=False):
    """One revision of a cluster's ledger."""

    state_revision: int
    state_cas: str
    config_digest: str | None


class ReadyOutput(HealthOutput, frozen=True, gc=False, kw_only=True):
    """A server whose graphs all answer; one booted from a cluster says which revision it serves."""

    revision: RevisionOutput | UnsetType = UNSET


class ServedClusterOutput(RevisionOutput, frozen=True, gc=False, kw_only=True):
    """What a server serves of its cluster, and why the last reload was refused if it was."""

    graphs: list[str]
    quarantined: list[Diagnostic] | UnsetType = UNSET
    refusal: str | UnsetType = UNSET


class ReloadOutput(RevisionOutput, frozen=True, gc=False, kw_only=True):
    """The revision that is served after a reload, and whether it is another one than before."""

    changed: bool


class GraphInfo(Shape, frozen=True, gc=False):
    """One served graph."""

    graph_id: str
    uri: str


class GraphListResponse(Shape, frozen=True, gc=False):
    """The served graphs, sorted by id."""

    graphs: list[GraphInfo]


class ParamDescriptor(Shape, frozen=True, gc=False, kw_only=True):
    """One parameter of a stored query."""

    name: str
    kind: ParamKind
    item_kind: ParamKind | UnsetType = UNSET
    vector_dim: int | UnsetType = UNSET
    nullable: bool


class QueryCatalogEntry(Shape, frozen=True, gc=False, kw_only=True):
    """One stored query as a tool."""

    name: str
    tool_name: str
    description: str | UnsetType = UNSET
    instruction: str | UnsetType = UNSET
    mutation: bool
    params: list[ParamDescriptor]


class QueriesCatalogOutput(Shape, frozen=True, gc=False):
    """The exposed stored queries, sorted by name."""

    queries: list[QueryCatalogEntry]


class BranchMergeOutput(MergeOutput, frozen=True, gc=False):
    """A merge over HTTP; the last two fields are there when the source was to be deleted too."""

    branch_deleted: bool | UnsetType = UNSET
    branch_delete_error: str | UnsetType = UNSET
