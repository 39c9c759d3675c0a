"""Where messages about a run go. A message that cannot be sent is told on the log and never fails a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

from ..canonical import json_bytes
from ..environment import Sns
from ..ports import Notice, Notifier
from ..steps.notify import redacted
from ..store import Store
from .events import emit


def send(notice: Notice, notifiers: Iterable[Notifier]) -> list[str]:
    """Send a message everywhere, secrets in it blotted out; return why where it could not be sent."""
    clean = replace(notice, text=redacted(notice.text), lines=tuple(redacted(line) for line in notice.lines))
    failures = []
    for notify in notifiers:
        try:
            notify(clean)
        except Exception as error:
            failures.append(redacted(f"{getattr(notify, '__name__', type(notify).__name__)}: {error}"))
    for failure in failures:
        emit("notice-not-sent", kind=notice.kind, run_id=notice.run_id, reason=failure)
    return failures


def console(notice: Notice) -> None:
    """Print a message into the step's log."""
    emit("notice", **asdict(notice))


def to_store(store: Store) -> Notifier:
    """Return a notifier that leaves each message beside the run's other records, and its market's latest in one place.

    A question to people is no state of a run: it is left out of the latest.
    """

    def file(notice: Notice) -> None:
        data = json_bytes(asdict(notice))
        store.replace(f"runs/{notice.run_id}/notice-{notice.kind}.json", data)
        if notice.question is None:
            store.replace(f"runs-of/{notice.name}/latest.json", data)

    return file


def to_sns(settings: Sns) -> Notifier:
    """Return a notifier that publishes each message to an SNS topic; a FIFO topic keeps a run's messages in order."""
    from .aws import client

    topics = client("sns", settings.timeout_seconds)

    def sns(notice: Notice) -> None:
        told = "\n".join([notice.text, *notice.lines, *([notice.link] if notice.link else [])])
        ordered = (
            {"MessageGroupId": notice.run_id, "MessageDeduplicationId": f"{notice.run_id}-{notice.kind}"[:128]}
            if settings.topic.endswith(".fifo")
            else {}
        )
        # A subject is at most 99 characters of ASCII; a message at most 256 KiB.
        subject = f"{notice.name}: {notice.kind}"[:99]
        topics.publish(TopicArn=settings.topic, Subject=subject, Message=told[:100_000], **ordered)

    return sns
