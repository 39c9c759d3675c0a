"""Reading market files: what is wrong is said with its line, all of it at once, and never with a traceback."""

import datetime as dt
import hashlib
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from jackpot.environment import Environment
from jackpot.errors import InputError
from jackpot.market.loading import (
    known_markets,
    load_market,
    market_path,
    parse_market,
)
from jackpot.market.template import commented_template
from jackpot.strict_yaml.files import CONFIGS, load_yaml, named_file
from jackpot.strict_yaml.tree import LARGEST_FILE, plain_scalar
from tests.strategies.market import MARKETS, mangled_market_files, unreadable_in

TEXT = commented_template("fresh")


def problems(data):
    with pytest.raises(InputError) as caught:
        parse_market(data if isinstance(data, bytes) else data.encode(), "fresh.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("floor: 0.40", "floor: 40", "regulation.payout_ratio.floor", "write 0.4"),
        (
            "secondary_share_of_sales: 0.25",
            "secondary_share_of_sales: 25",
            "game.secondary_share_of_sales",
            "write 0.25",
        ),
        (
            "secondary_share_of_sales: 0.25",
            "secondary_share_of_sales: 25%",
            "game.secondary_share_of_sales",
            "write 0.25",
        ),
        ("one_in: 45_454_545", "one_in: 2.2e-8", "game.jackpot_odds_one_in", "write 45454545"),
        ("start: 5_000_000", "start: 5", "jackpot.start", "not in millions"),
        ("cap: 50_000_000", "cap: 50", "jackpot.cap", "not in millions"),
        ("cap: 50_000_000", "cap: £50M", "jackpot.cap", "write 50000000"),
        ("step: 100_000", "step: 0.1", "jackpot.step", "not in millions"),
        ("step: 100_000", "step: '100000'", "jackpot.step", "without quotes"),
        ("step: 100_000", "step: 1,000", "jackpot.step", "write 1000"),
        ("  floor: 5_000_000", "  floor: 5", "cash.floor", "not in millions"),
        ("mean_sales: 11_750_000", "mean_sales: 11.75", "simulation.mean_sales", "not in millions"),
        ("price: 2.50", "price: '2,50'", "prices[0].price", "write 2.50"),
        ("price: 2.50", "price: 2.5 million", "prices[0].price", "write 2500000"),
        ("price: 2.50", "price: -2.50", "prices[0].price", "over 0"),
        ("price: 2.50", "price: .inf", "prices[0].price", "not finite"),
        ("price: 2.50", "price: 1e999", "prices[0].price", "not finite"),
        ("price: 2.50", "price: true", "prices[0].price", "a number is expected"),
        ("country: GB", "country: gb", "country", '"GB"'),
        ("weekdays: [mon]", "weekdays: [Monday]", "schedule.weekdays[0]", "did you mean mon?"),
        ("weekdays: [sat]", "weekdays: [sat, Saturday]", "calendar.draw_days[0].weekdays[1]", "did you mean sat?"),
        ("payout: per_winner", "payout: per winner", "game.payout", "did you mean per_winner?"),
        ('time: "06:00"', "time: 6:00", "schedule.time", '"06:00"'),
        ("draws: 520", "draws: 520.0", "simulation.draws", "write 520"),
        ("draws: 520", "draws: 0", "simulation.draws", "from 1 to 10,000"),
        ("title: Market fresh", "title: 2026", "title", 'put it in quotes: "2026"'),
        ("title: Market fresh", "title: ''", "title", "empty"),
        ("time_zone: Europe/London", "time_zone: London", "calendar.time_zone", "IANA"),
        ("starts: 2016-01-02, price", "starts: 2016-02-30, price", "prices[0].starts", "no such date"),
        ("starts: 2016-01-02, price", "starts: 20160102, price", "prices[0].starts", "not a date"),
        ("starts: 2016-01-02, price", "starts: 0016-01-02, price", "prices[0].starts", "between 1900 and 2200"),
        ("tested: each_draw", 'year_end: "02-30"', "regulation.payout_ratio.year_end", "no year has this day"),
        ("floor: 0.40 ", "ceiling: 0.30\n    floor: 0.40 ", "regulation.payout_ratio.floor", "over ceiling"),
        ("floor: 0.40 ", "ceiling: 0.20 ", "regulation.payout_ratio.ceiling", "secondary prizes alone are 25.0%"),
        ("cap: 50_000_000", "cap: 4_900_000", "jackpot.cap", "cap 4,900,000 is below start 5,000,000"),
        ("good_cause_share_of_sales: 0.30", "good_cause_share_of_sales: 0.80", "prices[0].price", "more is paid than"),
        ("basis: accrued", "basis: realised", "regulation.payout_ratio.contribution", "belongs to basis: accrued"),
        ("uri: synthetic", "encoding: rot13", "history.encoding", "not an encoding"),
        ("elasticity_high: 0.60", "elasticity_high: 0.05", "simulation.elasticity_high", "convex"),
        ("schedule:", "gates: {coverage_90_pct: [.nan, 99]}\nschedule:", "gates.coverage_90_pct[0]", "not finite"),
    ],
)
def test_what_is_wrong_is_said_with_line_key_and_remedy(old, new, field, said):
    text = TEXT.replace(old, new, 1)
    (problem,) = problems(text)
    assert problem.field == field
    assert said in str(problem)
    assert re.sub(r"\[\d+\]$", "", field).rpartition(".")[2] in line_of(problem, text)


