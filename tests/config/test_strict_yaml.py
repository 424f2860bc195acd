from __future__ import annotations

import math
from pathlib import Path

import pytest

from omnigraph.config import strict_yaml
from omnigraph.errors import InvalidSetting


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("NO", "NO"), ("yes", "yes"), ("12:30", "12:30"), ("010", 10), ("1e3", 1000.0), ("0o17", 15),
        ("0x1F", 31), ("~", None), ("Null", None), ("2026-01-01", "2026-01-01"), (".inf", math.inf), ("-.INF", -math.inf),
        ("'1'", "1"), ("1_000", "1_000"), ("true", True), ("FALSE", False), (".5", 0.5), ("5.", 5.0), ("+7", 7), ("=", "="),
        ("0x", "0x"), ("1.2.3", "1.2.3"), (".", "."), ("-", [None]), ("", None), ("é", "é"), ("٣", "٣"),
    ],
)  # fmt: skip
def test_core_words(text: str, value: object) -> None:
    assert strict_yaml.parse(text) == value
    assert type(strict_yaml.parse(text)) is type(value)


def test_merge_keys_are_plain_keys() -> None:
    assert strict_yaml.parse("a: &x {k: 1}\nb:\n  <<: *x\n") == {"a": {"k": 1}, "b": {"<<": {"k": 1}}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 1\n  'c': 2\n", "duplicate key 'c' (first on line 3, again on line 5)"),
        ("{a: 1, a: 2}", "duplicate key 'a' (first on line 1, again on line 1)"),
        ("- {a: 1}\n- b: 1\n  b: 2\n", "duplicate key 'b' (first on line 2, again on line 3)"),
        ("a: [", "did not find expected node content at line 2 column 1"),
        ("? [a]\n: 1", "a key must be a plain value at line 1 column 3"),
        ("a: !!python/object:os.system x", "could not determine a constructor for the tag"),
        ("[" * 5000, "did not find expected node content"),
        ("a: \x00", "control characters are not allowed"),
        ("--- 1\n--- 2", "found another document"),
        ("x: &a [*a]", "found unconstructable recursive node at line 1 column 4"),
        ("1" * 5000, "4300 digits"),
    ],
)
def test_refusals_say_where(text: str, problem: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        strict_yaml.parse(text)
    assert problem in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (strict_yaml.FILE_BYTES_MAX + 1))
    with pytest.raises(InvalidSetting, match="larger than"):
        strict_yaml.read(str(path))
    path.write_bytes(b"a: 1")
    assert strict_yaml.read(str(path)) == {"a": 1}
