"""Records of the server: batched ones lose no line and keep their order, and a reader that went away harms nobody."""

import io
import time
from threading import Thread

from omnigraph.server.logs import BATCH_S, Log


def test_batched_records_come_complete_and_in_their_order() -> None:
    stream = io.StringIO()
    log = Log(stream, batched=True)

    def write(name: str) -> None:
        for number in range(2_000):
            log.write(20, "request", {"thread": name, "number": number})

    threads = [Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.flush()
    lines = [line.split()[-2:] for line in stream.getvalue().splitlines()]
    for name in "abc":
        assert [number for thread, number in lines if thread == f"thread={name}"] == [f"number={n}" for n in range(2_000)]
    assert len(lines) == 6_000


def test_a_batched_record_is_written_soon_and_a_warning_at_once() -> None:
    stream = io.StringIO()
    log = Log(stream, batched=True)
    log.write(20, "first", {})
    end_s = time.monotonic() + 100 * BATCH_S
    while not stream.getvalue() and time.monotonic() < end_s:
        time.sleep(BATCH_S / 4)
    assert stream.getvalue().endswith("INFO first\n")
    log.write(20, "second", {})
    log.write(30, "third", {})
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["first", "second", "third"]


def test_a_reader_that_went_away_stops_nothing() -> None:
    stream = io.StringIO()
    log = Log(stream, batched=True)
    stream.close()
    log.write(20, "first", {})
    time.sleep(3 * BATCH_S)
    log.write(20, "second", {})
