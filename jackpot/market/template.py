"""The text of a new market file: commented key by key, and valid as it is."""

from __future__ import annotations

import re
from typing import Final

from ..errors import InputError, Problem
from ..strict_yaml.tree import shown


def commented_template(name: str) -> str:
    """Return the text of a market file for `name`, which validates as it is and has a synthetic history.

    Raises InputError where the name is not 1 to 40 small letters, digits and underscores, a letter first.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        small = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").lstrip("0123456789_")[:40]
        raise InputError(
            Problem(
                "this cannot be a market's name",
                found=shown(name),
                allowed="1 to 40 small letters, digits and underscores, a letter first",
                hint=f"for example {small}" if small else "for example england",
            )
        )
    return _TEMPLATE.replace("@NAME@", name)


_TEMPLATE: Final = """\
# yaml-language-server: $schema=../schema/market.schema.json
#
# All that is particular to one market. Units, everywhere: money in units of the currency (5_000_000, not 5),
# shares as fractions (0.25, not 25), odds as "one in" (45_454_545, not 2.2e-8), dates as 2026-01-31.
# Lines that begin with "# " and a key show what else can be said. Check the file with: jackpot validate @NAME@

market: @NAME@              # the same as the file's name
title: Market @NAME@        # as reports show it
country: GB                   # ISO 3166
currency: GBP                 # ISO 4217
# currency_decimals: 2

# The price of a ticket from a date on; add a line for each change.
prices:
  - {starts: 2016-01-02, price: 2.50}

game:
  # per_winner: the jackpot to each winner.    shared: once, if anyone wins.
  # rollover: the pool carries over until won; the operator guarantees at least the jackpot. Needs `pool`.
  # postcode: all tickets of the drawn postcode win together. Needs `postcode`.
  payout: per_winner
  jackpot_odds_one_in: 45_454_545
  # conscious_selection: 0.857  # players choose alike: P(nobody wins) = exp(-c tickets / odds)
  secondary_share_of_sales: 0.25  # all prizes below the jackpot; or list them one by one instead:
  # tiers:
  #   - {name: "5+0", odds_one_in: 1_000_000, prize: 100_000}           # a fixed prize to each winner
  #   - {name: "4+0", odds_one_in: 10_000, share_of_sales: 0.05}        # a pool divided among the winners
  # secondary_log_sd: 0.0       # how far secondary prizes scatter about their mean (sd of the log)
  # pool: {share_of_sales: 0.30, opening: 10_000_000, cap: 250_000_000}  # above the cap it goes to the tiers below
  # must_be_won: {after_rollovers: 5, specials: [new_year]}  # rollover: paid out, to the tiers below if nobody wins
  # postcode: {tickets_per_postcode: 8, log_sd: 0.5}

# What may be announced: start, start + step, start + 2 step ... up to the cap.
jackpot:
  start: 5_000_000
  cap: 50_000_000               # leave it out: the largest jackpot that was ever seen
  step: 100_000
  # largest_change: 20_000_000  # from one draw to the next, either way
  # minimum_progression: 2_000_000  # rollover: at least so much more after a draw that nobody won

calendar:
  time_zone: Europe/London
  draw_days:                    # a rhythm from a date on; add a line for each change
    - {starts: 2016-01-02, weekdays: [sat]}
  # specials:                   # draws outside the ordinary run, forecast by themselves
  #   - {name: new_year, month_day: "12-31"}
  #   - {name: jubilee, date: 2026-06-06}

# What the regulator asks; leave it out where nothing is asked.
regulation:
  payout_ratio:
    floor: 0.40                 # prizes are at least this share of sales; `ceiling`: at most
    basis: accrued              # counted by rule, won or not; `realised`: prizes really paid
    tested: each_draw           # or year_end
    window_draws: 52
    confidence: 0.95            # with which probability the rule is to be kept
    contribution:               # what a draw accrues: this share of sales, and P(a win) x jackpot
      share_of_sales: 0.25
      expected_jackpot: true
      # reserve: {opens: 2026-01-03, opening: 100_000_000, floor: 0, confidence: 0.95}  # set aside less paid

