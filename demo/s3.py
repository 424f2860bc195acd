"""The same graph and questions on a real S3 server: SeaweedFS, from its pip package, is started for it and stopped again."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import build
from build import QUERIES, QUESTIONS, RECORDS, SCHEMA, command, program, say, shown, step

import omnigraph

BUCKET, ADDRESS = "demo", "s3://demo/packages"
STORE = build.BUILD / "store"
PORTS = {"s3": 8333, "master": 9333, "volume": 9340, "filer": 8888, "admin": 23646}
READY_S = 60.0


def main() -> int:
    began = time.perf_counter()
    shutil.rmtree(build.BUILD, ignore_errors=True)
    STORE.mkdir(parents=True)
    step("Start an object store on this machine, with keys made up for this run")
    with store() as variables:
        os.environ.update(variables)
        for name, value in variables.items():
            say(f"{name}={'…' if name == 'AWS_SECRET_ACCESS_KEY' else value}")

        step("Read what is installed in this environment")
        count = build.write_records(build.records(build.installed()))
        say(f"{count} records in {shown(RECORDS)}")

        step("Create a graph in a bucket and load the records, as one commit")
        run("init", "--schema", shown(SCHEMA), ADDRESS)
        run("load", "--data", shown(RECORDS), "--mode", "append", ADDRESS)

        source = QUERIES.read_text(encoding="utf-8")
        with omnigraph.open(ADDRESS) as graph:
            for name, parameters, meaning, _ in QUESTIONS:
                step(meaning)
                words = [f"--param={key}={value}" for key, value in parameters.items()]
                command(program("omnigraph"), "query", "--uri", ADDRESS, "--query", shown(QUERIES), "--name", name, *words)
                asked = time.perf_counter()
                print(graph.query(source, parameters, name=name))
                say(f"{(time.perf_counter() - asked) * 1000:.0f} ms")

            step("Write from another process, and read it at once in this one")
            before = len(graph.commits())
            by_hand = ["--name", "needs_too", "--param=from=pip", "--param=to=numpy"]
            run("mutate", "--uri", ADDRESS, "--query", shown(QUERIES), *by_hand)
            say(f"commits seen here: {before}, and now {len(graph.commits())}")
        run("branch", "create", "--uri", ADDRESS, "experiment")
        run("branch", "list", ADDRESS)

    shutil.rmtree(STORE)
    say(f"done in {time.perf_counter() - began:.1f} s; the store is stopped and its files are removed")
    say("your own bucket works the same way: docs/user/object-storage.md")
    return 0


def run(*words: str) -> None:
    """Show a command, run it, and show what it says."""
    command(program("omnigraph"), *words)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from omnigraph.cli.main import main; sys.exit(main())", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in (done.stdout + done.stderr).splitlines():
        say(line)
    if done.returncode:
        raise SystemExit(done.returncode)


@contextlib.contextmanager
def store() -> Iterator[dict[str, str]]:
    """Run SeaweedFS and give the variables that lead to it."""
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        raise SystemExit("the program 'weed' is missing: `make install` brings it with the development tools")
    for name, port in PORTS.items():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            raise SystemExit(
                f"port {port}, which the store needs for its {name} service, is taken; stop what listens there first"
            )
    keys = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16)}
    words = [str(weed), "mini", f"-dir={STORE}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"]
    words += [f"-s3.port={PORTS['s3']}", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    url = f"http://127.0.0.1:{PORTS['s3']}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (build.BUILD / "store.log").open("wb") as log:
        process = subprocess.Popen(words, env=inherited | keys, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + READY_S
            while not answers(f"{url}/{BUCKET}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the store did not start; see {shown(build.BUILD / 'store.log')}")
                time.sleep(0.1)
            yield keys | {"AWS_ENDPOINT_URL_S3": url, "AWS_REGION": "us-east-1"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    """Whether the store knows the bucket; it refuses to say more to strangers."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 403
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
