"""Deprecated spellings, recognised on the raw words before any parsing."""

from __future__ import annotations

from collections.abc import Sequence

from omnigraph.cli.commands import GLOBAL_OPTIONS

_INGEST_WARNING = (
    "warning: `omnigraph ingest` is deprecated and will be removed in a future release; use "
    "`omnigraph load --from <base> --mode <mode>` (ingest defaults: --from main --mode merge)"
)
_EXPORT_WARNING = "warning: --jsonl is deprecated; `omnigraph export` always emits JSONL"

# The typed words and the canonical ones; a longer spelling stands before a shorter one.
_SPELLINGS = (
    (("query", "lint"), "lint"),
    (("query", "check"), "lint"),
    (("read",), "query"),
    (("change",), "mutate"),
    (("check",), "lint"),
)


def canonical(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Rewrite a deprecated spelling; return the words to parse and the warning to print, if any."""
    first = _after_global_options(words)
    typed = tuple(words[first:])
    for spelling, name in _SPELLINGS:
        if typed[: len(spelling)] == spelling:
            warning = f"warning: `omnigraph {' '.join(spelling)}` is deprecated; use `omnigraph {name}` instead"
            return [*words[:first], name, *typed[len(spelling) :]], warning
    if typed[:2] == ("commit", "list") and not _names_server(words):
        # `--graph` names a graph of a server everywhere else; without a server there is none to name.
        separator = typed.index("--") if "--" in typed else len(typed)
        drawn = ["--draw" if word == "--graph" else word for word in typed[:separator]]
        return [*words[:first], *drawn, *typed[separator:]], None
    if typed[:1] == ("ingest",):
        return list(words), _INGEST_WARNING
    if typed[:1] == ("export",) and "--jsonl" in _before_separator(typed):
        return list(words), _EXPORT_WARNING
    return list(words), None


def _names_server(words: Sequence[str]) -> bool:
    return any(word.partition("=")[0] == "--server" for word in _before_separator(words))


def _after_global_options(words: Sequence[str]) -> int:
    taking_value = {f"--{option.name}" for option in GLOBAL_OPTIONS if option.value is not None}
    flags = {f"--{option.name}" for option in GLOBAL_OPTIONS if option.value is None}
    position = 0
    while position < len(words):
        name, separator, _ = words[position].partition("=")
        if name in flags or (name in taking_value and separator):
            position += 1
        elif name in taking_value:
            position += 2
        else:
            break
    return min(position, len(words))


def _before_separator(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words
