"""Every fault of a policy file has its sentence, and the first one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.errors import InvalidSetting
from omnigraph.policy.document import PolicyKind, parse_document
from omnigraph.policy.engine import compile_policy, load_policy
from policy.texts import GRAPH_POLICY, SERVER_POLICY


def policy(rule: str = "", *, head: str = "version: 1\ngroups: { g: [a] }") -> str:
    return f"{head}\nrules:\n  - {rule}" if rule else head


def allow(actions: str, more: str = "", group: str = "g", rule_id: str = "r") -> str:
    return f"{{ id: '{rule_id}', allow: {{ actors: {{ group: '{group}' }}, actions: [{actions}]{more} }} }}"


FAULTS = [
    (policy(head="version: 2"), "policy version must be 1"),
    (policy(head="version: 1\ngroups: { ' ': [a] }"), "policy group names must not be blank"),
    (policy(head="version: 1\ngroups: { g: [] }"), "policy group 'g' must not be empty"),
    (policy(head="version: 1\ngroups: { g: [a, ' '] }"), "policy group 'g' contains a blank actor id"),
    (policy(head="version: 1\nprotected_branches: ['']"), "protected branch names must not be blank"),
    (policy(allow("read", rule_id=" ")), "policy rule ids must not be blank"),
    (policy(allow("read") + "\n  - " + allow("read")), "duplicate policy rule id 'r'"),
    (policy(allow("read", group=" ")), "policy rule 'r' must reference a non-blank group"),
    (policy(allow("read", group="h")), "policy rule 'r' references unknown group 'h'"),
    (policy(allow("")), "policy rule 'r' must include at least one action"),
    (
        policy(allow("read", ", branch_scope: any, target_branch_scope: any")),
        "policy rule 'r' may specify branch_scope or target_branch_scope, not both",
    ),
    (
        policy(allow("read, branch_merge", ", branch_scope: any")),
        "policy rule 'r' uses branch_scope with unsupported action 'branch_merge'",
    ),
    (
        policy(allow("change", ", target_branch_scope: protected")),
        "policy rule 'r' uses target_branch_scope with unsupported action 'change'",
    ),
    (
        policy(allow("invoke_query", ", branch_scope: any")),
        "policy rule 'r' uses branch_scope with unsupported action 'invoke_query'",
    ),
    (
        policy(allow("read, graph_list")),
        "policy rule 'r' mixes the server-scoped action `graph_list` with per-graph actions; split into separate rules",
    ),
    (
        policy(allow("graph_list")),
        "policy rule 'r' uses server-scoped action 'graph_list' in a Graph policy file; move it to a server policy file",
    ),
]


@pytest.mark.parametrize(("text", "message"), FAULTS, ids=[message[:60] for _, message in FAULTS])
def test_fault(text: str, message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_document(text, "Graph")
    assert caught.value.message == message


def test_a_graph_action_has_no_place_in_a_server_policy() -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_document(policy(allow("read")), "Server")
    assert caught.value.message == (
        "policy rule 'r' uses per-graph action 'read' in a Server policy file; move it to a per-graph policy file"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("groups: {}", "version"),
        ("version: 1\nrules: [{ id: r }]", "rules[0]"),
        (policy(allow("graph_create")), "rules[0].allow.actions[0]"),
        (policy(allow("read", ", branch_scope: some")), "rules[0].allow.branch_scope"),
        (policy(allow("read", ", branch_scope:")), "rules[0].allow.branch_scope"),
        ("version: 1\nversion: 1", "line 2"),
        ("version: [", "line"),
        ("", "version"),
    ],
)
def test_a_wrong_shape_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_document(text, "Graph")
    assert place in caught.value.message


@pytest.mark.parametrize(("text", "kind"), [(GRAPH_POLICY, "Graph"), (SERVER_POLICY, "Server")])
def test_the_examples_are_valid(text: str, kind: PolicyKind) -> None:
    document, _ = parse_document(text, kind)
    assert "act-mara" in document.actors


def test_unknown_keys_are_told_and_fatal_when_strict() -> None:
    text = GRAPH_POLICY.replace("branch_scope: unprotected", "brnch_scope: unprotected") + "kind: graph\nnote: x\n"
    warnings = compile_policy(text, "Graph", "g", label="p.yaml").warnings
    assert [line.split("`")[1] for line in warnings] == ["kind", "note", "rules[1].allow.brnch_scope"]
    assert all("p.yaml" in line for line in warnings)
    with pytest.raises(InvalidSetting, match="unknown key `note`"):
        compile_policy(text, "Graph", "g", label="p.yaml", environment={"OMNIGRAPH_POLICY_STRICT": "1"})
    strict = {"OMNIGRAPH_POLICY_STRICT": "1"}
    assert compile_policy(SERVER_POLICY, "Server", "root", label="p.yaml", environment=strict).warnings


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"absent\.yaml.*No such file or directory"):
        load_policy(tmp_path / "absent.yaml", "Graph", "g")
