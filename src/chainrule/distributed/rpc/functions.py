"""torch.distributed.rpc.functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["async_execution"]


def async_execution(fn: Callable) -> Callable:
    """Marks a function that returns a Future: what it is called for is the Future's value."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    wrapper._runs_asynchronously = True  # type: ignore[attr-defined]
    return wrapper
