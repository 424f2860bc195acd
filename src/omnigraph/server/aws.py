"""Tokens from AWS Secrets Manager. Importing boto3 takes a third of a second, so it is imported when a secret is named."""

from __future__ import annotations

from typing import Any

from omnigraph.errors import InvalidSetting, StorageError


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
    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret_id)
    except Exception as error:  # botocore's errors have no common base that is importable without it
        raise StorageError(f"fetch AWS Secrets Manager secret '{secret_id}': {error}") from None
    text = answer.get("SecretString")
    if not isinstance(text, str):
        raise InvalidSetting(f"secret '{secret_id}' has no SecretString — binary secrets are not supported")
    return text
