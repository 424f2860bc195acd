"""``omnigraph mutate``: run one mutation query as one commit."""

from __future__ import annotations

from omnigraph.cli import stored
from omnigraph.cli.addressing import JSON_OPTION, admit_write, open_graph
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.source import EXCLUSIONS, POSITIONALS, QUERY_OPTIONS, QueryRequest, request
from omnigraph.cli.stored import StoredRequest
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import PreconditionFailed
from omnigraph.wire.write import MutateOutput

_IF_COMMIT = Option("if-commit", "Write only if this commit is the head of the branch; exit 4 if not", value="ID")


def _mutate(arguments: Arguments) -> int:
    workspace, asked = request(arguments, reads=False)
    admit_write(workspace, asked.address)
    expected = arguments.get("if-commit")
    try:
        output = _carry_out(workspace, asked, expected)
    except PreconditionFailed as failure:
        if arguments.flag("json"):
            _print_lost_race(failure)
        raise
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(output))
        return 0
    counts = f"{output.affected_nodes} nodes, {output.affected_edges} edges"
    lines = [f"changed {output.branch} via {output.query_name}: {counts}"]
    if output.actor_id is not None:
        lines.append(f"actor_id: {output.actor_id}")
    write_text("\n".join(lines))
    return 0


def _carry_out(workspace: Workspace, asked: QueryRequest | StoredRequest, expected: str | None) -> MutateOutput:
    if isinstance(asked, StoredRequest):
        return stored.mutate(asked, expected)
    actor = None if asked.address.is_remote else workspace.actor
    with open_graph(asked.address) as graph:
        return graph.mutate(asked.source, asked.params, name=asked.name, branch=asked.branch, actor=actor, if_commit=expected)


def _print_lost_race(failure: PreconditionFailed) -> None:
    from omnigraph.wire.encoding import pretty
    from omnigraph.wire.error import ErrorOutput

    write_bytes(pretty({"error": failure.message, "precondition_failure": ErrorOutput.of(failure).precondition_failure}))


MUTATE = Command(
    run=_mutate,
    options=(*QUERY_OPTIONS, Option("branch", "Branch to write", value="BRANCH"), _IF_COMMIT, JSON_OPTION),
    positionals=POSITIONALS,
    exclusive=EXCLUSIONS,
)
