"""A bucket of your own, on RustFS, MinIO or AWS: set OMNIGRAPH_S3_TEST_BUCKET and the variables that lead there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import omnigraph
from cluster.worlds import CONFIG, write_config
from omnigraph.cluster.apply import apply
from omnigraph.cluster.observe import import_state
from omnigraph.cluster.plan import plan
from omnigraph.server.options import Options
from omnigraph.storage.objects import ObjectChanged, ObjectExists
from omnigraph.storage.root import open_store
from omnigraph.storage.ulid import new_ulid
from server.worlds import boot

GIVEN = {name: text for name, text in os.environ.items() if name.startswith(("AWS_", "OMNIGRAPH_S3_"))}
"""Read when this is imported: the tests take such variables out of their environment."""
NAMED = GIVEN.get("OMNIGRAPH_S3_TEST_BUCKET", "")

pytestmark = pytest.mark.skipif(not NAMED, reason="OMNIGRAPH_S3_TEST_BUCKET names no bucket")


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, text in GIVEN.items():
        monkeypatch.setenv(name, text)
    prefix = GIVEN.get("OMNIGRAPH_S3_TEST_PREFIX", "").strip("/") or "omnigraph-tests"
    uri = f"s3://{NAMED}/{prefix}/{new_ulid()}"
    yield uri
    store = open_store(uri)
    for info in list(store.list("")):
        store.delete(info.key)


def test_conditional_writes_hold(root: str) -> None:
    store = open_store(root)
    store.put_new("once", b"a")
    with pytest.raises(ObjectExists):
        store.put_new("once", b"b")
    store.replace("once", b"c", expected=b"a")
    with pytest.raises(ObjectChanged):
        store.replace("once", b"d", expected=b"a")
    assert store.get("once") == b"c"


def test_a_graph_and_its_second_opener(root: str) -> None:
    with omnigraph.init(root, "node Person { name: String @key }\nedge Knows: Person -> Person") as graph:
        graph.load([{"type": "Person", "data": {"name": f"p{number}"}} for number in range(5_000)], "append")
        graph.load([{"edge": "Knows", "from": "p1", "to": "p2"}], "append")
        graph.create_branch("draft")
        with omnigraph.open(root) as other:
            other.mutate('query q() { insert Person { name: "second" } }', branch="draft")
            graph.merge("draft")
            assert other.query('query q() { match { $p: Person { name: "second" } } return { $p.name } }').rows()
        assert graph.optimize()
        assert not graph.repair().refused


def test_a_cluster_and_its_server(root: str, tmp_path: Path) -> None:
    folder = write_config(tmp_path, f"storage: {root}\n{CONFIG.partition('policies:')[0]}")
    assert import_state(folder).ok
    assert apply(folder, "ines").converged
    assert not plan(folder).changes
    service, _ = boot(Options(cluster=root, unauthenticated=True), {})
    assert list(service.graphs) == ["atlas"]
    service.close()
