"""Branches: listing, creating, deleting and merging them."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from omnigraph.errors import OmnigraphError
from omnigraph.server.admission import BRANCH_OPERATION_BYTES
from omnigraph.server.answer import Answer
from omnigraph.server.call import Call, branch_or_main, branch_or_none
from omnigraph.server.endpoints.writing import refuse_condition
from omnigraph.storage.record import MAIN
from omnigraph.wire.branch import BranchListOutput
from omnigraph.wire.encoding import compact
from omnigraph.wire.request import BranchCreateRequest, BranchMergeRequest, MergePreviewRequest
from omnigraph.wire.service import BranchMergeOutput


async def names(call: Call) -> Answer:
    """``GET /branches``."""
    call.authorize("read")
    return Answer(compact(BranchListOutput(await call.service.workers.read(call.served.graph.branches))))


async def create(call: Call) -> Answer:
    """``POST /branches``."""
    refuse_condition(call)
    asked = await call.decode(BranchCreateRequest)
    base, name = branch_or_none(asked.from_branch), branch_or_none(asked.name)
    graph = call.served.graph
    if asked.from_commit is None:
        base = base or MAIN
    elif base is None and asked.at is None:
        # Who may not branch off a commit's branch learns as little of it as of a commit that is not there.
        commit = await call.service.workers.read(graph.commit, asked.from_commit)
        call.authorize("branch_create", branch=commit.manifest_branch or MAIN, target_branch=name)
    if asked.from_commit is None:
        call.authorize("branch_create", branch=base, target_branch=name)
    with call.service.admission.slot(call.actor, BRANCH_OPERATION_BYTES):
        output = await call.service.workers.write(
            graph.create_branch,
            name or "",
            from_branch=base,
            from_commit=asked.from_commit,
            at=asked.at,
            actor=call.actor,
        )
    call.wrote(output.name)
    return Answer(compact(msgspec.structs.replace(output, uri=call.served.uri)))


async def delete(call: Call) -> Answer:
    """``DELETE /branches/{branch}``."""
    refuse_condition(call)
    name = branch_or_main(call.parameter("branch"))
    call.authorize("branch_delete", target_branch=name)
    with call.service.admission.slot(call.actor, BRANCH_OPERATION_BYTES):
        output = await call.service.workers.write(call.served.graph.delete_branch, name, actor=call.actor)
    call.wrote(output.name)
    return Answer(compact(msgspec.structs.replace(output, uri=call.served.uri)))


async def merge(call: Call) -> Answer:
    """``POST /branches/merge``; a source that cannot be deleted afterwards does not undo the merge."""
    refuse_condition(call)
    asked = await call.decode(BranchMergeRequest)
    source, target = branch_or_none(asked.source) or "", branch_or_main(asked.target)
    call.authorize("branch_merge", branch=source, target_branch=target)
    graph = call.served.graph
    with call.service.admission.slot(call.actor, BRANCH_OPERATION_BYTES):
        merged = await call.served.committer.submit(
            target, lambda: graph.merge(source, into=target, actor=call.actor, strategy=asked.strategy)
        )
        call.wrote(target, merged.commit)
        deleted, reason = await _delete_source(call, source) if asked.delete_branch else (UNSET, UNSET)
    members = {name: getattr(merged, name) for name in merged.__struct_fields__}
    return Answer(compact(BranchMergeOutput(**members, branch_deleted=deleted, branch_delete_error=reason)))


async def preview_merge(call: Call) -> Answer:
    """``POST /branches/merge/preview``: what a merge would do; conflicts are part of the answer, not an error."""
    asked = await call.decode(MergePreviewRequest)
    source, target = branch_or_none(asked.source) or "", branch_or_main(asked.target)
    call.authorize("read", branch=source)
    call.authorize("read", branch=target)
    preview = await call.service.workers.read(call.served.graph.preview_merge, source, into=target, strategy=asked.strategy)
    return Answer(compact(preview))


async def _delete_source(call: Call, source: str) -> tuple[bool | UnsetType, str | UnsetType]:
    try:
        call.authorize("branch_delete", target_branch=source)
        await call.service.workers.write(call.served.graph.delete_branch, source, actor=call.actor)
    except OmnigraphError as error:
        return False, error.message
    return True, UNSET
