"""How a witness looks on: where the program is, and methods that must not disturb it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ...engine import is_own, user_position
from ..places import Position


def observing(method: Callable) -> Callable:
    """A method that looks on: if it fails, the program goes on, and the failure is told at the end."""

    @functools.wraps(method)
    def look(self: Any, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as failure:
            self.failures.append(failure)

    return look


def like(function: Callable, original: Callable) -> Callable:
    """Gives a replacement the name that programs see."""
    for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
        if hasattr(original, attribute):
            setattr(function, attribute, getattr(original, attribute))
    return function


def by_package(frame: FrameType) -> bool:
    """Whether the package itself made the call."""
    return is_own(frame.f_code.co_filename)


def where() -> Position:
    """Where the program is: in code that it has made from a string, the line that runs that."""
    code, lasti = user_position()
    if not code.co_filename.startswith("<string"):
        return code, lasti
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (is_own(frame.f_code.co_filename) or frame.f_code.co_filename.startswith("<string")):
        frame = frame.f_back
    return (code, lasti) if frame is None else (frame.f_code, frame.f_lasti)
