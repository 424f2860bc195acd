"""Bearer tokens: where they come from, and whose token a request presents.

Only SHA-256 digests are kept. No token, and nothing that holds one, is ever part of a message.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from omnigraph.errors import InvalidSetting

SINGLE: Final = "OMNIGRAPH_SERVER_BEARER_TOKEN"
FILE: Final = "OMNIGRAPH_SERVER_BEARER_TOKENS_FILE"
INLINE: Final = "OMNIGRAPH_SERVER_BEARER_TOKENS_JSON"
SECRET: Final = "OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET"
DEFAULT_ACTOR: Final = "default"

Pairs = list[tuple[str, str | list[str]]]
"""Actors with their tokens: one, or several while they are being changed."""


@dataclass(frozen=True, slots=True)
class TokenTable:
    """The actors of a server with the digests of their tokens, sorted by actor."""

    digests: tuple[tuple[str, bytes], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.digests)

    def actor_of(self, presented: bytes) -> str | None:
        """Return whose token this is. Every digest is compared, in constant time, whichever matches."""
        digest = sha256(presented).digest()
        found = None
        for actor, known in self.digests:
            if hmac.compare_digest(digest, known):
                found = actor
        return found

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str | list[str]]]) -> TokenTable:
        """Digest the tokens. Raises :class:`InvalidSetting` for blank and duplicate actors and tokens."""
        digests: dict[str, list[bytes]] = {}
        for raw_actor, given in pairs:
            actor, tokens = raw_actor.strip(), tokens_of(given)
            if not actor:
                raise InvalidSetting("bearer token actor names must not be blank")
            if not tokens or not all(tokens):
                raise InvalidSetting(f"bearer token for actor '{actor}' must not be blank")
            if actor in digests:
                raise InvalidSetting(f"duplicate bearer token actor '{actor}'")
            digests[actor] = [sha256(token.encode()).digest() for token in tokens]
        flat = [(actor, digest) for actor, found in sorted(digests.items()) for digest in found]
        if len({digest for _, digest in flat}) != len(flat):
            raise InvalidSetting("duplicate bearer token value configured")
        return cls(tuple(flat))


def load_tokens(environment: Mapping[str, str]) -> tuple[TokenTable, str]:
    """Load the tokens that the environment names, and say which kind of source was used.

    A secret of AWS Secrets Manager is used alone; otherwise the single token and the file (or the inline object) are merged.
    """
    secret_id = environment.get(SECRET, "").strip()
    if secret_id:
        from omnigraph.server.aws import secret_pairs

        return TokenTable.of(secret_pairs(secret_id)), "aws-secrets-manager"
    pairs: Pairs = []
    single = environment.get(SINGLE, "")
    if single.strip():
        pairs.append((DEFAULT_ACTOR, single))
    path, inline = environment.get(FILE, "").strip(), environment.get(INLINE, "")
    if path:
        pairs += _file_pairs(path)
    elif inline.strip():
        try:
            pairs += parse_pairs(inline)
        except ValueError:
            raise InvalidSetting(f"{INLINE} must be a JSON object of actor->token") from None
    return TokenTable.of(pairs), "env-or-file"


def parse_pairs(text: str | bytes) -> Pairs:
    """Read a JSON object of strings, or arrays of strings, keeping members of equal name.

    Raises ValueError without a word of the content.
    """
    try:
        members = json.loads(text, object_pairs_hook=_Members)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    if not isinstance(members, _Members):
        raise ValueError("not a JSON object")
    pairs: Pairs = []
    for actor, token in members:
        several = isinstance(token, list) and not isinstance(token, _Members)
        if not isinstance(token, str) and not (several and all(isinstance(one, str) for one in token)):
            raise ValueError("the value of a member is not a string")
        pairs.append((actor, token))
    return pairs


def tokens_of(given: str | list[str]) -> list[str]:
    """Return the tokens of one actor, trimmed."""
    return [token.strip() for token in ([given] if isinstance(given, str) else given)]


class _Members(list[tuple[str, Any]]):  # Any: JSON values
    """The members of a JSON object in their order."""


def _file_pairs(path: str) -> Pairs:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InvalidSetting(f"failed to read bearer tokens file at {path}", hint=f"io: {error.strerror}") from None
    try:
        return parse_pairs(data.decode())
    except UnicodeDecodeError:
        raise InvalidSetting(f"failed to parse bearer tokens file at {path}", hint="it is not UTF-8 text") from None
    except ValueError as error:
        raise InvalidSetting(f"failed to parse bearer tokens file at {path}", hint=str(error)) from None
