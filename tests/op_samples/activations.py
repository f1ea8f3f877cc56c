"""Rows of ops/activations.py."""

import math

import numpy as np
import scipy.special

from .makers import COMPLEX, FLOATING, floats, row


def elu(x, alpha, scale, input_scale):
    return np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x * input_scale, 0)))


ROWS = {
    "elu": row(floats(2, 3), settings=(0.7, 1.2, 1.5), reference=elu),
    "celu": row(floats(2, 3), settings=(0.5,), reference=lambda x, alpha: elu(x, alpha, 1.0, 1 / alpha)),
    "silu": row(floats(2, 3), reference=lambda x: x / (1 + np.exp(-x)), dtypes=FLOATING + COMPLEX),
    "leaky_relu": row(floats(2, 3), settings=(0.1,), reference=lambda x, slope: np.where(x > 0, x, slope * x)),
    "softplus": [
        row(floats(2, 3), settings=(1.5, 20.0), reference=lambda x, beta, _: np.log1p(np.exp(beta * x)) / beta),
        row(
            floats(2, 3, away=(0.5,)), settings=(1.0, 0.5),
            reference=lambda x, _, t: np.where(x > t, x, np.log1p(np.exp(x))),
        ),
    ],
    "gelu": row(floats(2, 3), reference=lambda x: x * scipy.special.ndtr(x)),
    "gelu_tanh": row(
        floats(2, 3), reference=lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "hardshrink": row(
        floats(2, 3, away=(-0.5, 0.5)), settings=(0.5,), reference=lambda x, b: np.where(abs(x) <= b, 0, x)
    ),
    "prelu": row(floats(2, 3), floats(3), reference=lambda x, w: np.where(x > 0, x, w * x)),
    "threshold_backward": row(floats(2, 3), floats(2, 3, away=(0.5,)), settings=(0.5,), reference=lambda g, x, at: g * (x > at)),
    "leaky_relu_backward": row(
        floats(2, 3), floats(2, 3), settings=(0.1,), reference=lambda g, x, at: g * np.where(x > 0, 1, at)
    ),
    "hardtanh_backward": row(
        floats(2, 3),
        floats(2, 3, away=(-1.0, 0.5)),
        settings=((-1.0, 0.5),),
        reference=lambda g, x, at: g * ((x > at[0]) & (x < at[1])),
    ),
    "softshrink_backward": row(
        floats(2, 3), floats(2, 3, away=(-0.5, 0.5)), settings=(0.5,), reference=lambda g, x, at: g * (np.abs(x) > at)
    ),
    "hardshrink_backward": row(
        floats(2, 3), floats(2, 3, away=(-0.5, 0.5)), settings=(0.5,), reference=lambda g, x, at: g * (np.abs(x) > at)
    ),
}  # fmt: skip
