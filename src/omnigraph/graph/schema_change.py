"""Schema changes: what a plan needs on the way, and the one commit that carries it out."""

from __future__ import annotations

import logging

from omnigraph.errors import Conflict, OmnigraphError, UnsupportedMigration
from omnigraph.graph import branches
from omnigraph.graph.branch import BranchHead, Evaluated, Head
from omnigraph.language import plan_migration
from omnigraph.language.catalog import Catalog
from omnigraph.language.migration import MigrationPlan
from omnigraph.language.migration_steps import DropProperty, DropType, RenameProperty, RenameType, step_json
from omnigraph.storage.commit import Draft
from omnigraph.storage.cut import Cut, Schema, compiled
from omnigraph.storage.fold import OpenTable, fold_tables, rewrite_base, with_endpoints
from omnigraph.storage.hard_drop import erase
from omnigraph.storage.identity import FormerNames, next_block, same_identities
from omnigraph.storage.log import Log
from omnigraph.storage.names import SCHEMA_COPY
from omnigraph.storage.net import net_change
from omnigraph.storage.objects import ObjectMissing, ObjectStore
from omnigraph.storage.record import MAIN, HardDrop
from omnigraph.storage.schema_change import SchemaDraft, under_schema

_logger = logging.getLogger(__name__)


def plan_schema(accepted: Schema, source: str, *, allow_data_loss: bool) -> MigrationPlan:
    """Return the steps that lead from the accepted schema to a text. Raises ParseError, CatalogError."""
    return plan_migration(accepted.catalog, compiled(source), allow_data_loss=allow_data_loss)


def apply_schema(
    main: BranchHead, log: Log, open_table: OpenTable, source: str, *, allow_data_loss: bool, actor: str | None
) -> tuple[MigrationPlan, Head | None]:
    """Change main's schema to ``source`` as one commit; None where there was nothing to do but, perhaps, to keep the text.

    Planned again when another commit lands first. Raises ParseError, CatalogError, Conflict while there are other branches,
    UnsupportedMigration; nothing has changed then.
    """
    desired = compiled(source)
    plan = MigrationPlan(())

    def evaluate(head: Head) -> Evaluated | None:
        nonlocal plan
        _refuse_branches(log.store)
        plan = plan_migration(head.cut.catalog, desired, allow_data_loss=allow_data_loss)
        change = _evaluate(head.cut, desired, plan, log.store, open_table, actor)
        return None if change is None else (change, None)

    published = main.publish(evaluate)
    write_copy(log.store, main)
    if allow_data_loss:  # also without a step: the same command may have been killed before it was through
        try:
            erase(log)
        except OmnigraphError as error:
            _logger.warning("the bytes that a hard drop removed stay until the next cleanup: %s", error)
    return plan, None if published is None else published.head


def write_copy(store: ObjectStore, main: BranchHead) -> None:
    """Make the readable copy say what the log says. When several processes do so, the last one finds the newest text."""
    while True:
        source = main.current().cut.schema.block.source
        try:
            if store.get(SCHEMA_COPY) == source.encode():
                return
        except ObjectMissing:
            pass
        store.put(SCHEMA_COPY, source.encode())


def _refuse_branches(store: ObjectStore) -> None:
    others = [name for name in branches.names(store) if name != MAIN]
    if others:
        raise Conflict(
            f"schema apply requires a graph with only main; found non-main branches: {', '.join(others)}",
            hint="merge or delete the branches, then apply the schema",
        )


def _evaluate(
    cut: Cut, desired: Catalog, plan: MigrationPlan, store: ObjectStore, open_table: OpenTable, actor: str | None
) -> SchemaDraft | None:
    if plan.refusal is not None:
        raise UnsupportedMigration(plan.refusal, hint="`omnigraph schema plan` shows every step and what cannot be done")
    if not plan.steps:
        return (
            None
            if desired.source == cut.schema.block.source
            else SchemaDraft(Schema(same_identities(cut.schema.block, desired)))
        )
    schema = Schema(next_block(cut.schema.block, desired, _former_names(plan)))
    drops = _hard_drops(cut.schema, schema, plan)
    folded = _rewritten(cut, schema, drops, store, open_table)
    notes = {"steps": [step_json(step) for step in plan.steps]}
    return SchemaDraft(schema, Draft("schema", actor, {}, folded=folded, extra=notes), drops)


def _former_names(plan: MigrationPlan) -> FormerNames:
    types: dict[tuple[str, str], str] = {}
    properties: dict[tuple[str, str], dict[str, str]] = {}
    for step in plan.steps:
        if isinstance(step, RenameType):
            types[step.type_kind, step.new] = step.old
        elif isinstance(step, RenameProperty):
            properties.setdefault((step.type_kind, step.type_name), {})[step.new] = step.old
    return FormerNames(types, properties)


def _hard_drops(before: Schema, after: Schema, plan: MigrationPlan) -> tuple[HardDrop, ...]:
    """Return the types that a plan drops or drops properties of for good, by the names that they had."""
    found: dict[int, HardDrop] = {}
    for step in plan.steps:
        if not isinstance(step, DropType | DropProperty) or step.mode != "hard" or step.type_kind == "interface":
            continue
        if isinstance(step, DropType):
            type_id = before.by_key[f"{step.type_kind}:{step.name}"].type_id
        else:
            type_id = after.by_key[f"{step.type_kind}:{step.type_name}"].type_id
        found[type_id] = HardDrop(type_id, before.by_id[type_id].table_key, "")
    return tuple(found.values())


def _rewritten(
    cut: Cut, schema: Schema, drops: tuple[HardDrop, ...], store: ObjectStore, open_table: OpenTable
) -> dict[int, tuple[str, str]]:
    """Write the tables that lose a property for good without it; what an edge table needs to have in bases is folded along."""
    rewritten = {drop.type_id for drop in drops if drop.type_id in schema.by_id}
    under = under_schema(cut, schema)
    folded: dict[int, tuple[str, str]] = {}
    for type_id in sorted(with_endpoints(schema, rewritten)):
        table = under.tables[type_id]
        if type_id in rewritten:
            net = net_change(under.changes_of(type_id))
            folded[type_id] = rewrite_base(store, schema, schema.by_id[type_id], table, net, open_table)
        else:
            state = fold_tables(store, under, [type_id], open_table)[type_id]
            folded[type_id] = (state.table_id, state.base_version)
    return folded
