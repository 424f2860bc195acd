"""Versions of a tail share a list and never see each other's ends."""

from hypothesis import given
from hypothesis import strategies as st

from omnigraph.storage.cut import TailChange
from omnigraph.storage.record import InlineChange
from omnigraph.storage.tail import Tail


def change(step: int) -> TailChange:
    return TailChange(step, InlineChange(1, b"x" * step, [], 0))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=30))
def test_versions_stay_as_they_are(extensions: list[tuple[int, int]]) -> None:
    versions: list[tuple[Tail, list[TailChange]]] = [(Tail(), [])]
    for number, (which, count) in enumerate(extensions):
        tail, items = versions[which % len(versions)]
        added = [change(number * 4 + place) for place in range(count)]
        versions.append((tail.extended(added), items + added))
        for version, expected in versions:
            assert list(version) == expected
            assert (len(version), bool(version)) == (len(expected), bool(expected))
            assert version.size_bytes == sum(item.size_bytes for item in expected)
            assert version[1:] == expected[1:]
            if expected:
                assert (version[0], version[-1]) == (expected[0], expected[-1])
