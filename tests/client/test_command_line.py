"""The same command lines on a graph that is stored here and on the one that a server holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from omnigraph.cli.main import main
from server.process import Server
from server.worlds import make_graph

PEOPLE = "query people($n: String?) { match { $p: Person } return { $p.name, $p.age } order { $p.name asc } }"
ADD = "query add($n: String) { insert Person { name: $n } }"
Captured = pytest.CaptureFixture[bytes]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A server of one graph that everyone may write."""
    folder = tmp_path_factory.mktemp("plain")
    graph = make_graph(folder / "g.omni")
    with Server((str(graph), "--unauthenticated"), folder, {"OMNIGRAPH_FSYNC": "0"}) as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMNIGRAPH_SUPPRESS_YAML_DEPRECATION", "1")
    for name in ("OMNIGRAPH_CONFIG", "OMNIGRAPH_NO_LEGACY_CONFIG", "OMNIGRAPH_BEARER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "d.jsonl").write_text('{"type":"Person","data":{"name":"Zoe","age":7}}\n')
    return tmp_path


def run(capture: Captured, *words: str) -> tuple[int, str, str]:
    capture.readouterr()
    status = main(list(words))
    captured = capture.readouterr()
    return status, captured.out.decode(), captured.err.decode()


def masked(text: str, address: str) -> str:
    """Hide ids, times and locations."""
    text = text.replace(address, "<address>")
    text = re.sub(r'"(uri|table_path)": "[^"]*"', r'"\1": "…"', text)
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "<id>", text)
    text = re.sub(r'"created_at": [0-9]+', '"created_at": 0', text)
    return re.sub(r',\n  "graph_commit_id": "<id>"|\n  "graph_commit_id": "<id>",', "", text)


COMMANDS: list[tuple[str, ...]] = [
    ("query", "-e", PEOPLE, "--json"),
    ("query", "-e", PEOPLE, "--format", "table"),
    ("query", "-e", "query x(", "--json"),
    ("query", "-e", PEOPLE, "--branch", "ghost"),
    ("query", "-e", ADD, "--params", '{"n":"x"}'),
    ("mutate", "-e", ADD, "--params", '{"n":"Yan"}', "--json"),
    ("mutate", "-e", ADD),
    ("load", "--data", "d.jsonl", "--mode", "merge", "--json"),
    ("load", "--data", "d.jsonl", "--mode", "append"),
    ("branch", "create", "draft", "--json"),
    ("branch", "create", "draft"),
    ("branch", "list", "--json"),
    ("branch", "merge", "draft", "--dry-run", "--json"),
    ("branch", "merge", "draft", "--json"),
    ("branch", "delete", "draft", "--json"),
    ("branch", "delete", "draft"),
    ("snapshot", "--json"),
    ("export",),
    ("commit", "list", "--json"),
    ("commit", "show", "nothing"),
    ("commit", "list", "--order", "newest", "--limit", "1"),
    ("schema", "show"),
    ("schema", "show", "--at", "1"),
    ("query", "-e", PEOPLE, "--at", "1", "--json"),
    ("query", "-e", PEOPLE, "--at", "99"),
    ("query", "-e", PEOPLE, "--at", "soon"),
    ("query", "-e", PEOPLE, "--snapshot", "01"),
    ("snapshot", "--at", "2", "--json"),
    ("export", "--at", "1"),
    ("branch", "create", "old", "--at", "1", "--json"),
    ("branch", "create", "older", "--from-commit", "nothing"),
]


def test_parity(plain: Server, home: Path, capsysbinary: Captured) -> None:
    local, remote = str(make_graph(home / "local.omni")), f"http://127.0.0.1:{plain.port}"
    for words in COMMANDS:
        here = run(capsysbinary, *words, "--uri", local)
        there = run(capsysbinary, *words, "--uri", remote)
        assert there[0] == here[0], words
        assert masked(there[1], remote) == masked(here[1], local), words
        assert masked(there[2], remote) == masked(here[2], local), words


def test_tokens_come_from_the_chain(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Captured
) -> None:
    (home / "home").mkdir()
    url = f"http://127.0.0.1:{server.port}"
    (home / "home" / "config.yaml").write_text(f"servers: {{ live: {{ url: '{url}/' }} }}\n")
    status, _, err = run(capsysbinary, "snapshot", "--server", "live", "--graph", "beta")
    assert (status, err) == (1, "Error: missing bearer token\n")
    assert run(capsysbinary, "login", "live", "--token", "k-mara")[0] == 0
    status, out, _ = run(capsysbinary, "snapshot", "--server", "live", "--graph", "beta", "--json")
    assert (status, json.loads(out)["branch"]) == (0, "main")
    status, out, _ = run(capsysbinary, "graphs", "list", "--server", "live")
    assert (status, [line.split("\t")[0] for line in out.splitlines()]) == (0, ["alpha", "beta"])
    monkeypatch.setenv("OMNIGRAPH_TOKEN_LIVE", "k-stranger")
    status, _, err = run(capsysbinary, "graphs", "list", "--server", "live", "--json")
    assert status == 1
    assert '"code":"forbidden"' in err.splitlines()[-1]


def test_graphs_list_needs_a_server(home: Path, capsysbinary: Captured) -> None:
    status, _, err = run(capsysbinary, "graphs", "list", "--uri", "here")
    assert status == 1
    assert "`omnigraph graphs list` requires a remote multi-graph server URL" in err


def test_a_remote_command_does_not_wake_the_engine(plain: Server) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom omnigraph.cli.main import main\n"
        f"assert main(['snapshot', '--uri', 'http://127.0.0.1:{plain.port}']) == 0\n"
        "heavy = {'numpy', 'pyarrow', 'lance', 'obstore', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.DEVNULL)
