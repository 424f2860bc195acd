"""Names of branches: what is allowed."""

from __future__ import annotations

from typing import Final

from omnigraph.errors import BadRequest
from omnigraph.storage.record import MAIN

RESERVED: Final = "__schema_apply_lock__"
ESCAPED_BYTES_MAX: Final = 240
_PUNCTUATION = frozenset("._-")


def valid_branch_name(name: str) -> str:
    """Return a name with surrounding white space removed. Raises BadRequest."""
    name = name.strip()
    if not name:
        raise BadRequest("branch name cannot be empty", hint="name a branch, such as main")
    why = _reason(name)
    if why is not None:
        raise BadRequest(f"invalid branch name '{name}': {why}", hint="use letters, digits, '.', '-', '_' and '/' between them")
    return name


def refuse_reserved(operation: str, name: str) -> None:
    """Refuse the one name that is the engine's own."""
    if name == RESERVED:
        raise BadRequest(f"{operation} does not allow internal system ref '{name}'", hint="name another branch")


def _reason(name: str) -> str | None:
    escaped_bytes = sum(1 if byte < 128 and (chr(byte).isalnum() or chr(byte) in _PUNCTUATION) else 3 for byte in name.encode())
    if escaped_bytes > ESCAPED_BYTES_MAX:
        return f"it is longer than {ESCAPED_BYTES_MAX} bytes in escaped form"
    if "\\" in name:
        return "it holds a backslash"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "it has an empty segment"
    if ".." in name:
        return "it holds '..'"
    if name.endswith(".lock"):
        return "it ends with '.lock'"
    for letter in name:
        if letter != "/" and letter not in _PUNCTUATION and not letter.isalnum():
            return f"it holds {letter!r}"
    return None


def distinct_branches(source: str, into: str | None) -> tuple[str, str]:
    """Return the names of the two branches of a merge; the target defaults to main. Raises BadRequest."""
    source, target = source.strip(), MAIN if into is None else into.strip()
    if RESERVED in (source, target):
        raise BadRequest(f"branch_merge does not allow internal system refs ('{source}' -> '{target}')")
    if source == target:
        raise BadRequest("branch_merge requires distinct source and target branches", hint="name the branch to merge from")
    return source, target


def name_of(branch: str | None) -> str:
    """Return the name of a branch; none is main."""
    return MAIN if branch is None else branch.strip()
