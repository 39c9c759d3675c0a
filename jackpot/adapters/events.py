"""Lines for programs in a step's log: what kfp.local and whoever reads a pod's log take up."""

from __future__ import annotations

import json
from typing import Any

MARK = "jackpot-event: "
"""What such a line begins with; the rest of it is one JSON object."""


def emit(event: str, **fields: Any) -> None:
    """Print one line for programs into the step's log."""
    print(MARK + json.dumps({"event": event, **fields}, ensure_ascii=True, allow_nan=False), flush=True)
