"""Sums of exponentials and what they normalize: logsumexp, softmax, log_softmax, with their gradients.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`. Large arrays go through in parts that
stay in the cache: the passes of a softmax then cost little more than reading and writing the memory once.
"""

from __future__ import annotations

import math

import numpy as np

from .elementary import LARGEST, SINGLE, exp, exp_in_place, log
from .fma import fma_single
from .layout import in_rows
from .reductions import accumulation_dtype, add_reduce, amax, narrowed, sum, widened

multiply, subtract, reciprocal, maximum_reduce = np.multiply, np.subtract, np.reciprocal, np.maximum.reduce

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
    return in_rows(narrowed(found, x.dtype))


def softmax(x, dim):
    """``exp(x)`` normalized to sum 1 along `dim`."""
    if not x.size:
        return np.zeros(x.shape, x.dtype)
    if not x.ndim:
        return exp(x - x)
    if accumulation_dtype(x.dtype):
        return softmax(widened(x), dim).astype(x.dtype)
    x = in_rows(x)
    if x.size <= PART:
        return _normalized(exp_in_place(x - maximum_reduce(x, dim, None, None, True)), dim)
    out = np.empty_like(x)
    for part in parts(x, dim):
        block = subtract(x[part], maximum_reduce(x[part], dim, None, None, True), out[part])
        _normalized(np.exp(block, out=block), dim)
    return out


def _total(x, dim):
    """The sum of a part along `dim`. In single precision PyTorch's vectors have 16 lanes, and it adds rows that are shorter
    one element after the other; NumPy does so below 8."""
    if x.size > LARGEST:
        return sum(x, dim, True)
    if 8 <= x.shape[dim] < 16 and x.dtype is SINGLE and dim % x.ndim == x.ndim - 1:
        return np.add.accumulate(x, dim)[..., -1:]
    return add_reduce(x, dim, None, None, True)


def _normalized(out, dim):
    """`out` divided by its sum along `dim`, in its own memory; by the sum's reciprocal along the last, as PyTorch does."""
    total = _total(out, dim)
    if dim % out.ndim == out.ndim - 1:
        return multiply(out, reciprocal(total), out)
    out /= total
    return out


def log_softmax(x, dim):
    """The logarithm of the softmax."""
    if not x.size:
        return np.zeros(x.shape, x.dtype)
    if not x.ndim:
        return x - x
    if accumulation_dtype(x.dtype):
        return log_softmax(widened(x), dim).astype(x.dtype)
    x = in_rows(x)
    if x.size <= PART:
        out = x - maximum_reduce(x, dim, None, None, True)
        return subtract(out, log(_total(exp(out), dim)), out)
    out = np.empty_like(x)
    for part in parts(x, dim):
        block = subtract(x[part], maximum_reduce(x[part], dim, None, None, True), out[part])
        block -= np.log(sum(np.exp(block), dim, True))
    return out


def softmax_backward(g, out, dim):
    """The gradient of a softmax, given its result."""
    if accumulation_dtype(out.dtype):
        return softmax_backward(widened(g), widened(out), dim).astype(out.dtype)
    if not out.ndim:
        return (g - g * out) * out
    if out.size <= PART:
        found = g - _total(g * out, dim)
        return multiply(found, out, found)
    found = np.empty(out.shape, out.dtype)
    last = dim % out.ndim == out.ndim - 1
    for part in parts(out, dim):
        g_part, out_part, block = g[part], out[part], found[part]
        if last:
            total = np.vecdot(g_part, out_part)[..., None]
        else:
            total = _total(multiply(g_part, out_part, block), dim)
        subtract(g_part, total, block)
        block *= out_part
    return found


def log_softmax_backward(g, out, dim):
    """The gradient of a log_softmax, given its result."""
    if accumulation_dtype(out.dtype):
        return log_softmax_backward(widened(g), widened(out), dim).astype(out.dtype)
    if not out.ndim:
        return g - exp(out) * g
    if out.size <= PART:
        found = exp(out)
        total = _total(g, dim)
        if out.size <= LARGEST and out.dtype is SINGLE:
            return fma_single(-found, total, g)
        found *= total
        return subtract(g, found, found)
    found = np.empty_like(out)
    for part in parts(out, dim):
        block = np.exp(out[part], out=found[part])
        block *= sum(g[part], dim, True)
        subtract(g[part], block, block)
    return found
