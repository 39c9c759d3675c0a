"""A store in an S3 bucket, written with conditional requests: of two writers of one new object, one wins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.exceptions import HTTPError

from ..errors import JackpotError
from ..store import MissingObjectError

ATTEMPTS = 5
"""How often a conditional write that met another one is tried."""


class S3Store:
    """Objects under `s3://bucket/prefix`; credentials and endpoint are boto3's own configuration."""

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        if client is None:
            from .aws import client as connect

            client = connect("s3")
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @contextmanager
    def _named(self, operation: str, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"NoSuchKey", "404"}:
                raise MissingObjectError(f"nothing is stored under {self.uri(key)}") from None
            raise JackpotError(f"{self.uri(key)}: S3 refused to {operation} it: {code}") from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise JackpotError(f"{self.uri(key)}: S3 cannot be reached: {error}") from error

    def read(self, key: str) -> bytes:
        """Return an object's bytes; raise MissingObjectError where there is none."""
        from botocore.exceptions import ClientError

        with self._named("read", key):
            try:
                data: bytes = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
            except ClientError as error:
                # S3 may say so too where nothing is there, to a role that may list a part of the bucket only.
                if error.response["Error"]["Code"] in {"AccessDenied", "403"} and not self._lists(key):
                    raise MissingObjectError(f"nothing is stored under {self.uri(key)}") from None
                raise
        return data

    def _lists(self, key: str) -> bool:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix + key, MaxKeys=1)
        return [item["Key"] for item in found.get("Contents", ())] == [self.prefix + key]

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object that must never change: False where it is there already (what is there stays)."""
        from botocore.exceptions import ClientError

        where = {"Bucket": self.bucket, "Key": self.prefix + key}
        with self._named("write", key):
            for attempt in range(ATTEMPTS):
                try:
                    self.client.put_object(**where, Body=data, IfNoneMatch="*")
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code in {"PreconditionFailed", "412"}:
                        return False
                    # 409: another writer is at it and may yet fail, so that nothing is there; S3 asks to try again.
                    if code not in {"ConditionalRequestConflict", "409"} or attempt == ATTEMPTS - 1:
                        raise
                else:
                    break
        return True

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whole, over what was there."""
        with self._named("write", key):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""
        folder = f"{self.prefix}{prefix.rstrip('/')}/" if prefix else self.prefix
        with self._named("list", prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder):
                for item in page.get("Contents", ()):
                    yield item["Key"][len(self.prefix) :]

    def uri(self, key: str) -> str:
        """Return where a person finds the object."""
        return f"s3://{self.bucket}/{self.prefix}{key}"
