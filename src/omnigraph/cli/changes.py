"""``omnigraph diff``, ``commit changes``, ``changes poll`` and ``baseline``, ``blame``: what changed, and who did it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnigraph.cli.addressing import (
    AT_OPTION,
    GRAPH_OPTIONS,
    JSON_OPTION,
    READ_EXCLUSIONS,
    SNAPSHOT_OPTION,
    URI,
    URI_OPTION,
    open_graph,
    resolve,
    typed_address,
)
from omnigraph.cli.grammar import Arguments, Command, Option, Positional, UsageError, whole_number
from omnigraph.cli.streams import note, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import StorageError
from omnigraph.wire.change import KINDS, OPS

if TYPE_CHECKING:
    from omnigraph.wire.change import ChangeBlock, DiffOutput, RowChange, RowImage

_LIMIT = Option("limit", "How many changes to print at most", value="N")
_PAGE_LIMIT = Option("limit", "How many changes a page holds; 1000 unless given", value="N")
_FILTERS = (
    Option("kind", "Only nodes or only edges", value="KIND", choices=KINDS, repeats=True),
    Option("type", "Only rows of this type, by its name or key", value="TYPE", repeats=True),
    Option("op", "Only inserts, updates or deletes", value="OP", choices=OPS, repeats=True),
)
_SIGNS = {"insert": "+", "update": "~", "delete": "-"}


def _filters(arguments: Arguments) -> dict[str, Any]:  # Any: keyword arguments of the graph's methods
    return {"kinds": arguments.all("kind"), "types": arguments.all("type"), "ops": arguments.all("op")}


# --- diff --------------------------------------------------------------------------------------------------------------


def _diff(arguments: Arguments) -> int:
    limit = 0 if arguments.flag("stat") else whole_number(arguments, _LIMIT)
    workspace = Workspace(arguments)
    before, after = arguments.words[0], arguments.word(1) or workspace.branch()
    with open_graph(resolve(workspace, typed_address(arguments, 2))) as graph:
        found = graph.diff(before, after, ids=arguments.all("id"), limit=limit, **_filters(arguments))
    form = "json" if arguments.flag("json") else arguments.get("format") or "text"
    if form == "json":
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(found))
    elif form == "jsonl":
        from omnigraph.wire.encoding import compact

        write_bytes(b"".join(compact(change) + b"\n" for change in found.changes))
    else:
        write_text("\n".join(_diff_lines(found)))
    if form != "json":
        for line in found.notes:
            note(f"note: {line}")
        if found.truncated and not arguments.flag("stat"):
            note(f"note: {len(found.changes)} rows of {sum(_counts(found))} are shown")
    return 0


def _counts(found: DiffOutput) -> tuple[int, int, int]:
    return found.stats.inserts, found.stats.updates, found.stats.deletes


def _diff_lines(found: DiffOutput) -> Iterator[str]:
    for table in found.tables:
        yield f"{table.table_key}: {_counted(table.inserts, table.updates, table.deletes)}"
        for change in found.changes:
            if change.table_key == table.table_key:
                yield f"  {_SIGNS[change.op]} {change.id}"
                yield from _image_lines(change.before or None, change.after or None, "      ")
    inserts, updates, deletes = _counts(found)
    yield f"{len(found.tables)} types, {_counted(inserts, updates, deletes)}" if found.tables else "no differences"


def _counted(inserts: int, updates: int, deletes: int) -> str:
    return f"{inserts} inserted, {updates} updated, {deletes} deleted"


def _image_lines(before: RowImage | None, after: RowImage | None, indent: str) -> Iterator[str]:
    """Show what a row was and is: of an update only what differs."""
    then, now = _members(before), _members(after)
    for name in {**then, **now}:
        was, is_ = _shown(then, name), _shown(now, name)
        if before is None or after is None:
            yield f"{indent}{name}: {is_ if before is None else was}"
        elif was != is_:
            yield f"{indent}{name}: {was} -> {is_}"


def _members(image: RowImage | None) -> dict[str, Any]:  # Any: JSON values
    if image is None:
        return {}
    ends = {"from": image.endpoints.from_, "to": image.endpoints.to} if image.endpoints else {}
    return {**ends, **image.properties}


_SHOWN_LENGTH = 120


def _shown(members: dict[str, Any], name: str) -> str:  # Any: JSON values
    if name not in members:
        return "<absent>"
    if members[name] is None:
        return "<null>"
    from omnigraph.wire.encoding import compact

    text = compact(members[name]).decode()
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 1]}…"


# --- commits, feeds, baselines -----------------------------------------------------------------------------------------


def _commit_changes(arguments: Arguments) -> int:
    words = arguments.words
    if len(words) == 2 and arguments.get("uri") is not None:
        raise UsageError(f"the argument '{URI.shown}' cannot be used with '{URI_OPTION.shown}'")
    typed = words[0] if len(words) == 2 else arguments.get("uri")
    limit, token = whole_number(arguments, _PAGE_LIMIT), arguments.get("page-token")
    filters = _filters(arguments)
    with open_graph(resolve(Workspace(arguments), typed)) as graph:
        page = graph.commit_changes(words[-1], limit=limit, page_token=token, **filters)
        if arguments.flag("json"):
            from msgspec.structs import replace

            from omnigraph.wire.encoding import pretty

            changes = page.changes
            while token is None and page.next_page_token:
                page = graph.commit_changes(words[-1], limit=limit, page_token=page.next_page_token, **filters)
                changes = changes + page.changes
            write_bytes(pretty(replace(page, changes=changes)))
            return 0
        write_text(f"commit {page.cause.graph_commit_id} on {page.cause.authored_branch}")
        while True:
            _write_changes(page.changes, "")
            if token is not None or not page.next_page_token:
                break
            page = graph.commit_changes(words[-1], limit=limit, page_token=page.next_page_token, **filters)
    if page.next_page_token:
        write_text(f"next_page_token: {page.next_page_token}")
    return 0


def _poll(arguments: Arguments) -> int:
    limit, workspace = whole_number(arguments, _PAGE_LIMIT), Workspace(arguments)
    branch, filters = workspace.branch(), _filters(arguments)
    blocks: list[ChangeBlock] = []
    with open_graph(resolve(workspace, typed_address(arguments))) as graph:
        page = graph.changes(branch, cursor=arguments.get("cursor"), start=arguments.get("start"), limit=limit, **filters)
        while True:
            blocks += page.blocks
            if not page.next_page_token:
                break
            page = graph.changes(branch, page_token=page.next_page_token, limit=limit, **filters)
    blocks = _joined(blocks)
    if arguments.flag("json"):
        from msgspec.structs import replace

        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(replace(page, blocks=blocks)))
        return 0
    for block in blocks:
        actor = f" by {block.cause.actor_id}" if block.cause.actor_id else ""
        write_text(f"commit {block.cause.graph_commit_id} on {block.cause.authored_branch}{actor}")
        _write_changes(block.changes, "  ")
    if not blocks:
        write_text("(no new commits)")
    write_text(f"cursor: {page.cursor}\ncaught_up: {'true' if page.caught_up else 'false'}")
    return 0


def _joined(blocks: Sequence[ChangeBlock]) -> list[ChangeBlock]:
    """Put the pieces together into which pages cut the changes of one commit."""
    from msgspec.structs import replace

    found: list[ChangeBlock] = []
    for block in blocks:
        if found and found[-1].cause.graph_commit_id == block.cause.graph_commit_id:
            found[-1] = replace(found[-1], changes=found[-1].changes + block.changes)
        else:
            found.append(block)
    return found


def _write_changes(changes: Sequence[RowChange], indent: str) -> None:
    for change in changes:
        lines = [f"{indent}{change.op} {change.kind} {change.type.name} {change.id}"]
        lines += _image_lines(change.before or None, change.after or None, f"{indent}    ")
        write_text("\n".join(lines))


def _baseline(arguments: Arguments) -> int:
    workspace, out = Workspace(arguments), arguments.required("out")
    with _locked(Path(f"{out}.lock")), open_graph(resolve(workspace, typed_address(arguments))) as graph:
        made = graph.baseline(workspace.branch(), **_filters(arguments))
        _write_durably(Path(out), made.chunks)
        info = made.info
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(info))
    else:
        write_text(f"snapshot: {out}\nsnapshot_commit_id: {info.snapshot_commit_id}\nresume_cursor: {info.resume_cursor}")
    return 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file while two runs must not write the same baseline."""
    import fcntl

    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"io: '{path}' is locked: another baseline is being written", hint="wait for it") from None
        yield


