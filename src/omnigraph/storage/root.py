"""Graph roots: from the URI that a user gave to the store behind it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from omnigraph.errors import BadRequest
from omnigraph.storage.local import LocalStore
from omnigraph.storage.objects import ObjectStore


def open_store(uri: str, *, fsync: bool = True, whole_bucket: bool = False) -> ObjectStore:
    """Return the store of a graph root. Nothing is read or made. Raises BadRequest for an address that is no storage.

    ``whole_bucket`` allows an ``s3://`` address without a prefix, which a graph cannot have.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return LocalStore(local_path(uri), fsync=fsync)
    if scheme == "file":
        return LocalStore(local_path(uri), fsync=fsync)
    if scheme == "s3":
        from omnigraph.storage.s3 import S3Store
        from omnigraph.storage.s3_settings import S3Settings, parse_s3

        return S3Store(parse_s3(uri, whole_bucket=whole_bucket), S3Settings.from_environment())
    if scheme in ("http", "https"):
        raise BadRequest(f"'{uri}' is a server, not storage", hint="pass the graph's directory or s3:// URI")
    raise BadRequest(
        f"'{uri}' names no kind of storage that this build reads: '{scheme}://'",
        hint="pass a local directory, a file:// or an s3:// URI",
    )


def local_path(uri: str) -> Path:
    """Return the directory behind a local address, absolute; ``.`` and ``..`` are folded without following links."""
    if uri.startswith("file://"):
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise BadRequest(f"'{uri}' names another machine", hint="write file:///absolute/path")
        path = unquote(parts.path)
    else:
        path = uri
    if not path:
        raise BadRequest("a graph address cannot be empty", hint="pass a directory such as ./graph.omni")
    if "\0" in path:
        raise BadRequest("a graph address cannot hold a NUL byte", hint="pass a directory such as ./graph.omni")
    return Path(os.path.normpath(Path.cwd() / path))
