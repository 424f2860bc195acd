"""``omnigraph schema``: show the accepted schema, plan a change of it, and make the change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from omnigraph.cli.addressing import (
    AT_OPTION,
    GRAPH_OPTIONS,
    JSON_OPTION,
    READ_EXCLUSIONS,
    SNAPSHOT_OPTION,
    URI,
    Address,
    admit_write,
    open_graph,
    refuse_remote,
    resolve,
    typed_address,
)
from omnigraph.cli.cluster_layout import cluster_around
from omnigraph.cli.files import read_text
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import json_text, note, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.wire.write import SchemaOutput

if TYPE_CHECKING:
    from omnigraph.wire.schema_apply import SchemaApplyOutput

_SCHEMA = Option("schema", "File that holds the desired schema", value="PATH", required=True, any_bytes=True)


def _show(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        source = graph.schema_source(arguments.get("branch"), snapshot=arguments.get("snapshot"), at=arguments.get("at"))
    if arguments.flag("json"):
        _print_json(SchemaOutput(source))
    else:
        write_text(source)
    return 0


def _plan(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    address = resolve(workspace, typed_address(arguments))
    if address.name is not None:
        workspace.legacy.refuse_shadowed_blocks(address.name)
    refuse_remote(address, "schema plan")
    desired = read_text(arguments.required("schema"))
    from omnigraph.language import compile_schema, plan_migration

    with open_graph(address) as graph:
        accepted = graph.schema_source()
    plan = plan_migration(compile_schema(accepted), compile_schema(desired), allow_data_loss=arguments.flag("allow-data-loss"))
    if arguments.flag("json"):
        _print_json(plan.as_json(json_text(address.uri)))
    else:
        write_text(plan.as_text(address.uri))
    return 0


def _apply(arguments: Arguments) -> int:
    workspace = Workspace(arguments)
    address = resolve(workspace, typed_address(arguments))
    admit_write(workspace, address)
    desired = read_text(arguments.required("schema"))
    if not address.is_remote:
        _check_stored_queries(workspace, address, desired)
        cluster = cluster_around(address.uri)
        if cluster is not None:
            note(
                f"warning: {address.uri} belongs to the cluster at {cluster}: declare the change there and run `cluster apply`"
            )
    actor = None if address.is_remote else workspace.actor
    with open_graph(address) as graph:
        done = graph.apply_schema(desired, allow_data_loss=arguments.flag("allow-data-loss"), actor=actor)
    if arguments.flag("json"):
        _print_json(replace(done, uri=json_text(address.uri)))
    else:
        write_text(_applied_text(done, address.uri))
    return 0


def _check_stored_queries(workspace: Workspace, address: Address, desired: str) -> None:
    """Refuse a schema that a stored query of the graph does not fit. Raises :class:`InvalidSetting`."""
    legacy = workspace.legacy
    settings = legacy.settings.queries if address.name is None else legacy.graph(address.name).queries
    if not settings:
        return
    from omnigraph.graph.stored_query import load_registry
    from omnigraph.language import compile_schema

    label = address.name or address.uri.removeprefix("file://").rstrip("/")
    load_registry(label, settings, legacy.resolved).check(label, compile_schema(desired))


def _applied_text(done: SchemaApplyOutput, uri: str) -> str:
    from omnigraph.language.migration_steps import step_line

    lines = [
        f"schema apply for {uri}",
        f"supported: {'yes' if done.supported else 'no'}",
        f"applied: {'yes' if done.applied else 'no'}",
        f"manifest_version: {done.manifest_version}",
    ]
    return "\n".join(lines + ([f"- {step_line(step)}" for step in done.steps] or ["no schema changes"]))


def _print_json(document: object) -> None:
    from omnigraph.wire.encoding import pretty

    write_bytes(pretty(document))


SHOW = Command(
    run=_show,
    options=(
        *GRAPH_OPTIONS,
        Option("branch", "Branch whose schema to show; default main", value="BRANCH"),
        SNAPSHOT_OPTION,
        AT_OPTION,
        JSON_OPTION,
    ),
    positionals=(URI,),
    exclusive=READ_EXCLUSIONS,
)
PLAN = Command(
    run=_plan,
    options=(*GRAPH_OPTIONS, _SCHEMA, Option("allow-data-loss", "Plan drops that remove the past too"), JSON_OPTION),
    positionals=(URI,),
)
APPLY = Command(
    run=_apply,
    options=(
        *GRAPH_OPTIONS,
        _SCHEMA,
        Option("allow-data-loss", "Drop for good: earlier commits can no longer be read for what is dropped"),
        JSON_OPTION,
    ),
    positionals=(URI,),
)
