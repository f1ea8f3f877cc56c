"""Losses: a function of each element, summed or averaged."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..algebra import ONE, ZERO, Formula, apply, delta, number, total
from ..formulas import RULES, Call, NoFormula, Place, rational_of, rule
from ..functions import HALF, above
from ..positions import Entry, Index, fresh
from .elementwise import either, logistic


def _loss(name: str, element: Callable[[Call, Place], Formula]) -> None:
    """Registers a loss by the formula of one element."""

    def loss(call: Call, p: Place) -> Formula:
        reduction = call.setting("reduction")
        if reduction == "none":
            return element(call, p)
        shape = np.broadcast_shapes(call.shape(0), call.shape(1))
        place = tuple(fresh(n) if n != 1 else 0 for n in shape)
        result = element(call, place)
        for index in reversed(place):
            if isinstance(index, Index):
                result = total(index, result)
        if reduction == "mean":
            size = int(np.prod(shape))
            if not size:
                raise NoFormula
            result = number(Fraction(1, size)) * result
        return result

    RULES[name] = loss


def _weight(call: Call, place: int, p: Place) -> Formula:
    return call(place, p) if call.has(place) else ONE


def _squared(call: Call, p: Place) -> Formula:
    return (call(0, p) - call(1, p)).power(2)


def _huber(call: Call, p: Place) -> Formula:
    apart, bound = call(0, p) - call(1, p), rational_of(call.setting("setting"))
    size = apply("abs", apart)
    near, far = number(HALF) * apart.power(2), bound * (size - number(HALF) * bound)
    if call.name == "smooth_l1_loss":
        near, far = bound.power(-1) * near, bound.power(-1) * far
    return either(above(size, bound), far, near)


def _cross_entropy_of_two(call: Call, p: Place) -> Formula:
    q, y = call(0, p), call(1, p)
    loss = ZERO - y * apply("log", q) - (ONE - y) * apply("log", ONE - q)
    return _weight(call, 2, p) * loss


def _cross_entropy_of_logits(call: Call, p: Place) -> Formula:
    z, y = call(0, p), call(1, p)
    positive = y * _weight(call, 3, p)
    loss = ZERO - positive * apply("log", logistic(z)) - (ONE - y) * apply("log", ONE - logistic(z))
    return _weight(call, 2, p) * loss


_loss("mse_loss", _squared)
_loss("huber_loss", _huber)
_loss("smooth_l1_loss", _huber)
_loss("binary_cross_entropy", _cross_entropy_of_two)
_loss("binary_cross_entropy_with_logits", _cross_entropy_of_logits)
_loss("soft_margin_loss", lambda call, p: apply("softplus", ZERO - call(0, p) * call(1, p)))


# ---------------------------------------------------------------- classes


def _classes(call: Call, n: int) -> tuple[str, np.ndarray, np.ndarray]:
    """(the name of the targets, the targets with 0 for those to ignore, the weight of each)."""
    target = np.asarray(call.array(1))
    ignored = target == call.setting("ignore_index")
    kept = np.where(ignored, 0, target).astype(np.int64)
    weight = np.asarray(call.array(2))[kept] if call.has(2) else np.ones(target.shape)
    name = call.formulas.name_of(call.node, 1, call.array(1)) or "target"
    return call.formulas.constant_name(name, kept), kept, np.where(ignored, 0.0, weight)


def _entry(table: str, shape: tuple[int, ...], p: Place, n: int) -> Entry:
    return Entry(table, tuple(q for q, size in zip(p, shape) if size != 1), n)


@rule("nll_loss", "nll_loss_2d")
def _nll(call: Call, p: Place) -> Formula:
    n = call.shape()[1]
    table, target, weight = _classes(call, n)
    reduction = call.setting("reduction")
    place = p if reduction == "none" else tuple(fresh(size) if size != 1 else 0 for size in target.shape)
    picked = call.at(0, (place[0], _entry(table, target.shape, place, n), *place[1:]))
    loss = ZERO - _weights(call, weight, place) * picked
    if reduction == "none":
        return loss
    for index in reversed(place):
        if isinstance(index, Index):
            loss = total(index, loss)
    return _mean_weight(weight) * loss if reduction == "mean" else loss


@rule("nll_loss_backward")
def _nll_backward(call: Call, p: Place) -> Formula:
    n = call.setting("shape")[1]
    table, target, weight = _classes(call, n)
    reduction, place = call.setting("reduction"), (p[0], *p[2:])
    there = delta(p[1], _entry(table, target.shape, place, n)) * _weights(call, weight, place)
    share = _mean_weight(weight) if reduction == "mean" else ONE
    return ZERO - share * there * (call.at(0, place) if reduction == "none" else call.at(0, ()))


def _weights(call: Call, weight: np.ndarray, place: Place) -> Formula:
    return ONE if (weight == 1).all() else call.formulas.given("weight", weight, place)


def _mean_weight(weight: np.ndarray) -> Formula:
    whole = float(weight.sum())
    if not whole:
        raise NoFormula
    return number(Fraction(1, int(whole))) if whole.is_integer() else rational_of(whole).power(-1)


@rule("multi_margin_loss")
def _multi_margin(call: Call, p: Place) -> Formula:
    shape = call.shape()
    n = shape[-1]
    target = np.asarray(call.array(1))
    name = call.formulas.name_of(call.node, 1, call.array(1)) or "target"
    table = call.formulas.constant_name(name, target.astype(np.int64))
    reduction, samples = call.setting("reduction"), shape[:-1]
    place = p if reduction == "none" else tuple(fresh(size) if size != 1 else 0 for size in samples)
    right, other = _entry(table, target.shape, place[: target.ndim], n), fresh(n)
    apart = rational_of(call.setting("margin")) - call.at(0, (*place, right)) + call.at(0, (*place, other))
    one = above(apart, ZERO) * apart.power(call.setting("p")) * (ONE - delta(other, right))
    if call.has(2):
        one = one * call.formulas.given("weight", np.asarray(call.array(2))[target], place[: target.ndim])
    loss = number(Fraction(1, n)) * total(other, one)
    for index in reversed(place if reduction != "none" else ()):
        if isinstance(index, Index):
            loss = total(index, loss)
    if reduction == "mean":
        loss = number(Fraction(1, int(np.prod(samples)))) * loss
    return loss
