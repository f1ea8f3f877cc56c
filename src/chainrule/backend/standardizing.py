"""Normalization to mean 0 and variance 1 on arrays, with its gradient. Half types are computed in float32."""

from __future__ import annotations

import math

import numpy as np

from . import reductions
from .exponentials import parts
from .layout import contiguous, is_channels_last
from .reductions import narrowed, widened


def _mean(x, dims):
    total = reductions.sum(x, dims, True)
    count = math.prod([x.shape[d] for d in dims])
    return total / total.dtype.type(count) if count else total * total.dtype.type(np.nan)


def _mean_product(x, y, dims):
    """The mean of ``x * y`` over `dims`."""
    count = math.prod([x.shape[d] for d in dims])
    if x.dtype.kind != "f" or dims[-1] != x.ndim - 1 or len(dims) != x.ndim - dims[0] or not count:
        return _mean(x * y, dims)
    total = np.vecdot(x.reshape(-1, count), y.reshape(-1, count))
    total /= total.dtype.type(count)
    return total.reshape(x.shape[: dims[0]] + (1,) * len(dims))


def standardize(x, weight, bias, dims, eps):
    """(x normalized over `dims`, times weight, plus bias; the mean; the reciprocal of the standard deviation)."""
    dtype = x.dtype
    x = widened(x)
    if not (x.flags.c_contiguous or (dims[0] == 0 and x.ndim > 3 and is_channels_last(x))):
        x = contiguous(x)
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
    dtype = x.dtype
    g, x = widened(g), widened(x)
    by_x = None if needs[0] is None else np.empty(x.shape, x.dtype)
    by_weight = by_bias = None
    for part in parts(x, dims[0]) if by_x is not None or needs[1] is not None else ():
        away = x[part] - mean[part]
        scaled = g[part] * rstd[part]
        if needs[1] is not None:
            found = _sum_of_products(scaled, away, weight.shape)
            by_weight = found if by_weight is None else np.add(by_weight, found, out=by_weight)
        if by_x is not None:
            if weight is not None:
                scaled *= widened(weight)
            away *= _mean_product(scaled, away, dims) * np.square(rstd[part])
            away += _mean(scaled, dims)
            np.subtract(scaled, away, out=by_x[part])
    if needs[2] is not None:
        by_bias = narrowed(_sum_to(g, bias.shape), bias.dtype)
    return (
        None if by_x is None else narrowed(by_x, dtype),
        None if by_weight is None else narrowed(by_weight, weight.dtype),
        by_bias,
    )


def _sum_of_products(x, y, shape):
    """``x * y`` summed over the dimensions along which `shape` is broadcast."""
    if x.dtype.kind == "f" and x.shape[x.ndim - len(shape) :] == shape:
        width = math.prod(shape)
        return np.einsum("ij,ij->j", x.reshape(-1, width), y.reshape(-1, width)).reshape(shape)
    return _sum_to(x * y, shape)


def _sum_to(x, shape):
    extra = x.ndim - len(shape)
    dims = tuple(range(extra)) + tuple([i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1])
    found = reductions.sum(x, dims, True) if dims else x.copy()
    return found.reshape(shape)
