"""Reads of the specification's example graph, held against the model and against the answers that it names."""

from __future__ import annotations

import pytest

from model.language import ModelEdge, ModelGraph
from omnigraph.language import bind_parameters, compile_schema
from query.harness import checked, compare, rows_of, run
from query.memory_view import MemoryView

SCHEMA = """
interface Labelled { label: String }
node Stop implements Labelled {
    code: String @key
    zone: I32?
    opened: Date?
    facilities: [String]?
}
node Line implements Labelled { code: String @key  colour: enum(red, green)? }
edge Track: Stop -> Stop { minutes: I32? }
edge Serves: Line -> Stop
"""
CATALOG = compile_schema(SCHEMA)
TRACKS = ["AA-BB", "BB-CC", "CC-DD", "DD-BB", "AA-CC", "DD-EE"]


def stop(at: int, code: str) -> dict[str, object]:
    facilities = None if at % 2 else ("lift", code)
    return {"code": code, "label": code.lower(), "zone": at % 3 or None, "opened": 100 * at, "facilities": facilities}


def graph(*tracks: str) -> ModelGraph:
    ends = [track.split("-") for track in (*TRACKS, *tracks)]
    return ModelGraph(
        {
            "Stop": {code: stop(at, code) for at, code in enumerate(["AA", "BB", "CC", "DD", "EE", "FF"])},
            "Line": {code: {"code": code, "label": code, "colour": None} for code in ("L1", "L2")},
        },
        {
            "Track": {f"t{at}": ModelEdge(a, b, {"minutes": at}) for at, (a, b) in enumerate(ends)},
            "Serves": {"s0": ModelEdge("L1", "AA"), "s1": ModelEdge("L1", "EE"), "s2": ModelEdge("L2", "EE")},
        },
    )


def answer(text: str, parameters: dict[str, object] | None = None, tracks: tuple[str, ...] = ()) -> list[object]:
    """Return the answer, single columns without their tuples, after comparing engine and model on it."""
    data = graph(*tracks)
    query = checked(CATALOG, text)
    values = bind_parameters(query.parameters, parameters or {})
    for gap in (0, 2):
        view = MemoryView(CATALOG, data, gap)
        compare(query, CATALOG, data, view, values)
    rows = rows_of(run(CATALOG, MemoryView(CATALOG, data), text, parameters))
    return [row[0] if len(row) == 1 else row for row in rows]


@pytest.mark.parametrize(
    ("start", "bounds", "expected"),
    [
        ("AA", "", ["BB", "CC"]),
        ("AA", "{2,2}", ["DD"]),
        ("AA", "{2,3}", ["DD", "EE"]),
        ("BB", "{1,5}", ["CC", "DD", "EE"]),
    ],
)
def test_hops_of_the_specification(start: str, bounds: str, expected: list[str]) -> None:
    text = "query q($c: String) { match { $a: Stop { code: $c } $a trackBOUNDS $s } return { $s } order { $s.code } }"
    assert answer(text.replace("BOUNDS", bounds), {"c": start}) == expected


def test_walking_backward_writes_the_known_stop_on_the_right() -> None:
    text = 'query q() { match { $s: Stop { code: "EE" } $x track{1,2} $s } return { $x } order { $x.code } }'
    assert answer(text) == ["CC", "DD"]


def test_a_negated_walk_keeps_stops_without_anyone_at_that_distance() -> None:
    text = "query q() { match { $s: Stop not { $s track{3,3} $_ } } return { $s } order { $s.code } }"
    assert answer(text) == ["CC", "DD", "EE", "FF"]


def test_a_loop_reports_its_stop_at_level_one_only() -> None:
    for bounds, expected in (("", ["FF"]), ("{1,3}", ["FF"]), ("{2,3}", [])):
        text = 'query q() { match { $a: Stop { code: "FF" } $a trackBOUNDS $s } return { $s } }'
        assert answer(text.replace("BOUNDS", bounds), tracks=("FF-FF",)) == expected
    assert answer("query q() { match { $a: Stop $a track $a } return { $a } }", tracks=("FF-FF",)) == ["FF"]
    assert "FF" not in answer("query q() { match { $a: Stop not { $a track $_ } } return { $a } }", tracks=("FF-FF",))


def test_parallel_edges_are_one_pair() -> None:
    text = 'query q() { match { $a: Stop { code: "AA" } $a track $s } return { $s, count($a) as n } order { n desc, $s } }'
    text = text.replace("order { n desc, $s }", "order { n desc }")
    assert answer(text, tracks=("AA-BB", "AA-BB")) == [("BB", 1), ("CC", 1)]


def test_the_anonymous_variable_multiplies_rows() -> None:
    assert answer('query q() { match { $a: Stop { code: "AA" } $a track $_ } return { $a } }') == ["AA", "AA"]


@pytest.mark.parametrize(
    "text",
    [
        "query q() { match { $l: Line $s: Stop } return { $l, $s, $s.opened } }",
        "query q() { match { $a: Stop $a track $b $b track $c $a track $c } return { $a, $b, $c } }",
        "query q() { match { $a: Stop $a track{1,3} $b $b.zone >= 1 } return { $b.zone, count($a) as n } order { n desc } }",
        "query q() { match { $l: Line $l serves $s } return { $s.label as x, $l.label } order { x desc, $l.label } limit 2 }",
        "query q() { match { $l: Line not { $l serves $s  not { $s track $_ } } } return { $l } }",
        'query q() { match { $s: Stop { facilities: "lift" } $s.zone != 1 } return { $s.facilities, now() as t } }',
        "query q() { match { $a: Stop $b: Stop $a.zone < $b.zone } return { $a, $b } }",
        "query q() { match { $s: Stop } return { min($s.zone) as a, avg($s.zone) as b, sum($s.zone) as d } }",
        'query q() { match { $s: Stop { code: "none" } } return { max($s.label) as a, count($s) as n } }',
        "query q() { match { $s: Stop } return { $s.zone, min($s.label) as a } order { a } limit 2 }",
        'query q() { match { $l: Line { code: "L1" } $l serves{2,3} $s } return { $s } }',
        "query q() { match { $l: Line not { $l serves $s $s.zone = 1 } } return { $l.code, $l.colour } }",
        "query q() { match { $s: Stop } return { $s.zone } order { $s.zone desc } limit 3 }",
        'query q() { match { $s: Stop { code: "AA" } } return { $s, "x" as y, 3 } }',
    ],
)
def test_reads_agree_with_the_model(text: str) -> None:
    answer(text)


def test_null_parameters_match_nothing() -> None:
    assert answer("query q($z: I32?) { match { $s: Stop { zone: $z } } return { $s } }", {"z": None}) == []
    assert answer("query q($z: String?) { match { $s: Stop { code: $z } } return { $s } }", {}) == []
