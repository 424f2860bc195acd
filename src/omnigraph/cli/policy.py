"""``omnigraph policy``: check a policy file, run its tests, explain one decision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omnigraph.cli.addressing import CONFIG_OPTION, JSON_OPTION
from omnigraph.cli.grammar import Arguments, Command, Option, UsageError
from omnigraph.cli.streams import json_text, note, write_bytes, write_text
from omnigraph.cli.workspace import Workspace
from omnigraph.errors import BadRequest, InvalidSetting

if TYPE_CHECKING:
    from omnigraph.policy.action import ActionName
    from omnigraph.policy.engine import PolicyEngine

EXIT_DENIED = 3
_ANONYMOUS_ID = "default"
_SERVER_ID = "root"

_POLICY = Option("policy", "Policy file of a graph, instead of the one in omnigraph.yaml", value="FILE", any_bytes=True)
_SERVER_POLICY = Option("server-policy", "Policy file of a server, instead of that of a graph", value="FILE", any_bytes=True)
_OPTIONS = (CONFIG_OPTION, _POLICY, _SERVER_POLICY)
_ACTOR = Option("actor", "Actor to ask about", value="ACTOR")
_ACTION = Option("action", "Action to ask about, such as change or branch-merge", value="ACTION")


@dataclass(frozen=True, slots=True)
class _Found:
    """The policy that a command is about, compiled, and the place of its tests."""

    path: str
    engine: PolicyEngine
    tests: str


def _validate(arguments: Arguments) -> int:
    from omnigraph.policy.advice import advise

    found = _find(arguments)
    path, engine = found.path, found.engine
    advice = advise(engine.document)
    for line in (*engine.warnings, *(f"advice: {sentence}" for sentence in advice)):
        note(line)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty
        from omnigraph.wire.policy import PolicyValidateOutput

        warnings = [json_text(warning) for warning in engine.warnings]
        shown = [json_text(sentence) for sentence in advice]
        write_bytes(pretty(PolicyValidateOutput(json_text(path), len(engine.actors), warnings, shown)))
    else:
        write_text(f"policy valid: {path} [{len(engine.actors)} actors]")
    return 0


def _test(arguments: Arguments) -> int:
    from omnigraph.policy.cases import load_cases, run_cases

    found = _find(arguments)
    outcomes = run_cases(found.engine, load_cases(arguments.get("tests") or found.tests))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty
        from omnigraph.wire.policy import PolicyCaseOutput, PolicyTestOutput

        cases = [
            PolicyCaseOutput(one.case.id, one.case.expect, "allow" if one.allowed else "deny", one.passed) for one in outcomes
        ]
        write_bytes(pretty(PolicyTestOutput(not failed, cases)))
    elif arguments.flag("verbose"):
        write_text("\n".join(str(outcome) for outcome in outcomes))
    if failed:
        raise BadRequest("\n".join(["policy tests failed:", *map(str, failed)]))
    if not arguments.flag("json"):
        write_text(f"policy tests passed: {len(outcomes)} cases")
    return 0


def _explain(arguments: Arguments) -> int:
    from omnigraph.policy.action import ACTIONS, action_named
    from omnigraph.wire.policy import PolicyExplainOutput

    if arguments.flag("all"):
        return _explain_all(arguments)
    missing = [f"  {option.shown}" for option in (_ACTOR, _ACTION) if arguments.get(option.name) is None]
    if missing:
        raise UsageError("the following required arguments were not provided:", missing)
    word = arguments.required("action")
    action = action_named(word)
    if action is None:
        known = ", ".join(name.replace("_", "-") for name in ACTIONS)
        raise UsageError(f"invalid value '{word}' for '{_ACTION.shown}'", [f"  [possible values: {known}]"])
    actor, branch, target = arguments.required("actor"), arguments.get("branch"), arguments.get("target-branch")
    decision = _find(arguments).engine.decide(actor, action, branch, target)
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


def _explain_all(arguments: Arguments) -> int:
    """Print what every actor of the policy, or the one that is named, may do."""
    from omnigraph.policy.matrix import answers
    from omnigraph.wire.policy import PolicyActorOutput, PolicyAnswersOutput, PolicyMatrixOutput

    engine = _find(arguments).engine
    only = arguments.get("actor")
    actors = []
    for actor in engine.document.actors if only is None else [only]:
        rows = answers(partial(_allowed, engine, actor), engine.document.protected_branches, engine.kind)
        shown = [PolicyAnswersOutput(row.action, row.protected, row.unprotected, row.without_branch) for row in rows]
        actors.append(PolicyActorOutput(json_text(actor), shown))
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(PolicyMatrixOutput(actors)))
        return 0
    words = {True: "allow", False: "deny", None: "-"}
    lines = [("actor", "action", "protected", "unprotected", "no branch")]
    for one in actors:
        for row in one.actions:
            lines.append((one.actor, row.action, words[row.protected], words[row.unprotected], words[row.without_branch]))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        write_text("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _allowed(engine: PolicyEngine, actor: str, action: ActionName, branch: str | None, target: str | None) -> bool:
    return engine.decide(actor, action, branch, target).allowed


def _show(arguments: Arguments) -> int:
    """Print the Cedar text that the policy is compiled to."""
    write_text(_find(arguments).engine.cedar_text.removesuffix("\n"))
    return 0


def _find(arguments: Arguments) -> _Found:
    """Load the policy that is named, or that of the graph which the project file is about: a named or the anonymous one."""
    from omnigraph.policy.cases import FILE_NAME
    from omnigraph.policy.engine import load_policy

    legacy = Workspace(arguments).legacy
    path, server_path = arguments.get("policy"), arguments.get("server-policy")
    if path is not None and server_path is not None:
        raise UsageError(f"the argument '{_POLICY.shown}' cannot be used with '{_SERVER_POLICY.shown}'")
    if server_path is not None:
        engine = load_policy(server_path, "Server", _SERVER_ID, os.environ)
        return _Found(server_path, engine, str(Path(server_path).with_name(FILE_NAME)))
    tests, graph_id = None, _ANONYMOUS_ID
    if path is None:
        name = legacy.settings.cli.graph or legacy.settings.server.graph
        policy = legacy.settings.policy
        if name is not None:
            legacy.refuse_shadowed_blocks(name)
            policy, graph_id = legacy.graph(name).policy, name
        if policy.file is None:
            raise InvalidSetting("policy.file or graphs.<name>.policy.file must be set in omnigraph.yaml")
        path = legacy.resolved(policy.file)
        tests = None if policy.tests is None else legacy.resolved(policy.tests)
    engine = load_policy(path, "Graph", graph_id, os.environ)
    return _Found(path, engine, tests or str(Path(path).with_name(FILE_NAME)))


VALIDATE = Command(run=_validate, options=(*_OPTIONS, JSON_OPTION))
TEST = Command(
    run=_test,
    options=(
        *_OPTIONS,
        Option("tests", "Tests file, instead of policy.tests.yaml beside the policy", value="FILE", any_bytes=True),
        Option("verbose", "Print every case, not only those that fail"),
        JSON_OPTION,
    ),
)
EXPLAIN = Command(
    run=_explain,
    options=(
        *_OPTIONS,
        _ACTOR,
        _ACTION,
        Option("branch", "Branch of the request", value="BRANCH"),
        Option("target-branch", "Branch that the request would change", value="BRANCH"),
        Option("check", "Exit with 3 when the decision is deny"),
        Option("all", "Print a table of what every actor, or only --actor, may do"),
        JSON_OPTION,
    ),
)
SHOW = Command(run=_show, options=(*_OPTIONS, Option("cedar", "Print it as Cedar, the one form there is")))
