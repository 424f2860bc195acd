"""``omnigraph mutate``: run one mutation query as one commit."""

from __future__ import annotations

from omnigraph.cli.addressing import JSON_OPTION, admit_write, open_graph
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.source import EXCLUSIONS, POSITIONALS, QUERY_OPTIONS, request
from omnigraph.cli.streams import write_bytes, write_text


def _mutate(arguments: Arguments) -> int:
    workspace, asked = request(arguments, reads=False)
    admit_write(workspace, asked.address)
    with open_graph(asked.address) as graph:
        actor = workspace.actor
        output = graph.mutate(asked.source, asked.params, name=asked.name, branch=asked.branch, actor=actor)
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


MUTATE = Command(
    run=_mutate,
    options=(*QUERY_OPTIONS, Option("branch", "Branch to write", value="BRANCH"), JSON_OPTION),
    positionals=POSITIONALS,
    exclusive=EXCLUSIONS,
)
