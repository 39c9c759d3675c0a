"""The market files that ship, the schema beside them and the template for new ones."""

import datetime as dt
import json
import re

import pytest
import yaml

from jackpot.errors import InputError
from jackpot.market.loading import load_market, parse_market
from jackpot.market.schema import Market
from jackpot.market.template import commented_template
from jackpot.schemas import schemas
from tests.strategies.market import MARKETS, SHIPPED

EXPECTED = {
    *("england", "england_realised", "megasena", "timemania", "powerball", "megamillions", "euromillions"),
    *("uk_lotto", "postcode_uk"),
}


def test_every_market_of_the_list_ships():
    assert {path.stem for path in SHIPPED} == EXPECTED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_market_is_good_runs_at_once_and_leaves_the_operator_a_margin(path):
    market = load_market(str(path)).market
    assert market.market == path.stem
    assert market.history.uri == "synthetic"
    pool = market.game.pool.share_of_sales if market.game.pool else 0.0
    for regime in market.prices:
        paid = market.expected_secondary_share(regime.price) + pool
        assert 0.03 < 1 - paid - market.costs.share_of_sales < 0.5
    assert path.read_text().startswith("# yaml-language-server: $schema=../schema/market.schema.json\n")


def test_the_published_schema_is_current():
    file = MARKETS.parent / "schema" / "market.schema.json"
    assert file.read_text() == json.dumps(schemas()["market"], indent=2, ensure_ascii=False) + "\n"


def test_england_is_the_market_of_the_rule_of_thumb():
    market = load_market("england").market
    ratio = market.regulation.payout_ratio
    assert market.game.payout == "per_winner"
    assert 1 / market.game.jackpot_odds_one_in == pytest.approx(2.2e-8)
    assert (market.jackpot.start, market.jackpot.cap, market.jackpot.step) == (5e6, 50e6, 1e5)
    assert ratio is not None
    assert ratio.contribution is not None
    assert (ratio.basis, ratio.floor, ratio.contribution.share_of_sales) == ("accrued", 0.40, 0.25)
    # The floor asks for 0.25 S + p (S / price) J >= 0.40 S: this jackpot, whatever is sold.
    assert 0.15 * market.price_on(dt.date(2026, 1, 1)) * market.game.jackpot_odds_one_in == pytest.approx(
        17.045e6, rel=1e-4
    )
    realised = load_market("england_realised").market.regulation.payout_ratio
    assert realised is not None
    assert (realised.basis, realised.tested) == ("realised", "year_end")


@pytest.mark.parametrize(("name", "odds"), [("megasena", 50_063_860), ("timemania", 26_472_637)])
def test_the_brazilian_games_read_the_operators_columns(name, odds):
    market = load_market(name).market
    columns = market.history.columns
    assert market.game.jackpot_odds_one_in == odds
    assert (columns.draw_date, columns.sales, columns.jackpot) == ("date", "sales_brl", "jackpot_adv_brl")
    assert set(columns.tier_prizes) <= {tier.name for tier in market.game.tiers}


def test_the_template_is_good_as_it_is_and_names_every_section():
    text = commented_template("my_market_2")
    market = parse_market(text.encode(), "my_market_2.yaml")
    assert market.market == "my_market_2"
    assert market.simulation is not None
    assert all(f"{section}:" in text for section in Market.model_fields)


@pytest.mark.parametrize("name", ["", "England", "my-market", "1st", "a" * 41, "../x", "a\n", "é", "a b"])
def test_the_template_refuses_a_name_that_no_file_may_have(name):
    with pytest.raises(InputError, match="cannot be a market's name"):
        commented_template(name)


def test_the_template_proposes_a_name():
    with pytest.raises(InputError, match="for example my_market_uk"):
        commented_template("My Market-UK")


def test_the_defaults_that_are_written_down_are_those_that_hold() -> None:
    template = commented_template("freedonia")
    written = re.findall(r"(?m)^# (demand|governance|gates|decision): (\{.*\})$", template)
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", (MARKETS.parents[1] / "docs" / "market-files.md").read_text())
    for section, keys in rows:
        if section in Market.model_fields:
            settings = (key for key in re.findall(r"`(\w+: [^`]*)`", keys))
            written.append((section, f"{{{', '.join(settings)}}}"))
    assert {section for section, _ in written} >= {"demand", "governance", "gates", "decision", "monitoring"}
    for section, text in written:
        given = yaml.safe_load(text)
        default = getattr(Market.model_validate(yaml.safe_load(template)), section).model_dump(mode="json")
        assert {key: default[key] for key in given} == given, section
