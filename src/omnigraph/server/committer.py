"""The committer of one graph: writes to a branch wait in one queue and are carried out in their order.

This is the one place through which the server writes rows. A run takes everything that is waiting, so a storage layer that
can publish many commits in one record has its whole batch at hand in `_carry_out`; today each write is a commit of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from omnigraph.graph.graph import Graph
from omnigraph.server.workers import Workers, settle
from omnigraph.wire.write import IngestOutput, LoadMode, MutateOutput

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One write and the place where its caller waits."""

    work: Callable[[], Any]  # Any: what the write answers
    done: asyncio.Future[Any]


class Committer:
    """Submits writes to the branches of one graph and awaits their results. Used on the event loop."""

    def __init__(self, graph: Graph, workers: Workers) -> None:
        self._graph = graph
        self._workers = workers
        self._queues: dict[str, list[_Waiting]] = {}
        self._runs: set[asyncio.Task[None]] = set()

    async def mutate(
        self,
        source: str,
        params: Any,  # Any: JSON, checked where parameters are bound
        *,
        name: str | None,
        branch: str,
        actor: str | None,
        if_commit: str | None = None,
    ) -> MutateOutput:
        """Run a mutation after every earlier write to its branch."""
        return await self.submit(
            branch,
            lambda: self._graph.mutate(source, params, name=name, branch=branch, actor=actor, if_commit=if_commit),
        )

    async def load(
        self, data: bytes, mode: LoadMode, *, branch: str, from_branch: str | None, actor: str | None
    ) -> IngestOutput:
        """Load records after every earlier write to their branch."""
        return await self.submit(
            branch, lambda: self._graph.load(data, mode, branch=branch, from_branch=from_branch, actor=actor)
        )

    async def submit(self, branch: str, work: Callable[[], _T]) -> _T:
        """Carry out any write after every earlier one to ``branch``; its error is the caller's alone."""
        waiting = _Waiting(work, asyncio.get_running_loop().create_future())
        queue = self._queues.get(branch)
        if queue is not None:
            queue.append(waiting)
        else:
            self._queues[branch] = [waiting]
            run = asyncio.create_task(self._drain(branch))
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)
        return cast("_T", await waiting.done)

    async def _drain(self, branch: str) -> None:
        loop = asyncio.get_running_loop()
        while self._queues[branch]:
            batch, self._queues[branch] = self._queues[branch], []
            await self._workers.write(_carry_out, batch, loop)
        del self._queues[branch]


def _carry_out(batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
    """Carry out a batch in order, on a thread; each caller is answered as soon as its own write is durable."""
    for waiting in batch:
        try:
            result = waiting.work()
        except Exception as error:
            loop.call_soon_threadsafe(settle, waiting.done, None, error)
        else:
            loop.call_soon_threadsafe(settle, waiting.done, result, None)
