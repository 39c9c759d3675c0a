"""The console's figures: `make bench-console` (a quarter of an hour; FULL=0 for a short look), JSON last.

In headless Chromium: what-ifs from the slider's stop to the picture, and the first page with a cold cache. Over HTTP:
the first page of 200 markets with three years of weeks, 50 people at once, and a server killed while it records.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from jackpot.adapters.places import open_places
from jackpot.audit import AuditLog, Keyring
from jackpot.store import MissingObjectError
from tests.browser import CHROMIUM, Page, chromium
from tests.serving.conftest import free_port, wait_for
from tests.serving.console.conftest import ENVIRONMENT, ROOT, alive, ask, process
from tests.serving.console.test_decisions import killed_in_a_decision

from .memory import memory
from .servers import cpu_seconds

MARKETS, WEEKS, PEOPLE = 200, 156, 50
EVERYONE = '{"*": ["local:*"]}'
ISSUER, AUDIENCE = "https://id.example.com", "jackpot-console"


class Memory:
    """A store in memory, to write logs of years in seconds."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        """Return an object."""
        if key not in self.objects:
            raise MissingObjectError(key)
        return self.objects[key]

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object once."""
        return self.objects.setdefault(key, data) is data

    def replace(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.objects[key] = data

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a prefix."""
        return iter(sorted(key for key in self.objects if key.startswith(prefix)))

    def uri(self, key: str) -> str:
        """Return the key."""
        return key

    def write(self, root: Path) -> None:
        """Write everything below a folder."""
        for key, data in self.objects.items():
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def local(root: Path, name: str = "local.yaml", markets: str = "[england, uk_lotto]") -> Path:
    """Write an environment in which this machine's user may all."""
    head = ENVIRONMENT.partition("console:")[0].replace("{england: [alice, dora], uk_lotto: [ursula]}", EVERYONE)
    head = head.replace("[england, uk_lotto]", markets)
    path = root / name
    path.write_text(f"{head}console: {{read: {EVERYONE}, decide: {EVERYONE}, administer: {EVERYONE}}}\n")
    return path


@contextmanager
def served(path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the console of an environment."""
    port = free_port()
    with process(path, port) as server:
        if not wait_for(lambda: alive(port), 120):
            raise RuntimeError("the console did not start")
        yield f"http://127.0.0.1:{port}", server


ASKED = """(async () => {
  const before = document.body.dataset.answered, start = performance.now();
  const field = document.querySelector('#questions [name=%s]');
  field.value = '%s';
  field.dispatchEvent(new Event('input', {bubbles: true}));
  while (document.body.dataset.answered === before) await new Promise((done) => setTimeout(done, 2));
  await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - start;
})()"""


def questions(page: Page, base: str, full: bool) -> dict[str, float]:
    """Return milliseconds from the last movement of a field to the new picture, 95% quantiles."""

    def times(asked: list[tuple[str, float]]) -> float:
        open_anew()
        found = [float(page.run(ASKED % (name, value))) for name, value in asked]
        return p95(found)

    def open_anew() -> None:
        page.open(f"{base}/markets/england")
        page.wait("document.body.dataset.answered", 120)

    dice = random.Random(7)  # noqa: S311
    count = 40 if full else 12
    jackpots = [("jackpot", round(dice.uniform(5e6, 50e6) / 1e5) * 1e5) for _ in range(count)]
    cash = [("cash", round(dice.uniform(15e6, 200e6) / 1e6) * 1e6) for _ in range(count // 2)]
    ranges = {"floor": (0.3, 0.42), "confidence": (0.8, 0.97), "prize_share": (0.2, 0.3), "elasticity": (0.7, 1.4)}
    plans = [(name, round(dice.uniform(*ends), 4)) for name, ends in ranges.items() for _ in range(count // 8)]
    return {
        "what_if_jackpot_p95_ms": times(jackpots),
        "what_if_cash_p95_ms": times(cash),
        "what_if_new_plan_p95_ms": times(plans),
    }


def first_page(page: Page, base: str) -> dict[str, float]:
    """Return bytes and seconds of the first page with a cold cache, and of a market's."""
    found = {}
    page.call("Network.setCacheDisabled", cacheDisabled=True)
    for name, path in (("today", "/"), ("market", "/markets/england")):
        page.open("about:blank")
        page.told.clear()
        page.open(base + path)
        page.wait("performance.getEntriesByName('first-contentful-paint').length && document.readyState === 'complete'")
        loads = [one["params"] for one in page.told if one["method"] == "Network.loadingFinished"]
        found[f"first_{name}_kib"] = sum(load["encodedDataLength"] for load in loads) / 1024
        paint = page.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        found[f"first_{name}_content_s"] = paint / 1000
    page.call("Network.setCacheDisabled", cacheDisabled=False)
    return found


def equal_to_the_command_line(base: str, path: Path) -> bool:
    """Return whether answers equal `jackpot what-if --json` to the last digit."""
    same = True
    for words in (["jackpot=30000000"], ["confidence=0.9"], ["elasticity=1.2", "jackpot=20000000"], ["cash=30000000"]):
        told = httpx.get(f"{base}/markets/england/what-if?{'&'.join(words)}", timeout=120).json()["what_if"]
        flags = [flag for word in words for flag in ("--set", word)]
        command = [sys.executable, "-m", "jackpot", "what-if", "england", *flags, "--json", "--environment", str(path)]
        done = subprocess.run([*command, "--as-of", told["draw_date"]], capture_output=True, cwd=ROOT, check=True)
        same = same and json.dumps(told, sort_keys=True) == json.dumps(json.loads(done.stdout), sort_keys=True)
    return same


def many_markets(week: Path, root: Path) -> dict[str, float]:
    """Return the first page's seconds with 200 markets and three years of weeks, and the server's memory."""
    places = open_places(str(week / "test.yaml"))
    model = next(iter(places.audit("england").entries("recommendation")))
    record = json.loads(places.store.read(f"{model.body['prefix']}/recommendation.json"))
    market_file = (ROOT / "configs/markets/england.yaml").read_text()
    key = b"k" * 32
    (root / "keys").mkdir(parents=True)
    (root / "keys" / "audit").write_bytes(key)
    store, records, heads = Memory(), Memory(), Memory()
    names = [f"market_{number:03d}" for number in range(MARKETS)]
    for name in names:
        (root / f"{name}.yaml").write_text(market_file.replace("market: england", f"market: {name}"))
        own, own_heads = Memory(), Memory()
        log = AuditLog(name, own, own_heads, Keyring(key))
        for number in range(WEEKS):
            day = (dt.date(2023, 1, 7) + dt.timedelta(days=7 * number)).isoformat()
            prefix = f"recommendations/{name}/{day}/a/b"
            body = {**model.body, "draw_date": day, "prefix": prefix}
            log.append("recommendation", f"{day}/a/{number}", at=f"{day}T06:00:00+00:00", by="run:1", body=body)
            if number >= WEEKS - 1:
                told = {**record, "market": name, "draw_date": day}
                store.replace(f"{prefix}/recommendation.json", json.dumps(told).encode())
        records.objects |= own.objects
        heads.objects |= own_heads.objects
    store.write(root / "store")
    records.write(root / "audit" / "records")
    heads.write(root / "audit" / "heads")
    path = local(root, "many.yaml", f"[{', '.join(f'{root}/{name}.yaml' for name in names)}]")
    with served(path) as (base, server):
        begun, worked = time.perf_counter(), cpu_seconds(server.pid)
        first = httpx.get(f"{base}/", timeout=60)
        cold = time.perf_counter() - begun
        while "being read" in first.text:
            time.sleep(0.5)
            first = httpx.get(f"{base}/", timeout=60)
        whole, cold_cpu = time.perf_counter() - begun, cpu_seconds(server.pid) - worked
        if first.text.count("/markets/market_") != MARKETS:
            raise RuntimeError("the first page lacks markets")
        times, worked = [], cpu_seconds(server.pid)
        for _ in range(20):
            begun = time.perf_counter()
            httpx.get(f"{base}/", timeout=60)
            times.append(time.perf_counter() - begun)
            time.sleep(1)
        return {
            "today_200_first_s": cold,
            "today_200_all_read_s": whole,
            "today_200_all_read_cpu_s": cold_cpu,
            "today_200_p95_s": p95(times),
            "today_200_page_cpu_s": (cpu_seconds(server.pid) - worked) / len(times),
            "today_200_kib": len(first.content) / 1024,
            "today_200_rss_mib": memory(server.pid, "Rss") / 2**20,
        }


def crowd(week: Path, root: Path, seconds: float) -> dict[str, float]:
    """Return what 50 people met who read, asked, decided, answered and verified for so long, signed in by tokens.

    Ten may only read, 20 decide, 15 approve, 5 administer; each tries everything.
    """
    subprocess.run(["cp", "-r", f"{week}/.", str(root)], check=True)
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": "one"}
    (root / "keys.json").write_text(json.dumps({"keys": [jwk]}))
    people = [f"oidc:person{number:02d}@example.com" for number in range(PEOPLE)]
    may = {"read": people, "decide": people[10:30], "approve": people[30:45], "administer": people[45:]}
    roles = ", ".join(f"{role}: {{england: {json.dumps(may[role])}}}" for role in ("read", "decide", "administer"))
    text = ENVIRONMENT.partition("console:")[0].replace("[alice, dora]", json.dumps(may["approve"]))
    (root / "crowd.yaml").write_text(
        f"{text}console: {{{roles}, identity: oidc, issuer: '{ISSUER}', audience: {AUDIENCE}, keys: keys.json}}\n"
    )
    path = root / "crowd.yaml"
    places = open_places(str(path))
    requests = [ask(places, f"v{100 + number}") for number in range(20)]
    until = time.monotonic() + seconds
    with served(path) as (base, _):

        def click(number: int) -> list[tuple[str, int, float, bool]]:
            dice, met = random.Random(number), []  # noqa: S311
            claims = {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "exp": time.time() + 3600,
                "email": people[number].removeprefix("oidc:"),
            }
            headers = {
                "authorization": "Bearer " + jwt.encode(claims, key, "ES256", headers={"kid": "one"}),
                "origin": base,
            }
            with httpx.Client(base_url=base, headers=headers, timeout=120) as client:
                bearing = ("", f"/approvals/{requests[0].number}", "/audit")
                shown = "".join(client.get(f"/markets/england{place}").text for place in bearing)
                token = shown.partition('name="token" value="')[2][:64]
                day = shown.partition('data-draw="')[2][:10]
                while time.monotonic() < until:
                    chosen, begun = dice.random(), time.perf_counter()
                    if chosen < 0.55:
                        what, pages = (
                            "page",
                            ("/", "/approvals", "/markets/england", "/markets/england/audit", "/markets/england/runs"),
                        )
                        answer = client.get(dice.choice(pages))
                    elif chosen < 0.8:
                        what, jackpot = "what-if", round(dice.uniform(5e6, 50e6) / 1e5) * 1e5
                        answer = client.get(f"/markets/england/what-if?jackpot={jackpot:.0f}")
                    elif chosen < 0.9:
                        what, jackpot = "decide", round(dice.uniform(5e6, 50e6) / 1e5) * 1e5
                        form = {
                            "token": token,
                            "day": day,
                            "jackpot": f"{jackpot:.0f}",
                            "reason": "x",
                            "supersede": dice.choice(["yes", ""]),
                        }
                        answer = client.post("/markets/england/decide", data=form)
                    elif chosen < 0.92:
                        what = "administer"
                        answer = client.post("/markets/england/audit/verify", data={"token": token})
                    else:
                        what, asked = "approve", dice.choice(requests)
                        form = {
                            "token": token,
                            "verdict": dice.choice(["approved", "rejected"]),
                            "reason": f"{number}",
                            "evidence": str(asked.body["evidence_sha256"]),
                        }
                        answer = client.post(f"/markets/england/approvals/{asked.number}", data=form)
                    right = what not in may or people[number] in may[what]
                    met.append((what, answer.status_code, time.perf_counter() - begun, right))
                    time.sleep(dice.uniform(0.2, 1.0))
            return met

        with ThreadPoolExecutor(PEOPLE) as pool:
            met = [one for person in pool.map(click, range(PEOPLE)) for one in person]
    log = open_places(str(path)).audit("england")
    answered = [entry.subject for entry in log.entries("approval_answer")]
    return {
        "crowd_seconds": seconds,
        "crowd_clicks": len(met),
        "crowd_5xx": sum(status >= 500 for _, status, _, _ in met),
        "crowd_click_p95_s": p95([took for _, _, took, _ in met]),
        "crowd_without_right": sum(not right for _, _, _, right in met),
        "crowd_allowed_without_right": sum(not right and status != 403 for _, status, _, right in met),
        "crowd_refused_with_right": sum(right and status == 403 for _, status, _, right in met),
        "crowd_decisions": len(list(log.entries("decision"))),
        "crowd_requests_answered": len(set(answered)),
        "crowd_requests_answered_twice": len(answered) - len(set(answered)),
        "crowd_audit_faults": len(log.verify()),
    }


def killed(week: Path, root: Path, times: int) -> dict[str, float]:
    """Return how often a server killed while it recorded a decision left it twice, or answered and lost it."""
    subprocess.run(["cp", "-r", f"{week}/.", str(root)], check=True)
    path, dice, said, kept = local(root), random.Random(7), 0, 0  # noqa: S311
    for number in range(times):
        answered, recorded = killed_in_a_decision(path, 20e6 + 100_000 * number, dice.uniform(0, 0.2))
        said += answered and not recorded
        kept += recorded
    return {"killed": times, "killed_recorded_once": kept, "killed_answered_but_lost": said}


def p95(values: list[float]) -> float:
    """Return the 95% quantile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


LIMITS = {
    "what_if_jackpot_p95_ms": 200,
    "what_if_cash_p95_ms": 200,
    "what_if_new_plan_p95_ms": 5000,
    "first_today_kib": 300,
    "first_today_content_s": 1,
    "first_market_kib": 300,
    "first_market_content_s": 1,
    "today_200_first_s": 1,
    "today_200_p95_s": 1,
    "crowd_5xx": 0,
    "crowd_allowed_without_right": 0,
    "crowd_refused_with_right": 0,
    "crowd_requests_answered_twice": 0,
    "crowd_audit_faults": 0,
    "killed_answered_but_lost": 0,
}


def main() -> None:
    """Measure, and print a line a figure and then all as JSON."""
    flags = argparse.ArgumentParser("python -m benchmarks.console", description=__doc__)
    flags.add_argument("--short", action="store_true", help="Fewer questions, one minute of clicks, five kills.")
    short = flags.parse_args().short
    found: dict[str, Any] = {}

    def tell(figures: dict[str, Any]) -> None:
        for name, value in figures.items():
            limit = LIMITS.get(name)
            verdict = "" if limit is None else f"  at most {limit}: {'kept' if value <= limit else 'MISSED'}"
            print(f"{name:34} {value:>12.4g}{verdict}", flush=True)
        found.update(figures)

    with tempfile.TemporaryDirectory() as folder:
        week = Path(folder) / "week"
        week.mkdir()
        (week / "test.yaml").write_text(ENVIRONMENT)
        words = ["run", "england", "--environment", str(week / "test.yaml"), "--out", str(week / "out")]
        subprocess.run([sys.executable, "-m", "jackpot", *words], check=True, cwd=ROOT, capture_output=True)
        path = local(week)
        with served(path) as (base, _):
            httpx.get(f"{base}/markets/england", timeout=120)
            httpx.get(f"{base}/markets/england/what-if", timeout=120)
            tell({"equal_to_the_command_line": equal_to_the_command_line(base, path)})
            if CHROMIUM is None:
                print("there is no Chromium: nothing is measured in a browser", file=sys.stderr)
            else:
                with chromium() as page:
                    page.look()
                    tell(first_page(page, base))
                    tell(questions(page, base, not short))
        tell(many_markets(week, Path(folder) / "many"))
        for name in ("crowd", "killed"):
            (Path(folder) / name).mkdir()
        tell(crowd(week, Path(folder) / "crowd", 60 if short else 300))
        tell(killed(week, Path(folder) / "killed", 5 if short else 50))
    tell({"cores": os.cpu_count()})
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
