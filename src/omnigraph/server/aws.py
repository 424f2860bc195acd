"""Tokens from AWS Secrets Manager. Importing boto3 takes a third of a second, so it is imported when a secret is named."""

from __future__ import annotations

import os
from typing import Any, Final

from omnigraph.errors import InvalidSetting, StorageError

_CONNECT_S: Final = 5
_READ_S: Final = 15
_ATTEMPTS: Final = 3


def secret_pairs(secret_id: str) -> list[tuple[str, str | list[str]]]:
    """Fetch a secret and return its pairs of actor and token. Raises :class:`InvalidSetting`; never falls back."""
    from omnigraph.server.tokens import SECRET, parse_pairs, tokens_of

    try:
        import boto3
    except ImportError:
        raise InvalidSetting(
            f"{SECRET} is set, but AWS support is not installed; install it with `pip install 'omnigraph[aws]'`"
        ) from None
    text = _secret_string(boto3, secret_id)
    try:
        pairs = parse_pairs(text)
    except ValueError as error:
        raise InvalidSetting(f"bearer-token secret payload is not a JSON object of actor→token: {error}") from None
    for actor, given in pairs:
        if not actor.strip():
            raise InvalidSetting("bearer-token secret contains a blank actor id")
        if not all(tokens_of(given)):
            raise InvalidSetting(f"bearer-token secret has a blank token for actor '{actor.strip()}'")
    return pairs


def _secret_string(boto3: Any, secret_id: str) -> str:  # Any: an optional library
    from botocore.config import Config

    patience = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"max_attempts": _ATTEMPTS})
    try:
        client = boto3.client("secretsmanager", region_name=_region(secret_id), config=patience)
        answer = client.get_secret_value(SecretId=secret_id)
    except Exception as error:  # botocore's errors have no common base that is importable without it
        raise StorageError(f"fetch AWS Secrets Manager secret '{secret_id}': {error}") from None
    text = answer.get("SecretString")
    if not isinstance(text, str):
        raise InvalidSetting(f"secret '{secret_id}' has no SecretString — binary secrets are not supported")
    return text


def _region(secret_id: str) -> str | None:
    """Return the region that an ARN names, or the one of the environment; without either, boto3 looks on."""
    parts = secret_id.split(":")
    if len(parts) > 3 and parts[0] == "arn":
        return parts[3]
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
