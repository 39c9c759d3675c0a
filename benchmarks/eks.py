"""What the product is measured by on a cluster, as far as it shows without one.

python -m benchmarks.eks [--full]        # --full: the fleet at 64 markets too

Manifests strictly validated, wildcards, schedules against a server with Kubeflow's rules, canary analysis of simulated
roll-outs, a fleet of markets in two processes, the client of Kubeflow against a server that fails. Last line: JSON.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.memory import peak_memory
from benchmarks.report import Figure, finish
from manifests.documents import ROOT, render, roles, statements, template
from tests.core.promotion.test_analysis import furthest
from tests.core.scheduling.test_plan import WEEKDAYS, ZONES, Server, drawn, market, next_run, wanted
from tests.kubeflow_server import KubeflowServer, kubeflow_server
from tests.manifests.test_schemas import CUSTOM, KUBERNETES

OVERLAYS: Final = ("local", "staging", "production")
CHANGES: Final = 5000
ROLLOUTS: Final = 1000
SEED: Final = 7
ENVIRONMENT: Final = (
    "environment: bench\nstore: store\nrestricted_store: restricted\n"
    "registry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}\n"
    "audit: {store: audit/records, heads: audit/heads, key: keys/audit, create_key: true}\n"
    "cash_required: false\nsynthetic_allowed: true\nbootstrap: true\nnotify: [file]\n"
)


def overlays() -> Iterator[Figure]:
    """Yield how many objects of the rendered overlays are valid, and how many policy checks failed."""
    import kubernetes_validate

    objects, wrong = 0, 0
    for overlay in OVERLAYS:
        for item in render(ROOT / "manifests" / "overlays" / overlay):
            if item["kind"] == "ServingRuntime":
                continue  # through KServe's own models, among the checks below
            objects += 1
            rule = CUSTOM.get((item["apiVersion"], item["kind"]))
            if rule is not None:
                wrong += not rule[0] <= item["spec"].keys() <= rule[0] | rule[1]
                continue
            try:
                kubernetes_validate.validate(item, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError:
                wrong += 1
    yield Figure(
        f"objects of {len(OVERLAYS)} overlays that are valid, of {objects}", objects - wrong, "", f">= {objects}"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/manifests"]
    said = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    dots = Counter("".join(re.findall(r"^([.sFE]+)\s+\[", said.stdout, re.MULTILINE)))
    yield Figure(f"policy and schema checks failed, of {sum(dots.values())}", dots["F"] + dots["E"], "", "<= 0")


def wildcards() -> Iterator[Figure]:
    """Yield the wildcards of rights that nothing explains."""
    resources = template("data")["Resources"] | template("cluster")["Resources"]
    explained, unexplained = 0, 0
    for role in roles(resources).values():
        for one in statements(role):
            places = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
            if "*" in places or any("*" in action for action in one["Action"]):
                explained += "Wildcards" in role.get("Metadata", {})
                unexplained += "Wildcards" not in role.get("Metadata", {})
    yield Figure(f"IAM wildcards without a reason, beside {explained} with one", unexplained, "", "<= 0")
    rules = [
        rule
        for overlay in OVERLAYS
        for item in render(ROOT / "manifests" / "overlays" / overlay)
        if item["kind"] in {"Role", "ClusterRole"}
        for rule in item["rules"]
    ]
    stars = sum("*" in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]] for rule in rules)
    yield Figure(f"RBAC wildcards, in {len(rules)} rules", stars, "", "<= 0")


def schedules() -> Iterator[Figure]:
    """Yield how many sets of changes converged in one apply, and the draws run twice or missed over a year."""
    dice, now = random.Random(SEED), dt.datetime(2026, 5, 1, tzinfo=dt.UTC)  # noqa: S311
    server, converged = Server(), 0
    markets = {f"m{n}": drawn(dice, f"m{n}") for n in range(8)}
    for _ in range(CHANGES):
        for _ in range(dice.randint(1, 4)):
            name = f"m{dice.randrange(12)}"
            if dice.random() < 0.25:
                markets.pop(name, None)
            else:
                markets[name] = drawn(dice, name)
        if server.runs and dice.random() < 0.1:
            del server.runs[dice.choice(list(server.runs))]
        asked = wanted(list(markets.values()), now)
        server.apply(asked)
        there = sorted((run.name, run.enabled) for run, _, _ in server.runs.values())
        converged += there == sorted((run.name, run.enabled) for run in asked) and server.apply(asked) == 0
    yield Figure(f"sets of changes settled by one apply, of {CHANGES}", converged, "", f">= {CHANGES}")
    twice, missed, due = _year()
    yield Figure(f"draws run twice in a year with its clock changes, of {due}", twice, "", "<= 0")
    yield Figure(f"draws missed in it, of {due}", missed, "", "<= 0")


def _year() -> tuple[int, int, int]:
    """Apply twice a day, as the CronJob `schedules` does, at each hour in turn; return draws run twice, missed, due."""
    twice = missed = expected = 0
    start, end = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 2, tzinfo=dt.UTC)
    for hour in range(12):
        markets = [
            market(f"m{n}x{z}", zone, days, at)
            for n, (days, at) in enumerate([(("mon",), "06:00"), (("sun", "wed"), "01:30"), (WEEKDAYS, "12:10")])
            for z, zone in enumerate(ZONES)
        ]
        server, ran = Server(), Counter[tuple[str, dt.datetime]]()
        day = start
        while day < end:
            first = day.replace(hour=hour, minute=5)
            times = [day - dt.timedelta(seconds=1), first, first + dt.timedelta(hours=12), day + dt.timedelta(days=1)]
            for since, until in itertools.pairwise(times):
                if since >= day:
                    server.apply(wanted(markets, since))
                fired = [(name, at) for name, at in server.fires(day.date()) if since < at <= until]
                ran.update(("-".join(name.split("-")[2:-1]), at) for name, at in fired)
            day += dt.timedelta(days=1)
        due = set()
        for one in markets:
            at = start.replace(hour=hour, minute=5)
            while (at := next_run(one, at)) < end:
                due.add((one.market, at))
        expected += len(due)
        twice += sum(times > 1 for times in ran.values()) + len(ran.keys() - due)
        missed += len(due - ran.keys())
    return twice, missed, expected


def canaries() -> Iterator[Figure]:
    """Yield the shares of bad versions stopped before half the traffic, and of good ones that went through.

    Bad is one of: 20 to 100% of its answers fail, it is 6 to 20 times as slow, or it is off by 0.001% to 10%.
    """
    rng = np.random.default_rng(SEED)
    kinds: dict[str, Callable[[], tuple[float, float, float]]] = {
        "errors": lambda: (rng.uniform(0.2, 1.0), 1.0, 0.0),
        "slow": lambda: (0.0, rng.uniform(6.0, 20.0), 0.0),
        "wrong": lambda: (0.0, 1.0, 10 ** rng.uniform(-5, -1)),
    }
    stopped: dict[str, list[bool]] = {name: [] for name in kinds}
    for turn in range(ROLLOUTS):
        name = list(kinds)[turn % len(kinds)]
        stopped[name].append(furthest(rng, *kinds[name]()) < 50)
    for name, found in stopped.items():
        yield Figure(
            f"bad versions ({name}) stopped before 50%, of {len(found)}", 100 * float(np.mean(found)), "%", ">= 99"
        )
    passed = [furthest(rng, 0.0, 1.0, 1e-9) == 101 for _ in range(ROLLOUTS)]
    yield Figure(f"good versions completed, of {ROLLOUTS}", 100 * float(np.mean(passed)), "%", ">= 98")


def fleet(sizes: tuple[int, ...]) -> Iterator[Figure]:
    """Yield seconds a market and peak memory of fleets of these sizes, in two processes; 64 beside 8."""
    seconds: dict[int, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "bench.yaml").write_text(ENVIRONMENT)
            text = (ROOT / "configs" / "markets" / "england.yaml").read_text()
            for number in range(size):
                (place / f"m{number}.yaml").write_text(text.replace("market: england", f"market: m{number}"))
            files = [str(place / f"m{number}.yaml") for number in range(size)]
            words = [sys.executable, "-m", "jackpot", "fleet", *files, "--environment", str(place / "bench.yaml")]
            began = time.perf_counter()
            with subprocess.Popen(
                [*words, "--parallel", "2", "--out", str(place / "out"), "--json"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            ) as process:  # fmt: skip
                peak = peak_memory(process.pid, 0.25)
                out, _ = process.communicate()
            seconds[size] = (time.perf_counter() - began) / size
            failed = sum(not run["succeeded"] for run in json.loads(out)["runs"])
            most = peak() / 2**20
        yield Figure(f"fleet of {size}: runs that failed", failed, "", "<= 0")
        yield Figure(f"fleet of {size}: memory of all its processes, at most", most, "MiB", "<= 2048")
        yield Figure(f"fleet of {size}: time a market", seconds[size], "s", "<= 60")
    slower = 100 * (seconds[64] / seconds[8] - 1) if {8, 64} <= seconds.keys() else None
    yield Figure("time a market at 64 beside that at 8", slower, "% more", "<= 15")


def failures() -> Iterator[Figure]:
    """Yield how many of the ways in which a server fails end as they should: a sentence, few requests, exit code 1."""
    right: list[str] = []
    wrong: list[str] = []
    longest = 0.0

    def statuses(status: int) -> Callable[[KubeflowServer], None]:
        def spoil(server: KubeflowServer) -> None:
            server.fail = lambda method, path: status if not path.endswith("healthz") else None

        return spoil

    def expired(server: KubeflowServer) -> None:
        server.token = "fresh"  # noqa: S105

    def slow(server: KubeflowServer) -> None:
        server.delay_seconds = 35.0

    cases: list[tuple[str, Callable[[KubeflowServer], None] | None, str]] = [
        ("away", None, "cannot be reached"),
        ("500", statuses(500), "refused"),
        ("503", statuses(503), "refused"),
        ("forbidden", statuses(403), "lacks the right"),
        ("quota", statuses(429), "asks for patience"),
        ("token expired", expired, "renew it"),
        ("slow", slow, "cannot be reached"),
    ]
    for name, spoil, says in cases:
        with kubeflow_server() as (host, server), tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "token").write_text("stale\n")
            address = host if spoil is not None else "http://127.0.0.1:9"
            settings = f"{ENVIRONMENT}kfp_host: {address}\nrunner: kubeflow\nmarkets: [england]\n"
            (place / "bench.yaml").write_text(settings + "kfp_token_file: token\n")
            if spoil is not None:
                spoil(server)
            commands = [["schedule", "plan"], ["fleet", "england", "--out", str(place / "out")]]
            for words in commands[: 1 if name == "slow" else 2]:
                before, began = len(server.requests), time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-m", "jackpot", *words, "--environment", str(place / "bench.yaml")],
                    capture_output=True, text=True, cwd=ROOT, check=False,
                )  # fmt: skip
                longest = max(longest, time.perf_counter() - began)
                said, requests = done.stdout + done.stderr, len(server.requests) - before
                plain = " ".join(said.split())
                kept = done.returncode == 1 and says in plain and "Traceback" not in said and requests <= 6
                (right if kept else wrong).append(f"{name}: {words[0]}")
                if not kept:
                    print(
                        f"{name}: {words[0]}: exit code {done.returncode}, {requests} requests\n{said}", file=sys.stderr
                    )
    told = f"failures of Kubeflow's server that end in a sentence and code 1, of {len(right) + len(wrong)}"
    yield Figure(told, len(right), "", f">= {len(right) + len(wrong)}")
    yield Figure("longest wait for such an end", longest, "s", "<= 150")


def main() -> None:
    """Measure and print."""
    flags = argparse.ArgumentParser("python -m benchmarks.eks", description=__doc__)
    flags.add_argument("--full", action="store_true", help="The fleet at 64 markets too (half an hour).")
    flags.add_argument("--without-fleet", action="store_true", help="All but the fleet: two minutes.")
    asked = flags.parse_args()
    parts = [overlays(), wildcards(), schedules(), canaries(), failures()]
    if not asked.without_fleet:
        parts.append(fleet((1, 8, 64) if asked.full else (1, 8)))
    finish("eks", [figure for part in parts for figure in part])


if __name__ == "__main__":
    main()
