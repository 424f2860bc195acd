"""The proof that a formatted text means what its source meant."""

from __future__ import annotations

from msgspec import Struct

from omnigraph.errors import OmnigraphError
from omnigraph.language.lexer import Tokens

_PLACES = frozenset(("at", "end", "tokens"))


def prove(before: object, after: object, source: Tokens, result: Tokens) -> None:
    """Check that two trees differ in places only, and that every comment of the source stands in the result.

    Raises OmnigraphError, which asks for a report: nothing in a source can be at fault.
    """
    if _same(before, after) and _comments(source) == _comments(result):
        return
    raise OmnigraphError(
        "the formatter would have changed the meaning of this text, so it was left alone",
        hint="report this with the text; nothing was written",
    )


def _same(left: object, right: object) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, Struct):
        names = (name for name in left.__struct_fields__ if name not in _PLACES)
        return all(_same(getattr(left, name), getattr(right, name)) for name in names)
    if isinstance(left, tuple):
        assert isinstance(right, tuple)
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


def _comments(tokens: Tokens) -> list[str]:
    return [comment_text(text) for _, text in tokens.comments]


def comment_text(text: str) -> str:
    """Return a comment without the white space at its end, which a line comment does not own."""
    return text.rstrip() if text.startswith("//") else text
