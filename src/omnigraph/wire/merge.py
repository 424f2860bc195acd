"""What ``branch merge`` answers."""

from __future__ import annotations

from omnigraph.wire.commit import CommitInfo
from omnigraph.wire.encoding import Shape


class MergeOutput(Shape, frozen=True, gc=False):
    """The answer of a merge: ``outcome`` is ``already_up_to_date``, ``fast_forward`` or ``merged``."""

    source: str
    target: str
    outcome: str
    actor_id: str | None
    commit: CommitInfo | None = None
