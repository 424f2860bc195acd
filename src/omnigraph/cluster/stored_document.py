"""Small JSON files under a storage root: written whole, read strictly, left in place when they are not understood."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from omnigraph.cluster.findings import Findings
from omnigraph.cluster.parallel import each
from omnigraph.cluster.root import StorageRoot
from omnigraph.errors import OmnigraphError
from omnigraph.storage.objects import ObjectMissing

_T = TypeVar("_T", bound=msgspec.Struct)


def write(root: StorageRoot, key: str, document: msgspec.Struct) -> None:
    """Write a document, replacing what is there; durable on return."""
    root.store.put(key, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n", durable=True)


def read_all(
    root: StorageRoot,
    keys: list[str],
    shape: type[_T],
    version: int,
    codes: tuple[str, str, str],
    findings: Findings,
) -> list[tuple[str, _T]]:
    """Read documents. ``codes`` are the warnings for one that cannot be read, understood, or has another version."""
    unreadable, invalid, unsupported = codes
    found: list[tuple[str, _T]] = []
    for key, data in zip(keys, each(lambda key: _bytes_or_error(root, key), keys), strict=True):
        if isinstance(data, OmnigraphError):
            findings.warning(unreadable, key, data.message)
            continue
        if data is None:
            continue  # gone since the listing
        try:
            tree = msgspec.json.decode(data)
            stated = tree.get("schema_version") if isinstance(tree, dict) else None
            if isinstance(stated, int) and stated != version:
                findings.warning(unsupported, key, f"unsupported schema version {stated}; the file is left in place")
                continue
            found.append((key, msgspec.convert(tree, shape)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            findings.warning(invalid, key, f"could not parse the file, which is left in place: {error}")
    return found


def _bytes_or_error(root: StorageRoot, key: str) -> bytes | OmnigraphError | None:
    try:
        return root.store.get(key)
    except ObjectMissing:
        return None
    except OmnigraphError as error:
        return error
