"""Custom Functions whose backward is not the slope of their forward."""

from __future__ import annotations

from ..answers.custom import wrong_backward
from ..reasons import Reason
from .judge import Judge


def wrong_backwards(judge: Judge) -> list[tuple[str, Reason]]:
    """Custom Functions whose backward is not the derivative of their forward, where that cannot be meant."""
    found = ((kind.__name__, wrong_backward(kind, arguments)) for kind, arguments in judge.witness.calls.items())
    return [(name, reason) for name, reason in found if reason is not None]
