"""The actions that a policy can allow, and which branch of a request a rule may look at for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ActionName = Literal[
    "read",
    "export",
    "change",
    "schema_apply",
    "branch_create",
    "branch_delete",
    "branch_merge",
    "invoke_query",
    "admin",
    "graph_list",
]
ScopeKey = Literal["branch_scope", "target_branch_scope"]
Resource = Literal["Graph", "Server"]


@dataclass(frozen=True, slots=True)
class Action:
    """One action: the kind of thing it is done to, and the scope key that a rule for it may carry."""

    name: ActionName
    scope: ScopeKey | None = None
    resource: Resource = "Graph"


ACTIONS: Final[dict[str, Action]] = {
    action.name: action
    for action in (
        Action("read", "branch_scope"),
        Action("export", "branch_scope"),
        Action("change", "branch_scope"),
        Action("schema_apply", "target_branch_scope"),
        Action("branch_create", "target_branch_scope"),
        Action("branch_delete", "target_branch_scope"),
        Action("branch_merge", "target_branch_scope"),
        Action("invoke_query"),
        Action("admin"),
        Action("graph_list", resource="Server"),
    )
}


def action_named(word: str) -> ActionName | None:
    """Return the action that a command line means: its name, or its name with hyphens."""
    found = ACTIONS.get(word.replace("-", "_"))
    if found is None or ("-" in word and "_" in word):
        return None
    return found.name
