"""``omnigraph schema show``: the accepted schema source."""

from __future__ import annotations

from omnigraph.cli.addressing import GRAPH_OPTIONS, JSON_OPTION, URI, open_graph, resolve, typed_address
from omnigraph.cli.grammar import Arguments, Command
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.wire.write import SchemaOutput


def _show(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        source = graph.schema_source()
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(SchemaOutput(source)))
    else:
        write_text(source)
    return 0


SHOW = Command(run=_show, options=(*GRAPH_OPTIONS, JSON_OPTION), positionals=(URI,))
