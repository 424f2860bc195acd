"""Access: the state that a server runs in, and its answer to who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from omnigraph.errors import Forbidden, InvalidSetting
from omnigraph.policy.action import ActionName
from omnigraph.policy.engine import Decision, PolicyEngine
from omnigraph.server.logs import audit, warn

DEFAULT_DENY: Final = (
    "server runs in default-deny mode (bearer tokens configured but no policy file). Only `read` actions are permitted; "
    "configure `policy.file` in omnigraph.yaml to enable other actions."
)
SERVER_SCOPED: Final = (
    "server-scoped actions require an explicit `server.policy.file` configured in omnigraph.yaml — the management surface is "
    "closed by default in every runtime state, including --unauthenticated, so that server topology is never exposed without "
    "operator opt-in."
)
_NO_TOKENS: Final = (
    "server has no bearer tokens and no policy file configured. Configure tokens (OMNIGRAPH_SERVER_BEARER_TOKEN, "
    "…_TOKENS_FILE, …_TOKENS_JSON or …_TOKENS_AWS_SECRET), or pass `--unauthenticated` (or set OMNIGRAPH_UNAUTHENTICATED=1) "
    "to serve every request without authentication"
)
_NO_TOKENS_BUT_POLICY: Final = (
    "policy file is configured but no bearer tokens — every request would 401 because no token can ever match. Configure "
    "tokens (OMNIGRAPH_SERVER_BEARER_TOKEN, …_TOKENS_FILE, …_TOKENS_JSON or …_TOKENS_AWS_SECRET), or remove the policy"
)


class RuntimeState(Enum):
    """How a server was configured, as far as access goes."""

    OPEN = "open"
    DEFAULT_DENY = "default-deny"
    POLICY_ENABLED = "policy-enabled"

    @classmethod
    def of(cls, *, has_tokens: bool, has_policy: bool, consent: bool) -> RuntimeState:
        """Judge a configuration before anything is opened. Raises :class:`InvalidSetting` for one that must not serve."""
        if has_tokens:
            return cls.POLICY_ENABLED if has_policy else cls.DEFAULT_DENY
        if has_policy:
            raise InvalidSetting(_NO_TOKENS_BUT_POLICY)
        if not consent:
            raise InvalidSetting(_NO_TOKENS)
        return cls.OPEN

    def announce(self) -> None:
        """Warn of a state that lets everyone in, or nobody write."""
        if self is RuntimeState.OPEN:
            warn(
                "running with --unauthenticated: no bearer tokens, no policy file, all requests permitted. "
                "Do not expose this server beyond machines that you trust."
            )
        elif self is RuntimeState.DEFAULT_DENY:
            warn(
                "bearer tokens are configured but no policy file is set — running in default-deny mode: "
                "valid tokens may read, everything else is refused"
            )


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what to one graph, or to the server itself when ``of_server``."""

    state: RuntimeState
    engine: PolicyEngine | None = None
    of_server: bool = False

    def decide(
        self, actor: str | None, action: ActionName, branch: str | None = None, target_branch: str | None = None
    ) -> Decision:
        """Answer one request and log the answer."""
        decision = self.answer(actor, action, branch, target_branch)
        audit(
            "policy decision",
            actor_id=actor,
            action=action,
            branch=branch,
            target_branch=target_branch,
            allowed=str(decision.allowed).lower(),
            matched_rule_id=decision.matched_rule_id or "",
        )
        return decision

    def require(
        self, actor: str | None, action: ActionName, branch: str | None = None, target_branch: str | None = None
    ) -> None:
        """Refuse what is not allowed. Raises :class:`Forbidden` with the message of the decision."""
        decision = self.decide(actor, action, branch, target_branch)
        if not decision.allowed:
            raise Forbidden(decision.message)

    def answer(self, actor: str | None, action: ActionName, branch: str | None, target: str | None) -> Decision:
        """Say what the answer to a request would be, without a record of it."""
        if self.engine is not None:
            if actor is None:
                return Decision(False, f"policy denied action '{action}' for unknown actor ''")
            return self.engine.decide(actor, action, branch, target)
        if self.of_server:
            return Decision(False, SERVER_SCOPED)
        if self.state is RuntimeState.OPEN:
            return Decision(True, "server runs without authentication")
        return Decision(True, "default-deny mode permits reads") if action == "read" else Decision(False, DEFAULT_DENY)
