"""Answers are the demand model's own, by every protocol."""

from __future__ import annotations

import asyncio
import datetime as dt
import html
import re
import shlex
import subprocess
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from jackpot.market.calendar import draw_dates

from .conftest import MARKET, Server, Trained

JACKPOTS = (4e6, 12_345_678.9, 20e6, 33e6, 250e6)
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def expected(trained: Trained) -> dict[str, Any]:
    """Return the core's own forecasts of the third draw to come, the two before it by the calendar."""
    demand, week = trained.demand(1, 1), trained.weeks[1]
    dates = pd.DatetimeIndex(draw_dates(week.market, week.as_of - dt.timedelta(days=1), 3))
    jackpots = np.array(JACKPOTS)
    return {
        "date": dates[-1].date().isoformat(),
        "mean": demand.mean(jackpots, dates)[-1],
        "quantiles": demand.quantiles(jackpots, dates, np.array(LEVELS))[:, -1].T,
        "median": demand.quantiles(jackpots, dates, np.array([0.5]))[0, -1],
        "elasticity": np.array([one.mean for one in demand.elasticity(jackpots)]),
        "extrapolated": jackpots > demand.largest_seen,
    }


def _same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in ("mean", "median", "quantiles", "elasticity"):
        np.testing.assert_allclose(np.array(found[name], dtype=float), expected[name], rtol=1e-9)
    np.testing.assert_array_equal(np.array(found["extrapolated"], dtype=bool), expected["extrapolated"])


def test_v1_predicts_what_the_model_says(server: Server, trained: Trained, expected: dict[str, Any]) -> None:
    instances = [{"jackpot": jackpot, "draw_date": expected["date"]} for jackpot in JACKPOTS]
    body = {"instances": instances, "quantiles": LEVELS}
    answer = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=body).json()
    rows = answer["predictions"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    _same({**columns, "quantiles": [list(one.values()) for one in columns["quantiles"]]}, expected)
    assert list(rows[0]["quantiles"]) == ["0.1", "0.5", "0.9"]
    assert (answer["model_version"], answer["model"]) == ("v1", trained.hashes[0])
    assert answer["as_of"] == trained.weeks[1].checks.as_of


def test_one_instance_is_answered_as_many_are(server: Server, expected: dict[str, Any]) -> None:
    address = f"{server.url}/v1/models/{MARKET}:predict"
    instances = [{"jackpot": jackpot, "draw_date": expected["date"]} for jackpot in JACKPOTS]
    many = httpx.post(address, json={"instances": instances}).json()["predictions"]
    for one, among_many in zip(instances, many, strict=True):
        (alone,) = httpx.post(address, json={"instances": [one]}).json()["predictions"]
        assert alone["mean"] == pytest.approx(among_many["mean"], rel=1e-12)
        assert alone["quantiles"] == pytest.approx(among_many["quantiles"], rel=1e-12)


def test_json_integers_are_numbers(server: Server, expected: dict[str, Any]) -> None:
    instances = [{"jackpot": jackpot, "draw_date": expected["date"]} for jackpot in (20_000_000, 20_000_000.0)]
    whole, real = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json={"instances": instances}).json()[
        "predictions"
    ]
    assert whole == real


def test_explanation_multiplies_to_the_median(server: Server, expected: dict[str, Any]) -> None:
    body = {"instances": [{"jackpot": JACKPOTS[2], "draw_date": expected["date"]}]}
    (one,) = httpx.post(f"{server.url}/v1/models/{MARKET}:explain", json=body).json()["explanations"]
    assert np.prod([part["factor"] for part in one["parts"]]) == pytest.approx(expected["median"][2], rel=1e-9)
    assert one["elasticity"]["low_90"] <= one["elasticity"]["mean"] <= one["elasticity"]["high_90"]
    means = [point["mean"] for point in one["curve"]]
    assert means == sorted(means)


def _v2_json(expected: dict[str, Any]) -> dict[str, Any]:
    n = len(JACKPOTS)
    return {
        "id": "mine",
        "parameters": {"quantiles": "0.1,0.5,0.9"},
        "inputs": [
            {"name": "jackpot", "shape": [n], "datatype": "FP64", "data": list(JACKPOTS)},
            {"name": "draw_date", "shape": [n, 1], "datatype": "BYTES", "data": [[expected["date"]]] * n},
        ],
    }


