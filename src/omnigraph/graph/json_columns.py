"""JSON records to raw columns, a block at a time: the fast path of a load.

Records are told apart by their first bytes, gathered by type, and every type is parsed by Arrow against the columns it may
have. Arrow's parser refuses unknown and duplicate members, wrong kinds and integers out of range; where it is more lenient
than JSON (raw NUL bytes, NaN, a null between objects) or cannot tell null from absent, this module looks for the case
itself and leaves it to the exact path.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from omnigraph.graph.columns import Rows, Undecided, stored_rows
from omnigraph.language.catalog import Catalog, EdgeType, NodeType, Scalar
from omnigraph.storage.arrow import arrow_type

_QUOTE, _BACKSLASH, _OPEN, _CLOSE, _LINE_FEED, _CARRIAGE_RETURN = b'"\\{}\n\r'
_SPACES: Final = b" \t\r\n"
_HEAD = re.compile(rb'\{[ \t\r\n]*"(type|edge)"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
_NULL_BETWEEN_OBJECTS = re.compile(rb"\}[ \t\r\n]*null")
"""In front of a null at the top level Arrow's parser (26.0.1) crashes the process; inside objects this cannot stand."""
_HEADS_COMPARED_MAX: Final = 8
"""Heads for which all records are compared at once, before they are looked up one by one."""
_TEMPORAL = (Scalar.DATE, Scalar.DATETIME)

Positions = NDArray[np.int64]


class Frame(Struct, frozen=True):
    """Where the records of a block begin and end, and how many bytes they take with the white space behind them.

    ``is_sure``: nothing but white space stands between them, so that they are neither more nor fewer than these.
    """

    starts: Positions
    ends: Positions
    consumed: int
    is_sure: bool


class Group(Struct, frozen=True):
    """Rows of one type from one block and their places among the records of the block."""

    rows: Rows
    places: Positions


class _Head(Struct):
    type: str | None = None
    edge: str | None = None


_read_head = msgspec.json.Decoder(_Head).decode


def frame_lines(block: bytes) -> Frame | None:
    """Take every line for a record. None where one does not begin and end like an object."""
    if block.isspace() and b"\v" not in block and b"\f" not in block:
        return Frame(np.empty(0, np.int64), np.empty(0, np.int64), len(block), True)
    data = np.frombuffer(block, np.uint8)
    breaks = np.flatnonzero(data == _LINE_FEED)
    starts = np.concatenate(([0], breaks + 1))
    ends = np.append(breaks, len(data))
    ends -= (ends > starts) & (data[np.maximum(ends - 1, 0)] == _CARRIAGE_RETURN)
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    if not ((data[starts] == _OPEN) & (data[ends - 1] == _CLOSE)).all():
        return None
    return Frame(starts, ends, len(block), False)


def frame_objects(block: bytes) -> Frame | None:
    """Find the objects of a block by their braces, wherever the lines end. None where something else stands between them."""
    data = np.frombuffer(block, np.uint8)
    quotes = _unescaped_quotes(data)
    braces = np.flatnonzero((data == _OPEN) | (data == _CLOSE))
    braces = braces[np.searchsorted(quotes, braces) % 2 == 0]
    depth = np.cumsum(np.where(data[braces] == _OPEN, 1, -1))
    closing = np.flatnonzero(depth == 0)
    if not len(closing) or depth[: closing[-1] + 1].min() < 0:
        return None
    ends = braces[closing] + 1
    starts = braces[np.concatenate(([0], closing[:-1] + 1))]
    consumed = _next_token(block, int(ends[-1]))
    gap_ends = np.append(starts, consumed)
    gap_starts = np.concatenate(([0], ends))
    filled = np.flatnonzero(gap_ends > gap_starts)
    for first, end in zip(gap_starts[filled].tolist(), gap_ends[filled].tolist(), strict=True):
        if block[first:end].strip(_SPACES):
            return None
    return Frame(starts, ends, consumed, True)


def _next_token(block: bytes, position: int) -> int:
    while position < len(block) and block[position] in _SPACES:
        position += 1
    return position


def _unescaped_quotes(data: NDArray[np.uint8]) -> Positions:
    quotes = np.flatnonzero(data == _QUOTE)
    suspects = quotes[(quotes > 0) & (data[np.maximum(quotes - 1, 0)] == _BACKSLASH)]
    if not len(suspects):
        return quotes
    others = np.flatnonzero(data != _BACKSLASH)
    before = np.searchsorted(others, suspects) - 1  # the last byte before the run of backslashes
    run = suspects - 1 - np.where(before >= 0, others[np.maximum(before, 0)], -1)
    return np.setdiff1d(quotes, suspects[run % 2 == 1], assume_unique=True)


