"""What only a real process shows: start-up, signals, closed pipes, odd bytes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "pyarrow", "lance", "obstore", "rich", "yaml", "click", "http.client", "omnigraph.graph", "omnigraph.storage")
RUN = "import sys; from omnigraph.cli.main import main; status = main(sys.argv[1:]); "


def process(code: str, *words: str | bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["version"], ["-v"], ["query", "--help"], ["load", "--help"], ["bogus"], ["query", "--bogus"], ["snapshot"]],
)
def test_light_commands_import_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    listing = RUN + "print('\\n'.join(sys.modules))"
    done = process(listing, *words, cwd=tmp_path)
    loaded = set(done.stdout.decode().splitlines())
    assert "omnigraph.cli.main" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [["--help"], ["version"]])
def test_start_up_stays_within_its_budget(words: list[str]) -> None:
    """A bare interpreter starts in 10 ms; counted in its starts, 100 ms hold on a busy machine too."""

    def cpu_s(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process(code, *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_s(RUN) for _ in range(5)) < 10 * min(cpu_s("pass") for _ in range(5))


def test_a_reader_that_goes_away_ends_the_program_quietly(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from cli.conftest import FakeGraph\n"
        "from omnigraph.cli import embedded\n"
        "from omnigraph.cli.main import main\n"
        "class Endless(FakeGraph):\n"
        "    def export(self, **_):\n"
        "        while True: yield b'x' * 65536\n"
        "embedded.open_embedded = lambda uri, gate: Endless()\n"
        "sys.exit(main(['export', 'g']))\n"
    )
    found = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), found])}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


def test_ctrl_c_ends_without_a_trace(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may be born deaf to it\n"
        "from omnigraph.cli import embedded\n"
        "from omnigraph.cli.main import main\n"
        "def wait(uri, gate): print('waiting', flush=True); time.sleep(60)\n"
        "embedded.open_embedded = wait\n"
        "sys.exit(main(['snapshot', 'g']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == b""
    assert running.returncode == 130


def test_odd_bytes_in_arguments(tmp_path: Path) -> None:
    exit_with = RUN + "sys.exit(status)"
    done = process(exit_with, b"init", b"--schema", b"s.pg", b"g\xff", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"Error: could not read 's.pg': No such file or directory\n"
    done = process(exit_with, b"snapshot", b"--config", b"\xff.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"Error: could not read config '\xff.yaml': No such file or directory\n"
    done = process(exit_with, b"snapshot", b"--config", b"\xff.yaml", b"--json", cwd=tmp_path)
    assert done.stderr.endswith(
        '"error":"could not read config \'\ufffd.yaml\': No such file or directory"'.encode() + b',"code":"bad_request"}\n'
    )
    done = process(exit_with, b"snapshot", b"--branch", b"\xff", cwd=tmp_path)
    assert done.returncode == 2


def test_a_locale_without_unicode_changes_nothing(tmp_path: Path) -> None:
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = process(RUN, "--help", cwd=tmp_path, env=plain)
    assert "Data — query".encode() in done.stdout


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", RUN + "sys.exit(status)", "version"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"Error: io: No space left on device\n")
