"""The data model in plain dictionaries: rows, loads, mutations and what they must keep. Slow and obvious.

A refusal is `Refused` with the kind of the first rule that it knows to be broken; which of several is named first is nobody's
promise, so tests compare whether a write is refused, not why, except where only one rule can be broken.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnigraph.language.catalog import Catalog, EdgeType, NodeType

Values = dict[str, Any]


class Refused(Exception):
    """The write breaks a rule; nothing happened."""


@dataclass
class EdgeRow:
    source: str
    target: str
    values: Values


@dataclass
class State:
    nodes: dict[str, dict[str, Values]] = field(default_factory=dict)
    edges: dict[str, dict[str, EdgeRow]] = field(default_factory=dict)


class ModelGraph:
    """A graph of one catalog. Every write method either changes the state as a whole or raises Refused."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.state = State({name: {} for name in catalog.nodes}, {name: {} for name in catalog.edges})
        self.commits = 0

    # --- writes --------------------------------------------------------------------------------------------------------

    def load(self, mode: str, records: list[dict[str, Any]], fresh: Mapping[int, str]) -> None:
        """Load records. ``fresh`` gives the ids that the engine made, by record index."""
        after = copy.deepcopy(self.state)
        named_nodes = {record["type"] for record in records if "type" in record}
        named_edges = {record["edge"] for record in records if "edge" in record}
        if mode == "overwrite":
            for name in named_nodes:
                after.nodes[name] = {}
            for name in named_edges:
                after.edges[name] = {}
        seen: set[tuple[str, str, str]] = set()
        for index, record in enumerate(records):
            data = dict(record.get("data", {}))
            given = data.pop("id", None)
            if "type" in record:
                node = self.catalog.nodes[record["type"]]
                values = {name: data.get(name) for name in node.properties}
                self._values(node, values)
                row_id = self._node_id(node, values) if node.key else given if given is not None else fresh[index]
                mark = ("node", node.name, row_id)
                keyed = bool(node.key)
            else:
                edge = self.catalog.edges[record["edge"]]
                values = {name: data.get(name) for name in edge.properties}
                self._values(edge, values)
                row_id = given if given is not None else fresh[index]
                mark = ("edge", edge.name, row_id)
                keyed = False
            if mark in seen and (keyed or mode != "merge"):
                raise Refused("same id twice in the file")
            seen.add(mark)
            if "type" in record:
                if mode == "append" and row_id in self.state.nodes[node.name]:
                    raise Refused("stored id")
                after.nodes[node.name][row_id] = values
            else:
                if mode == "append" and row_id in self.state.edges[edge.name]:
                    raise Refused("stored id")
                after.edges[edge.name][row_id] = EdgeRow(record["from"], record["to"], values)
        self._publish(after)

    def insert_node(self, type_name: str, values: Values, fresh: str) -> None:
        after = copy.deepcopy(self.state)
        node = self.catalog.nodes[type_name]
        row = {name: values.get(name) for name in node.properties}
        self._values(node, row)
        after.nodes[type_name][self._node_id(node, row) if node.key else fresh] = row
        self._publish(after)

    def insert_edges(self, rows: list[tuple[str, str, str, Values, str]]) -> None:
        """Insert several edges (type, source, target, values, fresh id) as one mutation."""
        after = copy.deepcopy(self.state)
        for type_name, source, target, values, fresh in rows:
            edge = self.catalog.edges[type_name]
            row = {name: values.get(name) for name in edge.properties}
            self._values(edge, row)
            after.edges[type_name][fresh] = EdgeRow(source, target, row)
        self._publish(after)

    def update(self, type_name: str, assigned: Values, row_ids: list[str]) -> None:
        after = copy.deepcopy(self.state)
        node = self.catalog.nodes[type_name]
        for row_id in row_ids:
            after.nodes[type_name][row_id] |= assigned
            self._values(node, after.nodes[type_name][row_id])
        if row_ids:
            self._publish(after)

    def delete_nodes(self, type_name: str, row_ids: list[str]) -> int:
        """Delete nodes and the edges that touch them; return how many edges went."""
        after = copy.deepcopy(self.state)
        gone = set(row_ids)
        cascaded = 0
        for row_id in row_ids:
            del after.nodes[type_name][row_id]
        for edge in self.catalog.edges.values():
            for edge_id, row in list(after.edges[edge.name].items()):
                if (edge.source == type_name and row.source in gone) or (edge.target == type_name and row.target in gone):
                    del after.edges[edge.name][edge_id]
                    cascaded += 1
        if row_ids:
            self._publish(after)
        return cascaded

    def delete_edges(self, type_name: str, edge_ids: list[str]) -> None:
        after = copy.deepcopy(self.state)
        for edge_id in edge_ids:
            del after.edges[type_name][edge_id]
        if edge_ids:
            self._publish(after)

    # --- rules ---------------------------------------------------------------------------------------------------------

    def _node_id(self, node: NodeType, values: Values) -> str:
        texts = [str(values[name]) for name in node.key]
        if len(texts) == 1:
            return texts[0]
        return "[" + ",".join(f'"{text}"' for text in texts) + "]"

    def _values(self, entity: NodeType | EdgeType, values: Values) -> None:
        for name, property_ in entity.properties.items():
            value = values[name]
            if value is None:
                if not property_.type.nullable:
                    raise Refused(f"{name} is null")
                continue
            if property_.type.enum_values is not None and value not in property_.type.enum_values:
                raise Refused(f"{name} is no enum value")
        for rule in getattr(entity, "ranges", ()):
            value = values[rule.property_name]
            if value is None:
                continue
            if (rule.minimum is not None and value < rule.minimum) or (rule.maximum is not None and value > rule.maximum):
                raise Refused("range")
        if any(values[name] == "" for name in getattr(entity, "key", ())) and len(getattr(entity, "key", ())) == 1:
            raise Refused("empty id")

    def _publish(self, after: State) -> None:
        for node in self.catalog.nodes.values():
            self._unique(node, [(row_id, dict(values)) for row_id, values in after.nodes[node.name].items()])
        for edge in self.catalog.edges.values():
            rows = after.edges[edge.name]
            for row in rows.values():
                if row.source not in after.nodes[edge.source] or row.target not in after.nodes[edge.target]:
                    raise Refused("endpoint")
            self._unique(edge, [(key, {**row.values, "src": row.source, "dst": row.target}) for key, row in rows.items()])
            self._cardinality(edge, after)
        self.state = after
        self.commits += 1

    def _unique(self, entity: NodeType | EdgeType, rows: list[tuple[str, Values]]) -> None:
        for columns in entity.unique:
            tuples = [tuple(values[name] for name in columns) for _, values in rows]
            counts = Counter(item for item in tuples if None not in item)
            if any(count > 1 for count in counts.values()):
                raise Refused("unique")

    def _cardinality(self, edge: EdgeType, after: State) -> None:
        minimum, maximum = edge.cardinality
        before_of = edges_by_source(self.state.edges[edge.name])
        after_of = edges_by_source(after.edges[edge.name])
        for source in before_of.keys() | after_of.keys():
            was, now = before_of.get(source, {}), after_of.get(source, {})
            if was == now or source not in after.nodes[edge.source]:
                continue
            if len(now) < minimum or (maximum is not None and len(now) > maximum):
                raise Refused("cardinality")


def edges_by_source(rows: dict[str, EdgeRow]) -> dict[str, dict[str, EdgeRow]]:
    result: dict[str, dict[str, EdgeRow]] = {}
    for edge_id, row in rows.items():
        result.setdefault(row.source, {})[edge_id] = row
    return result
