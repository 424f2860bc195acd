"""Stored queries: the registry of one graph, and the catalog of tools that it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from omnigraph.config.legacy import StoredQuerySettings
from omnigraph.errors import InvalidSetting, OmnigraphError
from omnigraph.language import check_query, decode_source, parse_queries
from omnigraph.language.catalog import Catalog, PropertyType, Scalar
from omnigraph.language.checked import MutationQuery, ReadQuery
from omnigraph.language.operation import SCALAR_KINDS
from omnigraph.language.query_tree import QueryDeclaration
from omnigraph.wire.service import ParamDescriptor, QueryCatalogEntry


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """One query of a registry; ``source`` is the whole text of its file."""

    name: str
    source: str
    declaration: QueryDeclaration
    exposed: bool
    tool_name: str

    @property
    def is_mutation(self) -> bool:
        return self.declaration.kind == "mutation"


@dataclass(frozen=True, slots=True)
class Examined:
    """A registry held against a schema: the entries of the exposed queries that fit, advice and what broke by name."""

    entries: list[QueryCatalogEntry]
    advice: list[tuple[str, str]]
    broken: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Registry:
    """The stored queries of one graph by name; never changed after it was made."""

    queries: Mapping[str, StoredQuery]

    def get(self, name: str) -> StoredQuery | None:
        return self.queries.get(name)

    def check(self, label: str, catalog: Catalog) -> tuple[list[QueryCatalogEntry], list[tuple[str, str]]]:
        """Hold every query against a schema; return the entries of the exposed ones, and advice by query name.

        Raises :class:`InvalidSetting` that lists each query which does not fit.
        """
        found = self.examine(catalog)
        if found.broken:
            what = "query" if len(found.broken) == 1 else "queries"
            head = f"graph '{label}': {len(found.broken)} stored {what} failed the schema check:"
            raise InvalidSetting("\n".join([head, *(f"  query '{name}': {reason}" for name, reason in found.broken)]))
        return found.entries, found.advice

    def examine(self, catalog: Catalog) -> Examined:
        """Hold every query against a schema, and tell what is wrong with which."""
        found = Examined([], [], [])
        for name, query in sorted(self.queries.items()):
            try:
                checked = check_query(catalog, query.declaration)
            except OmnigraphError as error:
                found.broken.append((name, _reason(error)))
                continue
            if query.exposed:
                found.entries.append(_entry(query, checked))
                found.advice.extend((name, text) for text in _advice(checked))
        return found


def load_registry(label: str | None, settings: Mapping[str, StoredQuerySettings], resolved: Callable[[str], str]) -> Registry:
    """Read and parse the files of a registry; ``label`` names its graph in errors.

    Raises :class:`InvalidSetting` that lists every problem, files first.
    """
    unreadable: list[str] = []
    problems: list[str] = []
    queries: dict[str, StoredQuery] = {}
    for name, entry in sorted(settings.items()):
        path = resolved(entry.file)
        try:
            source = decode_source(Path(path).read_bytes())
        except OSError as error:
            unreadable.append(f"stored query '{name}': cannot read '{path}': {error.strerror}")
            continue
        except OmnigraphError as error:
            problems.append(f"stored query '{name}': parse error: {_reason(error)}")
            continue
        try:
            file = parse_queries(source)
        except OmnigraphError as error:
            problems.append(f"stored query '{name}': parse error: {_reason(error)}")
            continue
        declaration = next((query for query in file.queries if query.name == name), None)
        if declaration is None:
            problems.append(
                f"stored query '{name}': no `query {name}` declaration found in its `.gq` file "
                "(the registry key must match the query symbol)"
            )
            continue
        tool_name = entry.mcp.tool_name or name
        queries[name] = StoredQuery(name, source, declaration, entry.mcp.expose, tool_name)
    problems += _tool_clashes(queries)
    if unreadable or problems:
        lines = [f"  {line}" for line in (*unreadable, *problems)]
        whose = "" if label is None else f"graph '{label}': "
        raise InvalidSetting("\n".join([f"{whose}stored-query registry failed to load:", *lines]))
    return Registry(queries)


def _reason(error: OmnigraphError) -> str:
    """Return what is wrong on one line: the sentence, without the picture of the source below it."""
    return error.message.removeprefix("parse error: ").partition("\n")[0]


def _tool_clashes(queries: Mapping[str, StoredQuery]) -> Iterator[str]:
    claimed: dict[str, str] = {}
    for name, query in queries.items():
        if not query.exposed:
            continue
        owner = claimed.setdefault(query.tool_name, name)
        if owner != name:
            yield f"stored query '{name}': MCP tool name '{query.tool_name}' already claimed by exposed query '{owner}'"


def _entry(query: StoredQuery, checked: ReadQuery | MutationQuery) -> QueryCatalogEntry:
    return QueryCatalogEntry(
        name=query.name,
        tool_name=query.tool_name,
        description=query.declaration.description or UNSET,
        instruction=query.declaration.instruction or UNSET,
        mutation=query.is_mutation,
        params=[_descriptor(parameter.name, parameter.type) for parameter in checked.parameters],
    )


def _descriptor(name: str, type_: PropertyType) -> ParamDescriptor:
    kind = SCALAR_KINDS[type_.scalar]
    return ParamDescriptor(
        name=name,
        kind="list" if type_.is_list else kind,
        item_kind=kind if type_.is_list else UNSET,
        vector_dim=type_.dimension if type_.dimension is not None and not type_.is_list else UNSET,
        nullable=type_.nullable,
    )


def _advice(checked: ReadQuery | MutationQuery) -> Iterator[str]:
    for parameter in checked.parameters:
        if parameter.type.scalar is Scalar.VECTOR:
            yield (
                f"MCP-exposed query declares a `Vector({parameter.type.dimension})` parameter `${parameter.name}` that agents "
                "cannot supply; use a `String` parameter for server-side embedding"
            )
