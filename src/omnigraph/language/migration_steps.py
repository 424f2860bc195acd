"""The steps of a migration plan, their JSON and their lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from msgspec import Struct

from omnigraph.language.canonical import Json, annotations_json, type_json
from omnigraph.language.catalog import Annotation, PropertyType, Scalar
from omnigraph.language.lexer import quote

TypeKind = Literal["interface", "node", "edge"]
Mode = Literal["soft", "hard"]

TIERS = {"OG-MF-103": "validated", "OG-MF-106": "destructive"}


class AddType(Struct, frozen=True):
    """A new type, with its own constraints."""

    kind: ClassVar[str] = "add_type"
    type_kind: TypeKind
    name: str

    def facts(self) -> dict[str, Json]:
        return {"type_kind": self.type_kind, "name": self.name}

    def line(self) -> str:
        return f"add {self.type_kind} type '{self.name}'"


class RenameType(Struct, frozen=True):
    """Another name for a type; rows, ids and edges stay."""

    kind: ClassVar[str] = "rename_type"
    type_kind: TypeKind
    old: str
    new: str

    def facts(self) -> dict[str, Json]:
        return {"type_kind": self.type_kind, "from": self.old, "to": self.new}

    def line(self) -> str:
        return f"rename {self.type_kind} type '{self.old}' -> '{self.new}'"


class AddProperty(Struct, frozen=True):
    """A new nullable property; stored rows get null."""

    kind: ClassVar[str] = "add_property"
    type_kind: TypeKind
    type_name: str
    property_name: str
    property_type: PropertyType

    def facts(self) -> dict[str, Json]:
        return {
            "type_kind": self.type_kind,
            "type_name": self.type_name,
            "property_name": self.property_name,
            "property_type": type_json(self.property_type),
        }

    def line(self) -> str:
        name = f"{self.type_name}.{self.property_name}"
        return f"add property '{name}' ({_plan_type(self.property_type)}) on {self.type_kind} '{self.type_name}'"


class RenameProperty(Struct, frozen=True):
    """Another name for a property; values and constraints follow."""

    kind: ClassVar[str] = "rename_property"
    type_kind: TypeKind
    type_name: str
    old: str
    new: str

    def facts(self) -> dict[str, Json]:
        return {"type_kind": self.type_kind, "type_name": self.type_name, "from": self.old, "to": self.new}

    def line(self) -> str:
        owner = self.type_name
        return f"rename property '{owner}.{self.old}' -> '{owner}.{self.new}' on {self.type_kind} '{owner}'"


class AddConstraint(Struct, frozen=True):
    """A new index. ``constraint`` is its JSON."""

    kind: ClassVar[str] = "add_constraint"
    type_kind: TypeKind
    type_name: str
    columns: tuple[str, ...]

    def facts(self) -> dict[str, Json]:
        constraint: dict[str, Json] = {"Index": [*self.columns]}
        return {"type_kind": self.type_kind, "type_name": self.type_name, "constraint": constraint}

    def line(self) -> str:
        return f"add constraint @index({', '.join(self.columns)}) on {self.type_kind} '{self.type_name}'"


class UpdateTypeMetadata(Struct, frozen=True):
    """Other ``@description`` or ``@instruction`` of a type; the desired ones, all of them."""

    kind: ClassVar[str] = "update_type_metadata"
    type_kind: TypeKind
    name: str
    annotations: tuple[Annotation, ...]

    def facts(self) -> dict[str, Json]:
        annotations = annotations_json(self.annotations)
        return {"type_kind": self.type_kind, "name": self.name, "annotations": annotations}

    def line(self) -> str:
        return f"update metadata on {self.type_kind} '{self.name}' ({_words(self.annotations)})"


class UpdatePropertyMetadata(Struct, frozen=True):
    """Other ``@description`` of a property."""

    kind: ClassVar[str] = "update_property_metadata"
    type_kind: TypeKind
    type_name: str
    property_name: str
    annotations: tuple[Annotation, ...]

    def facts(self) -> dict[str, Json]:
        return {
            "type_kind": self.type_kind,
            "type_name": self.type_name,
            "property_name": self.property_name,
            "annotations": annotations_json(self.annotations),
        }

    def line(self) -> str:
        name = f"{self.type_name}.{self.property_name}"
        owner = f"{self.type_kind} '{self.type_name}'"
        return f"update metadata on property '{name}' of {owner} ({_words(self.annotations)})"


class DropType(Struct, frozen=True):
    """A type that goes. ``hard`` makes earlier versions unreadable too."""

    kind: ClassVar[str] = "drop_type"
    type_kind: TypeKind
    name: str
    mode: Mode

    def facts(self) -> dict[str, Json]:
        return {"type_kind": self.type_kind, "name": self.name, "mode": self.mode}

    def line(self) -> str:
        return f"drop {self.type_kind} type '{self.name}' ({self.mode} mode)"


class DropProperty(Struct, frozen=True):
    """A property that goes."""

    kind: ClassVar[str] = "drop_property"
    type_kind: TypeKind
    type_name: str
    property_name: str
    mode: Mode

    def facts(self) -> dict[str, Json]:
        return {
            "type_kind": self.type_kind,
            "type_name": self.type_name,
            "property_name": self.property_name,
            "mode": self.mode,
        }

    def line(self) -> str:
        owner = self.type_name
        return f"drop property '{owner}.{self.property_name}' of {self.type_kind} '{owner}' ({self.mode} mode)"


class ExtendEnum(Struct, frozen=True):
    """More values of an enum; nothing stored changes."""

    kind: ClassVar[str] = "extend_enum"
    type_kind: TypeKind
    type_name: str
    property_name: str
    added_values: tuple[str, ...]

    def facts(self) -> dict[str, Json]:
        return {
            "type_kind": self.type_kind,
            "type_name": self.type_name,
            "property_name": self.property_name,
            "added_values": [*self.added_values],
        }

    def line(self) -> str:
        name = f"{self.type_name}.{self.property_name}"
        added = ", ".join(f"+{value}" for value in self.added_values)
        return f"extend enum '{name}' ({added}) on {self.type_kind} '{self.type_name}'"


class UnsupportedChange(Struct, frozen=True):
    """A change that no migration can make; with one of them the whole plan is unsupported."""

    kind: ClassVar[str] = "unsupported_change"
    entity: str
    reason: str
    code: str | None = None

    def facts(self) -> dict[str, Json]:
        facts: dict[str, Json] = {"entity": self.entity, "reason": self.reason}
        if self.code is not None:
            facts["code"] = self.code
        return facts

    def line(self) -> str:
        code = "" if self.code is None else f" [{self.code}, {TIERS[self.code]}]"
        return f"unsupported change on {self.entity}{code}: {self.reason}"


Step: TypeAlias = (
    AddType
    | RenameType
    | AddProperty
    | RenameProperty
    | AddConstraint
    | UpdateTypeMetadata
    | UpdatePropertyMetadata
    | DropType
    | DropProperty
    | ExtendEnum
    | UnsupportedChange
)


def step_json(step: Step) -> dict[str, Json]:
    """Return a step as it stands in the JSON of a plan."""
    return {"kind": step.kind, **step.facts()}


def step_line(members: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return the line of a step that is there as JSON, perhaps from a server of another version."""
    kind = members.get("kind")
    try:
        return _STEPS[kind](members).line()
    except (KeyError, TypeError):
        return " ".join(str(value) for value in members.values())


