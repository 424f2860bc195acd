from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from omnigraph.config.credentials import CredentialsFile, bearer_token
from omnigraph.config.operator import load_operator
from omnigraph.errors import Forbidden, InvalidSetting

TEXT = """# mine
[live]
other = 1
token = abc123
token = second

[staging]
token = "quoted is fine"
[empty]
token =
[none]
"""


def file(folder: Path, text: str | None = None) -> CredentialsFile:
    if text is not None:
        path = folder / "credentials"
        path.write_text(text)
        path.chmod(0o600)
    return CredentialsFile.of({"OMNIGRAPH_HOME": str(folder)})


@pytest.mark.parametrize(
    ("server", "token"), [("live", "abc123"), ("staging", "quoted is fine"), ("empty", None), ("none", None), ("absent", None)]
)
def test_reading(tmp_path: Path, server: str, token: str | None) -> None:
    assert file(tmp_path, TEXT).token(server) == token


def test_an_absent_file_has_no_tokens(tmp_path: Path) -> None:
    assert file(tmp_path).token("live") is None


def test_storing_keeps_other_text(tmp_path: Path) -> None:
    credentials = file(tmp_path, "# top\n[a]\ntoken = 1\n\n[b]\n# kept\ntoken = 2\n")
    credentials.store("a", "new")
    assert credentials.path.read_text() == "# top\n[b]\n# kept\ntoken = 2\n\n[a]\ntoken = new\n"
    credentials.remove("b")
    assert credentials.path.read_text() == "# top\n[a]\ntoken = new\n"
    assert stat.S_IMODE(credentials.path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["credentials"]


def test_the_first_write_makes_folder_and_file(tmp_path: Path) -> None:
    credentials = file(tmp_path / "deep" / "home")
    credentials.remove("nobody")
    assert credentials.path.read_bytes() == b""
    assert stat.S_IMODE(credentials.path.stat().st_mode) == 0o600
    credentials.store("a", '"in quotes"')
    assert credentials.token("a") == '"in quotes"'


@pytest.mark.parametrize(("server", "token"), [("a]b", "t"), ("a\nb", "t"), (" ", "t"), ("a", "t\n[b]\ntoken = u")])
def test_what_would_break_the_file_is_refused(tmp_path: Path, server: str, token: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        file(tmp_path).store(server, token)
    assert token not in caught.value.message or token == "t"
    assert not (tmp_path / "credentials").exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    credentials = file(tmp_path, TEXT)
    credentials.path.chmod(mode)
    for action in (lambda: credentials.token("live"), lambda: credentials.store("x", "y"), lambda: credentials.remove("x")):
        with pytest.raises(Forbidden) as caught:
            action()
        assert caught.value.message == (
            f"credentials file '{credentials.path}' is group/world-accessible (mode {mode:o}); "
            f"run `chmod 600 {credentials.path}`"
        )
    assert credentials.path.read_text() == TEXT


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(InvalidSetting, match=r"could not read credentials file .*Not a directory"):
        CredentialsFile(tmp_path / "home" / "credentials").remove("x")


def test_the_chain_of_tokens(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("servers: {my-live: {url: 'http://h:80'}}")
    file(tmp_path, "[my-live]\ntoken = stored\n")
    environment = {"OMNIGRAPH_HOME": str(tmp_path)}
    operator = load_operator(environment)

    def token(url: str, *variables: str, env_file: dict[str, str] | None = None, **extra: str) -> str | None:
        return bearer_token(url, operator, environment | extra, legacy_variables=variables, env_file=env_file)

    assert token("http://h:80/graphs/x") == "stored"
    assert token("http://h:80", OMNIGRAPH_TOKEN_MY_LIVE="keyed", OMNIGRAPH_BEARER_TOKEN="fallback") == "keyed"
    assert token("http://h:80", OMNIGRAPH_TOKEN_MY_LIVE=" ") == "stored"
    assert token("http://h:8080", OMNIGRAPH_TOKEN_MY_LIVE="keyed") is None
    assert token("http://h:8080", OMNIGRAPH_BEARER_TOKEN="fallback") == "fallback"
    assert token("http://h:8080", "T", T="named", OMNIGRAPH_BEARER_TOKEN="fallback") == "named"
    assert token("http://h:8080", "T", env_file={"T": "filed"}, OMNIGRAPH_BEARER_TOKEN="fallback") == "filed"
    assert token("http://h:8080", "T", env_file={"T": "filed"}, T="process") == "process"
    assert token("http://h:8080", "T", T="") is None
    os.remove(tmp_path / "credentials")
    assert token("http://h:80", OMNIGRAPH_BEARER_TOKEN="fallback") == "fallback"
