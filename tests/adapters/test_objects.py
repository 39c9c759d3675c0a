"""A history is read from S3 with its version, and what cannot be read is named with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.objects import read
from jackpot.errors import InputError

pytestmark = pytest.mark.xdist_group("s3")


def test_an_object_is_read_with_its_version(s3: Any) -> None:
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="versioned", Key="in/draws.csv", Body=b"one")["VersionId"]
    source = read("s3://versioned/in/draws.csv")
    assert (source.uri, source.data, source.version) == ("s3://versioned/in/draws.csv", b"one", version)
    assert s3.put_object(Bucket="versioned", Key="in/draws.csv", Body=b"two")["VersionId"] != version
    assert read("s3://versioned/in/draws.csv").data == b"two"


def test_an_object_without_versions_has_none(s3: Any) -> None:
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="draws.csv", Body=b"one")
    assert read("s3://plain/draws.csv").version is None


def test_what_is_not_there_is_named(s3: Any) -> None:
    s3.create_bucket(Bucket="empty")
    with pytest.raises(InputError, match=r"s3://empty/draws\.csv.*no such object"):
        read("s3://empty/draws.csv")
    with pytest.raises(InputError, match="no such bucket"):
        read("s3://nowhere-at-all/draws.csv")
    with pytest.raises(InputError, match="Invalid bucket name"):
        read("s3://No Bucket/draws.csv")


def test_wrong_credentials_are_named(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(InputError, match=r"the secret key is wrong|access is denied"):
        read("s3://empty/draws.csv")


def test_missing_credentials_say_where_they_belong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match="configure boto3"):
        read("s3://bucket/draws.csv")


def test_nobody_answering_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for endpoint in ("http://127.0.0.1:9", "nonsense"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(InputError, match=r"Could not connect|Invalid endpoint"):
            read("s3://bucket/draws.csv")


@pytest.mark.parametrize("uri", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key", "s3://bucket/folder/"])
def test_an_address_without_an_object_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="names no object"):
        read(uri)


def test_a_path_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "draws.csv").write_bytes(b"one")
    assert read(str(tmp_path / "draws.csv")).data == b"one"
