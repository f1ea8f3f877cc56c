"""Layer, group and batch normalization."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..algebra import ONE, ZERO, Formula, delta, number
from ..formulas import Call, NoFormula, Place, broadcast, rational_of, rule
from ..functions import root
from ..positions import quotient
from .reductions import Slopes


class _Standardized(Slopes):
    """x̂ = (x - mean)/std: ∂x̂ᵢ/∂xⱼ = (δᵢⱼ - 1/n - x̂ᵢ·x̂ⱼ/n)/std within a group, 0 between groups."""

    def __init__(self, call: Call, same_group, size: int, std: np.ndarray, std_name: str) -> None:
        super().__init__(call, 0)
        self.same_group, self.size, self.std, self.std_name = same_group, size, std, std_name

    def of(self, one, at, place, inner):
        here, there, equal = self.moved(one, at), self.moved(one, inner), ONE
        for a, b in zip(at, inner):
            equal = equal * delta(a, b)
        share = number(Fraction(1, self.size))
        bracket = equal - share * (ONE + here * there)
        std = self.call.formulas.given(self.std_name, self.std, broadcast(self.std.shape, at))
        return self.same_group(at, inner) * std.power(-1) * bracket


def _standardized(call: Call, p: Place, grouped: np.ndarray, axes: tuple[int, ...], same_group) -> Formula:
    """An element of x̂, for `grouped`: x in a shape in which `axes` are what a group runs over."""
    shape = call.shape()
    mean = grouped.mean(axes, keepdims=True)
    std = np.sqrt(grouped.var(axes, keepdims=True) + call.setting("eps"))
    size = int(np.prod([grouped.shape[a] for a in axes]))
    if not size:
        raise NoFormula
    name = call.input_name(0)
    spread = std if grouped.shape == shape else np.broadcast_to(std, grouped.shape).reshape(shape)
    rule_of = _Standardized(call, same_group, size, spread, f"std({name})")
    return call.formulas.whole(f"standardized({name})", ((grouped - mean) / std).reshape(shape), p, rule_of)


@rule("native_layer_norm", "native_batch_norm")
def _norm(call: Call, p: Place) -> Formula:
    if call.number:
        raise NoFormula  # statistics that are not differentiated
    shape = call.shape()
    dims = tuple(sorted(d % len(shape) for d in call.setting("dims")))

    def same_group(at: Place, inner: Place) -> Formula:
        result = ONE
        for d, (a, b) in enumerate(zip(at, inner)):
            if d not in dims:
                result = result * delta(a, b)
        return result

    result = _standardized(call, p, np.asarray(call.array(0), np.float64), dims, same_group)
    return _scaled(call, result, p, lambda k: broadcast(call.shape(k), p))


@rule("native_group_norm")
def _group_norm(call: Call, p: Place) -> Formula:
    if call.number:
        raise NoFormula
    x, groups = np.asarray(call.array(0), np.float64), call.setting("groups")
    grouped = x.reshape(x.shape[0], groups, -1)
    channels = x.shape[1] // groups

    def same_group(at: Place, inner: Place) -> Formula:
        return delta(at[0], inner[0]) * delta(quotient(at[1], channels), quotient(inner[1], channels))

    result = _standardized(call, p, grouped, (2,), same_group)
    return _scaled(call, result, p, lambda k: (p[1],))


@rule("batch_norm_eval")
def _batch_norm_eval(call: Call, p: Place) -> Formula:
    def of(k: int) -> Formula:
        return call.at(k, broadcast(call.shape(k), p))

    result = (of(0) - of(1)) * root(of(2) + rational_of(call.setting("eps"))).power(-1)
    if call.has(3):
        result = result * of(3)
    return result + (of(4) if call.has(4) else ZERO)


def _scaled(call: Call, result: Formula, p: Place, place_of) -> Formula:
    """Times the weight, plus the bias, where there are such."""
    if call.has(1):
        result = result * call.at(1, place_of(1))
    return result + (call.at(2, place_of(2)) if call.has(2) else ZERO)
