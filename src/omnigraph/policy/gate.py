"""The gate that a graph asks before it writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from omnigraph.errors import Forbidden
from omnigraph.policy.action import ActionName

if TYPE_CHECKING:
    from omnigraph.policy.engine import PolicyEngine


class Gate(Protocol):
    """What a graph asks before it writes; `PolicyGate` and `DeferredGate` are the two there are."""

    def check(
        self, actor: str | None, action: ActionName, *, branch: str | None = None, target_branch: str | None = None
    ) -> None:
        """Return, or refuse: Forbidden for what is not allowed, OmnigraphError when that cannot be found out."""


class PolicyGate:
    """Lets through what the policy allows. A graph without a policy has no gate."""

    def __init__(self, engine: PolicyEngine) -> None:
        self.engine = engine

    def check(
        self, actor: str | None, action: ActionName, *, branch: str | None = None, target_branch: str | None = None
    ) -> None:
        """Refuse unless ``actor`` may do ``action``; called before anything is read or written for it.

        Raises :class:`Forbidden` for a denial and for a write without an actor, :class:`OmnigraphError` when the policy
        cannot be evaluated.
        """
        if actor is None:
            raise Forbidden(
                f"policy: no actor for engine-layer policy check of action '{action}'",
                hint="a policy is in force: say who writes, with --as, operator.actor or the argument actor",
            )
        decision = self.engine.decide(actor, action, branch, target_branch)
        if not decision.allowed:
            raise Forbidden(f"policy: policy denied: {decision.message}")


class DeferredGate:
    """A gate whose policy is read when it is first asked: a command that only reads never pays for it."""

    def __init__(self, load: Callable[[], PolicyEngine]) -> None:
        self._load = load

    def check(
        self, actor: str | None, action: ActionName, *, branch: str | None = None, target_branch: str | None = None
    ) -> None:
        """Refuse as `PolicyGate` does; also raises InvalidSetting when the policy cannot be loaded."""
        self._gate.check(actor, action, branch=branch, target_branch=target_branch)

    @cached_property
    def _gate(self) -> PolicyGate:
        return PolicyGate(self._load())
