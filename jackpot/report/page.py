"""report.html: one self-contained file that opens offline, on a desk, a phone and paper."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from . import charts
from .contract import ReportInputs
from .money import Money
from .summary import summarise

TEMPLATE: Final = Path(__file__).with_name("template.html.jinja")


def html(inputs: ReportInputs) -> bytes:
    """Return the report as one HTML file in UTF-8: the same inputs give the same bytes.

    It asks for nothing from outside, runs no script and says so in its content security policy. Without
    `inputs.cash` it holds no cash section; give it to the restricted store only where it does.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    money = Money(inputs.market.currency, inputs.market.currency_decimals)
    record = inputs.recommendation
    text = environment.get_template(TEMPLATE.name).render(
        summary=summarise(inputs),
        value=charts.value_curve(inputs.curve, record, money),
        demand=charts.demand_curve(inputs.curve, inputs.history, record, money),
        history=charts.history_chart(inputs.history, money),
        elasticity=charts.elasticity_chart(record.elasticity, money) if len(record.elasticity) > 1 else None,
        fan=charts.cash_fan(inputs.cash, money) if inputs.cash is not None else None,
    )
    return text.encode()
