"""The files of a stored table: which of them a version consists of, as keys of the object store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from omnigraph.storage.names import table_prefix

if TYPE_CHECKING:
    from lance import LanceDataset

    from omnigraph.storage.table import LanceTable

_VERSION_MAX: Final = (1 << 64) - 1
_FIRST_MANIFEST: Final = f"{_VERSION_MAX - 1:020d}.manifest"
_INDEX_FILES: Final = ("page_lookup.lance", "page_data.lance")
_DELETIONS_BYTES: Final = 64 * 1024
"""What a file of deleted rows is taken for: its size is told nowhere."""


def files_of(table: LanceTable) -> Iterator[str]:
    """Yield the keys of the files that one version needs, and of those without which nothing opens. O(fragments).

    A key that ends with ``/`` stands for everything below it.
    """
    prefix = table_prefix(table.identity[0])
    dataset = table.dataset()
    yield from first_files_of(table.identity[0])
    yield manifest_of(table.identity)
    yield from row_files(table.identity[0], dataset)
    for description in dataset.describe_indices():
        for segment in description.segments:
            yield f"{prefix}/_indices/{segment.uuid}/"


def row_files(table_id: str, dataset: LanceDataset) -> Iterator[str]:
    """Yield the keys of the files that hold rows, and of those that say which of them are deleted."""
    prefix = table_prefix(table_id)
    for fragment in dataset.get_fragments():
        for file in fragment.metadata.files:
            yield f"{prefix}/data/{file.path}"
        deletions = fragment.deletion_file()
        if deletions:
            yield f"{prefix}/{deletions}"


def index_files(table_id: str, dataset: LanceDataset, column: str | None) -> Iterator[str]:
    """Yield the keys of the files of the index on a column; nothing without one."""
    for description in dataset.describe_indices() if column is not None else ():
        if description.field_names == [column]:
            for segment in description.segments:
                for name in _INDEX_FILES:
                    yield f"{table_prefix(table_id)}/_indices/{segment.uuid}/{name}"


def size_of(dataset: LanceDataset) -> float:
    """Return the size of all files of a version in bytes; infinity where that is not known."""
    total: float = 0
    for fragment in dataset.get_fragments():
        for file in fragment.metadata.files:
            total += file.file_size_bytes or float("inf")
        total += _DELETIONS_BYTES if fragment.num_deletions else 0
    return total + sum(description.total_size_bytes or float("inf") for description in dataset.describe_indices())


def first_files_of(table_id: str) -> tuple[str, str]:
    """Return the keys of the files without which no version of a table opens."""
    prefix = table_prefix(table_id)
    return f"{prefix}/_versions/{_FIRST_MANIFEST}", f"{prefix}/_versions/latest_version_hint.json"


def manifest_of(identity: tuple[str, str]) -> str:
    """Return the key of the manifest of one version: the file that names all others."""
    version = int(identity[1])
    name = f"d{version}" if version >> 63 else f"{_VERSION_MAX - version:020d}"
    return f"{table_prefix(identity[0])}/_versions/{name}.manifest"
