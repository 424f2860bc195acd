"""Cursors of change feeds: where a consumer stands, held by the consumer alone.

A cursor is bound to its graph, to the very branch (one of the same name that was made anew is another) and to the filters that
it was made with. A page token is a cursor within a page: it holds also how far the feed went when the page began.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

import msgspec

from omnigraph.errors import CursorRejected
from omnigraph.graph.diff import ChangeFilter

CURSOR_BYTES_MAX: Final = 4_096
_FORMAT: Final = 1


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in a feed: behind the commit ``after``, and behind ``offset`` changes of the next one.

    ``until`` is the head that the feed goes up to; empty in a cursor, which asks for the head anew.
    """

    format: int
    graph: str
    branch_id: str
    filters: str
    after: str
    until: str = ""
    offset: int = 0

    def text(self) -> str:
        """Return the opaque text of the cursor."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


def new_cursor(graph: str, branch_id: str, wanted: ChangeFilter, after: str) -> Cursor:
    """Return the cursor behind a commit."""
    return Cursor(_FORMAT, graph, branch_id, _digest(wanted), after)


def read_cursor(text: str, graph: str, branch_id: str, wanted: ChangeFilter, *, is_page_token: bool) -> Cursor:
    """Return the cursor behind a text. Raises CursorRejected."""
    try:
        if len(text) > CURSOR_BYTES_MAX:
            raise ValueError
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(data, type=Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise CursorRejected("it is damaged") from None
    if cursor.format != _FORMAT or bool(cursor.until) != is_page_token or cursor.offset < 0:
        raise CursorRejected("it is a page token" if cursor.until and not is_page_token else "it is of another kind")
    if cursor.graph != graph:
        raise CursorRejected("it belongs to another graph")
    if cursor.branch_id != branch_id:
        raise CursorRejected("it belongs to another branch, or to one of this name that was deleted")
    if cursor.filters != _digest(wanted):
        raise CursorRejected("it was made with other filters")
    return cursor


def _digest(wanted: ChangeFilter) -> str:
    chosen = msgspec.json.encode([wanted.kinds, wanted.type_names, wanted.ops])
    return hashlib.sha256(chosen).hexdigest()[:16]
