"""Discrete Fourier transforms: along each dimension the product with a matrix of roots of unity.

Oppenheim and Schafer, "Discrete-time signal processing" (2010), chapter 8."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..algebra import Formula, delta, number, total
from ..complexes import conjugated, real_part
from ..formulas import COMPLEX_RULES, RULES, Call, NoFormula, Place
from ..positions import Index, Position, fresh


def _root(call: Call, n: int, k: Position, m: Position) -> Formula:
    """exp(-2πi·km/n)."""
    steps = np.arange(n)
    angles = -2 * np.pi * (np.outer(steps, steps) % n) / n
    roots = np.cos(angles).round(15) + 1j * np.sin(angles).round(15)
    meaning = f"{{}}ₖₗ is the root of unity exp(-2πi·k·l/{n})."
    return call.formulas.given("W", roots, (k, m), meaning)


def _scale(norm: str, n: int) -> Formula:
    """What the setting `norm` multiplies the result of a transform of n numbers with."""
    if norm == "backward":
        return number(1)
    return number(n).power(-1 if norm == "forward" else Fraction(-1, 2))


def _along(call: Call, p: Place, dims, forward: bool, inside) -> Formula:
    """The transform along some dimensions of `inside`, a function of a place."""
    place, factor, bound = list(p), number(1), []
    for d in dims:
        n = call.shape()[d]
        index = place[d] = fresh(n) if n != 1 else 0
        if isinstance(index, Index):
            bound.append(index)
            root = _root(call, n, p[d], index)
            factor = factor * _scale(call.setting("norm"), n) * (root if forward else conjugated(root))
    result = factor * inside(tuple(place))
    for index in bound:
        result = total(index, result)
    return result


def _complex_transform(call: Call, p: Place) -> Formula:
    """Yₖ = Σₗ Wₖₗ·Xₗ, or the conjugate of W for the transform back."""
    return _along(call, p, call.setting("dims"), call.setting("forward"), lambda place: call.at(0, place))


def _real_transform(call: Call, p: Place) -> Formula:
    """The same of real numbers; the half of it is the first half of its elements."""
    return _along(call, p, call.setting("dims"), True, lambda place: call.at(0, place))


def _transform_to_real(call: Call, p: Place) -> Formula:
    """Along the last dimension the real numbers whose half transform is given: all but its ends stand for two."""
    *first, last = call.setting("dims")
    n = call.setting("size")
    half = n // 2
    if call.shape()[last] != half + 1:
        raise NoFormula
    index: Position = fresh(half + 1) if half else 0
    weight = number(2) - delta(index, 0)
    if n % 2 == 0:
        weight = weight - delta(index, half)
    place = (*p[:last], index, *p[last + 1 :])
    element = _along(call, place, first, False, lambda inner: call.at(0, inner))
    result = _scale(call.setting("norm"), n) * weight * conjugated(_root(call, n, p[last], index)) * element
    return real_part(total(index, result) if isinstance(index, Index) else result)


for _name, _transform in (
    ("fft_c2c", _complex_transform), ("fft_r2c", _real_transform), ("fft_c2r", _transform_to_real)
):  # fmt: skip
    RULES[_name] = COMPLEX_RULES[_name] = _transform
