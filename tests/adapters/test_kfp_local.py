"""A compiled pipeline runs under kfp.local whatever its arguments and folders are called."""

from pathlib import Path

import pytest
from kfp import compiler, dsl

from jackpot.adapters.kfp_local import run_pipeline


@dsl.component(base_image="example.com/x@sha256:0", install_kfp_package=False)
def echo(text: str, run_id: str) -> None:
    import sys

    from jackpot.adapters.events import emit

    emit("echo", text=text, run_id=run_id, executable=sys.executable)


@dsl.component(base_image="example.com/x@sha256:0", install_kfp_package=False)
def fail(run_id: str) -> None:
    from jackpot.adapters.step import open_step
    from jackpot.errors import InputError

    with open_step("fail", "local", run_id):
        raise InputError("this is the reason")


@dsl.pipeline(name="echoes")
def echoes(text: str = "") -> None:
    echo(text=text, run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER)


@dsl.pipeline(name="failure")
def failure() -> None:
    fail(run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER)


@pytest.mark.parametrize("text", ["plain", "python3", "/a folder/python3 'x' \"y\" $HOME", "{{x}}", "süß"])
def test_an_argument_arrives_as_it_was_given(text: str, tmp_path: Path) -> None:
    compiled = tmp_path / "a folder of python3" / "echoes.yaml"
    compiled.parent.mkdir()
    compiler.Compiler().compile(echoes, str(compiled))
    run = run_pipeline(compiled, {"text": text}, tmp_path / "log")
    assert run.succeeded, run.log.read_text()
    (event,) = run.events
    assert event["text"] == text
    assert [(step.name, step.status) for step in run.steps] == [("echo", "SUCCESS")]


def test_a_failed_step_is_named_with_its_reason(tmp_path: Path) -> None:
    compiler.Compiler().compile(failure, str(tmp_path / "failure.yaml"))
    run = run_pipeline(tmp_path / "failure.yaml", {}, tmp_path / "log")
    assert not run.succeeded
    (failed,) = run.failures()
    assert (failed["step"], failed["kind"], failed["problems"]) == ("fail", "input", ["this is the reason"])


def test_a_step_is_not_tried_again_on_this_machine(tmp_path: Path) -> None:
    @dsl.pipeline(name="again")
    def again() -> None:
        fail(run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER).set_retry(2, backoff_duration="30s")

    @dsl.pipeline(name="within")
    def within() -> None:
        again()

    compiler.Compiler().compile(within, str(tmp_path / "within.yaml"))
    run = run_pipeline(tmp_path / "within.yaml", {}, tmp_path / "log")
    assert not run.succeeded
    assert [event["event"] for event in run.events] == ["step-failed"]
    assert run.seconds < 30
