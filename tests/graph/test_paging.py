"""Pages of one commit hold every row exactly once, whatever is written meanwhile."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

import omnigraph

SCHEMA = "node Person { key: String @key  age: I32?  city: String }\nedge Knows: Person -> Person"
PEOPLE = 120
PAGE = """query page($size: I64, $from: I64) {
    match { $p: Person  optional { $p knows $f } }
    return { $p.key, $p.age, $f.key as friend }
    order { $p.age desc, $p.city }
    limit $size offset $from
}"""
ALL = "query everything() { match { $p: Person  optional { $p knows $f } } return { $p.key, $p.age, $f.key as friend } }"
GROUPS = """query groups($size: I64, $from: I64) {
    match { $p: Person }
    return { $p.age, count($p) as n }
    order { n }
    limit $size offset $from
}"""
WRITES = (
    'query a($n: String) { insert Person { key: $n, age: 3, city: "x" } }',
    'query b($n: String) { update Person set { age: 1 } where key = "p7" }',
    'query c($n: String) { delete Person where key = "p9" }',
    'query d($n: String) { insert Person { key: "p9", age: 2, city: "b" } }',
    'query e($n: String) { insert Knows { from: "p1", to: "p2" } }',
)


@pytest.mark.parametrize("mode", ["csr", "indexed"])
def test_pages_of_a_commit_while_writers_go_on(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_TRAVERSAL_MODE", mode)
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    lines = [
        f'{{"type": "Person", "data": {{"key": "p{at}", "age": {at % 5 if at % 7 else "null"}, "city": "{"ab"[at % 2]}"}}}}'
        for at in range(PEOPLE)
    ]
    lines += [f'{{"edge": "Knows", "from": "p{at}", "to": "p{at * 3 % PEOPLE}"}}' for at in range(0, PEOPLE, 2)]
    stop = Event()
    with omnigraph.init(str(tmp_path / "g.omni"), SCHEMA) as graph:
        graph.load("\n".join(lines), "append")
        written = 0

        def write() -> None:
            nonlocal written
            while not stop.is_set():
                graph.mutate(WRITES[written % len(WRITES)], {"n": f"n{written}"})
                written += 1

        writer = Thread(target=write)
        writer.start()
        try:
            for size in (17, 50):
                pinned = graph.query(PAGE, {"size": size, "from": 0})
                commit = pinned.graph_commit_id
                everything = graph.query(ALL, snapshot=commit).rows()
                rows: list[dict[str, object]] = []
                while page := graph.query(PAGE, {"size": size, "from": len(rows)}, snapshot=commit).rows():
                    rows += page
                assert rows[:size] == pinned.rows()
                assert sorted(rows, key=repr) == sorted(everything, key=repr)
                groups = [graph.query(GROUPS, {"size": 2, "from": at}, snapshot=commit).rows() for at in range(0, 8, 2)]
                found = [group["p.age"] for page in groups for group in page]
                assert len(found) == len(set(found)) == len({row["p.age"] for row in everything})
        finally:
            stop.set()
            writer.join()
        assert written > 5
