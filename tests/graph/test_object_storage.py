"""Graphs on S3: how many requests things take, what failures of the store do to writes, and writers that share a root."""

import itertools
import json
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import omnigraph
from omnigraph import Graph
from omnigraph.errors import (
    ConditionalWritesMissing,
    Conflict,
    CorruptObject,
    HistoryReclaimed,
    NotFound,
    OutcomeUnknown,
    StorageError,
)
from omnigraph.graph.graph import open_graph
from omnigraph.storage.names import PROBE, record_key
from omnigraph.storage.root import open_store
from omnigraph.storage.s3 import PARALLEL_MAX, S3Store
from omnigraph.storage.ulid import new_ulid
from support.s3_proxy import Request, S3Proxy
from support.s3_servers import BUCKET, S3Server

SCHEMA = """
node Person { name: String @key age: I32? }
node Company { name: String @key }
edge Knows: Person -> Person
edge WorksAt: Person -> Company
"""
INSERT = "query q($n: String) { insert Person { name: $n } }"
LOOKUP = "query q($n: String) { match { $p: Person { name: $n } } return { $p.name, $p.age } }"
NAMES = "query q() { match { $p: Person } return { $p.name } }"


@pytest.fixture
def proxy(ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    with S3Proxy(ministack_server.url) as running:
        for name, value in ministack_server.environment(running.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OMNIGRAPH_S3_TIMEOUT_S", "1")
        monkeypatch.setenv("OMNIGRAPH_S3_RETRY_S", "5")
        yield running


@pytest.fixture
def root() -> str:
    return f"s3://{BUCKET}/{new_ulid()}"


@pytest.fixture
def graph(proxy: S3Proxy, root: str) -> Iterator[Graph]:
    """A graph that has done its probe."""
    with omnigraph.init(root, SCHEMA) as made:
        made.load([{"type": "Person", "data": {"name": "ann", "age": 1}}], "append")
        made.query(LOOKUP, {"n": "ann"})
        yield made


def counted(proxy: S3Proxy, call: Callable[[], Any]) -> list[str]:
    """Return the requests of a call, hints apart: those go in the background, one for sixteen commits."""
    with proxy.counting() as requests:
        call()
    return [request.operation for request in requests if not request.key.endswith("/head")]


def names(graph: Graph, branch: str | None = None) -> set[str]:
    return {row["p.name"] for row in graph.query(NAMES, branch=branch).rows()}


def insert(graph: Graph, name: str, branch: str | None = None) -> None:
    graph.mutate(INSERT, {"n": name}, branch=branch)


# --- counts ------------------------------------------------------------------------------------------------------------


def test_a_read_is_one_request(proxy: S3Proxy, graph: Graph) -> None:
    assert counted(proxy, lambda: graph.query(LOOKUP, {"n": "ann"})) == ["GET"]
    graph.create_branch("dev")
    insert(graph, "bob", "dev")
    assert counted(proxy, lambda: graph.query(LOOKUP, {"n": "bob"}, branch="dev")) == ["GET"]


def test_reads_in_flight_share_their_looks(proxy: S3Proxy, graph: Graph) -> None:
    proxy.latency_s = 0.05
    with ThreadPoolExecutor(20) as pool:
        looks = counted(proxy, lambda: list(pool.map(lambda _: graph.query(LOOKUP, {"n": "ann"}), range(60))))
    assert len(looks) < 20


@pytest.mark.parametrize("types", [2, 60])
def test_a_small_commit_is_two_requests_at_most(types: int, proxy: S3Proxy, root: str) -> None:
    schema = "\n".join(f"node Type{number} {{ name: String @key }}" for number in range(types))
    with omnigraph.init(root, schema + SCHEMA) as graph:
        for number in range(40):
            requests = counted(proxy, lambda number=number: insert(graph, f"p{number}"))  # type: ignore[misc]
            assert requests.count("PUT") == 1 and len(requests) <= 2


def test_a_commit_on_a_branch_looks_whether_the_branch_is_there(proxy: S3Proxy, graph: Graph) -> None:
    graph.create_branch("dev")
    for name in ("bob", "cy"):
        assert counted(proxy, lambda name=name: insert(graph, name, "dev")) == ["GET", "PUT"]  # type: ignore[misc]


def test_a_commit_after_that_of_another_process_finds_out_first(proxy: S3Proxy, graph: Graph, root: str) -> None:
    with omnigraph.open(root) as other:
        insert(other, "bob")
    assert counted(proxy, lambda: insert(graph, "cy")) == ["PUT", "GET", "GET", "PUT"]
    with omnigraph.open(root) as other:
        insert(other, "dan")
    graph.query(NAMES)
    assert counted(proxy, lambda: insert(graph, "eve")) == ["GET", "PUT"]
    assert counted(proxy, lambda: insert(graph, "fay")) == ["PUT"]
    assert names(graph) == {"ann", "bob", "cy", "dan", "eve", "fay"}


def test_a_branch_costs_two_requests_to_make_and_to_fast_forward(proxy: S3Proxy, graph: Graph) -> None:
    assert sorted(counted(proxy, lambda: graph.create_branch("dev"))) == ["GET", "PUT"]
    for name in ("bob", "cy"):  # the first merge of a process also reads the commit that both sides have
        insert(graph, name, "dev")
        requests = counted(proxy, lambda: graph.merge("dev"))
    assert requests == ["GET", "PUT"]
    assert names(graph) == {"ann", "bob", "cy"}


def test_a_branch_costs_three_requests_to_delete_however_many_there_are(proxy: S3Proxy, graph: Graph) -> None:
    for number in range(5):
        graph.create_branch(f"b{number}")
    insert(graph, "bob", "b0")
    insert(graph, "bob", "b1")
    graph.delete_branch("b0")
    assert counted(proxy, lambda: graph.delete_branch("b1")) == ["LIST", "PUT", "DELETE"]
    assert graph.branches() == ["b2", "b3", "b4", "main"]


def test_a_process_that_knows_no_branch_reads_none_to_delete_one(proxy: S3Proxy, graph: Graph, root: str) -> None:
    for number in range(12):
        graph.create_branch(f"b{number}")
    with omnigraph.open(root) as other:
        insert(other, "bob", "b3")
        assert counted(proxy, lambda: other.delete_branch("b3")) == ["LIST", "PUT", "DELETE"]
        other.create_branch("of-b4", from_branch="b4")
        with pytest.raises(Conflict, match="because descendant branch 'of-b4' still depends on it"):
            other.delete_branch("b4")
    with pytest.raises(Conflict, match="because descendant branch 'of-b4' still depends on it"):
        graph.delete_branch("b4")


def test_a_three_way_merge_of_a_hundred_rows(proxy: S3Proxy, graph: Graph) -> None:
    graph.create_branch("dev")
    graph.load([{"type": "Person", "data": {"name": f"d{n}"}} for n in range(100)], "append", branch="dev")
    graph.load([{"type": "Person", "data": {"name": f"m{n}"}} for n in range(100)], "append")
    requests = counted(proxy, lambda: graph.merge("dev"))
    assert requests.count("PUT") == 1 and len(requests) <= 4
    assert len(names(graph)) == 201


def test_opening_a_graph_of_many_commits_is_three_requests(proxy: S3Proxy, graph: Graph, root: str) -> None:
    for number in range(21):
        insert(graph, f"p{number}")
    graph.close()
    opened: list[Graph] = []
    with proxy.counting() as requests:
        opened.append(omnigraph.open(root))
        opened[0].query(LOOKUP, {"n": "p7"})
    assert len(requests) == 3  # the hint, the record that it names, and the place behind
    opened[0].close()


def test_a_cold_lookup_in_a_table(
    proxy: S3Proxy, graph: Graph, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.load([{"type": "Person", "data": {"name": f"p{n}", "age": n % 90}} for n in range(6_000)], "append")
    graph.close()
    code = """if True:
        import sys, omnigraph
        with omnigraph.open(sys.argv[1]) as graph:
            print(graph.query(sys.argv[2], {"n": "p77"}).rows())
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with proxy.counting() as requests:
        done = subprocess.run([sys.executable, "-c", code, root, LOOKUP], capture_output=True, text=True, check=False)
    assert list(tmp_path.iterdir()) == []
    command = [
        sys.executable,
        "-c",
        "from omnigraph.cli.main import main; main()",
        "query",
        root,
        "-e",
        LOOKUP,
        "--params",
        '{"n": "p78"}',
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "p78" in shown.stdout, shown.stderr
    assert list(tmp_path.iterdir()) == []
    assert done.stdout == "[{'p.name': 'p77', 'p.age': 77}]\n", done.stderr
    assert len(requests) <= 7  # the hint, the head, the place behind, the manifest; then two files of the index and one of rows


@pytest.mark.parametrize("behind", [1, 7, 40, 150])
def test_whoever_is_behind_catches_up(behind: int, proxy: S3Proxy, graph: Graph, root: str) -> None:
    with omnigraph.open(root) as replica:
        names(replica)
        for number in range(behind):
            insert(graph, f"p{number}")
        with proxy.counting() as requests:
            assert len(names(replica)) == behind + 1
        assert len(requests) < 45


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of stores, one entry for what is asked side by side."""
    asked: list[str] = []
    for name in ("get", "get_many", "list"):
        original = getattr(S3Store, name)

        def look(store: S3Store, key: Any, original: Any = original, name: str = name) -> Any:
            if name == "get_many":
                asked.extend([name] * -(-len(key) // PARALLEL_MAX) if len(key) > 1 else [])
            elif not threading.current_thread().name.startswith("omnigraph-s3"):  # there it is a part of the former
                asked.append(name)
            return original(store, key)

        monkeypatch.setattr(S3Store, name, look)
    return asked


def test_the_newest_fifty_commits_are_listed_in_a_few_round_trips(graph: Graph, root: str, looks: list[str]) -> None:
    for number in range(70):
        insert(graph, f"p{number}")
    expected = graph.commits()
    graph.close()
    looks.clear()
    with open_graph(root, at_once=True) as other:
        assert other.commits(order="newest", limit=50) == expected[:-51:-1]
    # The hint; the head and the place behind it; fifty records in two waves, and beside them the list of history objects.
    assert sorted(looks) == ["get", "get_many", "get_many", "get_many", "list"]
    looks.clear()
    with open_graph(root, at_once=True) as other:
        assert other.commits() == expected
    assert len(looks) <= 8
    looks.clear()
    with open_graph(root, at_once=True) as other:
        assert other.commit(expected[20].graph_commit_id) == expected[20]
    assert len(looks) <= 7


def test_a_damaged_record_is_told_to_those_who_need_it(graph: Graph, root: str) -> None:
    for number in range(6):
        insert(graph, f"p{number}")
    expected = graph.commits(order="newest", limit=2)
    graph.close()
    open_store(root).put(record_key("main", graph._main.known.cut.entry.position.seq - 3), b"damaged")
    with omnigraph.open(root) as other:
        assert other.commits(order="newest", limit=2) == expected
        with pytest.raises(CorruptObject, match="is damaged"):
            other.commits()
    with omnigraph.open(root) as other:
        assert other.repair().refused


def test_a_common_ancestor_is_found_in_a_few_round_trips(graph: Graph, root: str, looks: list[str]) -> None:
    graph.create_branch("dev")
    for number in range(36):
        insert(graph, f"p{number}", "dev")
        insert(graph, f"m{number}")
    graph.close()
    with omnigraph.open(root) as other:
        assert len(names(other)) == len(names(other, "dev")) == 37
        looks.clear()
        assert other.preview_merge("dev").outcome == "merged"
        assert len(looks) <= 12
        other.merge("dev")
    assert len(names(graph)) == 73


# --- failures ----------------------------------------------------------------------------------------------------------


def record(request: Request) -> bool:
    return request.operation == "PUT" and "/log/main/0" in request.key


@pytest.mark.parametrize("fault", ["lose answer", "failed but done", "refuse", "reset"])
def test_a_commit_is_made_once_whatever_becomes_of_its_answer(fault: Any, proxy: S3Proxy, graph: Graph) -> None:
    commits = len(graph.commits())
    with proxy.failing(fault, record, times=2) as faults:
        insert(graph, "bob")
    assert len(faults.hit) == 2
    assert names(graph) == {"ann", "bob"}
    assert len(graph.commits()) == commits + 1


def test_a_commit_whose_fate_is_unknown_says_so_and_is_whole(
    proxy: S3Proxy, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIGRAPH_S3_RETRY_S", "0.3")
    with omnigraph.init(root, SCHEMA) as graph:
        with (
            proxy.failing("lose answer", lambda request: "/log/main/0" in request.key, times=1000),
            pytest.raises(OutcomeUnknown, match="unknown"),
        ):
            insert(graph, "bob")
        assert names(graph) == {"bob"}


def test_bursts_while_tables_are_written_and_read(proxy: S3Proxy, graph: Graph, root: str) -> None:
    rows = [{"type": "Person", "data": {"name": f"p{n}", "age": n % 90}} for n in range(6_000)]
    with proxy.failing("refuse", lambda request: "/tables/" in request.key, times=3, skip=1) as faults:
        graph.load(rows, "append")
        assert len(faults.hit) == 3
    with (
        omnigraph.open(root) as again,
        proxy.failing("refuse", lambda request: "/tables/" in request.key, times=2),
        proxy.failing("half", lambda request: request.operation == "GET" and "/data/" in request.key, times=1),
    ):
        assert again.query(LOOKUP, {"n": "p77"}).rows() == [{"p.name": "p77", "p.age": 77}]
        assert len(names(again)) == 6_001


def test_a_stale_list_hides_nothing_but_names(proxy: S3Proxy, graph: Graph) -> None:
    graph.branches()
    graph.create_branch("dev")
    with proxy.failing("stale list", lambda request: request.operation == "LIST", times=10):
        assert graph.branches() == ["main"]
        insert(graph, "bob", "dev")
        assert names(graph, "dev") == {"ann", "bob"}
        with pytest.raises(Conflict, match="already exists"):
            graph.create_branch("dev")
    assert graph.branches() == ["dev", "main"]


def test_a_store_without_conditions_gets_nothing(proxy: S3Proxy, root: str) -> None:
    with (
        proxy.failing("no condition", lambda request: True, times=1000),
        pytest.raises(ConditionalWritesMissing, match="conditional writes"),
    ):
        omnigraph.init(root, SCHEMA)
    assert not any("/log/" in request.key for request in proxy.requests if request.operation == "PUT")
    with pytest.raises(NotFound):
        omnigraph.open(root)


def test_no_secret_is_in_an_error(seeing: Callable[[Callable[[], Any]], str], proxy: S3Proxy, root: str) -> None:
    for fault in ("refuse", "half"):
        with proxy.failing(fault, lambda request: True, times=10_000):  # type: ignore[arg-type]
            text = seeing(lambda: omnigraph.open(root))
        assert "very-secret" not in text and "AKIA-of-the-tests" not in text and "session-of" not in text


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], str]:
    """Run something that fails with credentials that stand out, and return all that can be seen of the failure."""
    import traceback

    def run(call: Callable[[], Any]) -> str:
        monkeypatch.setenv("OMNIGRAPH_S3_RETRY_S", "0.05")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-of-the-tests")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "session-of-the-tests")
        with pytest.raises(StorageError) as raised:
            call()
        return "".join(traceback.format_exception(raised.value)) + repr(raised.value) + str(raised.value.hint)

    return run


# --- several writers ---------------------------------------------------------------------------------------------------


def test_another_process_sees_a_commit_at_its_next_read(graph: Graph, root: str) -> None:
    with omnigraph.open(root) as replica:
        assert names(replica) == {"ann"}
        for number in range(20):
            insert(graph, f"p{number}")
            assert f"p{number}" in names(replica)
        for number in range(100):
            insert(graph, f"q{number}")
        assert len(names(replica)) == 121


def test_a_branch_made_while_its_parent_moves_has_what_was_acknowledged(graph: Graph, root: str) -> None:
    with omnigraph.open(root) as other:
        insert(other, "bob")
        graph.create_branch("dev")
        assert names(graph, "dev") == {"ann", "bob"}
        assert names(other, "dev") == {"ann", "bob"}


def test_a_branch_that_was_made_again_by_another_is_the_new_one(graph: Graph, root: str) -> None:
    with omnigraph.open(root) as other:
        graph.create_branch("dev")
        insert(graph, "old", "dev")
        assert names(other, "dev") == {"ann", "old"}
        graph.delete_branch("dev")
        with pytest.raises(NotFound, match="branch 'dev' not found"):
            names(other, "dev")
        graph.create_branch("dev")
        insert(graph, "new", "dev")
        assert names(other, "dev") == {"ann", "new"}
        graph.delete_branch("dev")
        graph.create_branch("dev")
        insert(other, "newest", "dev")
        assert names(graph, "dev") == {"ann", "newest"}
        graph.delete_branch("dev")
        with pytest.raises(NotFound):
            insert(other, "late", "dev")


def test_threads_of_several_graphs_lose_nothing(proxy: S3Proxy, graph: Graph, root: str) -> None:
    writers = [omnigraph.open(root) for _ in range(4)]

    def write(number: int) -> None:
        insert(writers[number % 4], f"w{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert names(graph) == {"ann", *(f"w{number}" for number in range(40))}
    commits = graph.commits()
    for before, after in itertools.pairwise(commits):
        assert after.parent_commit_id == before.graph_commit_id
    for writer in writers:
        writer.close()


def test_of_racing_inits_one_wins(proxy: S3Proxy, root: str) -> None:
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        try:
            omnigraph.init(root, f"node N{number} {{ name: String @key }}").close()
        except Conflict as conflict:
            assert "already initialized" in str(conflict)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    with omnigraph.open(root) as opened:
        assert list(opened.catalog.nodes) == [f"N{won.index(True)}"]


CREATOR = """
    import sys
    from omnigraph.storage.objects import ObjectExists
    from omnigraph.storage.root import open_store
    store = open_store(sys.argv[1])
    store.exists("warm")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        store.put_new("raced", sys.argv[2].encode())
        print("won")
    except ObjectExists:
        print("lost")
"""


def test_of_eight_processes_one_creates(proxy: S3Proxy, root: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CREATOR), root, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(said) == ["lost"] * 7 + ["won"]


def test_the_probe_is_nobodys_orphan(graph: Graph) -> None:
    from omnigraph.storage.reachability import unreachable

    assert PROBE in {item.key for item in graph._store.list("")}
    assert unreachable(graph._log, graph._views.open_table, older_than_s=-60.0) == []


def test_what_a_read_costs_in_time(proxy: S3Proxy, graph: Graph) -> None:
    """Round trips, told by time: a read waits for one, a commit of a lone writer for one, a branch for one."""
    proxy.latency_s = 0.1
    for call, trips in (
        (lambda: graph.query(LOOKUP, {"n": "ann"}), 1),
        (lambda: insert(graph, new_ulid()), 1),
        (lambda: graph.create_branch(new_ulid().lower()), 1),
    ):
        times = []
        for _ in range(3):
            started_s = time.perf_counter()
            call()
            times.append(time.perf_counter() - started_s)
        assert min(times) < 0.1 * trips + 0.09, json.dumps(times)


def test_maintenance_works_on_s3_too(graph: Graph, root: str) -> None:
    for number in range(12):
        graph.load([{"type": "Person", "data": {"name": f"p{number}", "age": number}}], "append")
    graph.create_branch("side")
    commits = [commit.graph_commit_id for commit in graph.commits()]
    before = b"".join(graph.export())
    assert graph.optimize().tables[3].committed
    assert not any(table.committed for table in graph.optimize().tables)
    done = {table.table_key: table for table in graph.cleanup(keep=1, confirm=True).tables}
    assert done["node:Person"].old_versions_removed == 13 and done["node:Person"].bytes_removed > 0
    assert not any(table.error for table in done.values())
    assert not any(table.bytes_removed for table in graph.cleanup(keep=1, confirm=True).tables)
    with omnigraph.open(root) as other:
        assert b"".join(other.export()) == b"".join(other.export(branch="side")) == before
        assert [commit.graph_commit_id for commit in other.commits()] == commits
        with pytest.raises(HistoryReclaimed):
            other.query(NAMES, snapshot=commits[2])
        other.mutate(INSERT, {"n": "next"}, branch="side")
        assert other.merge("side").outcome == "fast_forward"
        assert not other.repair().refused
