"""The parameters of a query: from JSON, from files, from positional words and from ``--param``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from omnigraph.cli.files import read_text
from omnigraph.cli.grammar import Arguments, Option, is_unicode
from omnigraph.errors import BadRequest

PARAMETER_OPTIONS = (
    Option("params", "Parameters as one JSON object", value="JSON"),
    Option("params-file", "File that holds the parameters as one JSON object", value="PATH", any_bytes=True),
    Option("param", "One parameter, its value read by the declared type", value="NAME=VALUE", repeats=True),
)
PARAMETER_EXCLUSIONS = (("params", "params-file"),)

Parameters = dict[str, Any]  # Any: JSON values


def explicit_parameters(arguments: Arguments, declared: Mapping[str, str]) -> Parameters:
    """Gather ``--params`` or ``--params-file``, then ``--param``, which wins for its name."""
    text = arguments.get("params")
    path = arguments.get("params-file")
    if text is None and path is not None:
        text = read_text(path)
    found = {} if text is None else parse_object(text)
    for pair in arguments.all("param"):
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise BadRequest(f"--param must be NAME=VALUE, got '{pair}'")
        found[name] = coerce(value, declared.get(name))
    return found


def positional_parameters(alias: str, names: Sequence[str], words: Sequence[str], declared: Mapping[str, str]) -> Parameters:
    """Bind positional words in order to the names of an alias; fewer words are fine, more are not."""
    if len(words) > len(names):
        raise BadRequest(f"alias '{alias}' expects at most {len(names)} args but got {len(words)}")
    return {name: coerce(word, declared.get(name)) for name, word in zip(names, words, strict=False)}


def parse_object(text: str) -> Parameters:
    """Read a JSON object; whole numbers keep every digit."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise BadRequest("params JSON must be an object")
    return value


def parse_json(text: str) -> Any:  # Any: a JSON value
    """Read one JSON value. Raises :class:`BadRequest` with the parser's words; ``NaN`` and ``Infinity`` are no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRequest("invalid JSON: nested too deeply") from None
    except ValueError as error:
        raise BadRequest(f"invalid JSON: {error}") from None


def coerce(word: str, declared: str | None) -> Any:  # Any: a JSON value
    """Read a word as JSON, else as the string that it is.

    For a parameter declared ``String`` a number, a boolean or a null stays the text that was typed.
    """
    if not is_unicode(word):
        raise BadRequest(f"a parameter value is not UTF-8: {word!r}")
    try:
        value = parse_json(word)
    except BadRequest:
        return word
    keeps_text = declared == "String" or (declared == "String?" and value is not None)
    return word if keeps_text and (value is None or isinstance(value, (bool, int, float))) else value


def declared_types(source: str, name: str | None) -> dict[str, str]:
    """Tell the declared type of each parameter of the selected query; nothing when the engine is going to refuse it."""
    from omnigraph.language import parse_queries, select_query

    try:
        query = select_query(parse_queries(source), name)
    except BadRequest:
        return {}
    return {
        parameter.name: parameter.type_name + ("?" if parameter.nullable else "")
        for parameter in query.parameters
        if not parameter.is_list
    }


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")
