"""S3's events from an SQS queue: long polling, a message kept invisible while it is worked on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from ..errors import InputError, JackpotError, Problem
from .aws import client

LONGEST_POLL: Final = 20
"""Seconds; SQS allows no more."""


@dataclass(frozen=True)
class Message:
    """A message as received; `receipt` is good for this delivery alone."""

    id: str
    body: str
    receipt: str
    deliveries: int


class Queue:
    """An SQS queue by its URL. What is not deleted comes again, and in the end lies in its dead-letter queue."""

    def __init__(self, url: str, visibility_seconds: int, poll_seconds: int = LONGEST_POLL) -> None:
        """Raise InputError where boto3 is not configured for it: no region, no such profile, a bad endpoint."""
        from botocore.exceptions import BotoCoreError

        self._url, self._visibility, self._poll = url, visibility_seconds, poll_seconds
        try:
            self._sqs = client("sqs", read_seconds=poll_seconds + 10)
        except (BotoCoreError, ValueError) as error:
            raise InputError(
                Problem(
                    "SQS cannot be asked",
                    where=url,
                    found=str(error),
                    hint="configure boto3: AWS_DEFAULT_REGION, AWS_PROFILE and AWS_ENDPOINT_URL, or ~/.aws/config",
                )
            ) from None

    def receive(self) -> Message | None:
        """Wait for a message; None where none came."""
        with self._named("receive"):
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=self._poll,
                VisibilityTimeout=self._visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        for found in answer.get("Messages", ()):
            deliveries = int(found.get("Attributes", {}).get("ApproximateReceiveCount", 1))
            return Message(found["MessageId"], found["Body"], found["ReceiptHandle"], deliveries)
        return None

    def delete(self, message: Message) -> None:
        """Remove a message that is done."""
        with self._named("delete"):
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    @contextmanager
    def held(self, message: Message) -> Iterator[None]:
        """Keep a message invisible to others for as long as this lasts."""
        over = threading.Event()

        def extend() -> None:
            while not over.wait(self._visibility / 3):
                try:
                    self._sqs.change_message_visibility(
                        QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=self._visibility
                    )
                except Exception:  # noqa: S112  # the next extension may succeed, and a claim holds if none does
                    continue

        thread = threading.Thread(target=extend, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def _named(self, operation: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            raise JackpotError(f"{self._url}: SQS refused to {operation}: {error.response['Error']['Code']}") from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise JackpotError(f"{self._url}: SQS cannot be reached: {error}") from error


def objects_of(body: str) -> list[str]:
    """Return the s3:// URIs of the objects that an event tells of; none for S3's test event and for removals.

    Takes S3's own notification, with or without SNS's envelope, and EventBridge's. Raises InputError for all else.
    """
    try:
        event = json.loads(body)
        if "Records" not in event and isinstance(event.get("Message"), str):
            event = json.loads(event["Message"])
        if event.get("Event") == "s3:TestEvent":
            return []
        if event.get("source") == "aws.s3":
            created = event["detail-type"] == "Object Created"
            return [_uri(event["detail"]["bucket"]["name"], event["detail"]["object"]["key"])] if created else []
        return [
            _uri(record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"]))
            for record in event["Records"]
            if str(record.get("eventName", "ObjectCreated")).startswith("ObjectCreated")
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise InputError(Problem("the message is no event of S3", found=found, hint="it is left alone")) from None


def _uri(bucket: Any, key: Any) -> str:
    return f"s3://{bucket}/{key}"
