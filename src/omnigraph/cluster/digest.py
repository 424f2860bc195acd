"""Digests: SHA-256 in lower-case hexadecimal, of contents, of graphs as wholes, of a declaration as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from omnigraph.cluster.document import ClusterDocument


def content_digest(data: bytes) -> str:
    """Return the digest of a file's bytes."""
    return sha256(data).hexdigest()


def state_identity(data: bytes) -> str:
    """Return the identity of a ledger: the digest of exactly these bytes, with its prefix."""
    return f"sha256:{content_digest(data)}"


def graph_digest(graph_id: str, schema: str | None, queries: Mapping[str, str]) -> str:
    """Return the digest of a graph with its schema and its stored queries, by name."""
    parts = ["graph", graph_id, "schema", schema or ""]
    for name, digest in sorted(queries.items()):
        parts += ["query", name, digest]
    return content_digest("".join(f"{part}\0" for part in parts).encode())


def config_digest(document: ClusterDocument, digests: Mapping[str, str]) -> str:
    """Return the digest of a declaration: of its parsed form, then of everything that it declares."""
    text = json.dumps(_declared(document), ensure_ascii=False, separators=(",", ":"))
    parts = ["cluster-config", text]
    for address, digest in sorted(digests.items()):
        parts += [address, digest]
    return content_digest("".join(f"{part}\0" for part in parts).encode(errors="surrogatepass"))


def _declared(document: ClusterDocument) -> dict[str, Any]:  # Any: a JSON document
    queries: dict[str, Any] = {}
    for graph_id, graph in document.graphs.items():
        named = graph.queries
        if isinstance(named, dict):
            queries[graph_id] = {name: {"file": one.file} for name, one in sorted(named.items())}
        else:
            queries[graph_id] = named
    return {
        "version": document.version,
        "metadata": {"name": document.metadata.name},
        "storage": document.storage,
        "state": {"backend": document.state.backend, "lock": document.state.lock},
        "graphs": {
            graph_id: {"schema": graph.schema, "queries": queries[graph_id]}
            for graph_id, graph in sorted(document.graphs.items())
        },
        "policies": {
            name: {"file": policy.file, "applies_to": policy.applies_to} for name, policy in sorted(document.policies.items())
        },
    }