def line_of(problem, text):
    file, _, number = problem.where.partition(":")
    assert file == "fresh.yaml"
    return text.splitlines()[int(number) - 1]


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("  cap: 50", "  capp: 50", "jackpot.capp", "did you mean cap?"),
        ("schedule:", "horizon_draws: 5\nschedule:", "horizon_draws", "a key of cash and of decision"),
        ("schedule:", "demand: {floor: 1}\nschedule:", "demand.floor", "a key of cash and of regulation.payout_ratio"),
        (
            "  cash: 120",
            "  weekday_effects: {sa: 1}\n  cash: 120",
            "simulation.weekday_effects.sa",
            "did you mean sat?",
        ),
        ("schedule:", "<<: {a: 1}\nschedule:", "<<", "unknown key"),
        ("schedule:", "5: 1\nschedule:", "5", "unknown key"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(old, new, field, said):
    text = TEXT.replace(old, new, 1)
    (problem,) = problems(text)
    assert (problem.field, problem.message) == (field, "unknown key")
    assert said in str(problem)
    assert field.rpartition(".")[2] in line_of(problem, text)


def test_all_problems_are_reported_at_once_in_order_of_lines():
    text = (
        TEXT.replace("country: GB", "country: uk")
        .replace("step: 100_000", "steps: 1")
        .replace("floor: 0.40", "floor: 40")
    )
    found = problems(text)
    assert [problem.field for problem in found] == ["country", "jackpot.step", "jackpot.steps", PAYOUT + ".floor"]
    both = problems(
        TEXT.replace("cap: 50_000_000", "cap: 5_100_000").replace("step: 100_000", "step: 9e5\n  largest_change: 1")
    )
    assert [problem.field for problem in both] == ["jackpot.step", "jackpot.largest_change"]


PAYOUT = "regulation.payout_ratio"


def test_a_tier_is_named_beside_its_index():
    tiers = "tiers: [{name: 5+0, odds_one_in: 9, prize: 1}, {name: 4+1, odds_one_in: 9, prize: 1, share_of_sales: 0.1}]"
    (problem,) = problems(TEXT.replace("secondary_share_of_sales: 0.25", tiers, 1))
    assert problem.field == "game.tiers[1].prize (4+1)"
    assert "exactly one" in problem.message


def test_a_missing_section_says_what_belongs_in_it():
    (problem,) = problems(TEXT[: TEXT.index("jackpot:\n  start")] + TEXT[TEXT.index("calendar:\n") :])
    assert (problem.field, problem.message) == ("jackpot", "this key is missing")
    assert "start, cap, step" in problem.allowed


def test_thousands_of_problems_are_cut_short():
    tiers = "tiers: [" + "{nme: 1}, " * 3000 + "]"
    missing_and_unknown = ["name", "odds_one_in", "nme"] * 3000
    found = problems(TEXT.replace("secondary_share_of_sales: 0.25", tiers, 1))
    assert (len(found), found[-1].message) == (51, f"and {len(missing_and_unknown) - 50} more problems")
    assert len(problems("a: 1\n" * 5000)) == 51


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n# nothing\n", "empty"),
        (b"null", "empty"),
        (b"- a\n- b\n", "mapping of keys to values"),
        (b"england", "mapping of keys to values"),
        (b"market: a\n---\nmarket: b\n", "fresh.yaml:2: the file holds several documents"),
        (b"market: a\nmarket: b\n", 'fresh.yaml:2: the key "market" stands here twice, first on line 1'),
        (b"market: &x a\ntitle: *x\n", "fresh.yaml:2: aliases"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors"),
        (b"market: !!python/object/apply:os.system [ls]\n", "tags"),
        (b"market: a\n\ttitle: b\n", "spaces, not tabs"),
        (b"market: a\ntitle: b: c\n", "fresh.yaml:2: this is not YAML"),
        (b"market: [a\n", "this is not YAML"),
        (b"market: a\n@x: 1\n", "fresh.yaml:2"),
        (b"*a : b\n", "aliases"),
        (b"? [a]\n: b\n", "a key is a word"),
        (b"market: a\ntitle: caf\xe9\n", "fresh.yaml:2: the file is not in UTF-8; found byte 0xE9"),
        ("market: a".encode("utf-16"), "UTF-16"),
        (b"market: a\nb: c\0\n", "fresh.yaml:2: a control character stands in the text; found U+0000"),
        (b'market: a\ntitle: "\\0"\n', "fresh.yaml:2: the text holds a control character"),
        (b'market: a\ntitle: "\\uD800"\n', "control character"),
        (b'market: "\\UFFFFFFFF"\n', "not YAML"),
        (b"a: " + b"[" * 100_000, "nested too deeply"),
        (b"a: 1\n" * (LARGEST_FILE // 5 + 1), "too large"),
        (b"%YAML 3.0\n---\nmarket: a\n", "not YAML"),
    ],
)
def test_what_is_no_market_file_at_all_is_refused(data, said):
    assert said in "\n".join(str(problem) for problem in problems(data))


def test_a_byte_order_mark_and_carriage_returns_are_passed_over():
    good = parse_market(TEXT.encode(), "fresh.yaml")
    assert parse_market(b"\xef\xbb\xbf" + TEXT.encode(), "fresh.yaml") == good
    assert parse_market(TEXT.replace("\n", "\r\n").encode(), "fresh.yaml") == good


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("NO", "NO"), ("yes", "yes"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("", None)),
        *(("06:00", "06:00"), ("1:30:00", "1:30:00"), ("1e6", 1e6), ("5e6", 5e6), ("5_000_000", 5_000_000)),
        *(("2.5", 2.5), (".5", 0.5), ("5.", 5.0), ("-1", -1), ("+1", 1), ("1_000.5", 1000.5), ("1_", "1_"), (".", ".")),
        *(("007", "007"), ("0x1F", "0x1F"), ("0o7", "0o7"), ("1__0", "1__0"), ("٣", "٣"), ("5+0", "5+0"), ("e5", "e5")),
        *(("2026-01-31", dt.date(2026, 1, 31)), ("2026-02-30", "2026-02-30"), ("9" * 50, "9" * 50)),
    ],
)
def test_a_plain_scalar_is_what_a_reader_takes_it_for(text, value):
    found = plain_scalar(text)
    assert (found, type(found)) == (value, type(value))


