from __future__ import annotations

import json
from typing import Any

import pytest

from omnigraph.cli.formats import ResultHead, TableLayout, write_result


def written(form: str, columns: list[str], rows: list[dict[str, Any]], layout: TableLayout | None = None, **head: Any) -> str:
    known = {"query_name": "q", "branch": "main", "snapshot": None, "row_count": len(rows), "columns": columns} | head
    values = ([row.get(name) for name in columns] for row in rows)
    return b"".join(write_result(form, ResultHead(**known), values, layout or TableLayout())).decode()


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 9000])
@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "kv", "table"])
def test_batches_leave_no_seam(form: str, count: int) -> None:
    rows = [{"a": number, "b": [number]} for number in range(count)]
    text = written(form, ["a", "b"], rows)
    assert text.endswith("\n")
    if form == "json":
        document = json.loads(text)
        assert document["rows"] == rows
        assert text == json.dumps(document, indent=2) + "\n"
    elif form == "jsonl":
        assert [json.loads(line) for line in text.splitlines()[1:]] == rows
    elif form == "csv":
        assert text.splitlines() == ["a,b", *(f"{row['a']},[{row['a']}]" for row in rows)]
    elif form == "kv":
        assert text.count("row ") == count
        assert text.count("\n\n") == max(count - 1, 0)
    else:
        assert text.count("\n") == count + 3


def test_json_leaves_out_empty_columns_and_an_unknown_commit() -> None:
    assert json.loads(written("json", [], [])) == {
        "query_name": "q", "target": {"branch": "main", "snapshot": None}, "row_count": 0, "rows": [],
    }  # fmt: skip


def test_json_keeps_wide_integers_and_letters() -> None:
    text = written("json", ["n", '"rows": []'], [{"n": 9007199254740993, '"rows": []': "ä\n"}], graph_commit_id="C")
    assert '"n": 9007199254740993' in text
    assert '"ä\\n"' in text
    assert json.loads(text)["graph_commit_id"] == "C"


def test_jsonl() -> None:
    assert written("jsonl", ["a", "b"], [{"a": 1, "b": None}], branch=None, snapshot="S") == (
        '{"kind":"metadata","query_name":"q","target":{"branch":null,"snapshot":"S"},"row_count":1}\n{"a":1,"b":null}\n'
    )


def test_csv() -> None:
    rows = [{"a,b": 'say "x"', "c": None}, {"a,b": "l1\nl2", "c": ""}, {"a,b": " pad ", "c": {"k": [1, 2.5, True]}}]
    assert written("csv", ["a,b", "c"], rows) == ('"a,b",c\n"say ""x""",null\n"l1\nl2",\n pad ,"{""k"":[1,2.5,true]}"\n')
    assert written("csv", ["a"], []) == "a\n"


def test_kv() -> None:
    rows = [{"i.sku": "A-1", "i.qty": 3}, {"i.sku": "B-7", "i.qty": None}]
    assert written("kv", ["i.sku", "i.qty"], rows, query_name="stock_below") == (
        "2 rows from branch main via stock_below\nrow 1\ni.sku: A-1\ni.qty: 3\n\nrow 2\ni.sku: B-7\ni.qty: null\n"
    )
    assert written("kv", ["a"], [], snapshot="S", branch=None) == "0 rows from snapshot S via q\n(no rows)\n"
    assert written("kv", ["a"], [], branch=None) == "0 rows from target via q\n(no rows)\n"


def test_table_without_rows_and_without_columns() -> None:
    assert written("table", ["a", "bb"], []) == "0 rows from branch main via q\na | bb\n--+---\n"
    assert written("table", [], []) == "0 rows from branch main via q\n(no rows)\n"


def test_table_cuts_cells() -> None:
    rows = [{"c": "x" * 12}, {"c": "a\nb"}, {"c": "é" * 10}]
    text = written("table", ["c"], rows, TableLayout(10))
    assert text.splitlines()[1:] == ["c         ", "-" * 10, "x" * 9 + "…", "a\\nb      ", "é" * 10]


def test_table_wraps_cells() -> None:
    rows = [{"a": "x" * 25, "b": 1}]
    text = written("table", ["a", "b"], rows, TableLayout(10, "wrap"))
    assert text.splitlines()[3:] == ["xxxxxxxxxx | 1", "xxxxxxxxxx |  ", "xxxxx      |  "]


@pytest.mark.parametrize(
    ("most", "name", "cell", "width"),
    [
        (3, "name", "abcdefgh", 4),
        (3, "a-long-name", "abc", 8),
        (0, "n", "abc", 1),
        (20, "a-long-name", "abc", 11),
        (1, "", "abc", 1),
    ],
)
def test_the_width_of_a_column(most: int, name: str, cell: str, width: int) -> None:
    _, header, rule, line = written("table", [name], [{name: cell}], TableLayout(most)).splitlines()
    assert rule == "-" * width
    assert header == name.ljust(width)
    assert len(line) == width


def test_narrow_columns() -> None:
    assert written("table", ["n"], [{"n": "abc"}], TableLayout(0)).splitlines()[3] == "a"
    assert written("table", ["n"], [{"n": "abc"}], TableLayout(2)).splitlines()[3] == "a…"
    assert written("table", [""], [{"": "abc"}], TableLayout(0, "wrap")).splitlines()[3] == ""


def test_cells_show_json_notation() -> None:
    rows = [{"a": value} for value in (True, 1.5, "NaN", [1, "x"], {"k": None}, 55.0)]
    assert written("csv", ["a"], rows).splitlines()[1:] == ["true", "1.5", "NaN", '"[1,""x""]"', '"{""k"":null}"', "55.0"]


def test_columns_of_one_name_are_all_shown() -> None:
    head = ResultHead("q", "main", None, 1, ["a", "a"])
    assert b"".join(write_result("csv", head, [(1, 2)], TableLayout())) == b"a,a\n1,2\n"
