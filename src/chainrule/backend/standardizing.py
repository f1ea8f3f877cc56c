"""Normalization to mean 0 and variance 1 on arrays, with its gradient. Half types are computed in float32."""

from __future__ import annotations

import math

import numpy as np

from . import reductions
from .reductions import narrowed, widened


def _mean(x, dims):
    total = reductions.sum(x, dims, True)
    count = math.prod([x.shape[d] for d in dims])
    return total / total.dtype.type(count) if count else total * total.dtype.type(np.nan)


def standardize(x, weight, bias, dims, eps):
    """(x normalized over `dims`, times weight, plus bias; the mean; the reciprocal of the standard deviation)."""
    dtype = x.dtype
    x = widened(x)
    mean = _mean(x, dims)
    out = x - mean
    rstd = _mean(out * out, dims)
    rstd += rstd.dtype.type(eps)
    np.sqrt(rstd, out=rstd)
    np.divide(rstd.dtype.type(1), rstd, out=rstd)
    out *= rstd
    if weight is not None:
        out *= widened(weight)
    if bias is not None:
        out += widened(bias)
    return narrowed(out, dtype), mean, rstd


def gradients(g, x, weight, bias, mean, rstd, dims, eps, needs):
    """(gradients by x, weight, bias) from g, that of the first result; None where not needed."""
    by_x = by_weight = by_bias = None
    wide = widened(g)
    if needs[2] is not None:
        by_bias = narrowed(_sum_to(wide, bias.shape), bias.dtype)
    if needs[0] is None and needs[1] is None:
        return by_x, by_weight, by_bias
    normal = widened(x) - mean
    normal *= rstd
    if needs[1] is not None:
        by_weight = narrowed(_sum_to(wide * normal, weight.shape), weight.dtype)
    if needs[0] is not None:
        inner = wide if weight is None else wide * widened(weight)
        along = _mean(inner * normal, dims)
        found = inner - _mean(inner, dims)
        normal *= along
        found -= normal
        found *= rstd
        by_x = narrowed(found, x.dtype)
    return by_x, by_weight, by_bias


def _sum_to(x, shape):
    extra = x.ndim - len(shape)
    dims = tuple(range(extra)) + tuple([i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1])
    return reductions.sum(x, dims, True).reshape(shape) if dims else x.reshape(shape)
