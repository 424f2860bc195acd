"""``omnigraph graphs list``: the graphs of a server."""

from __future__ import annotations

from omnigraph.cli.addressing import GRAPH_OPTIONS, JSON_OPTION, URI, resolve, typed_address
from omnigraph.cli.grammar import Arguments, Command
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest


def _list(arguments: Arguments) -> int:
    address = resolve(Workspace(arguments), typed_address(arguments))
    if not address.is_remote:
        raise BadRequest(
            "`omnigraph graphs list` requires a remote multi-graph server URL (http:// or https://). "
            "To enumerate local graphs, read `omnigraph.yaml` directly."
        )
    from omnigraph.client import connect
    from omnigraph.wire.service import GraphListResponse

    with connect(address.uri, None if address.find_token is None else address.find_token()) as server:
        listed = sorted(server.graphs(), key=lambda graph: graph.graph_id)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(GraphListResponse(listed)))
    elif listed:
        write_text("\n".join(f"{graph.graph_id}\t{graph.uri}" for graph in listed))
    return 0


LIST = Command(run=_list, options=(*GRAPH_OPTIONS, JSON_OPTION), positionals=(URI,))
