"""A real knowledge graph: it loads, answers, and comes back as it went in. Skipped where the file is not at hand."""

import json
from collections import Counter
from pathlib import Path

import pytest

import omnigraph

DATA = Path(__file__).parents[3] / "shared" / "data" / "industry-intel.jsonl"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real data is not beside the checkout")

SCHEMA = (Path(__file__).parent / "industry_intel.pg").read_text(encoding="utf-8")


def test_it_loads_answers_and_round_trips(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines() if line.strip()]
    nodes = Counter(line["type"] for line in lines if "type" in line)
    edges = Counter(line["edge"] for line in lines if "edge" in line)
    with omnigraph.init(str(tmp_path / "intel"), SCHEMA) as graph:
        done = graph.load(DATA, "overwrite")
        loaded = {table.table_key: table.rows_loaded for table in done.tables}
        assert loaded == {f"node:{name}": count for name, count in nodes.items()} | {
            f"edge:{graph.catalog.find_edge(name).name}": count  # type: ignore[union-attr]
            for name, count in edges.items()
        }
        first = b"".join(graph.export())
        exported = {(row.get("type") or row["edge"], row["data"]["id"]): row for row in map(json.loads, first.splitlines())}
        for line in lines:
            if "type" in line:
                stored = exported[line["type"], line["data"]["id"]]["data"]
                for name, value in line["data"].items():
                    assert stored[name] == (value.removesuffix("Z") if name.endswith(("At", "Timestamp")) else value)
        patterns = graph.query(
            """query forming() {
                match { $s: Signal $s formsPattern $p }
                return { $p.name as pattern, count($s) as signals }
                order { signals desc, pattern }
            }"""
        ).rows()
        expected = Counter(line["to"] for line in lines if line.get("edge", "").lower() == "formspattern")
        assert sum(row["signals"] for row in patterns) == sum(expected.values())
        assert [row["signals"] for row in patterns] == sorted(expected.values(), reverse=True)
        lonely = graph.query("query lonely() { match { $e: Element not { $s onElement $e } } return { $e } }").rows()
        touched = {line["to"] for line in lines if line.get("edge", "").lower() == "onelement"}
        assert {row["e"] for row in lonely} == {line["data"]["id"] for line in lines if line.get("type") == "Element"} - touched
    with omnigraph.init(str(tmp_path / "again"), SCHEMA) as again:
        again.load(first, "overwrite")
        assert b"".join(again.export()) == first
