"""Sorting, selecting by rank, searching and counting.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`. In the order of elements a nan is the
greatest. A 0-d array is sorted.
"""

import math

import numpy as np

from .reductions import narrowed, pick_along, widened


def _column(x, dim):
    """(the array in a dtype that can be ordered, of at least one dimension; `dim` in it)."""
    wide = widened(x)
    return (wide, dim) if wide.ndim else (wide.reshape(1), 0)


def _like(x, *arrays):
    """Results as 0-d arrays where `x` is one."""
    return arrays if x.ndim else tuple([a.reshape(()) for a in arrays])


def _stable_order(x, dim, descending):
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(backwards, dim)


SMALL = 1000  # up to here NumPy's stable sort is as fast as its other one
FEW = 8  # so many largest elements are found faster one after the other


def sort(x, dim, descending):
    """(sorted values, their indices); equal elements stay in order."""
    wide, dim = _column(x, dim)
    if not wide.size:
        return np.zeros(x.shape, x.dtype), np.zeros(x.shape, np.int64)
    order = _stable_order(wide, dim, descending) if wide.size <= SMALL else _fast_order(wide, dim, descending)
    return _like(x, narrowed(pick_along(wide, order, dim), x.dtype), np.ascontiguousarray(order))


def _fast_order(x, dim, descending):
    """The stable order by way of an unstable sort, which is several times faster where few elements are equal."""
    rows = np.moveaxis(x, dim, -1)
    order = np.argsort(rows, axis=-1)
    if descending:
        order = np.ascontiguousarray(order[..., ::-1])
    values = np.take_along_axis(rows, order, -1)
    repeated = np.zeros(values.shape, bool)  # equal to the element before it
    np.equal(values[..., 1:], values[..., :-1], out=repeated[..., 1:])
    if x.dtype.kind == "f":
        nans = np.isnan(values)
        repeated[..., 1:] |= nans[..., 1:] & nans[..., :-1]
    count = np.count_nonzero(repeated)
    if count * 4 > x.size:
        return _stable_order(x, dim, descending)
    if count:
        equal = repeated.copy()
        equal[..., :-1] |= repeated[..., 1:]
        places = np.flatnonzero(equal)
        runs = np.cumsum(~repeated)[places]
        flat = order.reshape(-1)
        among = flat[places]
        flat[places] = among[np.lexsort((among, runs))]
    return np.moveaxis(order, -1, dim)


def topk(x, k, dim, largest, ordered):
    """(the k largest or smallest values, their indices)."""
    wide, dim = _column(x, dim)
    n = wide.shape[dim]
    if k <= 0 or n <= 256 or k * 8 >= n:
        _, order = sort(wide, dim, largest)
        order = order.take(range(k), dim)
    else:
        order = _first_few(wide, k, dim) if largest and k <= FEW else None
        if order is None:
            order = np.argpartition(wide, n - k if largest else k - 1, axis=dim)
            order = order.take(range(n - k, n) if largest else range(k), dim)
            order.sort(axis=dim)  # equal elements in the order of their indices
            places = _stable_order(pick_along(wide, order, dim), dim, largest)
            order = pick_along(order, places, dim)
    return _like(x, narrowed(pick_along(wide, order, dim), x.dtype), order)


def _first_few(x, k, dim):
    """The indices of the k largest, each time those of the largest that is left; None if elements run out."""
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    left = x.copy()
    found = []
    for _ in range(k):
        index = np.argmax(left, axis=dim, keepdims=True)
        if (pick_along(left, index, dim) == lowest).any():
            return None
        np.put_along_axis(left, index, lowest, dim)
        found.append(index)
    return np.concatenate(found, axis=dim)


def kth(x, k, dim):
    """The index (a dimension of size 1) of the k-th smallest element, counted from 1, along `dim`."""
    wide, at = _column(x, dim)
    order = _stable_order(wide, at, False) if wide.shape[at] <= 256 else np.argpartition(wide, k - 1, axis=at)
    return _like(x, order.take([k - 1], at))[0]


