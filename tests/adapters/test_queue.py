"""S3's events through a real queue over HTTP: held while worked on, poison to the dead letters, one run a key."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.notifiers import send, to_sns
from jackpot.adapters.queue import Message, Queue, objects_of
from jackpot.environment import Sns
from jackpot.errors import InputError, JackpotError
from jackpot.ports import Notice


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path_factory.mktemp("moto") / "log").open("w"),
    )
    try:
        deadline = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > deadline or server.poll() is not None:
                pytest.fail("moto_server did not start")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=120)


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": moto,
        "AWS_DEFAULT_REGION": "eu-west-2",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def sqs(aws: dict[str, str]) -> Any:
    import boto3

    return boto3.session.Session().client("sqs")


@pytest.fixture
def queues(sqs: Any, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A queue and its dead-letter queue, to which the second failed delivery goes."""
    name = request.node.name.replace("[", "-").replace("]", "")[:60]
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    return sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"], dead


def s3_event(bucket: str, key: str, name: str = "ObjectCreated:Put") -> str:
    record = {"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    return json.dumps({"Records": [record]})


def waiting(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def test_a_message_is_held_for_as_long_as_it_is_worked_on(sqs: Any, queues: tuple[str, str]) -> None:
    sqs.send_message(QueueUrl=queues[0], MessageBody="{}")
    queue, other = Queue(queues[0], 2, poll_seconds=1), Queue(queues[0], 2, poll_seconds=0)
    message = queue.receive()
    assert message is not None
    with queue.held(message):
        time.sleep(3.5)
        assert other.receive() is None
    queue.delete(message)
    time.sleep(2.5)
    assert other.receive() is None


def test_what_is_not_deleted_comes_again_and_then_lies_among_the_dead_letters(
    sqs: Any, queues: tuple[str, str]
) -> None:
    sqs.send_message(QueueUrl=queues[0], MessageBody="poison")
    queue = Queue(queues[0], 1, poll_seconds=0)
    deliveries = []
    for _ in range(3):
        found = queue.receive()
        deliveries.append(found.deliveries if isinstance(found, Message) else None)
        time.sleep(1.2)
    assert deliveries == [1, 2, None]
    assert waiting(sqs, queues[1]) == 1


def test_a_queue_that_is_not_there_is_named(aws: dict[str, str]) -> None:
    with pytest.raises(JackpotError, match="no-such-queue"):
        Queue(f"{aws['AWS_ENDPOINT_URL']}/123456789012/no-such-queue", 1, poll_seconds=0).receive()


def test_events_of_s3_of_sns_and_of_eventbridge_are_read() -> None:
    event = s3_event("draws", "england/2026-01-31+%281%29.csv")
    wanted = ["s3://draws/england/2026-01-31 (1).csv"]
    assert objects_of(event) == wanted
    assert objects_of(json.dumps({"Type": "Notification", "Message": event})) == wanted
    bridge = {"bucket": {"name": "draws"}, "object": {"key": "england.csv"}}
    assert objects_of(json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": bridge})) == [
        "s3://draws/england.csv"
    ]
    assert objects_of(json.dumps({"Event": "s3:TestEvent"})) == []
    assert objects_of(s3_event("draws", "england.csv", "ObjectRemoved:Delete")) == []


@pytest.mark.parametrize("body", ["", "poison", "[]", "{}", '{"Records": [{"s3": {}}]}', '{"Records": 7}', "null"])
def test_what_is_no_event_is_bad_input(body: str) -> None:
    with pytest.raises(InputError, match="no event of S3"):
        objects_of(body)


def test_the_same_object_told_twice_starts_one_run_and_poison_goes_to_the_dead_letters(
    sqs: Any, queues: tuple[str, str], aws: dict[str, str], tmp_path: Path
) -> None:
    import boto3

    from tests.adapters.test_trigger import a_place, fake_pipelines, jackpot, runs

    s3 = boto3.session.Session().client("s3")
    s3.create_bucket(Bucket="draws", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    place, history = a_place(tmp_path), tmp_path / "england.csv"
    jackpot("simulate", "england", "--out", history, cwd=tmp_path)
    s3.put_object(Bucket="draws", Key="england/new.csv", Body=history.read_bytes())
    for body in (s3_event("draws", "england/new.csv"), s3_event("draws", "england/new.csv"), "poison"):
        sqs.send_message(QueueUrl=queues[0], MessageBody=body)
    watch = ["watch", "--queue", queues[0], "--market", "england", "--environment", place, "--once"]
    watch += ["--heartbeat", str(tmp_path / "heartbeat")]
    for _ in range(2):
        done = jackpot(*watch, "--visibility", 1, "--packages", fake_pipelines(tmp_path), cwd=tmp_path, env=os.environ)
        assert done.returncode == 0, done.stderr
        time.sleep(1.2)
    Queue(queues[0], 1, poll_seconds=0).receive()
    assert (tmp_path / "heartbeat").exists()
    assert runs(tmp_path) == 1
    assert waiting(sqs, queues[0]) == 0
    assert waiting(sqs, queues[1]) == 1


def test_messages_go_to_a_topic(sqs: Any, queues: tuple[str, str]) -> None:
    import boto3

    sns = boto3.session.Session().client("sns")
    topic = sns.create_topic(Name="jackpot")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queues[0], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    told = Notice("england", "run-1", "failed", "train: no memory left", "https://kf.example.com/r/1", ("a line",))
    assert send(told, [to_sns(Sns(topic=topic))]) == []
    message = Queue(queues[0], 10, poll_seconds=2).receive()
    assert message is not None
    got = json.loads(message.body)
    assert got["Subject"] == "england: failed"
    assert got["Message"] == "train: no memory left\na line\nhttps://kf.example.com/r/1"
    assert len(send(told, [to_sns(Sns(topic=f"{topic}-gone"))])) == 1
