"""What ``branch merge`` answers, and what stands in its way."""

from __future__ import annotations

from omnigraph.wire.commit import CommitInfo
from omnigraph.wire.encoding import Shape


class MergeConflict(Shape, frozen=True, gc=False):
    """One row, or one rule of a type (``row_id`` null), on which two branches do not agree."""

    table_key: str
    row_id: str | None
    kind: str
    message: str


class MergeOutput(Shape, frozen=True, gc=False):
    """The answer of a merge: ``outcome`` is ``already_up_to_date``, ``fast_forward`` or ``merged``."""

    source: str
    target: str
    outcome: str
    actor_id: str | None
    commit: CommitInfo | None = None
