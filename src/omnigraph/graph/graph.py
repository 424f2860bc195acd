"""The graph: what every door opens."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from omnigraph.errors import Conflict, HistoryReclaimed, NotFound
from omnigraph.graph.change_reads import ChangeReads
from omnigraph.graph.maintenance import Maintenance
from omnigraph.graph.reads import Explanation as Explanation
from omnigraph.graph.reads import Reads
from omnigraph.graph.settings import GraphSettings
from omnigraph.graph.writing import Writing
from omnigraph.storage.cut import compiled
from omnigraph.storage.identity import first_block
from omnigraph.storage.log import Log
from omnigraph.storage.names import SCHEMA_COPY, record_key
from omnigraph.storage.objects import ObjectExists
from omnigraph.storage.record import MAIN, Position
from omnigraph.storage.root import open_store

if TYPE_CHECKING:
    from omnigraph.graph.repair import Repaired
    from omnigraph.policy.gate import Gate


class Graph(Reads, ChangeReads, Writing, Maintenance):
    """One graph, opened where it is stored. Safe to share between threads; use it as a context manager or call `close`.

    Every query, mutation, load and export sees one committed state. Reads never wait for writes; other processes may read and
    write the same root at the same time. ``gate`` is asked before every write; without one everything is allowed.
    """


def init(uri: str | os.PathLike[str], schema_source: str, *, force: bool = False) -> Graph:
    """Create a graph and open it.

    The schema is compiled before anything is written. Of two racing inits exactly one succeeds. ``force`` replaces a stray
    schema file that a failed init left behind; it never touches a graph. Raises ParseError, CatalogError, Conflict.
    """
    from omnigraph.storage.commit import genesis_record

    uri = os.fspath(uri)
    settings = GraphSettings.from_environment()
    store = open_store(uri, fsync=settings.fsync)
    already = Conflict(
        f"graph already initialized at '{uri}'; pass --force to overwrite",
        hint="open it, or choose another directory; a graph is never overwritten",
    )
    if store.exists(record_key(MAIN, 0)) or (store.exists(SCHEMA_COPY) and not force):
        raise already
    block = first_block(compiled(schema_source))
    log = Log(store)
    try:
        entry = log.append(Position(MAIN, 0), genesis_record(block))
    except ObjectExists:
        raise already from None
    store.put(SCHEMA_COPY, schema_source.encode())
    return Graph(uri, store, entry, settings)


def open_graph(uri: str | os.PathLike[str], *, gate: Gate | None = None, at_once: bool = False) -> Graph:
    """Open a graph where it is stored. Creates nothing and needs no write access. Raises NotFound, UpgradeRequired.

    ``at_once``: the caller asks its only question right away, which saves a look at a remote store.
    ``gate`` is asked before every write, `omnigraph.policy.gate.PolicyGate` for the policy of a file.
    """
    uri = os.fspath(uri)
    settings = GraphSettings.from_environment()
    store = open_store(uri, fsync=settings.fsync)
    log = Log(store)
    with contextlib.suppress(HistoryReclaimed):  # the record that the hint names needs others, which are cleaned up
        entry = log.find_head(MAIN, roughly=not at_once)
        if entry is None:
            raise NotFound(f"graph not found at '{uri}' (no _schema.pg, no log)", hint="create it with `omnigraph init`")
        return Graph(uri, store, entry, settings, gate=gate, log=log, just_found=at_once)
    entry = log.find_head(MAIN)
    assert entry is not None, "the log has records"
    return Graph(uri, store, entry, settings, gate=gate, log=log)


def repair_graph(uri: str, *, confirm: bool = False, force: bool = False) -> Repaired:
    """Verify a graph that may be too damaged to be opened; see `Graph.repair`. Raises NotFound."""
    from omnigraph.graph.repair import repair

    store = open_store(uri, fsync=GraphSettings.from_environment().fsync)
    if not store.exists(record_key(MAIN, 0)):
        raise NotFound(f"graph not found at '{uri}' (no _schema.pg, no log)", hint="create it with `omnigraph init`")
    return repair(store, uri, confirm=confirm, force=force)
