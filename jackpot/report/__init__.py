"""A recommendation as people read it: one HTML file, Markdown for the dashboard, and its tables as CSV."""

from .card import model_card
from .contract import ReportInputs
from .dashboard import markdown
from .fleet import FleetRow, fleet_html
from .monitor import monitor_html, monitor_markdown
from .page import evaluation_html, html
from .tables import curve_csv, history_csv, read_table

__all__ = [
    "FleetRow",
    "ReportInputs",
    "curve_csv",
    "evaluation_html",
    "fleet_html",
    "history_csv",
    "html",
    "markdown",
    "model_card",
    "monitor_html",
    "monitor_markdown",
    "read_table",
]
