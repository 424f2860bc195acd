"""``cluster.yaml`` as it is written: its keys, its duplicates, its shape. Nothing that it points at is read here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from omnigraph.cluster.findings import Findings
from omnigraph.config import strict_yaml
from omnigraph.errors import InvalidSetting

FILE_NAME: Final = "cluster.yaml"
VERSION: Final = 1
BACKEND: Final = "cluster"
RESERVED: Final = frozenset({"apply", "env_file", "providers", "pipelines", "embeddings", "ui", "aliases", "bindings"})


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a cluster is called."""

    name: str | None = None


class StateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the ledger is kept. ``lock`` is None when the key is absent, which means true."""

    backend: str | None = None
    lock: bool | None = None


class QueryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One named query."""

    file: str


class GraphEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One graph. ``queries`` is a file or directory, a list of them, or queries by name."""

    schema: str
    queries: str | list[str] | dict[str, QueryFile] = {}


class PolicyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy bundle and what it is bound to."""

    file: str
    applies_to: list[str]


class ClusterDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The closed shape of the file."""

    version: int
    metadata: Metadata = Metadata()
    storage: str | None = None
    state: StateSettings = StateSettings()
    graphs: dict[str, GraphEntry] = {}
    policies: dict[str, PolicyEntry] = {}

    @property
    def locks(self) -> bool:
        """Whether verbs take the state lock."""
        return self.state.lock is not False


def read_document(config_dir: str, findings: Findings) -> ClusterDocument | None:
    """Read the file of a config directory; None when there is no document to go on with."""
    if not Path(config_dir).is_dir():
        findings.error("config_dir_not_found", config_dir, "`--config` must point at a directory containing cluster.yaml")
        return None
    try:
        text = (Path(config_dir) / FILE_NAME).read_bytes().decode()
    except OSError as error:
        findings.error("cluster_config_read_error", FILE_NAME, f"could not read cluster.yaml: {error.strerror or error}")
        return None
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text (byte {error.start})"
        findings.error("cluster_config_read_error", FILE_NAME, f"could not read cluster.yaml: {reason}")
        return None
    return parse_document(text, findings)


def parse_document(text: str, findings: Findings) -> ClusterDocument | None:
    """Parse the text of the file; None when a key stands twice, is reserved or unknown, or has a value of another type."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        root = None  # the parser below says what is wrong
    before = len(findings.diagnostics)
    if root is not None:
        for path, key, line in _duplicates(root, (), set()):
            findings.error("duplicate_yaml_key", path, f"duplicate YAML key `{key}` on line {line}")
        for key in _reserved(root):
            findings.error("future_phase_field", key, f"`{key}` is reserved for a later cluster-control phase")
    if len(findings.diagnostics) > before:
        return None
    try:
        document = msgspec.convert(_without_empty_values(strict_yaml.parse(text)), ClusterDocument)
    except InvalidSetting as error:
        reason = error.message
    except msgspec.ValidationError as error:
        reason = re.sub("missing required field", "missing field", str(error))
    else:
        check_header(document, findings)
        return document
    findings.error("invalid_cluster_yaml", FILE_NAME, f"could not parse cluster.yaml: {reason}")
    return None


def check_header(document: ClusterDocument, findings: Findings) -> None:
    """Check the scalars at the top; none of these faults hides the ones further down."""
    if document.version != VERSION:
        message = f"unsupported cluster config version {document.version}; this build supports version {VERSION}"
        findings.error("unsupported_cluster_config_version", "version", message)
    if document.metadata.name is not None and not document.metadata.name.strip():
        findings.error("empty_metadata_name", "metadata.name", "metadata.name must not be empty when provided")
    if document.state.backend not in (None, BACKEND):
        message = f"state.backend '{document.state.backend}' is not supported; the accepted value is `{BACKEND}`"
        findings.error("unsupported_state_backend", "state.backend", message)


def _duplicates(node: yaml.Node, path: tuple[str, ...], above: set[int]) -> Iterator[tuple[str, str, int]]:
    """Yield path, key and line of every key that its mapping has already."""
    if id(node) in above:
        return  # an alias to a node that holds it
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        inside = (*path[:-1], f"{path[-1]}[]") if path else ("[]",)
        for item in node.value:
            yield from _duplicates(item, inside, above)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in seen:
            yield ".".join((*path, name)), name, key.start_mark.line + 1
        seen.add(name)
        yield from _duplicates(value, (*path, name), above)


def _reserved(root: yaml.Node) -> list[str]:
    if not isinstance(root, yaml.MappingNode):
        return []
    names = [key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)]
    return [name for name in dict.fromkeys(names) if name in RESERVED]


def _without_empty_values(tree: Any) -> Any:  # Any: a YAML document of any shape
    """Read keys without a value as absent; a graph, policy or query without one is an empty mapping, so that it is missed."""
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        return tree
    kept = {key: value for key, value in tree.items() if value is not None}
    for section in ("metadata", "state"):
        if section in kept:
            kept[section] = _without_nulls(kept[section])
    for section in ("graphs", "policies"):
        entries = kept.get(section)
        if isinstance(entries, Mapping):
            kept[section] = {name: _without_nulls(entry) for name, entry in entries.items()}
    for entry in kept["graphs"].values() if isinstance(kept.get("graphs"), Mapping) else ():
        if isinstance(entry, dict) and isinstance(entry.get("queries"), Mapping):
            entry["queries"] = {name: _without_nulls(one) for name, one in entry["queries"].items()}
    return kept


def _without_nulls(value: Any) -> Any:  # Any: any YAML value
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return value
    return {key: member for key, member in value.items() if member is not None}
