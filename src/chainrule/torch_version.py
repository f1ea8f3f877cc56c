"""torch.torch_version: a version number that compares with others as numbers, not as text."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

__all__ = ["TorchVersion"]

_PHASES = {"dev": 0, "a": 1, "b": 2, "rc": 3, "": 4, "post": 5}


def _key(version: str) -> tuple | None:
    """What versions are ordered by (PEP 440, but for epochs); None for what is no version."""
    found = re.fullmatch(
        r"v?(\d+(?:\.\d+)*)(?:[-_.]?(dev|a|b|rc|post)[-_.]?(\d*))?(?:\+(.*))?", version.strip().lower()
    )
    if found is None:
        return None
    release, phase, number, local = found.groups()
    numbers = [int(part) for part in release.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()  # 2.0 is 2
    return numbers, _PHASES[phase or ""], int(number or 0), local or ""


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[str, object], bool]:
    def method(self: str, other: object) -> bool:
        if isinstance(other, (tuple, list)):
            other = ".".join(map(str, other))
        if not isinstance(other, str):
            return NotImplemented
        mine, theirs = _key(str(self)), _key(str(other))
        return compare(str(self), str(other)) if mine is None or theirs is None else compare(mine, theirs)

    return method


class TorchVersion(str):
    """Text like "2.13.0+cpu" that compares as a version with text, tuples and lists; as text with what is no version."""

    __module__ = "torch.torch_version"

    __lt__ = _compared(operator.lt)
    __le__ = _compared(operator.le)
    __gt__ = _compared(operator.gt)
    __ge__ = _compared(operator.ge)
    __eq__ = _compared(operator.eq)
    __ne__ = _compared(operator.ne)
    __hash__ = str.__hash__
