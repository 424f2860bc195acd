from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.config.operator import OperatorConfig, OperatorSettings, load_operator, operator_home
from omnigraph.errors import InvalidSetting, NotFound


def load(folder: Path, text: str) -> OperatorConfig:
    (folder / "config.yaml").write_text(text)
    return load_operator({"OMNIGRAPH_HOME": str(folder)})


def test_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ida")
    assert operator_home({}) == Path("/home/ida/.omnigraph")
    assert operator_home({"OMNIGRAPH_HOME": "~"}) == Path("/home/ida")
    assert operator_home({"OMNIGRAPH_HOME": "~/og"}) == Path("/home/ida/og")
    assert operator_home({"OMNIGRAPH_HOME": "/og"}) == Path("/og")
    assert operator_home({"OMNIGRAPH_HOME": "~other"}) == Path("~other")


def test_an_absent_or_empty_file_is_an_empty_layer(tmp_path: Path) -> None:
    assert load_operator({"OMNIGRAPH_HOME": str(tmp_path)}) == OperatorConfig(OperatorSettings())
    assert load(tmp_path, "") == OperatorConfig(OperatorSettings())


@pytest.mark.parametrize(
    "text", ["[]", "servers: {a: {}}", "servers: {a: {url: 1}}", "defaults: {output: x}", "a: [", "a: 1\na: 2"]
)
def test_malformed(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^could not parse operator config '{tmp_path}/config\.yaml': "):
        load(tmp_path, text)


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(InvalidSetting, match=r"^could not read operator config '.*': Is a directory"):
        load_operator({"OMNIGRAPH_HOME": str(tmp_path)})


def test_unknown_keys_are_named(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "x: 1\noperator: {y: 1}\ndefaults: {z: 1}\nservers: {s: {url: u, k: 1}}\n"
        "aliases: {a: {server: s, query: q, w: 1, params: {p: null, 3: 1}}}\n",
    )
    keys = ["x", "operator.y", "defaults.z", "servers.s.k", "aliases.a.w"]
    assert config.warnings == tuple(
        f"warning: unknown key `{key}` (newer CLI feature or typo); ignored in operator config '{tmp_path}/config.yaml'"
        for key in keys
    )
    assert config.settings.aliases["a"].params == {"p": None, 3: 1}


def test_servers(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "servers: {b: {url: 'http://h:80'}, a: {url: 'http://h:80/graphs/x/'}, c: {url: 'https://other'}}",
    )
    assert config.server("a").base_url == "http://h:80/graphs/x"
    with pytest.raises(NotFound) as caught:
        config.server("z")
    assert caught.value.message == (
        "unknown server 'z' — servers defined in the operator config: [a, b, c] "
        "(add it under servers: in ~/.omnigraph/config.yaml)"
    )
    owners = {
        "http://h:80": "b", "http://h:80/": "b", "http://h:80/graphs/y": "b", "http://h:80/graphs/x": "a",
        "http://h:80/graphs/x/y": "a", "http://h:8080": None, "http://h:80x": None, "https://h:80": None,
    }  # fmt: skip
    assert {url: config.server_of(url) for url in owners} == owners
