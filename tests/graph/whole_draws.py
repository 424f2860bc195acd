"""What random histories write: loads, mutations and schema changes, drawn for the world that they meet."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from model.schema import Property, Row, Type, World

NODE_NAMES, EDGE_NAMES, PROPERTY_NAMES = ["Ant", "Bee", "Cat", "Dog"], ["Likes", "Sees", "Eats"], ["a", "b", "c", "d"]
KINDS = ["I32?", "I32?", "String?", "[F64]?", "Bool?", "enum"]
IDS, EDGE_IDS = ["i", "j", "k", "l", "m"], ["e", "f", "g", "h"]


class Refused(Exception):
    """The model refuses a write."""


def first_world() -> World:
    world = World()
    for name in NODE_NAMES[:2]:
        number = world.number()
        world.types[number] = Type(
            name, {world.number(): Property("name", "String?", True), world.number(): Property("a", "I32?")}
        )
        world.rows[number] = {}
    edge = world.number()
    world.types[edge] = Type("Likes", {world.number(): Property("a", "I32?")}, (1, 4))
    world.rows[edge] = {}
    return world


class Draws:
    """Draws from the random numbers of a step."""

    random: Random

    def chosen(self, some: Any) -> Any:
        return self.random.choice(sorted(some))

    def load_of(self, world: World, mode: str) -> tuple[list[dict[str, Any]], Callable[[World], World | None]]:
        rows: dict[tuple[int, str], Row] = {}
        for _ in range(self.random.choice([1, 1, 2, 3, 5])):
            number = self.chosen(world.types)
            type_ = world.types[number]
            row_id = self.random.choice(IDS if type_.ends is None else EDGE_IDS)
            ends = None
            if type_.ends is not None:
                pool = [[*world.rows[end], *(key for at, key in rows if at == end)] for end in type_.ends]
                if not all(pool):
                    continue
                ends = (self.chosen(pool[0]), self.chosen(pool[1]))
                if self.random.random() < 0.05:
                    ends = ("nobody", ends[1])
            rows[number, row_id] = Row(self.values(type_, row_id), ends)
        records = [world.documents(number, {row_id: row})[0] for (number, row_id), row in rows.items()]

        def model(after: World) -> World:
            if mode == "overwrite":
                for number in {number for number, _ in rows}:
                    after.rows[number] = {}
            for (number, row_id), row in rows.items():
                if mode == "append" and row_id in after.rows[number]:
                    raise Refused("stored")
                after.rows[number][row_id] = Row(dict(row.values), row.ends)
            if after.orphans():
                raise Refused("orphans")
            return after

        return records, model

    def values(self, type_: Type, row_id: str) -> dict[int, Any]:
        return {at: row_id if one.is_key else self.random.choice(one.values()) for at, one in type_.properties.items()}

    def mutation_of(self, world: World) -> tuple[str, dict[str, Any], Callable[[World], World | None]]:
        kind = self.random.choice(["insert", "update", "update", "update many", "delete", "delete edges", "two"])
        number = self.random.choice(world.nodes())
        type_ = world.types[number]
        key = next(one.name for one in type_.properties.values() if one.is_key)
        row_id = (
            self.chosen(world.rows[number]) if world.rows[number] and self.random.random() < 0.9 else self.random.choice(IDS)
        )
        plain = [
            at for at, one in type_.properties.items() if one.kind in ("I32?", "String?") and not one.is_key and not one.words
        ]
        edges = world.edges()
        if kind == "delete edges" and edges:
            edge = self.random.choice(edges)
            end = self.random.choice(["from", "to"])
            pool = sorted({row.ends[end == "to"] for row in world.rows[edge].values() if row.ends}) or ["i"]
            chosen = self.random.choice(pool)

            def without_edges(after: World) -> World | None:
                gone = [at for at, row in after.rows[edge].items() if row.ends and row.ends[end == "to"] == chosen]
                for at in gone:
                    del after.rows[edge][at]
                return after if gone else None

            return f"query q($x: String) {{ delete {world.types[edge].name} where {end} = $x }}", {"x": chosen}, without_edges
        if kind in ("update", "update many") and plain:
            at = self.random.choice(plain)
            one = type_.properties[at]
            value = self.random.choice(one.values())
            if kind == "update":
                where, params = f"{key} = $w", {"v": value, "w": row_id}
                kind_of_where = "String"
            else:
                asked = self.random.choice([x for x in one.values() if x is not None])
                where, params, kind_of_where = f"{one.name} = $w", {"v": value, "w": asked}, one.kind.rstrip("?")

            def updated(after: World) -> World | None:
                rows = after.rows[number]
                touched = [row_id] if row_id in rows else []
                if kind == "update many":
                    touched = [this for this, row in rows.items() if row.values.get(at) == params["w"]]
                for this in touched:
                    rows[this].values[at] = value
                return after if touched else None

            source = (
                f"query q($v: {one.kind}, $w: {kind_of_where}) {{ update {type_.name} set {{ {one.name}: $v }} where {where} }}"
            )
            return source, params, updated
        if kind == "delete":

            def without(after: World) -> World | None:
                if row_id not in after.rows[number]:
                    return None
                after.drop_node(number, row_id)
                return after

            return f"query q($x: String) {{ delete {type_.name} where {key} = $x }}", {"x": row_id}, without
        row_id = self.random.choice(IDS)
        assigned = {at: self.random.choice(type_.properties[at].values()) for at in plain if self.random.random() < 0.7}
        params = {"x": row_id} | {f"v{at}": value for at, value in assigned.items()}
        declared = ", ".join(["$x: String", *(f"$v{at}: {type_.properties[at].kind}" for at in assigned)])
        body = ", ".join([f"{key}: $x", *(f"{type_.properties[at].name}: $v{at}" for at in assigned)])

        def inserted(after: World) -> World:
            row = dict.fromkeys(type_.properties) | assigned
            row |= {at: row_id for at, one in type_.properties.items() if one.is_key}
            after.rows[number][row_id] = Row(row)
            return after

        return f"query q({declared}) {{ insert {type_.name} {{ {body} }} }}", params, inserted

    def change(self, before: World, world: World, touched: set[int]) -> None:
        number = self.chosen(world.types)
        type_ = world.types[number]
        names = {one.name for one in world.types.values()} | {one.name for one in before.types.values()}
        inside = {one.name for one in type_.properties.values()}
        if number in before.types:
            inside |= {one.name for one in before.types[number].properties.values()}
        kept = {at: one for at, one in type_.properties.items() if not one.is_key and at not in touched}
        free_types = [one for one in (NODE_NAMES if type_.ends is None else EDGE_NAMES) if one not in names]
        free = [one for one in PROPERTY_NAMES if one not in inside]
        match self.random.choice(
            ["type", "edge", "property", "property", "rename", "rename property", "drop property", "drop type"]
        ):
            case "type" if new := [one for one in NODE_NAMES if one not in names]:
                at = world.number()
                world.types[at] = Type(new[0], {world.number(): Property("name", "String?", True)})
                world.rows[at] = {}
            case "edge" if new := [one for one in EDGE_NAMES if one not in names]:
                at = world.number()
                ends = (self.random.choice(world.nodes()), self.random.choice(world.nodes()))
                world.types[at], world.rows[at] = Type(new[0], {}, ends), {}
            case "property" if free:
                kind = self.random.choice(KINDS)
                words = ["red", "blue"] if kind == "enum" else []
                type_.properties[world.number()] = Property(self.random.choice(free), kind, words=words)
            case "rename" if free_types and number not in touched:
                type_.name = self.random.choice(free_types)
                touched.add(number)
            case "rename property" if free and (some := [at for at in type_.properties if at not in touched]):
                at = self.random.choice(some)
                type_.properties[at].name = self.random.choice(free)
                touched.add(at)
            case "drop property" if kept:
                del type_.properties[self.chosen(kept)]
            case "drop type" if number not in touched:
                used = {end for edge in world.edges() for end in world.types[edge].ends or ()}
                if number not in used and (type_.ends is not None or len(world.nodes()) > 1):
                    del world.types[number], world.rows[number]
