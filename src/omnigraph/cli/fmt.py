"""``omnigraph fmt``: schemas and query files in the one layout."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

from omnigraph.cli.files import STANDARD_INPUT, unreadable
from omnigraph.cli.grammar import Arguments, Command, Option, Positional
from omnigraph.cli.streams import note, write_bytes, write_text
from omnigraph.errors import InvalidSetting, OmnigraphError


def _fmt(arguments: Arguments) -> int:
    """Format every file that can be; one that cannot is told of, and does not keep the others from it."""
    check = arguments.flag("check")
    failed = changed = False
    for path in arguments.words:
        try:
            differs = _format_file(path, check=check)
        except OmnigraphError as error:
            note(f"Error: {path}: {error.message}" + ("" if error.hint is None else f"\nhint: {error.hint}"))
            failed = True
            continue
        if differs and (check or path != STANDARD_INPUT):
            write_text(path if check else f"formatted {path}")
        changed = changed or differs
    return 1 if failed or (check and changed) else 0


def _format_file(path: str, *, check: bool) -> bool:
    """Format one file, unless it is only to be checked; return whether its text is another now."""
    data = _read(path)
    text = _formatted(path, data)
    differs = text != data
    if path == STANDARD_INPUT and not check:
        write_bytes(text)
    elif differs and not check:
        _replace(path, text)
    return differs


def _formatted(path: str, data: bytes) -> bytes:
    from omnigraph.language import decode_source, format_queries, format_schema
    from omnigraph.language.lexer import tokenize

    source = decode_source(data)
    suffix = Path(path).suffix
    if suffix in (".gq", ".pg"):
        is_query = suffix == ".gq"
    else:
        is_query = tokenize(source).texts[0] == "query"
    return (format_queries(source) if is_query else format_schema(source)).encode()


def _read(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def _replace(path: str, data: bytes) -> None:
    """Put a new text in the place of a file at once: whoever reads it meanwhile sees the old one or the new one.

    A symbolic link stays one; the file keeps its permissions.
    """
    target = Path(path).resolve()
    sibling: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        sibling = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            file.flush()
            os.fsync(file.fileno())
        sibling.replace(target)
    except OSError as error:
        if sibling is not None:
            sibling.unlink(missing_ok=True)
        raise InvalidSetting(f"could not write '{path}': {error.strerror or error}") from None


FMT = Command(
    run=_fmt,
    options=(Option("check", "List the files that would change and change none; exit with 1 if there are any"),),
    positionals=(Positional("FILES", "Schemas (.pg) and query files (.gq); - is standard input", required=True, repeats=True),),
)
