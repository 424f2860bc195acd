"""The formatter keeps meaning and comments, and finds nothing to do in what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language.cases import FIXTURES, read_cases
from language.first_grammar import mutations, reads, written
from language.test_fuzz import QUERIES, SCHEMAS, mutated, shape
from omnigraph import language
from omnigraph.errors import OmnigraphError, ParseError
from omnigraph.language.formatting import queries as query_layout
from omnigraph.language.formatting.layout import WIDTH
from omnigraph.language.lexer import tokenize
from omnigraph.language.schema_parser import parse_schema

Format = Callable[[str], str]
COMMENTS = st.sampled_from(
    ["", "", "", " ", "\n", "\n\n\n", "// x\n", "\n// own\n", "/* y */", "\n/* z\n   z */\n", "// a\n\n// b\n", "/* c */// d\n"]
)


def comments(source: str) -> list[str]:
    return [text.rstrip() if text.startswith("//") else text for _, text in tokenize(source).comments]


def holds_up(format_source: Format, parse: Callable[[str], Any], source: str) -> None:
    try:
        tree = parse(source)
    except OmnigraphError:
        with pytest.raises(ParseError):
            format_source(source)
        return
    text = format_source(source)
    assert format_source(text) == text
    assert comments(text) == comments(source)
    for name in ("queries", "declarations"):
        assert shape(getattr(parse(text), name, ())) == shape(getattr(tree, name, ()))
    assert (
        text == ""
        or (text.endswith("\n") and not text.startswith("\n") and "\n\n\n" not in text)
        or '"' in text
        or "/*" in text
    )


@st.composite
def littered(draw: st.DrawFn, sources: list[str]) -> str:
    """A source with comments and empty lines strewn between its tokens."""
    tokens = tokenize(draw(st.sampled_from(sources)))
    litter = draw(st.lists(COMMENTS, min_size=1, max_size=12))
    text, end = "", 0
    for number, offset in enumerate(tokens.offsets):
        between = tokens.source[end:offset]
        text += between + (litter[number % len(litter)] if between or number % 3 == 0 else "") + tokens.texts[number]
        end = offset + len(tokens.texts[number])
    return text


@settings(max_examples=200, deadline=None)
@given(st.one_of(littered(QUERIES), mutated(QUERIES)))
def test_queries(source: str) -> None:
    holds_up(language.format_queries, language.parse_queries, source)


@settings(max_examples=100, deadline=None)
@given(st.one_of(written(reads), written(mutations)))
def test_generated_queries(drawn: tuple[str, Any]) -> None:
    holds_up(language.format_queries, language.parse_queries, drawn[0])


@settings(max_examples=150, deadline=None)
@given(st.one_of(littered(SCHEMAS), mutated(SCHEMAS)))
def test_schemas(source: str) -> None:
    holds_up(language.format_schema, parse_schema, source)


def test_fixtures() -> None:
    for source in QUERIES:
        holds_up(language.format_queries, language.parse_queries, source)
    for source in SCHEMAS:
        holds_up(language.format_schema, parse_schema, source)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in read_cases("formatting.txt")])
def test_layout(case: Any) -> None:
    source, _, expected = case.source.partition("\n~~~\n")
    format_source = language.format_schema if source.startswith(("node", "edge", "interface")) else language.format_queries
    assert format_source(source) == expected.rstrip("\n") + "\n"
    assert case.output == ("ok",)


def test_no_line_is_longer_than_it_must_be() -> None:
    names = ", ".join(f"$p.property_{number} as name_{number}" for number in range(30))
    condition = " or ".join(f"$p.property_{number} = {number} + {number}" for number in range(30))
    source = (
        f"query q() {{ match {{ $p: P {condition} }} return {{ {names} }} order {{ {names.replace(' as ', ' desc, $p.')} }} }}"
    )
    text = language.format_queries(source)
    assert max(map(len, text.split("\n"))) <= WIDTH


def test_a_defect_of_the_formatter_is_found_before_it_does_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "omnigraph.language.formatting.lay_out_queries", lambda file: "query q() { match { $a: B } return { $a } }"
    )
    with pytest.raises(OmnigraphError, match="would have changed the meaning"):
        language.format_queries("query q() { match { $a: A } return { $a } }")
    assert language.format_queries("query q() { match { $a: B } return { $a } }")
    with pytest.raises(OmnigraphError, match="would have changed the meaning"):
        language.format_queries("query q() { match { $a: B } return { $a } // lost\n}")
    assert query_layout.lay_out_queries(language.parse_queries("")) == ""


def test_what_does_not_parse_is_refused() -> None:
    with pytest.raises(ParseError, match="expected `query`"):
        language.format_queries("nonsense")
    with pytest.raises(ParseError):
        language.format_schema("node")


def test_a_file_without_anything_but_comments() -> None:
    assert language.format_queries("") == ""
    assert language.format_queries("\n\n  // x\n\n\n/* y */") == "// x\n\n/* y */\n"
    assert language.format_schema("// x\n") == "// x\n"
    assert (FIXTURES / "graph.pg").read_text().startswith("// The schema")
