"""``omnigraph optimize``, ``repair`` and ``cleanup``: the upkeep of a graph, on its storage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from omnigraph.cli.addressing import (
    CLUSTER_OPTIONS,
    GRAPH_OPTIONS,
    JSON_OPTION,
    URI,
    Address,
    admit_write,
    refuse_remote,
    resolve_stored,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command, Option, whole_number
from omnigraph.cli.streams import json_text, note, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest, CorruptObject, RepairRefused

if TYPE_CHECKING:
    from omnigraph.wire.maintenance import CleanupOutput, OptimizeOutput, RepairOutput

_KEEP = Option("keep", "Keep so many of the newest versions of each type", value="N")
_OLDER_THAN = Option("older-than", "Remove only what is older: 30s, 15m, 12h, 7d, 2w", value="DURATION")
_DURATION = re.compile(r"\s*([0-9]+)\s*([^0-9\s]*)\s*")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_KEY_WIDTH = 40


def _optimize(arguments: Arguments) -> int:
    from omnigraph.cli.embedded import open_stored

    address = _address(arguments, "optimize", writes=True)
    with open_stored(address.uri) as graph:
        done = graph.optimize()
    if arguments.flag("json"):
        _print_json(replace(done, uri=json_text(address.uri)))
    else:
        write_text("\n".join(_optimize_lines(address, done)))
    return 0


def _optimize_lines(address: Address, done: OptimizeOutput) -> list[str]:
    lines = [f"optimize {address.uri} — {len(done.tables)} tables"]
    for table in done.tables:
        what = "no-op"
        if table.skipped is not None:
            what = f"skipped ({table.skipped})"
        elif table.committed:
            what = f"frags {table.fragments_removed} → {table.fragments_added} ✓"
        lines.append(f"  {table.table_key:<{_KEY_WIDTH}} {what}")
    return lines


def _repair(arguments: Arguments) -> int:
    from omnigraph.cli.embedded import repair_stored

    confirm = arguments.flag("confirm")
    address = _address(arguments, "repair", writes=confirm)
    try:
        done = repair_stored(address.uri, confirm=confirm, force=arguments.flag("force"))
    except CorruptObject as error:
        error.hint = "this cannot be made again: restore the named object from a copy of the graph"
        raise
    for told in done.notes:
        note(told)
    output = done.output
    if arguments.flag("json"):
        _print_json(replace(output, uri=json_text(address.uri)))
    else:
        write_text("\n".join(_repair_lines(address, output)))
    if not done.refused:
        return 0
    raise RepairRefused(done.refused)


def _repair_lines(address: Address, done: RepairOutput) -> list[str]:
    lines = [f"repair {address.uri} — {'confirm' if done.confirm else 'preview'} mode, {len(done.tables)} tables"]
    for table in done.tables:
        versions = f"{table.manifest_version}"
        if table.lance_head_version != table.manifest_version:
            versions += f" → {table.lance_head_version}"
        operations = f" [{', '.join(table.operations)}]" if table.operations else ""
        error = f" ({table.error})" if table.error is not None else ""
        head = f"  {table.table_key:<{_KEY_WIDTH}} {table.action:<12} {table.classification:<22}"
        lines.append(f"{head} {versions}{operations}{error}")
    if not done.confirm:
        lines.append("rerun with --confirm to publish verified maintenance drift")
    return lines


def _cleanup(arguments: Arguments) -> int:
    from omnigraph.cli.embedded import open_stored

    keep = whole_number(arguments, _KEEP)
    confirm, dry_run = arguments.flag("confirm"), arguments.flag("dry-run")
    address = _address(arguments, "cleanup", writes=confirm)
    given = arguments.get("older-than")
    older_than_s = None if given is None else duration_s(given)
    if keep is None and older_than_s is None:
        raise BadRequest("cleanup requires at least one of --keep or --older-than")
    policy = _policy(keep, older_than_s)
    if not confirm and not dry_run:
        note(f"cleanup is destructive — rerun with --confirm. Policy for {address.uri}: {policy}")
        return 0
    with open_stored(address.uri) as graph:
        done = graph.cleanup(keep=keep, older_than_s=older_than_s, confirm=confirm)
    if arguments.flag("json"):
        _print_json(replace(done, uri=json_text(address.uri)))
    else:
        write_text("\n".join(_cleanup_lines(address, done, policy, confirm=confirm)))
    return 0


def _cleanup_lines(address: Address, done: CleanupOutput, policy: str, *, confirm: bool) -> list[str]:
    versions = sum(table.old_versions_removed for table in done.tables)
    size_bytes = sum(table.bytes_removed for table in done.tables)
    removed = f"{'removed' if confirm else 'would remove'} {versions} versions ({size_bytes} bytes)"
    lines = [f"cleanup {address.uri} ({policy}) — {removed} across {len(done.tables)} tables"]
    if not confirm:
        lines += [
            f"  {table.table_key:<{_KEY_WIDTH}} {table.old_versions_removed} versions ({table.bytes_removed} bytes)"
            for table in done.tables
        ]
    failed = [table.table_key for table in done.tables if table.error is not None]
    if failed:
        lines.append(f"  {len(failed)} table(s) failed and will be retried on the next cleanup: {', '.join(failed)}")
    return lines


def duration_s(text: str) -> int:
    """Return the seconds of a duration such as ``90``, ``30s``, ``12h`` or ``2w``. Raises BadRequest."""
    if not text.strip():
        raise BadRequest("duration is empty")
    match = _DURATION.fullmatch(text)
    if match is None or len(match[2]) > 1:
        raise BadRequest(f"invalid duration '{text}': expected digits and one of s, m, h, d, w, such as 7d")
    if match[2] not in _SECONDS:
        raise BadRequest(f"unknown duration unit '{match[2]}'. Supported: s, m, h, d, w")
    return int(match[1]) * _SECONDS[match[2]]


def _policy(keep: int | None, older_than_s: int | None) -> str:
    parts = [] if keep is None else [f"keep {keep} versions"]
    if older_than_s is not None:
        parts.append(f"remove anything older than {older_than_s}s")
    return ", ".join(parts)


def _address(arguments: Arguments, label: str, *, writes: bool) -> Address:
    workspace = Workspace(arguments)
    address = resolve_stored(workspace, typed_address(arguments))
    refuse_remote(address, label)
    if writes:
        admit_write(workspace, address)
    return address


def _print_json(document: object) -> None:
    from omnigraph.wire.encoding import pretty

    write_bytes(pretty(document))


OPTIMIZE = Command(run=_optimize, options=(*GRAPH_OPTIONS, *CLUSTER_OPTIONS, JSON_OPTION), positionals=(URI,))
REPAIR = Command(
    run=_repair,
    options=(
        *GRAPH_OPTIONS,
        *CLUSTER_OPTIONS,
        Option("confirm", "Make again what can be derived; without it only report"),
        Option("force", "Accepted for other storage; nothing here can be forced"),
        JSON_OPTION,
    ),
    positionals=(URI,),
    needs=(("force", "confirm"),),
)
CLEANUP = Command(
    run=_cleanup,
    options=(
        *GRAPH_OPTIONS,
        *CLUSTER_OPTIONS,
        _KEEP,
        _OLDER_THAN,
        Option("confirm", "Remove; without it nothing is touched"),
        Option("dry-run", "Tell what would be removed, and remove nothing"),
        JSON_OPTION,
    ),
    positionals=(URI,),
    exclusive=(("confirm", "dry-run"),),
)
