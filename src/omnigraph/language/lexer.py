"""Tokens of both languages.

One compiled pattern cuts a text into token texts in a single call, and nothing else is computed: the first character of
a token says what it is, and syntax trees refer to tokens by their number. Places in the text (offsets, lines, columns)
are worked out when an error or a formatter asks for them.
"""

from __future__ import annotations

import re

from omnigraph.errors import ParseError, Span
from omnigraph.language import limits

_PIECE = re.compile(
    r"""
    [ \t\r\n]*+(
        [A-Za-z_][A-Za-z0-9_]*+                             # a word
      | \$[a-z_][A-Za-z0-9_]*+                              # a variable
      | [0-9]++(?:\.[0-9][0-9A-Za-z_]*+|[0-9A-Za-z_]*+)     # a number, or a word that begins with a digit
      | "[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?)                 # a string; only the last token can lack its end
      | //[^\n]*+ | /\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?    # a comment; the same
      | \.\. | -> | [<>!]= | . | \Z
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPED = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz_")
_UPPER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset("0123456789")


def is_identifier(text: str) -> bool:
    """Tell whether a token is an identifier (a word that begins with a lower-case letter or ``_``)."""
    return text[:1] in _LOWER


def is_type_name(text: str) -> bool:
    """Tell whether a token is a type name (a word that begins with an upper-case letter)."""
    return text[:1] in _UPPER


def is_number(text: str) -> bool:
    """Tell whether a token begins like a number; ``2fa`` does too."""
    return text[:1] in _DIGITS


class Tokens:
    """The tokens of one text, without comments.

    ``texts`` ends with empty strings: the end of the file, and a cushion for looking ahead.
    """

    __slots__ = ("_comments", "_offsets", "source", "texts")

    def __init__(self, source: str, texts: list[str]) -> None:
        self.source = source
        self.texts = texts
        self._offsets: list[int] | None = None
        self._comments: list[tuple[int, str]] = []

    @property
    def offsets(self) -> list[int]:
        """The offset of each token in characters, the end of the file included."""
        if self._offsets is None:
            offsets: list[int] = []
            comments: list[tuple[int, str]] = []
            for match in _PIECE.finditer(self.source):
                text = match[1]
                if text.startswith(("//", "/*")):
                    comments.append((match.start(1), text))
                else:
                    offsets.append(match.start(1))
                    if not text:
                        break
            self._offsets, self._comments = offsets, comments
        return self._offsets

    @property
    def comments(self) -> list[tuple[int, str]]:
        """Offset and text of every comment, in order: what a formatter has to keep."""
        _ = self.offsets
        return self._comments

    def span(self, first: int, end: int | None = None) -> Span:
        """Return the place of token ``first``, or of the tokens from ``first`` up to ``end`` without it."""
        offsets = self.offsets
        first = min(first, len(offsets) - 1)
        last = first if end is None else min(max(end - 1, first), len(offsets) - 1)
        start = offsets[first]
        stop = offsets[last] + (len(self.texts[last]) or 1)
        source = self.source
        line = source.count("\n", 0, start) + 1
        column = start - (source.rfind("\n", 0, start) + 1) + 1
        before = start if source.isascii() else len(source[:start].encode())
        width = stop - start if source.isascii() else len(source[start:stop].encode()) + max(0, stop - len(source))
        return Span(before, before + width, line, column)

    def error(self, problem: str, token: int) -> ParseError:
        """Make the syntax error for a token: its place, its line with a caret, and the problem."""
        span = self.span(token)
        start = self.source.rfind("\n", 0, self.offsets[min(token, len(self.offsets) - 1)]) + 1
        stop = self.source.find("\n", start)
        line = self.source[start : len(self.source) if stop < 0 else stop]
        column = span.column - 1
        width = limits.ERROR_EXCERPT_LENGTH_MAX
        if len(line) > width:
            cut = max(0, min(column - width // 2, len(line) - width))
            line, column = line[cut : cut + width], column - cut
        line = "".join(character if character.isprintable() else " " for character in line)
        margin = " " * len(str(span.line))
        return ParseError(
            f"parse error: {span.line}:{span.column}: {problem}\n{margin} |\n{span.line} | {line}\n{margin} | {' ' * column}^",
            span=span,
        )


def tokenize(source: str) -> Tokens:
    """Cut a text into tokens.

    Raises ParseError for a text that is too long, is no valid Unicode, holds a NUL, or ends inside a string or comment.
    A character that begins no token becomes a token of its own, which no rule of the grammar accepts.
    """
    _admit_text(source)
    texts = _PIECE.findall(source)
    if "//" in source or "/*" in source:
        last = next((text for text in reversed(texts) if text), "")
        if last.startswith("/*") and (len(last) < 4 or not last.endswith("*/")):
            raise _unterminated_comment(source, len(source) - len(last))
        texts = [text for text in texts if text[:2] not in ("//", "/*")]
    while len(texts) > 1 and not texts[-1]:
        texts.pop()
    tokens = Tokens(source, texts)
    if texts and texts[-1][:1] == '"' and not _STRING.fullmatch(texts[-1]):
        if texts[-1].endswith("\\"):
            raise tokens.error("unterminated escape sequence", len(texts) - 1)
        raise tokens.error('unterminated string: expected `"`', len(texts) - 1)
    texts.extend(("", "", "", ""))
    return tokens


def decode_source(data: bytes) -> str:
    """Return the text of a source file. Raises ParseError when it is not UTF-8; a byte order mark is dropped."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParseError(
            f"parse error: the source is not valid UTF-8 (byte {error.start}, line {line})",
            hint="save the file as UTF-8",
        ) from None


