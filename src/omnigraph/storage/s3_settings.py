"""Where an S3 root is and how it is reached: its address, the ``AWS_*`` variables, time-outs and retries.

One object answers for both libraries that talk to the store: obstore for the log, Lance for tables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from omnigraph.errors import BadRequest, InvalidSetting

CONNECT_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 20.0
"""Silence of the store that ends one attempt. ``OMNIGRAPH_S3_TIMEOUT_S`` sets it."""
BULK_REQUEST_TIMEOUT_S: Final = 120.0
"""The same for large objects: the store is silent while it takes them in."""
BULK_TIMEOUT_S: Final = 600.0
"""One attempt, however steadily its bytes flow."""
ATTEMPTS_MAX: Final = 10
CONNECT_ATTEMPTS_MAX: Final = 7
RETRY_TIME_MAX_S: Final = 60.0
"""After so long no further attempt is begun. ``OMNIGRAPH_S3_RETRY_S`` sets it; 0 means one attempt."""
BACKOFF_FIRST_S: Final = 0.05
BACKOFF_MAX_S: Final = 5.0
REGION_DEFAULT: Final = "us-east-1"

_SECONDS_MAX = 86_400.0
_ADDRESS = "s3://bucket/prefix"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_NOT_IN_KEYS = re.compile(r"[%?#\\\x00-\x1f\x7f]")
_FALSE = frozenset({"", "0", "false", "no", "off"})
_BLANK_IS_UNSET = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket and a prefix in it, without slashes at its ends."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"


def parse_s3(uri: str, *, whole_bucket: bool = False) -> S3Address:
    """Return the parts of an ``s3://`` address. Raises BadRequest; an empty prefix is one unless ``whole_bucket``."""
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    if "@" in bucket:  # never echoed: what stands before it may be a key
        raise BadRequest(
            f"an address like {_ADDRESS} holds no credentials", hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not _BUCKET.fullmatch(bucket):
        raise BadRequest(f"'{uri}' names no bucket", hint=f"write {_ADDRESS}")
    if not prefix and not whole_bucket:
        raise BadRequest(
            f"'{uri}' has no prefix", hint=f"a graph lives under one, not at the top of a bucket: write {_ADDRESS}"
        )
    if _NOT_IN_KEYS.search(prefix):
        raise BadRequest(f"'{uri}' has a prefix with one of % ? # \\ or a control character", hint="choose another prefix")
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise BadRequest(f"'{uri}' has an empty, '.' or '..' part", hint=f"write {_ADDRESS}")
    return S3Address(bucket, prefix)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How S3 is reached. ``endpoint`` is empty for AWS itself; without ``access_key_id`` the ambient role is used."""

    endpoint: str = ""
    region: str = REGION_DEFAULT
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    allow_http: bool = False
    path_style: bool | None = None
    anonymous: bool = False
    request_timeout_s: float = REQUEST_TIMEOUT_S
    retry_time_max_s: float = RETRY_TIME_MAX_S

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> S3Settings:
        """Read the variables. A number that cannot be read gives way to its default. Raises InvalidSetting for half a
        pair of keys or an endpoint that is none."""
        if environment is None:
            # The libraries read the environment too and take a blank token for a token. To us it is none.
            for name in _BLANK_IS_UNSET:
                if name in os.environ and not os.environ[name].strip():
                    del os.environ[name]
            environment = os.environ
        variables = {name: environment.get(name, "").strip() for name in _BLANK_IS_UNSET}
        endpoint = (variables["AWS_ENDPOINT_URL_S3"] or variables["AWS_ENDPOINT_URL"]).rstrip("/")
        if endpoint and (not endpoint.startswith(("http://", "https://")) or "@" in endpoint):
            raise InvalidSetting(
                "AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL must look like https://host:port, without credentials"
            )
        key, secret = variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
        if bool(key) != bool(secret):
            raise InvalidSetting("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; set both or neither")
        style = environment.get("AWS_S3_FORCE_PATH_STYLE", "").strip()
        return cls(
            endpoint=endpoint,
            region=variables["AWS_REGION"] or variables["AWS_DEFAULT_REGION"] or REGION_DEFAULT,
            access_key_id=key,
            secret_access_key=secret,
            session_token=variables["AWS_SESSION_TOKEN"] if key else "",
            allow_http=endpoint.startswith("http://") or _truthy(environment.get("AWS_ALLOW_HTTP", "")),
            path_style=_truthy(style) if style else None,
            anonymous=_truthy(environment.get("AWS_SKIP_SIGNATURE", "")),
            request_timeout_s=_seconds(environment, "OMNIGRAPH_S3_TIMEOUT_S", REQUEST_TIMEOUT_S, least=0.05),
            retry_time_max_s=_seconds(environment, "OMNIGRAPH_S3_RETRY_S", RETRY_TIME_MAX_S, least=0.0),
        )

    def shown_endpoint(self) -> str:
        """Return the endpoint as errors name it."""
        return self.endpoint or f"AWS S3, region {self.region}"

    def uses_path_style(self, bucket: str) -> bool:
        """Say whether the bucket goes into the path. Unless it is said, AWS has it in the host name, others in the path."""
        if self.path_style is not None:
            return self.path_style
        return bool(self.endpoint) or "." in bucket  # a dot in the host name breaks certificates

    def _bucket_endpoint(self, bucket: str) -> str:
        if not self.endpoint or self.uses_path_style(bucket):
            return self.endpoint
        scheme, _, host = self.endpoint.partition("://")
        return f"{scheme}://{bucket}.{host}"

    def obstore_options(self, bucket: str, *, bulk: bool = False) -> dict[str, Any]:  # Any: keyword arguments
        """Return what obstore wants to know. Retries are ours: it would repeat a conditional put and then report a conflict."""
        silence_s = max(self.request_timeout_s, BULK_REQUEST_TIMEOUT_S) if bulk else self.request_timeout_s
        options: dict[str, Any] = {
            "region": self.region,
            "virtual_hosted_style_request": not self.uses_path_style(bucket),
            "disable_bulk_delete": True,
            "client_options": {
                "allow_http": self.allow_http,
                "connect_timeout": f"{int(CONNECT_TIMEOUT_S * 1000)}ms",
                "read_timeout": f"{int(silence_s * 1000)}ms",
                "timeout": f"{int(BULK_TIMEOUT_S)}s",
                "pool_idle_timeout": "20s",
                "user_agent": "omnigraph",
            },
            "retry_config": {"max_retries": 0},
        }
        if self.endpoint:
            options["endpoint"] = self._bucket_endpoint(bucket)
        if self.access_key_id:
            options |= {"access_key_id": self.access_key_id, "secret_access_key": self.secret_access_key}
        if self.session_token:
            options["session_token"] = self.session_token
        if self.anonymous:
            options["skip_signature"] = True
        return options

    def lance_options(self, bucket: str) -> dict[str, str]:
        """Return the same as Lance's storage options."""
        options = {
            "aws_region": self.region,
            "aws_virtual_hosted_style_request": str(not self.uses_path_style(bucket)).lower(),
            "allow_http": str(self.allow_http).lower(),
            "connect_timeout": f"{int(CONNECT_TIMEOUT_S * 1000)}ms",
            "timeout": f"{int(BULK_TIMEOUT_S)}s",
            "client_max_retries": str(ATTEMPTS_MAX),
            "client_retry_timeout": str(max(1, int(self.retry_time_max_s))),
        }
        if self.endpoint:
            options["aws_endpoint"] = self._bucket_endpoint(bucket)
        if self.access_key_id:
            options |= {"aws_access_key_id": self.access_key_id, "aws_secret_access_key": self.secret_access_key}
        if self.session_token:
            options["aws_session_token"] = self.session_token
        if self.anonymous:
            options["aws_skip_signature"] = "true"
        return options


def _truthy(text: str) -> bool:
    return text.strip().lower() not in _FALSE


def _seconds(environment: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    try:
        value = float(environment.get(name, ""))
    except ValueError:
        return default
    return value if least <= value <= _SECONDS_MAX else default
