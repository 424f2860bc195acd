"""The methods of a graph that read: queries, states, history and exports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omnigraph.errors import TypeCheckError
from omnigraph.graph import commits as commit_log
from omnigraph.graph.branch import Head
from omnigraph.graph.branch_name import name_of
from omnigraph.graph.compiled import CompiledRead
from omnigraph.graph.opened import OpenedGraph
from omnigraph.graph.reclaimed import survives_cleanup
from omnigraph.language.catalog import Catalog
from omnigraph.query import Profile, Result, execute
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.record import MAIN
from omnigraph.wire.commit import At, CommitInfo, Order, SnapshotOutput, TableInfo

if TYPE_CHECKING:
    from omnigraph.graph.blob_cell import BlobCell, EntityKind

# What only writes and exports need is imported by them: a process that asks one question must not pay for it.


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan as people read it; if it was run, what the run measured and its result."""

    plan: str
    profile: Profile | None = None
    result: Result | None = None

    def text(self) -> str:
        return self.plan if self.profile is None else f"{self.plan}\n\n{self.profile}"

    def __str__(self) -> str:
        return self.text()


class Reads(OpenedGraph):
    """The methods of a graph that read one committed state."""

    @survives_cleanup
    def query(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Result:
        """Run one read query and return its result.

        ``source`` is `.gq` text; with several queries in it, ``name`` selects one. ``params`` are JSON values by parameter
        name. Reads the newest commit of ``branch`` (default ``main``); or exactly the commit ``snapshot``, named by its id or
        an unambiguous beginning of it; or ``branch`` as it was ``at`` a version or a time. ``cancelled`` is asked now and then
        whether to give up. Raises ParseError, TypeCheckError, NotFound, ResourceLimitExceeded, Cancelled. A point lookup on an
        open graph takes about 20 µs.
        """
        quick = branch is None and snapshot is None and at is None
        past = not quick and (snapshot is not None or at is not None)
        head = self._main.current() if quick else self._head(branch, snapshot, at)
        read, head = self._read(source, name, head, past)
        result = self._run(read, head, params, cancelled=cancelled)
        commit_id = head.cut.entry.record.state.head
        if past:
            return result.located(None, commit_id, commit_id)
        return result.located(MAIN if quick else name_of(branch), None, commit_id)

    @survives_cleanup
    def explain(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        profile: bool = False,
    ) -> Explanation:
        """Return the plan of a read query; with ``profile`` run it and add rows, time, objects and bytes read.

        Without ``profile`` nothing of the graph is read but its schema.
        """
        past = snapshot is not None or at is not None
        read, head = self._read(source, name, self._head(branch, snapshot, at), past)
        if not profile:
            return Explanation(read.plan.explain())
        measured = Profile(self._store.counters.as_dict)
        result = self._run(read, head, params, measured)
        result.located(None if past else name_of(branch), head.cut.state.head if past else None, head.cut.state.head)
        return Explanation(read.plan.explain(), measured, result)

    def snapshot(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> SnapshotOutput:
        """Return the tables of a branch, or of an older state, with their versions and exact row counts. Reads no rows."""
        cut = self._head(branch, snapshot, at).cut
        tables = []
        for key, identity in cut.schema.by_key.items():
            table = cut.tables[identity.type_id]
            path = f"tables/{table.table_id}" if table.table_id else f"log/{cut.entry.position.branch_id}"
            tables.append(TableInfo(key, path, table.changed_version, table.changed_branch, table.rows))
        shown = name_of(branch)
        if snapshot is not None:
            shown = self._locate(snapshot).commit.branch or MAIN
        return SnapshotOutput(shown, cut.state.version, tables)

    def commits(
        self,
        branch: str | None = None,
        *,
        order: Order = "oldest",
        limit: int | None = None,
        actor: str | None = None,
        after: str | None = None,
    ) -> list[CommitInfo]:
        """Return the commits of a branch's own line: those inherited at its fork and those made on it.

        ``order`` says which end comes first; ``actor`` keeps the commits of one, ``after`` those behind a commit in that order,
        ``limit`` the first of what is left. The newest few of a long history cost no more than those of a short one.
        """
        line = self._line(branch)
        return commit_log.listed(line, newest=order == "newest", limit=limit, actor=actor, after=after)

    def commit(self, commit_id: str) -> CommitInfo:
        """Return a commit of any live branch, by its id or an unambiguous beginning of it. Raises NotFound, BadRequest."""
        return commit_log.info(self._locate(commit_id).commit)

    def export(
        self,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        types: Sequence[str] = (),
        tables: Sequence[str] = (),
    ) -> Iterator[bytes]:
        """Yield the rows of one commit as JSON lines, in chunks; memory is bounded by a batch.

        Loading a full export with mode ``overwrite`` into a new graph of the same schema gives a graph whose export is
        byte-identical. Raises BadRequest for an unknown type before the first chunk.
        """
        from omnigraph.graph.export import export_rows

        head = self._head(branch, snapshot, at)
        view = self._views.on_own_bases(head.view, head.cut)
        return export_rows(head.cut.schema, view, BlobReader(self._store), types, tables)

    @survives_cleanup
    def blob(
        self,
        kind: EntityKind,
        type_name: str,
        row_id: str,
        property_name: str,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> BlobCell:
        """Return one cell of a Blob property; its bytes are read when they are asked for. Raises BadRequest, NotFound."""
        from omnigraph.graph.blob_cell import find_blob

        head = self._head(branch, snapshot, at)
        cut, reader = head.cut, BlobReader(self._store)
        return find_blob(cut.schema, head.view, reader, cut.state.head, kind, type_name, row_id, property_name)

    @property
    def catalog(self) -> Catalog:
        """The accepted schema of main."""
        return self._main.current().cut.catalog

    @property
    def identity(self) -> str:
        """The ULID that the graph was created with; another graph in the same place has another one."""
        return self._main.known.cut.entry.record.graph

    def schema_source(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> str:
        """Return the accepted schema text of a branch (default main), or of an older state, byte for byte."""
        return self._head(branch, snapshot, at).cut.schema.block.source

    def _run(
        self,
        read: CompiledRead,
        head: Head,
        params: Mapping[str, Any] | None,  # Any: JSON values
        profile: Profile | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Result:
        return execute(
            read.plan,
            head.view,
            read.parameters.bind(params),
            now_ms=time.time_ns() // 1_000_000,
            limits=self._settings.limits,
            settings=self._settings.traversal,
            profile=profile,
            cancelled=cancelled,
        )

    def _read(self, source: str, name: str | None, head: Head, past: bool) -> tuple[CompiledRead, Head]:
        """Compile a read for a head: against the schema of its commit, else a past one as the current schema names things."""
        try:
            return self._compiled.read(source, name, head.cut.schema), head
        except TypeCheckError:
            current = self._main.known.cut.schema
            if not past or current is head.cut.schema:
                raise
        from omnigraph.storage.schema_change import under_schema

        read = self._compiled.read(source, name, current)
        return read, self._past(under_schema(head.cut, current))
