from __future__ import annotations

import pytest

from cli.conftest import CommandLine
from omnigraph.cli.commands import walk

FOOTER = "\n\nFor more information, try '--help'.\n"


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        ("load g --data d.jsonl", "the following required arguments were not provided:\n  --mode <MODE>"),
        ("load g", "the following required arguments were not provided:\n  --data <PATH>\n  --mode <MODE>"),
        ("init g", "the following required arguments were not provided:\n  --schema <PATH>"),
        ("init --schema s.pg", "the following required arguments were not provided:\n  <URI>"),
        ("commit show", "the following required arguments were not provided:\n  <COMMIT_ID>"),
        (
            "load g --data d --mode x",
            "invalid value 'x' for '--mode <MODE>'\n  [possible values: overwrite, append, merge]",
        ),
        (
            "query g -e q --format xml",
            "invalid value 'xml' for '--format <FORMAT>'\n  [possible values: table, kv, csv, jsonl, json]",
        ),
        ("query g --alia x", "unexpected argument '--alia' found"),
        ("query g --bogus=3", "unexpected argument '--bogus' found"),
        ("query g -x", "unexpected argument '-x' found"),
        ("query g -5", "unexpected argument '-5' found"),
        ("snapshot a b", "unexpected argument 'b' found"),
        ("snapshot -v", "unexpected argument '-v' found"),
        ("-V", "unexpected argument '-V' found"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("commit frob", "unrecognized subcommand 'frob'"),
        ("help frob", "unrecognized subcommand 'frob'"),
        ("snapshot g --branch a --branch b", "the argument '--branch <BRANCH>' cannot be used multiple times"),
        ("--as a snapshot g --as b", "the argument '--as <ACTOR>' cannot be used multiple times"),
        ("snapshot g --json --json", "the argument '--json' cannot be used multiple times"),
        ("snapshot g --branch", "a value is required for '--branch <BRANCH>' but none was supplied"),
        ("snapshot g --branch --json", "a value is required for '--branch <BRANCH>' but none was supplied"),
        ("query g -e", "a value is required for '--query-string <GQ>' but none was supplied"),
        ("snapshot g --json=1", "unexpected value '1' for '--json' found; no more were expected"),
        ("query g -e q --query f", "the argument '--query <PATH>' cannot be used with '--query-string <GQ>'"),
        ("query g --alias a --query f", "the argument '--alias <ALIAS>' cannot be used with '--query <PATH>'"),
        (
            "query g -e q --params {} --params-file f",
            "the argument '--params <JSON>' cannot be used with '--params-file <PATH>'",
        ),
        ("query g -e q --branch b --snapshot s", "the argument '--branch <BRANCH>' cannot be used with '--snapshot <ID>'"),
        ("query g -e q --format kv --json", "the argument '--format <FORMAT>' cannot be used with '--json'"),
        ("query ./g -e q --uri h", "the argument '[URI]' cannot be used with '--uri <URI>'"),
        ("snapshot g --uri h", "the argument '[URI]' cannot be used with '--uri <URI>'"),
        ("mutate g -e q --snapshot s", "unexpected argument '--snapshot' found"),
        ("mutate g -e q --format kv", "unexpected argument '--format' found"),
        ("--graph g snapshot", "the following required arguments were not provided:\n  --server <NAME>"),
        ("commit list g --limit -1", "a value is required for '--limit <N>' but none was supplied"),
    ],
)
def test_usage_errors_have_one_shape(run: CommandLine, words: str, phrase: str) -> None:
    outcome = run(*words.split())
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {phrase}\n\nUsage: omnigraph")
    assert outcome.err.endswith(FOOTER)
    assert outcome.err.count("\n\n") == 2


@pytest.mark.parametrize("limit", ["-1", "1.5", "x", "4294967296"])
def test_a_limit_is_a_whole_number(run: CommandLine, limit: str) -> None:
    outcome = run("commit", "list", "g", f"--limit={limit}")
    assert outcome.status == 2
    assert f"invalid value '{limit}' for '--limit <N>'" in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ["--as", "ida", "mutate", "g", "-e", "q"],
        ["mutate", "g", "-e", "q", "--as", "ida"],
        ["mutate", "--as=ida", "-eq", "g"],
        ["mutate", "-e=q", "--as", "ida", "--", "g"],
        ["mutate", "--query-string", "q", "g", "--as", "ida"],
        ["--as=ida", "mutate", "--query-string=q", "--uri", "g"],
    ],
)
def test_options_may_stand_anywhere_and_take_several_forms(run: CommandLine, words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.status == 0, outcome.err
    assert (run.graph.asked["uri"], run.graph.asked["source"], run.graph.asked["actor"]) == ("g", "q", "ida")


def test_a_value_that_begins_with_a_hyphen_needs_the_attached_form(run: CommandLine) -> None:
    run("snapshot", "g", "--branch=-5")
    assert run.graph.asked["branch"] == "-5"


def test_an_empty_value_reaches_the_engine(run: CommandLine) -> None:
    run("snapshot", "g", "--branch", "")
    assert run.graph.asked["branch"] == ""


def test_the_separator_ends_options(run: CommandLine) -> None:
    run("snapshot", "--", "--json")
    assert run.graph.asked["uri"] == "--json"


def test_repeatable_options_keep_every_value(run: CommandLine) -> None:
    run("export", "g", "--type", "A", "--table=node:B", "--type=C")
    assert run.graph.asked["types"] == ("A", "C")
    assert run.graph.asked["tables"] == ("node:B",)


def test_a_value_that_is_no_unicode_is_refused_unless_it_is_a_path(run: CommandLine) -> None:
    assert run("snapshot", "g", "--branch", "b\udcff").status == 2
    outcome = run("snapshot", "g\udcff", "--json")
    assert outcome.status == 0
    assert run.graph.asked["uri"] == "g\udcff"


def test_every_command_has_a_grammar_and_a_page(run: CommandLine) -> None:
    for words, entry in walk():
        command = entry.command()
        assert len({option.name for option in command.options}) == len(command.options)
        outcome = run(*words, "--help")
        assert outcome.status == 0, words
        assert outcome.out.startswith(f"{entry.summary}\n\nUsage: omnigraph {' '.join(words)} [OPTIONS]")
        if words != ("ingest",):
            assert outcome.err == "", words
