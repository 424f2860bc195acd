"""The graph of commits behind branch heads, over both parents: what a drawing of the history shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omnigraph.graph.commits import info
from omnigraph.storage.ancestry import Ancestry, Located
from omnigraph.wire.commit import BranchHeadInfo, CommitGraphOutput, CommitInfo

COMMITS_DEFAULT: Final = 100
"""Commits that are returned unless the caller says how many."""


def commit_graph(ancestry: Ancestry, heads: Mapping[str, Located], limit: int | None) -> CommitGraphOutput:
    """Return the newest commits behind the heads, newest first; children always come before their parents.

    Ids ascend from parents to children, so the greatest id that is not shown yet has no child that is not. Reads one record for
    each commit that is returned and for each of its parents.
    """
    waiting = {located.commit.id: located for located in heads.values()}
    named = [BranchHeadInfo(name, located.commit.id) for name, located in heads.items()]
    commits: list[CommitInfo] = []
    most = COMMITS_DEFAULT if limit is None else limit
    while waiting and len(commits) < most:
        located = waiting.pop(max(waiting))
        commits.append(info(located.commit))
        for parent in ancestry.parents(located):
            waiting.setdefault(parent.commit.id, parent)
    return CommitGraphOutput(named, commits, bool(waiting))
