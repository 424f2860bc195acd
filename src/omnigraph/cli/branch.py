"""``omnigraph branch``: create, list, delete and merge branches."""

from __future__ import annotations

from msgspec.structs import replace

from omnigraph.cli.addressing import (
    GRAPH_OPTIONS,
    JSON_OPTION,
    Address,
    admit_write,
    open_graph,
    resolve,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command, Option, Positional
from omnigraph.cli.streams import json_text, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.wire.branch import BranchListOutput


def _create(arguments: Arguments) -> int:
    workspace, address, actor = _writing(arguments)
    with open_graph(address) as graph:
        made = graph.create_branch(arguments.words[0], from_branch=workspace.branch("from"), actor=actor)
    if arguments.flag("json"):
        _print_json(replace(made, uri=json_text(address.uri)))
    else:
        write_text(f"created branch {made.name} from {made.from_}")
    return 0


def _list(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        names = graph.branches()
    if arguments.flag("json"):
        _print_json(BranchListOutput(names))
    else:
        write_text("\n".join(names))
    return 0


def _delete(arguments: Arguments) -> int:
    _, address, actor = _writing(arguments)
    with open_graph(address) as graph:
        gone = graph.delete_branch(arguments.words[0], actor=actor)
    if arguments.flag("json"):
        _print_json(replace(gone, uri=json_text(address.uri)))
    else:
        write_text(f"deleted branch {gone.name}")
    return 0


def _merge(arguments: Arguments) -> int:
    workspace, address, actor = _writing(arguments)
    with open_graph(address) as graph:
        done = graph.merge(arguments.words[0], into=workspace.branch("into"), actor=actor)
    if arguments.flag("json"):
        _print_json(done)
    else:
        write_text(f"merged {done.source} into {done.target}: {done.outcome}")
    return 0


def _writing(arguments: Arguments) -> tuple[Workspace, Address, str | None]:
    workspace = Workspace(arguments)
    address = resolve(workspace, typed_address(arguments, 1))
    admit_write(workspace, address)
    return workspace, address, None if address.is_remote else workspace.actor


def _print_json(document: object) -> None:
    from omnigraph.wire.encoding import pretty

    write_bytes(pretty(document))


def _named(summary: str) -> tuple[Positional, Positional]:
    return (
        Positional("NAME", summary, required=True),
        Positional("URI", "Address of the graph", hidden=True),
    )


CREATE = Command(
    run=_create,
    options=(*GRAPH_OPTIONS, Option("from", "Branch to create it from; default main", value="BASE"), JSON_OPTION),
    positionals=_named("Name of the new branch"),
)
LIST = Command(
    run=_list,
    options=(*GRAPH_OPTIONS, JSON_OPTION),
    positionals=(Positional("URI", "Address of the graph", hidden=True),),
)
DELETE = Command(run=_delete, options=(*GRAPH_OPTIONS, JSON_OPTION), positionals=_named("Branch to delete"))
MERGE = Command(
    run=_merge,
    options=(*GRAPH_OPTIONS, Option("into", "Branch to merge into; default main", value="TARGET"), JSON_OPTION),
    positionals=(
        Positional("SOURCE", "Branch to merge from", required=True),
        Positional("URI", "Address of the graph", hidden=True),
    ),
)
