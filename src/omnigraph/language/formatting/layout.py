"""Lines and groups of tokens, and how they are laid out within a width.

A line is a run of tokens and groups. A group is what stands between two brackets, item by item. A line that fits is written
as one; else its groups are opened, each item on a line of its own, and long runs go on in the next line where a reader
expects it. What fits is decided without regard to the layout of the source, so a second formatting finds nothing to do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal, TypeAlias

from msgspec import Struct

from omnigraph.language.formatting.proof import comment_text
from omnigraph.language.lexer import Tokens

WIDTH = 100
"""Characters of a line, where that can be kept."""

_INDENT = "    "
_BRACKETS = frozenset(("}", ")"))
_CLOSERS = frozenset((")", "]", ",", ".", "?", ":"))
_OPENERS = frozenset(("(", "[", ".", "@"))


Gap = Literal["never", "later", "kept", "made"]
"""Whether an empty line stands in front of a line: never, only behind a comment of its own, as in the source, or always."""


class Group(Struct, frozen=True):
    """Items between the brackets ``open`` and ``close`` (numbers of tokens).

    With ``commas`` a comma stands between items, with ``trailing`` also behind the last one of an open group; commas of the
    source are not part of the items. An ``expanded`` group is always open.
    """

    open: int
    items: tuple[Line, ...]
    close: int
    commas: bool = True
    trailing: bool = False
    expanded: bool = False


class Fold(Struct, frozen=True):
    """A place where the line goes on in the next one, ``depth`` further in."""

    depth: int


Line: TypeAlias = tuple[int | Group | Fold, ...]


class Comment(Struct, frozen=True):
    """A comment. ``alone`` says that no token stands in front of it on its line, ``spaced`` that an empty line does."""

    text: str
    alone: bool
    spaced: bool


class Page:
    """The formatted text while it is written, a token at a time.

    ``glued`` tokens take no space in front; at ``breaks`` a long line may go on in the next one.
    """

    def __init__(self, tokens: Tokens, glued: set[int], breaks: set[int]) -> None:
        self._texts = tokens.texts
        self._glued = glued
        self._breaks = breaks
        self._comments: dict[int, list[Comment]] = {}
        self._spaced: set[int] = set()
        self._read(tokens)
        self._remarked = sorted(self._comments)
        self._lines: list[str] = []
        self._remark_line = -1
        self._current: str | None = None
        self._last = ""
        self._next = 0
        self._depth = self._remark_depth = self._base = 0
        self._gaps: Gap = "never"

    def _read(self, tokens: Tokens) -> None:
        """Find out in front of which token each comment stands, and where the source has empty lines."""
        source, comments = tokens.source, tokens.comments
        end = at = 0
        for token, offset in enumerate(tokens.offsets):
            while at < len(comments) and comments[at][0] < offset:
                start, text = comments[at]
                newlines = source.count("\n", end, start)
                comment = Comment(comment_text(text), newlines > 0 or end == 0, newlines > 1)
                self._comments.setdefault(token, []).append(comment)
                end = start + len(text)
                at += 1
            if source.count("\n", end, offset) > 1:
                self._spaced.add(token)
            end = offset + len(self._texts[token])

    def text(self) -> str:
        """Return the whole text, with the comments behind the last token."""
        self.begin(0, "kept")
        self._lead(len(self._texts) - 1)
        return "".join(f"{line}\n" for line in self._lines)

    # --- tokens ---

    def begin(self, depth: int, gap: Gap = "never", remark_depth: int | None = None) -> None:
        """Start a line. ``remark_depth`` is that of comments in front of it, where it is another."""
        if self._current is not None:
            self._lines.append(self._current)
            self._current = None
        self._depth, self._remark_depth = depth, depth if remark_depth is None else remark_depth
        self._gaps = gap

    def put(self, token: int) -> None:
        """Write a token, and the comments in front of it."""
        if self._current is None:
            self._lead(token)
        else:
            self._interrupt(token)
        text = self._texts[token]
        if self._current is None:
            self._current = _INDENT * self._depth + text
        else:
            self._current += f" {text}" if self._is_spaced(self._last, token) else text
        self._last = text

    def comma(self) -> None:
        assert self._current is not None
        self._current += ","
        self._last = ","

    def _is_spaced(self, last: str, token: int) -> bool:
        return token not in self._glued and self._texts[token] not in _CLOSERS and last not in _OPENERS

    def _pending(self, token: int) -> Iterator[Comment]:
        """Yield the comments in front of a token and of the commas that were left out before it."""
        for number in range(self._next, token + 1):
            yield from self._comments.get(number, ())
        self._next = token + 1

    def _lead(self, token: int) -> None:
        """Write the comments in front of a line, each on a line of its own but for those behind the line before."""
        for comment in self._pending(token):
            if not comment.alone and self._lines and self._remark_line != len(self._lines) - 1:
                self._lines[-1] += f" {comment.text}"
            else:
                self._gap(comment.spaced)
                self._lines.append(_INDENT * self._remark_depth + comment.text)
            self._note(comment)
        if self._texts[token] and self._texts[token] not in _BRACKETS:
            self._gap(token in self._spaced)

    def _gap(self, wanted: bool) -> None:
        if self._lines and (self._gaps == "made" or (self._gaps == "kept" and wanted)):
            self._lines.append("")
        if self._gaps != "never":
            self._gaps = "kept"

    def _note(self, comment: Comment) -> None:
        """Remember that nothing may follow a line comment in its line."""
        if comment.text.startswith("//"):
            self._remark_line = len(self._lines) - 1

    def _interrupt(self, token: int) -> None:
        """Write the comments that stand in the middle of a line; the line goes on behind them, or in the next one."""
        depth = self._base
        for comment in self._pending(token):
            if self._current is not None and not comment.alone:
                self._current += f" {comment.text}"
                if not comment.text.startswith("//"):
                    continue
            if self._current is not None:
                self.begin(depth + 1)
                self._remark_line = len(self._lines) - 1
            if comment.alone or self._remark_line != len(self._lines) - 1:
                self._lines.append(_INDENT * (depth + 1) + comment.text)
                self._note(comment)

    # --- lines ---

    def line(self, line: Line, depth: int, reserve: int = 0) -> None:
        """Write a line that has begun. ``reserve`` is the room for what the caller writes behind it."""
        outer, self._base = self._base, depth
        self._line(line, depth, reserve)
        self._base = outer

    def _line(self, line: Line, depth: int, reserve: int) -> None:
        flat = self.flat(line)
        if flat is not None and self._room(flat) >= reserve:
            for token in _tokens_of(line):
                self.comma() if token is None else self.put(token)
            return
        for place, part in enumerate(line):
            if isinstance(part, Fold):
                self.begin(depth + part.depth)
            elif isinstance(part, int):
                if part in self._breaks and self._current is not None and self._room(self._run(line, place)) < reserve:
                    self.begin(depth + 1)
                self.put(part)
            else:
                closed = self.flat((part,))
                tail = self._run(line, place + 1)
                if closed is not None and self._room(closed + tail) >= reserve:
                    self._line((part,), depth, 0)
                else:
                    self._open(part, depth)

    def _open(self, group: Group, depth: int) -> None:
        self.put(group.open)
        last = len(group.items) - 1
        for number, item in enumerate(group.items):
            self.begin(depth + 1, "kept" if number else "later")
            self.line(item, depth + 1, int(group.commas))
            if group.commas and (number < last or group.trailing):
                self.comma()
        self.begin(depth, "kept", depth + 1)
        self.put(group.close)

    def flat(self, line: Line) -> str | None:
        """Return a line as one, or None when a comment, a line break in a string or an expanded group forbids that."""
        first: int | None = None
        text = last = ""
        final = 0
        for token in _tokens_of(line):
            if token is None:
                text, last = f"{text},", ","
                continue
            if token < 0:
                return None
            first = token if first is None else first
            final = token
            piece = self._texts[token]
            text += f" {piece}" if text and self._is_spaced(last, token) else piece
            last = piece
        if first is None or "\n" in text:
            return None if text else ""
        return None if self._has_comment(first + 1, final) else text

    def fits(self, line: Line, reserve: int = 0) -> bool:
        """Tell whether a line at the margin can be written as one."""
        flat = self.flat(line)
        return flat is not None and len(flat) + reserve <= WIDTH

    def _has_comment(self, first: int, last: int) -> bool:
        at = bisect_left(self._remarked, first)
        return at < len(self._remarked) and self._remarked[at] <= last

    def _room(self, text: str) -> int:
        """Return how many characters are left when a text is written behind the current one."""
        width = len(_INDENT) * self._depth if self._current is None else len(self._current) + 1
        return WIDTH - width - len(text)

    def _run(self, line: Line, place: int) -> str:
        """Return the tokens of a line up to where it may be broken next."""
        text = ""
        for number, part in enumerate(line[place:]):
            if not isinstance(part, int) or (number and part in self._breaks):
                return text + " {" if isinstance(part, Group) else text
            text += f" {self._texts[part]}"
        return text


def _tokens_of(line: Line) -> Iterator[int | None]:
    """Yield the tokens of a closed line; None is a comma that is written, -1 a group that is always open."""
    for part in line:
        if isinstance(part, int):
            yield part
        elif isinstance(part, Group):
            if part.expanded:
                yield -1
            yield part.open
            for number, item in enumerate(part.items):
                if number and part.commas:
                    yield None
                yield from _tokens_of(item)
            yield part.close