def unescape(token: str) -> str:
    """Return the text that a string token means.

    Raises ValueError, with the sentence of the specification, for an escape that does not exist.
    """
    body = token[1:-1]
    return _ESCAPE.sub(_replace_escape, body) if "\\" in body else body


def _replace_escape(match: re.Match[str]) -> str:
    meaning = _ESCAPED.get(match[1])
    if meaning is None:
        raise ValueError(f"unsupported escape sequence: \\{match[1]}")
    return meaning


def quote(text: str) -> str:
    """Return the string token that means ``text``."""
    for meaning, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(meaning, escape)
    return f'"{text}"'


def plain_decimal(text: str) -> str:
    """Rewrite a float's digits without exponent and with digits on both sides of the point, as the grammars need them.

    ``1.5e-07`` becomes ``0.00000015``, ``2e+20`` becomes ``200000000000000000000.0``.
    """
    mantissa, _, exponent = text.partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).ljust(point, "0")
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point]}.{digits[point:] or '0'}"


def _admit_text(source: str) -> None:
    if len(source) > limits.SOURCE_SIZE_BYTES_MAX:
        raise _too_long(len(source))
    if not source.isascii():
        try:
            size = len(source.encode())
        except UnicodeEncodeError as error:
            raise ParseError("parse error: the source is not valid Unicode (a lone surrogate)") from error
        if size > limits.SOURCE_SIZE_BYTES_MAX:
            raise _too_long(size)
    nul = source.find("\0")
    if nul >= 0:
        line = source.count("\n", 0, nul) + 1
        column = nul - source.rfind("\n", 0, nul)
        offset = len(source[:nul].encode())
        raise ParseError(
            f"parse error: {line}:{column}: the source holds a NUL character",
            span=Span(offset, offset + 1, line, column),
        )


def _too_long(size: int) -> ParseError:
    return ParseError(f"parse error: the source is too long: {size} bytes, at most {limits.SOURCE_SIZE_BYTES_MAX} are read")


def _unterminated_comment(source: str, offset: int) -> ParseError:
    line = source.count("\n", 0, offset) + 1
    column = offset - source.rfind("\n", 0, offset)
    start = len(source[:offset].encode())
    return ParseError(
        f"parse error: {line}:{column}: unterminated comment: expected `*/`",
        span=Span(start, len(source.encode()), line, column),
    )
