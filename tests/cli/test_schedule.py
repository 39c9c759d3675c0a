"""jackpot schedule against a server that keeps the Kubeflow API's rules, over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.calling import call
from tests.conftest import Place
from tests.kubeflow_server import KubeflowServer, kubeflow_server


@pytest.fixture
def kubeflow() -> Iterator[tuple[str, KubeflowServer]]:
    with kubeflow_server() as served:
        yield served


def environment(place: Place, host: str, extra: str = "") -> str:
    path = place.root / "cluster.yaml"
    path.write_text(
        place.environment.read_text().replace("environment: test", "environment: cluster")
        + f"kfp_host: {host}\nmarkets: [england, megasena, powerball, uk_lotto, timemania]\n{extra}"
    )
    return str(path)


def with_token(place: Place, served: tuple[str, KubeflowServer], token: str) -> str:
    """Return an environment whose token file holds this token, for a server that takes `fresh` alone."""
    host, server = served
    server.token = "fresh"  # noqa: S105
    (place.root / "token").write_text(f"{token}\n")
    return environment(place, host, "kfp_token_file: token\n")


def test_an_apply_converges_and_a_second_changes_nothing(
    capsys: pytest.CaptureFixture[str], place: Place, kubeflow: tuple[str, KubeflowServer]
) -> None:
    host, server = kubeflow
    env = environment(place, host, "kfp_service_accounts: {weekly: weekly}\n")
    server.recurring["by-hand"] = {"recurring_run_id": "by-hand", "display_name": "someone's own", "status": "ENABLED"}
    code, out, _ = call(capsys, "schedule", "plan", "--environment", env, "--json")
    assert code == 1
    assert json.loads(out)["changes"] == 5
    assert call(capsys, "schedule", "apply", "--environment", env)[0] == 0
    ours = [run for run in server.recurring.values() if run["display_name"].startswith("jackpot-weekly-")]
    assert len(ours) == 5
    for run in ours:
        assert run["no_catchup"] is True
        assert run["max_concurrency"] == "1" or run["max_concurrency"] == 1
        assert run["service_account"] == "weekly"
        assert run["status"] == "ENABLED"
        assert run["runtime_config"]["parameters"]["environment"] == "cluster"
    assert call(capsys, "schedule", "plan", "--environment", env)[0] == 0
    writes = [request for request in server.requests if request[0] != "GET"]
    assert call(capsys, "schedule", "apply", "--environment", env)[0] == 0
    assert [request for request in server.requests if request[0] != "GET"] == writes
    assert "by-hand" in server.recurring


def test_what_is_no_longer_wanted_goes_and_a_change_is_shown(
    capsys: pytest.CaptureFixture[str],
    place: Place,
    kubeflow: tuple[str, KubeflowServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, server = kubeflow
    (place.root / "configs/markets").mkdir(parents=True)
    monkeypatch.chdir(place.root)
    env = environment(place, host)
    text = Path(env).read_text().replace("[england, megasena, powerball, uk_lotto, timemania]", "[england]")
    Path(env).write_text(text)
    assert call(capsys, "schedule", "apply", "--environment", env)[0] == 0
    (before,) = server.recurring.values()
    market = place.market()
    market.rename(place.root / "configs/markets/england.yaml")
    own = place.root / "configs/markets/england.yaml"
    own.write_text(own.read_text() + 'schedule: {weekdays: [tue], time: "07:15"}\n')
    code, out, _ = call(capsys, "schedule", "apply", "--environment", env, "--json")
    assert code == 0
    created, removed = json.loads(out)["recurring_runs"]
    assert (created["action"], removed["action"]) == ("create", "remove")
    assert any(change.startswith("cron: ") and "TUE" in change for change in created["changes"])
    assert removed["name"] == before["display_name"]
    own.write_text(own.read_text().replace('"07:15"}', '"07:15", enabled: false}'))
    code, out, _ = call(capsys, "schedule", "apply", "--environment", env, "--json")
    assert [step["action"] for step in json.loads(out)["recurring_runs"]] == ["disable"]
    code, out, _ = call(capsys, "schedule", "list", "--environment", env)
    assert "paused" in out


@pytest.mark.parametrize(("status", "says"), [(500, "500"), (403, "lacks the right"), (429, "patience")])
def test_a_server_that_refuses_is_named_after_bounded_retries(
    capsys: pytest.CaptureFixture[str], place: Place, kubeflow: tuple[str, KubeflowServer], status: int, says: str
) -> None:
    host, server = kubeflow
    server.fail = lambda method, path: status if "recurringruns" in path else None
    code, _, err = call(capsys, "schedule", "plan", "--environment", environment(place, host))
    assert code == 1
    assert says in err
    assert 1 <= len(server.requests) <= 6


def test_a_server_that_does_not_answer_in_time_is_left(
    capsys: pytest.CaptureFixture[str],
    place: Place,
    kubeflow: tuple[str, KubeflowServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jackpot.adapters.kfp_client.TIMEOUT_SECONDS", (0.3, 0.3))
    host, server = kubeflow
    server.delay_seconds = 1.0
    code, _, err = call(capsys, "schedule", "list", "--environment", environment(place, host))
    assert code == 1
    assert "cannot be reached" in err


def test_a_server_that_stumbles_once_is_asked_again(
    capsys: pytest.CaptureFixture[str], place: Place, kubeflow: tuple[str, KubeflowServer]
) -> None:
    host, server = kubeflow
    answers = iter([503])
    server.fail = lambda method, path: next(answers, None) if "recurringruns" in path else None
    assert call(capsys, "schedule", "plan", "--environment", environment(place, host), "--json")[0] == 1
    assert call(capsys, "schedule", "list", "--environment", environment(place, host), "--json")[0] == 0


def test_an_expired_token_says_what_to_do(
    capsys: pytest.CaptureFixture[str], place: Place, kubeflow: tuple[str, KubeflowServer]
) -> None:
    env = with_token(place, kubeflow, "stale")
    code, _, err = call(capsys, "schedule", "list", "--environment", env)
    assert code == 1
    assert "renew it" in err
    (place.root / "token").write_text("fresh\n")
    assert call(capsys, "schedule", "list", "--environment", env, "--json")[0] == 0
    (place.root / "token").unlink()
    code, _, err = call(capsys, "schedule", "list", "--environment", env)
    assert code == 2


def test_a_run_is_submitted_with_the_environments_token(
    capsys: pytest.CaptureFixture[str], place: Place, kubeflow: tuple[str, KubeflowServer]
) -> None:
    env = with_token(place, kubeflow, "fresh")
    code, _, err = call(capsys, "submit", "england", "--environment", env, "--no-wait", "--json")
    assert code == 0, err
    (run,) = kubeflow[1].runs.values()
    assert run["runtime_config"]["parameters"] == {"market": "england", "environment": "cluster"}


def test_a_write_is_not_sent_twice(
    capsys: pytest.CaptureFixture[str], place: Place, kubeflow: tuple[str, KubeflowServer]
) -> None:
    host, server = kubeflow
    server.fail = lambda method, path: 500 if method == "POST" and path.endswith("recurringruns") else None
    code, _, _ = call(capsys, "schedule", "apply", "--environment", environment(place, host))
    assert code == 1
    assert sum(request == ("POST", "/apis/v2beta1/recurringruns") for request in server.requests) == 1
