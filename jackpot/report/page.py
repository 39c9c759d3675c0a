"""report.html: one self-contained file that opens offline, on a desk, a phone and paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..market.schema import Market
from ..records import Evaluation
from . import charts
from .contract import ReportInputs
from .evaluation import summarise_evaluation
from .evaluation_charts import evaluation_charts
from .money import Money
from .plan_charts import plan_charts
from .summary import summarise


def html(inputs: ReportInputs) -> bytes:
    """Return the report as one HTML file in UTF-8: the same inputs give the same bytes.

    It asks for nothing from outside, runs no script and says so in its content security policy. Without
    `inputs.cash` it holds no cash section; give it to the restricted store only where it does.
    """
    money = Money(inputs.market.currency, inputs.market.currency_decimals)
    record = inputs.recommendation
    curve = charts.worth_showing(inputs.curve, record)
    return render(
        "template.html.jinja",
        summary=summarise(inputs),
        value=charts.value_curve(curve, record, money),
        demand=charts.demand_curve(curve, inputs.history, record, money),
        history=charts.history_chart(inputs.history, money),
        tests=evaluation_charts(inputs.evaluation, money),
        elasticity=charts.elasticity_chart(record.elasticity, money) if len(record.elasticity) > 1 else None,
        plan=plan_charts(record, money),
        fan=charts.cash_fan(inputs.cash, money) if inputs.cash is not None else None,
        card=_card(inputs.card),
    )


def evaluation_html(evaluation: Evaluation, market: Market) -> bytes:
    """Return the evaluation as one HTML file of the same kind: what the dashboard shows beside the step."""
    money = Money(market.currency, market.currency_decimals)
    return render(
        "evaluation.html.jinja",
        title=market.title,
        model=evaluation.model.name,
        headline="The forecast has not been tested: there are too few draws"
        if evaluation.model.wmape_pct is None
        else f"The forecast errs by {evaluation.model.wmape_pct:.1f}% of sales and "
        f"{'passed' if evaluation.passed else 'failed'} its gates",
        summary=summarise_evaluation(evaluation, money),
        charts=evaluation_charts(evaluation, money),
    )


def _card(markdown: str) -> str:
    """Return a model card as HTML, two levels of headings below the page's own; markup within it is escaped."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("js-default").disable(["image", "link"]).render(re.sub(r"(?m)^#", "###", markdown)))


def render(template: str, **values: Any) -> bytes:
    """Return a template of this folder filled in; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values).encode()
