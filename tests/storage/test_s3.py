"""The store on S3: what it promises, and what it makes of a store that fails."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from omnigraph.errors import ConditionalWritesMissing, OutcomeUnknown, StorageError
from omnigraph.storage.names import PROBE
from omnigraph.storage.objects import ObjectChanged, ObjectExists, ObjectMissing
from omnigraph.storage.s3 import S3Store
from omnigraph.storage.s3_settings import S3Settings, parse_s3
from omnigraph.storage.ulid import new_ulid
from support.s3_proxy import Request, S3Proxy
from support.s3_servers import BUCKET, S3Server


def store_at(server: S3Server, url: str | None = None, prefix: str = "", **more: str) -> S3Store:
    variables = server.environment(url) | {"OMNIGRAPH_S3_TIMEOUT_S": "1", "OMNIGRAPH_S3_RETRY_S": "5"} | more
    return S3Store(parse_s3(f"s3://{BUCKET}/{prefix or new_ulid()}"), S3Settings.from_environment(variables))


@pytest.fixture
def store(ministack_server: S3Server) -> Iterator[S3Store]:
    made = store_at(ministack_server)
    yield made
    made.close()


@pytest.fixture
def proxy(ministack_server: S3Server) -> Iterator[S3Proxy]:
    with S3Proxy(ministack_server.url) as running:
        yield running


@pytest.fixture
def behind(ministack_server: S3Server, proxy: S3Proxy) -> Iterator[S3Store]:
    """A store behind the proxy that has passed its probe."""
    made = store_at(ministack_server, proxy.url)
    made.before_write()
    proxy.requests.clear()
    yield made
    made.close()


def puts(key: str):  # type: ignore[no-untyped-def]
    return lambda request: request.operation == "PUT" and request.key.endswith(key)


def gets(key: str):  # type: ignore[no-untyped-def]
    return lambda request: request.operation in ("GET", "HEAD") and request.key.endswith(key)


# --- what it promises --------------------------------------------------------------------------------------------------


def test_objects_come_back(store: S3Store) -> None:
    store.put_new("log/main/1", b"one")
    store.put("head", b"1")
    store.put("head", b"2")
    assert store.get("log/main/1") == b"one"
    assert store.get("head") == b"2"
    assert store.get_range("log/main/1", 1, 2) == b"ne"
    assert store.get_many(["head", "nothing", "log/main/1"]) == [b"2", None, b"one"]
    assert store.exists("head") and not store.exists("nothing")
    with pytest.raises(ObjectExists):
        store.put_new("log/main/1", b"other")
    with pytest.raises(ObjectMissing):
        store.get("nothing")
    with pytest.raises(ObjectMissing):
        store.get_range("nothing", 0, 1)
    with pytest.raises(StorageError, match="ends before byte 9"):
        store.get_range("log/main/1", 0, 9)
    store.delete("head")
    store.delete("head")
    assert not store.exists("head")


def test_listings_are_relative_to_the_root_and_to_whole_segments(store: S3Store) -> None:
    for key in ("refs/a%2fb", "refs/%c3%bc+/x", "refsx/no", "log/main/7"):
        store.put_new(key, b"x")
    assert sorted(item.key for item in store.list("refs/")) == ["refs/%c3%bc+/x", "refs/a%2fb"]
    everything = {item.key: item for item in store.list("")}
    assert set(everything) == {"refs/a%2fb", "refs/%c3%bc+/x", "refsx/no", "log/main/7", PROBE}
    assert everything["log/main/7"].size_bytes == 1
    assert abs(everything["log/main/7"].modified_s - time.time()) < 60
    assert list(store.list("nothing/")) == []


def test_long_listings_come_whole(store: S3Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put_new(f"many/{number:04d}", b""), range(1_100)))
    assert len(list(store.list("many/"))) == 1_100


def test_a_large_object_goes_in_parts(proxy: S3Proxy, behind: S3Store) -> None:
    data = os.urandom(20 * 1024 * 1024)
    behind.put_unique("blobs/large", data)
    assert behind.get("blobs/large") == data
    assert sum(request.operation == "PUT" for request in proxy.requests) >= 3
    assert max(request.size_bytes for request in proxy.requests) <= 8 * 1024 * 1024


def test_of_twenty_threads_one_creates(store: S3Store) -> None:
    start = threading.Barrier(20)

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
    assert store.get("raced") == b"%d" % won.index(True)


def test_hints_are_written_in_the_background_and_are_there_after_close(proxy: S3Proxy, behind: S3Store) -> None:
    proxy.latency_s = 0.1
    started_s = time.monotonic()
    for number in range(50):
        behind.put_hint("log/main/head", b"%020d" % number)
    assert time.monotonic() - started_s < 0.1
    behind.close()
    assert behind.get("log/main/head") == b"%020d" % 49
    assert proxy.operations()["PUT"] < 5


def test_a_replacement_needs_the_content_that_it_replaces(proxy: S3Proxy, behind: S3Store) -> None:
    with pytest.raises(ObjectChanged):
        behind.replace("ledger", b"2", expected=b"1")
    behind.put_new("ledger", b"1")
    behind.replace("ledger", b"2", expected=b"1")
    with pytest.raises(ObjectChanged):
        behind.replace("ledger", b"3", expected=b"1")
    with proxy.failing("failed but done", puts("ledger")):
        behind.replace("ledger", b"4", expected=b"2")
    assert behind.get("ledger") == b"4"

    def replace(number: int) -> bool:
        try:
            behind.replace("ledger", b"by %d" % number, expected=b"4")
        except ObjectChanged:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        won = list(pool.map(replace, range(10)))
    assert sum(won) == 1
    assert behind.get("ledger") == b"by %d" % won.index(True)


# --- the probe ---------------------------------------------------------------------------------------------------------


def test_the_first_write_probes_and_the_others_do_not(ministack_server: S3Server, proxy: S3Proxy) -> None:
    prefix = new_ulid()
    store = store_at(ministack_server, proxy.url, prefix)
    assert not store.exists("x")
    assert len(proxy.requests) == 1
    store.put_new("x", b"1")
    store.put_new("y", b"1")
    assert [str(request).removeprefix(f"PUT {prefix}/") for request in proxy.requests[1:]] == [PROBE, PROBE, "x", "y"]
    proxy.requests.clear()
    store_at(ministack_server, proxy.url, prefix).put_new("z", b"1")
    assert [str(request).removeprefix(f"PUT {prefix}/") for request in proxy.requests] == [PROBE, "z"]


def test_a_store_that_ignores_conditions_is_refused_and_left_as_it_was(ministack_server: S3Server, proxy: S3Proxy) -> None:
    store = store_at(ministack_server, proxy.url)
    with proxy.failing("no condition", lambda request: True, times=1000):
        for write in (store.put_new, store.put, store.put_unique):
            with pytest.raises(ConditionalWritesMissing, match="conditional writes"):
                write("x", b"1")
        with pytest.raises(ConditionalWritesMissing):
            store.before_write()
    assert list(store.list("")) == []


# --- failures ----------------------------------------------------------------------------------------------------------


def test_a_lost_answer_to_a_put_that_was_carried_out_is_a_success(proxy: S3Proxy, behind: S3Store) -> None:
    with proxy.failing("lose answer", puts("seq")):
        behind.put_new("seq", b"mine")
    assert behind.get("seq") == b"mine"


def test_an_error_for_a_put_that_was_carried_out_is_a_success(proxy: S3Proxy, behind: S3Store) -> None:
    with proxy.failing("failed but done", puts("seq"), times=2):
        behind.put_new("seq", b"mine")
    assert behind.get("seq") == b"mine"


def test_a_lost_answer_to_a_put_that_came_second_is_told_as_such(proxy: S3Proxy, behind: S3Store) -> None:
    behind.put_new("seq", b"theirs")
    with proxy.failing("lose answer", puts("seq")), pytest.raises(ObjectExists):
        behind.put_new("seq", b"mine")
    assert behind.get("seq") == b"theirs"


def test_a_put_that_cannot_be_settled_is_told_as_such(proxy: S3Proxy, behind: S3Store, ministack_server: S3Server) -> None:
    hasty = store_at(ministack_server, proxy.url, OMNIGRAPH_S3_RETRY_S="0.3")
    hasty.before_write()
    with (
        proxy.failing("lose answer", lambda request: request.key.endswith("seq"), times=1000),
        pytest.raises(OutcomeUnknown, match="the outcome of writing 'seq' is unknown") as raised,
    ):
        hasty.put_new("seq", b"mine")
    assert raised.value.kind == "outcome_unknown"


@pytest.mark.parametrize("fault", ["refuse", "reset", "lose answer", "half", "failed but done"])
def test_reads_pass_through_a_burst_of_failures(fault: str, proxy: S3Proxy, behind: S3Store) -> None:
    behind.put_new("some", b"0123456789" * 1000)
    with proxy.failing(fault, gets("some"), times=4) as burst:  # type: ignore[arg-type]
        assert behind.get("some") == b"0123456789" * 1000
        assert len(burst.hit) == 4
    with proxy.failing(fault, gets("some"), times=2):  # type: ignore[arg-type]
        assert behind.get_range("some", 10, 10) == b"0123456789"


@pytest.mark.parametrize("fault", ["refuse", "reset", "lose answer", "failed but done"])
def test_writes_pass_through_a_burst_of_failures(fault: str, proxy: S3Proxy, behind: S3Store) -> None:
    with proxy.failing(fault, lambda request: request.operation in ("PUT", "DELETE"), times=3):  # type: ignore[arg-type]
        behind.put_new("some", b"1")
    with proxy.failing(fault, lambda request: request.operation in ("PUT", "DELETE"), times=3):  # type: ignore[arg-type]
        behind.put("other", b"2")
    with proxy.failing(fault, lambda request: request.operation in ("PUT", "DELETE"), times=3):  # type: ignore[arg-type]
        behind.delete("some")
    assert behind.get_many(["some", "other"]) == [None, b"2"]


def test_a_slow_first_byte_is_waited_for_up_to_the_limit(ministack_server: S3Server) -> None:
    with S3Proxy(ministack_server.url, slow_s=0.5) as proxy:
        patient = store_at(ministack_server, proxy.url)
        patient.put_new("x", b"1")
        with proxy.failing("slow", gets("x")):
            assert patient.get("x") == b"1"
        hasty = store_at(ministack_server, proxy.url, OMNIGRAPH_S3_TIMEOUT_S="0.1", OMNIGRAPH_S3_RETRY_S="0")
        with proxy.failing("slow", lambda request: True, times=100), pytest.raises(StorageError, match="in time"):
            hasty.get("x")


def test_a_store_that_is_away_is_named(ministack_server: S3Server) -> None:
    with S3Proxy(ministack_server.url) as proxy:
        url = proxy.url
    store = store_at(ministack_server, url, OMNIGRAPH_S3_RETRY_S="0.2")
    for call in (
        lambda: store.get("x"),
        lambda: store.put_new("x", b"1"),
        lambda: store.exists("x"),
        lambda: list(store.list("")),
    ):
        with pytest.raises(StorageError, match="cannot be reached") as raised:
            call()
        assert url in str(raised.value) and "AWS_ENDPOINT_URL_S3" in str(raised.value.hint)


def test_a_missing_bucket_is_named(ministack_server: S3Server) -> None:
    settings = S3Settings.from_environment(ministack_server.environment())
    store = S3Store(parse_s3("s3://not-there/x"), settings)
    for call in (lambda: store.get("x"), lambda: store.put_new("x", b"1")):
        with pytest.raises(StorageError, match="NoSuchBucket") as raised:
            call()
        assert "create the bucket" in str(raised.value.hint)


def test_requests_name_what_they_are(proxy: S3Proxy, behind: S3Store) -> None:
    behind.put_new("x", b"1")
    assert proxy.requests == [Request("PUT", proxy.requests[0].key, "", True, 1)]
