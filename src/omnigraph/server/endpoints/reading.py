"""Queries, snapshots, exports, the schema and the history: everything that reads."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, suppress
from typing import Any, Final, cast

from msgspec import UNSET

from omnigraph.errors import BadRequest, TypeCheckError
from omnigraph.language import parse_queries, select_query
from omnigraph.policy.action import ActionName
from omnigraph.query import Result
from omnigraph.server.answer import ARROW, Answer, Header, Stream
from omnigraph.server.call import Call, branch_or_none
from omnigraph.server.conditional import tagged
from omnigraph.server.failure import bad_request
from omnigraph.server.workers import Workers
from omnigraph.storage.record import MAIN
from omnigraph.wire.commit import ORDERS, At, CommitListOutput
from omnigraph.wire.encoding import compact
from omnigraph.wire.read import ExplainOutput, ReadOutput, Target
from omnigraph.wire.request import ExplainRequest, ExportRequest, QueryRequest, ReadRequest
from omnigraph.wire.write import SchemaOutput

_GZIP_LEVEL: Final = 1
_GZIP_BITS: Final = 31


async def query(call: Call) -> Answer:
    """``POST /query``."""
    asked = await call.decode(QueryRequest)
    branch = await authorize_read(call, asked.branch, asked.snapshot, asked.at)
    try:
        return await run_query(call, asked.query, asked.params, asked.name, branch, asked.snapshot, asked.at)
    except TypeCheckError:
        _refuse_mutation(asked.query, asked.name)
        raise


async def explain(call: Call) -> Answer:
    """``POST /query/explain``: the plan of a read, and with ``profile`` a run of it."""
    asked = await call.decode(ExplainRequest)
    branch = await authorize_read(call, asked.branch, asked.snapshot, asked.at)
    graph = call.served.graph

    def work() -> Answer:
        found = graph.explain(
            asked.query,
            asked.params,
            name=asked.name,
            branch=branch,
            snapshot=asked.snapshot,
            at=asked.at,
            profile=bool(asked.profile),
        )
        profile = UNSET if found.profile is None else str(found.profile)
        result = UNSET if found.result is None else _output(found.result, tells_commit=True)
        return Answer(compact(ExplainOutput(found.plan, profile, result)))

    with call.service.admission.read_slot(call.actor):
        try:
            return await call.service.workers.read(work)
        except TypeCheckError:
            _refuse_mutation(asked.query, asked.name)
            raise


async def read(call: Call) -> Answer:
    """``POST /read``: the older spelling, without the members that came later."""
    asked = await call.decode(ReadRequest)
    branch = await authorize_read(call, asked.branch, asked.snapshot, asked.at)
    return await run_query(
        call, asked.query_source, asked.params, asked.query_name, branch, asked.snapshot, asked.at, tells_commit=False
    )


async def authorize_read(
    call: Call,
    branch: str | None,
    snapshot: str | None,
    at: At | None = None,
    *,
    action: ActionName = "read",
) -> str | None:
    """Ask for ``action`` on a branch, or on the branch of a snapshot; return the trimmed branch, none beside a snapshot."""
    chosen = branch_or_none(branch)
    if chosen is not None and snapshot is not None:
        raise BadRequest("request may specify branch or snapshot, not both")
    if at is not None and snapshot is not None:
        raise BadRequest("request may specify snapshot or at, not both")
    asked_about = chosen or MAIN
    if snapshot is not None and call.actor is not None and call.served.access.engine is not None:
        commit = await call.service.workers.read(call.served.graph.commit, snapshot)
        asked_about = commit.manifest_branch or MAIN
    call.authorize(action, branch=asked_about)
    return None if snapshot is not None else asked_about


async def run_query(
    call: Call,
    source: str,
    params: Any,  # Any: JSON, checked where parameters are bound
    name: str | None,
    branch: str | None,
    snapshot: str | None,
    at: At | None = None,
    *,
    tells_commit: bool = True,
) -> Answer:
    """Run a read and encode its result, both on a thread."""
    graph = call.served.graph
    as_arrow = ARROW in (call.header(b"accept") or b"")

    def work() -> Answer:
        result = graph.query(source, params, name=name, branch=branch, snapshot=snapshot, at=at, cancelled=call.gone)
        return _arrow(result) if as_arrow else _json(result, tells_commit=tells_commit)

    with call.service.admission.read_slot(call.actor):
        return await call.service.workers.read(work)


def _json(result: Result, *, tells_commit: bool) -> Answer:
    return Answer(compact(_output(result, tells_commit=tells_commit)))


def _output(result: Result, *, tells_commit: bool) -> ReadOutput:
    return ReadOutput(
        query_name=result.query_name,
        target=Target(result.branch, result.snapshot),
        row_count=len(result),
        columns=list(result.columns) or UNSET,
        rows=result.rows(),
        graph_commit_id=(result.graph_commit_id or UNSET) if tells_commit else UNSET,
    )


def _arrow(result: Result) -> Answer:
    """Encode a result as an Arrow stream; what JSON tells beside the rows stands in the metadata of the schema."""
    import pyarrow as pa

    table = result.to_arrow()
    facts = {
        "query_name": result.query_name,
        "branch": result.branch,
        "snapshot": result.snapshot,
        "graph_commit_id": result.graph_commit_id,
    }
    table = table.replace_schema_metadata({name: value for name, value in facts.items() if value is not None})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Answer(sink.getvalue().to_pybytes(), content_type=ARROW)


def _refuse_mutation(source: str, name: str | None) -> None:
    declaration = select_query(parse_queries(source), name)
    if declaration.kind == "mutation":
        raise BadRequest(
            f"query '{declaration.name}' contains mutations (insert/update/delete); use POST /mutate for write queries"
        )


async def snapshot(call: Call) -> Answer:
    """``GET /snapshot``."""
    named, at = call.query("snapshot"), call.query("at")
    branch = await authorize_read(call, call.query("branch"), named, at)
    shown = await call.service.workers.read(call.served.graph.snapshot, branch, snapshot=named, at=at)
    return tagged(call, compact(shown))


async def schema(call: Call) -> Answer:
    """``GET /schema``: main's, or that of another branch or an older state where one is named."""
    branch, named, at = call.query("branch"), call.query("snapshot"), call.query("at")
    if branch is None and named is None and at is None:
        call.authorize("read")
    else:
        branch = await authorize_read(call, branch, named, at)
    source = await call.service.workers.read(call.served.graph.schema_source, branch, snapshot=named, at=at)
    return tagged(call, compact(SchemaOutput(source)))


