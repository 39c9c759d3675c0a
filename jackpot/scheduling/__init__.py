"""Schedules: which recurring runs a place should have, and what brings it there."""

from .cron import next_run, six_field_cron
from .plan import Action, RecurringRun, Wanted, plan, wanted_run

__all__ = ["Action", "RecurringRun", "Wanted", "next_run", "plan", "six_field_cron", "wanted_run"]
