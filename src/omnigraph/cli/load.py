"""``omnigraph load`` and its deprecated form ``ingest``: bulk load a file of records as one commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from omnigraph.cli.addressing import GRAPH_OPTIONS, JSON_OPTION, URI, Address, admit_write, open_graph, resolve, typed_address
from omnigraph.cli.files import STANDARD_INPUT, open_input
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import json_text, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.wire.write import LOAD_MODES, IngestOutput, LoadMode, LoadOutput

if TYPE_CHECKING:
    from omnigraph.cli import graph_protocol

PROGRESS_BYTES_MIN = 8 * 1024 * 1024
"""Smaller inputs are loaded before a bar could be read."""

DATA_OPTION = Option("data", "File of records, one JSON object after the other", value="PATH", required=True, any_bytes=True)
BRANCH_OPTION = Option("branch", "Branch to load onto", value="BRANCH")


def _load(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    address = resolve(workspace, typed_address(arguments))
    result = _run(workspace, address, cast("LoadMode", arguments.required("mode")), arguments.get("from"))
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(LoadOutput.of(result, uri=json_text(address.uri))))
        return 0
    counts = LoadOutput.of(result, uri=address.uri)
    lines = [
        f"loaded {address.uri} on branch {result.branch} with {result.mode}: "
        f"{counts.nodes_loaded} nodes across {counts.node_types_loaded} node types, "
        f"{counts.edges_loaded} edges across {counts.edge_types_loaded} edge types"
    ]
    if result.branch_created:
        lines.append(f"branch {result.branch} created from {result.base_branch}")
    write_text("\n".join(lines))
    return 0


def _ingest(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    address = resolve(workspace, typed_address(arguments))
    mode = cast("LoadMode", arguments.get("mode") or "merge")
    result = _run(workspace, address, mode, workspace.branch("from"))
    if arguments.flag("json"):
        from msgspec.structs import replace

        from omnigraph.wire.encoding import pretty

        shown = replace(result, uri=json_text(address.uri), actor_id=result.actor_id if address.is_remote else None)
        write_bytes(pretty(shown))
        return 0
    state = "branch created" if result.branch_created else "branch exists"
    lines = [f"ingested {address.uri} into branch {result.branch} from {result.base_branch} with {result.mode} ({state})"]
    lines += [f"{table.table_key} rows_loaded={table.rows_loaded}" for table in result.tables]
    if address.is_remote and result.actor_id is not None:
        lines.append(f"actor_id: {result.actor_id}")
    write_text("\n".join(lines))
    return 0


def _run(workspace: Workspace, address: Address, mode: LoadMode, base: str | None) -> IngestOutput:
    admit_write(workspace, address)
    path = workspace.arguments.required("data")
    with open_input(path) as data, open_graph(address) as graph:
        branch, actor = workspace.branch(), None if address.is_remote else workspace.actor
        with _progress(path) as progress:
            source = data if path == STANDARD_INPUT else Path(path)
            return graph.load(source, mode, branch=branch, from_branch=base, actor=actor, progress=progress)


@contextmanager
def _progress(path: str) -> Iterator[graph_protocol.Progress | None]:
    """Show a bar on a terminal while a long file is read."""
    if not sys.stderr.isatty() or path == STANDARD_INPUT or Path(path).stat().st_size < PROGRESS_BYTES_MIN:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, description="storing" if done == total else "reading")

        yield show


_MODE = Option("mode", "What happens to rows that are stored already", value="MODE", choices=LOAD_MODES, required=True)
_OPTIONAL_MODE = Option("mode", "What happens to rows that are stored already; default merge", value="MODE", choices=LOAD_MODES)
_FROM = Option("from", "Branch to fork a missing branch from", value="BASE")

LOAD = Command(
    run=_load,
    options=(*GRAPH_OPTIONS, DATA_OPTION, BRANCH_OPTION, _FROM, _MODE, JSON_OPTION),
    positionals=(URI,),
)
INGEST = Command(
    run=_ingest,
    options=(*GRAPH_OPTIONS, DATA_OPTION, BRANCH_OPTION, _FROM, _OPTIONAL_MODE, JSON_OPTION),
    positionals=(URI,),
)
