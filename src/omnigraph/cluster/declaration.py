"""What a config directory declares: every resource with its digest, and how they depend on each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnigraph.cluster import address
from omnigraph.cluster.digest import config_digest, content_digest, graph_digest
from omnigraph.cluster.document import FILE_NAME, ClusterDocument, GraphEntry, PolicyEntry, read_document
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.root import StorageRoot, declared_root
from omnigraph.cluster.servable import unservable
from omnigraph.errors import InvalidSetting, OmnigraphError, ParseError
from omnigraph.language import check_query, compile_schema, decode_source, parse_queries
from omnigraph.language.catalog import Catalog
from omnigraph.language.query_tree import QueryDeclaration
from omnigraph.wire.cluster import Dependency, Resource

CLUSTER_SCOPE = "cluster"


@dataclass(frozen=True, slots=True)
class SchemaSource:
    """A declared schema: where it stands, its digest, and its catalog when it compiles."""

    path: str
    digest: str
    catalog: Catalog | None


@dataclass(slots=True)
class Declaration:
    """A declaration as far as it could be read. ``document`` is None when there is nothing to go on with.

    ``sources`` are the files of queries and policies by address, ``bindings`` the normalized scopes of policies.
    """

    config_dir: str
    document: ClusterDocument | None = None
    root: StorageRoot | None = None
    config_digest: str | None = None
    digests: dict[str, str] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)
    schemas: dict[str, SchemaSource] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    bindings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def config_file(self) -> str:
        return os.path.join(self.config_dir, FILE_NAME)  # noqa: PTH118 - echoed as it was given

    @property
    def locks(self) -> bool:
        return self.document is None or self.document.locks

    @property
    def graph_ids(self) -> list[str]:
        """The declared graphs, ascending."""
        return [] if self.document is None else sorted(self.document.graphs)

    def policies_of(self, graph_id: str) -> list[str]:
        """Return the addresses of the policies that are bound to a graph."""
        scope = address.graph(graph_id)
        return [policy for policy, scopes in self.bindings.items() if scope in scopes]

    def resolved(self, path: str) -> str:
        """Return where a path of the declaration leads."""
        return os.path.join(self.config_dir, path.removeprefix("./") or ".")  # noqa: PTH118 - shown without folding


def read_header(config_dir: str, findings: Findings) -> Declaration:
    """Read a declaration down to its storage root; files that it names are not looked at."""
    declaration = Declaration(config_dir, read_document(config_dir, findings))
    if declaration.document is not None:
        declaration.root = declared_root(declaration.document.storage, config_dir, findings)
    return declaration


def read_declaration(config_dir: str, findings: Findings) -> Declaration:
    """Read everything that is declared; one run reports all faults."""
    declaration = read_header(config_dir, findings)
    document = declaration.document
    if document is None:
        return declaration
    edges: set[tuple[str, str]] = set()
    for graph_id, graph in sorted(document.graphs.items()):
        _read_graph(declaration, graph_id, graph, edges, findings)
    for name, policy in sorted(document.policies.items()):
        _read_policy(declaration, name, policy, edges, findings)
    _warn_of_bindings(declaration, findings)
    declaration.resources.sort(key=lambda resource: resource.address)
    declaration.digests = {resource.address: resource.digest for resource in declaration.resources}
    declaration.dependencies = [Dependency(dependent, needed) for dependent, needed in sorted(edges)]
    declaration.config_digest = config_digest(document, declaration.digests)
    return declaration


# --- graphs -----------------------------------------------------------------------------------------------------------


def _read_graph(
    declaration: Declaration, graph_id: str, graph: GraphEntry, edges: set[tuple[str, str]], findings: Findings
) -> None:
    place = f"graphs.{graph_id}"
    _check_name("graph id", graph_id, place, findings)
    reason = unservable(graph_id)
    if reason is not None and address.NAME.fullmatch(graph_id):
        findings.warning("graph_id_not_servable", place, f"no server can boot from this cluster: {reason}")
    schema = _read_schema(declaration, graph_id, graph, findings)
    if schema is not None:
        declaration.schemas[graph_id] = schema
        declaration.resources.append(Resource(address.schema(graph_id), "schema", schema.digest, schema.path))
        edges.add((address.schema(graph_id), address.graph(graph_id)))
    digests: dict[str, str] = {}
    for query in _read_queries(declaration, graph_id, graph, findings):
        digests[query.name] = query.digest
        where = address.query(graph_id, query.name)
        declaration.resources.append(Resource(where, "query", query.digest, query.path))
        declaration.sources[where] = query.path
        edges.add((where, address.graph(graph_id)))
        edges.add((where, address.schema(graph_id)))
        _check_query(query, f"{place}.queries.{query.name}", schema, findings)
    digest = graph_digest(graph_id, None if schema is None else schema.digest, digests)
    declaration.resources.append(Resource(address.graph(graph_id), "graph", digest))


def _check_name(kind: str, value: str, place: str, findings: Findings) -> None:
    if address.NAME.fullmatch(value) is None:
        findings.error("invalid_resource_id", place, f"{kind} `{value}` {address.NAME_RULE}")


def _read_schema(declaration: Declaration, graph_id: str, graph: GraphEntry, findings: Findings) -> SchemaSource | None:
    place = f"graphs.{graph_id}.schema"
    path = declaration.resolved(graph.schema)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        findings.error("schema_file_missing", place, f"could not read schema file '{path}': {_reason(error)}")
        return None
    try:
        return SchemaSource(path, content_digest(data), compile_schema(decode_exactly(data)))
    except ParseError as error:
        findings.error("schema_parse_error", place, error.message)
    except OmnigraphError as error:
        findings.error("schema_catalog_error", place, error.message)
    return SchemaSource(path, content_digest(data), None)


def decode_exactly(data: bytes) -> str:
    """Return the text of a schema, of which the engine keeps every byte. Raises ParseError."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return decode_source(data)  # raises with the place


