"""``omnigraph cluster``: the control plane on a config directory."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from omnigraph.cli.addressing import JSON_OPTION
from omnigraph.cli.grammar import Arguments, Command, Option, Positional
from omnigraph.cli.streams import json_text, write_bytes, write_text
from omnigraph.errors import BadRequest, InvalidSetting

if TYPE_CHECKING:
    from omnigraph.cluster.session import Interruption
    from omnigraph.wire.cluster import (
        ApplyOutput,
        ApproveOutput,
        ChangeOutput,
        ClusterOutput,
        Diagnostic,
        ForceUnlockOutput,
        PlanOutput,
        RefreshOutput,
        StateObservations,
        StatusOutput,
        ValidateOutput,
    )

_CONFIG = Option("config", "Directory that holds cluster.yaml; the working directory unless given", value="DIR", any_bytes=True)
_OPTIONS = (_CONFIG, JSON_OPTION)


def _validate(arguments: Arguments) -> int:
    from omnigraph.cluster.plan import validate

    return _print(arguments, validate(_config(arguments)), _validate_lines)


def _plan(arguments: Arguments) -> int:
    from omnigraph.cluster.plan import plan

    return _interruptible(arguments, lambda asked: plan(_config(arguments), asked), _plan_lines)


def _apply(arguments: Arguments) -> int:
    from omnigraph.cluster.apply import apply

    actor = _actor(arguments)
    return _interruptible(arguments, lambda asked: apply(_config(arguments), actor, asked), _apply_lines)


def _approve(arguments: Arguments) -> int:
    from omnigraph.cluster.approve import approve

    approver = _actor(arguments)
    if approver is None:
        raise BadRequest(
            "`cluster approve` requires an approver: pass the global --as <ACTOR> flag or set `cli.actor` in your "
            "omnigraph.yaml — an approval without an approver is meaningless"
        )
    resource = json_text(arguments.words[0])
    return _interruptible(arguments, lambda asked: approve(_config(arguments), resource, approver, asked), _approve_lines)


def _status(arguments: Arguments) -> int:
    from omnigraph.cluster.status import status

    return _print(arguments, status(_config(arguments)), _status_lines)


def _refresh(arguments: Arguments) -> int:
    from omnigraph.cluster.observe import refresh

    return _interruptible(arguments, lambda asked: refresh(_config(arguments), asked), _refresh_lines)


def _import(arguments: Arguments) -> int:
    from omnigraph.cluster.observe import import_state

    return _interruptible(arguments, lambda asked: import_state(_config(arguments), asked), _refresh_lines)


def _force_unlock(arguments: Arguments) -> int:
    from omnigraph.cluster.status import force_unlock

    return _print(arguments, force_unlock(_config(arguments), json_text(arguments.words[0])), _unlock_lines)


# --- what surrounds a verb --------------------------------------------------------------------------------------------


def _config(arguments: Arguments) -> str:
    return arguments.get("config") or "."


def _actor(arguments: Arguments) -> str | None:
    """Who applies or approves: ``--as``, which opens no file, else ``cli.actor``, else ``operator.actor``."""
    given = arguments.get("as")
    if given is not None:
        return given
    from omnigraph.config.legacy import load_legacy
    from omnigraph.config.operator import load_operator

    try:
        actor = load_legacy(None, os.environ).settings.cli.actor
    except InvalidSetting as error:
        message = "resolving the default actor from omnigraph.yaml (pass --as <ACTOR> to skip this lookup)"
        raise InvalidSetting(f"{message}: {error.message}") from None
    return actor or load_operator(os.environ).settings.operator.actor


def _interruptible(
    arguments: Arguments,
    verb: Callable[[Interruption], ClusterOutput],
    lines: Callable[[Any], list[str]],  # Any: the output of that verb
) -> int:
    """Run a verb that takes the lock: SIGINT and SIGTERM end it after the step in progress, with the lock given back."""
    from omnigraph.cluster.session import Interruption

    asked = Interruption()
    with _handlers(asked) as caught:
        output = verb(asked)
    status = _print(arguments, output, lines)
    return 128 + caught[0] if caught else status


@contextmanager
def _handlers(asked: Interruption) -> Iterator[list[int]]:
    caught: list[int] = []

    def handle(number: int, _: object) -> None:
        caught.append(number)
        asked.request()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(arguments: Arguments, output: ClusterOutput, lines: Callable[[Any], list[str]]) -> int:  # Any: as above
    if arguments.flag("json"):
        write_bytes(_document(output))
    else:
        diagnostics: Sequence[Diagnostic] = getattr(output, "diagnostics", ())
        write_text("\n".join([*lines(output), *(one.line() for one in diagnostics)]))
    return 0 if output.ok else 1


def _document(output: ClusterOutput) -> bytes:
    """Return the JSON document; bytes of paths that were no UTF-8 become replacement characters."""
    import msgspec

    from omnigraph.wire.encoding import pretty

    try:
        return pretty(output)
    except UnicodeEncodeError:
        import json

        text = json.dumps(msgspec.to_builtins(output), ensure_ascii=False, indent=2)
        return f"{json_text(text)}\n".encode()


# --- for people -------------------------------------------------------------------------------------------------------


def _validate_lines(output: ValidateOutput) -> list[str]:
    if not output.ok:
        return ["cluster config invalid"]
    counts = f"{len(output.resources)} resource(s), {len(output.dependencies)} dependency edge(s)"
    return [f"cluster config valid: {counts}"]


def _plan_lines(output: PlanOutput) -> list[str]:
    if not output.ok:
        return ["cluster plan failed"]
    from omnigraph.wire.encoding import compact

    lines = [f"cluster plan: {len(output.changes)} change(s), {len(output.approvals_required)} approval gate(s)"]
    for change in output.changes:
        lines.append(_change_line(change, with_disposition=False))
        if change.migration is not UNSET:
            lines += [f"    {compact(step).decode()}" for step in change.migration["steps"]]
    return lines if output.changes else [*lines, "  no changes"]


def _apply_lines(output: ApplyOutput) -> list[str]:
    if output.ok:
        lines = [f"cluster apply: {output.applied_count} applied, {output.deferred_count} deferred/blocked"]
    else:
        lines = ["cluster apply failed"]
    lines += [_change_line(change, with_disposition=True) for change in output.changes]
    if not output.ok:
        return lines
    if not output.changes:
        lines.append("  no changes")
    revision = output.state_observations.state_revision
    converged, written = str(output.converged).lower(), str(output.state_written).lower()
    lines.append(f"  state: revision {revision}, converged: {converged}, written: {written}")
    lines.append("  note: servers booted from this cluster pick this up at their next restart or reload")
    return lines


def _change_line(change: ChangeOutput, *, with_disposition: bool) -> str:
    line = f"  {change.operation.capitalize()} {change.resource}"
    if change.binding_change is True:
        line += " [bindings]"
    if with_disposition and change.disposition is not UNSET:
        reason = "" if change.reason is UNSET else f": {change.reason}"
        line += f" [{change.disposition.capitalize()}{reason}]"
    return line


def _approve_lines(output: ApproveOutput) -> list[str]:
    if not output.ok:
        return ["cluster approve failed"]
    what = f"{output.operation} {output.resource} approved by {output.approved_by}"
    return [f"cluster approve: {what} (approval {output.approval_id})"]


def _status_lines(output: StatusOutput) -> list[str]:
    seen = output.state_observations
    if not output.ok:
        return ["cluster status failed"]
    if not seen.state_found:
        return ["cluster state missing", _lock_line(seen)]
    lines = [f"cluster state: revision {seen.state_revision}, {seen.resource_count} resource(s)"]
    if seen.applied_config_digest is not UNSET:
        lines.append(f"  applied config: {seen.applied_config_digest}")
    return [*lines, _lock_line(seen)]


def _refresh_lines(output: RefreshOutput) -> list[str]:
    if not output.ok:
        return [f"cluster {output.operation} failed"]
    seen = output.state_observations
    lines = [f"cluster {output.operation}: revision {seen.state_revision}, {seen.resource_count} resource(s)"]
    if seen.state_cas is not UNSET:
        lines.append(f"  state_cas: {seen.state_cas}")
    return [*lines, _lock_line(seen)]


def _unlock_lines(output: ForceUnlockOutput) -> list[str]:
    if not output.ok:
        return ["cluster force-unlock failed"]
    if not output.lock_removed:
        return ["cluster force-unlock: no lock removed"]
    return [f"cluster force-unlock: removed lock{_lock_summary(output.state_observations)}"]


def _lock_line(seen: StateObservations) -> str:
    return f"  lock: held{_lock_summary(seen)}" if seen.locked else "  lock: not held"


def _lock_summary(seen: StateObservations) -> str:
    facts = {
        "id": seen.lock_id,
        "operation": seen.lock_operation,
        "pid": seen.lock_pid,
        "created_at": seen.lock_created_at,
        "age_seconds": seen.lock_age_seconds,
    }
    known = [f"{name}={value}" for name, value in facts.items() if value is not UNSET]
    return f" ({', '.join(known)})" if known else ""


VALIDATE = Command(run=_validate, options=_OPTIONS)
PLAN = Command(run=_plan, options=_OPTIONS)
APPLY = Command(run=_apply, options=_OPTIONS)
APPROVE = Command(
    run=_approve, options=_OPTIONS, positionals=(Positional("RESOURCE", "Address of the resource", required=True),)
)
STATUS = Command(run=_status, options=_OPTIONS)
REFRESH = Command(run=_refresh, options=_OPTIONS)
IMPORT = Command(run=_import, options=_OPTIONS)
FORCE_UNLOCK = Command(
    run=_force_unlock, options=_OPTIONS, positionals=(Positional("LOCK_ID", "Id of the lock to remove", required=True),)
)
