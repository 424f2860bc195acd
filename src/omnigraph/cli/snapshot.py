"""``omnigraph snapshot``: the types of a branch with their versions and row counts."""

from __future__ import annotations

from omnigraph.cli.addressing import (
    AT_OPTION,
    GRAPH_OPTIONS,
    JSON_OPTION,
    READ_EXCLUSIONS,
    SNAPSHOT_OPTION,
    URI,
    open_graph,
    resolve,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace


def _snapshot(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        snapshot = arguments.get("snapshot")
        branch = None if snapshot is not None else workspace.branch()
        output = graph.snapshot(branch, snapshot=snapshot, at=arguments.get("at"))
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(output))
        return 0
    lines = [f"branch: {output.branch}", f"manifest_version: {output.manifest_version}"]
    lines += [
        f"{table.table_key} v{table.table_version} branch={table.table_branch or 'main'} rows={table.row_count}"
        for table in output.tables
    ]
    write_text("\n".join(lines))
    return 0


SNAPSHOT = Command(
    run=_snapshot,
    options=(
        *GRAPH_OPTIONS,
        Option("branch", "Branch to look at", value="BRANCH"),
        SNAPSHOT_OPTION,
        AT_OPTION,
        JSON_OPTION,
    ),
    positionals=(URI,),
    exclusive=READ_EXCLUSIONS,
)
