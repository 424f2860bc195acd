"""A server as a process of its own, on the loopback interface."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "omnigraph.server"]
_GREETING = "OMNIGRAPH_LISTEN_ADDR="
_WAIT_S = 60


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNIGRAPH_")}
    return {**kept, "OMNIGRAPH_SUPPRESS_YAML_DEPRECATION": "1", **(more or {})}


@dataclass
class Outcome:
    status: int
    out: str
    err: str


def refuse(*words: str, folder: Path, more: Mapping[str, str] | None = None) -> Outcome:
    """Run a server that is not expected to come up."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment(more), capture_output=True, text=True, timeout=_WAIT_S, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class Server:
    words: tuple[str, ...]
    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    port: int = 0
    settings: str = ""
    """Code that runs before the server does, to make it less patient than it is."""
    files_max: int | None = None

    def __enter__(self) -> Server:
        self.log = (self.folder / f"server-{id(self)}.log").open("w+b")
        command = COMMAND
        if self.settings or self.files_max is not None:
            limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({self.files_max}, {self.files_max}))"
            run = "import sys; from omnigraph.server.main import main; sys.exit(main())"
            command = [sys.executable, "-c", "\n".join([limit if self.files_max else "", self.settings, run])]
        self.process = subprocess.Popen(
            [*command, *self.words, "--bind", f"127.0.0.1:{self.port}"],
            cwd=self.folder,
            env=environment(self.more),
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _WAIT_S)
        self.first_line = self.process.stdout.readline().decode() if ready else ""
        assert self.first_line.startswith(_GREETING), self.logged()
        self.port = int(self.first_line.strip().rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()

    def logged(self) -> str:
        self.log.flush()
        return Path(self.log.name).read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(_WAIT_S)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_WAIT_S)

    def headers(self) -> dict[str, str]:
        found = {"Content-Type": "application/json"}
        if self.token is not None:
            found["Authorization"] = f"Bearer {self.token}"
        return found

    def send(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {**self.headers(), **more})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
