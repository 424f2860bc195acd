"""The graphs of a cluster: what the control plane asks of the engine. Only these functions load it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnigraph.cluster.digest import content_digest
from omnigraph.cluster.root import StorageRoot, graph_key
from omnigraph.errors import Conflict, OmnigraphError
from omnigraph.language.catalog import Catalog
from omnigraph.storage.names import PROBE
from omnigraph.storage.root import open_store

if TYPE_CHECKING:
    from omnigraph.graph.graph import Graph


@dataclass(frozen=True, slots=True)
class Live:
    """What is observably true of a graph's main branch."""

    schema_digest: str
    manifest_version: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The steps from a live schema to a declared one; ``refusal`` says why they cannot be made."""

    supported: bool
    steps: list[dict[str, Any]]  # Any: members differ by the step's kind
    refusal: str | None


def open_to_write(uri: str) -> Graph:
    """Open a graph; whoever asked closes it. Raises OmnigraphError, whatever it is that does not open."""
    from omnigraph.graph.graph import open_graph

    try:
        return open_graph(uri)
    except OSError as error:
        raise OmnigraphError(f"io: {error.strerror or error}") from error


@contextmanager
def opened(uri: str) -> Iterator[Graph]:
    """Open a graph to look at it. Raises OmnigraphError."""
    with open_to_write(uri) as graph:
        yield graph


def root_exists(uri: str) -> bool:
    """Whether there is anything at a graph's root: a path, or an object below it."""
    if "://" not in uri:
        return os.path.lexists(uri)
    return any(info.key != PROBE for info in open_store(uri).list(""))


def live(uri: str) -> Live:
    """Look at a graph. Raises OmnigraphError when it does not open."""
    with opened(uri) as graph:
        return observed(graph)


def observed(graph: Graph) -> Live:
    """Return what is true of an open graph."""
    return Live(content_digest(graph.schema_source().encode()), graph.snapshot().manifest_version)


def create(root: StorageRoot, graph_id: str, source: str, operation_id: str) -> Live:
    """Make a graph, at once or not at all. Raises OmnigraphError; nothing that is there is ever replaced.

    In a directory the graph is made aside and then moved to its place, so that a kill cannot leave half of it there.
    """
    from omnigraph.graph.graph import init

    uri = root.graph_uri(graph_id)
    if not root.is_local:
        with init(uri, source) as graph:
            return observed(graph)
    if os.path.lexists(uri) and not _is_empty_directory(uri):
        raise Conflict(f"there is something at '{uri}' already; `cluster refresh` adopts a graph that belongs there")
    aside = staging_path(root, operation_id)
    try:
        with init(aside, source) as graph:
            result = observed(graph)
        Path(aside).rename(uri)  # takes the place of an empty directory, and of nothing else
    except (OmnigraphError, OSError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OmnigraphError):
            raise
        raise OmnigraphError(f"io: {error.strerror or error}") from error
    _sync_directory(os.path.dirname(uri))  # noqa: PTH120 - a plain path
    return result


def staging_path(root: StorageRoot, operation_id: str) -> str:
    """Return where a graph is made before it is moved to its place, and moved to before it is removed."""
    return root.display(f"graphs/~tmp-{operation_id}")


def discard_staging(root: StorageRoot, operation_id: str) -> None:
    """Remove what a killed step left aside."""
    if root.is_local:
        shutil.rmtree(staging_path(root, operation_id), ignore_errors=True)


def remove(root: StorageRoot, graph_id: str, operation_id: str) -> None:
    """Remove a graph with everything below its root; what is gone is no error. Raises OmnigraphError."""
    uri = root.graph_uri(graph_id)
    if root.is_local:
        path = Path(uri)
        try:
            if path.is_dir() and not path.is_symlink():
                # Out of the way at once: a kill in the middle leaves nothing that looks like a graph.
                gone = staging_path(root, operation_id)
                path.rename(gone)
                shutil.rmtree(gone)
            else:
                path.unlink(missing_ok=True)
            _sync_directory(os.path.dirname(uri))  # noqa: PTH120 - a plain path
        except FileNotFoundError:
            return
        except OSError as error:
            raise OmnigraphError(f"io: {error.strerror or error}") from error
        return
    from omnigraph.cluster.parallel import each

    prefix = f"{graph_key(graph_id)}/"
    each(root.store.delete, [info.key for info in root.store.list(prefix)])


def preview(graph: Graph, desired: Catalog) -> Preview:
    """Plan the migration of an open graph, with soft drops. Raises OmnigraphError where there is no plan to make."""
    from omnigraph.language import plan_migration
    from omnigraph.language.migration_steps import step_json

    others = [name for name in graph.branches() if name != "main"]
    if others:
        names = ", ".join(others)
        raise Conflict(f"schema apply requires a graph with only main; found non-main branches: {names}")
    plan = plan_migration(graph.catalog, desired)
    return Preview(plan.supported, [step_json(step) for step in plan.steps], plan.refusal)


def apply_schema(graph: Graph, source: str, actor: str | None) -> Live:
    """Change the schema of an open graph, with soft drops. Raises OmnigraphError."""
    graph.apply_schema(source, actor=actor)
    return observed(graph)


def _is_empty_directory(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _sync_directory(path: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
