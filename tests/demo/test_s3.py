"""The demonstration on an object store runs as it stands and leaves nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.s3_servers import seaweedfs_lock

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_demonstration_on_an_object_store() -> None:
    with seaweedfs_lock():
        done = subprocess.run(
            [sys.executable, str(ROOT / "demo" / "s3.py")],
            cwd=ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "initialized s3://demo/packages" in done.stdout
    assert "commits seen here: 2, and now 3" in done.stdout
    assert "the store is stopped" in done.stdout
    assert not (ROOT / "demo" / "build" / "store").exists()
