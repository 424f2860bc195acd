"""Cleaning up: letting go of versions that nobody asked to keep, and of what failed writes and deleted branches left behind.

Commits stay listed. Safe beside writers: what a branch's head names is never touched, and the place of a record that goes stays
taken, so a writer who looked before loses its put and evaluates again. Readers of removed versions are told so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from omnigraph.errors import BadRequest, HistoryReclaimed
from omnigraph.graph.branch import BranchHead
from omnigraph.storage.cleaning import announced
from omnigraph.storage.fold import OpenTable, fold_tables, with_endpoints
from omnigraph.storage.hard_drop import erase
from omnigraph.storage.log import CARRY_BYTES_MAX, Log
from omnigraph.storage.reclaim import NOBODY, ORPHAN_AGE_S, Plan, carry_out, plan, young_dead_logs
from omnigraph.storage.record import Ref, TableState
from omnigraph.storage.retention import Kept, Policy, retain
from omnigraph.storage.survey import BaseName, Survey
from omnigraph.storage.table import LanceTable
from omnigraph.wire.maintenance import CleanupTable

OpenBranch = Callable[[str | None], BranchHead]


def cleanup(
    log: Log,
    open_branch: OpenBranch,
    open_table: OpenTable,
    *,
    keep: int | None,
    older_than_s: int | None,
    confirm: bool = True,
    orphan_age_s: float = ORPHAN_AGE_S,
) -> list[CleanupTable]:
    """Remove what the bounds let go, and report it by type; without ``confirm`` only report it.

    Costs one listing and one read of every record that is not empty. Can be run again after a death at any point.
    """
    if keep is None and older_than_s is None:
        raise BadRequest("cleanup requires at least one of --keep or --older-than")
    main = open_branch(None)
    if confirm:
        erase(log)
        _detach(log, open_branch, main, open_table)
    since_us = None if older_than_s is None else time.time_ns() // 1_000 - older_than_s * 1_000_000
    policy = Policy(keep or 0, since_us)
    survey, kept, made = _planned(log, policy, orphan_age_s)
    if confirm:
        with announced(log.store):
            if survey.is_behind():  # a branch that is made from now on waits for the end, and looks whether its state is there
                survey, kept, made = _planned(log, policy, orphan_age_s)
            freed = carry_out(log, made)
    else:
        freed = made.bytes_by_type()
    here = main.current().cut.schema.by_key
    return _report(survey, here, freed, kept.versions_removed, made.errors)


def _planned(log: Log, policy: Policy, orphan_age_s: float) -> tuple[Survey, Kept, Plan]:
    survey = Survey(log)
    kept = retain(survey, policy, young_dead_logs(survey, orphan_age_s))

    def open_base(base: BaseName) -> LanceTable:
        return LanceTable(log.store, *base)

    return survey, kept, plan(survey, kept, open_base, orphan_age_s)


def _report(
    survey: Survey,
    here: Iterable[str],
    freed: Mapping[int, int],
    versions: Mapping[int, int],
    errors: Mapping[int, str],
) -> list[CleanupTable]:
    keys = {key: key for key in here}
    first = min(keys, default="")
    found = {key: [0, 0] for key in keys}
    told: dict[str, str] = {}
    for place, counts in enumerate((freed, versions)):
        for type_id, count in counts.items():
            key = survey.type_keys.get(type_id, first) if type_id != NOBODY else first
            if count or key in found:
                found.setdefault(key, [0, 0])[place] += count
    for type_id, message in errors.items():
        told.setdefault(survey.type_keys.get(type_id, first) if type_id != NOBODY else first, message)
    for key in told:
        found.setdefault(key, [0, 0])
    return [CleanupTable(key, size_bytes, count, told.get(key)) for key, (size_bytes, count) in sorted(found.items())]


def _detach(log: Log, open_branch: OpenBranch, main: BranchHead, open_table: OpenTable) -> None:
    """Make the heads of all branches independent of the records before them: those could not go otherwise."""
    from omnigraph.graph import branches

    _detach_branch(log, main, open_table)
    for ref in branches.refs(log.store):
        if _has_tail(log, ref):
            _detach_branch(log, open_branch(ref.name), open_table)


def _has_tail(log: Log, ref: Ref) -> bool:
    head = log.find_head(ref.branch_id)
    return head is not None and bool(head.record.state.tail)


def _detach_branch(log: Log, branch: BranchHead, open_table: OpenTable) -> None:
    cut = branch.current().cut
    if not cut.state.tail or cut.entry.position.branch_id != branch.branch_id:
        return
    folded: dict[int, TableState] = {}
    try:
        if sum(item.size_bytes for item in cut.tail) > CARRY_BYTES_MAX:
            folded = fold_tables(log.store, cut, with_endpoints(cut.schema, cut.tail_types()), open_table)
    except HistoryReclaimed:
        return  # another cleanup is at it
    branch.publish_fold(cut, folded)  # a lost race costs some records that stay a while longer
