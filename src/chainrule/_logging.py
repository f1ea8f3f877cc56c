"""torch._logging: settings of the compiler's logs, of which there are none."""

from __future__ import annotations

from typing import Any


def set_logs(**settings: Any) -> None:
    """Accepted, and without effect: nothing is compiled that could be logged."""
