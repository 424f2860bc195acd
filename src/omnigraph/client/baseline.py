"""A baseline that a server sends: rows, and a last line that says where the feed goes on."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from omnigraph.errors import Unreachable
from omnigraph.wire.change import BaselineInfo, BaselineLine

_END = b'{"baseline":'


class RemoteBaseline:
    """The rows of a state as JSON lines, in ``chunks``; ``info`` is known when the last one was taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.chunks = self._rows(pieces)
        self._info: BaselineInfo | None = None

    @property
    def info(self) -> BaselineInfo:
        """The state that the baseline holds, and the cursor behind it. Raises Unreachable before the end."""
        if self._info is None:
            raise Unreachable("the baseline has not come to its end", hint="take all chunks first, then try again")
        return self._info

    def _rows(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield whole lines, and keep the last one."""
        rest = b""
        for piece in pieces:
            rest += piece
            end = rest.rfind(b"\n", 0, len(rest) - 1) + 1  # the last line stays behind
            if end:
                yield rest[:end]
                rest = rest[end:]
        if not rest.startswith(_END):
            raise Unreachable("the server broke off before the end of the baseline", hint="take it again")
        self._info = msgspec.json.decode(rest, type=BaselineLine).baseline
