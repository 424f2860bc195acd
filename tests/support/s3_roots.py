"""The second run: tests that make graphs in local folders get them on S3, by no doing of their own.

Where the engine would open a local directory it opens a prefix of a bucket instead. Processes that the tests start do the same:
they find `support/second_run/sitecustomize.py` on their path.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PREFIX = "SECOND_RUN_PREFIX"


def store_for(path: Path, *, fsync: bool = True) -> Any:
    """Return the store that stands for a local directory."""
    from omnigraph.storage.s3 import S3Store
    from omnigraph.storage.s3_settings import S3Settings, parse_s3

    plain = "".join(letter if letter.isalnum() or letter in "./-_" else "_" for letter in str(path)).strip("/")
    return S3Store(parse_s3(f"{os.environ[PREFIX]}/{plain}"), S3Settings.from_environment())


def divert() -> None:
    """Open prefixes for directories in this process from now on."""
    from omnigraph.storage import root

    root.LocalStore = store_for  # type: ignore[assignment,misc]
