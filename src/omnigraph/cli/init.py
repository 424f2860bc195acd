"""``omnigraph init``: create a graph."""

from __future__ import annotations

from omnigraph.cli.addressing import JSON_OPTION, URI_OPTION, Address, refuse_remote
from omnigraph.cli.cluster_layout import cluster_around
from omnigraph.cli.files import read_text
from omnigraph.cli.grammar import Arguments, Command, Option, Positional, UsageError
from omnigraph.cli.streams import json_text, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest
from omnigraph.wire.write import InitOutput


def _init(arguments: Arguments) -> int:
    word, option = arguments.word(0), arguments.get("uri")
    uri = word if word is not None else option
    if uri is None:
        raise UsageError("the following required arguments were not provided:", ["  <URI>"])
    if word is not None and option is not None:
        raise UsageError(f"the argument '<URI>' cannot be used with '{URI_OPTION.shown}'")
    Workspace(arguments)
    refuse_remote(Address(uri), "init")
    _refuse_cluster_layout(uri)
    source = read_text(arguments.required("schema"))
    from omnigraph.cli.embedded import init_embedded

    init_embedded(uri, source, force=arguments.flag("force")).close()
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(InitOutput(json_text(uri))))
    else:
        write_text(f"initialized {uri}")
    return 0


def _refuse_cluster_layout(uri: str) -> None:
    """Leave graphs inside an established cluster to ``cluster apply``."""
    root = cluster_around(uri)
    if root is not None:
        raise BadRequest(
            f"`{uri}` is inside cluster `{root}`. Graphs in a cluster are created by `cluster apply` (which records "
            "ledger, recovery, and approvals), not `init`. Declare the graph in cluster.yaml and run `cluster apply`."
        )


INIT = Command(
    run=_init,
    options=(
        URI_OPTION,
        Option("schema", "File that holds the schema", value="PATH", required=True, any_bytes=True),
        Option("force", "Replace the leftovers of a failed init; never an initialized graph"),
        JSON_OPTION,
    ),
    positionals=(Positional("URI", "Address of the new graph"),),
)