def test_norway_is_a_country_and_a_time_needs_no_quotes():
    text = (
        TEXT.replace("country: GB", "country: NO").replace('time: "06:00"', "time: 06:00").replace("5_000_000", "5e6")
    )
    market = parse_market(text.encode(), "fresh.yaml")
    assert (market.country, market.schedule.time, market.jackpot.start) == ("NO", "06:00", 5_000_000)


def test_a_market_is_found_by_name_and_by_path_here_before_the_package(tmp_path, monkeypatch):
    (tmp_path / "configs/markets").mkdir(parents=True)
    own = tmp_path / "configs/markets/england.yaml"
    shutil.copy(MARKETS / "england.yaml", own)
    monkeypatch.chdir(tmp_path)
    assert market_path("england") == Path("configs/markets/england.yaml")
    assert market_path("powerball") == MARKETS / "powerball.yaml"
    assert "powerball" in known_markets()
    loaded = load_market(str(own))
    assert loaded.data == own.read_bytes()
    assert loaded.sha256 == hashlib.sha256(loaded.data).hexdigest()
    assert load_market("england").market == loaded.market


def test_a_copy_under_another_name_is_told_what_to_change(tmp_path):
    copy = tmp_path / "wales.yaml"
    shutil.copy(MARKETS / "england.yaml", copy)
    with pytest.raises(
        InputError, match=r"wales\.yaml:\d+, market: .*write `market: wales` or name the file england.yaml"
    ):
        load_market(str(copy))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("englnd", "did you mean england?"),
        ("configs/markets/englnd.yaml", "no such market file"),
        ("", "no such market"),
        ("/", "a folder"),
        ("/dev/null", "not a regular file"),
        ("a\0b", "no such market"),
        ("x" * 10_000, "no such market"),
        ("\udc80", "no such market"),
    ],
)
def test_an_unknown_market_is_answered_with_the_known_ones(name, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        load_market(name)
    assert len(str(caught.value)) < 500


def test_a_file_that_may_not_be_read_is_an_input_error(tmp_path, monkeypatch):
    path = tmp_path / "fresh.yaml"
    path.write_text(TEXT)

    def refused(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # tests run as root, whom no file mode keeps out
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        load_market(str(path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=mangled_market_files())
def test_a_mangled_file_gives_a_market_or_problems_a_reader_can_act_on(data):
    assert unreadable_in(data) == []


def test_environment_files_are_read_by_the_same_rules():
    assert named_file("local", [folder / "environments" for folder in CONFIGS], "environment").name == "local.yaml"
    with pytest.raises(InputError, match=r"no such environment.*did you mean local"):
        named_file("lokal", [folder / "environments" for folder in CONFIGS], "environment")
    with pytest.raises(InputError, match=r"e\.yaml:2, storee: unknown key.*did you mean store\?"):
        load_yaml(
            b"environment: e\nstoree: x\nrestricted_store: y\nregistry: {tracking_uri: z}\n", "e.yaml", Environment
        )
