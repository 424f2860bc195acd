"""A graph that a server holds, with the methods of one that is opened where it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import quote

import msgspec

from omnigraph.client.baseline import RemoteBaseline
from omnigraph.client.blob import RemoteBlob, find_blob
from omnigraph.client.connection import Connections
from omnigraph.client.failure import misshapen
from omnigraph.client.result import ExplainAnswer, ReadAnswer, RemoteExplanation, RemoteResult
from omnigraph.errors import BadRequest, ExecutionError, NotFound
from omnigraph.wire.branch import BranchCreateOutput, BranchDeleteOutput, BranchListOutput
from omnigraph.wire.change import BlameOutput, ChangesOutput, CommitChangesOutput, DiffOutput
from omnigraph.wire.commit import At, CommitGraphOutput, CommitInfo, CommitListOutput, Order, SnapshotOutput
from omnigraph.wire.encoding import compact, decode
from omnigraph.wire.merge import MergeOutput, MergePreviewOutput
from omnigraph.wire.request import (
    BaselineRequest,
    BranchCreateRequest,
    BranchMergeRequest,
    ExplainRequest,
    ExportRequest,
    IngestRequest,
    InvokeStoredQueryRequest,
    MergePreviewRequest,
    MergeStrategy,
    ReadRequest,
    SchemaApplyRequest,
)
from omnigraph.wire.schema_apply import SchemaApplyOutput
from omnigraph.wire.service import GraphInfo, GraphListResponse, HealthOutput, QueriesCatalogOutput, QueryCatalogEntry
from omnigraph.wire.write import LOAD_MODES, IngestOutput, LoadMode, MutateOutput, SchemaOutput

if TYPE_CHECKING:
    from omnigraph.language.catalog import Catalog
    from omnigraph.language.migration import MigrationPlan

TIMEOUT_S: Final = 600.0
"""How long a server may be silent before it counts as unreachable."""

_IF_COMMIT: Final = "Omnigraph-If-Graph-Commit"
_T = TypeVar("_T")


class RemoteGraph:
    """One graph on a server. Safe to share between threads; use it as a context manager or call `close`.

    Errors are those of an opened graph, with the server's sentences; Unauthorized, TooManyRequests and Unreachable come to
    them. ``actor`` is accepted everywhere and ignored: the server knows the actor by the token.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float | None = TIMEOUT_S) -> None:
        self._connections = Connections(url, token, timeout_s)
        self.uri = self._connections.base_url

    # --- reading -------------------------------------------------------------------------------------------------------

    def query(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> RemoteResult:
        """Run one read query on the server: on the newest commit of ``branch``, on it ``at`` a moment, or on ``snapshot``.

        ``cancelled`` is asked once, before the request is sent.
        """
        if cancelled is not None and cancelled():
            raise ExecutionError("query cancelled")
        body = compact(ReadRequest(source, name, params, branch, snapshot, _moment(at)))
        answer = self._ask("POST", "/read", ReadAnswer, body)
        if at is not None and answer.target.snapshot is None:
            raise BadRequest(
                "the server does not read older versions", hint="name a commit with snapshot, or upgrade the server"
            )
        return RemoteResult(answer)

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
    ) -> RemoteExplanation:
        """Return the plan of a read query; with ``profile`` run it, and add what the run measured and the result."""
        body = compact(ExplainRequest(source, name, params, branch, snapshot, _moment(at), profile or None))
        return RemoteExplanation(self._ask("POST", "/query/explain", ExplainAnswer, body))

    def snapshot(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> SnapshotOutput:
        """Return the tables of a branch, or of an older state, with their versions and exact row counts."""
        asked = _query(branch=branch, snapshot=snapshot, at=_moment(at))
        return self._ask("GET", f"/snapshot{asked}", SnapshotOutput)

    def commits(
        self,
        branch: str | None = None,
        *,
        order: Order = "oldest",
        limit: int | None = None,
        actor: str | None = None,
        after: str | None = None,
    ) -> list[CommitInfo]:
        """Return the commits of a branch, inherited ones included; the server narrows the list."""
        asked = _query(branch=branch, order=None if order == "oldest" else order, limit=limit, actor=actor, after=after)
        return self._ask("GET", f"/commits{asked}", CommitListOutput).commits

    def commit_graph(self, branch: str | None = None, *, limit: int | None = None) -> CommitGraphOutput:
        """Return the newest commits behind every branch head, or behind one, over both parents; children come first."""
        return self._ask("GET", f"/commits/graph{_query(branch=branch, limit=limit)}", CommitGraphOutput)

    def commit(self, commit_id: str) -> CommitInfo:
        """Return a commit of any live branch, by its id or an unambiguous beginning of it. Raises NotFound."""
        return self._ask("GET", f"/commits/{_segment(commit_id)}", CommitInfo)

    def export(
        self,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        types: Sequence[str] = (),
        tables: Sequence[str] = (),
    ) -> Iterator[bytes]:
        """Yield the rows of one commit as JSON lines, as they come; pieces may end within a line.

        Unknown names are refused at the call. Raises Unreachable on the way when the stream breaks off.
        """
        body = compact(ExportRequest(branch, list(types) or None, list(tables) or None, snapshot, _moment(at)))
        needs = None if snapshot is None and at is None else "Omnigraph-Snapshot-Id"
        return self._connections.stream("POST", "/export", body, needs=needs)

    def blob(
        self,
        kind: Literal["node", "edge"],
        type_name: str,
        row_id: str,
        property_name: str,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> RemoteBlob:
        """Return one cell of a Blob property; its bytes are fetched when they are asked for. Raises BadRequest, NotFound."""
        selector = {"entity": kind, "type": type_name, "id": row_id, "property": property_name}
        return find_blob(self._connections, f"/blob{_query(**selector, branch=branch, snapshot=snapshot, at=_moment(at))}")

    @property
    def catalog(self) -> Catalog:
        """The accepted schema, compiled here from its text."""
        from omnigraph.language import compile_schema

        return compile_schema(self.schema_source())

    def plan_schema(self, source: str, *, allow_data_loss: bool = False) -> MigrationPlan:
        """Return the steps that `apply_schema` would make of a schema text, supported or not; changes nothing."""
        from omnigraph.language import compile_schema, plan_migration

        return plan_migration(self.catalog, compile_schema(source), allow_data_loss=allow_data_loss)

    def refresh(self) -> None:
        """Do nothing: a server always reads what is newest."""

    def schema_source(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> str:
        """Return the accepted schema text of a branch (default main), or of an older state."""
        asked = _query(branch=branch, snapshot=snapshot, at=_moment(at))
        return self._ask("GET", f"/schema{asked}", SchemaOutput).schema_source

    # --- what changed --------------------------------------------------------------------------------------------------

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
    ) -> DiffOutput:
        """Return the rows that differ between two states. A server lists 8,192 at most, and counts all."""
        asked = [("from", before), ("to", after), *(("id", row_id) for row_id in ids), *_filters(kinds, types, ops)]
        return self._ask("GET", f"/diff{_pairs(asked, limit=limit)}", DiffOutput)

    def commit_changes(
        self,
        commit_id: str,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
        limit: int | None = None,
        page_token: str | None = None,
    ) -> CommitChangesOutput:
        """Return a page of the rows that one commit changed."""
        asked = _pairs(_filters(kinds, types, ops), limit=limit, page_token=page_token)
        return self._ask("GET", f"/commits/{_segment(commit_id)}/changes{asked}", CommitChangesOutput)

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
    ) -> ChangesOutput:
        """Return a page of the changes of a branch behind a cursor, commit by commit."""
        asked = _pairs(
            _filters(kinds, types, ops), branch=branch, cursor=cursor, start=start, page_token=page_token, limit=limit
        )
        return self._ask("GET", f"/changes{asked}", ChangesOutput)

    def baseline(
        self,
        branch: str | None = None,
        *,
        kinds: Sequence[str] = (),
        types: Sequence[str] = (),
        ops: Sequence[str] = (),
    ) -> RemoteBaseline:
        """Return the rows of a branch as an export; its ``info`` is there once the chunks were taken to their end."""
        body = compact(BaselineRequest(branch, list(kinds) or None, list(types) or None, list(ops) or None))
        return RemoteBaseline(self._connections.stream("POST", "/changes/baseline", body))

    def blame(
        self,
        type_name: str,
        row_id: str,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> BlameOutput:
        """Return, for each property of a row, its value and the commit that set it."""
        asked = _query(type=type_name, id=row_id, branch=branch, snapshot=snapshot, at=_moment(at))
        return self._ask("GET", f"/blame{asked}", BlameOutput)

    # --- writing -------------------------------------------------------------------------------------------------------

    def mutate(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> MutateOutput:
        """Run one mutation query as one commit; durable on return. With ``if_commit`` only while that is the head."""
        members: dict[str, Any] = {"query_source": source, "branch": branch, "query_name": name, "params": params}
        body = compact({key: value for key, value in members.items() if value is not None})
        if if_commit is None:
            return self._ask("POST", "/change", MutateOutput, body)
        return self._ask("POST", "/mutate/if-graph-commit", MutateOutput, body, headers={_IF_COMMIT: if_commit})

    def load(
        self,
        data: Any,  # Any: bytes, str, path, binary file, or records
        mode: LoadMode,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Any = None,  # Any: Callable[[int, int], None]
    ) -> IngestOutput:
        """Load records as one commit; durable on return. The whole text is sent in one request, of at most 32 MiB."""
        if mode not in LOAD_MODES:
            raise BadRequest(f"unknown load mode '{mode}'", hint="use overwrite, append or merge")
        text = _text_of(data)
        output = self._ask("POST", "/load", IngestOutput, compact(IngestRequest(text, branch, from_branch, mode)))
        if progress is not None:
            size_bytes = len(text.encode())
            progress(size_bytes, size_bytes)
        return output

    def apply_schema(self, source: str, *, allow_data_loss: bool = False, actor: str | None = None) -> SchemaApplyOutput:
        """Change the schema of the graph to ``source``."""
        body = compact(SchemaApplyRequest(source, allow_data_loss))
        return self._ask("POST", "/schema/apply", SchemaApplyOutput, body)

    # --- branches ------------------------------------------------------------------------------------------------------

    def branches(self) -> list[str]:
        """Return the names of all branches, sorted, main among them."""
        return self._ask("GET", "/branches", BranchListOutput).branches

    def create_branch(
        self,
        name: str,
        *,
        from_branch: str | None = None,
        from_commit: str | None = None,
        at: At | None = None,
        actor: str | None = None,
    ) -> BranchCreateOutput:
        """Create a branch from ``from_branch`` (default main), from it ``at`` a moment, or from a commit. Raises Conflict."""
        body = compact(BranchCreateRequest(name, from_branch, from_commit, _moment(at)))
        return self._ask("POST", "/branches", BranchCreateOutput, body)

    def delete_branch(self, name: str, *, actor: str | None = None) -> BranchDeleteOutput:
        """Delete a branch. Raises BadRequest, Conflict, NotFound."""
        return self._ask("DELETE", f"/branches/{_segment(name)}", BranchDeleteOutput)

    def merge(
        self, source: str, *, into: str | None = None, actor: str | None = None, strategy: MergeStrategy = None
    ) -> MergeOutput:
        """Merge a branch into another (default main). Raises MergeConflicts with every conflict."""
        asked = BranchMergeRequest(source, into, strategy=_sides(strategy))
        return self._ask("POST", "/branches/merge", MergeOutput, compact(asked))

    def preview_merge(self, source: str, *, into: str | None = None, strategy: MergeStrategy = None) -> MergePreviewOutput:
        """Say what `merge` would do now, without writing."""
        asked = MergePreviewRequest(source, into, _sides(strategy))
        return self._ask("POST", "/branches/merge/preview", MergePreviewOutput, compact(asked))

    # --- stored queries, and the server --------------------------------------------------------------------------------

    def stored_queries(self) -> list[QueryCatalogEntry]:
        """Return the stored queries that the server shows as tools."""
        return self._ask("GET", "/queries", QueriesCatalogOutput).queries

    def invoke(
        self,
        name: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        expect_mutation: bool | None = None,
        if_commit: str | None = None,
    ) -> RemoteResult | MutateOutput:
        """Call a stored query by its name; a read gives a result, a mutation its counts.

        ``expect_mutation`` refuses a query of the other kind before it runs; ``if_commit`` lets a mutation write only while
        that is the head. Raises NotFound.
        """
        asked = InvokeStoredQueryRequest(params, branch, snapshot, expect_mutation, _moment(at))
        body = None if asked == InvokeStoredQueryRequest() else compact(asked)
        path = f"/queries/{_segment(name)}" + ("" if if_commit is None else "/if-graph-commit")
        headers = None if if_commit is None else {_IF_COMMIT: if_commit}
        answer = self._connections.call("POST", path, body, reads=False, headers=headers)
        found = _decoded(answer, dict[str, msgspec.Raw])
        if "rows" in found:
            return RemoteResult(_decoded(answer, ReadAnswer))
        return _decoded(answer, MutateOutput)

    def graphs(self) -> list[GraphInfo]:
        """Return the graphs of a multi-graph server; the address must be that of the server itself."""
        return self._ask("GET", "/graphs", GraphListResponse).graphs

    def health(self) -> HealthOutput:
        """Return what the server says of itself; the address must be that of the server itself."""
        return self._ask("GET", "/healthz", HealthOutput)

    # --- life ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def __enter__(self) -> RemoteGraph:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RemoteGraph({self.uri!r})"

    def _ask(
        self, method: str, path: str, shape: type[_T], body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> _T:
        reads = method == "GET" or path in ("/read", "/query/explain")
        return _decoded(self._connections.call(method, path, body, reads=reads, headers=headers), shape)


def connect(url: str, token: str | None = None, *, timeout_s: float | None = TIMEOUT_S) -> RemoteGraph:
    """Return the graph that a server holds at ``url``: the server itself, or ``<server>/graphs/<id>``.

    Nothing is sent before the first call. ``timeout_s`` bounds the silence of the server, not the whole of an answer.
    """
    return RemoteGraph(url, token, timeout_s=timeout_s)


def _decoded(answer: bytes, shape: type[_T]) -> _T:
    try:
        return decode(answer, shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise misshapen(200, error) from None


def _segment(name: str) -> str:
    return quote(name, safe="")


def _sides(strategy: MergeStrategy) -> str | dict[str, str] | None:
    return strategy if strategy is None or isinstance(strategy, str) else dict(strategy)


def _moment(at: At | None) -> str | int | None:
    return at.isoformat() if isinstance(at, datetime) else at


def _filters(kinds: Sequence[str], types: Sequence[str], ops: Sequence[str]) -> list[tuple[str, str]]:
    return [*(("kind", one) for one in kinds), *(("type", one) for one in types), *(("op", one) for one in ops)]


def _pairs(repeated: Sequence[tuple[str, str]], **values: str | int | None) -> str:
    given = [*repeated, *((name, str(value)) for name, value in values.items() if value is not None)]
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in given) if given else ""


def _query(**values: str | int | None) -> str:
    given = [f"{name}={quote(str(value), safe='')}" for name, value in values.items() if value is not None]
    return f"?{'&'.join(given)}" if given else ""


def _text_of(data: Any) -> str:  # Any: bytes, str, path, binary file, or records
    """Return records as the text of JSON lines."""
    if isinstance(data, str):
        return data
    if isinstance(data, Path):
        try:
            data = data.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"io: {data}: No such file or directory") from None
    elif hasattr(data, "read"):
        data = data.read()
    elif isinstance(data, Iterable) and not isinstance(data, bytes | bytearray | memoryview):
        data = b"".join(compact(record) + b"\n" for record in data)
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the data is not UTF-8 text (byte {error.start})") from None
