"""Comparisons and logic: no derivatives."""

from __future__ import annotations

from ..op import ELEMENTWISE, op
from ..tensor import Tensor

__all__: list[str] = []


def _comparison(name: str, forward, operator: str, *aliases: str):
    function = op(name, kind=ELEMENTWISE, forward=forward)
    for n in (name, *aliases):
        setattr(Tensor, n, function)
        globals()[n] = function
        __all__.append(n)
    if operator:
        setattr(Tensor, operator, function.record.operator)
    return function


_comparison("eq", lambda xp, x, y: xp.equal(x, y), "__eq__")
_comparison("ne", lambda xp, x, y: xp.not_equal(x, y), "__ne__", "not_equal")
_comparison("lt", lambda xp, x, y: xp.less(x, y), "__lt__", "less")
_comparison("le", lambda xp, x, y: xp.less_equal(x, y), "__le__", "less_equal")
_comparison("gt", lambda xp, x, y: xp.greater(x, y), "__gt__", "greater")
_comparison("ge", lambda xp, x, y: xp.greater_equal(x, y), "__ge__", "greater_equal")
Tensor.__hash__ = object.__hash__
