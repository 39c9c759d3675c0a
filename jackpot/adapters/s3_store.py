"""A store in an S3 bucket, written with conditional requests: of two writers of one new object, one wins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import JackpotError
from ..store import MissingObjectError


class S3Store:
    """Objects under `s3://bucket/prefix`; credentials and endpoint are boto3's own configuration."""

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        if client is None:
            import boto3

            client = boto3.client("s3")
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def _call(self, operation: str, key: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client, operation)(Bucket=self.bucket, Key=self.prefix + key, **arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"NoSuchKey", "404"}:
                raise MissingObjectError(f"nothing is stored under {self.uri(key)}") from None
            if code in {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}:
                return None
            raise JackpotError(f"{self.uri(key)}: S3 refused {operation}: {code}") from error
        except BotoCoreError as error:
            raise JackpotError(f"{self.uri(key)}: S3 cannot be reached: {error}") from error

    def read(self, key: str) -> bytes:
        """Return an object's bytes; raise MissingObjectError where there is none."""
        data: bytes = self._call("get_object", key)["Body"].read()
        return data

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object that must never change: False where it is there already (what is there stays)."""
        return self._call("put_object", key, Body=data, IfNoneMatch="*") is not None

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whole, over what was there."""
        self._call("put_object", key, Body=data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.prefix}{prefix.rstrip('/')}/"
        )
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"][len(self.prefix) :]

    def uri(self, key: str) -> str:
        """Return where a person finds the object."""
        return f"s3://{self.bucket}/{self.prefix}{key}"
