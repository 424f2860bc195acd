"""What changed: diffs, the changes of a commit, the feed of a branch, baselines and blame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any, Final

from omnigraph.errors import BadRequest, Forbidden
from omnigraph.graph.change_reads import branch_of
from omnigraph.graph.commits import commit_not_found
from omnigraph.server.answer import Answer, Stream
from omnigraph.server.call import Call, branch_or_main
from omnigraph.server.endpoints.reading import authorize_read, chunks_of, whole_number
from omnigraph.server.failure import bad_request
from omnigraph.storage.record import MAIN
from omnigraph.wire.change import BaselineInfo, BaselineLine
from omnigraph.wire.encoding import compact
from omnigraph.wire.request import BaselineRequest

_FILTERS: Final = ("kind", "type", "op")
_DIFF_ROWS_MAX: Final = 8_192


async def commit_changes(call: Call) -> Answer:
    """``GET /commits/{commit_id}/changes``: who may not read the commit's branch is told what an unknown commit is."""
    _allow(call, "page_token", "limit", *_FILTERS)
    limit, token, filters = whole_number(call, "limit"), call.query("page_token"), _filters(call)
    graph, commit_id = call.served.graph, call.parameter("commit_id")
    try:
        try:
            commit = await call.service.workers.read(graph.commit, commit_id)
        except BadRequest:  # a beginning that fits several ids, which the refusal lists: for those who may see all commits
            call.authorize("read")
            raise
        call.authorize("read", branch=commit.manifest_branch or MAIN)
    except Forbidden:
        raise commit_not_found(commit_id) from None

    def work() -> Answer:
        return Answer(compact(graph.commit_changes(commit_id, limit=limit, page_token=token, **filters)))

    return await call.service.workers.read(work)


async def poll(call: Call) -> Answer:
    """``GET /changes``: one page of a branch's feed."""
    _allow(call, "branch", "cursor", "start", "page_token", "limit", *_FILTERS)
    branch, limit, filters = branch_or_main(call.query("branch")), whole_number(call, "limit"), _filters(call)
    cursor, start, token = (call.query(name) for name in ("cursor", "start", "page_token"))
    call.authorize("read", branch=branch)
    graph = call.served.graph

    def work() -> Answer:
        page = graph.changes(branch, cursor=cursor, start=start, page_token=token, limit=limit, **filters)
        return Answer(compact(page))

    return await call.service.workers.read(work)


async def baseline(call: Call) -> Stream:
    """``POST /changes/baseline``: the rows of a branch; the last line says where the feed goes on."""
    asked = await call.decode(BaselineRequest)
    branch = branch_or_main(asked.branch)
    call.authorize("export", branch=branch)
    workers = call.service.workers
    kinds, types, ops = asked.kind or [], asked.type or [], asked.op or []
    slot = ExitStack()
    slot.enter_context(call.service.admission.read_slot(call.actor))
    try:
        found = await workers.stream(call.served.graph.baseline, branch, kinds=kinds, types=types, ops=ops)
        first = await workers.stream(next, found.chunks, b"")
    except BaseException:
        slot.close()
        raise
    return Stream(_with_end(chunks_of(workers, found.chunks, first, slot), found.info))


async def _with_end(chunks: AsyncIterator[bytes], info: BaselineInfo) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
    yield compact(BaselineLine(info)) + b"\n"


async def diff(call: Call) -> Answer:
    """``GET /diff``: the difference of two states, both of branches that may be read."""
    _allow(call, "from", "to", "id", "limit", *_FILTERS)
    before, after = call.query("from"), call.query("to") or MAIN
    if before is None:
        raise bad_request("query parameter 'from' is required")
    limit, ids, filters = whole_number(call, "limit"), call.queries("id"), _filters(call)
    graph = call.served.graph
    for place in (before, after):
        if call.served.access.engine is not None:
            call.authorize("read", branch=await call.service.workers.read(branch_of, graph, place))
        else:
            call.authorize("read")
    limit = _DIFF_ROWS_MAX if limit is None else min(limit, _DIFF_ROWS_MAX)

    def work() -> Answer:
        return Answer(compact(graph.diff(before, after, ids=ids, limit=limit, **filters)))

    return await call.service.workers.read(work)


async def blame(call: Call) -> Answer:
    """``GET /blame``: who set what in one row."""
    _allow(call, "type", "id", "branch", "snapshot", "at")
    type_name, row_id, named, at = (call.query(name) for name in ("type", "id", "snapshot", "at"))
    if type_name is None or row_id is None:
        raise BadRequest("query parameters 'type' and 'id' are required")
    branch = await authorize_read(call, call.query("branch"), named, at)
    graph = call.served.graph

    def work() -> Answer:
        return Answer(compact(graph.blame(type_name, row_id, branch=branch, snapshot=named, at=at)))

    return await call.service.workers.read(work)


def _allow(call: Call, *names: str) -> None:
    """Refuse other parameters: a filter with a typing error must not look like no filter."""
    for name in call.query_names():
        if name not in names:
            raise bad_request(f"unknown query parameter '{name}'")


def _filters(call: Call) -> dict[str, Any]:  # Any: keyword arguments of the graph's methods
    return {"kinds": call.queries("kind"), "types": call.queries("type"), "ops": call.queries("op")}