def _write_durably(path: Path, chunks: Iterator[bytes]) -> None:
    """Write a file under another name and put it in its place when all of it is on the disk."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- blame -------------------------------------------------------------------------------------------------------------


def _blame(arguments: Arguments) -> int:
    workspace, snapshot = Workspace(arguments), arguments.get("snapshot")
    branch = None if snapshot is not None else workspace.branch()
    with open_graph(resolve(workspace, typed_address(arguments, 2))) as graph:
        found = graph.blame(*arguments.words[:2], branch=branch, snapshot=snapshot, at=arguments.get("at"))
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(found))
        return 0
    from omnigraph.language.temporal import format_datetime

    rows = [
        (line.graph_commit_id, str(format_datetime(line.created_at // 1000)), line.branch, line.actor_id or "-", line.property)
        for line in found.properties
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, line in zip(rows, found.properties, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
        write_text(f"{cells}  {line.property}: {_shown({line.property: line.value}, line.property)}")
    return 0


DIFF = Command(
    run=_diff,
    options=(
        *GRAPH_OPTIONS,
        *_FILTERS,
        Option("id", "Only the row of this id", value="ID", repeats=True),
        Option("stat", "Only how many rows differ, by type"),
        _LIMIT,
        Option("format", "Form of the output", value="FORMAT", choices=("text", "json", "jsonl")),
        JSON_OPTION,
    ),
    positionals=(
        Positional("FROM", "Branch, commit, or <branch>@<version or time>, with ~N for N commits before it", required=True),
        Positional("TO", "The same; the default branch unless given"),
        Positional("URI", "Address of the graph", hidden=True),
    ),
    exclusive=(("format", "json"),),
)
COMMIT_CHANGES = Command(
    run=_commit_changes,
    options=(
        *GRAPH_OPTIONS,
        *_FILTERS,
        _PAGE_LIMIT,
        Option("page-token", "Print the one page that begins there", value="TOKEN"),
        JSON_OPTION,
    ),
    positionals=(
        Positional("COMMIT_ID", "Id of the commit; the address of the graph may stand before it", required=True),
        Positional("COMMIT_ID", "Id of the commit, after an address", hidden=True),
    ),
)
POLL = Command(
    run=_poll,
    options=(
        *GRAPH_OPTIONS,
        *_FILTERS,
        Option("branch", "Branch whose changes to read", value="BRANCH"),
        Option("cursor", "Where to go on", value="CURSOR"),
        Option("start", "Where to begin: now (the default), beginning or after:<commit id>", value="START"),
        _PAGE_LIMIT,
        JSON_OPTION,
    ),
    positionals=(URI,),
    exclusive=(("cursor", "start"),),
)
BASELINE = Command(
    run=_baseline,
    options=(
        *GRAPH_OPTIONS,
        *_FILTERS,
        Option("branch", "Branch to take the baseline of", value="BRANCH"),
        Option("out", "File to write", value="PATH", required=True, any_bytes=True),
        JSON_OPTION,
    ),
    positionals=(URI,),
)
BLAME = Command(
    run=_blame,
    options=(
        *GRAPH_OPTIONS,
        Option("branch", "Branch to look at", value="BRANCH"),
        SNAPSHOT_OPTION,
        AT_OPTION,
        JSON_OPTION,
    ),
    positionals=(
        Positional("TYPE", "Name of the type, or its key such as edge:Knows", required=True),
        Positional("ID", "Id of the row", required=True),
        Positional("URI", "Address of the graph", hidden=True),
    ),
    exclusive=READ_EXCLUSIONS,
)
