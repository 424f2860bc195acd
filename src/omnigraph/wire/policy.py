"""The documents of the policy tools."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from omnigraph.wire.encoding import Shape


class PolicyValidateOutput(Shape, frozen=True, gc=False):
    """A policy that can be used, and what in it means nothing."""

    path: str
    actors: int
    warnings: list[str]
    advice: list[str]


class PolicyCaseOutput(Shape, frozen=True, gc=False):
    """One case of a tests file and the answer that it got."""

    id: str
    expected: str
    actual: str
    passed: bool


class PolicyTestOutput(Shape, frozen=True, gc=False):
    """A run of a tests file."""

    passed: bool
    cases: list[PolicyCaseOutput]


class PolicyExplainOutput(Shape, frozen=True, gc=False):
    """One decision. Branches and the rule are left out where there are none."""

    decision: str
    actor: str
    action: str
    branch: str | UnsetType
    target_branch: str | UnsetType
    matched_rule: str | UnsetType
    message: str

    @classmethod
    def of(
        cls,
        *,
        allowed: bool,
        actor: str,
        action: str,
        branch: str | None,
        target_branch: str | None,
        matched_rule: str | None,
        message: str,
    ) -> PolicyExplainOutput:
        """Describe a decision."""
        return cls(
            decision="allow" if allowed else "deny",
            actor=actor,
            action=action,
            branch=UNSET if branch is None else branch,
            target_branch=UNSET if target_branch is None else target_branch,
            matched_rule=UNSET if matched_rule is None else matched_rule,
            message=message,
        )

    def lines(self) -> list[str]:
        """Return the decision as a person reads it, one ``key: value`` a line."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [f"{name}: {value}" for name, value in values if value is not UNSET]


class PolicyAnswersOutput(Shape, frozen=True, gc=False):
    """Whether one action is allowed, by class of branch; null where there is no such branch to ask about."""

    action: str
    protected: bool | None
    unprotected: bool | None
    without_branch: bool


class PolicyActorOutput(Shape, frozen=True, gc=False):
    """Everything that one actor may do."""

    actor: str
    actions: list[PolicyAnswersOutput]


class PolicyMatrixOutput(Shape, frozen=True, gc=False):
    """Everything that the actors of a policy may do."""

    actors: list[PolicyActorOutput]


class WhoamiOutput(Shape, frozen=True, gc=False):
    """Who the server takes the caller for, and what that actor may do on one graph."""

    actor: str | None
    protected_branches: list[str]
    actions: list[PolicyAnswersOutput]
