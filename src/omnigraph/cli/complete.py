"""``omnigraph complete``: what an editor can offer while a query is typed."""

from __future__ import annotations

from omnigraph.cli.addressing import GRAPH_OPTIONS, JSON_OPTION, URI, open_graph, refuse_remote, resolve, typed_address
from omnigraph.cli.files import read_text
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest


def _complete(arguments: Arguments) -> int:
    schema = _schema(arguments)

    from omnigraph.language import compile_schema
    from omnigraph.language.completions import complete

    catalog = compile_schema(schema)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(complete(catalog)))
        return 0
    lines: list[str] = []
    for node in catalog.nodes.values():
        lines.append(f"node {node.name}")
        lines += [f"    {each.name}: {each.type}" for each in node.properties.values()]
    for edge in catalog.edges.values():
        lines.append(f"edge {edge.name}: {edge.source} -> {edge.target}")
        lines += [f"    {each.name}: {each.type}" for each in edge.properties.values()]
    write_text("\n".join(lines))
    return 0


def _schema(arguments: Arguments) -> str:
    """Find the schema: that of a file, which makes every address meaningless, or the accepted one of a graph."""
    file = arguments.get("schema")
    if file is not None:
        return read_text(file)
    workspace = Workspace(arguments)
    typed = typed_address(arguments)
    if typed is None and arguments.get("target") is None and workspace.legacy.settings.cli.graph is None:
        raise BadRequest("complete requires --schema <schema.pg> or a resolvable graph target")
    address = resolve(workspace, typed)
    refuse_remote(address, "complete")
    with open_graph(address) as graph:
        return graph.schema_source()


COMPLETE = Command(
    run=_complete,
    options=(
        *GRAPH_OPTIONS,
        Option("schema", "Schema file to take instead of a graph's", value="PATH", any_bytes=True),
        JSON_OPTION,
    ),
    positionals=(URI,),
)
