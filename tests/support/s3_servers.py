"""Object stores for the tests, from pip packages: ministack is quick, SeaweedFS is a real store and checks signatures."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READY_S = 30.0
BUCKET = "graphs"


@dataclass(frozen=True)
class S3Server:
    """A running store and how to get in."""

    url: str
    access_key_id: str
    secret_access_key: str

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Return the variables that lead there, or to a proxy in front of it."""
        return {
            "AWS_ENDPOINT_URL_S3": url or self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": "us-east-1",
        }


@contextlib.contextmanager
def ministack() -> Iterator[S3Server]:
    """Start ministack on a free port. It believes everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"GATEWAY_PORT": str(port), "SERVICES": "s3"}
    url = f"http://127.0.0.1:{port}"
    with _running([program("ministack")], environment, f"{url}/_ministack/health"):
        urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT"))
        yield S3Server(url, "test", "test")


@contextlib.contextmanager
def seaweedfs_lock() -> Iterator[None]:
    """Wait until no other SeaweedFS of these tests runs on the machine."""
    with (Path(tempfile.gettempdir()) / "omnigraph-tests-seaweedfs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def seaweedfs(port: int = 8333) -> Iterator[S3Server]:
    """Start SeaweedFS. It takes a dozen fixed ports, so there is one at a time on a machine: others wait here."""
    with seaweedfs_lock():
        server = S3Server(f"http://127.0.0.1:{port}", "tester", "a-secret-of-the-tests")
        environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"AWS_ACCESS_KEY_ID": server.access_key_id, "AWS_SECRET_ACCESS_KEY": server.secret_access_key}
        with tempfile.TemporaryDirectory(prefix="omnigraph-seaweedfs-") as folder:
            command = [program("weed"), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
            command += [f"-s3.port={port}", f"-bucket={BUCKET}", "-master.telemetry=false", "-webdav=false"]
            with _running(command, environment, f"{server.url}/{BUCKET}", expected=(200, 403)):
                yield server


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], url: str, expected: tuple[int, ...] = (200,)) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            deadline_s = time.monotonic() + READY_S
            while _status(url) not in expected:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} did not start: {log.read()[-2000:].decode(errors='replace')}")
                time.sleep(0.05)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"'{name}' is not installed; `make install` brings it with the development tools")
    return found