# --- stored queries ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Registered:
    name: str
    path: str
    digest: str
    declaration: QueryDeclaration | None


@dataclass(frozen=True, slots=True)
class _QuerySource:
    """One file of queries; ``queries`` is None when it does not parse."""

    digest: str
    queries: dict[str, QueryDeclaration] | None
    fault: str = ""


def _read_queries(declaration: Declaration, graph_id: str, graph: GraphEntry, findings: Findings) -> Iterator[_Registered]:
    if isinstance(graph.queries, dict):
        yield from _named_queries(declaration, graph_id, graph.queries, findings)
    else:
        entries = [graph.queries] if isinstance(graph.queries, str) else graph.queries
        yield from _discovered_queries(declaration, graph_id, entries, findings)


def _named_queries(
    declaration: Declaration, graph_id: str, queries: dict[str, Any], findings: Findings
) -> Iterator[_Registered]:
    files: dict[str, _QuerySource | OSError | ValueError] = {}
    for name, entry in sorted(queries.items()):
        place = f"graphs.{graph_id}.queries.{name}"
        _check_name("query name", name, place, findings)
        path = declaration.resolved(entry.file)
        if path not in files:
            files[path] = _query_source(path)
        source = files[path]
        if not isinstance(source, _QuerySource):
            message = f"could not read query file '{path}': {_reason(source)}"
            findings.error("query_file_missing", f"{place}.file", message)
            continue
        found = None
        if source.queries is None:
            findings.error("query_parse_error", place, source.fault)
        else:
            found = source.queries.get(name)
            if found is None:
                message = f"no `query {name}` declaration found in the referenced .gq file"
                findings.error("query_key_mismatch", place, message)
        yield _Registered(name, path, source.digest, found)


def _discovered_queries(
    declaration: Declaration, graph_id: str, entries: list[str], findings: Findings
) -> Iterator[_Registered]:
    place = f"graphs.{graph_id}.queries"
    owners: dict[str, str] = {}
    for path in dict.fromkeys(_query_files(declaration, place, entries, findings)):
        source = _query_source(path)
        if not isinstance(source, _QuerySource):
            findings.error("query_file_missing", place, f"could not read query file '{path}': {_reason(source)}")
            continue
        if source.queries is None:
            findings.error("query_parse_error", place, f"'{path}' does not parse: {source.fault}")
            continue
        for name, query in source.queries.items():
            owner = owners.setdefault(name, path)
            if owner != path:
                message = f"query '{name}' is declared in both '{owner}' and '{path}'"
                findings.error("duplicate_query_name", f"{place}.{name}", message)
                continue
            yield _Registered(name, path, source.digest, query)


