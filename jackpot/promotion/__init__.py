"""Promotion: one version at a time becomes champion; the audit log says which, all else is derived from it."""

from ..audit.turns import Standings, Version, model_name_of, named_version, standings
from .promote import Promoter

__all__ = ["Promoter", "Standings", "Version", "model_name_of", "named_version", "standings"]
