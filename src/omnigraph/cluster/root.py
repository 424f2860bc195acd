"""Storage roots: where a cluster keeps its ledger, lock, catalog, sidecars, approvals and graphs, and how these are named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from omnigraph.cluster.findings import Findings
from omnigraph.errors import OmnigraphError
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.root import local_path, open_store

STATE_KEY: Final = "__cluster/state.json"
LOCK_KEY: Final = "__cluster/lock.json"
RECOVERIES: Final = "__cluster/recoveries/"
APPROVALS: Final = "__cluster/approvals/"

_EXTENSIONS: Final = {"query": ".gq", "policy": ".yaml"}
_TEMPORARY: Final = "~tmp-"


@dataclass(frozen=True)
class StorageRoot:
    """One storage root. ``uri`` is an absolute path or an object store's address, without a slash at its end."""

    uri: str

    @property
    def is_local(self) -> bool:
        return "://" not in self.uri

    @cached_property
    def store(self) -> ObjectStore:
        """The objects below the root. Raises OmnigraphError when there can be no client for it."""
        return open_store(self.uri, fsync=os.environ.get("OMNIGRAPH_FSYNC", "1") != "0", whole_bucket=True)

    def display(self, key: str) -> str:
        """Return where an object lies, as a person would look for it."""
        return f"{self.uri}/{key}" if self.uri != "/" else f"/{key}"

    def graph_uri(self, graph_id: str) -> str:
        """Return the root of a graph."""
        return self.display(graph_key(graph_id))

    def documents(self, prefix: str) -> list[str]:
        """Return the keys of the JSON files directly below a prefix, ascending; others, and temporary ones, are nobody's."""
        names = (info.key.removeprefix(prefix) for info in self.store.list(prefix))
        return [f"{prefix}{name}" for name in sorted(names) if _is_document(name)]


def _is_document(name: str) -> bool:
    return "/" not in name and name.endswith(".json") and not name.startswith((_TEMPORARY, "."))


def graph_key(graph_id: str) -> str:
    return f"graphs/{graph_id}.omni"


def is_name(part: str) -> bool:
    """Whether a part of an address can be a part of a path. Ledgers and sidecars are files that anybody may have written."""
    return part not in ("", ".", "..") and "/" not in part and "\0" not in part


def payload_key(address: str, digest: str) -> str | None:
    """Return the place of a query's or a policy's text in the catalog; None when there can be none."""
    kind, *names = address.split(".", 2)
    if not all(map(is_name, (*names, digest))):
        return None
    return "/".join(("__cluster/resources", kind, *names, f"{digest}{_EXTENSIONS[kind]}"))


def declared_root(storage: str | None, config_dir: str, findings: Findings) -> StorageRoot | None:
    """Return the root that a declaration means; None, with a finding, when it means none."""
    if storage is None:
        return StorageRoot(os.path.abspath(config_dir))  # noqa: PTH100 - lexically, links are not followed
    text = storage.strip()
    if not text:
        message = "storage must be a non-empty URI or directory; leave the key out to use the config directory"
        findings.error("invalid_storage_root", "storage", message)
        return None
    scheme, separator, rest = text.partition("://")
    if not separator:
        if not text.startswith("/"):
            message = f"storage '{text}' is relative: it is resolved against the working directory, not the config directory"
            findings.warning("relative_storage_root", "storage", message)
        return _directory(text, findings)
    if scheme == "s3":
        if not rest.partition("/")[0]:
            findings.error("invalid_storage_root", "storage", "storage s3:// URI must name a bucket")
            return None
        return StorageRoot(text.rstrip("/"))
    if scheme == "file":
        return _directory(text, findings)
    message = f"storage '{scheme}://' is no kind of storage that this build knows; use a directory, file:// or s3://"
    findings.error("invalid_storage_root", "storage", message)
    return None


def _directory(text: str, findings: Findings) -> StorageRoot | None:
    try:
        return StorageRoot(str(local_path(text)))
    except OmnigraphError as error:
        findings.error("invalid_storage_root", "storage", error.message)
        return None


def usable(root: StorageRoot, findings: Findings) -> bool:
    """Whether there is a client for a root; a finding says why not."""
    try:
        root.uri.encode()
        _ = root.store
    except UnicodeEncodeError:
        # It stands in documents that must be text.
        findings.error(
            "storage_root_invalid", "storage", "the path of the storage root must be UTF-8; choose another directory"
        )
        return False
    except OmnigraphError as error:
        message = f"could not initialize storage for '{root.uri}': {error.message}"
        findings.error("storage_root_invalid", "storage", message)
        return False
    return True