def _query_files(declaration: Declaration, place: str, entries: list[str], findings: Findings) -> Iterator[str]:
    for entry in entries:
        path = declaration.resolved(entry)
        if not Path(path).is_dir():
            yield path
            continue
        try:
            names = sorted(child.name for child in Path(path).iterdir() if child.name.endswith(".gq") and not child.is_dir())
        except OSError as error:
            findings.error("query_dir_unreadable", place, f"could not list query directory '{path}': {_reason(error)}")
            continue
        if not names:
            findings.warning("query_dir_empty", place, f"query directory '{path}' contains no .gq files")
        yield from (os.path.join(path, name) for name in names)  # noqa: PTH118 - shown without folding


def _query_source(path: str) -> _QuerySource | OSError | ValueError:
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        return error
    try:
        file = parse_queries(decode_source(data))
    except OmnigraphError as error:
        return _QuerySource(content_digest(data), None, error.message)
    return _QuerySource(content_digest(data), {query.name: query for query in file.queries})


def _check_query(query: _Registered, place: str, schema: SchemaSource | None, findings: Findings) -> None:
    if query.declaration is None:
        return
    if schema is None or schema.catalog is None:
        message = "the query was not type-checked: the graph schema is invalid"
        findings.warning("query_typecheck_skipped", place, message)
        return
    try:
        check_query(schema.catalog, query.declaration)
    except OmnigraphError as error:
        findings.error("query_typecheck_error", place, error.message)


# --- policies ---------------------------------------------------------------------------------------------------------


def _read_policy(
    declaration: Declaration, name: str, policy: PolicyEntry, edges: set[tuple[str, str]], findings: Findings
) -> None:
    place = f"policies.{name}"
    _check_name("policy name", name, place, findings)
    where = address.policy(name)
    scopes = sorted(set(_scopes(declaration, place, policy, findings)))
    declaration.bindings[where] = scopes
    edges.update((where, scope) for scope in scopes if scope != CLUSTER_SCOPE)
    path = declaration.resolved(policy.file)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        findings.error("policy_file_missing", f"{place}.file", f"could not read policy file '{path}': {_reason(error)}")
        return
    declaration.resources.append(Resource(where, "policy", content_digest(data), path))
    declaration.sources[where] = path
    _warn_of_text(data, scopes, f"{place}.file", findings)


def _scopes(declaration: Declaration, place: str, policy: PolicyEntry, findings: Findings) -> Iterator[str]:
    """Yield the normalized scopes that can be bound."""
    assert declaration.document is not None
    if not policy.applies_to:
        message = "policy.applies_to must name `cluster` or at least one graph"
        findings.error("policy_missing_applies_to", f"{place}.applies_to", message)
    for index, word in enumerate(policy.applies_to):
        spot = f"{place}.applies_to[{index}]"
        if word == CLUSTER_SCOPE:
            yield word
            continue
        graph_id = word.removeprefix("graph.")
        if "." in graph_id:
            message = f"policy applies_to expects graph refs or `cluster`, got `{word}`"
            findings.error("wrong_kind_reference", spot, message)
        elif graph_id not in declaration.document.graphs:
            message = f"policy references graph `{graph_id}`, but no graph with that id is declared"
            findings.error("dangling_graph_reference", spot, message)
        else:
            yield address.graph(graph_id)


def _warn_of_text(data: bytes, scopes: list[str], place: str, findings: Findings) -> None:
    """Warn of a bundle that no server can load. It is no error: a server is not the only reader of a declaration."""
    from omnigraph.policy.document import parse_document

    for kind in {"Server" if scope == CLUSTER_SCOPE else "Graph" for scope in scopes}:
        try:
            parse_document(data, "Server" if kind == "Server" else "Graph")
        except InvalidSetting as error:
            findings.warning("policy_invalid", place, f"no server can load this policy: {error.message}")
            return


def _warn_of_bindings(declaration: Declaration, findings: Findings) -> None:
    bound: dict[str, str] = {}
    for policy, scopes in declaration.bindings.items():
        name = policy.removeprefix("policy.")
        place = f"policies.{name}.applies_to"
        if CLUSTER_SCOPE in scopes and len(scopes) > 1:
            message = "the bundle is bound to `cluster` and to graphs; no server can load it as both"
            findings.warning("policy_mixed_binding_kinds", place, message)
        for scope in scopes:
            other = bound.setdefault(scope, name)
            if other != name:
                message = f"policies `{other}` and `{name}` are both bound to `{scope}`; a server takes one bundle per scope"
                findings.warning("duplicate_policy_binding", place, message)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
