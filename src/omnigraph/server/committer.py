"""The committer of one graph: writes to a branch wait in one queue and are carried out in their order.

This is the one place through which the server writes rows. A run takes everything that is waiting, and nothing waits for more
to come: mutations and small loads that stand behind each other share one record and its one sync (group commit); all else is
carried out by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from omnigraph.graph.graph import Graph
from omnigraph.server.workers import Workers, settle
from omnigraph.wire.write import IngestOutput, LoadMode, MutateOutput

if TYPE_CHECKING:
    from omnigraph.graph.write import Write

_T = TypeVar("_T")

GROUP_LOAD_BYTES_MAX: Final = 256 * 1024
"""A load of more than this is carried out by itself."""
GROUP_WRITES_MAX: Final = 256
"""So many writes are taken together at most."""
GROUP_VARIABLE: Final = "OMNIGRAPH_GROUP_COMMIT"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One write and the place where its caller waits: ``prepare`` for one that may share a record, else ``work``."""

    done: asyncio.Future[Any]  # Any: what the write answers
    work: Callable[[], Any] | None = None
    prepare: Callable[[], Write[Any]] | None = None


class Committer:
    """Submits writes to the branches of one graph and awaits their results. Used on the event loop."""

    def __init__(self, graph: Graph, workers: Workers, *, group: bool = True) -> None:
        self._graph = graph
        self._workers = workers
        self._group = group
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
        prepare = partial(
            self._graph.prepare_mutation, source, params, name=name, branch=branch, actor=actor, if_commit=if_commit
        )
        return cast("MutateOutput", await self._submit(branch, prepare=prepare))

    async def load(
        self, data: bytes, mode: LoadMode, *, branch: str, from_branch: str | None, actor: str | None
    ) -> IngestOutput:
        """Load records after every earlier write to their branch."""
        if from_branch is None and len(data) <= GROUP_LOAD_BYTES_MAX:
            prepare = partial(self._graph.prepare_load, data, mode, branch=branch, actor=actor)
            return cast("IngestOutput", await self._submit(branch, prepare=prepare))
        work = partial(self._graph.load, data, mode, branch=branch, from_branch=from_branch, actor=actor)
        return await self.submit(branch, work)

    async def submit(self, branch: str, work: Callable[[], _T]) -> _T:
        """Carry out any write after every earlier one to ``branch``; its error is the caller's alone."""
        return cast("_T", await self._submit(branch, work))

    async def _submit(
        self, branch: str, work: Callable[[], Any] | None = None, prepare: Callable[[], Write[Any]] | None = None
    ) -> Any:  # Any: what the write answers
        waiting = _Waiting(asyncio.get_running_loop().create_future(), work, prepare)
        queue = self._queues.get(branch)
        if queue is not None:
            queue.append(waiting)
        else:
            self._queues[branch] = [waiting]
            run = asyncio.create_task(self._drain(branch))
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)
        return await waiting.done

    async def _drain(self, branch: str) -> None:
        loop = asyncio.get_running_loop()
        together = GROUP_WRITES_MAX if self._group else 1
        while queue := self._queues[branch]:
            batch = queue[:together]
            del queue[:together]
            await self._workers.write(_carry_out, self._graph, batch, loop)
        del self._queues[branch]


_Answered = tuple["asyncio.Future[Any]", Any, Exception | None]  # Any: what the write answers


def _carry_out(graph: Graph, batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
    """Carry out a batch in order, on a thread; callers are answered as soon as their own writes are durable."""
    together: list[tuple[asyncio.Future[Any], Write[Any]]] = []
    for waiting in batch:
        try:
            if waiting.prepare is not None:
                together.append((waiting.done, waiting.prepare()))
                continue
            _commit_together(graph, together, loop)
            assert waiting.work is not None
            answered: _Answered = (waiting.done, waiting.work(), None)
        except Exception as error:
            answered = (waiting.done, None, error)
        loop.call_soon_threadsafe(_settle_all, [answered])
    _commit_together(graph, together, loop)


def _commit_together(
    graph: Graph, together: list[tuple[asyncio.Future[Any], Write[Any]]], loop: asyncio.AbstractEventLoop
) -> None:
    while together:
        try:
            answers = graph.commit_some([write for _, write in together])
        except Exception as error:  # a fault of ours: nobody is left waiting
            answers = [error for _ in together]
        answered: list[_Answered] = []
        for (done, _), answer in zip(together, answers, strict=False):
            failed = isinstance(answer, Exception)
            answered.append((done, None, answer) if failed else (done, answer, None))
        del together[: len(answers)]
        loop.call_soon_threadsafe(_settle_all, answered)


def _settle_all(answered: Sequence[_Answered]) -> None:
    for done, result, error in answered:
        settle(done, result, error)
