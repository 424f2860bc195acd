"""The gate that a graph asks before it writes."""

from __future__ import annotations

from omnigraph.errors import Forbidden
from omnigraph.policy.action import ActionName
from omnigraph.policy.engine import PolicyEngine


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
