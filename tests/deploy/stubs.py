"""Stand-ins for docker, aws, curl, git, pip and the programs, by which every branch of the bootstrap can be driven."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "local-rustfs-bootstrap.sh"

_DOCKER = """#!/bin/sh
echo "docker $*" >>"$STUBS/calls"
case $1 in
info) [ -e "$STUBS/daemon" ] ;;
inspect)
    [ -e "$STUBS/container" ] || exit 1
    case $* in *--format*) cat "$STUBS/container" ;; esac
    ;;
rm) rm "$STUBS/container" ;;
run) echo true >"$STUBS/container" ;;
logs) echo "the container's log" ;;
esac
"""
# A bucket is a folder, an object a file in it.
_AWS = """#!/bin/sh
echo "aws $*" >>"$STUBS/calls"
shift 4
case "$1 $2" in
's3api list-buckets') [ -e "$STUBS/container" ] && [ ! -e "$STUBS/deaf" ] ;;
's3api head-bucket') [ -d "$STUBS/buckets/$4" ] ;;
's3api create-bucket') mkdir -p "$STUBS/buckets/$4" ;;
's3api list-objects-v2') find "$STUBS/buckets/$4/$6" -type f 2>/dev/null | wc -l ;;
's3 rm') rm -rf "$STUBS/buckets/${3#s3://}" ;;
esac
"""
_OMNIGRAPH = """#!/bin/sh
echo "omnigraph $*" >>"$STUBS/calls"
case $1 in
version) echo omnigraph stub ;;
snapshot) [ -e "$STUBS/buckets/${2#s3://}/graph" ] ;;
init) mkdir -p "$STUBS/buckets/${2#s3://}" && touch "$STUBS/buckets/${2#s3://}/graph" ;;
load) [ -f "$4" ] ;;
esac
"""
_SERVER = """#!PYTHON
import http.server, os, signal, sys
with open(os.environ["STUBS"] + "/calls", "a") as calls:
    print("omnigraph-server", *sys.argv[1:], file=calls)
if os.path.exists(os.environ["STUBS"] + "/broken"):
    sys.exit("error: a reason")
host, _, port = sys.argv[sys.argv.index("--bind") + 1].rpartition(":")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"""


class World:
    """A folder with stand-ins on the path; what they were asked is in `calls`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.bin = folder / "bin"
        self.programs = folder / "programs"
        self.work = folder / "demo"
        for path in (self.state, self.bin, self.programs):
            path.mkdir()
        self.bind = f"127.0.0.1:{port}"
        self.stub("docker", _DOCKER)
        self.stub("aws", _AWS)
        for name in ("omnigraph", "omnigraph-server"):
            self.program(self.programs, name)
        (self.state / "daemon").touch()
        (self.state / "calls").touch()

    def stub(self, name: str, text: str) -> None:
        self._executable(self.bin / name, text)

    def program(self, where: Path, name: str) -> None:
        self._executable(where / name, _OMNIGRAPH if name == "omnigraph" else _SERVER.replace("PYTHON", sys.executable))

    @staticmethod
    def _executable(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *, path: str | None = None, script: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the script in the folder; ``script`` is its text when it comes through a pipe."""
        environment = {
            "HOME": str(self.folder),
            "PATH": path or f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "STUBS": str(self.state),
            "WORKDIR": str(self.work),
            "BIND": self.bind,
            "OMNIGRAPH_BIN_DIR": str(self.programs),
            **more,
        }
        environment = {name: text for name, text in environment.items() if text != "(unset)"}
        command = ["bash", "-s"] if script is not None else ["bash", str(SCRIPT)]
        return subprocess.run(
            command, cwd=self.folder, env=environment, input=script, capture_output=True, text=True, timeout=120, check=False
        )

    def calls(self, *beginning: str) -> list[str]:
        """Return what was asked since the last look, of the programs named."""
        text = (self.state / "calls").read_text()
        (self.state / "calls").write_text("")
        return [line for line in text.splitlines() if not beginning or line.startswith(beginning)]

    @property
    def pid(self) -> int:
        return int((self.work / "omnigraph-server.pid").read_text())

    def stop(self) -> None:
        file = self.work / "omnigraph-server.pid"
        if not file.exists():
            return
        try:
            os.kill(int(file.read_text()), signal.SIGTERM)
        except ProcessLookupError:
            return
        for _ in range(50):
            try:
                os.kill(int(file.read_text()), 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)


@contextmanager
def world(folder: Path, port: int) -> Iterator[World]:
    made = World(folder, port)
    try:
        yield made
    finally:
        made.stop()
