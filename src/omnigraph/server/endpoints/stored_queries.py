"""Stored queries: the catalog, and calls by name."""

from __future__ import annotations

import msgspec

from omnigraph.errors import BadRequest
from omnigraph.graph.stored_query import StoredQuery
from omnigraph.server.answer import Answer
from omnigraph.server.call import Call, branch_or_main, decode_json
from omnigraph.server.endpoints.reading import authorize_read, run_query
from omnigraph.server.endpoints.writing import refuse_condition, required_condition, run_mutation
from omnigraph.server.failure import Refusal, bad_request
from omnigraph.server.logs import info
from omnigraph.storage.record import MAIN
from omnigraph.wire.encoding import compact
from omnigraph.wire.request import InvokeStoredQueryRequest
from omnigraph.wire.service import QueriesCatalogOutput

_NOTHING = InvokeStoredQueryRequest()


async def catalog(call: Call) -> Answer:
    """``GET /queries``: the exposed ones, whoever may call them."""
    call.authorize("read", branch=MAIN)
    return Answer(compact(QueriesCatalogOutput(call.served.entries)))


async def invoke(call: Call) -> Answer:
    """``POST /queries/{name}``: a query that may not be called looks like one that is not there."""
    refuse_condition(call)
    return await _invoke(call, None)


async def invoke_if_commit(call: Call) -> Answer:
    """``POST /queries/{name}/if-graph-commit``: a stored mutation that writes only while the named commit is the head."""
    return await _invoke(call, required_condition(call))


async def _invoke(call: Call, if_commit: str | None) -> Answer:
    asked = await _body(call)
    allowed = call.served.access.decide(call.actor, "invoke_query").allowed
    stored = call.served.registry.get(call.parameter("name")) if allowed else None
    if stored is None:
        raise Refusal(404, "not_found", "stored query not found")
    _refuse_other_kind(stored, asked)
    if not stored.is_mutation:
        if if_commit is not None:
            raise BadRequest(f"'{stored.name}' is a read; the conditional route takes stored mutations only")
        branch = await authorize_read(call, asked.branch, asked.snapshot, asked.at)
        _log(call, stored, "read")
        return await run_query(call, stored.source, asked.params, stored.name, branch, asked.snapshot, asked.at)
    if asked.snapshot is not None or asked.at is not None:
        raise BadRequest("stored mutation cannot target a snapshot")
    branch = branch_or_main(asked.branch)
    call.authorize("change", branch=branch)
    _log(call, stored, "mutate")
    return Answer(compact(await run_mutation(call, stored.source, asked.params, stored.name, branch, if_commit)))


async def _body(call: Call) -> InvokeStoredQueryRequest:
    body = await call.body()
    if not body.strip():
        return _NOTHING
    try:
        return decode_json(body, InvokeStoredQueryRequest | None) or _NOTHING  # type: ignore[arg-type]  # a union is a type
    except (msgspec.ValidationError, ValueError) as error:
        raise bad_request(f"invalid stored-query invocation body: {error}") from None


def _refuse_other_kind(stored: StoredQuery, asked: InvokeStoredQueryRequest) -> None:
    if asked.expect_mutation is None or asked.expect_mutation == stored.is_mutation:
        return
    kind, command = ("mutation", "mutate") if stored.is_mutation else ("read", "query")
    raise BadRequest(f"'{stored.name}' is a {kind} — use omnigraph {command} {stored.name}")


def _log(call: Call, stored: StoredQuery, kind: str) -> None:
    info("stored query invoked", graph=call.served.graph_id, actor=call.actor, query=stored.name, kind=kind)
