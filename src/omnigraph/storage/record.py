"""What the log holds: records, refs and history objects, and their bytes. See `docs/dev/storage-format.md`, sections 4 to 6."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final, TypeVar

import msgspec

from omnigraph.errors import CorruptObject, UpgradeRequired

FORMAT: Final = 1
MAIN: Final = "main"

_S = TypeVar("_S", bound=msgspec.Struct)


class Position(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The place of a record: a branch's log and a number in it."""

    branch_id: str
    seq: int


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Records ``first`` to ``last``, both included, of one log."""

    branch_id: str
    first: int
    last: int


class InlineChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change that travels in its record. ``upserts`` is an Arrow IPC stream or empty; ``rows`` counts all rows then.

    ``gone`` says that a hard drop took the rows out of the record.
    """

    type_id: int
    upserts: bytes
    deletes: list[str]
    rows: int
    gone: bool = False


class BulkChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change that came as a new base. ``changes`` names the object with the ids, or is empty: the whole table."""

    type_id: int
    changes: str


class CommitEntry(msgspec.Struct, frozen=True, array_like=True):
    """One logical commit. ``branch`` is None for main; ``created_at`` is in µs since 1970.

    ``parent_at`` and ``merged_at`` are the places of the records that hold the parents.
    """

    id: str
    parent: str | None
    merged_parent: str | None
    branch: str | None
    version: int
    actor: str | None
    created_at: int
    kind: str
    step: int
    parent_at: Position | None = None
    merged_at: Position | None = None
    inline: list[InlineChange] = []
    bulk: list[BulkChange] = []
    extra: dict[str, Any] = {}  # Any: notes that readers may ignore


class CarriedChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Inline changes of an earlier commit, copied."""

    step: int
    inline: list[InlineChange]


class TableState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where the rows of one type are, and what `snapshot` says about them."""

    type_id: int
    table_id: str
    base_version: str
    through: int
    rows: int
    changed_version: int
    changed_branch: str | None


class PropertyIdentity(msgspec.Struct, frozen=True, array_like=True):
    """The stable id of a property, its present name and the column that holds it."""

    property_id: int
    name: str
    column: str


class TypeIdentity(msgspec.Struct, frozen=True, array_like=True):
    """The stable id of a type and its present name. ``key`` holds property ids in the order of composite row ids.

    ``dropped`` holds the properties that are gone, with their last names: their columns are never used again.
    """

    type_id: int
    kind: str
    name: str
    key: list[int]
    properties: list[PropertyIdentity]
    dropped: list[PropertyIdentity] = []

    @property
    def table_key(self) -> str:
        return f"{self.kind}:{self.name}"


class SchemaBlock(msgspec.Struct, frozen=True, array_like=True):
    """A schema: its text and what in it has which stable id.

    ``id`` is fresh each time that the text is replaced and empty for the first one of a graph. Equal digests are not enough: a
    property that was dropped and added again is another one.
    """

    digest: str
    source: str
    types: list[TypeIdentity]
    next_id: int
    id: str = ""


class HardDrop(msgspec.Struct, frozen=True, array_like=True):
    """What a hard drop removed for good: the rows that a type had before a commit. ``table_key`` is its name then."""

    type_id: int
    table_key: str
    commit: str


class State(msgspec.Struct, frozen=True, array_like=True):
    """The whole state after a record, in pointers."""

    version: int
    step: int
    head: str
    head_at: Position
    schema_digest: str
    schema_at: Position
    tables: list[TableState]
    tail: list[Span]
    schema_id: str = ""
    hard_drops: list[HardDrop] = []


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object of the log.

    ``reclaimed``: cleanup has removed what its state names; only its changes are still needed, by a tail or by a merge to come.
    """

    format: int
    nonce: str
    kind: str
    graph: str
    state: State
    commits: list[CommitEntry] = []
    schema: SchemaBlock | None = None
    carried: list[CarriedChange] = []
    reclaimed: bool = False


class RecordHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What history wants of a record: a third of the time to decode, a twentieth where a tail is carried."""

    format: int
    kind: str
    commits: list[CommitEntry] = []


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """A branch: its log and where it was forked. ``padding`` makes its size tell something of the parent; see `refs`."""

    format: int
    nonce: str
    name: str
    branch_id: str
    fork: Position
    fork_commit: str
    parent: str
    created_at: int
    actor: str | None = None
    padding: bytes = b""


class HistoryEntry(msgspec.Struct, frozen=True, array_like=True):
    """What history keeps of one record: its commits, without rows."""

    seq: int
    kind: str
    commits: list[CommitEntry]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of a span of one log."""

    format: int
    first: int
    last: int
    entries: list[HistoryEntry]


class _Header(msgspec.Struct):
    format: int = 0


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(_Header)
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}  # Any: one decoder per struct type
_preparing = Lock()
"""msgspec prepares a struct when it first meets it, and the process dies when two threads do so at once."""


_DAMAGE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for bytes that no encoder wrote; text that is no UTF-8 and depth come as the language's own."""


def encode(value: Record | Ref | History) -> bytes:
    """Return the bytes of an object. About 10 µs for a one-row commit on a dozen types."""
    return _encoder.encode(value)


def decode(data: bytes, type_: type[_S], key: str) -> _S:
    """Return the object behind bytes. Raises UpgradeRequired for a newer format, CorruptObject for anything else."""
    decoder = _decoders.get(type_)
    if decoder is None:
        with _preparing:
            decoder = _decoders.get(type_)
            if decoder is None:
                decoder = _decoders[type_] = msgspec.msgpack.Decoder(type_)
    try:
        value: _S = decoder.decode(data)
        format_ = value.format  # type: ignore[attr-defined]
    except _DAMAGE as error:
        try:
            format_ = _header_decoder.decode(data).format
        except _DAMAGE:
            format_ = FORMAT
        if format_ <= FORMAT:
            raise CorruptObject(
                f"storage: object '{key}' is damaged: {error}", hint="run `omnigraph repair` to see what is affected"
            ) from error
    if format_ > FORMAT:
        raise UpgradeRequired(f"this graph has storage format {format_} and this program reads {FORMAT}; upgrade omnigraph")
    if format_ < 1:
        raise CorruptObject(f"storage: object '{key}' has no storage format", hint="run `omnigraph repair`")
    return value
