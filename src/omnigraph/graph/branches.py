"""Branches as names: creating, listing and deleting them. Each is one or two small objects, whatever the graph holds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from omnigraph.errors import BadRequest, Conflict, HistoryReclaimed
from omnigraph.graph.branch_name import refuse_reserved, valid_branch_name
from omnigraph.graph.commits import fork_cut, reclaimed
from omnigraph.storage.cleaning import wait_for_end
from omnigraph.storage.commit import closing_record
from omnigraph.storage.cut import Cut
from omnigraph.storage.log import Log, LogEntry, next_position
from omnigraph.storage.names import branch_of_ref_key, reclaimed_key, record_key, ref_key
from omnigraph.storage.objects import ObjectExists, ObjectStore
from omnigraph.storage.record import FORMAT, MAIN, Ref, decode
from omnigraph.storage.refs import encode_ref, may_be_child
from omnigraph.storage.ulid import new_ulid

_TRIES_MAX: Final = 5


def create(store: ObjectStore, name: str, parent: str, cut: Cut, actor: str | None) -> Ref:
    """Create a branch that continues a cut: one put-if-absent. Raises BadRequest, Conflict."""
    refuse_reserved("branch_create", name.strip())
    name = valid_branch_name(name)
    if name == MAIN:
        raise BadRequest("cannot create branch 'main'", hint="main is always there; choose another name")
    ref = Ref(
        format=FORMAT,
        nonce=new_ulid(),
        name=name,
        branch_id=new_ulid(),
        fork=cut.entry.position,
        fork_commit=cut.state.head,
        parent=parent,
        created_at=time.time_ns() // 1_000,
        actor=actor,
    )
    try:
        store.put_new(ref_key(name), encode_ref(ref))
    except ObjectExists:
        raise Conflict(f"branch '{name}' already exists", hint="choose another name, or delete it first") from None
    return ref


def create_from_head(
    store: ObjectStore, log: Log, name: str, parent: str, branch_id: str, cut: Cut, newest: Callable[[], Cut], actor: str | None
) -> Ref:
    """Create a branch that continues the head of another, ``cut`` a moment ago. Raises BadRequest, Conflict, NotFound.

    If that moves on meanwhile, what was its head is looked at as an older state.
    """
    for _ in range(_TRIES_MAX):
        ref = create(store, name, parent, cut, actor)
        behind = next_position(cut.entry, branch_id)
        if not store.exists(record_key(behind.branch_id, behind.seq)):
            return ref
        with contextlib.suppress(HistoryReclaimed):
            _settle(store, log, ref, cut)
            return ref
        cut = newest()
    raise Conflict(f"branch '{parent}' moves faster than it can be branched from", hint="try again")


def create_from_past(store: ObjectStore, log: Log, name: str, parent: str, cut: Cut, actor: str | None) -> Ref:
    """Create a branch that continues an older state, and look whether that is still there.

    A cleanup may have removed it before it knew of the branch; one that is at it is waited for. The branch is taken back then.
    Raises HistoryReclaimed, and Conflict while a cleanup takes too long.
    """
    ref = create(store, name, parent, cut, actor)
    _settle(store, log, ref, cut)
    return ref


def _settle(store: ObjectStore, log: Log, ref: Ref, cut: Cut) -> None:
    """Take a branch back if the state that it continues is gone. Raises HistoryReclaimed, Conflict."""
    if not wait_for_end(store):
        _withdraw(store, log, ref, cut.entry)
        raise Conflict(
            "a cleanup is removing old states just now", hint="try again when it is through, or start from the head of a branch"
        )
    try:
        _verify(Log(store), ref, cut)  # with nothing remembered: what this process has read may be gone since
    except HistoryReclaimed:
        _withdraw(store, log, ref, cut.entry)
        raise reclaimed(ref.fork_commit) from None


def _verify(log: Log, ref: Ref, cut: Cut) -> None:
    """Refuse a fork that cannot be read any more. Raises HistoryReclaimed."""
    found = fork_cut(log, ref, cut.schema)
    for table in found.tables.values():
        if table.base_version and log.store.exists(reclaimed_key(table.table_id, table.base_version)):
            raise reclaimed(ref.fork_commit)


def names(store: ObjectStore) -> list[str]:
    """Return all branch names, byte-sorted, main among them."""
    found = [MAIN]
    for item in store.list("refs/"):
        name = branch_of_ref_key(item.key)
        if name is not None:
            found.append(name)
    return sorted(found, key=str.encode)


def refs(store: ObjectStore, log: Log | None = None, *, children_of: str | None = None) -> list[Ref]:
    """Return the refs of all branches but main. With a log, those that it has seen are not read again.

    ``children_of``: those of branches that were made from one are wanted, and hardly any others are read.
    """
    seen = {} if log is None else log.refs
    items = [
        item
        for item in store.list("refs/")
        if (children_of is None or may_be_child(item.size_bytes, children_of)) and branch_of_ref_key(item.key) is not None
    ]
    missing = [item for item in items if (item.key, item.tag) not in seen]
    found = {(item.key, item.tag): seen[item.key, item.tag] for item in items if (item.key, item.tag) in seen}
    for item, data in zip(missing, store.get_many([item.key for item in missing]), strict=True):
        if data is not None:  # None: deleted since the listing
            found[item.key, item.tag] = decode(data, Ref, item.key)
    if log is not None:
        log.refs = {(key, tag): ref for (key, tag), ref in found.items() if tag}  # what is not listed has been deleted
    return list(found.values())


def create_at_once(
    store: ObjectStore, log: Log, name: str, parent: str, known: Cut, newest: Callable[[], Cut], actor: str | None
) -> Ref:
    """Create a branch in one round trip: the ref is put while the store is asked whether the parent has moved.

    If it has, the branch is closed and made again where the parent is now. Raises BadRequest, Conflict, NotFound.
    """
    with ThreadPoolExecutor(1, "omnigraph-branch") as beside:
        looking = beside.submit(newest)
        ref = create(store, name, parent, known, actor)
        try:
            cut = looking.result()
        except Exception:
            _withdraw(store, log, ref, known.entry)
            raise
    if cut.entry.position == known.entry.position:
        return ref
    _withdraw(store, log, ref, known.entry)
    return create(store, name, parent, cut, actor)


def _withdraw(store: ObjectStore, log: Log, ref: Ref, fork: LogEntry) -> None:
    """Take back a branch that was made too early, or too late."""
    try:
        log.append(next_position(fork, ref.branch_id), closing_record(fork.record))
    except ObjectExists:
        raise Conflict(
            f"branch '{ref.name}' was written to while it was made, from a head of '{ref.parent}' that was not the newest",
            hint=f"merge '{ref.parent}' into it, or delete it and create it again",
        ) from None
    store.delete(ref_key(ref.name))


def delete_known(
    store: ObjectStore, log: Log, name: str, branch_id: str, entry: LogEntry, read_ref: Callable[[str], Ref]
) -> None:
    """Delete a branch whose head is known, as `delete` does: one listing and two writes when the head is the newest."""
    _refuse_parent(store, log, name)
    try:
        log.append(next_position(entry, branch_id), closing_record(entry.record))
    except ObjectExists:
        delete(store, log, read_ref(name), checked=True)
        return
    store.delete(ref_key(name))


def delete(store: ObjectStore, log: Log, ref: Ref, *, checked: bool = False) -> None:
    """Delete a branch: close its log, so that a writer who still holds it learns why, and remove the ref.

    Raises Conflict while a branch that was created from it lives.
    """
    if not checked:
        _refuse_parent(store, log, ref.name)
    while True:
        head = log.find_head(ref.branch_id)
        if head is not None and head.record.kind == "close":
            break
        entry: LogEntry = head if head is not None else log.read(ref.fork)
        try:
            log.append(next_position(entry, ref.branch_id), closing_record(entry.record))
        except ObjectExists:
            continue
        break
    store.delete(ref_key(ref.name))


def _refuse_parent(store: ObjectStore, log: Log, name: str) -> None:
    for other in refs(store, log, children_of=name):
        if other.parent == name:
            raise Conflict(
                f"cannot delete branch '{name}' because descendant branch '{other.name}' still depends on it",
                hint=f"delete '{other.name}' first",
            )
