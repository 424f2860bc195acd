"""What the command line asks of a graph, opened here or served elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from omnigraph.wire.branch import BranchCreateOutput, BranchDeleteOutput
from omnigraph.wire.change import BaselineInfo, BlameOutput, ChangesOutput, CommitChangesOutput, DiffOutput
from omnigraph.wire.commit import At, CommitGraphOutput, CommitInfo, Order, SnapshotOutput
from omnigraph.wire.merge import MergeOutput, MergePreviewOutput
from omnigraph.wire.request import MergeStrategy
from omnigraph.wire.schema_apply import SchemaApplyOutput
from omnigraph.wire.write import IngestOutput, LoadMode, MutateOutput

Progress = Callable[[int, int | None], None]
"""Called with the bytes read so far and the bytes to read, if they are known."""


class Result(Protocol):
    """The rows of a read query and where they come from."""

    @property
    def query_name(self) -> str: ...
    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def branch(self) -> str | None: ...
    @property
    def snapshot(self) -> str | None: ...
    @property
    def graph_commit_id(self) -> str | None: ...
    def __len__(self) -> int: ...
    def value_columns(self) -> Sequence[Sequence[Any]]: ...  # Any: JSON values


class Explanation(Protocol):
    """How a query is carried out, and what a run of it measured if there was one."""

    @property
    def result(self) -> Result | None: ...
    def text(self) -> str: ...


class Baseline(Protocol):
    """A whole state, and where the feed goes on behind it, which may be known only when all chunks were taken."""

    @property
    def chunks(self) -> Iterator[bytes]: ...
    @property
    def info(self) -> BaselineInfo: ...


class Graph(Protocol):
    """One graph; every method is the verb of the same name."""

    def query(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> Result: ...

    def explain(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        profile: bool = False,
    ) -> Explanation: ...

    def mutate(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> MutateOutput: ...

    def load(
        self,
        data: BinaryIO | Path,
        mode: LoadMode,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Progress | None = None,
    ) -> IngestOutput: ...

    def export(
        self,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        types: Sequence[str] = (),
        tables: Sequence[str] = (),
    ) -> Iterator[bytes]: ...

    def apply_schema(self, source: str, *, allow_data_loss: bool = False, actor: str | None = None) -> SchemaApplyOutput: ...
    def branches(self) -> list[str]: ...
    def create_branch(
        self,
        name: str,
        *,
        from_branch: str | None = None,
        from_commit: str | None = None,
        at: At | None = None,
        actor: str | None = None,
    ) -> BranchCreateOutput: ...
    def delete_branch(self, name: str, *, actor: str | None = None) -> BranchDeleteOutput: ...
    def merge(
        self, source: str, *, into: str | None = None, actor: str | None = None, strategy: MergeStrategy = None
    ) -> MergeOutput: ...
    def preview_merge(self, source: str, *, into: str | None = None, strategy: MergeStrategy = None) -> MergePreviewOutput: ...
    def snapshot(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> SnapshotOutput: ...
    def commits(
        self,
        branch: str | None = None,
        *,
        order: Order = "oldest",
        limit: int | None = None,
        actor: str | None = None,
        after: str | None = None,
    ) -> list[CommitInfo]: ...
    def commit_graph(self, branch: str | None = None, *, limit: int | None = None) -> CommitGraphOutput: ...
    def commit(self, commit_id: str) -> CommitInfo: ...
    def diff(
        self,
        before: str,
        after: str = "main",
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        ids: Sequence[str] = (),
        limit: int | None = None,
    ) -> DiffOutput: ...
    def commit_changes(
        self,
        commit_id: str,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        limit: int | None = None,
        page_token: str | None = None,
    ) -> CommitChangesOutput: ...
    def changes(
        self,
        branch: str | None = None,
        *,
        cursor: str | None = None,
        start: str | None = None,
        page_token: str | None = None,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        limit: int | None = None,
    ) -> ChangesOutput: ...
    def baseline(
        self,
        branch: str | None = None,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
    ) -> Baseline: ...
    def blame(
        self,
        type_name: str,
        row_id: str,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> BlameOutput: ...
    def schema_source(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Graph: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