async def export(call: Call) -> Stream:
    """``POST /export``: a stream whose first chunk, and so every check, comes before the status line."""
    asked = await call.decode(ExportRequest)
    branch = await authorize_read(call, asked.branch, asked.snapshot, asked.at, action="export")
    types, tables = asked.type_names or [], asked.table_keys or []
    workers = call.service.workers
    slot = ExitStack()  # a place for as long as the stream lasts
    slot.enter_context(call.service.admission.read_slot(call.actor))
    try:
        rows = await workers.stream(
            call.served.graph.export, branch=branch, snapshot=asked.snapshot, at=asked.at, types=types, tables=tables
        )
        first = await workers.stream(next, rows, b"")
    except BaseException:
        slot.close()
        raise
    chunks = chunks_of(workers, rows, first, slot)
    facts: tuple[Header, ...] = ((b"vary", b"Accept-Encoding"),)
    if asked.snapshot is not None or asked.at is not None:  # so that a client can tell a server that knows these members
        named = asked.snapshot or ""
        facts = (*facts, (b"omnigraph-snapshot-id", named.encode() if named.isascii() and named.isalnum() else b"at"))
    if _takes_gzip(call.header(b"accept-encoding")):
        return Stream(_compressed(workers, chunks), headers=((b"content-encoding", b"gzip"), *facts))
    return Stream(chunks, headers=facts)


async def chunks_of(workers: Workers, rows: Iterator[bytes], chunk: bytes, slot: ExitStack) -> AsyncIterator[bytes]:
    """Make the next chunk only when the last one was taken: a slow reader holds neither memory nor a thread."""
    try:
        while chunk:
            yield chunk
            chunk = await workers.stream(next, rows, b"")
    finally:
        slot.close()
        close = getattr(rows, "close", None)
        if close is not None:
            with suppress(ValueError):  # a thread is still making a chunk; it ends by itself
                close()


async def _compressed(workers: Workers, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_BITS)
    async with aclosing(cast("AsyncGenerator[bytes]", chunks)) as plain:
        async for chunk in plain:
            packed = await workers.stream(packer.compress, chunk)
            if packed:
                yield packed
    yield packer.flush()


def _takes_gzip(accepted: bytes | None) -> bool:
    """Whether a client names gzip, and does not refuse it with ``q=0``."""
    for one in (accepted or b"").lower().split(b","):
        name, _, quality = one.partition(b";")
        if name.strip() == b"gzip":
            return quality.replace(b" ", b"").strip(b"q=.0") != b"" or not quality.strip()
    return False


async def commits(call: Call) -> Answer:
    """``GET /commits``, and the parameters that narrow the list."""
    branch, order = branch_or_none(call.query("branch")), call.query("order") or "oldest"
    if order not in ORDERS:
        raise bad_request("query parameter 'order' must be 'oldest' or 'newest'")
    limit = whole_number(call, "limit")
    actor, after = call.query("actor"), call.query("after")
    call.authorize("read", branch=branch)
    graph = call.served.graph

    def work() -> Answer:
        found = graph.commits(branch, order=order, limit=limit, actor=actor, after=after)
        return Answer(compact(CommitListOutput(found)))

    return await call.service.workers.read(work)


def whole_number(call: Call, name: str) -> int | None:
    """Return a parameter of the query string as a number from 0. Raises a 400."""
    text = call.query(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise bad_request(f"query parameter '{name}' must be a whole number")
    return int(text)


async def commit_graph(call: Call) -> Answer:
    """``GET /commits/graph``: what a drawing of the history shows."""
    branch, limit = branch_or_none(call.query("branch")), whole_number(call, "limit")
    call.authorize("read", branch=branch)
    graph = call.served.graph
    return Answer(compact(await call.service.workers.read(lambda: graph.commit_graph(branch, limit=limit))))


async def commit(call: Call) -> Answer:
    """``GET /commits/{commit_id}``."""
    call.authorize("read")
    return Answer(compact(await call.service.workers.read(call.served.graph.commit, call.parameter("commit_id"))))
