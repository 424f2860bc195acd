"""``omnigraph export``: the rows of a branch as JSON lines that ``load`` takes back."""

from __future__ import annotations

from omnigraph.cli.addressing import (
    AT_OPTION,
    GRAPH_OPTIONS,
    READ_EXCLUSIONS,
    SNAPSHOT_OPTION,
    URI,
    open_graph,
    resolve,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import write_all
from omnigraph.cli.workspace import Workspace


def _export(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    snapshot = arguments.get("snapshot")
    branch = None if snapshot is not None else workspace.branch()
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        chosen = {"types": arguments.all("type"), "tables": arguments.all("table")}
        write_all(graph.export(branch=branch, snapshot=snapshot, at=arguments.get("at"), **chosen))
    return 0


EXPORT = Command(
    run=_export,
    options=(
        *GRAPH_OPTIONS,
        Option("branch", "Branch to export", value="BRANCH"),
        SNAPSHOT_OPTION,
        AT_OPTION,
        Option("type", "Node or edge type to export", value="TYPE", repeats=True),
        Option("table", "Type key to export, such as node:Person", value="KEY", repeats=True),
        Option("jsonl", "Does nothing: the output is always JSON lines", hidden=True),
    ),
    positionals=(URI,),
    exclusive=READ_EXCLUSIONS,
)
