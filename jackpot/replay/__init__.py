"""Replay: compute a stored recommendation anew from what was stored, and say what is not as it was."""

from .compute import Replay, replay
from .find import Stored, find

__all__ = ["Replay", "Stored", "find", "replay"]
