from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnigraph.storage import keys
from omnigraph.storage.keys import DictKeys, KeyIndex, SortedKeys, find_in_bulk, key_index

_IDS = st.one_of(st.text(max_size=6), st.sampled_from(["", "a", "a\0", "a\0\0", "a\0b", "aa", "é", "日本", "\U0001f600" * 8]))


def _dictionary(strings: pa.Array) -> KeyIndex:
    return DictKeys(strings)


def _sorted(strings: pa.Array) -> KeyIndex:
    return SortedKeys(strings, max([len(string.encode()) for string in strings.to_pylist() if string] or [1]))


class _Bulk:
    def __init__(self, strings: pa.Array) -> None:
        self._strings = strings

    def find(self, key: str) -> int:
        return int(find_in_bulk(self._strings, [key])[0])

    def find_many(self, asked: list[str | None] | pa.Array):
        return find_in_bulk(self._strings, asked)


@pytest.mark.parametrize("build", [_dictionary, _sorted, _Bulk])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), _IDS), max_size=40, unique_by=lambda key: key or object()), st.lists(_IDS, max_size=30))
def test_every_index_finds_what_a_list_holds(build: Callable[[pa.Array], KeyIndex], stored: list, others: list[str]):
    stored = ["\0x", *stored[: stored.index("") + 1 if "" in stored else None]]  # one empty string at most
    index = build(pa.array(stored, pa.string()))
    asked = [*[key for key in stored if key is not None], *others]
    wanted = [stored.index(key) if key in stored else -1 for key in asked]
    assert [index.find(key) for key in asked] == wanted
    for many in (asked, asked * 3, pa.array(asked, pa.string())):
        assert index.find_many(many).tolist() == wanted * (len(many) // len(asked))
    assert index.find_many([None, *asked]).tolist() == [-1, *wanted]


def test_many_keys_are_looked_up_in_one_pass():
    stored = [f"id-{number:05d}" for number in range(5000)]
    for index in (DictKeys(pa.array(stored)), SortedKeys(pa.array(stored), 8)):
        asked = [f"id-{number * 3:05d}" for number in range(4000)] + ["id-00000"]
        wanted = [number * 3 if number * 3 < 5000 else -1 for number in range(4000)] + [0]
        assert index.find_many(asked).tolist() == wanted
        assert index.find_many(pa.chunked_array([asked[:10], asked[10:]])).tolist() == wanted
        assert index.find_many(asked[:100]).tolist() == wanted[:100]


def test_big_columns_get_sorted_keys_unless_an_id_is_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "DICT_ROWS_MAX", 2)
    assert isinstance(key_index(pa.array(["a", "b"])), DictKeys)
    assert isinstance(key_index(pa.array(["a", "b", "c"])), SortedKeys)
    assert isinstance(key_index(pa.array(["a", "b", "c" * 65])), DictKeys)
    assert isinstance(key_index(pa.array([None, None, None], pa.string())), DictKeys)
