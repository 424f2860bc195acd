"""Which query of which source a ``query`` or ``mutate`` means, on which graph, with which parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from omnigraph.cli.addressing import GRAPH_OPTIONS, URI, URI_OPTION, Address, resolve
from omnigraph.cli.grammar import Arguments, Option, Positional, UsageError
from omnigraph.cli.parameters import (
    PARAMETER_EXCLUSIONS,
    PARAMETER_OPTIONS,
    Parameters,
    declared_types,
    explicit_parameters,
    positional_parameters,
)
from omnigraph.cli.stored import StoredRequest, of_alias, of_name
from omnigraph.cli.streams import note
from omnigraph.cli.workspace import Workspace
from omnigraph.config.legacy import AliasSettings, OutputFormat
from omnigraph.config.operator import OperatorAlias
from omnigraph.errors import BadRequest, NotFound

SOURCE_OPTIONS = (
    Option("alias", "Run a query by its alias; further words are its arguments", value="ALIAS"),
    Option("query", "File that holds the query", value="PATH", any_bytes=True),
    Option("query-string", "The query itself", value="GQ", short="e"),
    Option("name", "Query to run when the source holds several", value="NAME"),
    *PARAMETER_OPTIONS,
)
QUERY_OPTIONS = (*GRAPH_OPTIONS, *SOURCE_OPTIONS)
EXCLUSIONS = (("alias", "query", "query-string"), *PARAMETER_EXCLUSIONS)
POSITIONALS = (
    Positional("URI", "Address of the graph, or the first argument of an alias", hidden=True),
    Positional("ARGS", "Arguments of an alias", repeats=True),
)

_NO_ALIAS = "<alias>"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """Everything that one run of a query needs."""

    address: Address
    source: str
    name: str | None
    params: Parameters = field(default_factory=dict)
    branch: str = ""
    format: OutputFormat | None = None


def request(arguments: Arguments, *, reads: bool) -> tuple[Workspace, QueryRequest | StoredRequest]:
    """Work out the request of ``query`` (``reads``) or ``mutate`` from the command line and the project file."""
    text = arguments.get("query-string")
    if not any(arguments.flag(name) for name in ("alias", "query", "query-string")):
        return _by_name(arguments)
    if text is not None and not text.strip():
        raise BadRequest("--query-string must not be empty")
    workspace = Workspace(arguments)
    alias_name = arguments.get("alias")
    if alias_name is not None:
        return workspace, _of_alias(workspace, alias_name, reads=reads)

    address, name = _address_and_name(workspace)
    path = arguments.get("query")
    source = text if path is None else workspace.query_text(path)
    assert source is not None, "the grammar admits no other source"
    declared = declared_types(source, name) if arguments.all("param") else {}
    params = explicit_parameters(arguments, declared)
    return workspace, QueryRequest(address, source, name, params, workspace.branch())


def _of_alias(workspace: Workspace, alias_name: str, *, reads: bool) -> QueryRequest | StoredRequest:
    arguments = workspace.arguments
    alias = _alias(workspace, alias_name, reads=reads)
    if not isinstance(alias, AliasSettings):
        return of_alias(workspace, alias_name, alias)
    words = list(arguments.words)
    typed = arguments.get("uri")
    named = arguments.get("target") or alias.graph or workspace.legacy.settings.cli.graph
    if typed is None and named is None and arguments.get("server") is None and words:
        typed = words.pop(0)
    address = resolve(workspace, typed, target=alias.graph)
    name = arguments.get("name") or alias.name
    source = workspace.query_text(alias.query)
    declared = declared_types(source, name) if words or arguments.all("param") else {}
    params = positional_parameters(alias_name, alias.args, words, declared) | explicit_parameters(arguments, declared)
    return QueryRequest(address, source, name, params, workspace.branch(alias=alias.branch), alias.format)


def _alias(workspace: Workspace, name: str, *, reads: bool) -> AliasSettings | OperatorAlias:
    alias = workspace.legacy.settings.aliases.get(name)
    if alias is None:
        if reads and name in workspace.operator.settings.aliases:
            return workspace.operator.settings.aliases[name]
        known = sorted(workspace.legacy.settings.aliases)
        raise NotFound(f"alias '{name}' not found", hint=f"defined aliases: {', '.join(known)}" if known else None)
    if reads and name in workspace.preferences.aliases:
        note(
            f"warning: alias '{name}' is defined in both omnigraph.yaml (legacy, wins during the deprecation window) and "
            "the operator config; the legacy definition applies"
        )
    if alias.reads != reads:
        kinds = ("Read", "Change") if alias.reads else ("Change", "Read")
        raise BadRequest(f"alias '{name}' is a {kinds[0]} alias, not a {kinds[1]} alias")
    return alias


def _address_and_name(workspace: Workspace) -> tuple[Address, str | None]:
    """Tell a query's name from an address in the first word; a second word has no meaning without an alias."""
    arguments = workspace.arguments
    word, name = arguments.word(0), arguments.get("name")
    if len(arguments.words) > 1:
        raise BadRequest(f"alias '{_NO_ALIAS}' expects at most 0 args but got {len(arguments.words) - 1}")
    typed = arguments.get("uri")
    if word is not None and _is_query_name(word) and _knows_graph(workspace):
        if name is not None and name != word:
            raise UsageError(f"the argument '--name <NAME>' cannot be used with '{word}'")
        return resolve(workspace, typed), word
    if word is not None and typed is not None:
        raise UsageError(f"the argument '{URI.shown}' cannot be used with '{URI_OPTION.shown}'")
    return resolve(workspace, typed if word is None else word), name


def _by_name(arguments: Arguments) -> tuple[Workspace, StoredRequest]:
    """Take the first word for a stored query of a server; refuse a run without a source otherwise."""
    word = arguments.word(0)
    if word is not None and _is_query_name(word):
        workspace = Workspace(arguments)
        if _knows_graph(workspace):
            return workspace, of_name(workspace, word)
    raise BadRequest("exactly one of --query, --query-string, or --alias must be provided")


def _is_query_name(word: str) -> bool:
    return _IDENTIFIER.fullmatch(word) is not None and not Path(word).exists()


def _knows_graph(workspace: Workspace) -> bool:
    given = any(workspace.arguments.flag(name) for name in ("uri", "target", "server"))
    return given or workspace.legacy.settings.cli.graph is not None
