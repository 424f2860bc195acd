"""``omnigraph lint``: check the queries of a file against a schema, without running any."""

from __future__ import annotations

from omnigraph.cli.addressing import GRAPH_OPTIONS, JSON_OPTION, URI, open_graph, refuse_remote, resolve, typed_address
from omnigraph.cli.files import STANDARD_INPUT, read_text
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import json_text, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest


def _lint(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    typed = arguments.required("query")
    path = typed if typed == STANDARD_INPUT else workspace.legacy.query_file(typed)
    where, schema = _schema(workspace)

    from omnigraph.language import compile_schema, lint_queries

    catalog = compile_schema(schema)
    report = lint_queries(read_text(path), catalog, query_path=json_text(path), schema_source=where)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(report.as_json()))
    else:
        write_text(report.as_text())
    return 1 if report.errors else 0


def _schema(workspace: Workspace) -> tuple[dict[str, str], str]:
    """Find the schema to check against, and say where it came from; a schema file makes every address meaningless."""
    arguments, legacy = workspace.arguments, workspace.legacy
    file = arguments.get("schema")
    if file is not None:
        return {"kind": "file", "path": json_text(file)}, read_text(file)
    typed = typed_address(arguments)
    if typed is None and arguments.get("target") is None and legacy.settings.cli.graph is None:
        raise BadRequest("lint requires --schema <schema.pg> or a resolvable graph target")
    address = resolve(workspace, typed)
    if address.name is not None:
        legacy.refuse_shadowed_blocks(address.name)
    refuse_remote(address, "lint")
    with open_graph(address) as graph:
        return {"kind": "graph", "uri": json_text(address.uri)}, graph.schema_source()


LINT = Command(
    run=_lint,
    options=(
        *GRAPH_OPTIONS,
        Option("query", "File that holds the queries", value="PATH", required=True, any_bytes=True),
        Option("schema", "Schema file to check against instead of a graph's", value="PATH", any_bytes=True),
        JSON_OPTION,
    ),
    positionals=(URI,),
)
