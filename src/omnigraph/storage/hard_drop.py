"""Hard drops: what can never be read again, and the removal of its bytes.

The commit of a hard drop says so in the state that every later record inherits. A cut whose state does not know of a drop that
the newest one knows of is older, and is refused for that type. The bytes are removed afterwards; a crash in between leaves rows
that nobody can read, and the same command run again, the next hard drop or a cleanup removes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from omnigraph.errors import HistoryReclaimed
from omnigraph.storage.cut import Cut
from omnigraph.storage.log import RECLAIMED, Log
from omnigraph.storage.names import branch_of_ref_key, reclaimed_key, table_prefix
from omnigraph.storage.objects import ObjectMissing
from omnigraph.storage.record import MAIN, CarriedChange, HardDrop, InlineChange, Position, Record, Ref, State, decode


def refusals(cut: Cut, newest: State) -> dict[int, HardDrop]:
    """Return the drops, by type id, that took away what a cut held. ``newest`` is the state of main's head."""
    if not newest.hard_drops:
        return {}
    known = {(drop.type_id, drop.commit) for drop in cut.state.hard_drops}
    return {drop.type_id: drop for drop in newest.hard_drops if (drop.type_id, drop.commit) not in known}


def refusal_text(what: str, commit_id: str, drop: HardDrop | None) -> str:
    """Return why the rows of a type cannot be read at a commit."""
    culprit = "a hard drop" if drop is None else f"the hard drop of commit '{drop.commit}'"
    return f"{what} can no longer be read at commit '{commit_id}': {culprit} removed its rows"


def erase(log: Log) -> int:
    """Remove the bytes of everything that main's hard drops took away; return how many objects were rewritten or removed.

    Inline rows are taken out of their records, which stay; bases and change lists are removed. Does nothing while a branch
    lives that was forked before such a drop: it still needs them. Can be repeated. O(history).
    """
    changed = 0
    while True:
        head = log.find_head(MAIN)
        assert head is not None
        drops = head.record.state.hard_drops
        if not drops or _is_needed(log, drops):
            return changed
        versions: dict[str, set[str]] = {}
        kept: set[str] = set()
        for seq in range(head.position.seq + 1):
            position = Position(MAIN, seq)
            try:
                record = log.read(position).record
            except (HistoryReclaimed, ObjectMissing):
                continue  # a cleanup removed it
            types = _taken_from(record.state, drops)
            for table in record.state.tables:
                if table.type_id not in types:
                    kept.add(table.table_id)
                elif table.table_id:
                    versions.setdefault(table.table_id, set()).add(table.base_version)
            erased = _without_rows(record, types)
            if erased is not None:
                log.replace(position, erased)
                changed += 1
        for table_id in sorted(versions.keys() - kept):
            changed += _remove_table(log, table_id, versions[table_id])
        newest = log.find_head(MAIN)
        if newest is not None and newest.record.state.hard_drops == drops:
            return changed


def _remove_table(log: Log, table_id: str, versions: set[str]) -> int:
    """Remove a table but for the marks that tell readers who still hold a version of it that it was removed."""
    marks = {reclaimed_key(table_id, version) for version in versions}
    items = [item for item in log.store.list(f"{table_prefix(table_id)}/") if item.key not in marks]
    if items:
        for key in sorted(marks):
            log.store.put(key, RECLAIMED)
    for item in items:
        log.store.delete(item.key)
    return len(items)


def _taken_from(state: State, drops: Sequence[HardDrop]) -> set[int]:
    known = {(drop.type_id, drop.commit) for drop in state.hard_drops}
    return {drop.type_id for drop in drops if (drop.type_id, drop.commit) not in known}


def _is_needed(log: Log, drops: Sequence[HardDrop]) -> bool:
    for ref in _refs(log):
        head = log.find_head(ref.branch_id) or log.read(ref.fork)
        if _taken_from(head.record.state, drops):
            return True
    return False


def _refs(log: Log) -> Iterator[Ref]:
    for item in log.store.list("refs/"):
        if branch_of_ref_key(item.key) is not None:
            try:
                yield decode(log.store.get(item.key), Ref, item.key)
            except ObjectMissing:
                continue  # deleted since the listing


def _without_rows(record: Record, types: set[int]) -> Record | None:
    """Return a record without the inline rows of some types; None if it has none."""

    def strip(changes: list[InlineChange]) -> list[InlineChange]:
        return [
            InlineChange(change.type_id, b"", [], change.rows, True) if change.type_id in types else change
            for change in changes
        ]

    inline = [change for commit in record.commits for change in commit.inline]
    carried = [change for step in record.carried for change in step.inline]
    if not any(change.type_id in types and not change.gone for change in [*inline, *carried]):
        return None
    return msgspec.structs.replace(
        record,
        commits=[msgspec.structs.replace(commit, inline=strip(commit.inline)) for commit in record.commits],
        carried=[CarriedChange(step.step, strip(step.inline)) for step in record.carried],
    )
