"""The bootstrap script: every branch with stand-ins."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stubs import SCRIPT, World, world

ROOT = SCRIPT.parents[1]


@pytest.fixture
def stubs(tmp_path: Path) -> Iterator[World]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with world(tmp_path, port) as made:
        yield made


def path_without(*names: str, stubs: World) -> str:
    """A path on which the named programs are not to be found: links to all others."""
    folder = stubs.folder / "some"
    folder.mkdir(exist_ok=True)
    for place in [str(stubs.bin), *os.environ["PATH"].split(os.pathsep)]:
        if not Path(place).is_dir():
            continue
        for program in Path(place).iterdir():
            link = folder / program.name
            if program.name not in names and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def test_from_nothing_to_a_server(stubs: World) -> None:
    done = stubs.run()
    assert done.returncode == 0, done.stderr
    calls = stubs.calls()
    (run,) = [call for call in calls if call.startswith("docker run")]
    assert "--name omnigraph-rustfs-demo " in run
    assert "--publish 9000:9000 --publish 9001:9001" in run
    assert f"--user {os.getuid()}:{os.getgid()}" in run, "the image's own user may not write to a folder of whoever runs this"
    assert f"--volume {stubs.work}/rustfs-data:/data" in run
    assert "RUSTFS_ACCESS_KEY=rustfsadmin" in run
    uri = "s3://omnigraph-local/graphs/context"
    assert f"omnigraph init {uri} --schema {ROOT}/fixtures/context/context.pg" in calls
    assert f"omnigraph load {uri} --data {ROOT}/fixtures/context/context.jsonl --mode overwrite" in calls
    assert f"omnigraph-server {uri} --bind {stubs.bind} --unauthenticated" in calls
    assert [line for line in done.stdout.splitlines() if line.startswith("==>")] == [
        f"==> using the programs in {stubs.programs}",
        "==> starting RustFS",
        "==> creating the bucket omnigraph-local",
        f"==> creating the graph {uri}",
        f"==> starting omnigraph-server on {stubs.bind}",
    ]
    for wanted in (f"http://{stubs.bind}", uri, "http://127.0.0.1:9001", "docker logs", "kill"):
        assert wanted in done.stdout
    with urllib.request.urlopen(f"http://{stubs.bind}/healthz") as answer:
        assert answer.status == 200


def test_a_second_run_reuses_everything_and_restarts_the_server(stubs: World) -> None:
    assert stubs.run().returncode == 0
    first = stubs.pid
    stubs.calls()
    done = stubs.run()
    assert done.returncode == 0, done.stderr
    assert stubs.pid != first
    calls = stubs.calls()
    assert not any(call.startswith(("docker run", "docker rm", "omnigraph init", "omnigraph load")) for call in calls)
    assert "create-bucket" not in " ".join(calls)
    assert "==> reusing the container omnigraph-rustfs-demo\n==> reusing the graph" in done.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_stopped_container_is_replaced(stubs: World) -> None:
    (stubs.state / "container").write_text("false\n")
    assert stubs.run().returncode == 0
    calls = stubs.calls("docker rm", "docker run")
    assert calls[0] == "docker rm --force omnigraph-rustfs-demo"
    assert calls[1].startswith("docker run")


def test_overrides(stubs: World) -> None:
    done = stubs.run(
        WORKDIR=str(stubs.folder / "elsewhere"),
        BUCKET="mine",
        PREFIX="/a/b/",
        RUSTFS_CONTAINER_NAME="box",
        RUSTFS_IMAGE="an/image:1",
        RUSTFS_DATA_DIR=str(stubs.folder / "data"),
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="word",
        AWS_ENDPOINT_URL="http://127.0.0.1:9999",
        AWS_REGION="eu-west-1",
        OMNIGRAPH_SERVER_BEARER_TOKEN="secret",
    )
    assert done.returncode == 0, done.stderr
    stubs.work = stubs.folder / "elsewhere"
    calls = stubs.calls()
    run = next(call for call in calls if call.startswith("docker run"))
    assert "--name box" in run
    assert run.endswith("RUSTFS_ALLOW_INSECURE_DEFAULT_CREDENTIALS=true an/image:1 /data")
    assert f"{stubs.folder}/data:/data" in run
    assert "RUSTFS_ACCESS_KEY=key --env RUSTFS_SECRET_KEY=word" in run
    assert "aws --endpoint-url http://127.0.0.1:9999 --region eu-west-1 s3api create-bucket --bucket mine" in calls
    assert f"omnigraph-server s3://mine/a/b --bind {stubs.bind}" in calls, "a token is a token source: no consent needed"
    assert (stubs.work / "omnigraph-server.log").exists()
    assert "secret" not in done.stdout + done.stderr


def test_what_it_does_when_nothing_is_said(stubs: World) -> None:
    stubs.stub("curl", "#!/bin/sh\n")
    server = '#!/bin/sh\necho "omnigraph-server $*" >>"$STUBS/calls"\nexec sleep 60\n'
    stubs.stub("omnigraph-server", server)
    (stubs.bin / "omnigraph-server").replace(stubs.programs / "omnigraph-server")
    done = stubs.run(WORKDIR="(unset)", BIND="(unset)")
    stubs.work = stubs.folder / ".omnigraph-rustfs-demo"
    assert done.returncode == 0, done.stderr
    assert stubs.calls("omnigraph-server") == [
        "omnigraph-server s3://omnigraph-local/graphs/context --bind 127.0.0.1:8080 --unauthenticated"
    ]
    assert "curl http://127.0.0.1:8080/healthz" in done.stdout
    assert stubs.pid


def test_leftovers_are_only_deleted_when_told(stubs: World) -> None:
    leftover = stubs.state / "buckets" / "omnigraph-local" / "graphs" / "context" / "log" / "half"
    neighbour = stubs.state / "buckets" / "omnigraph-local" / "graphs" / "other" / "graph"
    for path in (leftover, neighbour):
        path.parent.mkdir(parents=True)
        path.touch()
    refused = stubs.run()
    assert refused.returncode == 1
    assert "RESET_REPO=1" in refused.stderr
    assert "PREFIX" in refused.stderr
    assert leftover.exists()
    assert stubs.run(PREFIX="graphs/fresh").returncode == 0, "another prefix is free"
    done = stubs.run(RESET_REPO="1")
    assert done.returncode == 0, done.stderr
    assert not leftover.exists()
    assert neighbour.exists()
    stubs.calls()
    assert stubs.run(RESET_REPO="1").returncode == 0
    assert not stubs.calls("omnigraph init"), "a graph that opens is never reset"


@pytest.mark.parametrize("missing", ["docker", "curl"])
def test_prerequisites(stubs: World, missing: str) -> None:
    done = stubs.run(path=path_without(missing, stubs=stubs))
    assert (done.returncode, done.stderr) == (1, f"error: missing required command: {missing}\n")


def test_refusals(stubs: World) -> None:
    for more, message in (
        ({"RELEASE_CHANNEL": "nightly"}, "unknown RELEASE_CHANNEL 'nightly'"),
        ({"BIND": "0.0.0.0:8080"}, "set OMNIGRAPH_SERVER_BEARER_TOKEN"),
        ({"OMNIGRAPH_BIN_DIR": str(stubs.folder)}, "has no program omnigraph"),
        ({"OMNIGRAPH_FIXTURE_DIR": str(stubs.folder)}, "set OMNIGRAPH_FIXTURE_DIR"),
    ):
        done = stubs.run(**more)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
    assert not stubs.calls("docker run")
    (stubs.state / "daemon").unlink()
    done = stubs.run()
    assert done.returncode == 1
    assert "Docker Desktop" in done.stderr


def test_a_store_that_stays_silent(stubs: World) -> None:
    (stubs.state / "deaf").touch()
    script = SCRIPT.read_text().replace("STORE_WAIT_S=60", "STORE_WAIT_S=1")
    done = stubs.run(script=script, OMNIGRAPH_FIXTURE_DIR=str(ROOT / "fixtures" / "context"))
    assert done.returncode == 1
    assert "the container's log\nerror: RustFS did not answer" in done.stderr


def test_a_server_that_does_not_come_up(stubs: World) -> None:
    (stubs.state / "broken").touch()
    done = stubs.run()
    assert done.returncode == 1
    assert "error: a reason\nerror: the server did not answer" in done.stderr


CURL = """#!/bin/sh
echo "curl $*" >>"$STUBS/calls"
for word; do url=$word; done
case $url in
*/releases/*)
    [ -d "$STUBS/release" ] || exit 22
    file="$STUBS/release/${url##*/}"
    [ -f "$file" ] || exit 22
    case "$*" in *' -o '*) cp "$file" "$5" ;; *) cat "$file" ;; esac
    ;;
