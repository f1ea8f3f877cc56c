"""Losses that pick one class of each sample, on arrays: the negative log likelihood and its transpose."""

from __future__ import annotations

import numpy as np

from .reductions import narrowed, widened


def _picked_weights(target, weight, ignore_index, dtype):
    """(targets with 0 for those ignored, the weight of each sample: 0 for those, None for 1 everywhere)."""
    kept = target != ignore_index
    if kept.all():
        return target, None if weight is None else weight[target]
    safe = np.where(kept, target, 0)
    return safe, kept.astype(dtype) if weight is None else np.where(kept, weight[safe], np.zeros((), dtype))


def _total(weights, count, dtype):
    return dtype.type(count) if weights is None else weights.sum(dtype=dtype)


def nll_loss(x, target, weight, reduction, ignore_index):
    """Minus the entry of `x` (N, C, *rest) at each target (N, *rest), weighted; "mean" divides by the sum of weights."""
    dtype = x.dtype
    x, weight = widened(x), None if weight is None else widened(weight)
    target, weights = _picked_weights(target, weight, ignore_index, x.dtype)
    if x.ndim == 2:
        loss = -x[np.arange(x.shape[0]), target]
    else:
        loss = -np.take_along_axis(x, target[:, None], 1)[:, 0]
    if weights is not None:
        loss = np.where(weights == 0, np.zeros((), x.dtype), loss * weights)
    if reduction == "none":
        return narrowed(loss, dtype)
    loss = loss.sum()
    return narrowed(loss if reduction == "sum" else loss / _total(weights, target.size, x.dtype), dtype)


def nll_loss_backward(g, target, weight, shape, reduction, ignore_index):
    """The transpose of `nll_loss` in x, which has `shape`."""
    dtype = g.dtype
    g, weight = widened(g), None if weight is None else widened(weight)
    target, weights = _picked_weights(target, weight, ignore_index, g.dtype)
    g = -g
    if reduction == "mean":
        g = g / _total(weights, target.size, g.dtype)
    if weights is not None:
        g = np.where(weights == 0, np.zeros((), g.dtype), g * weights)
    out = np.zeros(shape, g.dtype)
    if len(shape) == 2:
        out[np.arange(shape[0]), target] = g
    else:
        np.put_along_axis(out, target[:, None], np.broadcast_to(g, target.shape)[:, None], 1)
    return narrowed(out, dtype)
