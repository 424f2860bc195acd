"""Admission of ``@check`` patterns.

A pattern is run by RE2, whose time is linear in the text for every pattern, so no input can hang a write. This module
decides when a schema is admitted whether RE2 will take the pattern: it parses RE2's own syntax
(https://github.com/google/re2/wiki/Syntax), which is Perl's without look-around and back-references, and estimates the
size of the compiled automaton, for which RE2 has a budget. What it admits, RE2 compiles; the text is passed on unchanged.
"""

from __future__ import annotations

from omnigraph.language import limits

_ASCII_CLASSES = frozenset(
    (
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit",
    )
)  # fmt: skip
_CATEGORIES = frozenset(
    (
        "Any", "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl",
        "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
    )
)  # fmt: skip
_SCRIPTS = frozenset(
    (
        "Arabic", "Armenian", "Bengali", "Bopomofo", "Braille", "Cherokee", "Common", "Coptic", "Cyrillic",
        "Devanagari", "Ethiopic", "Georgian", "Greek", "Gujarati", "Gurmukhi", "Han", "Hangul", "Hebrew", "Hiragana",
        "Inherited", "Kannada", "Katakana", "Khmer", "Lao", "Latin", "Malayalam", "Mongolian", "Myanmar", "Oriya",
        "Runic", "Sinhala", "Syriac", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan",
    )
)  # fmt: skip
_PERL_CLASSES = frozenset("dDsSwW")
_CONTROL_ESCAPES = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_ASSERTIONS = frozenset("AzbB")
_FLAGS = frozenset("imsU")

# Estimated states: any character, an ASCII class, a class with characters beyond ASCII, a Unicode category.
_STATES_ANY = 12
_STATES_RANGE = 2
_STATES_WIDE_RANGE = 12
_STATES_CATEGORY = 1200


class PatternError(ValueError):
    """A pattern that RE2 would not take; the message says why."""


def check_pattern(pattern: str) -> None:
    """Check that a pattern is of RE2's syntax and size. Raises PatternError."""
    if len(pattern) > limits.PATTERN_SIZE_MAX:
        raise PatternError(f"the pattern is too long: {len(pattern)} characters, at most {limits.PATTERN_SIZE_MAX}")
    states, _ = _PatternParser(pattern).alternatives(0)
    if states > limits.PATTERN_STATES_MAX:
        raise PatternError("the pattern is too large")


