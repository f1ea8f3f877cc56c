"""Convolutions on arrays: products over windows that slide along the dimensions after the first two.

A window's columns are copied once for each position in the kernel along the dimensions after the first spatial one; the
positions along the first are then pieces of the same memory, and one matrix product is added for each. That copies a
third of what a full table of windows would for a 3×3 kernel. Images go through in blocks that stay in the cache.

All spatial arguments are tuples of as many ints as there are spatial dimensions. Channels come in `groups`, each of which
sees only its own. Half types are computed in float32.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from .layout import restride
from .reductions import narrowed, widened

BLOCK = 1 << 18  # elements of the table of windows that are worked on at a time


def pad_zeros(x, padding):
    """`x` with so many zeros before and behind along each spatial dimension."""
    if not any(padding):
        return x
    out = np.zeros(x.shape[:2] + tuple([n + 2 * p for n, p in zip(x.shape[2:], padding)]), x.dtype)
    out[(..., *[slice(p, p + n) for n, p in zip(x.shape[2:], padding)])] = x
    return out


def _window_view(x, kernel, stride, dilation, out):
    """(N, C, *kernel[1:], rows, *out[1:]): windows along all spatial dimensions but the first, as a view."""
    n, c, *steps = x.strides
    shape = (*x.shape[:2], *kernel[1:], x.shape[2], *out[1:])
    strides = (
        n,
        c,
        *[s * d for s, d in zip(steps[1:], dilation[1:])],
        steps[0],
        *[s * t for s, t in zip(steps[1:], stride[1:])],
    )
    return restride(x, shape, strides)


def _kernel_rows(w, groups):
    """The weights (O, C, *kernel) as one (groups, O / groups, C · rest of kernel) matrix per first position in the kernel."""
    rows = w.shape[2]
    order = (2, 0, 1, *range(3, w.ndim))
    return np.ascontiguousarray(w.transpose(order)).reshape(rows, groups, w.shape[0] // groups, -1)


def _blocks(x, kernel, stride, dilation, out, groups):
    """(slice of images, its windows as (images, groups, C · rest of kernel, rows, rest of out)), block by block."""
    view = _window_view(x, kernel, stride, dilation, out)
    one = math.prod(view.shape[1:])
    count = max(1, BLOCK // max(1, one))
    for start in range(0, x.shape[0], count):
        part = slice(start, min(start + count, x.shape[0]))
        columns = np.ascontiguousarray(view[part])
        yield part, columns.reshape(columns.shape[0], groups, -1, x.shape[2], math.prod(out[1:]))


def _rows_at(columns, i, out, stride, dilation):
    """The columns that meet row `i` of the kernel, as matrices (…, C · rest of kernel, positions)."""
    start = i * dilation[0]
    part = columns[:, :, :, start : start + (out[0] - 1) * stride[0] + 1 : stride[0]]
    return part.reshape(*part.shape[:3], -1)


def convolution(x, w, stride, padding, dilation, groups):
    """The sum over each window of `x` (N, C, *size), padded with zeros, times the weights (O, C / groups, *kernel)."""
    dtype = x.dtype
    x, w = pad_zeros(widened(x), padding), widened(w)
    kernel = w.shape[2:]
    out = window_counts(x.shape[2:], kernel, stride, (0,) * len(kernel), dilation)
    found = np.empty((x.shape[0], groups, w.shape[0] // groups, math.prod(out)), x.dtype)
    weights = _kernel_rows(w, groups)
    for part, columns in _blocks(x, kernel, stride, dilation, out, groups):
        target = found[part]
        np.matmul(weights[0], _rows_at(columns, 0, out, stride, dilation), out=target)
        for i in range(1, kernel[0]):
            target += np.matmul(weights[i], _rows_at(columns, i, out, stride, dilation))
    return narrowed(found.reshape(x.shape[0], w.shape[0], *out), dtype)


def convolution_input(g, w, size, stride, padding, dilation, groups):
    """The transpose of `convolution` in its input, of spatial `size`: each of g's elements times the weights, in its window."""
    dtype = g.dtype
    g, w = widened(g), widened(w)
    kernel = w.shape[2:]
    channels = w.shape[1] * groups
    if all(s == 1 for s in stride) and all(p <= d * (k - 1) for p, d, k in zip(padding, dilation, kernel)):
        flipped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:]).swapaxes(1, 2)
        flipped = flipped[(..., *[slice(None, None, -1)] * len(kernel))].reshape(channels, -1, *kernel)
        border = tuple([d * (k - 1) - p for p, d, k in zip(padding, dilation, kernel)])
        return narrowed(convolution(g, flipped, stride, border, dilation, groups), dtype)
    whole = tuple([n + 2 * p for n, p in zip(size, padding)])
    out = g.shape[2:]
    weights = _kernel_rows(w, groups).swapaxes(2, 3)
    columns = g.reshape(g.shape[0], groups, g.shape[1] // groups, -1)
    found = np.zeros((g.shape[0], channels, *whole), g.dtype)
    view = _window_view(found, kernel, stride, dilation, out)
    for i in range(kernel[0]):
        terms = np.matmul(weights[i], columns).reshape(g.shape[0], channels, *kernel[1:], *out)
        start = i * dilation[0]
        rows = slice(start, start + (out[0] - 1) * stride[0] + 1, stride[0])
        for position in np.ndindex(*kernel[1:]):  # windows overlap, so each position is added by itself
            before = (slice(None), slice(None), *position)
            view[(*before, rows)] += terms[before]
    return narrowed(found[(..., *[slice(p, p + n) for n, p in zip(size, padding)])], dtype)


def convolution_weight(x, g, kernel, stride, padding, dilation, groups):
    """The transpose of `convolution` in its weights: every window of `x` times g's element there."""
    dtype = x.dtype
    x, g = pad_zeros(widened(x), padding), widened(g)
    out = g.shape[2:]
    features, channels = g.shape[1] // groups, x.shape[1] // groups
    g = g.reshape(g.shape[0], groups, features, -1)
    found = np.zeros((kernel[0], groups, features, channels * math.prod(kernel[1:])), x.dtype)
    for part, columns in _blocks(x, kernel, stride, dilation, out, groups):
        for i in range(kernel[0]):
            rows = _rows_at(columns, i, out, stride, dilation)
            found[i] += np.matmul(g[part], rows.swapaxes(2, 3)).sum(0)
    found = found.reshape(kernel[0], groups * features, channels, *kernel[1:])
    return narrowed(np.ascontiguousarray(np.moveaxis(found, 0, 2)), dtype)


def window_counts(size, kernel, stride, padding, dilation):
    """How many windows fit along each dimension."""
    return tuple(
        [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
        ]
    )


# ---------------------------------------------------------------- pooling


def _positions(x, kernel, stride, dilation, out):
    """(number, part of x) for each position in the kernel: what lies there in every window, as a view."""
    for number, position in enumerate(product(*map(range, kernel))):
        starts = [i * d for i, d in zip(position, dilation)]
        yield number, x[(..., *[slice(a, a + (o - 1) * s + 1, s) for a, o, s in zip(starts, out, stride)])]


def _bordered(x, padding, kernel, stride, dilation, out, value):
    """`x` with a border of `value`: `padding` before, and behind what the last window needs."""
    size = x.shape[2:]
    needed = [(o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip(out, stride, dilation, kernel)]
    whole = tuple([max(n + p, m) for n, p, m in zip(size, padding, needed)])
    if whole == size:
        return x
    bordered = np.full(x.shape[:2] + whole, value, x.dtype)
    bordered[(..., *[slice(p, p + n) for p, n in zip(padding, size)])] = x
    return bordered


def max_pool(x, kernel, stride, padding, dilation, out):
    """(the largest element of each window, its index among the elements of its channel); nan counts as the largest."""
    size = x.shape[2:]
    bordered = x
    if any(padding) or window_counts(size, kernel, stride, padding, dilation) != tuple(out):
        least = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
        bordered = _bordered(x, padding, kernel, stride, dilation, out, least)
    has_nan = x.dtype.kind not in "iu" and x.size and np.isnan(x.max())
    best = where = None
    for number, part in _positions(bordered, kernel, stride, dilation, out):
        if best is None:
            best = np.array(part, order="C")
            where = np.zeros(best.shape, np.uint8 if math.prod(kernel) < 256 else np.int64)
            continue
        better = part > best
        if has_nan:
            better |= part != part
        np.copyto(best, part, where=better)
        np.copyto(where, number, where=better)
    steps = np.indices(kernel).reshape(len(kernel), -1)  # of each position in the kernel, along each dimension
    if bordered is x:
        offsets, first = 0, 0
        for d, (n, o, s, step) in enumerate(zip(size, out, stride, dilation)):
            offsets = offsets * n + steps[d] * step
            first = first * n + (np.arange(o) * s).reshape((-1,) + (1,) * (len(size) - d - 1))
        return best, np.take(offsets, where) + first
    index = np.zeros(where.shape, np.int64)
    for d, (n, o, s, p, step) in enumerate(zip(size, out, stride, padding, dilation)):
        start = (np.arange(o) * s - p).reshape((-1,) + (1,) * (len(size) - d - 1))
        index *= n
        index += np.clip(start + (steps[d] * step)[where], 0, n - 1)
    return best, index


def add_at_places(g, index, shape):
    """Zeros of `shape` with `g` added at the `index` of each channel; the transpose of `at_places`."""
    planes = shape[0] * shape[1]
    count = math.prod(shape[2:])
    flat = (index.reshape(planes, math.prod(index.shape[2:])) + (np.arange(planes) * count)[:, None]).ravel()
    found = np.bincount(flat, weights=widened(np.asarray(g)).ravel(), minlength=planes * count)
    return found.astype(g.dtype).reshape(shape)


def at_places(x, index):
    """x's elements at the `index` of each channel."""
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return np.take_along_axis(flat, index.reshape(*index.shape[:2], math.prod(index.shape[2:])), 2).reshape(index.shape)


def window_sum(x, kernel, stride, padding, out):
    """The sum of each window."""
    ones = (1,) * len(kernel)
    x = _bordered(x, padding, kernel, stride, ones, out, 0)
    total = None
    for _, part in _positions(x, kernel, stride, ones, out):
        if total is None:
            total = np.array(part, order="C")
        else:
            total += part
    return total


def spread_windows(g, size, kernel, stride, padding):
    """The transpose of `window_sum`: each element added at every place of its window."""
    out = g.shape[2:]
    needed = [(o - 1) * s + k for o, s, k in zip(out, stride, kernel)]
    whole = [max(n + p, m) for n, p, m in zip(size, padding, needed)]
    found = np.zeros((*g.shape[:2], *whole), g.dtype)
    for _, part in _positions(found, kernel, stride, (1,) * len(kernel), out):
        part += g
    return found[(..., *[slice(p, p + n) for p, n in zip(padding, size)])]


def window_columns(x, kernel, stride, padding, dilation, out):
    """All windows as columns: (N, C · kernel, windows)."""
    x = _bordered(x, padding, kernel, stride, dilation, out, 0)
    columns = np.empty((*x.shape[:2], math.prod(kernel), *out), x.dtype)
    for number, part in _positions(x, kernel, stride, dilation, out):
        columns[:, :, number] = part
    return columns.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(out))


def add_columns(columns, size, kernel, stride, padding, dilation, out):
    """The transpose of `window_columns`: overlapping windows add up."""
    area = math.prod(kernel)
    columns = columns.reshape(columns.shape[0], columns.shape[1] // area, area, *out)
    needed = [(o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip(out, stride, dilation, kernel)]
    whole = [max(n + 2 * p, m) for n, p, m in zip(size, padding, needed)]
    found = np.zeros((*columns.shape[:2], *whole), columns.dtype)
    for number, part in _positions(found, kernel, stride, dilation, out):
        part += columns[:, :, number]
    return np.ascontiguousarray(found[(..., *[slice(p, p + n) for p, n in zip(padding, size)])])
