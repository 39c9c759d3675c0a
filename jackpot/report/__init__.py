"""A recommendation as people read it: one HTML file, Markdown for the dashboard, and its tables as CSV."""

from .contract import ReportInputs
from .dashboard import markdown
from .page import html
from .tables import curve_csv, history_csv

__all__ = ["ReportInputs", "curve_csv", "history_csv", "html", "markdown"]
