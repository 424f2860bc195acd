"""Background upkeep: what it says, and what it leaves unsaid."""

import logging
from pathlib import Path

import pytest

import omnigraph
from omnigraph.errors import NotFound, StorageError
from omnigraph.graph import upkeep


@pytest.mark.parametrize(("error", "told"), [(NotFound("branch 'side' not found"), False), (StorageError("io: full"), True)])
def test_only_upkeep_that_somebody_misses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, told: bool
) -> None:
    def fail(*_: object) -> bool:
        raise error

    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    monkeypatch.setattr(upkeep, "fold_branch", fail)
    with caplog.at_level(logging.WARNING), omnigraph.init(str(tmp_path / "g"), "node A { k: String @key }") as graph:
        for n in range(300):
            graph.load([{"type": "A", "data": {"k": f"k{n}"}}], "append")
    assert ("put off" in caplog.text) is told
