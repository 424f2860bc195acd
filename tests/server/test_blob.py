"""Blob cells over HTTP: whole, in part, on conditions, and kept elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from omnigraph.graph.graph import init
from omnigraph.server.options import Options
from server.asgi import Browser
from server.conftest import Start

SCHEMA = "node Doc { name: String @key  file: Blob?  note: String? }\nedge Cites: Doc -> Doc { scan: Blob? }\n"
DATA = bytes(range(256)) * 40
TAG = f'"{hashlib.sha256(DATA).hexdigest()}"'


@pytest.fixture
def server(start: Start, tmp_path: Path) -> Browser:
    encoded = "base64:" + base64.b64encode(DATA).decode()
    with init(str(tmp_path / "b.omni"), SCHEMA) as graph:
        graph.load(
            f'{{"type":"Doc","data":{{"name":"here","file":"{encoded}"}}}}\n'
            '{"type":"Doc","data":{"name":"away","file":"https://example.com/a b?x=1&y=ä"}}\n'
            '{"type":"Doc","data":{"name":"none"}}\n'
            '{"type":"Doc","data":{"name":"empty","file":"base64:"}}\n'
            f'{{"edge":"Cites","from":"here","to":"away","data":{{"id":"e1","scan":"{encoded}"}}}}\n',
            "merge",
        )
    return start(Options(uri=str(tmp_path / "b.omni"), unauthenticated=True), {})


def path(row: str = "here", **more: str) -> str:
    found = {"entity": "node", "type": "Doc", "id": row, "property": "file", **more}
    return "/blob?" + "&".join(f"{name}={value}" for name, value in found.items() if value)


def test_the_whole_value(server: Browser) -> None:
    found = server.get(path())
    assert (found.status, found.body, found.headers["etag"]) == (200, DATA, TAG)
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-length"] == str(len(DATA))
    assert found.headers["accept-ranges"] == "bytes"
    head = server.get("/commits").json()["commits"][-1]["graph_commit_id"]
    assert found.headers["omnigraph-snapshot-id"] == head
    assert server.get(path(entity="edge", type="Cites", id="e1", property="scan")).body == DATA
    assert server.get(path(snapshot=head)).body == DATA
    assert server.get(path("empty")).body == b""
    asked = server.send("HEAD", path(), headers={"Range": "bytes=0-1"})
    assert (asked.status, asked.headers["content-length"], asked.body) == (200, str(len(DATA)), b"")


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [("bytes=0-9", 0, 10), ("bytes=10200-", 10200, 10240), ("bytes=-5", 10235, 10240), ("bytes=10239-99999", 10239, 10240)],
)
def test_one_range(server: Browser, header: str, first: int, end: int) -> None:
    part = server.get(path(), headers={"Range": header})
    assert (part.status, part.body) == (206, DATA[first:end])
    assert part.headers["content-range"] == f"bytes {first}-{end - 1}/{len(DATA)}"
    assert server.get(path(), headers={"Range": header, "If-Range": TAG}).status == 206
    assert server.get(path(), headers={"Range": header, "If-Range": '"other"'}).status == 200


@pytest.mark.parametrize("header", ["bytes=0-1,4-5", "lines=0-1", "bytes=5-4", "bytes=-", "bytes", "bytes=a-b"])
def test_what_is_no_single_range_gives_all(server: Browser, header: str) -> None:
    assert server.get(path(), headers={"Range": header}).body == DATA


@pytest.mark.parametrize("header", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_behind_the_end(server: Browser, header: str) -> None:
    beyond = server.get(path(), headers={"Range": header})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(DATA)}")
    assert beyond.json()["blob_range"]["length"] == len(DATA)


def test_conditions(server: Browser) -> None:
    same = server.get(path(), headers={"If-None-Match": f'"x", W/{TAG}'})
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", TAG)
    assert server.get(path(), headers={"If-None-Match": "*"}).status == 304
    assert server.get(path(), headers={"If-Match": TAG}).status == 200
    lost = server.get(path(), headers={"If-Match": '"x"', "If-None-Match": TAG})
    assert (lost.status, lost.code, lost.headers["etag"]) == (412, "conflict", TAG)


def test_a_value_that_is_kept_elsewhere_is_not_fetched(server: Browser) -> None:
    away = server.get(path("away"))
    assert (away.status, away.body) == (302, b"")
    assert away.headers["location"] == "https://example.com/a%20b?x=1&y=%C3%A4"
    assert away.headers["cache-control"] == "no-store"


def test_what_is_not_there(server: Browser) -> None:
    assert server.get(path("none")).status == 404
    assert server.get(path("ghost")).status == 404
    assert server.get(path(branch="ghost")).status == 404
    for wrong in (
        path(property="note"),
        path(type="Nope"),
        path(entity="x"),
        path(property=""),
        path(branch="a", snapshot="b"),
    ):
        assert (server.get(wrong).status, server.get(wrong).code) == (400, "bad_request"), wrong
    assert server.post(path()).status == 405


def test_large_values_come_in_pieces(server: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from omnigraph.server.endpoints import blobs

    monkeypatch.setattr(blobs, "PIECE_BYTES", 1000)
    whole = server.get(path())
    assert (whole.body, whole.headers["content-length"]) == (DATA, str(len(DATA)))
    assert server.get(path(), headers={"Range": "bytes=100-5000"}).body == DATA[100:5001]


def test_reading_a_blob_is_reading(guarded: Browser) -> None:
    assert guarded.as_actor("k-stranger").get(path()).status == 403
    assert guarded.as_actor(None).get(path()).status == 401
