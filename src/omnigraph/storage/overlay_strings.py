"""The strings of the rows of a tail, and their order among the strings of the base."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.checked import Value
from omnigraph.storage.dictionary import StringDictionary
from omnigraph.storage.overlay import Growing
from omnigraph.storage.overlay_cells import OverlayCells
from omnigraph.storage.view import Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.overlay import OverlayLog

_NEW_BITS = 20
_NEW_MAX = 1 << _NEW_BITS


class StringOverlay(OverlayCells):
    """Strings, and their places among the strings of the base.

    A string of the base's dictionary has the *key* ``2 * rank + 1``; one that is new has ``2 * rank`` of the first string
    behind it. New strings with equal keys are told apart by their order among all new ones. Nulls have the key -1.
    """

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        self.strings: list[str | None] = []
        self._keys = Growing(np.int64)
        self._new = Growing(np.int32)  # number of the new string, -1 for others
        self._seen: dict[str | None, tuple[int, int]] = {None: (-1, -1)}
        self._new_strings: list[str] = []  # in order
        self._new_numbers: list[int] = []  # their numbers, in the order of the strings
        self._new_keys: list[int] = []  # their keys, in the order of the strings
        self._orders: npt.NDArray[np.int64] | None = None

    def _extend(self, array: pa.Array) -> None:
        self.strings += array.to_pylist()

    def _pad(self, count: int) -> None:
        self.strings += [None] * count

    def value(self, position: int) -> Value:
        self.upto(position + 1)
        return self.strings[position]

    def values(self, length: int) -> list[str | None]:
        self.upto(length)
        return self.strings[:length]

    def take(self, positions: Ordinals) -> pa.Array:
        self.upto(int(positions.max(initial=-1)) + 1)
        strings = self.strings
        return pa.array([strings[position] for position in positions.tolist()], pa.string())

    def fork(self, log: OverlayLog, length: int) -> StringOverlay:
        copied = StringOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied.strings = self.strings[: copied.length]
        ranked = min(copied.length, self._keys.length)
        copied._keys = self._keys.copy(ranked)
        copied._new = self._new.copy(ranked)
        copied._seen = dict(self._seen)  # strings that only the other line holds do no harm
        copied._new_strings = self._new_strings.copy()
        copied._new_numbers = self._new_numbers.copy()
        copied._new_keys = self._new_keys.copy()
        return copied

    # --- order ---------------------------------------------------------------------------------------------------------

    def _rank(self, dictionary: StringDictionary, length: int) -> None:
        """Give keys to the strings up to a length; the caller holds the lock."""
        self.upto(length)
        keys: list[int] = []
        news: list[int] = []
        for string in self.strings[self._keys.length : length]:
            place = self._seen.get(string)
            if place is None:
                assert string is not None
                place = self._seen[string] = self._place(dictionary, string)
            keys.append(place[0])
            news.append(place[1])
        if keys:
            self._keys.append(np.array(keys, np.int64))
            self._new.append(np.array(news, np.int32))

    def _place(self, dictionary: StringDictionary, string: str) -> tuple[int, int]:
        rank, known = dictionary.lower_bound(string)
        if known:
            return 2 * rank + 1, -1
        number = len(self._new_strings)
        assert number < _NEW_MAX, "an overlay holds far fewer rows than this"
        at = bisect_left(self._new_strings, string)
        self._new_strings.insert(at, string)
        self._new_numbers.insert(at, number)
        self._new_keys.insert(at, 2 * rank)
        self._orders = None
        return 2 * rank, number

    def _order_of_new(self) -> npt.NDArray[np.int64]:
        """Return the order of each new string by its number, and a 0 behind them for -1."""
        if self._orders is None:
            orders = np.zeros(len(self._new_numbers) + 1, np.int64)
            orders[np.array(self._new_numbers, np.int64)] = np.arange(len(self._new_numbers))
            self._orders = orders
        return self._orders

    def labels(self, dictionary: StringDictionary, length: int, string: str) -> tuple[npt.NDArray[np.int64], int, bool]:
        """Return one integer per position that orders like the strings (negative for null), and where a constant stands.

        The constant's integer is its own if the third result is True; else it is that of the first string behind it.
        """
        with self.log.lock:
            self._rank(dictionary, length)
            labels = (self._keys.upto(length) << _NEW_BITS) | self._order_of_new()[self._new.upto(length)]
            rank, known = dictionary.lower_bound(string)
            if known:
                return labels, (2 * rank + 1) << _NEW_BITS, True
            at = bisect_left(self._new_strings, string)
            known = at < len(self._new_strings) and self._new_strings[at] == string
            return labels, (2 * rank) << _NEW_BITS | at, known

    def may_hold(self, dictionary: StringDictionary, length: int, string: str) -> bool:
        """Say whether a string stands somewhere in the first positions; exact when it says no."""
        with self.log.lock:
            self._rank(dictionary, length)
            return string in self._seen

    def merged_codes(self, dictionary: StringDictionary, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the codes of all ranks of the base (and a -1 behind them), and those of the positions.

        Codes are dense: places in the sorted list of the strings of the base and the new ones of this line.
        """
        with self.log.lock:
            self._rank(dictionary, length)
            gaps = np.array(self._new_keys, np.int64) >> 1
            table = np.arange(len(dictionary) + 1, dtype=np.int64)
            if len(gaps):
                table += np.searchsorted(gaps, table, side="right")
            table[-1] = -1
            keys = self._keys.upto(length)
            codes = table[np.where(keys & 1, keys >> 1, -1)]
            new = self._new.upto(length)
            fresh = new >= 0
            if fresh.any():
                order = self._order_of_new()[new[fresh]]
                codes[fresh] = gaps[order] + order
            return table, codes
