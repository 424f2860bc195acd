"""Changes: the rows that each commit changed, one commit after the other.

A commit is compared with its first parent, on the rows that it says it touched. Walking a line, the state after one commit is
the state before the next, so a plain commit costs what it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET

from omnigraph.errors import (
    BadRequest,
    ChangeDiffRefusal,
    ChangeFeedGap,
    CursorRejected,
    HistoryReclaimed,
    ResourceLimitExceeded,
)
from omnigraph.graph.change_cursor import Cursor
from omnigraph.graph.change_set import Side, TypeChanges, compare, touched_between
from omnigraph.graph.changed_ids import changed_ids
from omnigraph.graph.diff import ChangeFilter, narrowed, row_changes
from omnigraph.graph.integrity import table_of
from omnigraph.graph.line import Line
from omnigraph.storage.ancestry import Ancestry, Located
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.change import Change
from omnigraph.storage.cut import TailChange
from omnigraph.storage.log import Log
from omnigraph.storage.objects import ObjectMissing
from omnigraph.storage.record import MAIN, CommitEntry
from omnigraph.wire.change import ChangeBlock, ChangeCause, ChangesOutput, CommitChangesOutput, RowChange

PAGE_CHANGES: Final = 1_000
PAGE_CHANGES_MAX: Final = 8_192
PAGE_BYTES: Final = 4 * 1024 * 1024
POLL_COMMITS: Final = 128
"""So many commits are looked at for one page at most."""

SideAt = Callable[[Located], Side]


def page_size(limit: int | None) -> int:
    """Return how many changes a page may hold. Raises BadRequest, ResourceLimitExceeded."""
    if limit is None:
        return PAGE_CHANGES
    if limit < 1:
        raise BadRequest("limit must be at least 1", hint=f"write a number from 1 to {PAGE_CHANGES_MAX}")
    if limit > PAGE_CHANGES_MAX:
        raise ResourceLimitExceeded("change_page_changes", limit, PAGE_CHANGES_MAX, hint="ask for smaller pages")
    return limit


def cause_of(commit: CommitEntry) -> ChangeCause:
    """Return a commit in the shape in which changes name it."""
    return ChangeCause(
        graph_commit_id=commit.id,
        parent_commit_id=commit.parent or UNSET,
        merged_parent_commit_id=commit.merged_parent or UNSET,
        authored_branch=commit.branch or MAIN,
        actor_id=UNSET if commit.actor is None else commit.actor,
        authored_at=commit.created_at,
    )


@dataclass(frozen=True, slots=True)
class CommitChanges:
    """What one commit changed; images are made when they are asked for."""

    commit: CommitEntry
    before: Side
    after: Side
    types: tuple[TypeChanges, ...]  # in the order of the feed

    def __len__(self) -> int:
        return sum(len(one) for one in self.types)

    def slice(self, offset: int, room: int, room_bytes: int, blobs: BlobReader) -> list[RowChange]:
        """Return changes from ``offset`` on, as many as fit; one at least."""
        found: list[RowChange] = []
        for one in self.types:
            if offset >= len(one):
                offset -= len(one)
                continue
            ids = sorted([*one.inserted, *one.updated, *one.deleted])[offset : offset + room - len(found)]
            offset = 0
            for change in row_changes(one, self.before, self.after, blobs, set(ids)):
                room_bytes -= len(msgspec.json.encode(change))
                if found and room_bytes < 0:
                    return found
                found.append(change)
            if len(found) >= room:
                break
        return found


class Walk:
    """Tells the changes of commits; remembers the last state, for the commit that continues it."""

    def __init__(self, log: Log, side_at: SideAt, wanted: ChangeFilter) -> None:
        self._log = log
        self._ancestry = Ancestry(log)
        self._side_at = side_at
        self._wanted = wanted
        self._last: tuple[str, Side] | None = None

    def changes_of(self, located: Located) -> CommitChanges:
        """Return what a commit changed. Raises ChangeDiffRefusal, ChangeFeedGap."""
        commit = located.commit
        if commit.parent is None or commit.parent_at is None:
            raise ChangeDiffRefusal("parentless_commit", commit.id)
        try:
            return self._changes_of(located)
        except (HistoryReclaimed, ObjectMissing):
            raise ChangeFeedGap(commit.id) from None

    def _changes_of(self, located: Located) -> CommitChanges:
        commit = located.commit
        parent = next(self._ancestry.parents(located))
        self._log.read(located.position)  # with its rows, or not at all
        last = self._last
        before = last[1] if last is not None and last[0] == parent.commit.id else self._side_at(parent)
        if commit.merged_parent is None:
            touched = changed_ids(self._log.store, [located])
        else:
            touched = touched_between(self._log.store, self._ancestry, parent, located)
        after = _continued(before, commit) or self._side_at(located)
        self._last = (commit.id, after)
        schemas = before.cut.schema, after.cut.schema
        self._refuse_boundary(commit, before, after)
        found = [narrowed(one, self._wanted) for one in compare(before, after, self._wanted.narrowed(touched, *schemas))]
        kept = sorted((one for one in found if len(one)), key=lambda one: (one.layout.identity.kind == "edge", one.type_id))
        return CommitChanges(commit, before, after, tuple(kept))

    def _refuse_boundary(self, commit: CommitEntry, before: Side, after: Side) -> None:
        """Refuse a commit after which stored rows have another shape. Raises ChangeDiffRefusal."""
        if before.cut.schema.block.id == after.cut.schema.block.id:
            return
        for key, identity in before.cut.schema.by_key.items():
            layout = before.layout(identity.type_id)
            assert layout is not None
            # The view tells, not the cut: that of a state that was walked to is of the state where the walk began.
            has_rows = self._wanted.admits_type(key) and table_of(before.view, layout.entity).rows > 0
            if has_rows and after.cut.schema.by_id.get(identity.type_id) != identity:
                raise ChangeDiffRefusal("schema_boundary", commit.id, identity.name)


def _continued(before: Side, commit: CommitEntry) -> Side | None:
    """Return the state after a commit of inline changes alone; None where the records have to be asked."""
    if commit.bulk or commit.merged_parent is not None or commit.kind not in ("load", "mutate"):
        return None
    schema = before.cut.schema
    changes: dict[str, Change] = {}
    for inline in commit.inline:
        changes[schema.by_id[inline.type_id].table_key] = TailChange(commit.step, inline).change()
    return Side(before.cut, before.view.extend(schema.catalog, changes))


def commit_page(found: CommitChanges, offset: int, limit: int, blobs: BlobReader) -> tuple[CommitChangesOutput, int | None]:
    """Return a page of one commit's changes, and the offset of the next page if there is one."""
    if offset > len(found):
        raise CursorRejected("it lies behind the last change")
    changes = found.slice(offset, limit, PAGE_BYTES, blobs) if len(found) else []
    end = offset + len(changes)
    return CommitChangesOutput(cause_of(found.commit), changes), end if end < len(found) else None


