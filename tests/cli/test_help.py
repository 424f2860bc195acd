from __future__ import annotations

import json
import re

import pytest

from cli.conftest import CommandLine
from omnigraph.cli.commands import PROGRAM


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_program_help(run: CommandLine, words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.out.startswith("Omnigraph graph database CLI\n\nUsage: omnigraph [OPTIONS] <COMMAND>\n\nCommands:\n")
    marks = ["Commands:", "Options:", "COMMANDS BY PLANE:", "  Data — ", "  Storage — ", "  Session — "]
    places = [outcome.out.index(mark) for mark in marks]
    assert places == sorted(places)
    listed = re.findall(r"^  (\w+)  ", outcome.out, re.MULTILINE)
    assert listed == [entry.name for entry in PROGRAM.children if not entry.hidden] + ["help"]


def test_aliases_and_hidden_words(run: CommandLine) -> None:
    page = run("--help").out
    assert re.search(r"^  query .*\[aliases: read\]$", page, re.MULTILINE)
    assert re.search(r"^  mutate .*\[aliases: change\]$", page, re.MULTILINE)
    assert "ingest" not in page
    assert not re.search(r"^  lint .*check\b", page.replace("Check a query file", ""), re.MULTILINE)
    assert "--jsonl" not in run("export", "--help").out
    assert "[URI]" not in run("query", "--help").out


@pytest.mark.parametrize("words", [[], ["commit"], ["schema"], ["config"], ["--as", "x", "commit"]])
def test_a_group_alone_prints_its_help_on_stderr(run: CommandLine, words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.status == 2
    assert outcome.out == ""
    assert "\n\nUsage: omnigraph" in outcome.err
    assert "Commands:\n" in outcome.err


@pytest.mark.parametrize("words", [["help", "commit", "list"], ["commit", "list", "--help"], ["commit", "list", "g", "-h"]])
def test_help_of_a_command(run: CommandLine, words: list[str]) -> None:
    outcome = run(*words)
    assert (outcome.status, outcome.err) == (0, "")
    assert "Usage: omnigraph commit list [OPTIONS] [URI]\n" in outcome.out


@pytest.mark.parametrize("words", [["version"], ["-v"], ["--version"], ["--as", "x", "--version"]])
def test_version(run: CommandLine, words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.status == 0
    assert re.fullmatch(r"omnigraph \d+\.\d+\.\d+\S*\n", outcome.out)


def test_version_as_json(run: CommandLine) -> None:
    document = json.loads(run("version", "--json").out)
    assert list(document) == ["version", "internal_schema"]
