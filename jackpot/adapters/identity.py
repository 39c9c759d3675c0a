"""Who a caller is, by what the place says of them and never by what they say of themselves."""

from __future__ import annotations

import os
import pwd

from ..approval import Caller
from ..environment import Approval
from ..errors import JackpotError


def caller(settings: Approval) -> Caller:
    """Return who runs this process; raise JackpotError where the place will not say.

    `local` asks the system for the user of the process (no variable of the environment), `aws` STS, `kubernetes` the
    cluster (SelfSubjectReview, Kubernetes 1.28 on).
    """
    asked = {"local": _local, "aws": _aws, "kubernetes": _kubernetes}[settings.identity]
    identity = f"{settings.identity}:{asked()}"
    return Caller(settings.person(identity), identity)


def trainer(settings: Approval) -> Caller:
    """Return who this process runs for, as records name who trained a model; empty where the place will not say."""
    try:
        return caller(settings)
    except JackpotError:
        return Caller("")


def _local() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _aws() -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(boto3.session.Session().client("sts").get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise JackpotError(f"AWS does not say who you are: {error}; log in, for instance: aws sso login") from error


def _kubernetes() -> str:
    from kubernetes import client, config

    try:
        config.load_config()
        review = client.AuthenticationV1Api().create_self_subject_review(client.V1SelfSubjectReview())
    except Exception as error:
        said = str(error).splitlines()[0]
        raise JackpotError(f"the cluster does not say who you are: {said}; log in to it with kubectl") from error
    return str(review.status.user_info.username)