class BlockDecoder:
    """Decodes the records of blocks for one catalog. Safe to share between threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def decode(self, block: bytes, frame: Frame) -> list[Group]:
        """Return the rows of a framed block by type. Raises Undecided."""
        if not len(frame.starts):
            return []
        if b"\0" in block or not _is_utf8(block):
            raise Undecided
        has_null = b"null" in block
        if has_null and not frame.is_sure and _NULL_BETWEEN_OBJECTS.search(block):
            raise Undecided
        groups = []
        for entity, places in _by_type(block, frame, self._catalog):
            groups.append(Group(_parse(_gather(block, frame, places), len(places), entity, has_null), places))
        return groups


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _by_type(block: bytes, frame: Frame, catalog: Catalog) -> list[tuple[NodeType | EdgeType, Positions]]:
    """Return which records belong to which type, in ascending order."""
    starts, ends = frame.starts, frame.ends
    found: dict[str, tuple[NodeType | EdgeType, list[Positions]]] = {}

    def assign(entity: NodeType | EdgeType | None, places: Positions) -> None:
        if entity is None:
            raise Undecided
        found.setdefault(entity.table_key, (entity, []))[1].append(places)

    left: Positions = np.arange(len(starts))
    for _ in range(_HEADS_COMPARED_MAX):
        if not len(left):
            break
        match = _HEAD.match(block, int(starts[left[0]]), int(ends[left[0]]))
        if match is None:
            break
        head = match.group()
        # Every place of the block as a text of the head's length, without a copy; a record near the end is too short anyway.
        windows = np.ndarray((len(block) - len(head) + 1,), f"S{len(head)}", block, 0, (1,))
        same = windows[np.minimum(starts[left], len(windows) - 1)] == head
        assign(_entity(catalog, match[1], match[2]), left[same])
        left = left[~same]
    one_by_one: dict[bytes, list[int]] = {}
    for place, start, end in zip(left.tolist(), starts[left].tolist(), ends[left].tolist(), strict=True):
        match = _HEAD.match(block, start, end)
        one_by_one.setdefault(_swapped_head(block[start:end]) if match is None else match.group(), []).append(place)
    for head, places in one_by_one.items():
        match = _HEAD.match(head)
        assert match is not None
        assign(_entity(catalog, match[1], match[2]), np.array(places, np.int64))
    return [(entity, parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))) for entity, parts in found.values()]


def _entity(catalog: Catalog, member: bytes, name: bytes) -> NodeType | EdgeType | None:
    return catalog.nodes.get(name.decode()) if member == b"type" else catalog.find_edge(name.decode())


def _swapped_head(record: bytes) -> bytes:
    """Return the head that a record would have if its type stood first."""
    try:
        head = _read_head(record)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Undecided from None
    if (head.type is None) == (head.edge is None):
        raise Undecided
    name = head.type if head.edge is None else head.edge
    assert name is not None
    if '"' in name or "\\" in name:
        raise Undecided
    return b'{"%s":"%s"' % (b"type" if head.edge is None else b"edge", name.encode())


def _gather(block: bytes, frame: Frame, places: Positions) -> bytes:
    """Return the text of some records, one after the other."""
    breaks = np.flatnonzero(np.diff(places) != 1)
    firsts = frame.starts[places[np.concatenate(([0], breaks + 1))]].tolist()
    lasts = frame.ends[places[np.append(breaks, len(places) - 1)]].tolist()
    if len(firsts) == 1 and firsts[0] == 0 and lasts[0] == len(block):
        return block
    return b"\n".join([block[first:last] for first, last in zip(firsts, lasts, strict=True)])


def _parse(text: bytes, count: int, entity: NodeType | EdgeType, has_null: bool) -> Rows:
    import pyarrow.json as arrow_json

    try:
        table = arrow_json.read_json(
            pa.BufferReader(text),
            arrow_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            arrow_json.ParseOptions(explicit_schema=_schema(entity, text), unexpected_field_behavior="error"),
        )
    except pa.ArrowInvalid:
        raise Undecided from None
    if table.num_rows != count:
        raise Undecided
    data = table.column("data").combine_chunks()
    if has_null and data.null_count and _has_null(text, "data"):
        raise Undecided
    raw = dict(zip((field.name for field in data.type), data.flatten(), strict=True))
    given = raw.pop("id")
    if has_null and given.null_count and _has_null(text, "id"):
        raise Undecided
    ends = {}
    if isinstance(entity, EdgeType):
        ends = {"src": table.column("from").combine_chunks(), "dst": table.column("to").combine_chunks()}
        if ends["src"].null_count or ends["dst"].null_count:
            raise Undecided
    return stored_rows(entity, raw, ends, given)


def _schema(entity: NodeType | EdgeType, text: bytes) -> pa.Schema:
    """Return what the records of a type may hold; whether dates are texts or integers follows from the first one there is."""
    fields = [pa.field("id", pa.string())]
    for name, property_ in entity.properties.items():
        type_ = arrow_type(property_.type)
        if property_.type.scalar is Scalar.VECTOR:
            type_ = pa.list_(pa.float32())
        elif property_.type.scalar in _TEMPORAL:
            first = re.search(b'"%s"[ \t\r\n]*:[ \t\r\n[]*(["0-9-])' % re.escape(name.encode()), text)
            type_ = pa.string() if first is None or first[1] == b'"' else pa.int64()
            type_ = pa.list_(type_) if property_.type.is_list else type_
        fields.append(pa.field(name, type_))
    data = pa.field("data", pa.struct(fields))
    text_type = pa.string()
    if isinstance(entity, EdgeType):
        return pa.schema([("edge", text_type), ("from", text_type), ("to", text_type), data])
    return pa.schema([("type", text_type), data])


def _has_null(text: bytes, member: str) -> bool:
    """Tell whether a member of that name, however it is spelt, is given as null somewhere."""
    spelt = "".join(rf"(?:{letter}|\\u{ord(letter):04x})" for letter in member)
    return re.search(rf'"{spelt}"[ \t\r\n]*:[ \t\r\n]*null'.encode(), text) is not None
