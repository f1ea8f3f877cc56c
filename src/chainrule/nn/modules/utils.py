"""Arguments that are one value for all spatial dimensions or one for each."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["each"]


def each(value, n: int) -> tuple:
    """The value `n` times, or the values that an iterable gives."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n
