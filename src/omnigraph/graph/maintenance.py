"""The methods of a graph that keep what is stored small, quick and sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnigraph.graph.opened import OpenedGraph

if TYPE_CHECKING:
    from omnigraph.graph.repair import Repaired
    from omnigraph.wire.maintenance import CleanupOutput, OptimizeOutput

# What only writes and exports need is imported by them: a process that asks one question must not pay for it.


class Maintenance(OpenedGraph):
    """The methods of a graph that change how it is stored, never what it says."""

    def optimize(self, branch: str | None = None) -> OptimizeOutput:
        """Fold everything of a branch (default main), compact its tables and bring their indexes up to date.

        Changes no answer and makes no commit; a second run in a row does nothing. Safe beside readers and writers. Raises
        WriteConflict when others keep replacing the same tables.
        """
        from omnigraph.graph.optimize import optimize
        from omnigraph.wire.maintenance import OptimizeOutput

        target = self._branch(branch)
        tables = optimize(self._store, target, self._views.open_table)
        self._rebase(target)
        return OptimizeOutput(self.uri, tables)

    def repair(self, *, confirm: bool = False, force: bool = False) -> Repaired:
        """Verify everything that live branches name; with ``confirm`` make again what can be derived. Reads the whole graph."""
        from omnigraph.graph.repair import repair

        return repair(self._store, self.uri, confirm=confirm, force=force)

    def cleanup(self, *, keep: int | None = None, older_than_s: int | None = None, confirm: bool = False) -> CleanupOutput:
        """Remove versions outside the newest ``keep`` and older than so many seconds; or, without ``confirm``, tell which.

        What live branches read and what merges between them will need stays, commits stay listed, and files younger than an
        hour that no commit names are left alone. A second run removes nothing. Raises BadRequest without any bound.
        """
        from omnigraph.graph.cleanup import cleanup
        from omnigraph.wire.maintenance import CleanupOutput

        tables = cleanup(self._log, self._branch, self._views.open_table, keep=keep, older_than_s=older_than_s, confirm=confirm)
        return CleanupOutput(self.uri, keep, older_than_s, tables)
