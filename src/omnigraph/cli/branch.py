"""``omnigraph branch``: create, list, delete and merge branches."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from omnigraph.cli import merge_text
from omnigraph.cli.addressing import (
    GRAPH_OPTIONS,
    JSON_OPTION,
    Address,
    admit_write,
    open_graph,
    resolve,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command, Option, Positional, UsageError
from omnigraph.cli.graph_protocol import Graph
from omnigraph.cli.streams import json_text, note, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import OmnigraphError
from omnigraph.wire.branch import BranchListOutput
from omnigraph.wire.request import MergeStrategy
from omnigraph.wire.service import BranchMergeOutput


def _create(arguments: Arguments) -> int:
    workspace, address, actor = _writing(arguments)
    with open_graph(address) as graph:
        commit = arguments.get("from-commit")
        base = None if commit is not None else workspace.branch("from")
        made = graph.create_branch(
            arguments.words[0], from_branch=base, from_commit=commit, at=arguments.get("at"), actor=actor
        )
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
    strategy = _strategy(arguments.all("strategy"))
    if arguments.flag("dry-run"):
        return _preview(arguments, strategy)
    workspace, address, actor = _writing(arguments)
    with open_graph(address) as graph:
        done = graph.merge(arguments.words[0], into=workspace.branch("into"), actor=actor, strategy=strategy)
        why = _delete_source(graph, done.source, actor) if arguments.flag("delete-branch") else UNSET
    if arguments.flag("json"):
        members = {name: getattr(done, name) for name in done.__struct_fields__}
        deleted = UNSET if why is UNSET else why is None
        _print_json(BranchMergeOutput(**members, branch_deleted=deleted, branch_delete_error=why or UNSET))
    else:
        lines = [f"merged {done.source} into {done.target}: {done.outcome}"]
        lines += merge_text.settled(done.settled or [])
        lines += [f"deleted branch {done.source}"] if why is None else []
        write_text("\n".join(lines))
    if isinstance(why, str):
        note(f"warning: merged, but could not delete branch '{done.source}': {why}")
    return 0


def _preview(arguments: Arguments, strategy: MergeStrategy) -> int:
    """Say what the merge would do: exit 0 if it would succeed and 1 if conflicts would refuse it."""
    if arguments.flag("delete-branch"):
        raise UsageError("the argument '--dry-run' cannot be used with '--delete-branch'")
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed_address(arguments, 1))) as graph:
        found = graph.preview_merge(arguments.words[0], into=workspace.branch("into"), strategy=strategy)
    if arguments.flag("json"):
        _print_json(found)
    else:
        write_text("\n".join(merge_text.preview(found)))
    return 0 if found.mergeable else 1


def _delete_source(graph: Graph, name: str, actor: str | None) -> str | None:
    """Delete a merged branch; return why not, if it could not be."""
    try:
        graph.delete_branch(name, actor=actor)
    except OmnigraphError as error:
        return error.message
    return None


def _strategy(words: tuple[str, ...]) -> MergeStrategy:
    """Return the strategy behind ``ours``, ``theirs`` and ``TYPE=ours``, in any number."""
    found: dict[str, str] = {}
    for word in words:
        name, _, side = word.rpartition("=")
        if side not in ("ours", "theirs"):
            raise UsageError(
                f"invalid value '{word}' for '{_STRATEGY.shown}'", ["[possible values: ours, theirs, TYPE=ours, TYPE=theirs]"]
            )
        if found.setdefault(name.strip() or "*", side) != side:
            raise UsageError(f"the argument '{_STRATEGY.shown}' names both sides for {name or 'every type'}")
    return found or None


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


_STRATEGY = Option(
    "strategy",
    "Which side wins rows that conflict: ours, theirs, or TYPE=ours for one type (repeatable)",
    value="SIDE",
    repeats=True,
)
CREATE = Command(
    run=_create,
    options=(
        *GRAPH_OPTIONS,
        Option("from", "Branch to create it from; default main", value="BASE"),
        Option("from-commit", "Commit of any branch to create it from", value="ID"),
        Option("at", "Version or time of the base to create it from", value="WHEN"),
        JSON_OPTION,
    ),
    positionals=_named("Name of the new branch"),
    exclusive=(("from", "from-commit"), ("from-commit", "at")),
)
LIST = Command(
    run=_list,
    options=(*GRAPH_OPTIONS, JSON_OPTION),
    positionals=(Positional("URI", "Address of the graph", hidden=True),),
)
DELETE = Command(run=_delete, options=(*GRAPH_OPTIONS, JSON_OPTION), positionals=_named("Branch to delete"))
MERGE = Command(
    run=_merge,
    options=(
        *GRAPH_OPTIONS,
        Option("into", "Branch to merge into; default main", value="TARGET"),
        Option("dry-run", "Only say what the merge would do: outcome, counts and conflicts"),
        _STRATEGY,
        Option("delete-branch", "Delete the source branch after success"),
        JSON_OPTION,
    ),
    positionals=(
        Positional("SOURCE", "Branch to merge from", required=True),
        Positional("URI", "Address of the graph", hidden=True),
    ),
)