*) exec REAL "$@" ;;
esac
"""


def release(stubs: World, *, broken: bool = False) -> str:
    """Publish an artifact for this platform; returns its name."""
    machine = {"x86_64": "x86_64", "amd64": "x86_64"}.get(os.uname().machine, "aarch64")
    name = f"omnigraph-{'linux' if os.uname().sysname == 'Linux' else 'macos'}-{machine}.tar.gz"
    stubs.stub("curl", CURL.replace("REAL", shutil.which("curl") or "curl"))
    tree = stubs.folder / "tree"
    (tree / "bin").mkdir(parents=True)
    for program in ("omnigraph", "omnigraph-server"):
        stubs.program(tree / "bin", program)
    shutil.copytree(ROOT / "fixtures", tree / "fixtures")
    (stubs.state / "release").mkdir()
    with tarfile.open(stubs.state / "release" / name, "w:gz") as archive:
        archive.add(tree, ".")
    digest = hashlib.sha256((stubs.state / "release" / name).read_bytes()).hexdigest()
    (stubs.state / "release" / f"{name}.sha256").write_text(f"{'0' * 64 if broken else digest}  {name}\n")
    return name


@pytest.mark.parametrize(("channel", "place"), [("edge", "download/edge"), ("stable", "latest/download")])
def test_the_release_of_the_channel_is_used(stubs: World, channel: str, place: str) -> None:
    name = release(stubs)
    done = stubs.run(OMNIGRAPH_BIN_DIR="(unset)", RELEASE_CHANNEL=channel)
    assert done.returncode == 0, done.stderr
    assert f"==> using the {channel} release" in done.stdout
    fetched = stubs.calls("curl")
    assert f"https://github.com/ModernRelay/omnigraph/releases/{place}/{name}" in fetched[0]
    assert (stubs.work / "release" / "bin" / "omnigraph").exists()


def test_a_release_with_another_checksum_is_refused(stubs: World) -> None:
    release(stubs, broken=True)
    done = stubs.run(OMNIGRAPH_BIN_DIR="(unset)")
    assert done.returncode == 1
    assert "the checksum of" in done.stderr
    assert not (stubs.work / "release").exists()


GIT = """#!/bin/sh
echo "git $*" >>"$STUBS/calls"
for word; do target=$word; done
mkdir -p "$target/docker" "$target/fixtures"
cp -R "FIXTURE" "$target/fixtures/context"
cat >"$target/docker/install.sh" <<'INSTALL'
echo "install $*" >>"$STUBS/calls"
mkdir -p "$3"
cp "PROGRAMS"/* "$3/"
INSTALL
"""


@pytest.mark.parametrize("forced", [False, True])
def test_without_a_release_the_source_is_cloned_and_installed(stubs: World, forced: bool) -> None:
    if forced:
        release(stubs)
    else:
        stubs.stub("curl", CURL.replace("REAL", shutil.which("curl") or "curl"))
    git = GIT.replace("FIXTURE", str(ROOT / "fixtures" / "context")).replace("PROGRAMS", str(stubs.programs))
    stubs.stub("git", git)
    more = {"OMNIGRAPH_BIN_DIR": "(unset)", "SOURCE_REF": "v9", "REPO_SLUG": "some/fork"}
    done = stubs.run(script=SCRIPT.read_text(), FORCE_BUILD="1" if forced else "0", **more)
    assert done.returncode == 0, done.stderr
    calls = stubs.calls("git", "install")
    assert calls[0] == f"git clone --quiet --depth 1 --branch v9 https://github.com/some/fork.git {stubs.work}/source"
    assert calls[1] == f"install {stubs.work}/source {stubs.work}/venv {stubs.work}/bin"


def test_without_git_or_python_the_way_from_source_is_closed(stubs: World) -> None:
    more = {"OMNIGRAPH_BIN_DIR": "(unset)", "FORCE_BUILD": "1"}
    done = stubs.run(script=SCRIPT.read_text(), path=path_without("git", stubs=stubs), **more)
    assert (done.returncode, done.stderr) == (1, "error: missing required command: git\n")
    stubs.stub("python3", "#!/bin/sh\nexit 1\n")
    done = stubs.run(script=SCRIPT.read_text(), **more)
    assert "Python 3.11 or newer is needed" in done.stderr


def test_the_aws_command_line_is_installed_for_the_user(stubs: World) -> None:
    user = stubs.folder / "user" / "bin"
    user.mkdir(parents=True)
    shutil.copy(stubs.bin / "aws", user / "aws")
    (stubs.bin / "aws").unlink()
    python = '#!/bin/sh\necho "python3 $*" >>"$STUBS/calls"\ncase "$2" in site) echo "USER" ;; esac\n'
    stubs.stub("python3", python.replace("USER", str(user.parent)))
    done = stubs.run(path=path_without("aws", stubs=stubs))
    assert done.returncode == 0, done.stderr
    assert "python3 -m pip install --quiet --user awscli" in stubs.calls("python3")
    assert "==> installing the AWS command line for this user" in done.stdout
    stubs.stub("python3", "#!/bin/sh\nexit 1\n")
    done = stubs.run(path=path_without("aws", stubs=stubs))
    assert done.returncode == 1
    assert "neither aws nor pip is there" in done.stderr


def test_the_script_is_sound_bash() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().splitlines()[0] == "#!/usr/bin/env bash"
