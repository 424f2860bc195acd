"""The argument grammar: what an option is, and how words become values.

The grammar is written here, not taken from a library: its texts are part of the contract (a repeated option, a word with a
hyphen in place of a value, global options on either side of the subcommand), and start-up is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_U32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Option:
    """One ``--name``. Without ``value`` it is a flag; ``value`` is the word that stands for it in help."""

    name: str
    help: str
    value: str | None = None
    short: str | None = None
    choices: tuple[str, ...] = ()
    repeats: bool = False
    required: bool = False
    hidden: bool = False
    any_bytes: bool = False
    """The value is a path or an address: it may hold any bytes, not only UTF-8."""

    @property
    def shown(self) -> str:
        """The form used in messages: ``--mode <MODE>``, ``--json``."""
        return f"--{self.name}" if self.value is None else f"--{self.name} <{self.value}>"


@dataclass(frozen=True, slots=True)
class Positional:
    """One positional argument; ``repeats`` takes all words that are left."""

    name: str
    help: str
    required: bool = False
    repeats: bool = False
    hidden: bool = False

    @property
    def shown(self) -> str:
        """The form used in messages and usage lines."""
        shown = f"<{self.name}>" if self.required else f"[{self.name}]"
        return f"{shown}..." if self.repeats else shown


class UsageError(Exception):
    """The words do not follow the grammar: exit 2. ``details`` are further lines under the phrase."""

    def __init__(self, phrase: str, details: Sequence[str] = ()) -> None:
        super().__init__(phrase)
        self.phrase = phrase
        self.details = tuple(details)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The values of one invocation, by option name, and its positional words."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """Return the value of an option that is given at most once."""
        found = self.values.get(name)
        return found[0] if found else None

    def required(self, name: str) -> str:
        """Return the value of an option that the grammar has made sure of."""
        return self.values[name][0]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of an option that may be repeated."""
        return self.values.get(name, ())

    def flag(self, name: str) -> bool:
        """Whether the flag was given."""
        return name in self.values

    def word(self, position: int) -> str | None:
        """Return a positional word, or ``None`` when there are fewer."""
        return self.words[position] if position < len(self.words) else None


@dataclass(frozen=True, slots=True)
class Command:
    """The grammar of one command and the function that carries it out.

    ``exclusive`` holds groups of options of which at most one may be given; ``needs`` pairs an option with one that it
    requires. ``run`` is given the values and answers with the exit status.
    """

    run: Callable[[Arguments], int]
    options: tuple[Option, ...] = ()
    positionals: tuple[Positional, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    needs: tuple[tuple[str, str], ...] = ()
    refuses_surplus: bool = True
    """Without it the command itself judges words beyond its positionals."""


HELP = Option("help", "Print help", short="h")
VERSION = Option("version", "Print version", short="v")


@dataclass(slots=True)
class Scan:
    """What one pass over the words found; ``asked`` is ``help`` or ``version`` when the pass ended there."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    asked: str | None = None


def scan(words: Sequence[str], options: Sequence[Option], scan: Scan | None = None, *, until_word: bool = False) -> Scan:
    """Sort ``words`` into option values and positional words, adding to an earlier ``scan``.

    With ``until_word`` the first positional word ends the pass and stands first in ``rest``.
    Raises :class:`UsageError` for the first word that does not fit.
    """
    found = scan if scan is not None else Scan()
    found.rest = []
    spellings = {f"--{option.name}": option for option in options}
    spellings |= {f"-{option.short}": option for option in options if option.short is not None}
    position = 0
    while position < len(words) and found.asked is None:
        word = words[position]
        position += 1
        if word == "--":
            (found.rest if until_word else found.words).extend(words[position:])
            return found
        if not word.startswith("-") or word == "-":
            if until_word:
                found.rest = list(words[position - 1 :])
                return found
            found.words.append(word)
            continue
        option, attached = _matched(word, spellings)
        while option.value is None:
            if word.startswith("--") and attached is not None:
                raise UsageError(f"unexpected value '{attached}' for '--{option.name}' found; no more were expected")
            _add(found, option, "")
            if not attached or word.startswith("--"):
                break
            option, attached = _matched(f"-{attached}", spellings)
        if option.value is None:
            continue
        if attached is None:
            if position == len(words) or _is_option(words[position]):
                raise UsageError(f"a value is required for '{option.shown}' but none was supplied")
            attached = words[position]
            position += 1
        _add(found, option, attached)
    return found


def check(command: Command, options: Sequence[Option], found: Scan) -> Arguments:
    """Hold the values of a finished scan against the rules of ``command``. Raises :class:`UsageError`."""
    by_name = {option.name: option for option in options}
    for group in command.exclusive:
        given = [by_name[name].shown for name in group if name in found.values]
        if len(given) > 1:
            raise UsageError(f"the argument '{given[0]}' cannot be used with '{given[1]}'")
    missing = [option.shown for option in options if option.required and option.name not in found.values]
    missing += [by_name[other].shown for name, other in command.needs if name in found.values and other not in found.values]
    for position, positional in enumerate(command.positionals):
        if positional.required and position >= len(found.words):
            missing.append(positional.shown)
    if missing:
        raise UsageError("the following required arguments were not provided:", [f"  {shown}" for shown in missing])
    takes_all = bool(command.positionals) and command.positionals[-1].repeats
    surplus = found.words[len(command.positionals) :]
    if surplus and command.refuses_surplus and not takes_all:
        raise UsageError(f"unexpected argument '{surplus[0]}' found")
    return Arguments(found.values, tuple(found.words))


def _matched(word: str, spellings: Mapping[str, Option]) -> tuple[Option, str | None]:
    """Find the option of ``word`` and the value attached to it, if any."""
    if word.startswith("--"):
        name, separator, value = word.partition("=")
        attached = value if separator else None
    else:
        name, attached = word[:2], word[2:] or None
    option = spellings.get(name)
    if option is None:
        raise UsageError(f"unexpected argument '{name}' found")
    if not word.startswith("--") and attached is not None and option.value is not None:
        attached = attached.removeprefix("=")
    return option, attached


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _add(found: Scan, option: Option, value: str) -> None:
    if option in (HELP, VERSION):
        found.asked = option.name
        return
    if not option.any_bytes and not is_unicode(value):
        raise UsageError(f"invalid UTF-8 was detected in the value of '{option.shown}'")
    if option.choices and value not in option.choices:
        raise UsageError(f"invalid value '{value}' for '{option.shown}'", [f"  [possible values: {', '.join(option.choices)}]"])
    if option.name in found.values and not option.repeats:
        raise UsageError(f"the argument '{option.shown}' cannot be used multiple times")
    found.values[option.name] = (*found.values.get(option.name, ()), value)


def whole_number(arguments: Arguments, option: Option) -> int | None:
    """Read the value of ``option`` as an unsigned 32-bit integer. Raises :class:`UsageError`."""
    given = arguments.get(option.name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 10 or int(given) > _U32_MAX:
        raise UsageError(f"invalid value '{given}' for '{option.shown}': it must be a whole number from 0 to {_U32_MAX}")
    return int(given)


def is_unicode(text: str) -> bool:
    """Whether the bytes of an argument were UTF-8 (other bytes arrive as lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
