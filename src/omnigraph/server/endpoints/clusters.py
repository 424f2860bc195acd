"""The cluster behind a server: which revision is served, and taking up a newer one."""

from __future__ import annotations

from dataclasses import astuple

from msgspec import UNSET

from omnigraph.errors import OmnigraphError
from omnigraph.server.answer import Answer
from omnigraph.server.call import Call
from omnigraph.server.cluster_reload import reload
from omnigraph.server.failure import Refusal
from omnigraph.wire.encoding import compact
from omnigraph.wire.service import ReloadOutput, ServedClusterOutput


async def show(call: Call) -> Answer:
    """``GET /cluster``: for whom ``GET /graphs`` is open."""
    call.service.management.require(call.actor, "graph_list")
    cluster = call.service.cluster
    assert cluster is not None
    refusal = UNSET if cluster.refusal is None else cluster.refusal
    found = ServedClusterOutput(
        *astuple(cluster.revision),
        graphs=sorted(call.service.graphs),
        quarantined=list(cluster.quarantined.values()) or UNSET,
        refusal=refusal,
    )
    return Answer(compact(found))


async def take_up(call: Call) -> Answer:
    """``POST /admin/reload``: for actors who may ``admin`` every graph that is served."""
    for served in list(call.service.graphs.values()):
        served.access.require(call.actor, "admin")
    try:
        changed = await reload(call.service)
    except OmnigraphError as error:
        raise Refusal(409, "conflict", f"the revision served before is kept: {error.message}") from None
    assert call.service.cluster is not None
    return Answer(compact(ReloadOutput(*astuple(call.service.cluster.revision), changed=changed)))
