"""ULIDs: 26 characters of Crockford base-32 that sort by the millisecond of their making, then at random.

The layout is that of the ULID specification: 48 bits of milliseconds since 1970, 80 random bits.
"""

from __future__ import annotations

import os
import time
from random import Random

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_RANDOM_BITS = 80
_TOP = (1 << 128) - 1
ULID_LENGTH = 26

# Seeded by the system, once a process: ids must be distinct, not secret, and system calls are most of what they would cost.
_random = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_ulid(*, after: str | None = None) -> str:
    """Return a fresh ULID, greater than ``after`` if that is given.

    Where the clock has not moved on since ``after`` was made (or stands before it), the result is ``after`` plus a random
    amount, so it still sorts behind it and two processes that extend the same ULID do not meet. About 1.5 µs.
    """
    value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | _random.getrandbits(_RANDOM_BITS)
    text = encode_ulid(value)
    if after is None or text > after:
        return text
    return encode_ulid(min(decode_ulid(after) + 1 + _random.getrandbits(40), _TOP))


def new_ulids(count: int) -> list[str]:
    """Return ``count`` distinct fresh ULIDs, ascending, each one more than the one before it. About 0.5 µs each.

    Neighbours differ in their last characters only, so a column of them takes little room.
    """
    if count <= 0:
        return []
    # The top random bit stays clear: counting up never reaches the milliseconds.
    first = (time.time_ns() // 1_000_000) << _RANDOM_BITS | _random.getrandbits(_RANDOM_BITS - 1)
    result: list[str] = []
    while len(result) < count:
        value = first + len(result)
        head, low = encode_ulid(value)[:-2], value & 1023
        result += [head + pair for pair in _PAIRS[low : low + count - len(result)]]
    return result


def encode_ulid(value: int) -> str:
    """Return the 26 characters of a 128-bit number."""
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def decode_ulid(text: str) -> int:
    """Return the 128-bit number behind a ULID. Raises ValueError for anything else."""
    if len(text) != ULID_LENGTH:
        raise ValueError(f"not a ULID: {text!r}")
    value = 0
    try:
        for letter in text:
            value = value << 5 | _VALUES[letter]
    except KeyError:
        raise ValueError(f"not a ULID: {text!r}") from None
    return value
