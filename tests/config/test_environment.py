from __future__ import annotations

from pathlib import Path

from omnigraph.config.environment import read_env_file


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        '# comment\n\n A = 1 \nexport B=\'two words\'\nC="x\nD=\'mixed"\nE==\nA=2\nno separator\n=x\nF=""\r\nG=a#b $HOME\n'
    )
    assert read_env_file(str(path)) == {
        "A": "1", "B": "two words", "C": '"x', "D": "'mixed\"", "E": "=", "F": "", "G": "a#b $HOME",
    }  # fmt: skip


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_env_file(str(tmp_path / "nope")) == {}