def test_v2_answers_in_tensors(server: Server, expected: dict[str, Any]) -> None:
    for path in (f"/v2/models/{MARKET}/infer", f"/v2/models/{MARKET}/versions/v1/infer"):
        answer = httpx.post(server.url + path, json=_v2_json(expected)).json()
        tensors = {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in answer["outputs"]}
        _same(tensors, expected)
        assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", MARKET, "v1")
    nameless = {**_v2_json(expected), "id": ""}
    assert "id" not in httpx.post(f"{server.url}/v2/models/{MARKET}/infer", json=nameless).json()


def test_v2_gives_the_outputs_asked_for(server: Server, expected: dict[str, Any]) -> None:
    body = {**_v2_json(expected), "outputs": [{"name": "elasticity"}, {"name": "mean"}]}
    answer = httpx.post(f"{server.url}/v2/models/{MARKET}/infer", json=body).json()
    assert [one["name"] for one in answer["outputs"]] == ["elasticity", "mean"]


def _request(expected: dict[str, Any], binary: bool) -> Any:
    from kserve import InferInput, InferRequest

    n = len(JACKPOTS)
    jackpots = InferInput("jackpot", [n], "FP64")
    jackpots.set_data_from_numpy(np.array(JACKPOTS), binary_data=binary)
    dates = InferInput("draw_date", [n], "BYTES")
    dates.set_data_from_numpy(np.array([expected["date"]] * n, dtype=object), binary_data=binary)
    parameters = {"quantiles": "0.1,0.5,0.9", **({"binary_data_output": True} if binary else {})}
    return InferRequest(MARKET, [jackpots, dates], parameters=parameters)


@pytest.mark.parametrize("binary", [False, True])
def test_kserves_own_rest_client(server: Server, expected: dict[str, Any], binary: bool) -> None:
    from kserve import InferenceRESTClient, RESTConfig

    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await client.is_server_ready(server.url)
        assert await client.is_model_ready(server.url, MARKET)
        return await client.infer(server.url, _request(expected, binary), model_name=MARKET)

    answer = asyncio.run(ask())
    _same({one.name: one.as_numpy() for one in answer.outputs}, expected)


@pytest.mark.parametrize("raw", [False, True])
def test_kserves_own_grpc_client(server: Server, expected: dict[str, Any], raw: bool) -> None:
    from kserve import InferenceGRPCClient, InferRequest

    async def ask() -> Any:
        client = InferenceGRPCClient(f"127.0.0.1:{server.grpc}")
        assert await client.is_server_ready()
        assert await client.is_model_ready(MARKET)
        request = _request(expected, raw)
        grpc_request = InferRequest(MARKET, request.inputs, parameters={"quantiles": "0.1,0.5,0.9"})
        answer = await client.infer(grpc_request)
        await client.close()
        return answer

    answer = asyncio.run(ask())
    _same({one.name: one.as_numpy() for one in answer.outputs}, expected)


def test_metadata_and_readiness(server: Server) -> None:
    metadata = httpx.get(f"{server.url}/v2/models/{MARKET}").json()
    assert [(one["name"], one["datatype"]) for one in metadata["inputs"]] == [
        ("jackpot", "FP64"),
        ("draw_date", "BYTES"),
    ]
    assert httpx.get(f"{server.url}/v1/models/{MARKET}").json() == {"name": MARKET, "ready": True}
    assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
    assert "model_repository_extension" not in httpx.get(f"{server.url}/v2").json()["extensions"]
    card = httpx.get(f"{server.url}/jackpot/models/{MARKET}").json()
    assert card["model_version"] == "v1"
    assert card["next_draw"] >= card["as_of"]


def test_the_api_page_has_an_example_that_works(server: Server) -> None:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    for verb in ("predict", "explain"):
        post = paths[f"/v1/models/{{model_name}}:{verb}"]["post"]
        example = post["requestBody"]["content"]["application/json"]["example"]
        assert httpx.post(f"{server.url}/v1/models/{MARKET}:{verb}", json=example).status_code == 200
    assert not [path for path in paths if "repository" in path]


def test_each_line_of_the_api_page_works_as_it_stands(server: Server) -> None:
    found = httpx.get(f"{server.url}/docs")
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in found.text
    lines = [html.unescape(line) for line in re.findall(r"<pre[^>]*>(.*?)</pre>", found.text)]
    assert len(lines) > 8
    for line in lines:
        words = [*shlex.split(line), "-o", "/dev/null", "-w", "%{http_code}"]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "200", line
    odd = httpx.get(f"{server.url}/docs", headers={"host": "$(id)"})
    assert (odd.status_code, "$(id)" in odd.text, "http://localhost:8080/docs" in odd.text) == (200, False, False)
    assert "http://localhost:8080/v1/models" in odd.text
    assert httpx.post(f"{server.url}/docs").status_code == 405
