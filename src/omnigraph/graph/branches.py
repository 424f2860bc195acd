"""Branches as names: creating, listing and deleting them. Each is one or two small objects, whatever the graph holds."""

from __future__ import annotations

import time

from omnigraph.errors import BadRequest, Conflict
from omnigraph.graph.branch_name import refuse_reserved, valid_branch_name
from omnigraph.storage.commit import closing_record, next_position
from omnigraph.storage.cut import Cut
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import branch_of_ref_key, ref_key
from omnigraph.storage.objects import ObjectExists, ObjectMissing, ObjectStore
from omnigraph.storage.record import FORMAT, MAIN, Ref, decode, encode
from omnigraph.storage.ulid import new_ulid


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
        store.put_new(ref_key(name), encode(ref))
    except ObjectExists:
        raise Conflict(f"branch '{name}' already exists", hint="choose another name, or delete it first") from None
    return ref


def names(store: ObjectStore) -> list[str]:
    """Return all branch names, byte-sorted, main among them."""
    found = [MAIN]
    for item in store.list("refs/"):
        name = branch_of_ref_key(item.key)
        if name is not None:
            found.append(name)
    return sorted(found, key=str.encode)


def refs(store: ObjectStore) -> list[Ref]:
    """Return the refs of all branches but main."""
    found = []
    for item in store.list("refs/"):
        if branch_of_ref_key(item.key) is None:
            continue
        try:
            found.append(decode(store.get(item.key), Ref, item.key))
        except ObjectMissing:
            continue  # deleted since the listing
    return found


def delete(store: ObjectStore, log: Log, ref: Ref) -> None:
    """Delete a branch: close its log, so that a writer who still holds it learns why, and remove the ref.

    Raises Conflict while a branch that was created from it lives.
    """
    for other in refs(store):
        if other.parent == ref.name:
            raise Conflict(
                f"cannot delete branch '{ref.name}' because descendant branch '{other.name}' still depends on it",
                hint=f"delete '{other.name}' first",
            )
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
