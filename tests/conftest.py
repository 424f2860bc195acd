"""What every test shares: an environment of its own, slow tests on request, and patience on a busy machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support import s3_roots
from support.s3_servers import BUCKET, S3Server, ministack, seaweedfs
from support.second_run_tests import runs_on_s3

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("house")


EVERY_TEST_ON_S3 = os.environ.get("OMNIGRAPH_TEST_ROOT") == "s3"
"""With ``OMNIGRAPH_TEST_ROOT=s3``, as with ``--slow``, all of the suites run on S3 too; else a part of them does."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of the engine, the command line, the server and the client a second time, with roots on S3."""
    path = metafunc.definition.path.relative_to(Path(__file__).parent).as_posix()
    every = metafunc.config.getoption("--slow") or EVERY_TEST_ON_S3
    if runs_on_s3(path, metafunc.definition.originalname, every=every):
        metafunc.parametrize("roots", ["local", "s3"], indirect=True)


@pytest.fixture(scope="module", autouse=True)
def roots(request: pytest.FixtureRequest) -> Iterator[str]:
    """Decide where the graphs of tests are: ``local`` or ``s3``. Wider fixtures that make graphs must name it."""
    if getattr(request, "param", "local") == "local":
        yield "local"
        return
    server: S3Server = request.getfixturevalue("ministack_server")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        patch.setenv(s3_roots.PREFIX, f"s3://{BUCKET}")
        here = Path(__file__).parent / "support" / "second_run"
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")])))
        patch.setattr("omnigraph.storage.root.LocalStore", s3_roots.store_for)
        yield "s3"


@pytest.fixture(scope="session")
def ministack_server() -> Iterator[S3Server]:
    """An object store that is quick, started when the first test asks for it."""
    with ministack() as server:
        yield server


@pytest.fixture(scope="module")
def seaweedfs_server() -> Iterator[S3Server]:
    """An object store that is real; one module has it at a time."""
    with seaweedfs() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def environment_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them, and the tests out of their home folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("OMNIGRAPH_", "AWS_"))]:
            patch.delenv(name)
        patch.setenv("OMNIGRAPH_HOME", str(tmp_path_factory.mktemp("home")))
        yield
