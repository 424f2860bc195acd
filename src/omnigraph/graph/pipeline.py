"""The fast path over a stream: blocks are read ahead, framed, and decoded side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

from msgspec import Struct

from omnigraph.errors import ResourceLimitExceeded
from omnigraph.graph.columns import Undecided
from omnigraph.graph.json_columns import BlockDecoder, Frame, Group, frame_lines, frame_objects
from omnigraph.graph.json_text import Place, advance
from omnigraph.graph.records import BLOCK_BYTES, Block, BlockReader
from omnigraph.language.catalog import Catalog

FAST_BYTES_MIN: Final = 2048
"""A block below this size is cheaper to read exactly."""

DECODERS_MAX: Final = min(4, os.cpu_count() or 1)
"""Threads that decode blocks; Arrow lets them run side by side."""

BLOCKS_AHEAD: Final = DECODERS_MAX + 1
"""Blocks that are held at a time."""

LARGE_BLOCK_BYTES: Final = 4 * BLOCK_BYTES
"""A block above this size holds a record of that size; it is framed by its lines or not at all."""

LARGE_BLOCK_LINES_MAX: Final = 1024 * 1024
"""Lines of such a block; where there are more, the record is laid out over them."""

RECORD_VALUES_MAX: Final = 16 * 1024 * 1024
"""Commas of such a block: two bytes of text can make an object of a hundred."""


class Work(Struct):
    """A block that is being decoded. ``groups`` waits for it and raises Undecided where the exact path has to look."""

    block: Block
    groups: Callable[[], list[Group]]
    after: Place


class Pipeline:
    """Reads blocks ahead and decodes them on a few threads; gives them back in order.

    A block is taken to end where its frame says. If the exact path finds otherwise, what was read ahead is dropped.
    """

    def __init__(self, reader: BlockReader, catalog: Catalog) -> None:
        self._reader = reader
        self._decode = BlockDecoder(catalog).decode
        self._ahead: deque[Work] = deque()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *exc: object) -> None:
        self._drop()
        if self._threads is not None:
            self._threads.shutdown()

    def next(self) -> Work | None:
        """Return the next block, or None at the end."""
        while not self._ahead or (len(self._ahead) < BLOCKS_AHEAD and self._may_read_ahead()):
            block = self._reader.next()
            if block is None:
                break
            self._ahead.append(self._begin(block))
        return self._ahead.popleft() if self._ahead else None

    def correct(self, work: Work, consumed: int, after: Place) -> None:
        """Go on behind the first ``consumed`` bytes of a block instead of where its frame ended."""
        if after != work.after or after == work.block.place:
            self._reader.return_to(work.block, [one.block for one in self._ahead])
            self._drop()
            self._reader.accept(consumed, after)

    def _may_read_ahead(self) -> bool:
        last = self._ahead[-1]
        return not last.block.at_end and len(last.block.data) >= BLOCK_BYTES // 2 and last.after != last.block.place

    def _begin(self, block: Block) -> Work:
        frame = _frame(block)
        if frame is None:
            return Work(block, _undecided, block.place)
        after = advance(block.place, block.data[: frame.consumed], len(frame.starts))
        self._reader.accept(frame.consumed, after)
        if len(block.data) < BLOCK_BYTES // 4:
            return Work(block, partial(self._decode, block.data, frame), after)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(DECODERS_MAX, "omnigraph-decode")
        return Work(block, self._threads.submit(self._decode, block.data, frame).result, after)

    def _drop(self) -> None:
        for work in self._ahead:
            with suppress(Undecided):
                work.groups()
        self._ahead.clear()


def _undecided() -> list[Group]:
    raise Undecided


def _frame(block: Block) -> Frame | None:
    """Find the records of a block, or None where the exact path has to."""
    data = block.data
    if len(data) < FAST_BYTES_MIN:
        return None
    if len(data) <= LARGE_BLOCK_BYTES:
        return frame_lines(data) or frame_objects(data)
    values = data.count(b",")
    if values > RECORD_VALUES_MAX:
        hint = f"record {block.place.record} is too large, or one of its braces is never closed"
        raise ResourceLimitExceeded("record_values", values, RECORD_VALUES_MAX, hint=hint)
    return frame_lines(data) if data.count(b"\n") <= LARGE_BLOCK_LINES_MAX else None
