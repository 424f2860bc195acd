"""What the size of a ref tells."""

import msgspec
import pytest

from omnigraph.storage.record import FORMAT, Position, Ref, decode, encode
from omnigraph.storage.refs import SIZES_END, SIZES_FROM, encode_ref, may_be_child, size_of_child


def ref(parent: str, name: str = "dev", actor: str | None = None) -> Ref:
    place = Position("main", 7)
    return Ref(
        format=FORMAT,
        nonce="N",
        name=name,
        branch_id="B",
        fork=place,
        fork_commit="C",
        parent=parent,
        created_at=1,
        actor=actor,
    )


@pytest.mark.parametrize("parent", ["main", "a", "dev", "ä/ö", "x" * 240])
@pytest.mark.parametrize("name", ["b", "y" * 240])
@pytest.mark.parametrize("actor", [None, "act-1", "z" * 900, "z" * 5_000])
def test_a_ref_is_found_by_its_parent(parent: str, name: str, actor: str | None) -> None:
    made = ref(parent, name, actor)
    data = encode_ref(made)
    assert may_be_child(len(data), parent)
    assert msgspec.structs.replace(decode(data, Ref, "k"), padding=b"") == made
    if actor is None:
        assert len(data) == size_of_child(parent) and SIZES_FROM <= len(data) < SIZES_END


def test_children_of_main_are_nobody_elses() -> None:
    size = len(encode_ref(ref("main")))
    assert not any(may_be_child(size, f"b{number}") for number in range(5_000))
    assert sum(may_be_child(len(encode_ref(ref(f"b{number}"))), "dev") for number in range(5_000)) < 10


def test_a_ref_that_was_not_padded_may_be_anybodys() -> None:
    old = msgspec.msgpack.encode({key: value for key, value in msgspec.to_builtins(ref("dev")).items() if key != "padding"})
    assert may_be_child(len(old), "dev") and may_be_child(len(old), "other")
    assert decode(old, Ref, "k") == ref("dev")
    assert len(encode(ref("dev"))) < SIZES_FROM
