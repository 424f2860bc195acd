"""Addresses and variables of S3."""

import pytest

from omnigraph.errors import BadRequest, InvalidSetting
from omnigraph.storage.root import open_store
from omnigraph.storage.s3_settings import S3Settings, parse_s3

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very-secret-key"}


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [
        ("s3://acme-lake/graphs/research", "acme-lake", "graphs/research"),
        ("s3://acme-lake/graphs///", "acme-lake", "graphs"),
        ("s3://b.c/ä b/x.omni", "b.c", "ä b/x.omni"),
    ],
)
def test_addresses(uri: str, bucket: str, prefix: str) -> None:
    address = parse_s3(uri)
    assert (address.bucket, address.prefix) == (bucket, prefix)
    assert address.uri == f"s3://{bucket}/{prefix}"


@pytest.mark.parametrize("uri", ["s3://", "s3://b/", "s3://bucket", "s3:///x", "s3://b!/x", "s3://bu/a//b", "s3://bu/a/../b"])
def test_addresses_that_are_none(uri: str) -> None:
    with pytest.raises(BadRequest):
        parse_s3(uri)


@pytest.mark.parametrize("prefix", ["a%20b", "a?b", "a#b", "a\\b", "a\nb"])
def test_prefixes_that_the_libraries_would_read_differently(prefix: str) -> None:
    with pytest.raises(BadRequest, match="prefix"):
        parse_s3(f"s3://bucket/{prefix}")


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(BadRequest) as raised:
        open_store("s3://AKIA:very-secret-key@bucket/x")
    assert "very-secret-key" not in str(raised.value)


def test_only_those_who_ask_get_a_whole_bucket() -> None:
    assert parse_s3("s3://bucket", whole_bucket=True).uri == "s3://bucket"
    with pytest.raises(BadRequest, match="no prefix"):
        open_store("s3://bucket")


def test_the_endpoint_of_s3_wins() -> None:
    both = {"AWS_ENDPOINT_URL": "https://general.example", "AWS_ENDPOINT_URL_S3": "https://s3.example/"}
    assert S3Settings.from_environment(both).endpoint == "https://s3.example"
    assert S3Settings.from_environment({"AWS_ENDPOINT_URL": "https://general.example"}).endpoint == "https://general.example"
    assert S3Settings.from_environment(both | {"AWS_ENDPOINT_URL_S3": "  "}).endpoint == "https://general.example"


def test_plain_http_is_allowed_by_the_variable_or_by_the_endpoint() -> None:
    assert not S3Settings.from_environment({"AWS_ENDPOINT_URL": "https://x"}).allow_http
    assert S3Settings.from_environment({"AWS_ENDPOINT_URL": "http://x:9000"}).allow_http
    for text, allowed in {"true": True, "1": True, "yes": True, "false": False, "0": False, "": False}.items():
        assert S3Settings.from_environment({"AWS_ALLOW_HTTP": text}).allow_http is allowed


@pytest.mark.parametrize(
    ("variables", "path_style", "endpoint"),
    [
        ({}, False, ""),
        ({"AWS_S3_FORCE_PATH_STYLE": "true"}, True, ""),
        ({"AWS_ENDPOINT_URL": "http://h:9000"}, True, "http://h:9000"),
        ({"AWS_ENDPOINT_URL": "http://h:9000", "AWS_S3_FORCE_PATH_STYLE": "true"}, True, "http://h:9000"),
        ({"AWS_ENDPOINT_URL": "http://h:9000", "AWS_S3_FORCE_PATH_STYLE": "false"}, False, "http://bucket.h:9000"),
    ],
)
def test_path_style(variables: dict[str, str], path_style: bool, endpoint: str) -> None:
    settings = S3Settings.from_environment(variables)
    ours, lance = settings.obstore_options("bucket"), settings.lance_options("bucket")
    assert ours["virtual_hosted_style_request"] is not path_style
    assert lance["aws_virtual_hosted_style_request"] == ("false" if path_style else "true")
    assert ours.get("endpoint", "") == lance.get("aws_endpoint", "") == endpoint


def test_a_dot_in_the_name_of_a_bucket_keeps_it_out_of_the_host() -> None:
    assert S3Settings.from_environment({}).uses_path_style("my.bucket")


def test_regions() -> None:
    assert S3Settings.from_environment({}).region == "us-east-1"
    assert S3Settings.from_environment({"AWS_DEFAULT_REGION": "eu-west-1"}).region == "eu-west-1"
    assert S3Settings.from_environment({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-north-1"}).region == "eu-north-1"


def test_both_libraries_get_the_same_credentials() -> None:
    settings = S3Settings.from_environment(KEYS | {"AWS_SESSION_TOKEN": "a-session-token"})
    ours, lance = settings.obstore_options("bucket"), settings.lance_options("bucket")
    assert ours["access_key_id"] == lance["aws_access_key_id"] == "AKIAEXAMPLE"
    assert ours["secret_access_key"] == lance["aws_secret_access_key"] == "very-secret-key"
    assert ours["session_token"] == lance["aws_session_token"] == "a-session-token"
    assert "secret" not in repr(settings) and "AKIA" not in repr(settings) and "token" not in repr(settings).replace("_", "")


def test_without_keys_the_ambient_role_is_left_to_the_libraries() -> None:
    settings = S3Settings.from_environment({"AWS_SESSION_TOKEN": "left over"})
    for options in (settings.obstore_options("bucket"), settings.lance_options("bucket")):
        assert not [name for name in options if "key" in name or "token" in name]


def test_a_blank_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name, value in (KEYS | {"AWS_SESSION_TOKEN": " ", "AWS_ENDPOINT_URL_S3": ""}).items():
        monkeypatch.setenv(name, value)
    assert S3Settings.from_environment().session_token == ""
    assert "AWS_SESSION_TOKEN" not in os.environ  # the libraries would send it


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"AWS_ACCESS_KEY_ID": "x"}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_SECRET_ACCESS_KEY": "very-secret-key"}, "AWS_ACCESS_KEY_ID"),
        ({"AWS_ENDPOINT_URL": "localhost:9000"}, "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": "http://me:very-secret-key@host"}, "AWS_ENDPOINT_URL"),
    ],
)
def test_settings_that_cannot_be_used(variables: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidSetting, match=named) as raised:
        S3Settings.from_environment(variables)
    assert "very-secret-key" not in str(raised.value)


def test_a_number_that_cannot_be_read_gives_way() -> None:
    settings = S3Settings.from_environment({"OMNIGRAPH_S3_TIMEOUT_S": "soon", "OMNIGRAPH_S3_RETRY_S": "-1"})
    assert settings == S3Settings()
    settings = S3Settings.from_environment({"OMNIGRAPH_S3_TIMEOUT_S": "1.5", "OMNIGRAPH_S3_RETRY_S": "0"})
    assert (settings.request_timeout_s, settings.retry_time_max_s) == (1.5, 0)