def _annotations(values: Iterable[Mapping[str, Any]]) -> tuple[Annotation, ...]:
    return tuple(Annotation(each["name"], each["value"]) for each in values)


def _type(value: Mapping[str, Any]) -> PropertyType:
    scalar, words = value["scalar"], value["enum_values"]
    dimension: int | None = scalar["Vector"] if isinstance(scalar, dict) else None
    name = Scalar.VECTOR if isinstance(scalar, dict) else Scalar(scalar)
    return PropertyType(name, value["nullable"], value["list"], dimension, None if words is None else tuple(words))


_STEPS: Mapping[Any, Callable[[Mapping[str, Any]], Step]] = {
    "add_type": lambda at: AddType(at["type_kind"], at["name"]),
    "rename_type": lambda at: RenameType(at["type_kind"], at["from"], at["to"]),
    "add_property": lambda at: AddProperty(at["type_kind"], at["type_name"], at["property_name"], _type(at["property_type"])),
    "rename_property": lambda at: RenameProperty(at["type_kind"], at["type_name"], at["from"], at["to"]),
    "add_constraint": lambda at: AddConstraint(at["type_kind"], at["type_name"], tuple(at["constraint"]["Index"])),
    "update_type_metadata": lambda at: UpdateTypeMetadata(at["type_kind"], at["name"], _annotations(at["annotations"])),
    "update_property_metadata": lambda at: UpdatePropertyMetadata(
        at["type_kind"], at["type_name"], at["property_name"], _annotations(at["annotations"])
    ),
    "drop_type": lambda at: DropType(at["type_kind"], at["name"], at["mode"]),
    "drop_property": lambda at: DropProperty(at["type_kind"], at["type_name"], at["property_name"], at["mode"]),
    "extend_enum": lambda at: ExtendEnum(at["type_kind"], at["type_name"], at["property_name"], tuple(at["added_values"])),
    "unsupported_change": lambda at: UnsupportedChange(at["entity"], at["reason"], at.get("code")),
}


def _plan_type(type_: PropertyType) -> str:
    """Return the display name of a type in plan lines, which write enums in a way of their own."""
    if type_.enum_values is None:
        return str(type_)
    return f"Enum({'|'.join(type_.enum_values)}){'?' if type_.nullable else ''}"


def _words(annotations: tuple[Annotation, ...]) -> str:
    return ", ".join(f"@{each.name}({quote(each.value or '')})" for each in annotations)
