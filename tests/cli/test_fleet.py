"""jackpot fleet: each market a run of its own; one's failure harms no other."""

import json
from pathlib import Path

import pytest

from jackpot.cli import main
from tests.conftest import Place
from tests.kubeflow_server import kubeflow_server


def fleet(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict[str, object]], Path]:
    with pytest.raises(SystemExit) as stop:
        main(["fleet", *words, "--json"])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    found = json.loads(out)
    return int(stop.value.code or 0), {run["market"]: run for run in found["runs"]}, Path(found["page"])


@pytest.mark.integration
def test_a_market_that_fails_harms_no_other(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    broken = place.market(changes={"history:\n": "history:\n  uri: nowhere.csv\n"}, rename="broken")
    out = place.root / "fleet"
    code, runs, page = fleet(capsys, "england", str(broken), "--environment", str(place.environment), "--out", str(out))
    assert code == 1
    assert runs["england"]["status"] == "recommended"
    assert not runs[str(broken)]["succeeded"]
    assert "nowhere.csv" in str(runs[str(broken)]["message"])
    text = page.read_text()
    assert "1 of 2 runs succeeded" in text
    assert (out / "england/report.html").is_file()
    assert 'href="england/report.html"' in text


def test_on_a_cluster_each_market_is_submitted_and_a_refusal_is_told(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    with kubeflow_server() as (host, server):
        env = place.root / "cluster.yaml"
        env.write_text(
            place.environment.read_text().replace("environment: test", "environment: cluster")
            + f"kfp_host: {host}\nrunner: kubeflow\nmarkets: [england, uk_lotto, powerball]\n"
        )
        refused: list[str] = []

        def fail(method: str, path: str) -> int | None:
            if method == "POST" and path.endswith("/runs") and not refused:
                refused.append(path)
                return 403
            return None

        server.fail = fail
        code, runs, _ = fleet(capsys, "--environment", str(env), "--parallel", "1", "--out", str(place.root / "fleet"))
        assert code == 1
        assert [run["succeeded"] for run in runs.values()] == [False, True, True]
        assert "lacks the right" in str(runs["england"]["message"])
        assert {run["runtime_config"]["parameters"]["market"] for run in server.runs.values()} == {
            "uk_lotto",
            "powerball",
        }


def test_a_market_that_is_none_starts_nothing(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fleet", "england", "atlantis", "--environment", str(place.environment)])
    assert stop.value.code == 2
    assert "atlantis" in capsys.readouterr().err
