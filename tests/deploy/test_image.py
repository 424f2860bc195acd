"""What the image does, without Docker: its install script in a clean folder and environment, then its entrypoint."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from cluster.worlds import WIDER, write_config

ROOT = Path(__file__).resolve().parents[2]


def test_the_entrypoint_keeps_its_contract() -> None:
    done = subprocess.run(
        ["sh", "docker/entrypoint_test.sh"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def context(to: Path) -> list[str]:
    """Copy what ``docker build`` would see by .dockerignore; returns the files. Knows the patterns that the file uses."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "everything is left out, then named"
    allowed = [line[1:] for line in lines if line.startswith("!")]
    refused = [line.removeprefix("**/") for line in lines[1:] if not line.startswith("!")]
    files = []
    for name in allowed:
        for path in [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.is_file() and not any(fnmatch(part, pattern) for part in relative.parts for pattern in refused):
                (to / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, to / relative)
                files.append(str(relative))
    return files


def test_the_context_holds_no_secrets(tmp_path: Path) -> None:
    files = context(tmp_path)
    assert "src/omnigraph/__init__.py" in files
    assert not [name for name in files if name.startswith((".git", "tests", "docs")) or ".env" in name]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs after the install step of the image."""
    return install(tmp_path_factory.mktemp("image"), "")


def install(folder: Path, extras: str) -> Path:
    """Install into the folder as the image does, from what ``docker build`` sees, with relative names; returns the programs."""
    context(folder / "context")
    environment = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"PYTHON": sys.executable, "OMNIGRAPH_EXTRAS": extras}
    command = ["sh", "docker/install.sh", ".", "../venv", "../bin"]
    done = subprocess.run(
        command, cwd=folder / "context", env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("omnigraph ")
    shutil.rmtree(folder / "context")
    return folder / "bin"


def run(*words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **more}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_default_variant_has_no_aws_sdk(image: Path, tmp_path: Path) -> None:
    python = str((image / "omnigraph").resolve().parent / "python")
    listed = run(python, "-m", "pip", "list", "--format", "freeze", folder=tmp_path).stdout.lower()
    assert "obstore" in listed
    for name in ("boto", "pandas", "httpx", "setuptools"):
        assert name not in listed
    refused = run(str(image / "omnigraph-server-aws"), "g.omni", folder=tmp_path)
    assert refused.returncode == 1
    assert "pip install 'omnigraph[aws]'" in refused.stderr
    secret = run(
        str(image / "omnigraph-server"),
        "g.omni",
        folder=tmp_path,
        OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET="s",
        OMNIGRAPH_UNAUTHENTICATED="1",
    )
    assert secret.returncode == 1
    assert "AWS support is not installed" in secret.stderr


def listed_in(programs: Path) -> list[str]:
    """Return what is installed beside the programs, as name==version."""
    python = str((programs / "omnigraph").resolve().parent / "python")
    assert run(python, "-m", "pip", "check", folder=programs).returncode == 0
    return run(python, "-m", "pip", "list", "--format", "freeze", folder=programs).stdout.lower().split()


@pytest.mark.slow
def test_the_aws_variant_installs_and_reads_secrets(image: Path, tmp_path: Path) -> None:
    programs = install(tmp_path, "aws")
    listed = listed_in(programs)
    more = sorted({line.partition("=")[0] for line in set(listed) - set(listed_in(image))})
    page = (ROOT / "docs" / "user" / "install.md").read_text()
    assert more == ["boto3", "botocore", "jmespath", "s3transfer"], "the page about installing tells what the extra costs"
    assert all(f"`{name}`" in page for name in more)
    pinned = (ROOT / "constraints.txt").read_text().lower().splitlines()
    assert [line for line in listed if line.startswith("boto3==")] == [line for line in pinned if line.startswith("boto3==")]
    nobody = {  # no keys, no role, and a place where nobody answers: it is the SDK that says so
        "OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET": "team/tokens",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for program in ("omnigraph-server", "omnigraph-server-aws"):
        done = run(str(programs / program), "g.omni", folder=tmp_path, **nobody)
        assert done.returncode == 1
        assert "fetch AWS Secrets Manager secret 'team/tokens': Unable to locate credentials" in done.stderr


@contextlib.contextmanager
def entrypoint(image: Path, folder: Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the entrypoint on a free port until the block ends; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OMNIGRAPH_SERVER_BIN": str(image / "omnigraph-server"),
        "OMNIGRAPH_BIND": f"127.0.0.1:{port}",
        **variables,
    }
    process = subprocess.Popen(["sh", str(ROOT / "docker" / "entrypoint.sh")], cwd=folder, env=environment)
    try:
        answer(f"http://127.0.0.1:{port}/healthz", process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, "the server is the process that gets the signal"


def test_the_entrypoint_serves_and_stops_on_a_signal(image: Path, tmp_path: Path) -> None:
    fixture = ROOT / "fixtures" / "context"
    omnigraph = str(image / "omnigraph")
    for words in (
        ("init", "g.omni", "--schema", f"{fixture}/context.pg"),
        ("load", "g.omni", "--data", f"{fixture}/context.jsonl", "--mode", "overwrite"),
    ):
        done = run(omnigraph, *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    variables = {"OMNIGRAPH_TARGET_URI": "g.omni", "OMNIGRAPH_UNAUTHENTICATED": "1", "OMNIGRAPH_SOURCE_VERSION": "abc123"}
    with entrypoint(image, tmp_path, **variables) as (url, process):
        assert b"abc123" in answer(f"{url}/healthz", process)
        assert b'"node:Person"' in answer(f"{url}/snapshot", process)


def test_an_address_with_a_policy(image: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "omnigraph.yaml").write_text("policy: { file: policy.yaml }\n")
    shutil.copy(ROOT / "deploy" / "railway" / "policy.yaml", config / "policy.yaml")
    done = run(str(image / "omnigraph"), "init", "g.omni", "--schema", f"{ROOT}/fixtures/context/context.pg", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    variables = {
        "OMNIGRAPH_TARGET_URI": "g.omni",
        "OMNIGRAPH_CONFIG": str(config / "omnigraph.yaml"),
        "OMNIGRAPH_SERVER_BEARER_TOKENS_JSON": '{"reader": "r", "writer": "w"}',
    }
    with entrypoint(image, tmp_path, **variables) as (url, _):
        body = b'{"query": "query q() { insert Person { slug: \\"a\\", name: \\"A\\" } }"}'

        def write(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            try:
                with urllib.request.urlopen(urllib.request.Request(f"{url}/mutate", body, headers)) as found:
                    return int(found.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert [write("r"), write("w"), write("x")] == [403, 200, 401]


def test_day_two_in_the_container(image: Path, tmp_path: Path) -> None:
    folder = write_config(tmp_path / "cluster")
    omnigraph = str(image / "omnigraph")
    for verb in ("import", "apply"):
        done = run(omnigraph, "cluster", verb, "--as", "you", "--config", folder, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    variables = {"OMNIGRAPH_CLUSTER": folder, "OMNIGRAPH_SERVER_BEARER_TOKEN": "t"}

    def columns() -> bytes:
        with entrypoint(image, tmp_path, **variables) as (url, _):
            headers = {"Authorization": "Bearer t"}
            served = urllib.request.Request(f"{url}/graphs/atlas/schema", headers=headers)
            try:
                with urllib.request.urlopen(served) as found:
                    body: bytes = found.read()
                    return body
            except urllib.error.HTTPError as error:
                return error.read()

    (tmp_path / "cluster" / "base.policy.yaml").write_text(
        "version: 1\ngroups: {all: [default]}\nrules: [{id: r, allow: {actors: {group: all}, actions: [read]}}]\n"
    )
    done = run(omnigraph, "cluster", "apply", "--as", "you", "--config", folder, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"population" in (before := columns())
    assert b"mayor" not in before
    (tmp_path / "cluster" / "atlas.pg").write_text(WIDER)
    done = run(omnigraph, "cluster", "apply", "--as", "you", "--config", folder, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"mayor" in columns(), "a restart serves what was applied"


def answer(url: str, process: subprocess.Popen[bytes]) -> bytes:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=2) as found:
                body: bytes = found.read()
                return body
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "the server ended"
            time.sleep(0.1)
    raise AssertionError("the server did not answer")
