"""Migration planning: the ordered steps from the accepted schema to a desired one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from omnigraph.language.canonical import Json, constraint_forms, constraint_key
from omnigraph.language.catalog import (
    Annotation,
    Catalog,
    EdgeType,
    InterfaceType,
    NodeType,
    Property,
    PropertyType,
)
from omnigraph.language.migration_steps import (
    AddConstraint,
    AddProperty,
    AddType,
    DropProperty,
    DropType,
    ExtendEnum,
    Mode,
    RenameProperty,
    RenameType,
    Step,
    TypeKind,
    UnsupportedChange,
    UpdatePropertyMetadata,
    UpdateTypeMetadata,
    step_json,
)

_METADATA = ("description", "instruction")
_V1 = "is not supported in schema migration v1"


class MigrationPlan(Struct, frozen=True):
    """The steps of a migration, in the order in which they are made."""

    steps: tuple[Step, ...]

    @property
    def supported(self) -> bool:
        return self.refusal is None

    @property
    def refusal(self) -> str | None:
        """What ``schema apply`` says about a plan that is not supported: the first such reason, behind its code."""
        for step in self.steps:
            if isinstance(step, UnsupportedChange):
                return step.reason if step.code is None else f"[{step.code}] {step.reason}"
        return None

    def as_json(self, uri: str) -> dict[str, Json]:
        """Return the plan as the JSON object of ``schema plan --json``."""
        return {
            "uri": uri,
            "supported": self.supported,
            "step_count": len(self.steps),
            "steps": [step_json(step) for step in self.steps],
        }

    def as_text(self, uri: str) -> str:
        """Return the plan as lines for a person, without a newline at the end."""
        lines = [f"schema plan for {uri}", f"supported: {'yes' if self.supported else 'no'}", *self.step_lines()]
        return "\n".join(lines)

    def step_lines(self) -> list[str]:
        """Return the lines that ``schema plan`` and ``schema apply`` print for the steps."""
        return [f"- {step.line()}" for step in self.steps] or ["no schema changes"]


def plan_migration(accepted: Catalog, desired: Catalog, *, allow_data_loss: bool = False) -> MigrationPlan:
    """Plan the way from the accepted schema to the desired one. ``allow_data_loss`` makes every drop hard."""
    mode: Mode = "hard" if allow_data_loss else "soft"
    node_names = _renames("node", accepted.nodes, desired.nodes)
    edge_names = _renames("edge", accepted.edges, desired.edges)
    steps = [
        *_interfaces(accepted, desired, mode),
        *_types("node", accepted.nodes, desired.nodes, node_names, {}, mode),
        *_types("edge", accepted.edges, desired.edges, edge_names, node_names.accepted, mode),
    ]
    return MigrationPlan(tuple(steps))


# --- renames -----------------------------------------------------------------------------------------------------------


class _Renames(Struct, frozen=True):
    """``accepted`` maps an old name to the new one, ``refused`` a new name to the reason why it has no old one."""

    accepted: dict[str, str]
    refused: dict[str, str]

    def old_name(self, new: str) -> str | None:
        return next((old for old, name in self.accepted.items() if name == new), None)


def _renames(
    what: str,
    accepted: Mapping[str, NodeType | EdgeType | Property],
    desired: Mapping[str, NodeType | EdgeType | Property],
    owner: str = "",
) -> _Renames:
    """Resolve ``@rename_from``. A hint on a name that is accepted already is stale, and harmless."""
    found = _Renames({}, {})
    for name, each in sorted(desired.items()):
        hint = next((item.value for item in each.annotations if item.name == "rename_from"), None)
        if hint is None or name in accepted:
            continue
        claim = f"{what} '{owner}{name}' declares @rename_from(\"{hint}\") but "
        if hint not in accepted:
            found.refused[name] = f"{claim}no accepted {what} with that name exists"
        elif hint in desired or hint in found.accepted:
            found.refused[name] = f"{claim}'{owner}{found.accepted.get(hint, hint)}' is what became of it"
        else:
            found.accepted[hint] = name
    return found


# --- types -------------------------------------------------------------------------------------------------------------


def _interfaces(accepted: Catalog, desired: Catalog, mode: Mode) -> Iterator[Step]:
    for name, interface in sorted(desired.interfaces.items()):
        before = accepted.interfaces.get(name)
        if before is None:
            yield AddType("interface", name)
        else:
            yield from _properties("interface", name, before, interface, mode)
    for name in sorted(accepted.interfaces.keys() - desired.interfaces.keys()):
        yield UnsupportedChange(f"interface:{name}", f"removing interface '{name}' {_V1}")


def _types(
    kind: TypeKind,
    accepted: Mapping[str, NodeType | EdgeType],
    desired: Mapping[str, NodeType | EdgeType],
    names: _Renames,
    node_names: Mapping[str, str],
    mode: Mode,
) -> Iterator[Step]:
    for name, entity in sorted(desired.items()):
        old = name if name in accepted else names.old_name(name)
        if old is not None:
            if old != name:
                yield RenameType(kind, old, name)
            yield from _changes(kind, accepted[old], entity, node_names, mode)
        elif name in names.refused:
            yield UnsupportedChange(f"{kind}:{name}", names.refused[name])
        else:
            yield AddType(kind, name)
    for name in sorted(accepted.keys() - desired.keys() - names.accepted.keys()):
        yield DropType(kind, name, mode)


def _changes(
    kind: TypeKind,
    before: NodeType | EdgeType,
    after: NodeType | EdgeType,
    node_names: Mapping[str, str],
    mode: Mode,
) -> Iterator[Step]:
    name = after.name
    entity = f"{kind}:{name}"
    if isinstance(before, NodeType) and isinstance(after, NodeType):
        if set(before.implements) != set(after.implements):
            yield UnsupportedChange(entity, f"changing implemented interfaces on node '{name}' {_V1}")
    elif isinstance(before, EdgeType) and isinstance(after, EdgeType):
        ends = (node_names.get(before.source, before.source), node_names.get(before.target, before.target))
        if ends != (after.source, after.target):
            yield UnsupportedChange(entity, f"changing edge endpoints on '{name}' {_V1}")
        if before.cardinality != after.cardinality:
            yield UnsupportedChange(entity, f"changing cardinality on edge '{name}' {_V1}")
    if _metadata(before.annotations) != _metadata(after.annotations):
        yield UpdateTypeMetadata(kind, name, _metadata(after.annotations))
    if _others(before.annotations) != _others(after.annotations):
        yield UnsupportedChange(entity, f"changing annotations beyond @description/@instruction {_V1}")
    yield from _properties(kind, name, before, after, mode)
    renamed = _renames("property", before.properties, after.properties).accepted
    yield from _constraints(kind, _with_names(before, renamed), after)


# --- properties --------------------------------------------------------------------------------------------------------


def _properties(
    kind: TypeKind,
    owner: str,
    before: NodeType | EdgeType | InterfaceType,
    after: NodeType | EdgeType | InterfaceType,
    mode: Mode,
) -> Iterator[Step]:
    names = _renames("property", before.properties, after.properties, f"{owner}.")
    for name, each in sorted(after.properties.items()):
        entity = f"{kind}:{owner}.{name}"
        old = name if name in before.properties else names.old_name(name)
        if old is not None:
            if old != name:
                yield RenameProperty(kind, owner, old, name)
            yield from _property_changes(kind, owner, before.properties[old], each, names.accepted)
        elif name in names.refused:
            yield UnsupportedChange(entity, names.refused[name])
        elif each.type.nullable:
            yield AddProperty(kind, owner, name, each.type)
        else:
            reason = f"adding required property '{owner}.{name}' requires a backfill and {_V1}"
            yield UnsupportedChange(entity, reason, "OG-MF-103")
    for name in sorted(before.properties.keys() - after.properties.keys() - names.accepted.keys()):
        yield DropProperty(kind, owner, name, mode)


def _property_changes(
    kind: TypeKind, owner: str, before: Property, after: Property, renamed: Mapping[str, str]
) -> Iterator[Step]:
    name = after.name
    entity = f"{kind}:{owner}.{name}"
    if before.type != after.type:
        added = _added_values(before.type, after.type)
        if added:
            yield ExtendEnum(kind, owner, name, added)
        else:
            yield UnsupportedChange(entity, f"changing property type for '{owner}.{name}' {_V1}", "OG-MF-106")
    if _metadata(before.annotations) != _metadata(after.annotations):
        yield UpdatePropertyMetadata(kind, owner, name, _metadata(after.annotations))
    if _others(before.annotations, renamed) != _others(after.annotations):
        yield UnsupportedChange(entity, f"changing annotations beyond @description/@instruction {_V1}")


def _added_values(before: PropertyType, after: PropertyType) -> tuple[str, ...]:
    """Return the values that an enum gains if that is all that changes, else nothing."""
    if before.enum_values is None or after.enum_values is None:
        return ()
    if replace(before, enum_values=after.enum_values) != after or not set(before.enum_values) <= set(after.enum_values):
        return ()
    return tuple(value for value in after.enum_values if value not in before.enum_values)


# --- annotations and constraints ---------------------------------------------------------------------------------------


def _metadata(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    return tuple(sorted((each for each in annotations if each.name in _METADATA), key=lambda each: each.name))


def _others(annotations: Iterable[Annotation], renamed: Mapping[str, str] | None = None) -> list[tuple[object, ...]]:
    """Return what else is annotated, in a form that order does not matter to; ``@embed`` follows its source's name."""
    names = renamed or {}
    found = []
    for each in annotations:
        if each.name in _METADATA or each.name == "rename_from":
            continue
        value = each.value or ""
        if each.name == "embed":
            value = names.get(value, value)
        found.append((each.name, each.value is not None, value, sorted(each.kwargs)))
    return sorted(found)


