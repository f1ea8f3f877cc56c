"""Draws from the standard gamma and Dirichlet distributions that gradients go through.

What is drawn is not a formula of the parameters, so its derivative is taken at a fixed probability: dx/da = -(∂F/∂a) / f,
with the cumulative distribution function F and the density f at the sample (implicit reparameterization: Figurnov, Mohamed and
Mnih 2018, arXiv:1805.08498). The derivatives of F, regularized incomplete gamma and beta functions, are differences of fourth order.
"""

from __future__ import annotations

import numpy as np

from chainrule import Size, Tensor, normal, zeros
from chainrule.autograd import Function
from chainrule.random import default_generator
from chainrule.tensor import wrap

STEP = 1e-3  # of the differences, relative to the scale on which F changes: errors of 1e-12 from both sides


def standard_normal(shape: Size, like: Tensor) -> Tensor:
    """Standard normal numbers of the dtype of `like`."""
    return normal(zeros(shape, dtype=like.dtype), zeros(shape, dtype=like.dtype) + 1)


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx, concentration: Tensor) -> Tensor:
        sample = wrap(default_generator.gamma(concentration._array))
        ctx.save_for_backward(sample, concentration)
        return sample

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        sample, concentration = ctx.saved_tensors
        slope = gamma_slope(sample._array, concentration._array)
        return gradient * wrap(slope.astype(sample._array.dtype))


class _StandardDirichlet(Function):
    @staticmethod
    def forward(ctx, concentration: Tensor) -> Tensor:
        sample = wrap(default_generator.dirichlet(concentration._array))
        ctx.save_for_backward(sample, concentration)
        return sample

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        sample, concentration = ctx.saved_tensors
        x = sample._array
        slope = beta_slope(x, concentration._array, concentration._array.sum(-1, keepdims=True)) / (1 - x)
        return wrap(slope.astype(x.dtype)) * (gradient - (sample * gradient).sum(-1, True))


def standard_gamma(concentration: Tensor) -> Tensor:
    """One sample of Gamma(concentration, 1) for each element."""
    return _StandardGamma.apply(concentration)


def standard_dirichlet(concentration: Tensor) -> Tensor:
    """One sample of Dirichlet(concentration) for each vector along the last dimension."""
    return _StandardDirichlet.apply(concentration)


def gamma_slope(x: np.ndarray, concentration: np.ndarray) -> np.ndarray:
    """How a sample x of a standard gamma distribution changes with its concentration."""
    from scipy import special

    x, a = np.asarray(x, np.float64), np.asarray(concentration, np.float64)
    upper = x > a  # the smaller tail has the smaller rounding errors

    def tail(a):
        return np.where(upper, -special.gammaincc(a, x), special.gammainc(a, x))

    log_density = special.xlogy(a - 1, x) - x - special.gammaln(a)
    with np.errstate(all="ignore"):
        return np.where(x > 0, -_derivative(tail, a) / np.exp(log_density), 0.0)


def beta_slope(x: np.ndarray, concentration: np.ndarray, total: np.ndarray) -> np.ndarray:
    """How a sample x of Beta(concentration, total - concentration) changes with its first parameter alone."""
    from scipy import special

    x, a = np.asarray(x, np.float64), np.asarray(concentration, np.float64)
    b = np.asarray(total, np.float64) - a
    upper = x > a / (a + b)

    def tail(a):
        return np.where(upper, -special.betainc(b, a, 1 - x), special.betainc(a, b, x))

    log_density = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
    with np.errstate(all="ignore"):
        return np.where((x > 0) & (x < 1), -_derivative(tail, a) / np.exp(log_density), 0.0)


def _derivative(function, a: np.ndarray) -> np.ndarray:
    """The derivative of a function of a positive parameter."""
    h = STEP * np.minimum(a, np.sqrt(a))
    near, far = function(a + h) - function(a - h), function(a + 2 * h) - function(a - 2 * h)
    return (8 * near - far) / (12 * h)
