"""Policy files: their shape, and everything that is checked before one is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omnigraph.config import strict_yaml
from omnigraph.errors import InvalidSetting
from omnigraph.policy.action import ACTIONS, ActionName, ScopeKey

VERSION = 1
Scope = Literal["any", "protected", "unprotected"]
PolicyKind = Literal["Graph", "Server"]


class ActorSelector(msgspec.Struct, frozen=True):
    """Whom a rule is for: one group."""

    group: str


class Allow(msgspec.Struct, frozen=True):
    """What a rule allows. Without a scope key every branch is meant."""

    actors: ActorSelector
    actions: list[ActionName]
    branch_scope: Scope | UnsetType = UNSET
    target_branch_scope: Scope | UnsetType = UNSET

    @property
    def scope(self) -> tuple[ScopeKey, Scope] | None:
        """The scope key that was written and its word, if there is one."""
        if self.branch_scope is not UNSET:
            return "branch_scope", self.branch_scope
        if self.target_branch_scope is not UNSET:
            return "target_branch_scope", self.target_branch_scope
        return None


class Rule(msgspec.Struct, frozen=True):
    """One rule; what no rule allows is denied."""

    id: str
    allow: Allow


class PolicyDocument(msgspec.Struct, frozen=True):
    """A policy file as it is written."""

    version: int
    groups: dict[str, list[str]] = {}
    protected_branches: list[str] = []
    rules: list[Rule] = []

    @property
    def actors(self) -> list[str]:
        """Every actor of every group, sorted, once."""
        return sorted({actor for members in self.groups.values() for actor in members})


def parse_document(text: str | bytes, kind: PolicyKind) -> tuple[PolicyDocument, tuple[str, ...]]:
    """Read and check a policy; return it and the paths of the keys that mean nothing.

    ``kind`` is the place where the policy is configured, not something that the text could say. Raises
    :class:`InvalidSetting` for the first fault.
    """
    tree = strict_yaml.parse(text)
    try:
        document = msgspec.convert({} if tree is None else tree, PolicyDocument)
    except msgspec.ValidationError as error:
        raise InvalidSetting(str(error)) from None
    check_document(document, kind)
    return document, tuple(_unknown_keys(tree))


def check_document(document: PolicyDocument, kind: PolicyKind) -> None:
    """Hold a policy against the rules of its format; the first fault is told. Raises :class:`InvalidSetting`."""
    fault = next(_faults(document, kind), None)
    if fault is not None:
        raise InvalidSetting(fault)


def _faults(document: PolicyDocument, kind: PolicyKind) -> Iterator[str]:
    if document.version != VERSION:
        yield f"policy version must be {VERSION}"
    for group, members in document.groups.items():
        if not group.strip():
            yield "policy group names must not be blank"
        if not members:
            yield f"policy group '{group}' must not be empty"
        if any(not member.strip() for member in members):
            yield f"policy group '{group}' contains a blank actor id"
    if any(not branch.strip() for branch in document.protected_branches):
        yield "protected branch names must not be blank"
    seen: set[str] = set()
    for rule in document.rules:
        if not rule.id.strip():
            yield "policy rule ids must not be blank"
        if rule.id in seen:
            yield f"duplicate policy rule id '{rule.id}'"
        seen.add(rule.id)
        yield from _rule_faults(rule, document)
    for rule in document.rules:
        yield from _misplaced(rule, kind)


def _rule_faults(rule: Rule, document: PolicyDocument) -> Iterator[str]:
    allow = rule.allow
    subject = f"policy rule '{rule.id}'"
    if not allow.actors.group.strip():
        yield f"{subject} must reference a non-blank group"
    if allow.actors.group not in document.groups:
        yield f"{subject} references unknown group '{allow.actors.group}'"
    if not allow.actions:
        yield f"{subject} must include at least one action"
    if allow.branch_scope is not UNSET and allow.target_branch_scope is not UNSET:
        yield f"{subject} may specify branch_scope or target_branch_scope, not both"
    if allow.scope is not None:
        key = allow.scope[0]
        for action in allow.actions:
            if ACTIONS[action].scope != key:
                yield f"{subject} uses {key} with unsupported action '{action}'"
    if len({ACTIONS[action].resource for action in allow.actions}) > 1:
        yield f"{subject} mixes the server-scoped action `graph_list` with per-graph actions; split into separate rules"


def _misplaced(rule: Rule, kind: PolicyKind) -> Iterator[str]:
    for action in rule.allow.actions:
        if ACTIONS[action].resource == kind:
            continue
        if kind == "Graph":
            yield (
                f"policy rule '{rule.id}' uses server-scoped action '{action}' in a Graph policy file; "
                "move it to a server policy file"
            )
        else:
            yield (
                f"policy rule '{rule.id}' uses per-graph action '{action}' in a Server policy file; "
                "move it to a per-graph policy file"
            )


def _unknown_keys(tree: Any) -> Iterator[str]:  # Any: a YAML document that was converted before
    if not isinstance(tree, dict):
        return
    yield from _unknown_members(tree, PolicyDocument, "")
    for position, rule in enumerate(tree.get("rules", ())):
        yield from _unknown_members(rule, Rule, f"rules[{position}].")
        yield from _unknown_members(rule["allow"], Allow, f"rules[{position}].allow.")
        yield from _unknown_members(rule["allow"]["actors"], ActorSelector, f"rules[{position}].allow.actors.")


def _unknown_members(members: dict[Any, Any], shape: type[msgspec.Struct], prefix: str) -> Iterator[str]:  # Any: YAML values
    yield from (f"{prefix}{key}" for key in members if key not in shape.__struct_fields__)
