"""Lint: what is wrong with the queries of a file, seen from a schema, without running any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from omnigraph.errors import ParseError, TypeCheckError
from omnigraph.language.catalog import Catalog, NodeType, Scalar
from omnigraph.language.checked import AliasRef, MutationQuery, PropertyRef, ReadQuery, Update
from omnigraph.language.checker import check_statements
from omnigraph.language.checker.mutations import mixture_of
from omnigraph.language.operation import Operation, describe_operation
from omnigraph.language.query_parser import parse_queries
from omnigraph.language.query_tree import QueryDeclaration
from omnigraph.language.schema_parser import parse_schema
from omnigraph.language.schema_tree import PropertyNode

Severity = Literal["error", "warning", "info"]
Kind = Literal["read", "mutation"]
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
_LABELS: dict[Severity, str] = {"error": "ERROR", "warning": "WARN ", "info": "INFO "}

HARDCODED_MUTATION = "mutation declares no params; hardcoded mutations are easy to miss"


class QueryResult(Struct, frozen=True):
    """The verdict on one query."""

    name: str
    kind: Kind
    warnings: tuple[str, ...] = ()
    error: str | None = None
    operation: Operation | None = None

    @property
    def status(self) -> Literal["ok", "error"]:
        return "ok" if self.error is None else "error"

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        result: dict[str, Any] = {"name": self.name, "kind": self.kind, "status": self.status}
        if self.warnings:
            result["warnings"] = list(self.warnings)
        if self.error is not None:
            result["error"] = self.error
        if self.operation is not None:
            result["operation"] = self.operation.as_json()
        return result


class Finding(Struct, frozen=True):
    """Something about the file as a whole."""

    severity: Severity
    code: str
    message: str
    type_name: str | None = None
    property_name: str | None = None
    query_names: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        finding: dict[str, Any] = {"severity": self.severity, "code": self.code, "message": self.message}
        if self.type_name is not None:
            finding["type_name"] = self.type_name
        if self.property_name is not None:
            finding["property"] = self.property_name
        if self.query_names:
            finding["query_names"] = list(self.query_names)
        return finding


class LintReport(Struct, frozen=True):
    """Everything that lint found. ``schema_source`` is the JSON object that says where the schema came from."""

    schema_source: Mapping[str, str]
    query_path: str
    results: tuple[QueryResult, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        return sum(each.error is not None for each in self.results) + self._count("error")

    @property
    def warnings(self) -> int:
        return sum(len(each.warnings) for each in self.results) + self._count("warning")

    @property
    def infos(self) -> int:
        return self._count("info")

    @property
    def status(self) -> Literal["ok", "error"]:
        return "error" if self.errors else "ok"

    def _count(self, severity: Severity) -> int:
        return sum(each.severity == severity for each in self.findings)

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return the report as the JSON object of ``lint --json``."""
        return {
            "status": self.status,
            "schema_source": dict(self.schema_source),
            "query_path": self.query_path,
            "queries_processed": len(self.results),
            "errors": self.errors,
            "warnings": self.warnings,
            "infos": self.infos,
            "results": [each.as_json() for each in self.results],
            "findings": [each.as_json() for each in self.findings],
        }

    def as_text(self) -> str:
        """Return the report as lines for a person, without a newline at the end."""
        lines: list[str] = []
        for each in self.results:
            if each.error is None:
                lines.append(f"OK    query `{each.name}` ({each.kind})")
            else:
                lines.append(f"ERROR query `{each.name}`: {each.error}")
            lines += [f"WARN  query `{each.name}`: {warning}" for warning in each.warnings]
        lines += [f"{_LABELS[each.severity]} {each.message}" for each in self.findings]
        lines.append(
            f"INFO  Lint complete: {len(self.results)} queries processed "
            f"({self.errors} error(s), {self.warnings} warning(s), {self.infos} info item(s))"
        )
        return "\n".join(lines)


