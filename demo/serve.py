"""Serves the graph that `build.py` has made, and asks it the same five questions through HTTP."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from typing import Any

from build import BUILD, GRAPH, QUERIES, QUESTIONS, command, program, say, shown, step

HOST, PORT = "127.0.0.1", 8080
CONFIG, LOG = BUILD / "omnigraph.yaml", BUILD / "server.log"
GREETING = "OMNIGRAPH_LISTEN_ADDR="
ROWS_SHOWN = 3
STOP_S = 20


def main() -> int:
    if not GRAPH.exists():
        print(f"there is no {shown(GRAPH)}; `make demo` makes it", file=sys.stderr)
        return 1
    write_config()
    bind = f"{HOST}:{PORT if is_free(PORT) else 0}"
    step("Serve the graph")
    words = [shown(GRAPH), "--config", shown(CONFIG), "--unauthenticated", "--bind", bind]
    command("OMNIGRAPH_SUPPRESS_YAML_DEPRECATION=1", program("omnigraph-server"), *words)
    if bind.endswith(":0"):
        say(f"port {PORT} is taken, so the server takes a free one")
    with LOG.open("wb") as log:
        server = start(words, log)
        try:
            return converse(server)
        except KeyboardInterrupt:
            print()
            return 0
        finally:
            stop(server)


def converse(server: subprocess.Popen[str]) -> int:
    """Ask the questions; then, on a terminal, leave the server running until Ctrl-C."""
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line.startswith(GREETING):
        print(f"the server did not start:\n{LOG.read_text(encoding='utf-8')}", file=sys.stderr)
        return 1
    address = line.strip().removeprefix(GREETING)
    say(f"it listens on {address}; its log is {shown(LOG)}")
    for name, parameters, meaning, _ in QUESTIONS:
        step(meaning)
        ask(address, "POST", f"/queries/{name}", {"params": parameters} if parameters else None)
    step("A query of your own, and what the server tells about itself")
    text = "query small() { match { $p: Package { installed: true } } return { $p.name, $p.bytes } order { $p.bytes } limit 3 }"
    ask(address, "POST", "/query", {"query": text})
    ask(address, "GET", "/healthz")
    step("Go on by yourself")
    for words in (("snapshot",), ("query", "package", "--param=name=pip"), ("commit", "list")):
        command(program("omnigraph"), *words, "--uri", f"http://{address}")
    command("curl", "-s", f"http://{address}/openapi.json")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return 0
    say("the server runs until you press Ctrl-C")
    server.wait()
    return 0


def ask(address: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:  # Any: JSON values
    """Print a request as a line for curl, send it, and print its answer, long ones shortened."""
    words = ["curl", "-s", *(["-X", method] if method == "POST" and body is None else []), f"http://{address}{path}"]
    headers = {}
    if body is not None:
        if path == "/query":
            words += ["-H", "Content-Type: application/json"]
            headers["Content-Type"] = "application/json"
        words += ["-d", json.dumps(body)]
    print(f"   $ {shlex.join(words)}", flush=True)
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    rows = answer.get("rows", [])
    if len(rows) > ROWS_SHOWN:
        answer["rows"] = rows[:ROWS_SHOWN]
    print(json.dumps(answer, ensure_ascii=False))
    if len(rows) > ROWS_SHOWN:
        say(f"and {len(rows) - ROWS_SHOWN} more rows")
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path} answered {response.status}")


def write_config() -> None:
    """Let the server offer the questions by their names."""
    queries = {name: {"file": os.path.relpath(QUERIES, BUILD)} for name, *_ in QUESTIONS}
    CONFIG.write_text(json.dumps({"queries": queries}, indent=2) + "\n", encoding="utf-8")  # JSON is YAML


def start(words: list[str], log: Any) -> subprocess.Popen[str]:  # Any: an open file
    """Start the server in a session of its own: Ctrl-C is for us, and we pass it on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNIGRAPH_")}
    return subprocess.Popen(
        [sys.executable, "-m", "omnigraph.server", *words],
        env={**kept, "OMNIGRAPH_SUPPRESS_YAML_DEPRECATION": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )


def stop(server: subprocess.Popen[str]) -> None:
    if server.poll() is not None:
        return
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    say("the server has stopped")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with it ignored
    sys.exit(main())
