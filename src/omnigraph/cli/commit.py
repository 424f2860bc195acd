"""``omnigraph commit list`` and ``commit show``: the history of a graph."""

from __future__ import annotations

import sys
from typing import cast

from omnigraph.cli.addressing import GRAPH_OPTIONS, JSON_OPTION, URI, URI_OPTION, open_graph, resolve, typed_address
from omnigraph.cli.commit_drawing import drawing, told_time
from omnigraph.cli.grammar import Arguments, Command, Option, Positional, UsageError, whole_number
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.wire.commit import ORDERS, CommitInfo, CommitListOutput, Order

_LIMIT = Option("limit", "Show the first N commits of the order", value="N")
_DRAW = Option("draw", "Draw the lines of all branches, newest commits first (--graph means the same without --server)")


def _list(arguments: Arguments) -> int:
    limit = whole_number(arguments, _LIMIT)
    if arguments.flag("draw"):
        return _draw(arguments, limit)
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        order = cast("Order", arguments.get("order") or "oldest")
        commits = graph.commits(arguments.get("branch"), order=order, limit=limit, actor=arguments.get("actor"))
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(CommitListOutput(commits)))
    elif commits:
        write_text("\n".join(_line(commit) for commit in commits))
    return 0


def _draw(arguments: Arguments, limit: int | None) -> int:
    for name in ("order", "actor"):
        if arguments.get(name) is not None:
            raise UsageError(f"the argument '{_DRAW.shown}' cannot be used with '--{name} <{name.upper()}>'")
    with open_graph(resolve(Workspace(arguments), typed_address(arguments))) as graph:
        history = graph.commit_graph(arguments.get("branch"), limit=limit)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(history))
    else:
        write_text("\n".join(drawing(history, local_time=sys.stdout.isatty())))
    return 0


def _show(arguments: Arguments) -> int:
    words = arguments.words
    if len(words) == 2 and arguments.get("uri") is not None:
        raise UsageError(f"the argument '{URI.shown}' cannot be used with '{URI_OPTION.shown}'")
    typed = words[0] if len(words) == 2 else arguments.get("uri")
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed)) as graph:
        commit = graph.commit(words[-1])
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(commit))
        return 0
    lines = [
        f"graph_commit_id: {commit.graph_commit_id}",
        f"manifest_branch: {commit.manifest_branch or 'main'}",
        f"manifest_version: {commit.manifest_version}",
    ]
    for label in ("parent_commit_id", "merged_parent_commit_id", "actor_id"):
        value = getattr(commit, label)
        if value is not None:
            lines.append(f"{label}: {value}")
    lines.append(f"created_at: {commit.created_at}")
    write_text("\n".join(lines))
    return 0


def _line(commit: CommitInfo) -> str:
    actor = f" actor={commit.actor_id}" if commit.actor_id is not None else ""
    when = f" {told_time(commit.created_at, local=True)}" if sys.stdout.isatty() else ""
    return f"{commit.graph_commit_id} branch={commit.manifest_branch or 'main'} version={commit.manifest_version}{actor}{when}"


LIST = Command(
    run=_list,
    options=(
        *GRAPH_OPTIONS,
        Option("branch", "Branch whose history to list", value="BRANCH"),
        Option("order", "Which end comes first; default oldest", value="ORDER", choices=ORDERS),
        _LIMIT,
        Option("actor", "Show only the commits of one actor", value="ACTOR"),
        _DRAW,
        JSON_OPTION,
    ),
    positionals=(URI,),
)
SHOW = Command(
    run=_show,
    options=(*GRAPH_OPTIONS, JSON_OPTION),
    positionals=(
        Positional("COMMIT_ID", "Id of the commit; the address of the graph may stand before it", required=True),
        Positional("COMMIT_ID", "Id of the commit, after an address", hidden=True),
    ),
)
