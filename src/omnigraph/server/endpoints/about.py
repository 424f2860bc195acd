"""What the server tells about itself: health, readiness, its graphs, its description, its counters."""

from __future__ import annotations

from dataclasses import astuple

from msgspec import UNSET

from omnigraph.errors import OmnigraphError
from omnigraph.policy.matrix import answers
from omnigraph.server.answer import Answer
from omnigraph.server.call import Call
from omnigraph.server.failure import Refusal
from omnigraph.server.logs import warn
from omnigraph.server.service import Service
from omnigraph.storage.record import FORMAT
from omnigraph.version import __version__
from omnigraph.wire.encoding import compact
from omnigraph.wire.policy import PolicyAnswersOutput, WhoamiOutput
from omnigraph.wire.service import GraphInfo, GraphListResponse, HealthOutput, ReadyOutput, RevisionOutput


async def health(call: Call) -> Answer:
    """``GET /healthz``: the process is alive. Touches no graph."""
    return Answer(compact(HealthOutput("ok", __version__, call.service.source_version or UNSET, FORMAT)))


async def ready(call: Call) -> Answer:
    """``GET /readyz``: every graph answers. Says nothing of which one does not."""
    try:
        await call.service.workers.read(_touch_all, call.service)
    except (OmnigraphError, OSError) as error:
        warn("not ready", error=type(error).__name__)
        raise Refusal(503, "internal", "not ready") from None
    cluster = call.service.cluster
    revision = UNSET if cluster is None else RevisionOutput(*astuple(cluster.revision))
    return Answer(compact(ReadyOutput("ok", __version__, call.service.source_version or UNSET, revision=revision)))


def _touch_all(service: Service) -> None:
    for served in service.graphs.values():
        served.graph.snapshot()


async def whoami(call: Call) -> Answer:
    """``GET /whoami``: whom the token stands for, and what that actor may do on the graph. Everyone may ask about himself."""
    access, actor = call.served.access, call.actor
    protected = [] if access.engine is None else access.engine.document.protected_branches
    rows = answers(lambda action, branch, target: access.answer(actor, action, branch, target).allowed, protected)
    shown = [PolicyAnswersOutput(row.action, row.protected, row.unprotected, row.without_branch) for row in rows]
    return Answer(compact(WhoamiOutput(actor, protected, shown)))


async def graphs(call: Call) -> Answer:
    """``GET /graphs``: the graphs of a multi-graph server, for whom the server's policy allows it."""
    if call.service.mode == "single":
        message = "GET /graphs is only available in multi-graph mode"
        raise Refusal(405, "method_not_allowed", message, headers=((b"allow", b""),))
    call.service.management.require(call.actor, "graph_list")
    listed = [GraphInfo(graph_id, served.uri) for graph_id, served in sorted(call.service.graphs.items())]
    return Answer(compact(GraphListResponse(listed)))


async def metrics(call: Call) -> Answer:
    """``GET /metrics``: counters in the text format of Prometheus; the route exists where it was asked for."""
    counted = call.service.metrics
    assert counted is not None
    admission = call.service.admission
    gauges = {
        "omnigraph_graphs": ("Graphs served.", float(len(call.service.graphs))),
        "omnigraph_writes_under_way": ("Writes that hold a place.", float(admission.writes_under_way)),
        "omnigraph_reads_under_way": ("Reads that hold a place, where reads are bounded.", float(admission.reads_under_way)),
    }
    return Answer(counted.text(gauges).encode(), content_type=b"text/plain; version=0.0.4; charset=utf-8")
