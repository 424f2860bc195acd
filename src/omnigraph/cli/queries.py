"""``omnigraph queries``: the stored queries of a project file, listed and held against the schema of their graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import UNSET

from omnigraph.cli.addressing import (
    CONFIG_OPTION,
    GRAPH_OPTIONS,
    JSON_OPTION,
    TARGET_OPTION,
    URI,
    open_graph,
    refuse_remote,
    resolve,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest
from omnigraph.wire.stored import QueriesValidateOutput, QueryRemark, StoredParameter, StoredQueriesOutput, StoredQueryInfo

if TYPE_CHECKING:
    from omnigraph.config.legacy import LegacyConfig, StoredQuerySettings
    from omnigraph.graph.stored_query import StoredQuery
    from omnigraph.language.query_tree import ParameterNode


def _list(arguments: Arguments) -> int:
    legacy = Workspace(arguments).legacy
    settings = _selected(legacy, arguments.get("target") or legacy.settings.cli.graph)
    if not settings:
        queries = []
    else:
        from omnigraph.graph.stored_query import load_registry

        registry = load_registry(None, settings, legacy.resolved)
        queries = [_info(query, settings[name].mcp.tool_name) for name, query in sorted(registry.queries.items())]
    if arguments.flag("json"):
        _print_json(StoredQueriesOutput(queries))
    else:
        write_text("\n".join(line for query in queries for line in _lines(query)) or "(no stored queries registered)")
    return 0


def _selected(legacy: LegacyConfig, name: str | None) -> Mapping[str, StoredQuerySettings]:
    """Find the registry that is meant without a graph being opened. Raises :class:`BadRequest` where one has to be chosen."""
    if name is not None:
        graph = legacy.graph(name)
        legacy.refuse_shadowed_blocks(name)
        return graph.queries
    if legacy.settings.queries:
        return legacy.settings.queries
    having = sorted(graph_name for graph_name, graph in legacy.settings.graphs.items() if graph.queries)
    if having:
        graphs = f"graph{'s' if len(having) > 1 else ''} {', '.join(having)}"
        raise BadRequest(
            f"stored-query registries are configured for {graphs} but no graph was selected. "
            f"Pass `--target {having[0]}` or set `cli.graph`."
        )
    return {}


def _info(query: StoredQuery, tool_name: str | None) -> StoredQueryInfo:
    parameters = [StoredParameter(one.name, _type(one), one.nullable) for one in query.declaration.parameters]
    return StoredQueryInfo(
        query.name,
        query.exposed,
        tool_name,
        query.is_mutation,
        parameters,
        query.declaration.description or UNSET,
        query.declaration.instruction or UNSET,
    )


def _type(parameter: ParameterNode) -> str:
    name = parameter.type_name if parameter.dimension is None else f"{parameter.type_name}({parameter.dimension})"
    return f"[{name}]" if parameter.is_list else name


def _lines(query: StoredQueryInfo) -> list[str]:
    parameters = ", ".join(f"${one.name}: {one.type}{'?' if one.nullable else ''}" for one in query.params)
    shown = f" [mcp: {query.tool_name or query.name}]" if query.mcp_expose else ""
    lines = [f"{'mutation' if query.mutation else 'read'}  {query.name}({parameters}){shown}"]
    for label, text in (("description", query.description), ("instruction", query.instruction)):
        if text:
            head = f"    {label}: "
            lines.append(head + f"\n{' ' * len(head)}".join(text.splitlines()))
    return lines


def _validate(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    legacy = workspace.legacy
    address = resolve(workspace, typed_address(arguments))
    settings = legacy.settings.queries
    if address.name is not None:
        legacy.refuse_shadowed_blocks(address.name)
        settings = legacy.graph(address.name).queries
    refuse_remote(address, "queries validate")

    from omnigraph.graph.stored_query import load_registry
    from omnigraph.language import compile_schema

    registry = load_registry(None, settings, legacy.resolved)
    with open_graph(address) as graph:
        catalog = compile_schema(graph.schema_source())
    found = registry.examine(catalog)
    breakages = [QueryRemark(name, reason) for name, reason in found.broken]
    warnings = [QueryRemark(name, text) for name, text in found.advice]
    if arguments.flag("json"):
        _print_json(QueriesValidateOutput(not breakages, breakages, warnings))
    else:
        lines = [f"ERROR  query '{one.query}': {one.message}" for one in breakages]
        if not breakages:
            count = len(registry.queries)
            lines = [f"OK  {count} stored {'query' if count == 1 else 'queries'} type-check against the schema"]
        write_text("\n".join([*lines, *(f"WARN   query '{one.query}': {one.message}" for one in warnings)]))
    return 1 if breakages else 0


def _print_json(document: object) -> None:
    from omnigraph.wire.encoding import pretty

    write_bytes(pretty(document))


LIST = Command(run=_list, options=(TARGET_OPTION, CONFIG_OPTION, JSON_OPTION))
VALIDATE = Command(run=_validate, options=(*GRAPH_OPTIONS, JSON_OPTION), positionals=(URI,))
