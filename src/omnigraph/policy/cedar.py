"""From a policy document to Cedar: the text of its permits, the entities and the schema.

Every name that comes from outside stands in a string literal that holds nothing but printable ASCII, so that no group name
can end its literal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from omnigraph.policy.action import ACTIONS
from omnigraph.policy.document import PolicyDocument, Rule, Scope

NAMESPACE: Final = "Omnigraph"
SERVER_ID: Final = "root"

_CONTEXT = ("has_branch", "branch", "has_target_branch", "target_branch", "branch_is_protected", "target_branch_is_protected")
_TEXTS = ("branch", "target_branch")


def schema() -> dict[str, Any]:  # Any: the JSON form of a Cedar schema
    """Return the schema that every policy is checked against, in Cedar's JSON form."""
    attributes = {name: {"type": "String" if name in _TEXTS else "Boolean"} for name in _CONTEXT}
    actions = {
        action.name: {
            "appliesTo": {
                "principalTypes": ["Actor"],
                "resourceTypes": [action.resource],
                "context": {"type": "RequestContext"},
            }
        }
        for action in ACTIONS.values()
    }
    return {
        NAMESPACE: {
            "commonTypes": {"RequestContext": {"type": "Record", "attributes": attributes}},
            "entityTypes": {"Actor": {"memberOfTypes": ["Group"]}, "Group": {}, "Graph": {}, "Server": {}},
            "actions": actions,
        }
    }


def entities(document: PolicyDocument, graph_id: str) -> list[dict[str, Any]]:  # Any: the JSON form of Cedar entities
    """Return the groups, their members, and what the actions are done to."""
    groups_of: dict[str, list[str]] = {}
    for group, members in document.groups.items():
        for actor in members:
            groups_of.setdefault(actor, []).append(group)
    found = [_entity("Group", group) for group in document.groups]
    found += [_entity("Actor", actor, dict.fromkeys(groups)) for actor, groups in groups_of.items()]
    found.append(_entity("Graph", graph_id))
    if any(ACTIONS[action].resource == "Server" for rule in document.rules for action in rule.allow.actions):
        found.append(_entity("Server", SERVER_ID))
    return found


def entity_id(kind: str, name: str) -> dict[str, str]:
    """Return the structured id of an entity; unlike Cedar's text form it takes any name."""
    return {"type": f"{NAMESPACE}::{kind}", "id": name}


def policies(document: PolicyDocument, graph_id: str) -> str:
    """Return the Cedar text: one permit per rule and action, annotated with the id ``<rule id>:<action>``."""
    return "\n".join(_permits(document, graph_id))


def rule_of(policy_id: str) -> str:
    """Return the id of the rule that a permit was written for."""
    return policy_id.rpartition(":")[0]


def _permits(document: PolicyDocument, graph_id: str) -> Iterator[str]:
    for rule in document.rules:
        for name in dict.fromkeys(rule.allow.actions):
            resource = ACTIONS[name].resource
            resource_id = graph_id if resource == "Graph" else SERVER_ID
            yield (
                f"@id({literal(f'{rule.id}:{name}')})\n"
                "permit (\n"
                f"    principal in {NAMESPACE}::Group::{literal(rule.allow.actors.group)},\n"
                f'    action == {NAMESPACE}::Action::"{name}",\n'
                f"    resource == {NAMESPACE}::{resource}::{literal(resource_id)}\n"
                f"){_when(rule)};\n"
            )


def _when(rule: Rule) -> str:
    if rule.allow.scope is None:
        return ""
    key, scope = rule.allow.scope
    return f"\nwhen {{ {_condition('target_branch' if key == 'target_branch_scope' else 'branch', scope)} }}"


def _condition(branch: str, scope: Scope) -> str:
    if scope == "any":
        return "true"
    protected = f"context.has_{branch} && context.{branch}_is_protected"
    return protected if scope == "protected" else f"{protected} == false"


def literal(text: str) -> str:
    """Return ``text`` as a Cedar string literal."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isascii() and letter.isprintable() else f"\\u{{{ord(letter):x}}}"


def _entity(kind: str, name: str, groups: dict[str, None] | None = None) -> dict[str, Any]:  # Any: JSON
    return {"uid": entity_id(kind, name), "attrs": {}, "parents": [entity_id("Group", group) for group in groups or ()]}
