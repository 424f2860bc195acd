"""The grammars for editors know every word of the languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omnigraph.language.completions import FUNCTIONS, KEYWORDS
from omnigraph.language.token_reader import SCALARS

EDITORS = Path(__file__).resolve().parents[2] / "editors"
GRAMMARS = {name: json.loads((EDITORS / f"vscode/syntaxes/{name}.tmLanguage.json").read_text()) for name in ("gq", "pg")}


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("match", "begin", "end"):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)


def scope(language: str, text: str) -> dict[str, str]:
    """Return the scope of each word of a line, by the first pattern that matches there, as an editor finds it."""
    grammar = GRAMMARS[language]
    rules = [grammar["repository"][each["include"][1:]] for each in grammar["patterns"]]
    rules = [rule for rule in rules if "match" in rule]
    found, position = {}, 0
    while position < len(text):
        matches = [
            (match.start(), place)
            for place, rule in enumerate(rules)
            if (match := re.compile(rule["match"]).search(text, position))
        ]
        if not matches:
            break
        _, place = min(matches)
        match = re.compile(rules[place]["match"]).search(text, position)
        assert match is not None and match.end() > position
        if "name" in rules[place]:
            found[match[0]] = rules[place]["name"]
        for group, capture in rules[place].get("captures", {}).items():
            if match[int(group)]:
                found[match[int(group)]] = capture["name"]
        position = match.end()
    return found


@pytest.mark.parametrize("language", ["gq", "pg"])
def test_the_grammars_are_whole(language: str) -> None:
    grammar = GRAMMARS[language]
    assert grammar["scopeName"] == f"source.omnigraph.{language}"
    for each in grammar["patterns"]:
        assert each["include"][1:] in grammar["repository"]
    for expression in expressions(grammar):
        re.compile(expression)
    package = json.loads((EDITORS / "vscode/package.json").read_text())
    paths = [each["path"] for each in package["contributes"]["grammars"]]
    assert f"./syntaxes/{language}.tmLanguage.json" in paths
    assert all((EDITORS / "vscode" / path).is_file() for path in paths)


def test_every_word_has_a_scope() -> None:
    for contexts, language in ((KEYWORDS["query"], "gq"), (KEYWORDS["schema"], "pg")):
        vim = (EDITORS / f"nvim/syntax/omnigraph_{language}.vim").read_text()
        for words in contexts.values():
            for word in " ".join(words).split():
                sample = {"query": "query q", "node": "node N", "edge": "edge E:", "interface": "interface I"}.get(word, word)
                assert scope(language, sample), f"{language}: {word}"
                assert word.startswith("@") or re.search(rf"\b{word}\b", vim), f"{language}: {word}"
    for name, *_ in FUNCTIONS:
        assert scope("gq", f"{name}(") == {name: "support.function.omnigraph"}
    for scalar in SCALARS:
        assert scope("gq", scalar) == scope("pg", scalar) == {scalar: "support.type.omnigraph"}


def test_some_lines() -> None:
    assert scope("gq", "$a $e:knows{1,3} $b")["knows"] == "entity.name.tag.edge.omnigraph"
    assert scope("gq", "$a <knows> $b")["knows"] == "entity.name.tag.edge.omnigraph"
    assert scope("gq", "$a or $b")["or"] == "entity.name.tag.edge.omnigraph"
    assert scope("gq", "$a.or = 1 or $b.x = 2")["or"] == "keyword.operator.word.omnigraph"
    assert scope("gq", "{ limit: 3 }")["limit"] == "variable.other.property.omnigraph"
    assert scope("pg", "edge Knows: Person -> Person")["Knows"] == "entity.name.tag.edge.omnigraph"
    assert scope("pg", "name: String @key")["key"] == "entity.name.function.decorator.omnigraph"
