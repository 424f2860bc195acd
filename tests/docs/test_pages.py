"""Every example of the documentation does what the documentation says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docs.page import RUN, Block, PageRun, blocks, matches

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "user").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem.lower())
def test_page(path: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    page = path.read_text(encoding="utf-8")
    if "$ curl" in page and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if path.stem in ("object-storage", "deployment"):
        for name, value in request.getfixturevalue("ministack_server").environment().items():
            monkeypatch.setenv(name, value)
    run = PageRun(tmp_path)
    try:
        run.run(page)
    finally:
        run.close()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem.lower())
def test_page_has_examples_and_names_their_language(path: Path) -> None:
    found = list(blocks(path.read_text(encoding="utf-8")))
    assert all(block.language for block in found), "a fenced block without a language is never run"
    if path.stem != "errors":
        assert any(block.language in RUN for block in found)


def test_blocks() -> None:
    page = "a\n```gq params='{\"k\": 1}' file=q.gq x\nquery\n```\n````text\n```\n````\n"
    assert list(blocks(page)) == [
        Block("gq", ("x",), {"params": '{"k": 1}', "file": "q.gq"}, "query\n", 2),
        Block("text", (), {}, "```\n", 5),
    ]


@pytest.mark.parametrize(
    ("expected", "actual", "answer"),
    [
        ("a\nb\n", "a  \nb\n\n", True),
        ("a\n", "b\n", False),
        ("commit …\n", "commit 01JZ\n", True),
        ("x … y\n", "x 1\ny\n", False),
        ("…\nb\n", "1\n2\nb\n", True),
        ("a\n…\n", "a\n", True),
        ("a\n", "a\nmore\n", False),
        ("", "", True),
        ("", "x\n", False),
    ],
)
def test_matches(expected: str, actual: str, answer: bool) -> None:
    assert matches(expected, actual) is answer


def test_relative_links_lead_somewhere() -> None:
    import re

    pages = [*PAGES, *sorted((ROOT / "docs" / "dev").rglob("*.md")), ROOT / "CHANGELOG.md"]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken
