"""``omnigraph config migrate``: split the project file into its new homes."""

from __future__ import annotations

import os

from omnigraph.cli.addressing import JSON_OPTION
from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import json_text, write_bytes, write_text
from omnigraph.config.migration import MigrationPlan, plan_migration, write_migration
from omnigraph.wire.session import DroppedKey, MigrationOutput, MigrationReport


def _migrate(arguments: Arguments) -> int:
    plan = plan_migration(arguments.get("config"))
    writes = arguments.flag("write")
    written = write_migration(plan, os.environ) if writes else []
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        report = _report(plan)
        write_bytes(pretty(MigrationOutput(report, [json_text(line) for line in written]) if writes else report))
        return 0
    lines = _lines(plan)
    lines += [f"wrote: {what}" for what in written]
    if not writes:
        lines += ["", "(nothing written; pass --write to apply the operator merge and emit cluster.yaml)"]
    write_text("\n".join(lines))
    return 0


def _report(plan: MigrationPlan) -> MigrationReport:
    return MigrationReport(
        source=json_text(plan.source),
        cluster_yaml=plan.cluster_yaml,
        operator_merge=plan.operator_merge,
        dropped=[DroppedKey(key, reason) for key, reason in plan.dropped],
        manual_steps=list(plan.manual_steps),
    )


def _lines(plan: MigrationPlan) -> list[str]:
    lines = [f"migration plan for {plan.source}"]
    if plan.cluster_yaml is not None:
        lines += ["", "== team half -> cluster.yaml (ready to review) ==", plan.cluster_yaml.removesuffix("\n")]
    if plan.personal:
        lines += ["", "== personal half -> ~/.omnigraph/config.yaml =="]
        lines += [f"  {key}: {value}" for key, value in plan.operator_merge.items()]
    if plan.dropped:
        lines += ["", "== no destination =="]
        lines += [f"  {key} — {reason}" for key, reason in plan.dropped]
    if plan.manual_steps:
        lines += ["", "== manual steps =="]
        lines += [f"  - {step}" for step in plan.manual_steps]
    return lines


MIGRATE = Command(
    run=_migrate,
    options=(
        Option("config", "Project file to split; default ./omnigraph.yaml", value="PATH", any_bytes=True),
        Option("write", "Merge the personal half and write the cluster proposal"),
        JSON_OPTION,
    ),
)
