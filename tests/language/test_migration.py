"""The JSON of a migration plan, and what apply says about it."""

from __future__ import annotations

from omnigraph.language import compile_schema, plan_migration
from omnigraph.language.migration_steps import step_json, step_line

ACCEPTED = compile_schema(
    """
    node Line { code: String @key kind: enum(a, b)? gone: I32? }
    node Stop { code: String @key note: String? @description("n") }
    edge Track: Stop -> Stop
    """
)
DESIRED = compile_schema(
    """
    node Route @rename_from("Line") @description("r") { code: String @key kind: enum(a, b, c)? v: Vector(3)? }
    node Stop { code: String @key text: String? @rename_from("note") @index must: Bool }
    interface I {}
    """
)


def test_the_json_of_every_step() -> None:
    plan = plan_migration(ACCEPTED, DESIRED, allow_data_loss=True)
    vector = {"scalar": {"Vector": 3}, "nullable": True, "list": False, "enum_values": None}
    reason = "adding required property 'Stop.must' requires a backfill and is not supported in schema migration v1"
    assert plan.as_json("net.omni") == {
        "uri": "net.omni",
        "supported": False,
        "step_count": 11,
        "steps": [
            {"kind": "add_type", "type_kind": "interface", "name": "I"},
            {"kind": "rename_type", "type_kind": "node", "from": "Line", "to": "Route"},
            {
                "kind": "update_type_metadata",
                "type_kind": "node",
                "name": "Route",
                "annotations": [{"name": "description", "value": "r"}],
            },
            {
                "kind": "extend_enum",
                "type_kind": "node",
                "type_name": "Route",
                "property_name": "kind",
                "added_values": ["c"],
            },
            {
                "kind": "add_property",
                "type_kind": "node",
                "type_name": "Route",
                "property_name": "v",
                "property_type": vector,
            },
            {
                "kind": "drop_property",
                "type_kind": "node",
                "type_name": "Route",
                "property_name": "gone",
                "mode": "hard",
            },
            {"kind": "unsupported_change", "entity": "node:Stop.must", "reason": reason, "code": "OG-MF-103"},
            {"kind": "rename_property", "type_kind": "node", "type_name": "Stop", "from": "note", "to": "text"},
            {
                "kind": "update_property_metadata",
                "type_kind": "node",
                "type_name": "Stop",
                "property_name": "text",
                "annotations": [],
            },
            {
                "kind": "add_constraint",
                "type_kind": "node",
                "type_name": "Stop",
                "constraint": {"Index": ["text"]},
            },
            {"kind": "drop_type", "type_kind": "edge", "name": "Track", "mode": "hard"},
        ],
    }
    assert plan.refusal == f"[OG-MF-103] {reason}"


def test_the_line_of_a_step_can_be_made_from_its_json() -> None:
    plan = plan_migration(ACCEPTED, DESIRED)
    assert [step_line(step_json(step)) for step in plan.steps] == [step.line() for step in plan.steps]
    assert step_line({"kind": "add_view", "name": "V"}) == "add_view V"


def test_a_reason_without_a_code_stands_alone() -> None:
    plan = plan_migration(compile_schema("interface I {}"), compile_schema(""))
    assert plan.refusal == "removing interface 'I' is not supported in schema migration v1"


def test_nothing_to_do() -> None:
    plan = plan_migration(ACCEPTED, ACCEPTED)
    assert plan.supported and plan.refusal is None
    assert plan.as_text("g") == "schema plan for g\nsupported: yes\nno schema changes"
