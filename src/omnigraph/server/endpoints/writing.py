"""Mutations, loads and changes of the schema."""

from __future__ import annotations

from typing import Any

import msgspec

from omnigraph.errors import BadRequest, InvalidSetting, NotFound
from omnigraph.language import compile_schema
from omnigraph.server.answer import Answer
from omnigraph.server.call import Call, branch_or_main, branch_or_none
from omnigraph.server.failure import bad_request
from omnigraph.wire.encoding import compact
from omnigraph.wire.request import ChangeRequest, IngestRequest, SchemaApplyRequest
from omnigraph.wire.write import LOAD_MODES, BatchLoadOutput, IngestOutput, LoadMode, MutateOutput

IF_COMMIT_HEADER = b"omnigraph-if-graph-commit"
_IF_COMMIT = "Omnigraph-If-Graph-Commit"


async def mutate(call: Call) -> Answer:
    """``POST /mutate`` and ``POST /change``."""
    refuse_condition(call)
    return await _mutate(call, None)


async def mutate_if_commit(call: Call) -> Answer:
    """``POST /mutate/if-graph-commit``: write only while the named commit is the head."""
    return await _mutate(call, required_condition(call))


async def _mutate(call: Call, if_commit: str | None) -> Answer:
    asked = await call.decode(ChangeRequest)
    branch = branch_or_main(asked.branch)
    call.authorize("change", branch=branch)
    output = await run_mutation(call, asked.source, asked.params, asked.chosen, branch, if_commit)
    return Answer(compact(output))


async def run_mutation(
    call: Call,
    source: str,
    params: Any,  # Any: JSON, checked where parameters are bound
    name: str | None,
    branch: str,
    if_commit: str | None = None,
) -> MutateOutput:
    """Take a place for a mutation that is allowed, and run it."""
    size_bytes = len(source.encode()) + (0 if params is None else len(msgspec.json.encode(params)))
    with call.service.admission.slot(call.actor, size_bytes):
        output = await call.served.committer.mutate(
            source, params, name=name, branch=branch, actor=call.actor, if_commit=if_commit
        )
    call.wrote(branch, output.commit)
    return output


def refuse_condition(call: Call) -> None:
    """Refuse the condition on a route that would not look at it. Raises a 400."""
    if call.header(IF_COMMIT_HEADER) is not None:
        base = call.match.route.path if call.match.route.path.startswith("/queries/") else "/mutate"
        raise bad_request(f"{_IF_COMMIT} requires the fail-closed conditional route {base}/if-graph-commit")


def required_condition(call: Call) -> str:
    """Return the commit that must be the head. Raises a 400 for a header that is missing, repeated or no commit id."""
    values = [value for name, value in call.headers if name == IF_COMMIT_HEADER]
    if not values:
        raise bad_request(f"{_IF_COMMIT} is required on this conditional mutation route")
    text = values[0].decode("latin-1").strip()
    if len(values) > 1 or not text or text == "*" or text.startswith(('"', "W/")) or "," in text:
        raise bad_request(f"{_IF_COMMIT} must be one commit id, unquoted")
    return text


async def load(call: Call) -> Answer:
    """``POST /load`` and ``POST /ingest``: records onto a branch, which is forked first when it is missing and a base is named.

    What is not allowed is refused before it is told whether the branch exists.
    """
    refuse_condition(call)
    asked = await call.decode(IngestRequest)
    branch, base = branch_or_main(asked.branch), branch_or_none(asked.from_branch)
    await _authorize_load(call, branch, base)
    output = await _load(call, asked.data.encode(), asked.mode or "merge", branch, base)
    return Answer(compact(msgspec.structs.replace(output, uri=call.served.uri)))


async def load_batch(call: Call) -> Answer:
    """``POST /load/ndjson``: the records are the body itself, which is read only when it may be loaded."""
    refuse_condition(call)
    branch, base = branch_or_main(call.query("branch")), branch_or_none(call.query("from"))
    mode = call.query("mode") or "merge"
    if mode not in LOAD_MODES:
        raise bad_request(f"unknown load mode '{mode}'; use overwrite, append or merge")
    media = (call.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if media != b"application/x-ndjson":
        raise bad_request("graph-batch load requires Content-Type: application/x-ndjson", 415)
    await _authorize_load(call, branch, base)
    data = await call.body("graph_batch_request_bytes")
    try:
        data.decode()
    except UnicodeDecodeError:
        raise bad_request("the body is not UTF-8 text") from None
    return Answer(compact(BatchLoadOutput.of(await _load(call, data, mode, branch, base))))


async def _authorize_load(call: Call, branch: str, base: str | None) -> None:
    exists = await call.service.workers.read(_exists, call, branch)
    if not exists and base is not None:
        call.authorize("branch_create", branch=base, target_branch=branch)
    call.authorize("change", branch=branch)
    if not exists and base is None:
        raise NotFound(f"branch '{branch}' not found; pass `from` to create it")


async def _load(call: Call, data: bytes, mode: LoadMode, branch: str, base: str | None) -> IngestOutput:
    with call.service.admission.slot(call.actor, len(data)):
        output = await call.served.committer.load(data, mode, branch=branch, from_branch=base, actor=call.actor)
    call.wrote(branch, output.commit)
    return output


def _exists(call: Call, branch: str) -> bool:
    try:
        call.served.graph.snapshot(branch)
    except NotFound:
        return False
    except BadRequest:  # no name for a branch: the write itself says why
        return True
    return True


async def apply_schema(call: Call) -> Answer:
    """``POST /schema/apply``: the stored queries must fit the new schema before anything is published."""
    refuse_condition(call)
    asked = await call.decode(SchemaApplyRequest)
    call.authorize("schema_apply", target_branch="main")
    served = call.served

    def work() -> Any:  # Any: the wire shape that the graph returns
        if served.registry.queries:
            catalog = compile_schema(asked.schema_source)
            try:
                served.registry.check(served.schema_label, catalog)
            except InvalidSetting as error:
                raise BadRequest(error.message) from None
        apply = getattr(served.graph, "apply_schema")  # noqa: B009 - the route exists only where the method does
        return apply(asked.schema_source, allow_data_loss=bool(asked.allow_data_loss), actor=call.actor)

    with call.service.admission.slot(call.actor, len(asked.schema_source.encode())):
        output = await served.committer.submit("main", work)
    call.wrote("main")
    return Answer(compact(output))
