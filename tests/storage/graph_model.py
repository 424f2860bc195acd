"""A graph as plain dictionaries, random changes to it, and the checks that hold a view against it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from omnigraph.language.catalog import Catalog, EdgeType, NodeType, Property, PropertyType, Scalar
from omnigraph.storage.arrow import arrow_type
from omnigraph.storage.change import Change
from omnigraph.storage.snapshot_view import SnapshotView, TableSource
from omnigraph.storage.view import Adjacency, Ordinals, TableView
from storage.arrow_base import ArrowBase

STRINGS = ["", "a", "a\0", "a\0\0", "aa", "ab", "b", "B", "é", "e\u0301", "日本", "\U0001f600", "zz", "\uffff", "a" * 40]
INTEGERS = [0, 1, 2, -1, 7, 2**31 - 1, -(2**31)]
LONGS = [0, 1, -5, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
UNSIGNED = [0, 1, 2**63, 2**64 - 1, 2**53 + 1]
FLOATS = [0.0, 1.0, 0.1, -0.5, 2.5, 1e300, float(2**53), -math.inf]
SINGLES = [0.0, 1.0, float(np.float32(0.1)), 2.5, 16777216.0]


def _property(name: str, scalar: Scalar, **more: Any) -> Property:
    return Property(name, PropertyType(scalar, nullable=True, **more))


PROPERTIES: dict[str, tuple[Property, Sequence[Any]]] = {
    property_.name: (property_, pool)
    for property_, pool in [
        (_property("name", Scalar.STRING), STRINGS),
        (_property("age", Scalar.I32), INTEGERS),
        (_property("long", Scalar.I64), LONGS),
        (_property("size", Scalar.U64), UNSIGNED),
        (_property("score", Scalar.F64), FLOATS),
        (_property("rate", Scalar.F32), SINGLES),
        (_property("ok", Scalar.BOOL), [True, False]),
        (_property("born", Scalar.DATE), [0, -1, 20000]),
        (_property("at", Scalar.DATETIME), [0, -1, 1_700_000_000_123]),
        (_property("tags", Scalar.STRING, is_list=True), [(), ("x",), ("x", "é", "")]),
        (_property("days", Scalar.DATE, is_list=True), [(), (1, 2)]),
        (_property("vector", Scalar.VECTOR, dimension=2), [(0.0, 1.0), (0.5, -2.0)]),
    ]
}
NODE = {name: property_ for name, (property_, _) in PROPERTIES.items()}
CATALOG = Catalog(
    nodes={
        "Person": NodeType("Person", NODE, unique=(("name",),), index=(("age",),)),
        "Company": NodeType("Company", {"name": NODE["name"]}),
    },
    edges={
        "Knows": EdgeType("Knows", {"long": NODE["long"]}, source="Person", target="Person"),
        "Works": EdgeType("Works", {}, source="Person", target="Company"),
    },
)
COLUMN_OF = {"node:Person": {"name": "c1"}, "node:Company": {}, "edge:Knows": {}, "edge:Works": {}}
TABLES: dict[str, Any] = {f"node:{name}": type_ for name, type_ in CATALOG.nodes.items()}
TABLES |= {f"edge:{name}": type_ for name, type_ in CATALOG.edges.items()}

Row = dict[str, Any]
Model = dict[str, dict[str, Row]]
"""Per table key, per id, the row; edges have ``src`` and ``dst`` in it."""


def empty_model() -> Model:
    return {key: {} for key in TABLES}


# --- random states and changes -----------------------------------------------------------------------------------------

PERSONS = ["p", "p\0", "p\0x", "pé", "q", "person-with-a-rather-long-identifier", "1", "2"]
COMPANIES = ["p", "c1", "c2"]
KNOWS = ["k", "k\0", "k1", "k2", "k3", "k4", "k5", "k6"]
WORKS = ["w1", "w2", "w3"]


@dataclass
class Step:
    """One commit as asked for; `apply` makes it fit the state it meets."""

    parent: int
    upserts: dict[str, list[Row]] = field(default_factory=dict)
    deletes: dict[str, list[str]] = field(default_factory=dict)
    without: str | None = None


def rows_of(names: Sequence[str], ids: Sequence[str], **extra: Sequence[str]) -> st.SearchStrategy[list[Row]]:
    cells = {name: st.sampled_from([None, *PROPERTIES[name][1]]) for name in names}
    row = st.fixed_dictionaries({"id": st.sampled_from(ids), **{k: st.sampled_from(v) for k, v in extra.items()}, **cells})
    return st.lists(row, max_size=4, unique_by=lambda row: row["id"])


def steps(parents: int = 1000) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        parent=st.integers(0, parents),
        upserts=st.fixed_dictionaries(
            {},
            optional={
                "node:Person": rows_of(list(NODE), PERSONS),
                "node:Company": rows_of(["name"], COMPANIES),
                "edge:Knows": rows_of(["long"], KNOWS, src=PERSONS, dst=PERSONS),
                "edge:Works": rows_of([], WORKS, src=PERSONS, dst=COMPANIES),
            },
        ),
        deletes=st.fixed_dictionaries(
            {},
            optional={
                "node:Person": st.lists(st.sampled_from(PERSONS), max_size=2, unique=True),
                "node:Company": st.lists(st.sampled_from(COMPANIES), max_size=1),
                "edge:Knows": st.lists(st.sampled_from(KNOWS), max_size=3, unique=True),
                "edge:Works": st.lists(st.sampled_from(WORKS), max_size=1),
            },
        ),
        without=st.sampled_from([None, None, "name", "age", "vector"]),
    )


def apply(model: Model, step: Step, number: int) -> tuple[Model, dict[str, Change]]:
    """Return the state after a step and the changes that a writer would log: existing endpoints, cascading deletes."""
    after = {key: dict(rows) for key, rows in model.items()}
    upserts: dict[str, dict[str, Row]] = {key: {} for key in TABLES}
    deletes: dict[str, set[str]] = {key: set() for key in TABLES}
    for key in TABLES:
        if key.startswith("node"):
            for row in step.upserts.get(key, []):
                row = {name: None if name == step.without else cell for name, cell in row.items()}
                upserts[key][row["id"]] = after[key][row["id"]] = row
            for row_id in step.deletes.get(key, []):
                if row_id in after[key] and row_id not in upserts[key]:
                    del after[key][row_id]
                    deletes[key].add(row_id)
    for key, type_ in TABLES.items():
        if key.startswith("edge"):
            ends = after[f"node:{type_.source}"], after[f"node:{type_.target}"]
            for row in step.upserts.get(key, []):
                if row["src"] in ends[0] and row["dst"] in ends[1]:
                    upserts[key][row["id"]] = after[key][row["id"]] = row
            gone = [row_id for row_id, row in after[key].items() if row["src"] not in ends[0] or row["dst"] not in ends[1]]
            for row_id in [*gone, *step.deletes.get(key, [])]:
                if row_id in after[key] and row_id not in upserts[key]:
                    del after[key][row_id]
                    deletes[key].add(row_id)
    changes = {}
    for key in TABLES:
        if upserts[key] or deletes[key]:
            batch = batch_of(key, list(upserts[key].values()), step.without) if upserts[key] else None
            changes[key] = Change(number, batch, tuple(sorted(deletes[key])))
    return after, changes


def batch_of(key: str, rows: list[Row], without: str | None = None) -> pa.RecordBatch:
    """Return rows as the log stores them: by stored names, a column missing, one more than the schema knows."""
    entity = TABLES[key]
    arrays = {"id": pa.array([row["id"] for row in rows], pa.string())}
    if isinstance(entity, EdgeType):
        arrays |= {end: pa.array([row[end] for row in rows], pa.string()) for end in ("src", "dst")}
    for name, property_ in entity.properties.items():
        if name != without:
            arrays[COLUMN_OF[key].get(name, name)] = array_of([row[name] for row in rows], arrow_type(property_.type))
    arrays["dropped"] = pa.array([1] * len(rows))
    return pa.record_batch(arrays)


def array_of(cells: list[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_date(type_):
        return pa.array(cells, pa.int32() if pa.types.is_date32(type_) else pa.int64()).cast(type_)
    if pa.types.is_list(type_) and pa.types.is_date(type_.value_type):
        return pa.array(cells, pa.list_(pa.int32())).cast(type_)
    return pa.array(cells, type_)


def base_of(key: str, rows: Mapping[str, Row], version: str) -> ArrowBase:
    """Store rows as a base with a dead slot before, behind and in between."""
    dead_row = dict.fromkeys([*TABLES[key].properties, "src", "dst"]) | {"src": "p", "dst": "p"}
    stored: list[Row] = []
    dead = []
    for at, row in enumerate([None, *rows.values(), None]):
        if row is None or at == 2:
            dead.append(len(stored))
            stored.append(dead_row | {"id": f"dead {at}"})
        if row is not None:
            stored.append(row)
    table = pa.Table.from_batches([batch_of(key, stored)]).drop_columns(["dropped"])
    return ArrowBase(table, dead, (key, version))


def sources(bases: Mapping[str, ArrowBase | None], model: Model, changes: Sequence[Mapping[str, Change]]) -> Any:
    made = {}
    for key in TABLES:
        base = bases.get(key)
        made[key] = TableSource(
            open_base=lambda base=base: base,  # type: ignore[misc]
            base_identity=None if base is None else base.identity,
            tail=[change[key] for change in changes if key in change],
            column_of=COLUMN_OF[key],
            rows=len(model[key]),
        )
    return made


# --- checks ------------------------------------------------------------------------------------------------------------

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
CONSTANTS: dict[str, Sequence[Any]] = {
    "name": [*STRINGS, "c", "\0"],
    "age": [*INTEGERS, 2.5, 3_000_000_000, -1e300, math.nan, 1.0],
    "long": [*LONGS, float(2**53), 0.5, 2**64, math.inf],
    "size": [*UNSIGNED, -1, float(2**63), 0.5],
    "score": [*FLOATS, 2**53 + 1, 10**400, math.nan, 0.3],
    "rate": [*SINGLES, 0.1, 16777217, 1e300],
    "ok": [True, False],
    "born": [0, 5],
    "at": [0, -1],
}


def check(view: SnapshotView, model: Model, thorough: bool = True) -> dict[str, dict[str, int]]:
    """Hold everything that a view says against the model; return the ordinals of all rows."""
    found = {}
    for key, type_ in TABLES.items():
        table: TableView = view.nodes(type_.name) if key.startswith("node") else view.edges(type_.name)
        found[key] = check_rows(table, model[key], thorough)
    for key, type_ in TABLES.items():
        if key.startswith("edge"):
            edges = view.edges(type_.name)
            check_endpoints(edges, model[key], found[key])
            ends = found[f"node:{type_.source}"], found[f"node:{type_.target}"]
            for adjacency in (edges.adjacency(), edges.adjacency(True), edges.adjacency(False)):
                check_adjacency(
                    adjacency, ends, model[key], found[key], (view.nodes(type_.source).slots, view.nodes(type_.target).slots)
                )
    return found


def check_rows(table: TableView, rows: Mapping[str, Row], thorough: bool) -> dict[str, int]:
    ids = list(rows)
    ordinals = {row_id: table.ordinal(row_id) for row_id in ids}
    assert table.rows == len(rows)
    assert len(set(ordinals.values())) == len(rows)
    assert all(0 <= ordinal < table.slots for ordinal in ordinals.values())
    asked = [*ids, "nobody", *PERSONS, *KNOWS, *COMPANIES, "dead 1"]
    assert table.ordinals(asked).tolist() == [ordinals.get(row_id, -1) for row_id in asked]
    assert table.ordinals(pa.array([*asked, None], pa.string())).tolist()[:-1] == table.ordinals(asked).tolist()
    places = np.array([-1, *ordinals.values(), -1], np.int32)
    assert table.ids(places).to_pylist() == table.id_list(places) == [None, *ids, None]
    for row_id, ordinal in ordinals.items():
        assert table.id(ordinal) == row_id
        names = list(table.entity.properties)
        assert table.values(ordinal, ["id", *names]) == (row_id, *(rows[row_id][name] for name in names))
    assert table.all().dtype == np.int32
    assert table.all().tolist() == sorted(ordinals.values())
    live = table.live
    assert (np.arange(table.slots) if live is None else np.flatnonzero(live)).tolist() == sorted(ordinals.values())
    if thorough:
        for name in table.entity.properties:
            check_column(table, name, rows, ordinals, places)
    return ordinals


def check_column(table: TableView, name: str, rows: Mapping[str, Row], ordinals: Mapping[str, int], places: Ordinals) -> None:
    column = table.column(name)
    cells = [rows[row_id][name] for row_id in ordinals]
    assert [column.value(ordinal) for ordinal in ordinals.values()] == cells
    assert column.values(places) == [None, *cells, None]
    taken = column.take(places)
    assert taken.type == column.type == arrow_type(table.entity.properties[name].type)
    assert taken.equals(array_of([None, *cells, None], column.type))
    order = places[1:-1]
    if name == "name":
        codes = column.codes()[order].tolist()
        known = [(cell.encode(), code) for cell, code in zip(cells, codes, strict=True) if cell is not None]
        assert all((a < b) == (x < y) and (a == b) == (x == y) for a, x in known for b, y in known)
        assert all((cell is None) == (code == -1) for cell, code in zip(cells, codes, strict=True))
    elif name == "vector":
        matrix, valid = column.matrix()
        assert matrix.shape == (table.slots, 2)
        assert [
            tuple(row) if valid is None or valid[at] else None for at, row in zip(order, matrix[order], strict=True)
        ] == cells
    elif name not in ("tags", "days"):
        values, valid = column.numbers()
        assert len(values) == table.slots
        there = valid[order] if valid is not None else np.ones(len(order), bool)
        got = [value if ok else None for value, ok in zip(values[order].tolist(), there.tolist(), strict=True)]
        assert got == cells
    for constant in CONSTANTS.get(name, ())[(len(rows) + table.slots) % 3 :: 3]:  # all of them are tested elsewhere
        for sign, holds in _OPERATORS.items():
            wanted = [cell is not None and constant == constant and holds(cell, constant) for cell in cells]
            assert column.compare(sign, constant)[order].tolist() == wanted, (name, sign, constant)  # type: ignore[arg-type]
            some = column.compare(sign, constant, places)  # type: ignore[arg-type]
            assert some.tolist() == [False, *wanted, False], (name, sign, constant)
        found = table.find(name, constant)
        wanted_at = [at for at, cell in zip(order.tolist(), cells, strict=True) if cell is not None and cell == constant]
        assert found.tolist() == sorted(wanted_at), (name, constant)
    if name in CONSTANTS:
        assert table.find(name, None).tolist() == []
        assert not column.compare("!=", None).any()


def check_endpoints(edges: TableView, rows: Mapping[str, Row], ordinals: Mapping[str, int]) -> None:
    places = np.array([*ordinals.values(), -1], np.int32)
    for end in ("src", "dst"):
        column = edges.column(end)
        cells = [rows[row_id][end] for row_id in ordinals]
        assert column.take(places).to_pylist() == [*cells, None]
        assert [column.value(ordinal) for ordinal in ordinals.values()] == cells
        for node in ("p", "c1", "nobody"):
            wanted = [ordinals[row_id] for row_id in ordinals if rows[row_id][end] == node]
            assert edges.find(end, node).tolist() == sorted(wanted)
            assert column.compare("=", node, places).tolist() == [*(cell == node for cell in cells), False]


def check_adjacency(
    adjacency: Adjacency,
    ends: tuple[Mapping[str, int], Mapping[str, int]],
    rows: Mapping[str, Row],
    edges: Mapping[str, int],
    slots: tuple[int, int],
) -> None:
    pairs = [(row["src"], row["dst"]) for row in rows.values()]
    assert adjacency.has_parallel or len(set(pairs)) == len(pairs)
    chosen = np.zeros(max(edges.values(), default=-1) + 1, np.bool_)
    chosen[[ordinal for row_id, ordinal in edges.items() if rows[row_id]["src"] < "q"]] = True
    for allowed, walked in ((None, adjacency), (chosen, adjacency.restricted(chosen))):
        for reverse in (False, True):
            lists: dict[int, list[tuple[int, int]]] = {}
            for row_id, row in rows.items():
                if allowed is None or allowed[edges[row_id]]:
                    pair = ends[0][row["src"]], ends[1][row["dst"]]
                    lists.setdefault(pair[reverse], []).append((pair[not reverse], edges[row_id]))
            for pairs_ in lists.values():
                pairs_.sort()
            own = ends[reverse].values()
            for node in [*own, -1]:
                wanted = lists.get(node, [])
                assert walked.neighbours(node, reverse).tolist() == [neighbour for neighbour, _ in wanted]
                assert walked.edges(node, reverse).tolist() == [edge for _, edge in wanted]
            some = [*own, -1, *own]
            for asked in (some, some * 5, sorted(own), list(range(slots[reverse])), some[:1], []):
                check_expand(walked, np.array(asked, np.int32), reverse, lists)
            degrees = walked.degrees(reverse)
            assert degrees.tolist() == [len(lists.get(node, [])) for node in range(slots[reverse])]


def check_expand(adjacency: Adjacency, asked: Ordinals, reverse: bool, lists: Mapping[int, Sequence[tuple[int, int]]]) -> None:
    wanted = [(at, *pair) for at, node in enumerate(asked.tolist()) for pair in lists.get(node, [])]
    positions, neighbours, edges = adjacency.expand_edges(asked, reverse)
    assert list(zip(positions.tolist(), neighbours.tolist(), edges.tolist(), strict=True)) == wanted
    positions, neighbours = adjacency.expand(asked, reverse)
    assert list(zip(positions.tolist(), neighbours.tolist(), strict=True)) == [(at, node) for at, node, _ in wanted]
    assert adjacency.sizes(asked, reverse).tolist() == [len(lists.get(node, [])) for node in asked.tolist()]
    bound = asked[asked >= 0]
    assert adjacency.reached(bound, reverse).tolist() == [node for at, node, _ in wanted]
