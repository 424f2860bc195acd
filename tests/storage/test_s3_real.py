"""A real object store that checks signatures. It is started once, so that this is one test with many parts."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import omnigraph
from omnigraph.errors import StorageError
from omnigraph.storage.objects import ObjectChanged, ObjectExists
from omnigraph.storage.root import open_store
from omnigraph.storage.ulid import new_ulid
from support.s3_servers import BUCKET, S3Server

SCHEMA = "node Person { name: String @key age: I32? photo: Blob? }\nedge Knows: Person -> Person\n"
SECRETS = ("a-secret-of-the-tests", "another-secret", "a-session-token")


@pytest.fixture
def store_variables(seaweedfs_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name, value in seaweedfs_server.environment().items():
        monkeypatch.setenv(name, value)
    return seaweedfs_server


def command(folder: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Run the command line as a process of its own; return its status and all that it says."""
    code = "import sys; from omnigraph.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=os.environ | {"OMNIGRAPH_LOG": "debug", "OMNIGRAPH_TRACEBACK": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_graph_lives_on_a_real_store(store_variables: S3Server, tmp_path: Path) -> None:
    root = f"s3://{BUCKET}/real/{new_ulid()}"
    (tmp_path / "s.pg").write_text(SCHEMA)
    lines = [json.dumps({"type": "Person", "data": {"name": f"p{n}", "age": n % 90}}) for n in range(6_000)]
    lines += [json.dumps({"edge": "Knows", "from": f"p{n}", "to": f"p{n + 1}"}) for n in range(500)]
    lines += [json.dumps({"type": "Person", "data": {"name": "pic", "photo": "base64:AAEC"}})]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    said = ""
    for words, status in (
        (("init", "--schema", "s.pg", root), 0),
        (("init", "--schema", "s.pg", root), 1),
        (("load", "--data", "d.jsonl", "--mode", "append", root), 0),
        (("mutate", root, "-e", 'query q() { insert Person { name: "ann" } }'), 0),
        (("query", root, "-e", 'query q() { match { $p: Person { name: "p77" } } return { $p.age } }'), 0),
        (("snapshot", root, "--json"), 0),
    ):
        code, text = command(tmp_path, *words)
        assert code == status, text
        said += text
    assert f"initialized {root}" in said and f"graph already initialized at '{root}'" in said and "77" in said

    # Wrong keys, expired ones and none: an error that says what to do and repeats nothing.
    for variables, expected in (
        ({"AWS_SECRET_ACCESS_KEY": "another-secret"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "stranger", "AWS_SECRET_ACCESS_KEY": "another-secret"}, "InvalidAccessKeyId"),
        ({"AWS_SESSION_TOKEN": "a-session-token", "AWS_SECRET_ACCESS_KEY": "another-secret"}, "403"),
        ({"AWS_SKIP_SIGNATURE": "true"}, "AccessDenied"),
    ):
        code, text = command(tmp_path, "query", root, "-e", "query q() { match { $p: Person } return { $p } }", **variables)
        assert code == 1 and expected in text, text
        assert "hint: " in text
        said += text
    assert not [secret for secret in SECRETS if secret in said]

    with omnigraph.open(root) as graph, omnigraph.open(root) as replica:
        graph.create_branch("dev")
        graph.mutate('query q() { insert Person { name: "bob" } }', branch="dev")
        assert graph.merge("dev").outcome == "fast_forward"
        rows = replica.query('query q() { match { $p: Person { name: "bob" } } return { $p.name } }').rows()
        assert rows == [{"p.name": "bob"}]
        graph.delete_branch("dev")
        assert replica.branches() == ["main"]
        exported = [json.loads(line) for line in b"".join(replica.export()).splitlines()]
        assert len(exported) == 6_503
        assert next(row for row in exported if row["data"].get("name") == "pic")["data"]["photo"] == "base64:AAEC"


def test_conditions_hold_on_a_real_store(store_variables: S3Server) -> None:
    store = open_store(f"s3://{BUCKET}/real/{new_ulid()}")
    start = threading.Barrier(20)
    store.before_write()

    def create(number: int) -> bool:
        start.wait()
        try:
            store.put_new("raced", b"%d" % number)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        won = list(pool.map(create, range(20)))
    assert sum(won) == 1
    winner = b"%d" % won.index(True)
    assert store.get("raced") == winner
    store.replace("raced", b"next", expected=winner)
    with pytest.raises(ObjectChanged):
        store.replace("raced", b"other", expected=winner)
    large = os.urandom(17 * 1024 * 1024)
    store.put_unique("blobs/large", large)
    assert store.get_range("blobs/large", 16 * 1024 * 1024, 100) == large[16 * 1024 * 1024 :][:100]
    assert {item.key for item in store.list("blobs/")} == {"blobs/large"}
    store.delete("blobs/large")
    assert list(store.list("blobs/")) == []
    store.close()


def test_a_missing_bucket_is_named_by_a_real_store(store_variables: S3Server) -> None:
    with pytest.raises(StorageError, match="NoSuchBucket"):
        open_store("s3://no-such-bucket/x").get("log/main/head")
