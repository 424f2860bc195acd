"""YAML as it is meant: version 1.2 core words only, and no key twice.

PyYAML lets a later duplicate win without a word and reads the words of YAML 1.1 (``on`` is true, ``010`` is 8, ``12:30``
is 750). Every YAML file of the product goes through :func:`parse` instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from omnigraph.errors import InvalidSetting

FILE_BYTES_MAX = 4 * 1024 * 1024

_NULL = re.compile(r"~|null|Null|NULL|", re.ASCII)
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE", re.ASCII)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    re.ASCII,
)


def parse(text: str | bytes) -> Any:  # Any: a YAML document of any shape
    """Read one YAML document into dictionaries, lists and scalars; an empty text is ``None``.

    Raises :class:`InvalidSetting` with line and column for a syntax error, and with both lines for a duplicate key.
    """
    try:
        return yaml.load(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        raise InvalidSetting(_described(error)) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an integer of thousands of digits
        raise InvalidSetting(str(error).partition("\n")[0]) from None
    except RecursionError:
        raise InvalidSetting("the document is nested too deeply") from None


def read(path: str) -> Any:  # Any: a YAML document of any shape
    """Read the file at ``path``. Raises ``OSError`` when it cannot be read, :class:`InvalidSetting` otherwise."""
    with Path(path).open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise InvalidSetting(f"the file is larger than {FILE_BYTES_MAX} bytes")
    return parse(data)


class _CoreLoader(yaml.CSafeLoader):
    """The C parser with the core words and a mapping that refuses duplicates."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the library's protocol

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # Any: nodes of an untyped library
        seen: dict[object, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain value", key_node.start_mark)
            key = self.construct_object(key_node)
            line = key_node.start_mark.line + 1
            if key in seen:
                problem = f"duplicate key '{key}' (first on line {seen[key]}, again on line {line})"
                raise yaml.constructor.ConstructorError(None, None, problem)
            seen[key] = line
        return {self.construct_object(key): self.construct_object(value, deep=deep) for key, value in node.value}


def _described(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "not valid YAML"
    mark = error.problem_mark or error.context_mark
    return problem if mark is None else f"{problem} at line {mark.line + 1} column {mark.column + 1}"


def _integer(loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    text: str = node.value
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text[2:], 16) if text.startswith("0x") else int(text)


def _float(loader: _CoreLoader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _mapping(loader: _CoreLoader, node: yaml.MappingNode) -> dict[Any, Any]:  # Any: any mapping
    return loader.construct_mapping(node, deep=True)


for _tag, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern.pattern})\Z", re.ASCII), _first)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_CoreLoader.add_constructor("tag:yaml.org,2002:float", _float)
_CoreLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
