"""What chainrule does not have: names that say so when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def unavailable(name: str, reason: str) -> Callable:
    """A function for ``torch.<name>`` that raises NotImplementedError with the reason."""

    def missing(*arguments: Any, **named: Any) -> Any:
        raise NotImplementedError(f"chainrule does not have torch.{name}: {reason}")

    missing.__name__ = missing.__qualname__ = name.rpartition(".")[2]
    missing.__doc__ = f"NotImplementedError: {reason}."
    return missing
