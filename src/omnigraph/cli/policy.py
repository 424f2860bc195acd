"""``omnigraph policy``: check a policy file, run its tests, explain one decision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from omnigraph.cli.addressing import CONFIG_OPTION, JSON_OPTION
from omnigraph.cli.grammar import Arguments, Command, Option, UsageError
from omnigraph.cli.streams import json_text, note, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest, InvalidSetting

if TYPE_CHECKING:
    from omnigraph.policy.engine import PolicyEngine

EXIT_DENIED = 3
_ANONYMOUS_ID = "default"

_POLICY = Option("policy", "Policy file, instead of the one in omnigraph.yaml", value="FILE", any_bytes=True)
_OPTIONS = (CONFIG_OPTION, _POLICY)
_ACTION = Option("action", "Action to ask about, such as change or branch-merge", value="ACTION", required=True)


def _validate(arguments: Arguments) -> int:
    path, engine = _engine(arguments)
    for warning in engine.warnings:
        note(warning)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty
        from omnigraph.wire.policy import PolicyValidateOutput

        warnings = [json_text(warning) for warning in engine.warnings]
        write_bytes(pretty(PolicyValidateOutput(json_text(path), len(engine.actors), warnings)))
    else:
        write_text(f"policy valid: {path} [{len(engine.actors)} actors]")
    return 0


def _test(arguments: Arguments) -> int:
    from omnigraph.policy.cases import FILE_NAME, load_cases, run_cases

    path, engine = _engine(arguments)
    outcomes = run_cases(engine, load_cases(arguments.get("tests") or Path(path).with_name(FILE_NAME)))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty
        from omnigraph.wire.policy import PolicyCaseOutput, PolicyTestOutput

        cases = [
            PolicyCaseOutput(one.case.id, one.case.expect, "allow" if one.allowed else "deny", one.passed) for one in outcomes
        ]
        write_bytes(pretty(PolicyTestOutput(not failed, cases)))
    if failed:
        raise BadRequest("\n".join(["policy tests failed:", *map(str, failed)]))
    if not arguments.flag("json"):
        write_text(f"policy tests passed: {len(outcomes)} cases")
    return 0


def _explain(arguments: Arguments) -> int:
    from omnigraph.policy.action import ACTIONS, action_named
    from omnigraph.wire.policy import PolicyExplainOutput

    word = arguments.required("action")
    action = action_named(word)
    if action is None:
        known = ", ".join(name.replace("_", "-") for name in ACTIONS)
        raise UsageError(f"invalid value '{word}' for '{_ACTION.shown}'", [f"  [possible values: {known}]"])
    _, engine = _engine(arguments)
    actor, branch, target = arguments.required("actor"), arguments.get("branch"), arguments.get("target-branch")
    decision = engine.decide(actor, action, branch, target)
    output = PolicyExplainOutput.of(
        allowed=decision.allowed,
        actor=actor,
        action=action,
        branch=branch,
        target_branch=target,
        matched_rule=decision.matched_rule_id,
        message=decision.message,
    )
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(output))
    else:
        write_text("\n".join(output.lines()))
    return EXIT_DENIED if arguments.flag("check") and not decision.allowed else 0


def _engine(arguments: Arguments) -> tuple[str, PolicyEngine]:
    """Load the policy of the graph that the project file is about: a named one, or the anonymous one."""
    from omnigraph.policy.engine import load_policy

    legacy = Workspace(arguments).legacy
    path, graph_id = arguments.get("policy"), _ANONYMOUS_ID
    if path is None:
        name = legacy.settings.cli.graph or legacy.settings.server.graph
        policy = legacy.settings.policy
        if name is not None:
            legacy.refuse_shadowed_blocks(name)
            policy, graph_id = legacy.graph(name).policy, name
        if policy.file is None:
            raise InvalidSetting("policy.file or graphs.<name>.policy.file must be set in omnigraph.yaml")
        path = legacy.resolved(policy.file)
    return path, load_policy(path, "Graph", graph_id, os.environ)


VALIDATE = Command(run=_validate, options=(*_OPTIONS, JSON_OPTION))
TEST = Command(
    run=_test,
    options=(
        *_OPTIONS,
        Option("tests", "Tests file, instead of policy.tests.yaml beside the policy", value="FILE", any_bytes=True),
        JSON_OPTION,
    ),
)
EXPLAIN = Command(
    run=_explain,
    options=(
        *_OPTIONS,
        Option("actor", "Actor to ask about", value="ACTOR", required=True),
        _ACTION,
        Option("branch", "Branch of the request", value="BRANCH"),
        Option("target-branch", "Branch that the request would change", value="BRANCH"),
        Option("check", "Exit with 3 when the decision is deny"),
        JSON_OPTION,
    ),
)
