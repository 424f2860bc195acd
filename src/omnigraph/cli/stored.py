"""Stored queries of servers: called by name, and through the aliases of the operator's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from omnigraph.cli.addressing import Address, addressed, resolve
from omnigraph.cli.parameters import Parameters, coerce, explicit_parameters
from omnigraph.config.legacy import OutputFormat
from omnigraph.errors import BadRequest, OmnigraphError

if TYPE_CHECKING:
    from omnigraph.cli.graph_protocol import Result
    from omnigraph.cli.workspace import Workspace
    from omnigraph.client import RemoteResult
    from omnigraph.config.operator import OperatorAlias
    from omnigraph.wire.write import MutateOutput


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """Everything that one call of a stored query needs. The server checks parameters: only it knows their types."""

    address: Address
    name: str
    params: Parameters = field(default_factory=dict)
    branch: str | None = None
    snapshot: str | None = None
    format: OutputFormat | None = None


def of_alias(workspace: Workspace, alias_name: str, alias: OperatorAlias) -> StoredRequest:
    """Work out what an alias of the operator's file calls. Options that name a graph, a branch or a query have no say."""
    words = workspace.arguments.words
    if len(words) > len(alias.args):
        known = ", ".join(alias.args)
        raise BadRequest(f"alias '{alias_name}' takes {len(alias.args)} positional arg(s) ({known}), got {len(words)}")
    if any(not isinstance(name, str) for name in alias.params):
        raise BadRequest(f"alias '{alias_name}': params keys must be strings")
    positional = {name: coerce(word, None) for name, word in zip(alias.args, words, strict=False)}
    params = {**alias.params, **positional, **explicit_parameters(workspace.arguments, {})}
    base = workspace.operator.server(alias.server).base_url
    address = addressed(workspace, base if alias.graph is None else f"{base}/graphs/{alias.graph}")
    return StoredRequest(address, alias.query, params, format=alias.format)


def of_name(workspace: Workspace, name: str) -> StoredRequest:
    """Work out the call of a stored query by its name. Raises BadRequest where there is no server to ask."""
    arguments = workspace.arguments
    address = resolve(workspace, arguments.get("uri"))
    if not address.is_remote:
        raise BadRequest(
            "by-name invocation needs a server (the stored-query catalog is server-owned); use -e '<gq>' or --query <file> "
            "for an ad-hoc query against --store, or address a server with --server / --profile"
        )
    if len(arguments.words) > 1:
        raise BadRequest(f"'{name}' takes its parameters with --params or --param, not as words")
    snapshot = arguments.get("snapshot")
    branch = None if snapshot is not None else workspace.branch()
    return StoredRequest(address, name, explicit_parameters(arguments, {}), branch, snapshot)


def read(request: StoredRequest) -> Result:
    """Call a stored read. The server refuses a mutation before it runs; one that does not know how to is told on."""
    from omnigraph.client import RemoteResult

    answer = _call(request, None, mutates=False)
    if not isinstance(answer, RemoteResult):
        raise OmnigraphError(f"'{request.name}' is a mutation, and the server has run it")
    return answer


def mutate(request: StoredRequest, if_commit: str | None) -> MutateOutput:
    """Call a stored mutation."""
    from omnigraph.client import RemoteResult

    answer = _call(request, if_commit, mutates=True)
    if isinstance(answer, RemoteResult):
        raise BadRequest(f"'{request.name}' is a read — use omnigraph query {request.name}")
    return answer


def _call(request: StoredRequest, if_commit: str | None, *, mutates: bool) -> RemoteResult | MutateOutput:
    from omnigraph.client import connect

    find_token = request.address.find_token
    with connect(request.address.uri, None if find_token is None else find_token()) as graph:
        return graph.invoke(
            request.name,
            request.params or None,
            branch=request.branch,
            snapshot=request.snapshot,
            expect_mutation=mutates,
            if_commit=if_commit,
        )
