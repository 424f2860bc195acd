"""Admission of patterns agrees with RE2, the engine that runs them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language.cases import read_cases
from omnigraph.language.pattern import PatternError, check_pattern

PIECES = st.sampled_from(
    [
        *"ab01 .-^$*+?|()[]{},:<>=!\\é😀",
        "(?:", "(?i)", "(?P<n>", "(?=", "(?<!", "(?>", "[^", "[a-z]", "[[:alpha:]]", "[:x:]", "\\d", "\\W", "\\b", "\\1",
        "\\12", "\\0", "\\x4", "\\x{1F6}", "\\pL", "\\p{Greek}", "\\P{^Lu}", "\\Q", "\\E", "\\A", "\\z", "\\Z", "\\C",
        "{2}", "{2,}", "{1,3}", "{3,1}", "{,2}", "{1000}", "{1001}", "*?", "??", "**", "a{30}", "(?-s:", "(?ims-U)",
    ]
)  # fmt: skip


def re2_takes(pattern: str) -> bool:
    try:
        pc.match_substring_regex(pa.array(["abc"]), pattern)
    except pa.ArrowInvalid:
        return False
    return True


def admitted(pattern: str) -> bool:
    try:
        check_pattern(pattern)
    except PatternError:
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_what_is_admitted_compiles(pattern: str) -> None:
    if admitted(pattern):
        assert re2_takes(pattern), pattern


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_arbitrary_text_is_judged(pattern: str) -> None:
    if admitted(pattern):
        assert re2_takes(pattern), pattern


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.title) for case in read_cases("patterns.txt") if "group of" not in case.title]
)
def test_the_fixtures_agree_with_re2(case: object) -> None:
    pattern = case.source.removesuffix("\n").removesuffix("\n")  # type: ignore[attr-defined]
    assert re2_takes(pattern) == admitted(pattern) or admitted(pattern) is False


def test_a_pattern_that_hangs_backtracking_engines_is_linear() -> None:
    text = pa.array(["a" * 100_000 + "!"])
    check_pattern("^(a+)+$")
    assert pc.match_substring_regex(text, "^(a+)+$").to_pylist() == [False]


@pytest.mark.parametrize("pattern", ["(" * 20_000, "((((" * 5000, "[" * 9999, "a{" * 9999, "(?:" * 3000 + ")" * 3000])
def test_deep_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        check_pattern(pattern)
