"""``omnigraph query``: run one read query and print its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnigraph.cli import stored
from omnigraph.cli.addressing import AT_OPTION, JSON_OPTION, READ_EXCLUSIONS, SNAPSHOT_OPTION, open_graph
from omnigraph.cli.grammar import Arguments, Command, Option, whole_number
from omnigraph.cli.source import EXCLUSIONS, POSITIONALS, QUERY_OPTIONS, request
from omnigraph.cli.stored import StoredRequest
from omnigraph.cli.streams import note, write_all, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.config.legacy import OUTPUT_FORMATS, OutputFormat
from omnigraph.errors import BadRequest

if TYPE_CHECKING:
    from omnigraph.cli.formats import TableLayout
    from omnigraph.cli.graph_protocol import Result

MAX_WIDTH = Option("max-width", "Widest column of a table, in characters", value="N")


def _query(arguments: Arguments) -> int:
    workspace, asked = request(arguments, reads=True)
    if isinstance(asked, StoredRequest):
        if arguments.flag("explain") or arguments.flag("profile"):
            raise BadRequest("a server does not tell the plan of a stored query", hint="give the query itself, with --query")
        _print(workspace, asked.format, stored.read(asked))
        return 0
    snapshot = arguments.get("snapshot")
    branch, at = None if snapshot is not None else asked.branch, arguments.get("at")
    with open_graph(asked.address) as graph:
        measured = arguments.flag("profile")
        if measured or arguments.flag("explain"):
            plan = graph.explain(
                asked.source, asked.params, name=asked.name, branch=branch, snapshot=snapshot, at=at, profile=measured
            )
            if plan.result is None:
                write_text(plan.text())
                return 0
            note(plan.text())
            result = plan.result
        else:
            result = graph.query(asked.source, asked.params, name=asked.name, branch=branch, snapshot=snapshot, at=at)
        _print(workspace, asked.format, result)
    return 0


def _print(workspace: Workspace, form: OutputFormat | None, result: Result) -> None:
    from omnigraph.cli.formats import ResultHead, write_result

    head = ResultHead(
        query_name=result.query_name,
        branch=result.branch,
        snapshot=result.snapshot,
        row_count=len(result),
        columns=result.columns,
        graph_commit_id=result.graph_commit_id,
    )
    rows = zip(*result.value_columns(), strict=True)
    write_all(write_result(workspace.output_format(form), head, rows, _table_layout(workspace)))


def _table_layout(workspace: Workspace) -> TableLayout:
    from omnigraph.cli.formats import DEFAULT_COLUMN_WIDTH, TableLayout

    project, operator = workspace.legacy.settings.cli, workspace.preferences.defaults
    typed = whole_number(workspace.arguments, MAX_WIDTH)
    widths = (typed, project.table_max_column_width, operator.table_max_column_width, DEFAULT_COLUMN_WIDTH)
    if workspace.arguments.flag("wrap"):
        return TableLayout(next(width for width in widths if width is not None), "wrap")
    cells = project.table_cell_layout or operator.table_cell_layout or "truncate"
    return TableLayout(next(width for width in widths if width is not None), cells)


QUERY = Command(
    run=_query,
    options=(
        *QUERY_OPTIONS,
        Option("branch", "Branch to read", value="BRANCH"),
        SNAPSHOT_OPTION,
        AT_OPTION,
        Option("format", "Form of the result", value="FORMAT", choices=OUTPUT_FORMATS),
        MAX_WIDTH,
        Option("wrap", "Wrap long cells of a table instead of cutting them"),
        Option("explain", "Print the plan instead of running the query"),
        Option("profile", "Print the plan on standard error, with the rows, time and bytes of a run"),
        JSON_OPTION,
    ),
    positionals=POSITIONALS,
    exclusive=(*EXCLUSIONS, *READ_EXCLUSIONS, ("format", "json"), ("explain", "profile")),
)
