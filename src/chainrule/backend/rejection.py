"""Distributions drawn by rejection: each sample takes as many uniform numbers as it happens to need.

`uniform` and `normal` are functions that return the generator's next double. Parameters come as NumPy
scalars, because PyTorch computes some intermediate values in the parameter's own precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Source = Callable[[], float]


def poisson(rate: float, uniform: Source) -> int:
    """A Poisson number: below 10 by multiplying uniforms, else by transformed rejection (Hörmann 1993)."""
    if rate == 0.0:
        return 0
    if rate < 10.0:
        limit = math.exp(-rate)
        count = 0
        product = uniform()
        while product > limit:
            count += 1
            product *= uniform()
        return count
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if us == 0.0:  # an infinite quotient, whose integer is negative in C: rejected
            continue
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        bound = -rate + k * log_rate - math.lgamma(k + 1.0)
        if _log(v) + log_inverse_alpha - math.log(a / (us * us) + b) <= bound:
            return k


def gamma(shape: np.floating, uniform: Source, normal: Source) -> float:
    """A standard gamma number (Marsaglia and Tsang 2000, doi:10.1145/358407.358414)."""
    number = type(shape)
    scale = 1.0
    if shape < 1:
        if shape == 0:
            return 0.0
        scale = (1.0 - uniform()) ** float(number(1) / shape)
        shape = shape + number(1)
    d = float(shape - number(np.float32(1) / np.float32(3)))
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        y = 0.0
        while y <= 0.0:
            x = normal()
            y = 1.0 + c * x
        v = y * y * y
        u = 1.0 - uniform()
        square = x * x
        if u < 1.0 - _SQUEEZE * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


_SQUEEZE = float(np.float32(0.0331))


def binomial(count: np.floating, probability: np.floating, uniform: Source) -> float:
    """The number of successes in `count` trials, as a floating number; nan for a probability of nan."""
    if count <= 0 or probability <= 0:
        return 0.0
    if probability >= 1:
        return float(count)
    if probability <= 0.5:
        draw = _binomial_by_rejection if count * probability >= 10 else _binomial_by_inversion
        return draw(count, probability, uniform)
    if probability > 0.5:
        failure = type(probability)(1.0 - float(probability))
        draw = _binomial_by_rejection if count * failure >= 10 else _binomial_by_inversion
        return float(count) - draw(count, failure, uniform)
    return math.nan


def _binomial_by_inversion(count: np.floating, probability: np.floating, uniform: Source) -> float:
    """Sums geometric waiting times until they exceed `count` (Devroye 1986, p. 525)."""
    log_failure = float(np.log1p(-probability))
    waited = 0.0
    successes = 0
    while True:
        u = uniform()
        if u == 0.0:  # the next success never comes
            return float(successes)
        waited += math.ceil(math.log(u) / log_failure)
        if waited > count:
            return float(successes)
        successes += 1


def _binomial_by_rejection(count: np.floating, probability: np.floating, uniform: Source) -> float:
    """Transformed rejection with squeeze (Hörmann 1993, BTRS)."""
    number = type(probability)
    one = number(1)
    p = float(probability)
    deviation = float(np.sqrt(count * probability * (one - probability)))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = float(count * probability) + 0.5
    v_r = 0.92 - 4.2 / b
    r = float(probability / (one - probability))
    alpha = (2.83 + 5.1 / b) * deviation
    mode = float(np.floor((count + one) * probability))
    n = float(count)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if us == 0.0:  # an infinite quotient: k is out of range
            continue
        k = float(number(math.floor((2 * a / us + b) * u + c)))
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= v_r:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (r * (n - mode + 1)))
            + float(count + one) * math.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * math.log(r * (n - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(n - mode)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


_STIRLING_TAILS = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip


def _stirling_tail(k: float) -> float:
    """log k! less its Stirling approximation."""
    if k < len(_STIRLING_TAILS):
        return _STIRLING_TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


def _log(x: float) -> float:
    """The natural logarithm; of 0, as in C, minus infinity."""
    return math.log(x) if x else -math.inf
