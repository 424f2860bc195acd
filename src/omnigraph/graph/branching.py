"""The methods of a graph for branches, merges and the graph of commits."""

from __future__ import annotations

from msgspec import UNSET

from omnigraph.errors import BadRequest, HistoryReclaimed, NotFound
from omnigraph.graph import commits as commit_log
from omnigraph.graph.branch import BranchHead, Evaluated, FastForward, Head
from omnigraph.graph.branch_name import distinct_branches, name_of, refuse_reserved, valid_branch_name
from omnigraph.graph.opened import OpenedGraph
from omnigraph.storage.hard_drop import refusal_text, refusals
from omnigraph.storage.record import MAIN
from omnigraph.wire.branch import BranchCreateOutput, BranchDeleteOutput
from omnigraph.wire.commit import At, CommitGraphOutput, SettledInfo
from omnigraph.wire.merge import MergeOutput, MergePreviewOutput
from omnigraph.wire.request import MergeStrategy

# What only writes and exports need is imported by them: a process that asks one question must not pay for it.


class Branching(OpenedGraph):
    """The methods of a graph that name, end and join lines of commits."""

    def branches(self) -> list[str]:
        """Return the names of all branches, byte-sorted, main among them."""
        from omnigraph.graph import branches

        return branches.names(self._store)

    def create_branch(
        self,
        name: str,
        *,
        from_branch: str | None = None,
        from_commit: str | None = None,
        at: At | None = None,
        actor: str | None = None,
    ) -> BranchCreateOutput:
        """Create a branch: one small object, whatever the graph holds.

        Its head is that of ``from_branch`` (default main), or what that was ``at`` a version or a time, or the commit
        ``from_commit`` of any live branch. Raises BadRequest for a bad name, Conflict for one that exists, NotFound for an
        unknown source, Forbidden.
        """
        from omnigraph.graph import branches

        if from_commit is not None and from_branch is not None:
            raise BadRequest("from_branch and from_commit exclude each other", hint="name one of the two")
        located = None if from_commit is None else self._find(None, from_commit, at)
        asked = None if from_branch is None else from_branch.strip()
        owner = None if located is None else located.commit.branch or MAIN
        self._admit(actor, "branch_create", branch=asked if located is None else owner, target_branch=name.strip())
        if located is None and at is not None:
            located = self._find(from_branch, None, at)
            owner = located.commit.branch or MAIN
        base = owner or name_of(from_branch)
        at_once = located is None and self._store.is_remote
        head = self._known(base).known if at_once else self._current(base) if located is None else self._head_at(located)
        cut = head.cut
        for drop in refusals(cut, self._main.known.cut.state).values():
            raise HistoryReclaimed(refusal_text(drop.table_key, cut.state.head, drop), hint="start from a later commit")
        if at_once:
            ref = branches.create_at_once(self._store, self._log, name, base, cut, lambda: self._current(base).cut, actor)
            made = commit_log.fork_cut(self._log, ref, cut.schema)
            with self._lock:
                self._branches[ref.name] = BranchHead(self._log, ref.name, ref.branch_id, made, self._views.view_of)
        elif located is None:
            parent = self._branch(base)
            newest = lambda: parent.current().cut  # noqa: E731
            ref = branches.create_from_head(self._store, self._log, name, base, parent.branch_id, cut, newest, actor)
        else:
            ref = branches.create_from_past(self._store, self._log, name, base, cut, actor)
        return BranchCreateOutput(self.uri, base, ref.name, actor)

    def delete_branch(self, name: str, *, actor: str | None = None) -> BranchDeleteOutput:
        """Delete a branch; its own commits are gone at once, its name is free.

        Raises BadRequest, Conflict, NotFound, Forbidden.
        """
        from omnigraph.graph import branches

        self._admit(actor, "branch_delete", target_branch=name.strip())
        refuse_reserved("branch_delete", name.strip())
        name = valid_branch_name(name)
        if name == MAIN:
            raise BadRequest("cannot delete branch 'main'", hint="main always stays")
        with self._lock:
            known = self._branches.pop(name, None)
            self._written.discard(name)
        if known is not None and self._store.is_remote:
            branches.delete_known(self._store, self._log, name, known.branch_id, known.known.cut.entry, self._read_ref)
        else:
            branches.delete(self._store, self._log, self._read_ref(name))
        return BranchDeleteOutput(self.uri, name, actor)

    def merge(
        self, source: str, *, into: str | None = None, actor: str | None = None, strategy: MergeStrategy = None
    ) -> MergeOutput:
        """Merge a branch into another (default main) as one commit, or as none when there is nothing to merge.

        Rows are compared as wholes over the best common ancestor; the source branch is never changed. Costs what the rows cost
        that either side changed. ``strategy`` settles conflicts of rows: ``"ours"`` keeps the target's row, ``"theirs"`` takes
        the source's, a mapping says so by type (``"*"`` stands for the others); the commit records what it settled. Raises
        MergeConflicts with every conflict that is left, BadRequest, NotFound, WriteConflict, Forbidden.
        """
        from omnigraph.graph.merge import Sides, evaluate_merge, relate
        from omnigraph.graph.merge_schema import publishable, under_one_schema
        from omnigraph.graph.merge_strategy import sides_by_table
        from omnigraph.storage.ancestry import Ancestry

        self._admit(actor, "branch_merge", branch=source.strip(), target_branch=name_of(into))
        source, target_name = distinct_branches(source, into)
        target = self._branch(into)
        taken = self._current(source)
        sides_by_table(strategy, target.known.cut.catalog)  # refuses what nobody can mean, also when nothing is to be merged
        ancestry = Ancestry(self._log)
        outcome = "already_up_to_date"
        settled: list[SettledInfo] = []

        def evaluate(head: Head) -> Evaluated | None:
            nonlocal outcome, settled
            relation = relate(ancestry, taken.cut, head.cut)
            outcome = relation.outcome
            if outcome == "already_up_to_date":
                return None
            if outcome == "fast_forward":
                return FastForward(taken.cut, actor), taken.view_if_made
            sides = Sides(taken.cut, head.cut, taken.view, head.view)
            sides = under_one_schema(self._log, relation, sides, self._view_of_past)
            merged = evaluate_merge(self._log, ancestry, relation, sides, self._view_at, strategy, actor)
            settled = merged.settled
            return publishable(merged.draft, sides), merged.view

        published = target.publish(evaluate)
        commit = None
        if published is not None:
            self._after_commit(target, published.head)
            commit = commit_log.info(published.commit)
        return MergeOutput(source, target_name, outcome, actor, commit, settled or UNSET)

    def preview_merge(self, source: str, *, into: str | None = None, strategy: MergeStrategy = None) -> MergePreviewOutput:
        """Say what `merge` would do now, without writing: outcome, rows by type, and every conflict.

        Costs what the merge would. Raises BadRequest, NotFound, Conflict when the branches have no common past.
        """
        from omnigraph.graph.merge import Sides, preview_merge, relate
        from omnigraph.graph.merge_schema import under_one_schema
        from omnigraph.graph.merge_strategy import sides_by_table
        from omnigraph.storage.ancestry import Ancestry

        source, target_name = distinct_branches(source, into)
        head, taken = self._current(into), self._current(source)
        sides_by_table(strategy, head.cut.catalog)
        ancestry = Ancestry(self._log)
        relation = relate(ancestry, taken.cut, head.cut)
        bases = [base.commit.id for base in relation.bases]
        if relation.outcome == "already_up_to_date":
            return MergePreviewOutput(source, target_name, relation.outcome, True, bases, [], [], [])
        sides = Sides(taken.cut, head.cut, taken.view, head.view)
        sides = under_one_schema(self._log, relation, sides, self._view_of_past)
        found = preview_merge(self._log, ancestry, relation, sides, self._view_at, strategy)
        return MergePreviewOutput(
            source,
            target_name,
            relation.outcome,
            not found.conflicts,
            bases,
            found.changes,
            found.settled,
            found.conflicts,
        )

    def commit_graph(self, branch: str | None = None, *, limit: int | None = None) -> CommitGraphOutput:
        """Return the newest commits behind every branch head, or behind one, over both parents; children come first.

        Unlike `commits` it holds what merges brought in. ``limit`` is 100 unless given. Raises NotFound.
        """
        from omnigraph.graph.commit_graph import commit_graph
        from omnigraph.storage.ancestry import Ancestry

        ancestry = Ancestry(self._log)
        names = self.branches() if branch is None else [name_of(branch)]
        heads = {}
        for name in names:
            try:
                heads[name] = ancestry.head_of(self._current(name).cut)
            except NotFound:
                if branch is not None:
                    raise
        return commit_graph(ancestry, heads, limit)