def lint_queries(
    source: str, catalog: Catalog, *, query_path: str = "", schema_source: Mapping[str, str] | None = None
) -> LintReport:
    """Lint the text of a query file. Never raises for what stands in it: that is what the report is for."""
    where = {} if schema_source is None else schema_source
    try:
        file = parse_queries(source)
    except ParseError as error:
        return LintReport(where, query_path, (), (Finding("error", "Q000", error.message),))
    results: list[QueryResult] = []
    updates: list[tuple[str, Update]] = []
    seen: set[str] = set()
    for declaration in file.queries:
        warnings = list(_declaration_warnings(declaration, seen))
        seen.add(declaration.name)
        try:
            checked = check_statements(catalog, declaration)
        except TypeCheckError as error:
            results.append(QueryResult(declaration.name, declaration.kind, tuple(warnings), error.message))
            continue
        warnings += _query_warnings(checked)
        if isinstance(checked, MutationQuery):
            updates += [(checked.name, each) for each in checked.statements if isinstance(each, Update)]
        operation = describe_operation(catalog, checked)
        results.append(QueryResult(declaration.name, declaration.kind, tuple(warnings), operation=operation))
    findings = sorted([*_never_updated(catalog, updates), *_disagreements(catalog)], key=_order)
    return LintReport(where, query_path, tuple(results), tuple(findings))


def _order(finding: Finding) -> tuple[int, str, str, str]:
    severity = _SEVERITIES.index(finding.severity)
    return severity, finding.type_name or "", finding.property_name or "", finding.message


def _declaration_warnings(declaration: QueryDeclaration, seen: set[str]) -> Iterator[str]:
    if declaration.kind == "mutation" and not declaration.parameters:
        yield HARDCODED_MUTATION
    if declaration.name in seen:
        yield f"an earlier query of the file is called `{declaration.name}` too; this one cannot be selected by name"


def _query_warnings(query: ReadQuery | MutationQuery) -> Iterator[str]:
    if isinstance(query, MutationQuery):
        mixture = mixture_of(query)
        if mixture is not None:
            yield mixture
        return
    columns: set[str] = set()
    for each in query.projections:
        if each.column in columns:
            yield f"several columns are called `{each.column}`; rows keep the last one only, so name them with `as`"
        columns.add(each.column)
        if isinstance(each.expression, PropertyRef) and each.expression.type.scalar is Scalar.BLOB:
            yield f"`{each.column}` is a Blob: the column is always null in a read"
    aliases = {each.alias for each in query.projections}
    for key in query.order:
        if isinstance(key.expression, AliasRef) and key.expression.name not in aliases:
            yield f"`{key.expression.name}` in order is the alias of no projection"


def _never_updated(catalog: Catalog, updates: list[tuple[str, Update]]) -> Iterator[Finding]:
    """Rule L201: a nullable property that no update query sets, of a type that has update queries."""
    by_type: dict[str, list[tuple[str, Update]]] = {}
    for name, update in updates:
        by_type.setdefault(update.type_name, []).append((name, update))
    for type_name, members in by_type.items():
        assigned = {each.property_name for _, update in members for each in update.assignments}
        names = tuple(sorted({name for name, _ in members}))
        for missing in _updatable(catalog.nodes[type_name]):
            if missing not in assigned:
                message = f"{type_name}.{missing} exists in schema but no update query sets it"
                yield Finding("warning", "L201", message, type_name, missing, names)


def _updatable(node: NodeType) -> Iterator[str]:
    for name, each in node.properties.items():
        if each.type.nullable and name not in node.key and each.embed is None:
            yield name


def _disagreements(catalog: Catalog) -> Iterator[Finding]:
    """Rule L202: a node takes a property from two interfaces whose annotations differ; those of the first count."""
    if not catalog.interfaces:
        return
    tree = parse_schema(catalog.source)
    interfaces = {each.name: each for each in tree.interfaces}
    for node in tree.nodes:
        own = {each.name for each in node.properties}
        first: dict[str, tuple[str, PropertyNode]] = {}
        for name in dict.fromkeys(node.implements):
            for declared in interfaces[name].properties:
                if declared.name in own:
                    continue
                giver, given = first.setdefault(declared.name, (name, declared))
                if _annotations(given) != _annotations(declared):
                    message = (
                        f"interfaces {giver} and {name} give {node.name}.{declared.name} different annotations; "
                        f"those of {giver} count"
                    )
                    yield Finding("warning", "L202", message, node.name, declared.name)


def _annotations(node: PropertyNode) -> set[tuple[str, str | None, tuple[tuple[str, str], ...]]]:
    return {(each.name, each.value, each.kwargs) for each in node.annotations}
