"""The bootstrap script end to end: only Docker is a stand-in, which starts a real S3 server on the expected port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stubs import world
from support.s3_servers import program, seaweedfs_lock

DOCKER = """#!/bin/sh
case $1 in
info) exit 0 ;;
inspect)
    [ -e "$STUBS/container" ] || exit 1
    case $* in *--format*) kill -0 "$(cat "$STUBS/container")" 2>/dev/null && echo true || echo false ;; esac
    ;;
rm) rm "$STUBS/container" ;;
run)
    mkdir -p "$STUBS/weed"
    nohup "WEED" mini -dir="$STUBS/weed" -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3.port=9000 -master.telemetry=false -webdav=false \\
        >"$STUBS/weed.log" 2>&1 </dev/null &
    echo $! >"$STUBS/container"
    ;;
logs) cat "$STUBS/weed.log" ;;
esac
"""
# The five calls that the script makes, as signed requests.
AWS = """#!/bin/bash
endpoint=$2 region=$4
shift 4
ask() {
    curl -sS --max-time 20 --aws-sigv4 "aws:amz:$region:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$@"
}
case "$1 $2" in
's3api list-buckets') ask -f -o /dev/null "$endpoint/" ;;
's3api head-bucket') ask -f --head -o /dev/null "$endpoint/$4" ;;
's3api create-bucket') ask -f -o /dev/null -X PUT "$endpoint/$4" ;;
's3api list-objects-v2') ask -f "$endpoint/$4?list-type=2&max-keys=1&prefix=$(printf %s "$6" | sed 's,/,%2F,g')" | grep -c '<Key>' || true ;;
*) exit 64 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with seaweedfs_lock():
        yield tmp_path
        container = tmp_path / "state" / "container"
        if container.exists():
            os.kill(int(container.read_text()), signal.SIGKILL)


def test_a_graph_in_a_real_store_is_served(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with world(folder, port) as here:
        shutil.rmtree(here.programs)
        here.programs.mkdir()
        for name, module in (("omnigraph", "omnigraph.cli.main"), ("omnigraph-server", "omnigraph.server.main")):
            text = f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
            here.stub(name, text)
            (here.bin / name).rename(here.programs / name)
        here.stub("docker", DOCKER.replace("WEED", program("weed")))
        here.stub("aws", AWS)
        more = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "OMNIGRAPH_HOME": str(folder)}
        done = here.run(**more)
        assert done.returncode == 0, done.stderr
        with urllib.request.urlopen(f"http://{here.bind}/snapshot?branch=main") as answer:
            tables = {table["table_key"]: table["row_count"] for table in json.load(answer)["tables"]}
        assert tables["node:Person"] == 6
        assert sum(tables.values()) == 50
        query = "query q() { match { $p: Person $p wrote $n } return { count(distinct $p) as authors } }"
        request = urllib.request.Request(
            f"http://{here.bind}/query",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["rows"] == [{"authors": 6}]
        again = here.run(**more)
        assert again.returncode == 0, again.stderr
        assert "==> reusing the graph s3://omnigraph-local/graphs/context" in again.stdout
