"""Repairing: a check of everything that live heads name, and the making again of what can be derived.

A commit is one object, so nothing can drift apart; what can happen is that files are lost or damaged from outside. Rows,
records and blobs that are gone stay gone: they are named, and nothing is dropped to make the complaint go away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from omnigraph.graph.branch import BranchHead
from omnigraph.graph.optimize import optimize
from omnigraph.graph.verification import Verified, verify
from omnigraph.graph.views import ViewFactory
from omnigraph.query.settings import DEFAULT_SETTINGS
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.cut import open_cut
from omnigraph.storage.history import gather_span
from omnigraph.storage.log import Log
from omnigraph.storage.names import SCHEMA_COPY, history_key, ref_key
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.record import MAIN, Position, Ref, decode
from omnigraph.wire.maintenance import RepairOutput, RepairTable


@dataclass(slots=True)
class Repaired:
    """The report by type, and what concerns no type: lines for people."""

    output: RepairOutput
    notes: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many types could not be verified."""
        return sum(table.action == "refused" for table in self.output.tables)


def repair(store: ObjectStore, uri: str, *, confirm: bool, force: bool) -> Repaired:
    """Verify a graph and, with ``confirm``, make again what can be derived. Needs only main's head to be readable.

    ``force`` changes nothing: what is lost cannot be published by force.
    """
    log = Log(store)
    found = verify(log)
    notes = _derived(store, log, found, confirm=confirm)
    made = {key: [f"index {column}" for column in columns] for key, columns in found.indexes.items()}
    if confirm and found.indexes:
        _index(store, log, found)
        found = verify(Log(store))
        for key, columns in found.indexes.items():
            found.defect(key, f"indexes could not be made again: {', '.join(columns)}")
    tables = []
    for key in sorted({*found.types, *found.defects}):
        version = found.types.get(key, 0)
        defects = found.defects.get(key)
        operations = made.get(key, [])
        if defects:
            tables.append(RepairTable(key, version, version, "unverifiable", "refused", operations, "; ".join(defects)))
        else:
            tables.append(RepairTable(key, version, version, "no_drift", "no_op", operations, None))
    return Repaired(RepairOutput(uri, confirm, force, None, tables), notes)


def _derived(store: ObjectStore, log: Log, found: Verified, *, confirm: bool) -> list[str]:
    """Make again what carries no truth of its own, and tell of it; without ``confirm`` only tell."""
    notes = []

    def tell(what: str, act: Callable[[], None]) -> None:
        if confirm:
            act()
        notes.append(f"{what}: made again" if confirm else f"{what}; rerun with --confirm to make it again")

    if found.schema_copy is not None:
        copy = found.schema_copy.encode()
        tell(f"'{SCHEMA_COPY}' is not the accepted schema", lambda: store.put(SCHEMA_COPY, copy, durable=True))
    for branch_id, head in found.hints.items():
        at = Position(branch_id, head)
        tell(f"the head hint of log '{branch_id}' leads nowhere", lambda at=at: log.hint(at))  # type: ignore[misc]  # bound at once
    if found.histories:

        def again() -> None:
            for span in found.histories:
                store.delete(history_key(span.branch_id, span.first, span.last))
                gather_span(log, span)

        tell(f"{len(found.histories)} history object(s) are damaged", again)
    return notes


def _index(store: ObjectStore, log: Log, found: Verified) -> None:
    """Write the tables anew whose indexes are missing or wrong: what an index says must not be trusted in between."""
    views = ViewFactory(store, GraphCache(0), DEFAULT_SETTINGS)
    for name, keys in found.branches.items():
        ref = None if name == MAIN else decode(store.get(ref_key(name)), Ref, ref_key(name))
        branch_id = MAIN if ref is None else ref.branch_id
        head = log.find_head(branch_id)
        if head is None:
            assert ref is not None, "main was verified"
            head = log.read(ref.fork)
            if head.record.state.head != ref.fork_commit:
                continue  # forked from the middle of a record: the first fold of the branch brings the indexes
        branch = BranchHead(log, name, branch_id, open_cut(log, head), views.view_of)
        optimize(store, branch, views.open_table, rebuild=frozenset(keys))