def _with_names(entity: NodeType | EdgeType, renamed: Mapping[str, str]) -> NodeType | EdgeType:
    """Return a type whose constraints name its properties as the desired schema does."""
    if not renamed:
        return entity

    def rename(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(renamed.get(column, column) for column in columns)

    unique, index = tuple(map(rename, entity.unique)), tuple(map(rename, entity.index))
    if isinstance(entity, EdgeType):
        return replace(entity, unique=unique, index=index)
    return replace(
        entity,
        unique=unique,
        index=index,
        key=rename(entity.key),
        ranges=tuple(replace(each, property_name=rename((each.property_name,))[0]) for each in entity.ranges),
        checks=tuple(replace(each, property_name=rename((each.property_name,))[0]) for each in entity.checks),
    )


def _constraints(kind: TypeKind, before: NodeType | EdgeType, after: NodeType | EdgeType) -> Iterator[Step]:
    old, new = constraint_forms(before), constraint_forms(after)
    name = after.name
    if any(each not in new for each in old):
        yield UnsupportedChange(f"{kind}:{name}", f"removing constraints from '{name}' {_V1}")
    indexes = {constraint_key("index", columns): tuple(sorted(columns)) for columns in after.index}
    for each in new:
        key, _ = each
        if each in old:
            continue
        if key in indexes:
            yield AddConstraint(kind, name, indexes[key])
        else:
            yield UnsupportedChange(f"{kind}:{name}", f"adding constraint '{key}' to '{name}' {_V1}")
