"""Sorted dictionaries of string columns, and the places of equal cells.

A string column is compared, ordered and grouped by *ranks*: the places of its strings in the sorted list of its distinct
strings. Arrow sorts strings bytewise, Python by code point; for UTF-8 the two orders are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.language.checked import Value
from omnigraph.storage.columns import StringCells
from omnigraph.storage.comparison import carried_over
from omnigraph.storage.keys import KeyIndex, key_index
from omnigraph.storage.view import Mask, Numbers, Ordinals

_MEMO_MAX = 1024
NOTHING: Ordinals = np.empty(0, np.int32)


class StringDictionary:
    """The distinct strings of a column in order, and the rank of every slot (-1 for null).

    Building costs about 0.3 µs a row when all strings differ and a tenth of that when few do.
    """

    def __init__(self, array: pa.Array) -> None:
        encoded = array.dictionary_encode()
        strings = encoded.dictionary
        order = pc.sort_indices(strings).to_numpy()
        rank_of = np.empty(len(strings) + 1, np.int32)
        rank_of[order] = np.arange(len(strings), dtype=np.int32)
        rank_of[-1] = -1
        places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self.strings = strings.take(pa.array(order))
        self.ranks: Ordinals = rank_of[places]
        self.size_bytes = self.strings.nbytes + self.ranks.nbytes
        self._cells = StringCells(self.strings)
        self._memo: dict[str, tuple[int, bool]] = {}

    def __len__(self) -> int:
        return len(self.strings)

    def lower_bound(self, string: str) -> tuple[int, bool]:
        """Return how many strings come before this one, and whether it is in the dictionary itself. A few µs."""
        found = self._memo.get(string)
        if found is None:
            cells = self._cells
            low, high = 0, len(self.strings)
            while low < high:
                middle = (low + high) // 2
                if cells[middle] < string:
                    low = middle + 1
                else:
                    high = middle
            found = low, low < len(self.strings) and cells[low] == string
            if len(self._memo) >= _MEMO_MAX:
                self._memo.clear()
            self._memo[string] = found
        return found


class StringPlaces:
    """Finds the slots of a string: a key index over the dictionary, then the slots of one rank."""

    def __init__(self, dictionary: StringDictionary) -> None:
        self._index: KeyIndex = key_index(dictionary.strings)
        order = np.argsort(dictionary.ranks, kind="stable").astype(np.int32)
        counts = np.bincount(dictionary.ranks + 1, minlength=len(dictionary) + 1)
        self._ranks = dictionary.ranks
        self._starts = np.cumsum(counts)  # nulls, of rank -1, come first
        self._order: Ordinals = order
        self.size_bytes = self._index.size_bytes + self._order.nbytes + self._starts.nbytes

    def find(self, value: Value) -> Ordinals:
        if not isinstance(value, str):
            return NOTHING
        rank = self._index.find(value)
        if rank < 0:
            return NOTHING
        return self._order[self._starts.item(rank) : self._starts.item(rank + 1)]

    def among(self, strings: Sequence[str], *, negated: bool) -> Mask:
        """Say of every slot whether its string is one of some, or one but none of them."""
        chosen = np.zeros(len(self._starts), np.bool_)  # by rank, null the last
        ranks = self._index.find_many(strings)
        chosen[ranks[ranks >= 0]] = True
        if negated:
            np.logical_not(chosen, out=chosen)
            chosen[-1] = False
        return chosen.take(self._ranks)


class NumberPlaces:
    """Finds the slots of a number by binary search in the sorted values."""

    def __init__(self, values: Numbers, valid: npt.NDArray[np.bool_] | None) -> None:
        places = np.arange(len(values), dtype=np.int32) if valid is None else np.flatnonzero(valid).astype(np.int32)
        chosen = values[places]
        order = np.argsort(chosen, kind="stable")
        self._values = chosen[order]
        self._order: Ordinals = places[order]
        self.size_bytes = self._values.nbytes + self._order.nbytes

    def find(self, value: Value) -> Ordinals:
        plan = carried_over(self._values.dtype, "=", value)
        if isinstance(plan, bool):
            return NOTHING
        constant = plan[1]
        start = self._values.searchsorted(constant, "left")
        return self._order[start : self._values.searchsorted(constant, "right")]
