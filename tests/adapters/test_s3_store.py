"""The S3 store against a real S3 server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from jackpot.adapters.s3_store import S3Store
from jackpot.canonical import sha256
from jackpot.errors import JackpotError
from jackpot.store import MissingObjectError

pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture
def store(s3: Any, request: pytest.FixtureRequest) -> S3Store:
    bucket = "b-" + sha256(request.node.name.encode())[:20]
    s3.create_bucket(Bucket=bucket)
    return S3Store(bucket, "/some/prefix/", client=s3)


def test_what_is_new_is_written_once_and_never_changed(store: S3Store) -> None:
    assert store.put_new("a/b", b"first")
    assert not store.put_new("a/b", b"second")
    assert store.read("a/b") == b"first"
    assert list(store.keys("a")) == ["a/b"]
    assert store.uri("a/b").endswith("/some/prefix/a/b")


def test_of_writers_at_once_one_wins(store: S3Store) -> None:
    won: list[bytes] = []
    barrier = threading.Barrier(8)

    def write(data: bytes) -> None:
        barrier.wait()
        if store.put_new("key", data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(bytes([n]) * 1000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.read("key")]


def test_replacing_is_for_what_may_change(store: S3Store) -> None:
    store.replace("a", b"1")
    store.replace("a", b"2")
    assert store.read("a") == b"2"


def test_a_missing_object_says_where_it_should_be(store: S3Store) -> None:
    with pytest.raises(MissingObjectError, match="some/prefix/nothing"):
        store.read("nothing")


class Guarded:
    """A client whose role may not be told what is missing: S3 denies every read, and the listing too where said."""

    def __init__(self, s3: Any, lists: bool) -> None:
        self.s3, self.lists = s3, lists

    def get_object(self, **_: str) -> Any:
        raise denied("GetObject")

    def list_objects_v2(self, **asked: Any) -> Any:
        if not self.lists:
            raise denied("ListObjectsV2")
        return self.s3.list_objects_v2(**asked)


def denied(operation: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, operation)


def test_a_denied_read_of_what_is_not_there_finds_nothing_and_of_what_is_there_is_denied(store: S3Store) -> None:
    store.put_new("here/too", b"1")
    guarded = S3Store(store.bucket, store.prefix, client=Guarded(store.client, lists=True))
    for key in ("nothing", "here", "here/to"):
        with pytest.raises(MissingObjectError, match=key):
            guarded.read(key)
    for client, key in ((guarded.client, "here/too"), (Guarded(store.client, lists=False), "nothing")):
        with pytest.raises(JackpotError, match="AccessDenied") as raised:
            S3Store(store.bucket, store.prefix, client=client).read(key)
        assert not isinstance(raised.value, MissingObjectError)


def test_a_missing_bucket_is_named(s3: Any) -> None:
    with pytest.raises(JackpotError, match="NoSuchBucket"):
        S3Store("no-such-bucket", client=s3).read("a")


def test_a_wrong_secret_is_refused(s3: Any, s3_server: str) -> None:
    import boto3

    s3.create_bucket(Bucket="guarded")
    stranger = boto3.client(
        "s3", endpoint_url=s3_server, aws_access_key_id="test", aws_secret_access_key="wrong", region_name="us-east-1"
    )
    with pytest.raises(JackpotError, match="SignatureDoesNotMatch"):
        S3Store("guarded", client=stranger).read("a")


def test_a_server_that_is_away_is_named(s3: Any) -> None:
    import boto3
    from botocore.config import Config

    away = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", config=Config(retries={"max_attempts": 1}, connect_timeout=1)
    )
    with pytest.raises(JackpotError, match="cannot be reached"):
        S3Store("bucket", client=away).read("a")
