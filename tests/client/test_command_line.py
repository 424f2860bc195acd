"""The same command lines on a graph that is stored here and on the one that a server holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from omnigraph.cli.main import main
from server.process import Server
from server.worlds import POLICY, SCHEMA, make_graph

PEOPLE = "query people($n: String?) { match { $p: Person } return { $p.name, $p.age } order { $p.name asc } }"
WIDE = "query w() { match { $p: Human } return { $p.name, $p.years, $p.nick } order { $p.name asc } }"
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
    text = re.sub(r'("?(?:created|authored)_at"?): [0-9]+', r"\1: 0", text)
    text = re.sub(r"[0-9-]{10}T[0-9:.]{12}Z", "<time>", text)
    text = re.sub(r"cursor: [\w-]+", "cursor: …", text)
    return re.sub(r',\n  "graph_commit_id": "<id>"|\n  "graph_commit_id": "<id>",', "", text)


COMMANDS: list[tuple[str, ...]] = [
    ("query", "-e", PEOPLE, "--json"),
    ("query", "-e", PEOPLE, "--format", "table"),
    ("query", "-e", "query x(", "--json"),
    ("query", "-e", PEOPLE, "--branch", "ghost"),
    ("query", "-e", ADD, "--params", '{"n":"x"}'),
    ("query", "-e", PEOPLE, "--explain"),
    ("query", "-e", "query x(", "--explain"),
    ("query", "-e", PEOPLE, "--profile", "--json"),
    ("query", "-e", PEOPLE, "--branch", "ghost", "--explain"),
    *(("query", "-e", PEOPLE, "--format", form) for form in ("json", "jsonl", "csv", "kv")),
    ("query", "-e", PEOPLE, "--snapshot", "{snapshot}", "--json"),
    ("query", "-e", PEOPLE, "--snapshot", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ("query", "-e", PEOPLE, "--params", "[1]"),
    ("query", "-e", PEOPLE, "--params", '{"n": 7}'),
    ("export", "--snapshot", "{snapshot}"),
    ("export", "--snapshot", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ("export", "--type", "Person", "--table", "edge:Knows"),
    ("export", "--type", "Nope"),
    ("mutate", "-e", ADD, "--params", '{"n":"Cas"}', "--if-commit", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--json"),
    ("mutate", "-e", ADD, "--params", '{"n":"Yan"}', "--json"),
    ("mutate", "-e", PEOPLE),
    ("mutate", "-e", ADD),
    ("load", "--data", "d.jsonl", "--mode", "merge", "--json"),
    ("load", "--data", "d.jsonl", "--mode", "append"),
    ("branch", "create", "draft", "--json"),
    ("branch", "create", "draft"),
    ("branch", "create", "main"),
    ("branch", "create", "x", "--from", "ghost"),
    ("branch", "create", "a//b"),
    ("mutate", "-e", ADD, "--params", '{"n":"Dan"}', "--branch", "draft"),
    ("load", "--data", "d.jsonl", "--mode", "overwrite", "--branch", "forked", "--from", "draft", "--json"),
    ("ingest", "--data", "d.jsonl", "--branch", "draft", "--json"),
    ("load", "--data", "absent.jsonl", "--mode", "merge"),
    ("load", "--data", "bad.jsonl", "--mode", "merge"),
    ("snapshot", "--branch", "draft"),
    ("export", "--branch", "draft"),
    ("commit", "list", "--branch", "draft"),
    ("commit", "list", "--branch", "ghost"),
    ("branch", "delete", "forked"),
    ("branch", "list", "--json"),
    ("commit", "list", "--graph", "--json"),
    ("branch", "merge", "draft", "--dry-run", "--json"),
    ("branch", "merge", "draft", "--json"),
    ("branch", "delete", "draft", "--json"),
    ("branch", "delete", "draft"),
    ("branch", "delete", "main"),
    ("branch", "merge", "ghost"),
    ("branch", "merge", "main"),
    ("snapshot", "--json"),
    ("export",),
    ("commit", "list", "--json"),
    ("commit", "list", "--order", "newest", "--limit", "2"),
    ("commit", "show", "nothing"),
    ("commit", "show", "{snapshot}", "--json"),
    ("commit", "show", "{snapshot}"),
    ("schema", "show"),
    ("schema", "show", "--json"),
    ("schema", "show", "--at", "1"),
    ("query", "-e", PEOPLE, "--at", "1", "--json"),
    ("query", "-e", PEOPLE, "--at", "99"),
    ("query", "-e", PEOPLE, "--at", "soon"),
    ("query", "-e", PEOPLE, "--snapshot", "01"),
    ("snapshot", "--at", "2", "--json"),
    ("export", "--at", "1"),
    ("diff", "@1", "main", "--json"),
    ("diff", "@1", "main"),
    ("diff", "main~1", "--stat", "--type", "Person"),
    ("diff", "@1", "main", "--format", "jsonl", "--op", "insert", "--limit", "2"),
    ("diff", "ghost", "main"),
    ("changes", "poll", "--start", "beginning", "--limit", "2"),
    ("changes", "poll", "--cursor", "nonsense", "--json"),
    ("changes", "baseline", "--out", "base.jsonl", "--kind", "node"),
    ("commit", "changes", "nothing"),
    ("blame", "Person", "Zoe"),
    ("blame", "Person", "Zoe", "--json"),
    ("blame", "Person", "nobody"),
    ("branch", "create", "old", "--at", "1", "--json"),
    ("branch", "create", "older", "--from-commit", "nothing"),
    ("schema", "apply", "--schema", "new.pg", "--json"),
    ("schema", "apply", "--schema", "bad.pg"),
    ("schema", "plan", "--schema", "new.pg"),
    ("branch", "delete", "old"),
    ("schema", "apply", "--schema", "bad.pg", "--json"),
    ("schema", "apply", "--schema", "new.pg"),
    ("schema", "apply", "--schema", "new.pg", "--json"),
    ("schema", "apply", "--schema", "wide.pg", "--json"),
    ("schema", "show"),
    ("query", "-e", WIDE, "--json"),
    ("query", "-e", WIDE, "--snapshot", "{snapshot}", "--json"),
    ("query", "-e", PEOPLE, "--snapshot", "{snapshot}"),
    ("mutate", "-e", 'query q() { update Human set { nick: "I" } where name = "Ida" }', "--json"),
    ("schema", "apply", "--schema", "narrow.pg", "--allow-data-loss"),
    ("query", "-e", WIDE, "--snapshot", "{snapshot}", "--json"),
    ("query", "-e", PEOPLE, "--snapshot", "{snapshot}"),
    ("export",),
    ("commit", "list"),
]


def test_parity(plain: Server, home: Path, capsysbinary: Captured) -> None:
    local, remote = str(make_graph(home / "local.omni")), f"http://127.0.0.1:{plain.port}"
    (home / "bad.jsonl").write_text('{"type":"Nope","data":{}}\n')
    (home / "new.pg").write_text(SCHEMA + "node Place { name: String @key }\n")
    wide = SCHEMA.replace("Person", "Human").replace("node Human", 'node Human @rename_from("Person") @description("p")')
    (home / "wide.pg").write_text(wide.replace("age: I32?", 'years: I32? @rename_from("age") nick: String? @index'))
    (home / "narrow.pg").write_text(wide.replace("age: I32?", "nick: String? @index"))
    (home / "bad.pg").write_text(SCHEMA.replace("age: I32?", "age: String"))

    def start(address: str) -> str:
        commits = json.loads(run(capsysbinary, "commit", "list", "--json", "--uri", address)[1])["commits"]
        return str(commits[1]["graph_commit_id"])

    first = {address: start(address) for address in (local, remote)}
    for words in COMMANDS:
        here, there = (
            run(
                capsysbinary,
                *(word.format(snapshot=first[to]) if word == "{snapshot}" else word for word in words),
                "--uri",
                to,
            )
            for to in (local, remote)
        )
        if words[:2] == ("schema", "plan"):  # works on storage alone
            assert (there[0], "is a storage-plane command" in there[2]) == (1, True)
            continue
        assert there[0] == here[0], (words, here, there)
        assert masked(there[1], remote) == masked(here[1], local), words
        if "--profile" not in words:  # what it tells is how long things took
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


def test_what_the_policy_refuses_is_refused_alike(server: Server, home: Path, capsysbinary: Captured) -> None:
    make_graph(home / "guarded.omni")
    (home / "p.yaml").write_text(POLICY)
    (home / "omnigraph.yaml").write_text(
        "graphs:\n"
        "  here: { uri: ./guarded.omni, policy: { file: p.yaml } }\n"
        f"  there: {{ uri: 'http://127.0.0.1:{server.port}/graphs/alpha', bearer_token_env: BOT }}\n"
    )
    (home / ".env").write_text("BOT=k-nightly\n")
    with (home / "omnigraph.yaml").open("a") as project:
        project.write("auth: { env_file: .env }\n")
    for words in (
        ("mutate", "-e", ADD, "--params", '{"n":"Yan"}'),
        ("load", "--data", "d.jsonl", "--mode", "merge"),
        ("load", "--data", "d.jsonl", "--mode", "merge", "--branch", "new", "--from", "main"),
        ("branch", "create", "x"),
        ("branch", "delete", "x"),
        ("branch", "merge", "x"),
    ):
        here = run(capsysbinary, *words, "--target", "here", "--as", "act-nightly", "--json")
        there = run(capsysbinary, *words, "--target", "there", "--as", "act-mara", "--json")
        assert (here[0], there[0]) == (1, 1), words
        told = json.loads(there[2].splitlines()[-1])
        assert told["code"] == "forbidden"
        assert f"policy: policy denied: {told['error']}" == json.loads(here[2].splitlines()[-1])["error"].replace(
            "policy denied action 'branch_create' targeting", "policy denied action 'branch_create' on branch 'main' targeting"
        )


def test_stored_queries_by_alias_and_by_name(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Captured
) -> None:
    (home / "home").mkdir()
    (home / "home" / "config.yaml").write_text(
        f"servers: {{ live: {{ url: 'http://127.0.0.1:{server.port}' }} }}\n"
        "aliases:\n"
        "  who: { server: live, graph: alpha, query: by_name, args: [name], format: csv }\n"
        "  ida: { server: live, graph: alpha, query: by_name, params: { name: Ida } }\n"
        "  add: { server: live, graph: alpha, query: add_person, args: [name] }\n"
        "  odd: { server: live, graph: alpha, query: by_name, params: { 1: x } }\n"
    )
    monkeypatch.setenv("OMNIGRAPH_TOKEN_LIVE", "k-mara")
    assert run(capsysbinary, "query", "--alias", "who", "Ida")[:2] == (0, "p.name\nIda\n")
    assert run(capsysbinary, "query", "--alias", "who", "--params", '{"name":"Bo"}', "--format", "csv")[1] == "p.name\nBo\n"
    assert json.loads(run(capsysbinary, "query", "--alias", "ida", "--json")[1])["row_count"] == 1
    assert "takes 1 positional arg(s) (name), got 2" in run(capsysbinary, "query", "--alias", "who", "a", "b")[2]
    assert "alias 'odd': params keys must be strings" in run(capsysbinary, "query", "--alias", "odd")[2]
    refused = run(capsysbinary, "query", "--alias", "add", "Zed")
    assert (refused[0], refused[2]) == (1, "Error: 'add_person' is a mutation — use omnigraph mutate add_person\n")
    assert "alias 'who' not found" in run(capsysbinary, "mutate", "--alias", "who")[2]
    address = ("--server", "live", "--graph", "alpha")
    assert run(capsysbinary, "query", "by_name", *address, "--param", "name=Ida", "--format", "csv")[1] == "p.name\nIda\n"
    added = run(capsysbinary, "mutate", "add_person", *address, "--params", '{"name":"Zed"}', "--json")
    assert (added[0], json.loads(added[1])["affected_nodes"]) == (0, 1)
    lost = run(capsysbinary, "mutate", "add_person", *address, "--params", '{"name":"Zed"}', "--if-commit", "x")
    assert lost[0] == 4
    assert run(capsysbinary, "query", "nothing", *address)[2] == "Error: stored query not found\n"


def test_a_remote_command_starts_within_its_budget(plain: Server) -> None:
    """A bare interpreter starts in 10 ms; counted in its starts, 170 ms hold on a busy machine too."""
    import resource
    import subprocess
    import sys

    def cpu_s(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    remote = f"from omnigraph.cli.main import main; main(['snapshot', '--uri', 'http://127.0.0.1:{plain.port}'])"
    assert min(cpu_s(remote) for _ in range(5)) < 17 * min(cpu_s("pass") for _ in range(5))
