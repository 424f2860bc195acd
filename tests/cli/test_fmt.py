from __future__ import annotations

import io
import stat
import sys

import pytest

from cli.conftest import CommandLine

ROUGH = "query q(){match{$p:Person}return{$p}} // all\n"
SMOOTH = "query q() {\n    match { $p: Person }\n    return { $p }\n} // all\n"
SCHEMA = "node Person{name:String@key}\n"


def test_files_are_formatted_in_place(run: CommandLine) -> None:
    query, schema = run.write("q.gq", ROUGH), run.write("s.pg", SCHEMA)
    query.chmod(0o640)
    outcome = run("fmt", "q.gq", "s.pg")
    assert (outcome.status, outcome.out, outcome.err) == (0, "formatted q.gq\nformatted s.pg\n", "")
    assert query.read_text() == SMOOTH
    assert schema.read_text() == "node Person {\n    name: String @key\n}\n"
    assert stat.S_IMODE(query.stat().st_mode) == 0o640
    outcome = run("fmt", "q.gq", "s.pg")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    assert sorted(path.name for path in run.folder.iterdir() if path.name != "home") == ["q.gq", "s.pg"]


def test_check_changes_nothing(run: CommandLine) -> None:
    rough, smooth = run.write("rough.gq", ROUGH), run.write("smooth.gq", SMOOTH)
    before = smooth.stat().st_mtime_ns
    outcome = run("fmt", "--check", "rough.gq", "smooth.gq")
    assert (outcome.status, outcome.out, outcome.err) == (1, "rough.gq\n", "")
    assert rough.read_text() == ROUGH
    assert run("fmt", "smooth.gq", "--check").status == 0
    assert smooth.stat().st_mtime_ns == before


def test_a_file_that_does_not_parse_is_left_alone(run: CommandLine) -> None:
    bad, good = run.write("bad.gq", "query ("), run.write("good.gq", ROUGH)
    outcome = run("fmt", "bad.gq", "missing.gq", "good.gq")
    assert outcome.status == 1
    assert outcome.out == "formatted good.gq\n"
    assert outcome.err.startswith("Error: bad.gq: parse error: 1:7: expected the name of the query")
    assert "Error: missing.gq: could not read 'missing.gq': No such file or directory\n" in outcome.err
    assert (bad.read_text(), good.read_text()) == ("query (", SMOOTH)


def test_a_symbolic_link_stays_one(run: CommandLine) -> None:
    target = run.write("folder/q.gq", ROUGH)
    link = run.folder / "link.gq"
    link.symlink_to(target)
    assert run("fmt", "link.gq").status == 0
    assert link.is_symlink() and target.read_text() == SMOOTH


def test_a_folder_that_cannot_be_written(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run.write("q.gq", ROUGH)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    outcome = run("fmt", "q.gq")
    assert (outcome.status, outcome.err) == (1, "Error: q.gq: could not write 'q.gq': Permission denied\n")
    assert file.read_text() == ROUGH


@pytest.mark.parametrize(
    ("given", "expected"), [(ROUGH, SMOOTH), (SCHEMA, "node Person {\n    name: String @key\n}\n"), ("", "")]
)
def test_standard_input(run: CommandLine, monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    def read(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        outcome = run(*words)
        return outcome.status, outcome.out

    assert read("fmt", "-") == (0, expected)
    assert read("fmt", "--check", "-") == ((1, "-\n") if given else (0, ""))


def test_no_file_is_a_malformed_command_line(run: CommandLine) -> None:
    assert run("fmt").status == 2
