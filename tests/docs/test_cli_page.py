"""The page of the command line names every command, every option and every environment variable, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from omnigraph.cli.commands import GLOBAL_OPTIONS, Entry, walk

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "user" / "cli.md").read_text(encoding="utf-8")
COMMANDS = list(walk())
_VARIABLE = re.compile(r"\b(?:OMNIGRAPH_[A-Z0-9_]+|AWS_(?:[A-Z0-9]+_)+[A-Z0-9]+|AWS_REGION)\b|\bOMNIGRAPH_TOKEN_")
_LONG_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def section(title: str) -> str:
    """Return the text under a heading, down to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}$\n(.*?)(?=^#{{1,3}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/user/cli.md has no heading '{title}'"
    return found[2]


def named(text: str) -> set[str]:
    return set(_LONG_OPTION.findall(text))


COMMON = named(section("Which graph")) | named(section("Options that every command takes"))


@pytest.mark.parametrize(("words", "entry"), COMMANDS, ids=lambda value: "-".join(value) if isinstance(value, tuple) else "")
def test_command_is_documented_with_its_options(words: tuple[str, ...], entry: Entry) -> None:
    if entry.hidden:
        assert words[-1] in PAGE
        return
    text = section(f"omnigraph {' '.join(words)}")
    options = entry.command().options
    missing = {f"--{option.name}" for option in options if not option.hidden} - named(text) - COMMON
    assert not missing
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    stale = named(prose) - {f"--{option.name}" for option in (*options, *GLOBAL_OPTIONS)}
    assert not stale, "the page speaks of options that the command does not have"
    for alias in entry.aliases:
        assert f"`{alias}`" in text
    for option in options:
        assert option.short is None or f"`-{option.short}`" in text
        for choice in option.choices:
            assert f"`{choice}`" in text


def test_global_options_are_documented() -> None:
    assert {f"--{option.name}" for option in GLOBAL_OPTIONS} | {"--help", "--version"} <= COMMON


def test_no_command_is_documented_that_does_not_exist() -> None:
    headings = set(re.findall(r"^### omnigraph (.+)$", PAGE, re.MULTILINE))
    assert headings == {" ".join(words) for words, entry in COMMANDS if not entry.hidden}


def test_environment_variables_are_documented() -> None:
    """Variables of the program stand on this page; another page may have a section of its own, as the server's has."""
    used: set[str] = set()
    for module in (ROOT / "src" / "omnigraph").rglob("*.py"):
        used.update(_VARIABLE.findall(module.read_text(encoding="utf-8")))
    documented: set[str] = set()
    for page in (ROOT / "docs" / "user").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for found in re.findall(r"^## Environment variables$\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
            documented.update(_VARIABLE.findall(found))
    assert {name for name in used if not name.endswith("_")} - documented == set()
    assert {name for name in documented if not any(name.startswith(known) for known in used)} == set()
