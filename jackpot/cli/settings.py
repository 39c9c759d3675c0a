"""Which settings a model fitted by a command has, in words."""

from __future__ import annotations

from ..records import Tuning


def settings_words(tuning: Tuning | None) -> str:
    """Say whose settings they are, and which."""
    if tuning is None:
        return "settings: the default's"
    changed = ", ".join(f"{name} {factor:.3g}" for name, factor in tuning.settings.items())
    last = f"draws to {tuning.last_draw}" if tuning.last_draw else "no draws"
    return f"settings: the champion's, tuned on {last} ({changed or 'those of the default'})"
