import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnigraph.storage.names import branch_of_ref_key, ref_key
from omnigraph.storage.ulid import decode_ulid, encode_ulid, new_ulid, new_ulids


@given(st.text(min_size=1, max_size=240))
def test_a_ref_key_leads_back_to_its_branch(name: str) -> None:
    if any(0xD800 <= ord(letter) < 0xE000 for letter in name):
        return
    assert branch_of_ref_key(ref_key(name)) == name


@given(st.text("abAB/._-é", min_size=1, max_size=30), st.text("abAB/._-é", min_size=1, max_size=30))
def test_names_that_differ_have_keys_that_differ_on_any_file_system(one: str, other: str) -> None:
    if one != other:
        assert ref_key(one).lower() != ref_key(other).lower()


def test_no_part_of_a_long_name_is_too_long_for_a_file_system() -> None:
    key = ref_key("Ä" * 80)
    assert max(len(part) for part in key.split("/")) <= 255


@pytest.mark.parametrize("key", ["refs/~tmp-1-2-main", "refs/%zz", "refs/A"])
def test_other_files_are_no_refs(key: str) -> None:
    assert branch_of_ref_key(key) is None


def test_ulids_ascend() -> None:
    last = new_ulid()
    for _ in range(1000):
        following = new_ulid(after=last)
        assert following > last
        assert len(following) == 26
        last = following


def test_a_ulid_from_the_future_is_extended() -> None:
    future = encode_ulid((1 << 127) + 5)
    assert decode_ulid(new_ulid(after=future)) > decode_ulid(future)


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 5000])
def test_many_ulids_are_distinct_and_ascend(count: int) -> None:
    made = new_ulids(count)
    assert len(made) == count
    assert made == sorted(set(made))


@given(st.integers(0, (1 << 128) - 1))
def test_ulids_hold_128_bits(value: int) -> None:
    assert decode_ulid(encode_ulid(value)) == value


@pytest.mark.parametrize("text", ["", "0" * 25, "I" * 26, "é" * 26])
def test_other_text_is_no_ulid(text: str) -> None:
    with pytest.raises(ValueError, match="not a ULID"):
        decode_ulid(text)
