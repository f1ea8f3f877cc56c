"""Sums of exponentials and what they normalize: logsumexp, softmax, log_softmax, with their gradients.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`. Large arrays go through in parts that
stay in the cache: the passes of a softmax then cost little more than reading and writing the memory once.
"""

from __future__ import annotations

import math

import numpy as np

from .elementary import LARGEST, SINGLE, exp, exp_in_place, log
from .fma import fma_single
from .reductions import amax, narrowed, sum, widened

PART = 1 << 18  # elements


def parts(x, dim):
    """Slices that cut `x` into parts of about `PART` elements along a dimension before `dim`; one whole if it is small."""
    axis = next((d for d in range(dim % x.ndim) if x.shape[d] > 1), None)
    if x.size <= PART or axis is None:
        return [...]
    count = x.shape[axis]
    step = max(1, count * PART // x.size)
    before = (slice(None),) * axis
    return [(*before, slice(start, start + step)) for start in range(0, count, step)]


def _shift(x, dim):
    """The maximum over `dim`, by its real part, 0 where it is infinite: what exponents are lowered by."""
    top = amax(x.real if x.dtype.kind == "c" else x, dim, True)
    return np.where(np.isinf(top), np.zeros((), top.dtype), top)


def logsumexp(x, dim, keepdim):
    """``log(sum(exp(x)))`` without overflow."""
    wide = widened(x)
    if not math.prod(x.shape):
        return log(sum(exp(x), dim, keepdim))
    top = _shift(wide, dim)
    found = log(sum(exp(wide - top), dim, True)) + top
    if not keepdim:
        found = found.reshape([n for i, n in enumerate(x.shape) if i not in dim])
    return narrowed(found, x.dtype)


def _top(x, dim):
    return np.maximum.reduce(x, dim, None, None, True)


def softmax(x, dim):
    """``exp(x)`` normalized to sum 1 along `dim`."""
    if not x.size:
        return np.zeros(x.shape, x.dtype)
    if not x.ndim:
        return exp(x - x)
    wide = widened(x)
    if wide.size <= PART:
        return narrowed(_normalized(exp_in_place(wide - _top(wide, dim)), dim), x.dtype)
    out = np.empty_like(wide)
    for part in parts(wide, dim):
        block = np.subtract(wide[part], _top(wide[part], dim), out=out[part])
        _normalized(np.exp(block, out=block), dim)
    return narrowed(out, x.dtype)


def _total(x, dim):
    """The sum of a part along `dim`. In single precision PyTorch's vectors have 16 lanes, and it adds rows that are shorter
    one element after the other; NumPy does so below 8."""
    if x.size > LARGEST:
        return sum(x, dim, True)
    if 8 <= x.shape[dim] < 16 and x.dtype is SINGLE and dim % x.ndim == x.ndim - 1:
        return np.add.accumulate(x, dim)[..., -1:]
    return np.add.reduce(x, dim, None, None, True)


def _normalized(out, dim):
    """`out` divided by its sum along `dim`, in its own memory; by the sum's reciprocal along the last, as PyTorch does."""
    total = _total(out, dim)
    if dim % out.ndim == out.ndim - 1:
        out *= np.reciprocal(total)
    else:
        out /= total
    return out


def log_softmax(x, dim):
    """The logarithm of the softmax."""
    if not x.size:
        return np.zeros(x.shape, x.dtype)
    if not x.ndim:
        return x - x
    wide = widened(x)
    if wide.size <= PART:
        out = wide - _top(wide, dim)
        out -= log(_total(exp(out), dim))
        return narrowed(out, x.dtype)
    out = np.empty_like(wide)
    for part in parts(wide, dim):
        block = np.subtract(wide[part], _top(wide[part], dim), out=out[part])
        block -= np.log(sum(np.exp(block), dim, True))
    return narrowed(out, x.dtype)


def softmax_backward(g, out, dim):
    """The gradient of a softmax, given its result."""
    wide_g, wide = widened(g), widened(out)
    if not wide.ndim:
        return narrowed((wide_g - wide_g * wide) * wide, out.dtype)
    found = np.empty(wide.shape, wide.dtype)
    last = dim % wide.ndim == wide.ndim - 1
    for part in parts(wide, dim):
        g_part, out_part, block = wide_g[part], wide[part], found[part]
        if last and wide.size > PART:
            total = np.vecdot(g_part, out_part)[..., None]
        else:
            total = _total(np.multiply(g_part, out_part, out=block), dim)
        np.subtract(g_part, total, out=block)
        block *= out_part
    return narrowed(found, out.dtype)


def log_softmax_backward(g, out, dim):
    """The gradient of a log_softmax, given its result."""
    wide_g, wide = widened(g), widened(out)
    if not wide.ndim:
        return narrowed(wide_g - exp(wide) * wide_g, out.dtype)
    if wide.size <= PART:
        found = exp(wide)
        total = _total(wide_g, dim)
        if wide.size <= LARGEST and wide.dtype is SINGLE:
            return narrowed(fma_single(-found, total, wide_g), out.dtype)
        found *= total
        return narrowed(np.subtract(wide_g, found, out=found), out.dtype)
    found = np.empty_like(wide)
    for part in parts(wide, dim):
        block = np.exp(wide[part], out=found[part])
        block *= sum(wide_g[part], dim, True)
        np.subtract(wide_g[part], block, out=block)
    return narrowed(found, out.dtype)
