"""The canonical form of a schema: what stays when order, comments and layout are taken away.

Two sources with one canonical form are one schema. The JSON pieces also appear in the output of ``schema plan``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, Union

from omnigraph.language.catalog import (
    Annotation,
    Catalog,
    EdgeType,
    InterfaceType,
    NodeType,
    Property,
    PropertyType,
    Range,
    Scalar,
)

Json: TypeAlias = Union[bool, int, float, str, list["Json"], dict[str, "Json"], None]


def canonical_form(catalog: Catalog) -> dict[str, Json]:
    """Return the canonical form as JSON values."""
    return _form(catalog.nodes, catalog.edges, catalog.interfaces)


def digest_of(nodes: Mapping[str, NodeType], edges: Mapping[str, EdgeType], interfaces: Mapping[str, InterfaceType]) -> str:
    """Return ``sha256:`` and the hash of the canonical JSON."""
    import hashlib  # 10 ms with OpenSSL and json; a process that only reads a stored schema does without
    import json

    form = _form(nodes, edges, interfaces)
    text = json.dumps(form, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def type_json(type_: PropertyType) -> dict[str, Json]:
    """Return a property type as it stands in plan output."""
    scalar: Json = {"Vector": type_.dimension} if type_.scalar is Scalar.VECTOR else type_.scalar.value
    return {
        "scalar": scalar,
        "nullable": type_.nullable,
        "list": type_.is_list,
        "enum_values": None if type_.enum_values is None else list(type_.enum_values),
    }


def annotation_json(annotation: Annotation) -> dict[str, Json]:
    """Return an annotation as it stands in plan output."""
    form: dict[str, Json] = {"name": annotation.name, "value": annotation.value}
    if annotation.kwargs:
        form["kwargs"] = dict(annotation.kwargs)
    return form


def annotations_json(annotations: Iterable[Annotation]) -> list[Json]:
    """Return annotations sorted by name and value."""
    ordered = sorted(annotations, key=lambda each: (each.name, each.value is not None, each.value or "", each.kwargs))
    return [annotation_json(each) for each in ordered]


def constraint_forms(entity: NodeType | EdgeType) -> list[tuple[str, dict[str, Json]]]:
    """Return the constraints of a type: key text (``unique:a,b``, ``range:x``) and JSON, sorted by the key text."""
    forms: list[tuple[str, dict[str, Json]]] = []
    if isinstance(entity, NodeType):
        if entity.key:
            forms.append((constraint_key("key", entity.key), {"Key": [*sorted(entity.key)]}))
        for each in entity.ranges:
            forms.append((f"range:{each.property_name}", _range_json(each)))
        for check in entity.checks:
            form: Json = {"property": check.property_name, "pattern": check.pattern}
            forms.append((f"check:{check.property_name}", {"Check": form}))
    forms += [(constraint_key("unique", columns), {"Unique": [*sorted(columns)]}) for columns in entity.unique]
    forms += [(constraint_key("index", columns), {"Index": [*sorted(columns)]}) for columns in entity.index]
    return sorted(forms, key=lambda each: (each[0], repr(each[1])))


def constraint_key(kind: str, columns: tuple[str, ...]) -> str:
    """Return the key text of a constraint over columns."""
    return f"{kind}:{','.join(sorted(columns))}"


def _range_json(each: Range) -> dict[str, Json]:
    return {
        "Range": {
            "property": each.property_name,
            "min": _bound_json(each.minimum),
            "max": _bound_json(each.maximum),
        }
    }


def _bound_json(bound: int | float | None) -> Json:
    if bound is None:
        return None
    return {"Integer": bound} if isinstance(bound, int) else {"Float": bound}


def _form(
    nodes: Mapping[str, NodeType], edges: Mapping[str, EdgeType], interfaces: Mapping[str, InterfaceType]
) -> dict[str, Json]:
    return {
        "interfaces": [
            {"name": name, "properties": _properties_json(each.properties)} for name, each in sorted(interfaces.items())
        ],
        "nodes": [
            {
                "name": name,
                "properties": _properties_json(node.properties),
                "annotations": annotations_json(node.annotations),
                "implements": [*sorted(set(node.implements))],
                "constraints": [form for _, form in constraint_forms(node)],
            }
            for name, node in sorted(nodes.items())
        ],
        "edges": [
            {
                "name": name,
                "from": edge.source,
                "to": edge.target,
                "cardinality": {"min": edge.cardinality[0], "max": edge.cardinality[1]},
                "properties": _properties_json(edge.properties),
                "annotations": annotations_json(edge.annotations),
                "constraints": [form for _, form in constraint_forms(edge)],
            }
            for name, edge in sorted(edges.items())
        ],
    }


def _properties_json(properties: Mapping[str, Property]) -> list[Json]:
    return [
        {"name": name, "type": type_json(each.type), "annotations": annotations_json(each.annotations)}
        for name, each in sorted(properties.items())
    ]
