"""What one actor may do at all: every action on every class of branch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omnigraph.policy.action import ACTIONS, Action, ActionName
from omnigraph.policy.document import PolicyKind

Ask = Callable[[ActionName, str | None, str | None], bool]
"""Whether an action is allowed, on a branch, on a target branch."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers for one action. ``protected`` and ``unprotected`` are None for an action that looks at no branch, and
    ``protected`` for a policy that protects none."""

    action: ActionName
    protected: bool | None
    unprotected: bool | None
    without_branch: bool


def answers(ask: Ask, protected_branches: list[str], kind: PolicyKind = "Graph") -> list[Answers]:
    """Put every action of a kind of policy to ``ask``: on a protected branch, on another one, and without a branch."""
    protected = protected_branches[0] if protected_branches else None
    other = "other"
    while other in protected_branches:
        other += "-branch"
    return [_row(action, ask, protected, other) for action in ACTIONS.values() if action.resource == kind]


def _row(action: Action, ask: Ask, protected: str | None, other: str) -> Answers:
    def on(branch: str) -> bool:
        return ask(action.name, None, branch) if action.scope == "target_branch_scope" else ask(action.name, branch, None)

    if action.scope is None:
        return Answers(action.name, None, None, ask(action.name, None, None))
    on_protected = None if protected is None else on(protected)
    return Answers(action.name, on_protected, on(other), ask(action.name, None, None))
