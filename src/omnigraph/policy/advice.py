"""Advice about a policy that loads but may not mean what its author thinks."""

from __future__ import annotations

from collections.abc import Iterator

from omnigraph.policy.action import ACTIONS
from omnigraph.policy.document import PolicyDocument, Rule

_WRITES = frozenset({"change", "schema_apply", "branch_create", "branch_delete", "branch_merge"})


def advise(document: PolicyDocument) -> list[str]:
    """Return what a careful reader of the file would ask about, one sentence each; nothing of it is an error."""
    return list(_advice(document))


def _advice(document: PolicyDocument) -> Iterator[str]:
    for branch in document.protected_branches:
        if branch != branch.strip():
            yield f"protected branch '{branch}' has blanks around its name; branch names never have, so it protects nothing"
    used = {rule.allow.actors.group for rule in document.rules}
    for group, members in document.groups.items():
        if group not in used:
            yield f"group '{group}' is in no rule: it gives its members nothing"
        for actor in members:
            if actor != actor.strip():
                yield f"actor '{actor}' of group '{group}' has blanks around its name; the names of actors never have"
    for rule in document.rules:
        yield from _rule_advice(rule, document)


def _rule_advice(rule: Rule, document: PolicyDocument) -> Iterator[str]:
    scope = rule.allow.scope
    if scope is not None and scope[1] == "protected" and not document.protected_branches:
        yield f"rule '{rule.id}' never matches: it is for protected branches, and protected_branches names none"
    if scope is None and document.protected_branches:
        wide = [action for action in dict.fromkeys(rule.allow.actions) if action in _WRITES and ACTIONS[action].scope]
        if wide:
            key = " or ".join(dict.fromkeys(str(ACTIONS[action].scope) for action in wide))
            yield (
                f"rule '{rule.id}' allows {', '.join(wide)} on protected branches too; "
                f"write `{key}: any` if that is meant, `{key}: unprotected` if not"
            )