def median_index(x, dim, ignore_nan):
    """The index (a dimension of size 1) of the lower median along `dim`: a nan's if there is one, unless ignored."""
    wide, at = _column(x, dim)
    n = wide.shape[at]
    if wide.dtype.kind != "f":
        return kth(x, (n + 1) // 2, dim)
    nans = np.isnan(wide)
    if not nans.any():
        return kth(x, (n + 1) // 2, dim)
    if ignore_nan:
        count = n - np.count_nonzero(nans, axis=at, keepdims=True)
        order = _stable_order(wide, at, False)
        return _like(x, np.take_along_axis(order, np.maximum(count - 1, 0) // 2, at))[0]
    order = _stable_order(wide, at, False).take([(n - 1) // 2], at)
    return _like(x, np.where(nans.any(axis=at, keepdims=True), np.argmax(nans, axis=at, keepdims=True), order))[0]


def median(x, ignore_nan):
    """The lower median of all elements; nan if there is none."""
    if not x.size:
        return np.array(np.nan if x.dtype.kind in "fV" else np.iinfo(x.dtype).min).astype(x.dtype)
    flat = widened(x).reshape(-1)
    if flat.dtype.kind == "f":
        nans = np.isnan(flat)
        if nans.any():
            flat = flat[~nans] if ignore_nan and not nans.all() else flat[nans]
    middle = (flat.size - 1) // 2
    return narrowed(np.partition(flat, middle)[middle], x.dtype)


def mode_index(x, dim):
    """The index (a dimension of size 1) of the most frequent value along `dim`: the smallest such, where it is last."""
    wide, dim = _column(x, dim)
    order = np.moveaxis(_stable_order(wide, dim, False), dim, -1)
    values = np.take_along_axis(np.moveaxis(wide, dim, -1), order, -1)
    n = values.shape[-1]
    starts = np.ones(values.shape, bool)
    starts[..., 1:] = values[..., 1:] != values[..., :-1]
    places = np.arange(n)
    lengths = places - np.maximum.accumulate(np.where(starts, places, 0), axis=-1)
    found = np.take_along_axis(order, np.argmax(lengths, axis=-1)[..., None], -1)
    return _like(x, np.moveaxis(found, -1, dim))[0]


# ---------------------------------------------------------------- distinct elements


def unique(x, dim):
    """(distinct elements or slices in order, positions in them of x's, how often each is); no nan equals another."""
    wide = widened(x)
    if dim is None:
        values, inverse, counts = np.unique(wide.reshape(-1), return_inverse=True, return_counts=True, equal_nan=False)
        return narrowed(values, x.dtype), inverse.reshape(x.shape), counts
    rows = np.moveaxis(wide, dim, 0)
    flat = _flattened(rows)
    order = np.lexsort(flat.T[::-1]) if flat.shape[1] else np.arange(len(flat))
    starts = _starts(flat[order])
    inverse = np.empty(len(flat), np.int64)
    inverse[order] = np.cumsum(starts) - 1
    values = np.moveaxis(rows[order[starts]], 0, dim)
    return narrowed(np.ascontiguousarray(values), x.dtype), inverse, _lengths(starts)


def _flattened(rows):
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _starts(rows):
    """Where a row differs from the one before it."""
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return starts


def _lengths(starts):
    return np.diff(np.append(np.flatnonzero(starts), len(starts)))


def unique_consecutive(x, dim):
    """The same for the elements or slices that differ from the one before them, in their own order."""
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    starts = _starts(_flattened(rows))
    inverse = np.cumsum(starts) - 1
    if dim is None:
        return rows[starts], inverse.reshape(x.shape), _lengths(starts)
    return np.ascontiguousarray(np.moveaxis(rows[starts], 0, dim)), inverse, _lengths(starts)


# ---------------------------------------------------------------- searching and counting


def searchsorted(boundaries, values, right, sorter):
    """The positions at which `values` keep the rows of `boundaries` in order: after equal elements if `right`."""
    side = "right" if right else "left"
    boundaries, values = widened(boundaries), widened(values)
    if sorter is not None:
        boundaries = np.take_along_axis(boundaries, sorter, -1)
    if boundaries.ndim == 1:
        return np.searchsorted(boundaries, values, side)
    found = np.empty(values.shape, np.int64)
    for i in np.ndindex(boundaries.shape[:-1]):
        found[i] = np.searchsorted(boundaries[i], values[i], side)
    return found


def bincount(x, weights, minlength):
    """How often each number from 0 on occurs, or the sum of its weights."""
    return narrowed(np.bincount(x, weights, minlength), np.dtype(np.int64) if weights is None else weights.dtype)


def isin(elements, tests, invert):
    return np.isin(widened(elements), widened(tests), invert=invert)