def feed_page(line: Line, walk: Walk, at: Cursor, limit: int, blobs: BlobReader) -> ChangesOutput:
    """Return the changes behind a place of a line, up to its head or to ``at.until``: as many as one page takes.

    A commit without changes has no block; the cursor passes it.
    """
    until = at.until or line.head_id
    blocks: list[ChangeBlock] = []
    room, room_bytes = limit, PAGE_BYTES
    after, offset = at.after, at.offset
    for looked_at, located in enumerate(_up_to(line.located_after(after), until)):
        if looked_at == POLL_COMMITS or room <= 0 or room_bytes <= 0:
            break
        try:
            found = walk.changes_of(located)
        except ChangeFeedGap as gap:
            if not blocks:
                raise ChangeFeedGap(gap.first_unreadable_commit_id, _cursor(at, after).text()) from None
            break
        except ChangeDiffRefusal:
            if not blocks:
                raise
            break
        changes = found.slice(offset, room, room_bytes, blobs) if len(found) > offset else []
        if changes:
            blocks.append(ChangeBlock(cause_of(found.commit), changes))
            room -= len(changes)
            room_bytes -= sum(len(msgspec.json.encode(change)) for change in changes)
        if offset + len(changes) < len(found):
            token = msgspec.structs.replace(at, after=after, until=until, offset=offset + len(changes))
            return ChangesOutput(blocks, next_page_token=token.text())
        after, offset = located.commit.id, 0
    return ChangesOutput(blocks, cursor=_cursor(at, after).text(), caught_up=after == line.head_id)


def _up_to(commits: Iterable[Located], until: str) -> Iterable[Located]:
    for located in commits:
        if located.commit.id > until:
            return
        yield located


def _cursor(at: Cursor, after: str) -> Cursor:
    return msgspec.structs.replace(at, after=after, until="", offset=0)
