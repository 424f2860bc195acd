"""No text whatever makes a parser fail in another way than by saying what is wrong; and parsing loses nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from language.cases import FIXTURES, read_cases
from omnigraph import language
from omnigraph.errors import OmnigraphError
from omnigraph.language.lexer import Tokens
from omnigraph.language.query_printer import print_queries
from omnigraph.language.schema_parser import parse_schema
from omnigraph.language.schema_printer import print_schema

SCHEMA = (FIXTURES / "graph.pg").read_text()
GRAPH = language.compile_schema(SCHEMA)
SCHEMAS = [SCHEMA, *(case.source for case in read_cases("schema.txt"))]
_FILES = ("query.txt", "reads.txt", "mutations.txt", "extensions.txt", "extension_syntax.txt")
QUERIES = [case.source for name in _FILES for case in read_cases(name)]

_WORDS = (
    "query match return not order limit as asc desc insert update delete set where now count nearest bm25 rrf search "
    "date contains Person Company name slug age knows worksAt $p $q $_ : , . .. ( ) { } [ ] = != < > - -> @ @key "
    "or and in is null distinct offset optional starts_with * / % + $p.* count(*) count(distinct $e:knows <knows> "
    '@range ? "x" "\\ 1 2.5 1e9 node edge interface implements enum Vector String I32 // /* */ é \0'
)
WORDS = st.sampled_from(_WORDS.split(" "))
SOUP = st.lists(WORDS, max_size=40).map(" ".join)


def compile_and_lint(source: str) -> None:
    catalog = language.compile_schema(source)
    assert language.plan_migration(catalog, catalog).steps == ()


def check_all(source: str) -> None:
    report = language.lint_queries(source, GRAPH)
    report.as_json()
    report.as_text()
    for declaration in language.parse_queries(source).queries:
        language.check_query(GRAPH, declaration)


def survives(run: Callable[[str], None], source: str) -> None:
    try:
        run(source)
    except OmnigraphError as error:
        assert str(error)


@st.composite
def mutated(draw: st.DrawFn, sources: list[str]) -> str:
    """A valid source with a few pieces cut out, doubled or replaced."""
    source = draw(st.sampled_from(sources))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(source)))
        stop = min(len(source), start + draw(st.integers(0, 12)))
        piece = draw(st.one_of(st.just(""), WORDS, st.just(source[start:stop] * 2), st.text(max_size=3)))
        source = source[:start] + piece + source[stop:]
    return source


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), SOUP))
def test_arbitrary_text(source: str) -> None:
    survives(compile_and_lint, source)
    survives(check_all, source)


@settings(max_examples=200, deadline=None)
@given(mutated(SCHEMAS))
def test_mutated_schemas(source: str) -> None:
    survives(compile_and_lint, source)


@settings(max_examples=300, deadline=None)
@given(mutated(QUERIES))
def test_mutated_queries(source: str) -> None:
    survives(check_all, source)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)))  # fmt: skip
def test_arbitrary_parameters(given_values: dict[str, object]) -> None:
    declarations = ", ".join(
        f"${name}: {type_}?"
        for name, type_ in zip(
            "abcdefghijkl",
            ["String", "Bool", "I32", "I64", "U32", "U64", "F32", "F64", "Date", "DateTime", "[String]", "Vector(2)"],
            strict=True,
        )
    )
    source = f"query q({declarations}) {{ match {{ $x: Person }} return {{ $x }} }}"
    checked = language.check_query(GRAPH, language.select_query(language.parse_queries(source)))
    values = [*given_values.values()]
    named = {**given_values, **dict(zip("abcdefghijkl", values * 12, strict=False))}
    try:
        bound = language.bind_parameters(checked.parameters, named)
    except OmnigraphError as error:
        assert str(error)
    else:
        assert set(bound) >= set("abcdefghijkl")


def shape(node: object) -> object:
    """A tree without places."""
    if isinstance(node, msgspec.Struct):
        fields = [name for name in node.__struct_fields__ if name not in ("at", "end", "tokens")]
        return type(node).__name__, *(shape(getattr(node, name)) for name in fields)
    if isinstance(node, tuple):
        return tuple(shape(item) for item in node)
    assert not isinstance(node, Tokens)
    return repr(node)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.sampled_from(QUERIES), mutated(QUERIES)))
def test_queries_print_to_what_parses_to_the_same_tree(source: str) -> None:
    try:
        file = language.parse_queries(source)
    except OmnigraphError:
        return
    printed = print_queries(file)
    again = language.parse_queries(printed)
    assert shape(again) == shape(file)
    assert print_queries(again) == printed


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.sampled_from(SCHEMAS), mutated(SCHEMAS)))
def test_schemas_print_to_what_parses_to_the_same_tree(source: str) -> None:
    try:
        tree = parse_schema(source)
    except OmnigraphError:
        return
    printed = print_schema(tree)
    again = parse_schema(printed)
    assert print_schema(again) == printed
    try:
        digest = language.compile_schema(source).digest
    except OmnigraphError:
        return
    assert language.compile_schema(printed).digest == digest


def test_every_fixture_prints_to_itself() -> None:
    for source in QUERIES:
        try:
            file = language.parse_queries(source)
        except OmnigraphError:
            continue
        assert shape(language.parse_queries(print_queries(file))) == shape(file)
