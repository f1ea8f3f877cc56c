"""Rows of ops/sorting.py and ops/statistics.py."""

import numpy as np

from .makers import FLOATING, INTEGER, REAL, distinct, floats, given, integers, positive, row, whole

NUMBERS = FLOATING + INTEGER


def sort(x, dim, descending):
    values = np.sort(x, axis=dim)
    return np.flip(values, dim) if descending else values


def kth(x, k, dim, keepdim):
    found = np.sort(x, axis=dim).take([k - 1], dim)
    return found if keepdim else found.squeeze(dim)


def median(x, dim, keepdim):
    return kth(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def whole_median(x):
    return np.sort(x, axis=None)[(x.size - 1) // 2]


def histogram(x, weight, edges, density):
    return np.histogram(x, edges, weights=weight, density=density)[0]


EDGES = np.array([-2.0, -1.0, 0.5, 2.0])


def mode(x, dim, keepdim):
    """Of a matrix, along its rows."""
    found = []
    for values in x:
        numbers, counts = np.unique(values, return_counts=True)
        found.append(numbers[counts.argmax()])
    return np.array(found, x.dtype).reshape(-1, 1)


def unique_consecutive(x, dim):
    changes = x[1:] != x[:-1]
    return x[np.append(np.ones(len(x[:1]), bool), changes if x.ndim == 1 else changes.any(1))]


ROWS = {
    "sort": [
        row(distinct(2, 3), settings=(1, False), reference=sort, dtypes=REAL),
        row(distinct(40, 30), settings=(0, True), reference=sort, second=False, jvp=False, empty=False),
    ],
    "sort_stable": row(distinct(2, 3), settings=(0, True), reference=sort, dtypes=REAL),
    "topk": [
        row(
            distinct(2, 4),
            settings=(2, 1, True, True),
            reference=lambda x, k, dim, *_: sort(x, dim, True)[:, :k],
            dtypes=NUMBERS,
        ),
        row(
            distinct(1, 300),
            settings=(3, 1, False, True),
            reference=lambda x, k, dim, *_: np.sort(x)[:, :k],
            second=False,
        ),
    ],
    "kthvalue": row(distinct(2, 4), settings=(2, 1, False), reference=kth, dtypes=NUMBERS),
    "mode": row(
        given([[1.0, 2.0, 2.0], [3.0, 1.0, 1.0]]),
        settings=(1, True),
        reference=mode,
        dtypes=NUMBERS,
        differentiable=(),
    ),
    "median_dim": row(distinct(2, 4), settings=(1, False), reference=median, dtypes=NUMBERS),
    "nanmedian_dim": row(distinct(2, 4), settings=(1, True), reference=median, dtypes=NUMBERS),
    "median": row(distinct(2, 4), reference=whole_median, dtypes=NUMBERS, empty=False),
    "nanmedian": row(distinct(2, 3), reference=whole_median, dtypes=NUMBERS, empty=False),
    "unique": row(whole(2, 3), reference=np.unique, dtypes=REAL, differentiable=()),
    "unique_dim": row(
        whole(4, 2),
        settings=(0,),
        reference=lambda x, dim: np.unique(x, axis=dim),
        dtypes=NUMBERS,
        differentiable=(),
    ),
    "unique_consecutive": [
        row(
            given([1.0, 1.0, 2.0, 1.0]),
            settings=(None,),
            reference=unique_consecutive,
            dtypes=REAL,
            differentiable=(),
        ),
        row(whole(4, 2), settings=(0,), reference=unique_consecutive, dtypes=REAL, differentiable=()),
    ],
    "isin": row(whole(2, 3), whole(3), settings=(False,), reference=lambda x, y, _: np.isin(x, y), dtypes=REAL),
    "searchsorted": row(
        given([-1.0, 0.5, 1.0]),
        floats(2, 3),
        None,
        settings=(False, np.int64),
        reference=lambda x, values, *_: np.searchsorted(x, values),
        dtypes=NUMBERS,
        empty=False,
    ),
    "histc": row(
        floats(2, 5),
        settings=(4, -2.0, 2.0),
        reference=lambda x, bins, low, high: np.histogram(x, bins, (low, high))[0],
    ),
    "histogram": row(
        floats(2, 5),
        positive(2, 5),
        settings=(EDGES, True),
        reference=histogram,
        dtypes="d",
        differentiable=(),
        empty=False,
    ),
    "histogramdd": row(
        floats(5, 2),
        positive(5),
        settings=((EDGES, EDGES), False),
        reference=lambda x, weight, edges, _: np.histogramdd(x, edges, weights=weight)[0],
        dtypes="d",
        differentiable=(),
        layouts=False,
    ),
    "bincount": row(
        integers(6),
        positive(6),
        settings=(5,),
        reference=lambda x, weights, n: np.bincount(x, weights, n),
        dtypes="fd",
        differentiable=(),
        empty=False,
    ),
}
