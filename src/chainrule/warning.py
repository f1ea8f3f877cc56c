"""Warnings that point at the user's line, and those that are given once in a process."""

from __future__ import annotations

import warnings
from sys import _getframe

__all__ = ["is_warn_always_enabled", "set_warn_always"]

_PACKAGE = __file__[: -len("warning.py")]
_given: set[str] = set()
_always = False


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns as from the innermost line of code outside this package."""
    depth, frame = 2, _getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


def warn_once(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns the first time only, unless `set_warn_always(True)` was called."""
    if _always or message not in _given:
        _given.add(message)
        warn(message, category)


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that are given once are given every time."""
    global _always
    _always = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` set."""
    return _always
