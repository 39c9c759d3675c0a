"""Reading a history's bytes from a path or from S3, with the version that was read."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, Problem
from ..history.source import Source, read_local

REASONS = {
    "NoSuchKey": "no such object in the bucket",
    "404": "no such object in the bucket",
    "NoSuchBucket": "no such bucket",
    "InvalidBucketName": "no bucket can have this name",
    "AccessDenied": "access is denied",
    "403": "access is denied",
    "InvalidAccessKeyId": "the access key is unknown",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "InvalidObjectState": "the object is archived; restore it first",
}


def read(uri: str, client: Any = None) -> Source:
    """Read a path or `s3://bucket/key`.

    Credentials, region and endpoint are boto3's own configuration; `client` is an S3 client to use instead. In a
    versioned bucket the version read is recorded. Raises InputError where there is nothing to read: no such object
    or bucket, denied, no credentials, nobody answers.
    """
    if not uri.startswith("s3://"):
        return read_local(uri)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key or key.endswith("/"):
        raise InputError(Problem("this names no object", where=uri, allowed="s3://bucket/key"))

    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
    )

    try:
        if client is None:
            from .aws import client as connect

            client = connect("s3")
        answer = client.get_object(Bucket=bucket, Key=key)
        data: bytes = answer["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reason = REASONS.get(code, error.response["Error"].get("Message", ""))
        raise InputError(Problem("the object cannot be read", where=uri, found=f"{reason} ({code})")) from None
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        hint = "configure boto3: environment, ~/.aws or the pod's role"
        raise InputError(Problem("the object cannot be read", where=uri, found=str(error), hint=hint)) from None
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise InputError(Problem("the object cannot be read", where=uri, found=str(error))) from None
    version = answer.get("VersionId")
    return Source(uri, data, None if version in (None, "null") else version)
