from __future__ import annotations

import pytest

from cli.conftest import CommandLine

INGEST = (
    "warning: `omnigraph ingest` is deprecated and will be removed in a future release; use "
    "`omnigraph load --from <base> --mode <mode>` (ingest defaults: --from main --mode merge)\n"
)


def warning(old: str, new: str) -> str:
    return f"warning: `omnigraph {old}` is deprecated; use `omnigraph {new}` instead\n"


@pytest.mark.parametrize(
    ("typed", "canonical", "expected"),
    [
        ("read g -e q", "query g -e q", warning("read", "query")),
        ("--as a read g -e q", "query g -e q", warning("read", "query")),
        ("change g -e q --json", "mutate g -e q --json", warning("change", "mutate")),
        ("export g --jsonl", "export g", "warning: --jsonl is deprecated; `omnigraph export` always emits JSONL\n"),
        ("schema get g", "schema show g", ""),
    ],
)
def test_a_deprecated_form_prints_the_same_bytes(run: CommandLine, typed: str, canonical: str, expected: str) -> None:
    old, new = run(*typed.split()), run(*canonical.split())
    assert old.status == new.status == 0
    assert old.out == new.out != ""
    assert old.err == expected
    assert new.err == ""


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("read --bogus", warning("read", "query")),
        ("change", warning("change", "mutate")),
        ("query lint --bogus", warning("query lint", "lint")),
        ("query check --bogus", warning("query check", "lint")),
        ("check --bogus", warning("check", "lint")),
        ("ingest --bogus", INGEST),
    ],
)
def test_the_warning_comes_before_parsing(run: CommandLine, typed: str, expected: str) -> None:
    outcome = run(*typed.split())
    assert outcome.status != 0
    assert outcome.err.startswith(expected)


def test_a_word_after_the_separator_is_no_option(run: CommandLine) -> None:
    assert run("export", "--", "--jsonl").err == ""
