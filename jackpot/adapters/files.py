"""Files of any size at a path or in S3, read at any place, one version from first to last; stores by their address."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError, Problem
from ..scoring.contract import File
from ..store import FolderStore, Store

BUFFER = 1 << 22


class LocalFile:
    """A file at a path; its version is its size and time of change."""

    def __init__(self, path: str) -> None:
        self.uri = path
        try:
            status = Path(path).stat()
            if not Path(path).is_file():
                raise InputError(Problem("this is no file", where=path))
        except OSError as error:
            raise InputError(Problem("the file cannot be read", where=path, found=str(error.strerror))) from None
        self.size, self.version = status.st_size, f"{status.st_size}-{status.st_mtime_ns}"

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file; raise InputError where it cannot be read or has changed since it was first seen."""
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(Path(self.uri).open("rb", buffering=BUFFER))
            except OSError as error:
                problem = Problem("the file cannot be read", where=self.uri, found=str(error.strerror))
                raise InputError(problem) from None
            status = os.fstat(opened.fileno())
            if f"{status.st_size}-{status.st_mtime_ns}" != self.version:
                raise InputError(Problem("the file changed while it was scored", where=self.uri, hint="run it again"))
            yield opened


class S3File:
    """An object in a bucket, read by ranges; its version is the bucket's, or the ETag where it keeps no versions."""

    def __init__(self, uri: str, client: Any = None) -> None:
        self.uri = uri
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not bucket or not key or key.endswith("/"):
            raise InputError(Problem("this names no object", where=uri, allowed="s3://bucket/key"))
        if client is None:
            import boto3

            client = boto3.session.Session().client("s3")
        self.client, self.where = client, {"Bucket": bucket, "Key": key}
        with _named(uri):
            head = client.head_object(**self.where)
        self.size = int(head["ContentLength"])
        self.version = str(head["ETag"]).strip('"')
        self.pinned = {"IfMatch": head["ETag"]}

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the object; reading raises InputError where it was replaced since it was first seen."""
        with io.BufferedReader(_Ranges(self), BUFFER) as opened:
            yield opened


class _Ranges(io.RawIOBase):
    def __init__(self, file: S3File) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._file.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._file.size - self._at)
        if wanted <= 0:
            return 0
        with _named(self._file.uri):
            answer = self._file.client.get_object(
                **self._file.where, **self._file.pinned, Range=f"bytes={self._at}-{self._at + wanted - 1}"
            )
            data = answer["Body"].read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _named(uri: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    from .objects import REASONS

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in {"PreconditionFailed", "412"}:
            raise InputError(Problem("the object changed while it was scored", uri, hint="run it again")) from None
        reason = REASONS.get(code, error.response["Error"].get("Message", ""))
        raise InputError(Problem("the object cannot be read", where=uri, found=f"{reason} ({code})")) from None
    except (BotoCoreError, ValueError) as error:
        raise InputError(Problem("the object cannot be read", where=uri, found=str(error))) from None


def open_file(uri: str) -> File:
    """Return the file at a path or `s3://bucket/key`; raise InputError where there is none."""
    if not uri.strip():
        raise InputError(Problem("which file?", field="input", allowed="a path or s3://bucket/key"))
    return S3File(uri) if uri.startswith("s3://") else LocalFile(uri)


def open_store(uri: str) -> Store:
    """Return the store at a folder or `s3://bucket/prefix`; raise InputError for an empty address."""
    if not uri.strip() or uri == "s3://":
        raise InputError(Problem("where does the result go?", field="output", allowed="a folder or s3://bucket/prefix"))
    if uri.startswith("s3://"):
        from .s3_store import S3Store

        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return S3Store(bucket, prefix)
    return FolderStore(Path(uri))
