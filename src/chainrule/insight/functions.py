"""The functions that formulas are made of: the derivative and the value of each."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .algebra import ONE, ZERO, Apply, Formula, apply, atom, number

HALF = Fraction(1, 2)
_TWO = number(2)
PI = apply("pi", ONE)


def square(u: Formula) -> Formula:
    return u.power(2)


def root(u: Formula) -> Formula:
    return u.power(HALF)


def over(a: Formula, b: Formula) -> Formula:
    return a * b.power(-1)


def bell(u: Formula) -> Formula:
    """exp(-u²/2)/√(2π), the density of the normal distribution."""
    return apply("exp", number(-HALF) * square(u)) * root(apply("number", _TWO * PI)).power(-1)


def above(a: Formula, b: Formula) -> Formula:
    """1 where a > b, else 0."""
    if a.number is not None and b.number is not None:
        return ONE if a.number > b.number else ZERO
    return apply("positive", a) if b.number == 0 else apply("above", a, b)


def not_below(a: Formula, b: Formula) -> Formula:
    """1 where a ≥ b, else 0."""
    return apply("not_below", a, b)


def _shared(a: Formula, b: Formula) -> Formula:
    return number(HALF) * (above(a, b) + not_below(a, b))


def _zero(*arguments: Formula) -> Formula:
    return ZERO


def _digamma_slope(f: Apply, u: Formula) -> Formula:
    return apply("polygamma", ONE, u)


# {function: the derivative by each argument, from the application itself and its arguments}
SLOPES: dict[str, tuple[Callable[..., Formula], ...]] = {
    "number": (_zero,),
    "pi": (_zero,),
    "exp": (lambda f, u: atom(f),),
    "log": (lambda f, u: u.power(-1),),
    "sin": (lambda f, u: apply("cos", u),),
    "cos": (lambda f, u: ZERO - apply("sin", u),),
    "tan": (lambda f, u: ONE + square(atom(f)),),
    "asin": (lambda f, u: root(ONE - square(u)).power(-1),),
    "acos": (lambda f, u: ZERO - root(ONE - square(u)).power(-1),),
    "atan": (lambda f, u: (ONE + square(u)).power(-1),),
    "atan2": (
        lambda f, a, b: over(b, square(a) + square(b)),
        lambda f, a, b: ZERO - over(a, square(a) + square(b)),
    ),
    "sinh": (lambda f, u: apply("cosh", u),),
    "cosh": (lambda f, u: apply("sinh", u),),
    "tanh": (lambda f, u: ONE - square(atom(f)),),
    "asinh": (lambda f, u: root(ONE + square(u)).power(-1),),
    "acosh": (lambda f, u: root(square(u) - ONE).power(-1),),
    "atanh": (lambda f, u: (ONE - square(u)).power(-1),),
    "sigmoid": (lambda f, u: atom(f) * (ONE - atom(f)),),
    "softplus": (lambda f, u: apply("sigmoid", u),),
    "relu": (lambda f, u: apply("positive", u),),
    "abs": (lambda f, u: apply("sign", u),),
    "pow": (
        lambda f, base, exponent: exponent * apply("pow", base, exponent - ONE),
        lambda f, base, exponent: atom(f) * apply("log", base),
    ),
    "max": (lambda f, a, b: above(a, b), lambda f, a, b: above(b, a)),
    "min": (lambda f, a, b: above(b, a), lambda f, a, b: above(a, b)),
    # of equals, each gets half, or the first gets all
    "max_half": (lambda f, a, b: _shared(a, b), lambda f, a, b: _shared(b, a)),
    "min_half": (lambda f, a, b: _shared(b, a), lambda f, a, b: _shared(a, b)),
    "max_first": (lambda f, a, b: not_below(a, b), lambda f, a, b: above(b, a)),
    "min_first": (lambda f, a, b: not_below(b, a), lambda f, a, b: above(a, b)),
    "clamp": (lambda f, u, low, high: apply("between", u, low, high), _zero, _zero),
    "hardtanh": (lambda f, u, low, high: above(u, low) * above(high, u), _zero, _zero),
    "erf": (lambda f, u: _TWO * over(apply("exp", ZERO - square(u)), root(apply("number", PI))),),
    "erfc": (lambda f, u: number(-2) * over(apply("exp", ZERO - square(u)), root(apply("number", PI))),),
    "erfcx": (lambda f, u: _TWO * u * atom(f) - _TWO * root(apply("number", PI)).power(-1),),
    "erfinv": (lambda f, u: number(HALF) * root(apply("number", PI)) * apply("exp", square(atom(f))),),
    "Phi": (lambda f, u: bell(u),),
    "Phi_inverse": (lambda f, u: bell(atom(f)).power(-1),),
    "lgamma": (lambda f, u: apply("digamma", u),),
    "digamma": (_digamma_slope,),
    "polygamma": (_zero, lambda f, n, u: apply("polygamma", n + ONE, u)),
    "i0": (lambda f, u: apply("i1", u),),
    "i1": (lambda f, u: number(HALF) * (apply("i0", u) + apply("i2", u)),),
    "P": (_zero, lambda f, a, x: apply("exp", (a - ONE) * apply("log", x) - x - apply("lgamma", a))),
    "zeta": (_zero, lambda f, s, q: ZERO - s * apply("zeta", s + ONE, q)),
    "sinc": (lambda f, u: over(apply("cos", PI * u) - atom(f), u),),
    **dict.fromkeys(
        ("above", "not_below", "sign", "positive", "floor", "ceil", "round", "trunc", "heaviside"), (_zero,) * 2
    ),
    "between": (_zero, _zero, _zero),
    "equal": (_zero, _zero),
}


def slope_of(one: Apply, place: int) -> Formula:
    """The derivative of a function by the argument at `place`."""
    return SLOPES[one.function][place](one, *one.arguments)


# ---------------------------------------------------------------- values

_NUMPY_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
                "atanh": "arctanh", "atan2": "arctan2", "round": "rint", "max": "maximum", "min": "minimum",
                "clamp": "clip", "hardtanh": "clip", "max_half": "maximum", "min_half": "minimum", "max_first": "maximum",
                "min_first": "minimum", "modulus": "abs", "arg": "angle"}  # fmt: skip
_VALUES: dict[str, Callable[..., Any]] = {
    "pi": lambda one: np.pi,
    "i": lambda: 1j,
    "number": lambda a: a,
    "pow": lambda a, b: a**b,
    "positive": lambda a: a > 0,
    "above": lambda a, b: a > b,
    "not_below": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "between": lambda a, low, high: (low <= a) & (a <= high),
    "i2": lambda a: np.where(a == 0, 0.0, _of_operation("i0", [a]) - 2 * _of_operation("i1", [a]) / a),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "softplus": lambda a: np.logaddexp(0, a),
    "relu": lambda a: np.maximum(a, 0),
    "Phi": lambda a: _of_operation("erfc", [-a / np.sqrt(2)]) / 2,
    "polygamma": lambda n, a: _of_operation("polygamma", [a], int(n.flat[0])),
}
# those that chainrule's own operations compute
_OPERATIONS = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfcx": "special_erfcx", "erfinv": "erfinv", "i0": "i0",
    "i1": "special_i1", "lgamma": "lgamma", "polygamma": "polygamma", "P": "igamma", "Phi_inverse": "special_ndtri",
    "sinc": "sinc", "zeta": "special_zeta",
}  # fmt: skip


def function_values(name: str, arguments: list[np.ndarray]) -> Any:
    """The values of a function at numbers of double precision; nan and inf as in IEEE arithmetic, not errors."""
    with np.errstate(all="ignore"):
        if name in _VALUES:
            return _VALUES[name](*arguments)
        if name in _OPERATIONS:
            return _of_operation(name, arguments)
        return getattr(np, _NUMPY_NAMES.get(name, name))(*arguments)


def _of_operation(name: str, arguments: list[np.ndarray], *settings: int) -> np.ndarray:
    from ..op import REGISTRY
    from ..tensor import wrap

    return np.asarray(REGISTRY[_OPERATIONS[name]].apply(*map(wrap, arguments), *settings)._array)
