"""Omnigraph through its embedded interface."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import omnigraph
from bench.engines.engine import Engine, Person, Rows
from omnigraph.language import check_read, parse_queries
from omnigraph.query import plan_read

POINT = """query point($key: String) {
    match { $p: Person { key: $key } }
    return { $p.key, $p.name, $p.age, $p.city, $p.score, $p.joined }
}"""
HOP1 = """query hop1($key: String) {
    match { $p: Person { key: $key }  $p knows $f }
    return { $f.key }
}"""
HOP2 = """query hop2($key: String) {
    match { $p: Person { key: $key }  $p knows $m  $m knows $f }
    return { count(distinct $f) as n }
}"""
HOP3 = """query hop3($key: String) {
    match { $p: Person { key: $key }  $p knows $m  $m knows $o  $o knows $f }
    return { count(distinct $f) as n }
}"""
REACH = """query reach($key: String) {
    match { $p: Person { key: $key }  $p knows{1,3} $f }
    return { count(distinct $f) as n }
}"""
SCAN = """query scan($low: I32, $high: I32) {
    match { $p: Person  $p.age >= $low  $p.age <= $high }
    return { $p.key }
    order { $p.score desc }
    limit 20
}"""
GROUP = """query popular() {
    match { $p: Person  $p knows $f }
    return { $f.city as city, count($p) as n }
    order { n desc }
    limit 10
}"""
LONERS = """query loners() {
    match { $p: Person  not { $p knows $_ } }
    return { $p.key }
}"""
LISTED = """query listed($names: [String]) {
    match { $p: Person  $p.name in $names }
    return { count(*) as n }
}"""
PAGE = """query page($start: I64) {
    match { $p: Person }
    return { $p.key }
    order { $p.score desc }
    limit 20 offset $start
}"""
OPTIONAL = """query optional_match() {
    match { $p: Person  optional { $p wrote $d } }
    return { count(*) as n, count($d) as documents }
}"""
WIDE = """query wide($city: String, $cities: [String], $low: I32, $high: I32, $since: I32, $page: I64) {
    match {
        $p: Person { city: $city }
        $p.age >= $low
        $p.age <= $high
        $p.score > 0.5 or $p.joined is null
        not ($p.name = "closed" and $p.score <= 0)
        $p $k:knows $f
        $k.since >= $since
        $f.city in $cities
        $f knows{1,2} $g
        $g.age > 30
        not { $g wrote $_ }
        not {
            $f knows $h
            $h.city = $p.city
        }
        optional {
            $f wrote $d
            $d.title is not null
            optional { $e wrote $d  $e.age < 99 }
        }
    }
    return {
        $p.key,
        $p.name as name,
        count(distinct $g) as reached,
        count($d) as documents,
        sum($k.since * 2 + 1) - min($f.age) as total
    }
    order { total desc, $p.key }
    limit 20 offset $page
}"""
BM25 = """query bm25($text: String) {
    match { $d: Document }
    return { $d.slug }
    order { bm25($d.body, $text) }
    limit 10
}"""
VECTOR = """query vector($vector: Vector(128)) {
    match { $d: Document }
    return { $d.slug }
    order { nearest($d.embedding, $vector) }
    limit 10
}"""
HYBRID = """query hybrid($text: String, $vector: Vector(128)) {
    match { $d: Document  $p wrote $d }
    return { $d.slug, $p.key }
    order { rrf(nearest($d.embedding, $vector), bm25($d.body, $text)) }
    limit 10
}"""
INSERT = """query add($key: String, $name: String, $age: I32, $city: String, $score: F64, $joined: Date) {
    insert Person { key: $key, name: $name, age: $age, city: $city, score: $score, joined: $joined }
}"""
COLUMNS = ("key", "name", "age", "city", "score", "joined")


class Omnigraph(Engine):
    """Query texts are sent as they are: what the engine caches is its own affair."""

    package = "omnigraph"
    has_relaxed_writes = True

    def load(self, folder: Path, schema: Path, jsonl: Path) -> None:
        graph = omnigraph.init(str(folder / "graph"), schema.read_text())
        graph.load(jsonl, mode="overwrite")
        graph.close()

    def open(self, folder: Path, durable: bool = True) -> None:
        os.environ["OMNIGRAPH_FSYNC"] = "1" if durable else "0"
        self.graph = omnigraph.open(str(folder / "graph"))

    def close(self) -> None:
        self.graph.close()

    def _rows(self, source: str, **params: Any) -> Rows:
        rows: Rows = self.graph.query(source, params=params).rows()
        return rows

    def _count(self, source: str, key: str) -> int:
        (row,) = self._rows(source, key=key)
        count: int = row["n"]
        return count

    def point(self, key: str) -> Rows:
        return self._rows(POINT, key=key)

    def hop1(self, key: str) -> Rows:
        return self._rows(HOP1, key=key)

    def hop2(self, key: str) -> int:
        return self._count(HOP2, key)

    def hop3(self, key: str) -> int:
        return self._count(HOP3, key)

    def reach(self, key: str) -> int:
        return self._count(REACH, key)

    def scan(self, low: int, high: int) -> Rows:
        return self._rows(SCAN, low=low, high=high)

    def group(self) -> Rows:
        return self._rows(GROUP)

    def loners(self) -> Rows:
        return self._rows(LONERS)

    def listed(self, names: list[str]) -> int:
        (row,) = self._rows(LISTED, names=names)
        count: int = row["n"]
        return count

    def page(self, start: int) -> Rows:
        return self._rows(PAGE, start=start)

    def optional(self) -> Rows:
        return self._rows(OPTIONAL)

    def compile(self) -> bool:
        query = check_read(self.graph.catalog, parse_queries(WIDE).queries[0])
        return len(plan_read(query, self.graph.catalog).columns) == 5

    def bm25(self, text: str) -> Rows:
        return self._rows(BM25, text=text)

    def vector(self, vector: list[float]) -> Rows:
        return self._rows(VECTOR, vector=vector)

    def hybrid(self, text: str, vector: list[float]) -> Rows:
        return self._rows(HYBRID, text=text, vector=vector)

    def insert(self, person: Person) -> None:
        self.graph.mutate(INSERT, params=dict(zip(COLUMNS, person, strict=True)))

    def batch(self, persons: list[Person]) -> Any:
        return [{"type": "Person", "data": dict(zip(COLUMNS, person, strict=True))} for person in persons]

    def upsert(self, batch: Any) -> None:
        self.graph.load(batch, mode="merge")

    def upsert_jsonl(self, text: bytes) -> None:
        self.graph.load(text, mode="merge")

    def branch(self, name: str) -> None:
        self.graph.create_branch(name)

    def insert_on(self, branch: str, person: Person) -> None:
        self.graph.create_branch(branch)
        self.graph.mutate(INSERT, params=dict(zip(COLUMNS, person, strict=True)), branch=branch)

    def merge(self, branch: str) -> None:
        self.graph.merge(branch)

    def export(self, target: Path) -> None:
        """Write JSONL."""
        with (target / "export.jsonl").open("wb") as out:
            for chunk in self.graph.export():
                out.write(chunk)
