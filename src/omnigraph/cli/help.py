"""Help texts and usage lines, made from the grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omnigraph.cli.commands import GLOBAL_OPTIONS, PLANES, PROGRAM, Entry
from omnigraph.cli.grammar import HELP, VERSION, Command, Option, Positional


def usage(path: Sequence[Entry]) -> str:
    """Return the line that starts ``Usage:`` for the command or group at the end of ``path``."""
    words = " ".join(entry.name for entry in path)
    if path[-1].children:
        return f"Usage: {words} [OPTIONS] <COMMAND>"
    command = path[-1].command()
    required = [option.shown for option in command.options if option.required]
    positionals = [positional.shown for positional in command.positionals if not positional.hidden]
    return " ".join(["Usage:", words, "[OPTIONS]", *required, *positionals])


def page(path: Sequence[Entry]) -> str:
    """Return the whole help text for the program, a group or a command."""
    entry = path[-1]
    parts = [entry.summary, usage(path)]
    if entry.children:
        parts.append(_commands(entry))
        parts.append(_options((*GLOBAL_OPTIONS, HELP, VERSION) if entry is PROGRAM else (*GLOBAL_OPTIONS, HELP)))
    else:
        command = entry.command()
        parts += _positionals(command)
        parts.append(_options((*command.options, *GLOBAL_OPTIONS, HELP)))
    if entry is PROGRAM:
        parts.append(_legend())
    return "\n\n".join(parts) + "\n"


def _commands(entry: Entry) -> str:
    rows = []
    for child in entry.children:
        if not child.hidden:
            aliases = f" [aliases: {', '.join(child.aliases)}]" if child.aliases else ""
            rows.append((child.name, child.summary + aliases))
    if entry is PROGRAM:
        rows.append(("help", "Print this message or the help of the given subcommand(s)"))
    return "Commands:\n" + _columns(rows)


def _positionals(command: Command) -> Iterator[str]:
    rows: list[tuple[str, str]] = [_row(positional) for positional in command.positionals if not positional.hidden]
    if rows:
        yield "Arguments:\n" + _columns(rows)


def _row(positional: Positional) -> tuple[str, str]:
    return positional.shown, positional.help


def _options(options: Sequence[Option]) -> str:
    rows = []
    for option in options:
        if option.hidden:
            continue
        short = f"-{option.short}, " if option.short is not None else "    "
        text = option.help
        if option.choices:
            text += f" [possible values: {', '.join(option.choices)}]"
        if option.repeats:
            text += " (may be repeated)"
        rows.append((short + option.shown, text))
    return "Options:\n" + _columns(rows)


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left.ljust(width)}  {right}".rstrip() for left, right in rows)


def _legend() -> str:
    lines = ["COMMANDS BY PLANE:"]
    for plane in PLANES:
        names = [name for entry in PROGRAM.children if not entry.hidden for name in _names_in(entry, plane)]
        if names:
            lines.append(f"  {plane.capitalize()} — {', '.join(names)}")
    return "\n".join(lines)


def _names_in(entry: Entry, plane: str) -> list[str]:
    """Name what of ``entry`` belongs to ``plane``: a whole group by one word, else its commands by two."""
    if not entry.children:
        return [entry.name] if entry.plane == plane else []
    inside = [child for child in entry.children if child.plane == plane]
    if len(inside) == len(entry.children):
        return [entry.name]
    return [f"{entry.name} {child.name}" for child in inside]