class _PatternParser:
    """Recursive descent. Every rule returns the estimated states and the product of nested repetition counts."""

    __slots__ = ("names", "position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.names: set[str] = set()

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def alternatives(self, depth: int) -> tuple[int, int]:
        if depth > limits.PATTERN_NESTING_MAX:
            raise PatternError("groups are nested too deeply")
        states, repeats = self.sequence(depth)
        while self.peek() == "|":
            self.position += 1
            more, product = self.sequence(depth)
            states, repeats = states + more + 1, max(repeats, product)
        if depth == 0 and self.peek() == ")":
            raise PatternError("unexpected )")
        return states, repeats

    def sequence(self, depth: int) -> tuple[int, int]:
        states, repeats = 1, 1
        while (character := self.peek()) and character not in "|)":
            more, product = self.repetition(depth)
            states, repeats = states + more, max(repeats, product)
        return states, repeats

    def repetition(self, depth: int) -> tuple[int, int]:
        if self.peek() in "*+?":
            raise PatternError(f"missing argument to repetition operator: {self.peek()}")
        counted_first = self.counted() if self.peek() == "{" else None
        if counted_first is not None:
            raise PatternError("missing argument to repetition operator: {")
        states, repeats = self.atom(depth)
        if states == 0 and (self.peek() in tuple("*+?") or (self.peek() == "{" and self.counted() is not None)):
            raise PatternError("missing argument to repetition operator")
        repeated: int | None = None
        while (character := self.peek()) and character in "*+?{":
            count = 1
            start = self.position
            if character == "{":
                bounds = self.counted()
                if bounds is None:
                    break  # a brace that begins no count is an ordinary character
                count = max(bounds[0], 1 if bounds[1] is None else bounds[1], 1)
            else:
                self.position += 1
            if repeated is not None:
                raise PatternError(f"bad repetition operator: {self.text[repeated : self.position]}")
            if self.peek() == "?":
                self.position += 1  # not greedy
            repeats *= count
            if repeats > limits.PATTERN_REPEAT_MAX:
                raise PatternError(f"a repetition counts beyond {limits.PATTERN_REPEAT_MAX}")
            states = states * count + count + 1
            repeated = start
        return states, repeats

    def counted(self) -> tuple[int, int | None] | None:
        """Read ``{n}``, ``{n,}`` or ``{n,m}``; None, and no step, if the brace means itself."""
        text, position = self.text, self.position + 1
        first, position = self.digits(position)
        if first is None:
            return None
        last: int | None = first
        if text[position : position + 1] == ",":
            last, position = self.digits(position + 1)
        if text[position : position + 1] != "}":
            return None
        self.position = position + 1
        if first > limits.PATTERN_REPEAT_MAX or (last is not None and not first <= last <= limits.PATTERN_REPEAT_MAX):
            raise PatternError(f"invalid repetition size: {text[text.rfind('{', 0, position) : position + 1]}")
        return first, last

    def digits(self, position: int) -> tuple[int | None, int]:
        end = position
        while self.text[end : end + 1] in _DIGIT_CHARACTERS and end < len(self.text):
            end += 1
        if end == position:
            return None, position
        digits = self.text[position:end].lstrip("0") or "0"
        return (int(digits) if len(digits) < 6 else 99_999), end

    def atom(self, depth: int) -> tuple[int, int]:
        character = self.peek()
        self.position += 1
        if character == "(":
            return self.group(depth)
        if character == "[":
            return self.character_class(), 1
        if character == "\\":
            return self.escape(), 1
        if character == ".":
            return _STATES_ANY, 1
        return len(character.encode()) * 2, 1

    def group(self, depth: int) -> tuple[int, int]:
        if self.peek() == "?" and self.group_head():
            return 0, 1  # flags alone, such as (?i), are nothing that could be repeated
        inside = self.alternatives(depth + 1)
        if self.peek() != ")":
            raise PatternError("missing )")
        self.position += 1
        return inside[0] + 2, inside[1]

    def group_head(self) -> bool:
        """Read what follows ``(?``; tell whether the group has ended with it."""
        text = self.text
        self.position += 1
        rest = text[self.position : self.position + 2]
        if rest[:1] in ("=", "!") or rest in ("<=", "<!"):
            raise PatternError("look-around is not supported")
        if rest[:1] == ">":
            raise PatternError("atomic groups are not supported")
        if rest == "P<" or rest[:1] == "<":
            self.group_name(2 if rest == "P<" else 1)
            return False
        seen_minus = seen_flag = False
        while True:
            character = self.peek()
            self.position += 1
            if character in _FLAGS:
                seen_flag = True
            elif character == "-" and not seen_minus:
                seen_minus, seen_flag = True, False
            elif character in (":", ")") and (seen_flag or not seen_minus) and (seen_flag or character == ":"):
                return character == ")"
            else:
                raise PatternError(f"invalid group: (?{text[self.position - 1 : self.position]}")

    def group_name(self, skip: int) -> None:
        end = self.text.find(">", self.position)
        name = self.text[self.position + skip : end] if end >= 0 else ""
        if not name.isascii() or not name.replace("_", "a").isalnum():
            raise PatternError("invalid group name")
        if name in self.names:
            raise PatternError(f"duplicate group name: {name}")
        self.names.add(name)
        self.position = end + 1

    def escape(self) -> int:
        """Read what follows a backslash outside a class."""
        character = self.peek()
        if character == "Q":
            end = self.text.find("\\E", self.position + 1)
            quoted = self.text[self.position + 1 : end if end >= 0 else len(self.text)]
            self.position = len(self.text) if end < 0 else end + 2
            return len(quoted.encode()) * 2
        if character in _ASSERTIONS and character:
            self.position += 1
            return 1
        if character in _PERL_CLASSES and character:
            self.position += 1
            return _STATES_ANY
        if character in ("p", "P"):
            return self.category()
        if character == "C":
            raise PatternError("\\C is not supported: texts are Unicode")
        return len(chr(self.code_point()).encode("utf-8", "surrogatepass")) * 2

    def category(self) -> int:
        """Read ``pL``, ``p{Greek}`` and the like."""
        self.position += 1
        name = self.peek()
        self.position += 1
        if name == "{":
            end = self.text.find("}", self.position)
            if end < 0:
                raise PatternError("invalid character class range: \\p{")
            name = self.text[self.position : end].removeprefix("^")
            self.position = end + 1
        if name not in _CATEGORIES and name not in _SCRIPTS:
            raise PatternError(f"unknown character category: \\p{{{name}}}")
        return _STATES_CATEGORY

    def code_point(self) -> int:
        """Read an escaped character, the backslash being behind us."""
        text = self.text
        character = self.peek()
        self.position += 1
        if not character:
            raise PatternError("trailing \\")
        if character in "123456789":
            octal = text[self.position : self.position + 1]
            if character in "1234567" and octal and octal in "01234567":
                return self.octal(character)
            raise PatternError("back-references are not supported")
        if character == "0":
            return self.octal(character)
        if character == "x":
            return self.hexadecimal()
        if character in _CONTROL_ESCAPES:
            return _CONTROL_ESCAPES[character]
        if character.isascii() and not character.isalnum():
            return ord(character)
        raise PatternError(f"invalid escape sequence: \\{character}")

    def octal(self, digits: str) -> int:
        while len(digits) < 3 and self.peek() and self.peek() in "01234567":
            digits += self.peek()
            self.position += 1
        return int(digits, 8)

    def hexadecimal(self) -> int:
        text = self.text
        if self.peek() == "{":
            end = text.find("}", self.position)
            digits = text[self.position + 1 : end] if end >= 0 else ""
            self.position = end + 1
        else:
            digits = text[self.position : self.position + 2]
            if len(digits) < 2:
                digits = ""
            self.position += 2
        if not digits or len(digits) > 8 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raise PatternError("invalid escape sequence: \\x")
        code_point = int(digits, 16)
        if code_point > 0x10FFFF:
            raise PatternError("invalid escape sequence: \\x")
        return code_point

    def character_class(self) -> int:
        """Read a class, its bracket being behind us."""
        states = 2
        if self.peek() == "^":
            self.position += 1
            states += _STATES_ANY
        first = True
        while first or self.peek() != "]":
            if not self.peek():
                raise PatternError("missing closing ]")
            if self.peek() == "-" and not first and self.text[self.position + 1 : self.position + 2] not in ("]", ""):
                raise PatternError("invalid character class range: a hyphen stands first or last")
            first = False
            more = self.named_class()
            states += self.class_range() if more is None else more
        self.position += 1
        return states

    def named_class(self) -> int | None:
        """Read ``[:alpha:]``, ``\\d`` or ``\\pL`` inside a class; None, and no step, if none stands here."""
        text, position = self.text, self.position
        if text.startswith("[:", position):
            end = text.find(":]", position + 2)
            if end >= 0:
                name = text[position + 2 : end].removeprefix("^")
                if name not in _ASCII_CLASSES:
                    raise PatternError(f"invalid character class range: [:{name}:]")
                self.position = end + 2
                return _STATES_ANY
        if self.peek() == "\\":
            follows = text[position + 1 : position + 2]
            if follows and follows in _PERL_CLASSES:
                self.position += 2
                return _STATES_ANY
            if follows in ("p", "P"):
                self.position += 1
                return self.category()
        return None

    def class_range(self) -> int:
        low = self.class_character()
        high = low
        if self.peek() == "-" and self.text[self.position + 1 : self.position + 2] not in ("]", ""):
            self.position += 1
            high = self.class_character()
            if high < low:
                raise PatternError("invalid character class range: its ends are the wrong way round")
        return _STATES_RANGE if high < 128 else _STATES_WIDE_RANGE

    def class_character(self) -> int:
        character = self.peek()
        self.position += 1
        if not character:
            raise PatternError("missing closing ]")
        return self.code_point() if character == "\\" else ord(character)


_DIGIT_CHARACTERS = frozenset("0123456789")
