"""Normalization to mean 0 and variance 1 on arrays, with its gradient. Half types are computed in float32."""

from __future__ import annotations

import math

import numpy as np

from . import reductions
from .reductions import narrowed, widened

ROW = 4096  # as long as this, a row's sum of products loses no accuracy in einsum, which is the fastest


def _mean(x, dims):
    total = reductions.sum(x, dims, True)
    count = math.prod([x.shape[d] for d in dims])
    return total / total.dtype.type(count) if count else total * total.dtype.type(np.nan)


def _mean_product(x, y, dims):
    """The mean of ``x * y`` over `dims`."""
    count = math.prod([x.shape[d] for d in dims])
    if x.dtype.kind != "f" or dims[-1] != x.ndim - 1 or len(dims) != x.ndim - dims[0] or not 0 < count <= ROW:
        return _mean(x * y, dims)
    total = np.einsum("ij,ij->i", x.reshape(-1, count), y.reshape(-1, count))
    total /= total.dtype.type(count)
    return total.reshape(x.shape[: dims[0]] + (1,) * len(dims))


def standardize(x, weight, bias, dims, eps):
    """(x normalized over `dims`, times weight, plus bias; the mean; the reciprocal of the standard deviation)."""
    dtype = x.dtype
    x = widened(x)
    mean = _mean(x, dims)
    out = x - mean
    rstd = _mean_product(out, out, dims)
    rstd += rstd.dtype.type(eps)
    np.sqrt(rstd, out=rstd)
    np.reciprocal(rstd, out=rstd)
    out *= rstd
    if weight is not None:
        out *= widened(weight)
    if bias is not None:
        out += widened(bias)
    return narrowed(out, dtype), mean, rstd


def gradients(g, x, weight, bias, mean, rstd, dims, eps, needs):
    """(gradients by x, weight, bias) from g, that of the first result; None where not needed."""
    by_x = by_weight = by_bias = None
    g = widened(g)
    if needs[2] is not None:
        by_bias = narrowed(_sum_to(g, bias.shape), bias.dtype)
    if needs[0] is None and needs[1] is None:
        return by_x, by_weight, by_bias
    normal = widened(x) - mean
    normal *= rstd
    if needs[1] is not None:
        by_weight = narrowed(_sum_to(g * normal, weight.shape), weight.dtype)
    if needs[0] is not None:
        found = g.copy() if weight is None else g * widened(weight)
        normal *= _mean_product(found, normal, dims)
        found -= _mean(found, dims)
        found -= normal
        found *= rstd
        by_x = narrowed(found, x.dtype)
    return by_x, by_weight, by_bias


def _sum_to(x, shape):
    extra = x.ndim - len(shape)
    dims = tuple(range(extra)) + tuple([i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1])
    found = reductions.sum(x, dims, True) if dims else x.copy()
    return found.reshape(shape)
