"""What a write answers: loads in their two shapes, mutations and ``init``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, UnsetType

from omnigraph.wire.commit import CommitInfo
from omnigraph.wire.encoding import Shape

LoadMode = Literal["overwrite", "append", "merge"]
LOAD_MODES: tuple[LoadMode, ...] = ("overwrite", "append", "merge")

_NODE = "node:"
_EDGE = "edge:"


class TableLoad(Shape, frozen=True, gc=False):
    """How many records of the input named one type, counted before later ones replaced earlier ones."""

    table_key: str
    rows_loaded: int


class TypeLoad(Shape, frozen=True, gc=False):
    """The same count under the bare name of the type."""

    name: str
    entities_loaded: int


class IngestOutput(Shape, frozen=True, gc=False):
    """The answer of a load: of ``Graph.load``, of ``POST /load`` and of ``ingest --json``.

    ``tables`` is sorted by ``table_key``; ``base_branch`` echoes what was asked for and is null otherwise.
    """

    uri: str
    branch: str
    base_branch: str | None
    branch_created: bool
    mode: LoadMode
    tables: list[TableLoad]
    actor_id: str | None
    commit: CommitInfo | None = None

    @classmethod
    def of_counts(
        cls,
        counts: Sequence[tuple[str, int]],
        *,
        uri: str,
        branch: str,
        mode: LoadMode,
        base_branch: str | None = None,
        branch_created: bool = False,
        actor_id: str | None = None,
        commit: CommitInfo | None = None,
    ) -> IngestOutput:
        """Build the answer from ``(table_key, rows_loaded)`` pairs in any order."""
        tables = [TableLoad(key, rows) for key, rows in sorted(counts)]
        return cls(uri, branch, base_branch, branch_created, mode, tables, actor_id, commit)

    @property
    def nodes(self) -> list[TypeLoad]:
        """The node types of the input, sorted by name."""
        return self._of_kind(_NODE)

    @property
    def edges(self) -> list[TypeLoad]:
        """The edge types of the input, sorted by name."""
        return self._of_kind(_EDGE)

    def _of_kind(self, prefix: str) -> list[TypeLoad]:
        tables = [table for table in self.tables if table.table_key.startswith(prefix)]
        return [TypeLoad(table.table_key.removeprefix(prefix), table.rows_loaded) for table in tables]


LoadResult = IngestOutput
"""What ``Graph.load`` returns."""


class LoadOutput(Shape, frozen=True, gc=False):
    """The document of ``load --json``: an :class:`IngestOutput` summed up."""

    uri: str
    branch: str
    mode: LoadMode
    base_branch: str | UnsetType
    branch_created: bool
    nodes_loaded: int
    edges_loaded: int
    node_types_loaded: int
    edge_types_loaded: int
    commit: CommitInfo | None
    nodes: list[TypeLoad]
    edges: list[TypeLoad]
    total_entities: int

    @classmethod
    def of(cls, result: IngestOutput, *, uri: str) -> LoadOutput:
        """Sum up ``result`` under the address as the caller typed it."""
        nodes, edges = result.nodes, result.edges
        node_rows = sum(entry.entities_loaded for entry in nodes)
        edge_rows = sum(entry.entities_loaded for entry in edges)
        return cls(
            uri=uri,
            branch=result.branch,
            mode=result.mode,
            base_branch=UNSET if result.base_branch is None else result.base_branch,
            branch_created=result.branch_created,
            nodes_loaded=node_rows,
            edges_loaded=edge_rows,
            node_types_loaded=len(nodes),
            edge_types_loaded=len(edges),
            commit=result.commit,
            nodes=nodes,
            edges=edges,
            total_entities=node_rows + edge_rows,
        )


class BatchLoadOutput(Shape, frozen=True, gc=False):
    """The answer of ``POST /load/ndjson``: an :class:`IngestOutput` by bare type names; what is not there is left out."""

    branch: str
    base_branch: str | UnsetType
    branch_created: bool
    mode: LoadMode
    nodes: list[TypeLoad]
    edges: list[TypeLoad]
    total_entities: int
    commit: CommitInfo | UnsetType
    actor_id: str | UnsetType

    @classmethod
    def of(cls, result: IngestOutput) -> BatchLoadOutput:
        """Tell ``result`` in this shape."""
        nodes, edges = result.nodes, result.edges
        return cls(
            branch=result.branch,
            base_branch=UNSET if result.base_branch is None else result.base_branch,
            branch_created=result.branch_created,
            mode=result.mode,
            nodes=nodes,
            edges=edges,
            total_entities=sum(entry.entities_loaded for entry in (*nodes, *edges)),
            commit=UNSET if result.commit is None else result.commit,
            actor_id=UNSET if result.actor_id is None else result.actor_id,
        )


class MutateOutput(Shape, frozen=True, gc=False):
    """The answer of a mutation; ``commit`` is null when nothing matched and so nothing was published."""

    branch: str
    query_name: str
    affected_nodes: int
    affected_edges: int
    actor_id: str | None
    commit: CommitInfo | None = None


class InitOutput(Shape, frozen=True, gc=False):
    """The document of ``init --json``."""

    uri: str
    initialized: bool = True


class SchemaOutput(Shape, frozen=True, gc=False):
    """The accepted schema source of a graph."""

    schema_source: str
