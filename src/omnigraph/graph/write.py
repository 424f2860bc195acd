"""Writes: mutations and loads as requests that are evaluated on a head, again when another commit lands first.

Several of them can share one record (group commit): `Graph.commit_some` takes what `Graph.prepare_mutation` and
`Graph.prepare_load` return.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from omnigraph.graph import commits as commit_log
from omnigraph.graph.branch import BranchHead, Evaluated, Head
from omnigraph.graph.compiled import CompiledQueries
from omnigraph.graph.decode import DecodedLoad
from omnigraph.graph.load import evaluate_load
from omnigraph.graph.load_source import LoadSource
from omnigraph.graph.mutation import Mutated, evaluate_mutation
from omnigraph.language import bind_parameters
from omnigraph.storage.blob import BlobWriter
from omnigraph.storage.cut import Schema
from omnigraph.storage.fold import OpenTable
from omnigraph.storage.objects import ObjectStore
from omnigraph.wire.commit import CommitInfo
from omnigraph.wire.write import IngestOutput, LoadMode, MutateOutput

T_co = TypeVar("T_co", covariant=True)


class Write(Protocol[T_co]):
    """One write to one branch. Evaluating it again gives the answer of the last evaluation."""

    @property
    def target(self) -> BranchHead: ...

    def evaluate(self, head: Head) -> Evaluated | None:
        """Say what the write does to a head; None for nothing. Raises what makes it fail."""

    def answer(self, commit: CommitInfo | None) -> T_co:
        """Return what the caller is told, after `evaluate` and with the commit that is durable now."""


@dataclass(slots=True)
class MutationWrite:
    """A mutation query with its parameters."""

    target: BranchHead
    compiled: CompiledQueries
    store: ObjectStore
    source: str
    params: Mapping[str, Any] | None  # Any: JSON values
    name: str | None
    actor: str | None
    if_commit: str | None
    _query_name: str = ""
    _blobs: BlobWriter = field(init=False)
    _done: Mutated | None = None

    def __post_init__(self) -> None:
        self._blobs = BlobWriter(self.store)

    def evaluate(self, head: Head) -> Evaluated | None:
        cut = head.cut
        commit_log.require(cut.state.head, self.if_commit, self.target.name)
        query = self.compiled.mutation(self.source, self.name, cut.schema)
        self._query_name = query.name
        parameters = bind_parameters(query.parameters, self.params)
        now_ms = time.time_ns() // 1_000_000
        done = evaluate_mutation(query, parameters, cut, head.view, now_ms=now_ms, actor=self.actor, blobs=self._blobs)
        self._done = done
        if done.draft is None:
            return None
        self._blobs.flush()
        return done.draft, done.view

    def answer(self, commit: CommitInfo | None) -> MutateOutput:
        assert self._done is not None
        return MutateOutput(
            branch=self.target.name,
            query_name=self._query_name,
            affected_nodes=self._done.affected_nodes,
            affected_edges=self._done.affected_edges,
            actor_id=self.actor,
            commit=commit,
        )


@dataclass(slots=True)
class LoadWrite:
    """Decoded records and the mode in which they are loaded."""

    target: BranchHead
    source: LoadSource
    decoded: DecodedLoad
    schema: Schema
    mode: LoadMode
    store: ObjectStore
    open_table: OpenTable
    actor: str | None
    uri: str
    base_branch: str | None
    branch_created: bool

    def evaluate(self, head: Head) -> Evaluated:
        if head.cut.schema is not self.schema:
            self.decoded = self.source.decode_again(head.cut.schema, self.decoded, self.schema)
            self.schema = head.cut.schema
        return evaluate_load(
            self.decoded,
            self.mode,
            head.cut,
            head.view,
            store=self.store,
            open_table=self.open_table,
            actor=self.actor,
            pending=head.pending,
        )

    def answer(self, commit: CommitInfo | None) -> IngestOutput:
        return IngestOutput.of_counts(
            self.decoded.counts(),
            uri=self.uri,
            branch=self.target.name,
            mode=self.mode,
            base_branch=self.base_branch,
            branch_created=self.branch_created,
            actor_id=self.actor,
            commit=commit,
        )
