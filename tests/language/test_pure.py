"""What the room promises beside its results: limits, no recursion, low cost, places in errors."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from language.cases import FIXTURES
from omnigraph import language
from omnigraph.errors import BadRequest, CatalogError, OmnigraphError, ParseError, TypeCheckError
from omnigraph.language import limits
from omnigraph.language.canonical import canonical_form
from omnigraph.language.lexer import tokenize

GRAPH = language.compile_schema((FIXTURES / "graph.pg").read_text())

LONG_QUERY = """
// Colleagues of colleagues who know nobody at a firm.
query colleagues($slug: String, $firm: String, $age: I32?, $day: Date)
    @description("a query of twenty-nine lines")
{
    match {
        $me: Person { slug: $slug }
        $me worksAt $firm_of_me
        $firm_of_me: Company { name: $firm }
        $other worksAt $firm_of_me
        $other: Person { member: true, role: "guest" }
        $other knows{1,3} $third
        $third.age >= $age
        $third.born < $day
        $third.tags contains "blue"
        search($third.bio, "graph")
        not {
            $third knows $fourth
            $fourth worksAt $firm_of_me
        }
    }
    return {
        $firm_of_me.name,
        $third.slug as slug,
        count($other) as ways,
        min($other.age) as youngest,
    }
    order { ways desc, slug }
    limit 20
}
"""


def test_a_long_query_is_compiled_in_half_a_millisecond() -> None:
    best = min(_seconds() for _ in range(50))
    assert best < 0.0005 * 4  # the machine is shared: four times what is asked for, so that only a defect fails


def _seconds() -> float:
    start = time.perf_counter()
    language.check_query(GRAPH, language.select_query(language.parse_queries(LONG_QUERY)))
    return time.perf_counter() - start


def test_importing_the_language_loads_no_data_library() -> None:
    program = (
        "import sys; from omnigraph.language import *; import omnigraph.language as l;"
        "[getattr(l, name) for name in l._HOMES];"
        "print([name for name in ('pyarrow', 'numpy', 'lance', 'obstore', 'hashlib', 'json') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_has_a_home() -> None:
    for name in language._HOMES:
        assert getattr(language, name).__module__ == f"omnigraph.language.{language._HOMES[name]}"
    with pytest.raises(AttributeError):
        _ = language.nothing


@pytest.mark.parametrize(
    "source",
    [
        "query q() { match { " + "not { $a knows $b " * 5000,
        "query q() { match { $a: A { x: " + "[" * 5000,
        "query q() { match { $a: A } return { " + "count(" * 5000,
        "query q() { match { $a: A } return { " + "search(" * 5000,
        "query q() { match { $a: A } return { $a } order { " + "rrf(bm25(" * 5000,
    ],
)
def test_deep_nesting_is_refused(source: str) -> None:
    with pytest.raises(ParseError, match="nested too deeply"):
        language.parse_queries(source)


def test_the_deepest_nesting_is_checked() -> None:
    depth = limits.NESTING_DEPTH_MAX - 1
    clauses = "not { $a: Person " * depth + "$a.age = 1" + " }" * depth
    source = f"query q() {{ match {{ $a: Person {clauses} }} return {{ $a }} }}"
    language.check_query(GRAPH, language.select_query(language.parse_queries(source)))


@pytest.mark.parametrize("parse", [language.compile_schema, language.parse_queries])
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x" * (limits.SOURCE_SIZE_BYTES_MAX + 1), "too long"),
        ("é" * (limits.SOURCE_SIZE_BYTES_MAX // 2 + 1), "too long"),
        ("node A {}\n  \0", "2:3: the source holds a NUL character"),
        ('"é\ud800"', "not valid Unicode"),
        ("/* " * 1_000_000, "unterminated comment"),
        ('"' + "\\n" * 1_000_000, "unterminated string"),
        ("(" * 1_000_000, "expected"),
        ("é", "1:1: expected"),
        ("\ufeff", "1:1: expected"),
    ],
)
def test_odd_sources_are_refused(parse: object, source: str, text: str) -> None:
    with pytest.raises(ParseError, match=text) as caught:
        parse(source)  # type: ignore[operator]
    assert caught.value.message.startswith("parse error: ")
    assert len(caught.value.message) < 1000


def test_a_large_source_is_read_in_linear_time() -> None:
    source = "// a comment\n" * 100_000 + "query q() { match { $a: Person } return { $a } }" + " /* x */" * 100_000
    assert len(language.parse_queries(source).queries) == 1


def test_decoding() -> None:
    assert language.decode_source("\ufeffnode A {} // é".encode()) == "node A {} // é"
    with pytest.raises(ParseError, match=r"not valid UTF-8 \(byte 4, line 2\)"):
        language.decode_source(b"abc\n\xff")


def test_syntax_errors_know_their_place() -> None:
    with pytest.raises(ParseError) as caught:
        language.parse_queries('// é\nquery q() { match { $a: A { x: "é" y } } }')
    span = caught.value.span
    assert span is not None
    assert (span.line, span.column) == (2, 36)
    start = len('// é\nquery q() { match { $a: A { x: "é" '.encode())
    assert (span.start, span.end) == (start, start + 1)
    message = caught.value.message.split("\n")
    assert message[0] == "parse error: 2:36: expected `,` or `}`, found `y`"
    assert message[2] == '2 | query q() { match { $a: A { x: "é" y } } }'
    assert message[3].index("^") == message[2].index("y }")


def test_the_end_of_the_file_has_a_span() -> None:
    with pytest.raises(ParseError) as caught:
        language.parse_queries("query q(")
    span = caught.value.span
    assert span is not None and (span.start, span.end, span.line, span.column) == (8, 9, 1, 9)


def test_a_long_line_is_cut() -> None:
    with pytest.raises(ParseError) as caught:
        language.parse_queries("query q() { match { $a: A } return { " + "$a " * 10_000 + "} ; }")
    line, caret = caught.value.message.split("\n")[2:]
    assert len(line) < 200 and line[caret.index("^")] == ";"


def test_type_errors_know_their_place_and_rule() -> None:
    source = "query q() {\n    match { $a: Person\n        $a hates $b }\n    return { $a }\n}"
    with pytest.raises(TypeCheckError) as caught:
        language.check_query(GRAPH, language.select_query(language.parse_queries(source)))
    error = caught.value
    assert error.rule == "T4"
    assert error.span is not None and (error.span.line, error.span.column) == (3, 9)
    assert source[error.span.start : error.span.end] == "$a hates $b"


def test_errors_without_a_code_have_no_rule() -> None:
    source = "query q() { match { $a: Person } return { $b } }"
    with pytest.raises(TypeCheckError) as caught:
        language.check_query(GRAPH, language.select_query(language.parse_queries(source)))
    assert caught.value.rule == ""


def test_comments_are_kept_for_a_formatter() -> None:
    tokens = tokenize('// a\nquery /* b */ q "// no" // c')
    assert [text for _, text in tokens.comments] == ["// a", "/* b */", "// c"]
    assert tokens.texts[:3] == ["query", "q", '"// no"']
    assert [tokens.source[at : at + 2] for at, _ in tokens.comments] == ["//", "/*", "//"]


def test_selection() -> None:
    one = language.parse_queries("query a() { match { $a: A } return { $a } }")
    two = language.parse_queries("query a() { match { $a: A } return { $a } } query b() { delete A where x = 1 }")
    assert language.select_query(one).name == "a"
    assert language.select_query(two, "b").kind == "mutation"
    with pytest.raises(BadRequest, match=r"^query file contains multiple queries; pass --name$"):
        language.select_query(two)
    with pytest.raises(BadRequest, match=r"^query 'c' not found$"):
        language.select_query(two, "c")
    with pytest.raises(BadRequest):
        language.select_query(language.parse_queries(""))


def test_of_two_queries_with_one_name_the_first_is_meant() -> None:
    file = language.parse_queries("query a() { match { $a: A } return { $a } } query a() { delete A where x = 1 }")
    assert language.select_query(file, "a").kind == "read"


def test_the_wrong_kind_of_query() -> None:
    file = language.parse_queries("query r() { match { $a: X } return { $a } } query m() { delete X where x = 1 }")
    with pytest.raises(TypeCheckError, match="mutation query cannot be typechecked with read-query API"):
        language.check_read(GRAPH, language.select_query(file, "m"))
    with pytest.raises(BadRequest, match="mutation execution called on a read query; use query instead"):
        language.check_mutation(GRAPH, language.select_query(file, "r"))


def test_the_right_kind_of_query() -> None:
    file = language.parse_queries("query r() { match { $a: Cell } return { $a } } query m() { delete Cell where x = 1 }")
    assert language.check_read(GRAPH, language.select_query(file, "r")).name == "r"
    assert language.check_mutation(GRAPH, language.select_query(file, "m")).name == "m"


def test_types_and_edges_are_looked_up() -> None:
    assert GRAPH.entity("node:Person") is GRAPH.nodes["Person"]
    assert GRAPH.entity("edge:Person") is GRAPH.edges["Person"]
    assert GRAPH.entity("node:Knows") is GRAPH.entity("thing:Person") is None
    assert GRAPH.find_edge("WORKSAT") is GRAPH.find_edge("WorksAt") is GRAPH.edges["WorksAt"]
    assert GRAPH.nodes["Person"].table_key == "node:Person"
    assert GRAPH.edges["Person"].table_key == "edge:Person"
    assert GRAPH.nodes["Person"].indexed == {"bio"}


def test_a_list_literal_has_a_limit() -> None:
    numbers = ", ".join(["1"] * (limits.LIST_ELEMENTS_MAX + 1))
    source = f"query q() {{ match {{ $a: Person }} return {{ [{numbers}] }} }}"
    with pytest.raises(TypeCheckError, match="X7: list of 10001 elements; a literal holds at most 10000"):
        language.check_query(GRAPH, language.select_query(language.parse_queries(source)))


def test_numbers_of_thousands_of_digits() -> None:
    for digits in ("9" * 5000, "9" * 5000 + ".5", "0" * 5000 + "1"):
        source = f"query q() {{ match {{ $a: A }} return {{ $a }} limit {digits} }}"
        try:
            language.parse_queries(source)
        except OmnigraphError as error:
            assert isinstance(error, ParseError)


def test_the_digest_ignores_order_comments_and_layout() -> None:
    one = language.compile_schema("node A { a: enum(x, y) b: I32 @index @range(b, 1..2) } node B {} edge E: A -> B")
    two = language.compile_schema(
        "// c\nedge E: A -> B\nnode B {}\nnode A {\n  b: I32 @range(b, 1..2) @index(b)\n a: enum(y, x) }"
    )
    assert one.digest == two.digest and one.digest.startswith("sha256:") and len(one.digest) == 71
    assert canonical_form(one) == canonical_form(two)
    assert one.source != two.source
    assert one.digest != language.compile_schema("node A {}").digest


def test_the_canonical_form() -> None:
    form = canonical_form(
        language.compile_schema(
            "interface I { a: String @key } node N @foo implements I { v: Vector(3)? r: F64 @range(r, 0..1.5) "
            '@check(a, "x") @unique(r, a) @index(v) } edge E: N -> N @card(1..)'
        )
    )
    assert form["nodes"] == [
        {
            "name": "N",
            "properties": [
                {
                    "name": "a",
                    "type": {"scalar": "String", "nullable": False, "list": False, "enum_values": None},
                    "annotations": [],
                },
                {
                    "name": "r",
                    "type": {"scalar": "F64", "nullable": False, "list": False, "enum_values": None},
                    "annotations": [],
                },
                {
                    "name": "v",
                    "type": {"scalar": {"Vector": 3}, "nullable": True, "list": False, "enum_values": None},
                    "annotations": [],
                },
            ],
            "annotations": [{"name": "foo", "value": None}],
            "implements": ["I"],
            "constraints": [
                {"Check": {"property": "a", "pattern": "x"}},
                {"Index": ["v"]},
                {"Key": ["a"]},
                {"Range": {"property": "r", "min": {"Integer": 0}, "max": {"Float": 1.5}}},
                {"Unique": ["a", "r"]},
            ],
        }
    ]
    assert form["edges"] == [
        {
            "name": "E",
            "from": "N",
            "to": "N",
            "cardinality": {"min": 1, "max": None},
            "properties": [],
            "annotations": [],
            "constraints": [],
        }
    ]


def test_catalog_errors_are_of_their_class() -> None:
    with pytest.raises(CatalogError):
        language.compile_schema("node A {} node A {}")