costs:
  good_cause_share_of_sales: 0.30
  # tax_share_of_sales: 0.0
  # variable_share_of_sales: 0.0  # retailers' commission and the like
  # fixed_per_draw: 0

# An insurer pays what the jackpots of one draw cost above the excess; the premium is the sum of the three.
# insurance: {excess: 20_000_000, premium_per_draw: 0, premium_share_of_sales: 0.01, premium_per_expected_claim: 1.3}

# Prizes below the jackpot that are claimed late, or never.
# unclaimed:
#   late_share: 0.10
#   late_days: 60
#   expired_share: 0.02
#   expires_after_days: 180
#   expired_go_to: good_causes  # or operator
#   counted: won                # by the realised payout ratio; `claimed`: without what expires

# The floor under the operator's cash. The cash itself never stands here: it is a file of its own.
cash:
  floor: 5_000_000
  confidence: 0.95              # jointly after every draw of a named period: the payout ratio's, or the calendar year
  horizon_draws: 52
  # period_starts: 2026-01-03   # or periods of horizon_draws draws from here on

# Where the draws are. `synthetic` makes them up from `simulation` below, so that the market runs at once.
history:
  uri: synthetic                # or a path, or s3://bucket/key
  # format: csv                 # or parquet
  # delimiter: ";"
  # decimal: ","
  # thousands: "."
  # encoding: utf-8
  # date_format: "%d/%m/%Y"
  # money_unit: 1               # 1000 where money columns are in thousands
  # starts: 2016-01-02          # earlier rows are not used
  # starts_empty: true          # no draw was held yet: a file with a header and no rows is no failed export
  columns:                      # your file's column of each thing; the first three are required
    draw_date: draw_date
    sales: sales                # stakes of the draw
    jackpot: jackpot            # announced for THIS draw before its sales opened
    jackpot_prizes: {winners: jackpot_winners, paid: jackpot_paid} # or prize_each in place of paid
    secondary_paid: secondary_paid # all other prizes; or tier_prizes, tier by tier
    # draw: number
    # pool: pool                # rollover: what the pool holds AFTER the draw
    # next_jackpot: next        # announced for the NEXT draw, where the file says so
    # marketing: spend          # marketing spend for this draw, set before its sales
    # sister_jackpot: other     # jackpot of a sister game on sale with this draw; 0 where there is none

# What is planned for the draws to come, where the history has such columns; left out: as at the last draw.
# planned: {marketing: 250_000, sister_jackpot: 8_000_000}

# Settings with defaults that serve every market shipped; see docs/market-files.md.
# demand: {model: combination, test_share: 0.2}
# governance: {four_eyes: false, approval_days: 7}
# gates: {smallest_skill_over_naive: 0.0, coverage_90_pct: [75, 99.5], smallest_test_draws: 8}
# decision: {horizon_draws: 52, samples: 1000, near_optimal_share: 0.01, seed: 20_260_101, pool: planned}

# When the weekly pipeline runs, in the time zone above.
schedule:
  weekdays: [mon] # left out: the day after each draw
  time: "06:00"
  deadline_hours_before_draw: 48

# What follows when the model in use no longer holds; see docs/monitoring.md.
# monitoring: {baseline_draws: 104, retrain_cooldown_days: 28, retrains_a_year: 6, tuning_trials: 40}

# The known truth behind the synthetic history; remove it once `history.uri` names real draws.
simulation:
  starts: 2016-01-02
  draws: 520
  seed: 1
  mean_sales: 11_750_000        # sales of an ordinary draw at the reference jackpot, in currency
  announced_from: 12_000_000    # where the simulated operator's jackpots begin after a win
  reference_jackpot: 15_000_000
  elasticity_low: 0.10          # 1% more jackpot sells 0.1% more at the start jackpot ...
  elasticity_high: 0.60         # ... and 0.6% more at ten times the reference
  cash: 120_000_000             # synthetic cash beside it
"""
