"""report.html: true to the record, self-contained, safe, well-formed and readable by all."""

import dataclasses
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from jackpot.errors import Problem
from jackpot.records import ElasticityAt
from jackpot.report import ReportInputs, curve_csv, history_csv, html, markdown
from jackpot.report.charts import CSS_VARIABLES

Build = Callable[..., ReportInputs]
VOID = {"meta", "link", "br", "img", "input", "hr"}
STATUSES = ("recommended", "restoring", "infeasible")


class Reader(HTMLParser):
    """Reads a page as a strict reader: tags must balance."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(data.decode())
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in {tag}"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, *tags: str) -> str:
        return " ".join(text.strip() for tag, text in self.texts if not tags or tag in tags)


@pytest.fixture(scope="module")
def pages(inputs: Build) -> dict[str, bytes]:
    return {status: html(inputs(status)) for status in STATUSES}


def test_the_same_inputs_give_the_same_bytes(inputs: Build, pages: dict[str, bytes]) -> None:
    assert html(inputs()) == pages["recommended"]


def test_nobodys_matplotlib_settings_change_a_report(inputs: Build, pages: dict[str, bytes]) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.grid": False, "svg.fonttype": "path"}):
        assert html(inputs()) == pages["recommended"]


@pytest.mark.parametrize("status", STATUSES)
def test_well_formed_with_unique_ids_that_references_meet(pages: dict[str, bytes], status: str) -> None:
    page = Reader(pages[status])
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1
    referred = set(re.findall(rb'(?:url\(#|href="#)([\w-]+)', pages[status]))
    labels = itertools.chain.from_iterable(a["aria-labelledby"].split() for _, a in page.tags if "aria-labelledby" in a)
    assert {name.decode() for name in referred} | set(labels) <= set(ids)


@pytest.mark.parametrize("status", STATUSES)
def test_asks_for_nothing_and_runs_nothing(pages: dict[str, bytes], status: str) -> None:
    page = Reader(pages[status])
    assert not {"script", "iframe", "object", "embed", "form", "img", "image", "base"} & {tag for tag, _ in page.tags}
    assert re.search(rb"https?:|//[a-z]|@import|javascript:", pages[status]) is None
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        link = attributes.get("href", attributes.get("src", "#"))
        assert link.startswith("#") or link == "data:,", link


def test_readable_without_eyes(pages: dict[str, bytes]) -> None:
    page = Reader(pages["recommended"])
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    assert len(page.all("svg")) == len(page.all("title")) - 1 == len(page.all("desc")) == 5
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in page.all("svg"))
    assert all(th["scope"] in ("col", "row") for th in page.all("th"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert {"✓ Kept", "◆ Binding", "○ Not checked"} <= {text.strip() for _, text in page.texts}


def test_contrast_of_words_is_at_least_aa(pages: dict[str, bytes]) -> None:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = np.array([int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    themes = re.findall(r":root \{(.*?)\}", pages["recommended"].decode(), flags=re.S)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", theme))
        assert set(CSS_VARIABLES.values()) <= set(colours)
        for ink, paper in itertools.product(
            ("text", "muted", "good", "warn", "bad"), ("card", "page", "tint", "alarm", "amber")
        ):
            light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def test_the_headline_is_the_records(inputs: Build, pages: dict[str, bytes]) -> None:
    record = inputs().recommendation
    page = Reader(pages["recommended"])
    assert page.text("h1") == "Announce £17,100,000 for Saturday 28 November 2026"
    words = page.text("p").replace("\u00a0", " ")
    millions = {name: f"£{figure / 1e6:.2f} million" for name, figure in (("value", record.expected_value or 0.0),)}
    assert f"expected value is {millions['value']}." in words
    assert "it is worth £76,000 less than keeping the last jackpot" in words
    assert round(record.keep_last.gain or 0.0, -3) == -76_000
    assert "from £17,100,000 to £19,400,000 costs at most 1% of that, the draws ahead counted" in words
    assert f"with probability {100 * (record.win_probability or 0.0):.2g}%" in words
    shown = [float(data["value"]) for data in page.all("data")][:4]
    assert record.expected_sales is not None
    of_record = [
        record.expected_value,
        record.expected_sales.mean,
        record.win_probability,
        record.expected_jackpot_payout,
    ]
    assert shown == pytest.approx(of_record, rel=1e-8)


def test_what_it_hangs_on_is_said_with_its_figures(inputs: Build, pages: dict[str, bytes]) -> None:
    for form in (Reader(pages["recommended"]).text().replace("\u00a0", " "), markdown(inputs())):
        assert "hangs most on the share of other prizes: with it 1 point lower, the plan would announce" in form
        assert "£18,000,000, £900,000 more." in form
        assert "the elasticity of sales 1.6% lower (to £17,000,000)" in form
        assert "the share of other prizes 0.25 points higher (to £16,900,000)" in form
        assert "No change that was tried of the level of sales (up to 40%) moves it." in form
        assert "at most £1,672" in form.replace("£1,670", "£1,672")
        assert "+£25" not in form
    assert "What it hangs on" not in Reader(pages["infeasible"]).text()


def test_what_follows_is_said_to_be_about_another_jackpot_where_the_cash_floor_binds(inputs: Build) -> None:
    given = inputs()
    found = given.recommendation.sensitivities
    assert found is not None
    other = found.model_copy(update={"jackpot": 2e7})
    record = given.recommendation.model_copy(update={"sensitivities": other})
    words = Reader(html(dataclasses.replace(given, recommendation=record))).text("p")
    assert "it would be £20,000,000: what follows is about that jackpot" in words
    assert "about that jackpot" not in Reader(html(given)).text("p")


def test_an_infeasible_week_cannot_be_taken_for_a_recommendation(inputs: Build, pages: dict[str, bytes]) -> None:
    page = Reader(pages["infeasible"])
    assert page.text("h1") == "No jackpot can be recommended for Saturday 28 November 2026"
    words = page.text("p")
    assert "✕ Infeasible: no recommendation" in words
    assert "stays below 40%" in words
    assert "a floor of 38.6% instead of 40%" in words
    assert "£49,900,000: it breaks a constraint too, and is not recommended" in words
    for form in (page.text(), markdown(inputs("infeasible"))):
        assert "Announce" not in form
        assert "Recommended" not in form


def test_a_restoring_week_says_so_before_its_jackpot(inputs: Build, pages: dict[str, bytes]) -> None:
    page = Reader(pages["restoring"])
    assert page.text("h1").startswith("Not a normal recommendation: £17,100,000")
    for form in (page.text(), markdown(inputs("restoring"))):
        assert "▲ Restoring: not a normal recommendation" in form
        assert "Announce" not in form


@pytest.mark.parametrize("status", STATUSES)
def test_without_cash_nothing_of_it_is_left(inputs: Build, pages: dict[str, bytes], status: str) -> None:
    given = inputs(status)
    without = html(dataclasses.replace(given, cash=None))
    figures = ("Cash ahead", "£60.1\u00a0million", "96.3%", "£80.8\u00a0million")
    assert all(figure in Reader(pages[status]).text() for figure in figures)
    for form in (Reader(without).text(), markdown(given)):
        assert not [figure for figure in figures if figure in form]
    assert b"60123457" in pages[status]
    assert b"60123457" not in without
    assert b"4d4d4d4d" not in without
    assert markdown(given) == markdown(dataclasses.replace(given, cash=None))


def test_hostile_text_stays_text(inputs: Build) -> None:
    hostile = '<script>alert(1)</script> | "a" & `b` [c](http://x) *d*\nnext'
    given = inputs(title=hostile[:120], warnings=(hostile,))
    given = dataclasses.replace(given, problems=(Problem("bad", where=hostile, found="</svg><img src=x onerror=y>"),))
    page = Reader(html(dataclasses.replace(given, card=f"# Card\n\n{hostile} ![d](http://y)\n")))
    assert not {"script", "img", "a"} & {tag for tag, _ in page.tags}
    assert hostile in {text for tag, text in page.texts if tag == "li"}
    text = markdown(given)
    assert "<script" not in text
    assert "<img" not in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \| " in text
    assert r"\[c\](http://x) \*d\* next" in text


def test_the_model_card_stands_in_the_report_below_its_headings(inputs: Build) -> None:
    table = "| Gate | Verdict |\n| --- | --- |\n| skill | passed |\n"
    card = f"# Model card: sales\n\n## Use\n\nTo choose `jackpot`.\n\n{table}"
    page = Reader(html(dataclasses.replace(inputs(), card=card)))
    assert [text for tag, text in page.texts if tag in {"h3", "h4"}][-2:] == ["Model card: sales", "Use"]
    assert {"Gate", "skill", "passed"} <= {text for tag, text in page.texts if tag in {"th", "td"}}
    assert "The model in use" not in Reader(html(inputs())).text()


def test_synthetic_draws_are_called_so(inputs: Build) -> None:
    assert b"Synthetic data" in html(inputs(source_uri="synthetic"))
    assert "Synthetic data" in markdown(inputs(source_uri="synthetic"))
    assert b"Synthetic data" not in html(inputs(source_uri="s3://draws/england.csv"))


def test_a_failed_gate_is_told_before_the_figures(inputs: Build) -> None:
    text = Reader(html(inputs(passed=False))).text()
    assert text.index("The model failed its gates") < text.index("Expected value of the draw")
    assert "✕ Failed" in text


def test_long_histories_and_many_warnings_fit(inputs: Build) -> None:
    given = inputs(draws=2000, warnings=tuple(f"warning {n}" for n in range(5000)))
    page = html(given)
    assert len(page) < 400_000
    assert b"and 4,961 more" in page
    assert len(markdown(given)) < 100_000


def test_hashes_are_whole_and_copied_whole(pages: dict[str, bytes]) -> None:
    codes = [attributes["title"] for attributes in Reader(pages["recommended"]).all("code")]
    assert {"5e" * 32, "1a" * 32, "2b" * 32, "3c" * 32, "4d" * 32, "6f" * 32} == set(codes)


def test_smallest_inputs_still_make_a_report(inputs: Build) -> None:
    given = inputs(cash=False)
    bare = dataclasses.replace(
        given,
        curve=given.curve.iloc[[100]],
        history=given.history.tail(3).assign(forecast=np.nan, low_90=np.nan, high_90=np.nan),
        recommendation=given.recommendation.model_copy(
            update={"elasticity": (ElasticityAt(jackpot=5e6, mean=0.1, low_90=0.0, high_90=0.2),), "constraints": ()}
        ),
        problems=(),
    )
    assert Reader(html(bare)).text("h1").startswith("Announce £17,100,000")


def test_the_tables_read_back_as_they_were(inputs: Build) -> None:
    given = inputs()
    curve = pd.read_csv(io.BytesIO(curve_csv(given.curve)))
    pd.testing.assert_frame_equal(curve, given.curve, rtol=1e-8, check_dtype=False)
    history = pd.read_csv(io.BytesIO(history_csv(given.history)), parse_dates=["draw_date"]).fillna({"special": ""})
    pd.testing.assert_frame_equal(history, given.history, rtol=1e-8, check_dtype=False)
    again = dataclasses.replace(given, curve=curve, history=history)
    assert curve_csv(again.curve) == curve_csv(given.curve)
    assert history_csv(again.history) == history_csv(given.history)
    assert Reader(html(again)).text("h1") == "Announce £17,100,000 for Saturday 28 November 2026"
