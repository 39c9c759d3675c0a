"""The console in a real Chromium, as people use it: mouse, keyboard alone, phone, dark and light (`make test-browser`).

Skipped, with the reason, where there is no Chromium; the look at accessibility where npm cannot fetch axe-core.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jackpot.adapters.places import open_places
from jackpot.audit import Entry
from jackpot.promotion import Version, standings
from jackpot.steps.beside import Side, YearBeside, YearDraw, sums, year_key
from tests.browser import CHROMIUM, Page, chromium
from tests.serving.conftest import free_port, wait_for
from tests.serving.console.conftest import alive, ask, copy_of, process, week

__all__ = ["week"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")
AXE = "axe-core@4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
EVERYONE = '{"*": ["local:*"]}'
LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]


@dataclass
class Place:
    base: str
    environment: Path
    draw: str
    number: int

    def entries(self, *kinds: str) -> list[Entry]:
        return list(open_places(str(self.environment)).audit("england").entries(*kinds))  # type: ignore[arg-type]


def a_year(one: Version, other: Version) -> YearBeside:
    """Return a year that two versions might have recommended, one draw of it impossible for the second."""

    def side(jackpot: float | None) -> Side:
        share = None if jackpot is None else jackpot / 2
        status = "recommended" if jackpot else "infeasible"
        return Side(status=status, jackpot=jackpot, expected_sales=share, expected_value=share)

    draws = tuple(
        YearDraw(
            draw_date=str(dt.date(2025, 1, 4) + dt.timedelta(days=7 * number)),
            announced=15e6 + 1e5 * number,
            sales=11e6,
            jackpot_winners=0,
            one=side(15e6 + 3e5 * (number % 7)),
            other=side(None if number == 20 else 16e6 + 2e5 * (number % 11)),
            other_seen_by_one=7e6,
        )
        for number in range(52)
    )
    return YearBeside(
        market="england",
        currency="GBP",
        step=1e5,
        model_name="england-synthetic",
        one=one.version,
        other=other.version,
        one_sha256=one.sha256,
        other_sha256=other.sha256,
        same_settings=False,
        fitted_before=draws[0].draw_date,
        every=1,
        draws=draws,
        sums=sums(draws, 1e5),
    )


@pytest.fixture(scope="module")
def place(week: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = copy_of(week, tmp_path_factory.mktemp("walk") / "place")
    head = path.read_text().partition("console:")[0].replace("{england: [alice, dora], uk_lotto: [ursula]}", EVERYONE)
    roles = f"{{read: {EVERYONE}, decide: {EVERYONE}, administer: {EVERYONE}}}"
    path.write_text(f"{head}console: {roles}\n")
    log = open_places(str(path)).audit("england")
    draw = str(next(iter(log.entries("recommendation"))).body["draw_date"])
    champion = standings(log, "england-synthetic").champion
    assert champion is not None
    store, versions = open_places(str(path)).store, [champion, Version("v9", "a" * 64)]
    asked = ask(open_places(str(path)))
    year = a_year(*versions)
    pair = [part for version in versions for part in (version.version, version.sha256)]
    store.replace(year_key(year.model_name, *pair), year.to_bytes())
    port = free_port()
    with process(path, port):
        assert wait_for(lambda: alive(port), 60)
        yield Place(f"http://127.0.0.1:{port}", path, draw, asked.number)


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as one:
        one.look()
        yield one


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return axe-core's script, from the npm registry by way of npm, held to its hash."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core comes by npm, which is not installed")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, env={**os.environ})
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch {AXE}: {done.stderr.decode()[-200:]}")
    (archive,) = folder.glob("*.tgz")
    data = archive.read_bytes()
    assert base64.b64encode(hashlib.sha512(data).digest()).decode() == AXE_SHA512
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        script = files.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def open_market(page: Page, place: Place, query: str = "") -> None:
    page.open(f"{place.base}/markets/england{query}")
    page.wait("document.body.dataset.answered && !document.querySelector('#answer.stale')")


def ask_anew(page: Page) -> None:
    """Wait for the answer to what was just changed."""
    before = page.run("document.body.dataset.answered")
    page.wait(f"document.body.dataset.answered !== '{before}' && !document.querySelector('#answer.stale')")


PATHS = ["/", "/approvals", "/markets/england", "/markets/england/draws", "/markets/england/draws/{draw}",
         "/markets/england/runs", "/markets/england/models", "/markets/england/monitoring", "/markets/england/audit",
         "/markets/england/approvals/{number}", "/markets/uk_lotto", "/nowhere"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_accessible_in_both_themes_on_desk_and_phone(page: Page, place: Place, axe: str, path: str) -> None:
    for width, dark in LOOKS:
        page.told.clear()
        page.look(width, 900, dark)
        page.open(place.base + path.format(draw=place.draw, number=place.number))
        if page.run("!!document.getElementById('questions')"):
            page.wait("document.body.dataset.answered")
        faults = [fault for fault in page.faults() if "404" not in fault]
        assert faults == [], (width, dark)
        assert {url for url in page.requested() if not url.startswith((place.base, "data:"))} == set()
        assert page.run("document.documentElement.scrollWidth") <= width
        page.run(f"{axe};1")
        found = page.run("axe.run().then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].target))")
        assert found == [], (width, dark)


def test_the_slider_asks_by_mouse_and_by_arrow_keys_and_the_link_brings_it_back(page: Page, place: Place) -> None:
    open_market(page, place)
    assert page.text("#state") == "This is the recommendation."
    before = page.text("#answer")
    page.run("document.querySelector('#jackpot').focus()")
    page.key("ArrowRight", 5)
    ask_anew(page)
    assert page.text("#answer") != before
    assert "less than the recommendation" in page.text("#state")
    asked = page.text("#asked")
    decided = page.run("document.querySelector('#decided').value")
    assert decided.replace(",", "") == page.run("document.querySelector('#jackpot').value")
    link = page.run("document.querySelector('#share').href")
    page.open("about:blank")
    page.open(link)
    page.wait("document.body.dataset.answered")
    assert page.text("#asked") == asked
    page.click("#questions button[type=reset]")
    ask_anew(page)
    assert page.text("#state") == "This is the recommendation."


def test_where_the_engine_would_recommend_another_jackpot_no_answer_passes_for_the_recommendation(
    page: Page, place: Place
) -> None:
    page.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="document.addEventListener('readystatechange', () => {"
        "document.getElementById('questions').dataset.recommended = '23000000' }, {once: true})",
    )
    open_market(page, place)
    said = page.text("#state")
    assert "This is the recommendation" not in said
    assert "The recommendation is £23,000,000" in said
    assert "one fitted now would recommend £23,700,000" in said
    assert page.text("#answer thead tr").split() == ["Figure", "Fitted", "now", "What", "if", "Change"]
    page.type("input[name=floor]", "0.35")
    ask_anew(page)
    assert "than £23,700,000, over this draw and the plan." in page.text("#state")


def test_three_what_ifs_on_a_phone(page: Page, place: Place) -> None:
    page.look(390, 844, dark=True)
    open_market(page, place)
    for name, value in (("floor", "0.35"), ("elasticity", "1.2"), ("cash", "30000000")):
        page.type(f"input[name={name}]", value)
        ask_anew(page)
        assert "recommendation" in page.text("#state")
    page.type("input[name=floor]", "7")
    page.wait("document.querySelector('#state').innerText.includes('less than 1')")
    assert page.run("!!document.querySelector('#answer.stale')")


def test_a_different_decision_needs_a_reason_and_is_recorded_with_the_keyboard_alone(page: Page, place: Place) -> None:
    open_market(page, place)
    page.type("#decided", "30000000")
    page.click("form.decide button")
    page.wait("document.title.startsWith('422')")
    assert "needs a reason" in page.text("main")
    assert place.entries("decision") == []

    open_market(page, place)
    page.tab_to("#decided")
    page.run("document.activeElement.select()")
    page.call("Input.insertText", text="30000000")
    page.tab_to("textarea[name=reason]")
    page.call("Input.insertText", text="a rival draws the same day")
    page.tab_to("form.decide button")
    page.key("Enter")
    page.wait("location.hash === '#decision' && document.readyState === 'complete'")
    assert "30,000,000 decided by local:" in page.text("main")
    assert place.entries("decision")[-1].body["reason"].startswith("a rival draws the same day")


def test_a_challenger_is_approved_and_its_promotion_is_followed(page: Page, place: Place) -> None:
    page.open(f"{place.base}/approvals")
    page.click("main tbody a")
    page.wait(f"location.pathname.endsWith('/approvals/{place.number}')")
    page.type("textarea[name=reason]", "better by three per cent")
    page.click("button[value=approved]")
    page.wait("location.pathname.startsWith('/actions/')")
    page.wait("document.querySelector('#action').innerText.startsWith('Not done')", 90)  # there are no files of v9
    assert "v9" in page.text("#action")
    assert place.entries("approval_answer")[0].body["verdict"] == "approved"


def test_the_year_of_a_challenger_is_drawn_and_computed_anew_at_a_press(page: Page, place: Place) -> None:
    path = f"{place.base}/markets/england/approvals/{place.number}"
    page.open(f"{path}#year")
    page.wait("!!document.querySelector('[aria-label^=\"From 2025-01-04\"] canvas')")
    assert "They differ by" in page.text("main")
    assert page.run("document.querySelectorAll('table:has(a[href=\"?format=csv\"]) tbody tr').length") == 52
    page.click("form[action$='/year'] button")
    page.wait("location.pathname.startsWith('/actions/')")
    page.wait("document.querySelector('#action').innerText.startsWith('Not done')", 120)  # there is no v9
    assert "no such version" in page.text("#action")
    page.click("a[href$='#year']")
    page.wait("location.hash === '#year' && document.readyState === 'complete'")
    assert "They differ by" in page.text("main")  # what was known stays


def test_a_past_draw_is_found_and_replayed(page: Page, place: Place) -> None:
    page.open(f"{place.base}/markets/england/draws")
    page.type("input.find", place.draw[:7])
    page.click("#draws tbody a")
    page.wait(f"location.pathname.endsWith('/draws/{place.draw}')")
    page.click("form[action$='/replay'] button")
    page.wait("location.pathname.startsWith('/actions/')")
    page.call("Page.reload")
    page.wait("document.querySelector('#action')?.innerText.includes('identical')", 120)
    page.open(f"{place.base}/markets/england/audit")
    page.click("form[action$='/verify'] button")
    page.wait("document.querySelector('.notice')?.innerText.startsWith('The log is whole')")


def test_on_paper_there_are_no_forms(page: Page, place: Place) -> None:
    open_market(page, place)
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.run("[...document.querySelectorAll('form, nav')].every(one => one.offsetParent === null)")
    assert page.run("document.querySelector('#curves').offsetParent !== null")
