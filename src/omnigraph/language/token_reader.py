"""What both parsers share: a cursor over tokens, and the literals."""

from __future__ import annotations

from omnigraph.errors import ParseError
from omnigraph.language import limits
from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import Tokens, is_identifier, is_number, is_type_name, unescape

SCALARS = {scalar.value: scalar for scalar in Scalar if scalar is not Scalar.VECTOR}
INTEGER_TOO_LARGE = "invalid integer: number too large to fit in target type"


class TokenReader:
    """A cursor over the tokens of one text. ``position`` is the number of the next token."""

    __slots__ = ("position", "texts", "tokens")

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.texts = tokens.texts
        self.position = 0

    def unexpected(self, expected: str, at: int | None = None) -> ParseError:
        """Make the syntax error for a token that is not what the grammar asks for."""
        position = self.position if at is None else at
        found = self.texts[position]
        if not found:
            what = "the end of the file"
        elif len(found) > 40:
            what = f"`{found[:40]}…`"
        else:
            what = f"`{found}`"
        return self.tokens.error(f"expected {expected}, found {what}", position)

    def refusal(self, problem: str) -> ParseError:
        """Make a semantic error of the syntax stage; like all of them it carries no span."""
        return ParseError(f"parse error: {problem}")

    def expect(self, text: str) -> None:
        """Step over a token that must be there."""
        if self.texts[self.position] != text:
            raise self.unexpected(f"`{text}`")
        self.position += 1

    def accept(self, text: str) -> bool:
        """Step over a token if it is there."""
        if self.texts[self.position] == text:
            self.position += 1
            return True
        return False

    def identifier(self, what: str = "a name that begins with a lower-case letter or `_`") -> str:
        text = self.texts[self.position]
        if not is_identifier(text):
            raise self.unexpected(what)
        self.position += 1
        return text

    def type_name(self, what: str = "a type name (it begins with an upper-case letter)") -> str:
        text = self.texts[self.position]
        if not is_type_name(text):
            raise self.unexpected(what)
        self.position += 1
        return text

    def string(self) -> str:
        """Read a string token and return what it means."""
        text = self.texts[self.position]
        if text[:1] != '"':
            raise self.unexpected("a string")
        try:
            meaning = unescape(text)
        except ValueError as error:
            raise self.tokens.error(str(error), self.position) from None
        self.position += 1
        return meaning

    def integer(self, what: str = "an integer") -> int:
        """Read an unsigned integer of at most 64 bits, signed."""
        return self.bounded_integer(what, limits.INTEGER_MAX)

    def bounded_integer(self, what: str, maximum: int) -> int:
        text = self.texts[self.position]
        if not is_number(text) or not text.isdigit():
            raise self.unexpected(what)
        digits = text.lstrip("0") or "0"
        # Python refuses to convert thousands of digits, so the length is looked at first.
        if len(digits) > 20 or int(digits) > maximum:
            raise self.tokens.error(INTEGER_TOO_LARGE, self.position)
        self.position += 1
        return int(digits)

    def number(self) -> int | float:
        """Read an integer or a float with an optional sign."""
        negative = self.accept("-")
        text = self.texts[self.position]
        if not is_number(text):
            raise self.unexpected("a number")
        if "." not in text:
            value = self.bounded_integer("a number", limits.INTEGER_MAX + negative)
            return -value if negative else value
        whole, _, fraction = text.partition(".")
        if not (whole.isdigit() and fraction.isdigit()):
            raise self.unexpected("a number")
        number = float(text)
        if number == float("inf"):
            raise self.tokens.error("invalid float: number too large to fit in target type", self.position)
        self.position += 1
        return -number if negative else number

    def vector_dimension(self) -> int:
        """Read ``(n)`` behind ``Vector``."""
        self.expect("(")
        position = self.position
        text = self.texts[position]
        if not is_number(text) or not text.isdigit():
            raise self.unexpected("the dimension of the vector")
        digits = text.lstrip("0") or "0"
        if len(digits) > 10 or int(digits) > 2**32 - 1:
            raise self.refusal("invalid Vector dimension: number too large to fit in target type")
        dimension = int(digits)
        if dimension == 0:
            raise self.refusal("Vector dimension must be greater than zero")
        if dimension > limits.VECTOR_DIMENSION_MAX:
            raise self.refusal(f"Vector dimension {dimension} exceeds maximum supported {limits.VECTOR_DIMENSION_MAX}")
        self.position = position + 1
        self.expect(")")
        return dimension
