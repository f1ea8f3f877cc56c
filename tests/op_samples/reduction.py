"""Rows of ops/reduction.py, softmax.py, norms.py and cumulative.py."""

import numpy as np

from .makers import ANY, COMPLEX, FLOATING, INTEGER, REAL, distinct, floats, given, positive, row

INEXACT = FLOATING + COMPLEX


def over(reduce):
    """A NumPy reduction as a reference, with the settings (dim, keepdim)."""
    return lambda x, dim, keepdim: reduce(x, axis=dim, keepdims=keepdim)


def spread(reduce):
    """The same for a spread, with the settings (dim, correction, keepdim)."""
    return lambda x, dim, correction, keepdim: reduce(x, axis=dim, ddof=correction, keepdims=keepdim)


def softmax(x, dim):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


def running_logsumexp(x, dim):
    return np.log(np.cumsum(np.exp(x), dim))


def norm(x, ord, dim, keepdim):
    return (np.abs(x) ** ord).sum(axis=dim, keepdims=keepdim) ** (1 / ord)


def renorm(x, p, dims, maxnorm):
    norms = norm(x, p, dims, True)
    return x * np.where(norms > maxnorm, maxnorm / (norms + 1e-7), 1)


ZEROS = given([[0.0, 1.5, -2.0], [0.7, 0.0, 0.0]])

ROWS = {
    "sum": row(floats(2, 3), settings=(None, False), reference=over(np.sum), dtypes=INEXACT, scalar=True),
    "sum_dim": row(floats(2, 3, 4), settings=((0, 2), True), reference=over(np.sum), dtypes=INEXACT),
    "mean": row(floats(2, 3), settings=(None, False), reference=over(np.mean), dtypes=INEXACT, empty=False),
    "mean_dim": row(floats(2, 3, 4), settings=((1,), False), reference=over(np.mean), dtypes=INEXACT),
    "nansum": row(floats(2, 3), settings=((1,), False), reference=over(np.nansum), dtypes=FLOATING),
    "prod": [
        row(floats(2, 3), settings=(None, False), reference=over(np.prod), dtypes=INEXACT),
        row(ZEROS, settings=(None, False), reference=over(np.prod), dtypes=INEXACT, empty=False),
    ],
    "prod_dim": [
        row(floats(2, 3), settings=((1,), True), reference=over(np.prod), dtypes=INEXACT),
        row(ZEROS, settings=((1,), False), reference=over(np.prod), dtypes=INEXACT),
        row(ZEROS, settings=((0,), False), reference=over(np.prod), dtypes=INEXACT, empty=False),
    ],
    "put_along": row(floats(2, 2), given([[1, 0], [2, 1]]), settings=((2, 3), 1), dtypes=ANY, empty=False),
    "amax": row(distinct(2, 3), settings=((1,), False), reference=over(np.max), dtypes=REAL),
    "amin": row(distinct(2, 3), settings=((1,), True), reference=over(np.min), dtypes=REAL),
    "max": row(distinct(2, 3), reference=np.max, dtypes=REAL, empty=False),
    "min": row(distinct(2, 3), reference=np.min, dtypes=REAL, empty=False),
    "max_dim": row(distinct(2, 3), settings=(1, False), reference=over(np.max), dtypes=REAL),
    "min_dim": row(distinct(2, 3), settings=(1, True), reference=over(np.min), dtypes=REAL),
    "aminmax": [
        row(distinct(2, 3), settings=((1,), False), reference=over(np.min), dtypes=REAL),
        row(distinct(2, 3), settings=(None, True), reference=over(np.min), dtypes=REAL, empty=False),
    ],
    "argmax": row(distinct(2, 3), settings=(1, False), reference=over(np.argmax), dtypes=FLOATING + INTEGER),
    "argmin": row(distinct(2, 3), settings=(1, True), reference=over(np.argmin), dtypes=FLOATING + INTEGER),
    "all": row(floats(2, 3), settings=((1,), False), reference=over(np.all), dtypes=ANY),
    "any": row(floats(2, 3), settings=((1,), False), reference=over(np.any), dtypes=ANY),
    "count_nonzero": row(floats(2, 3), settings=((1,),), reference=np.count_nonzero, dtypes=ANY),
    "var": row(floats(2, 3), settings=((1,), 1, False), reference=spread(np.var), dtypes=INEXACT),
    "std": row(floats(2, 3), settings=((1,), 1, True), reference=spread(np.std), dtypes=INEXACT),
    "var_mean": row(floats(2, 3), settings=((1,), 0, False), reference=spread(np.var), dtypes=INEXACT),
    "std_mean": row(floats(2, 3), settings=((1,), 1, False), reference=spread(np.std), dtypes=INEXACT),
    "logsumexp": row(
        floats(2, 3),
        settings=((1,), False),
        reference=lambda x, dim, keepdim: np.log(np.exp(x).sum(dim, keepdims=keepdim)),
        dtypes=ANY,
    ),
    "softmax": row(floats(2, 3), settings=(1,), reference=softmax, dtypes=FLOATING),
    "softmax_backward": row(
        floats(2, 3),
        positive(2, 3),
        settings=(1,),
        reference=lambda g, y, dim: y * (g - (g * y).sum(dim, keepdims=True)),
    ),
    "log_softmax": row(
        floats(2, 3), settings=(0,), reference=lambda x, dim: np.log(softmax(x, dim)), dtypes=FLOATING, empty=False
    ),
    "log_softmax_backward": row(
        floats(2, 3),
        floats(2, 3),
        settings=(1,),
        reference=lambda g, y, dim: g - np.exp(y) * g.sum(dim, keepdims=True),
    ),
    "linalg_vector_norm": [
        row(floats(2, 3), settings=(p, (1,), False), reference=norm, dtypes=INEXACT, tolerance=1e-4)
        for p in (2.0, 1.0, 3.0, 1.5, 0.5, -1.0)
    ]
    + [
        row(floats(2, 3), settings=(np.inf, (1,), True), dtypes=INEXACT),
        row(floats(2, 3), settings=(-np.inf, None, False), dtypes=INEXACT, empty=False),
        row(floats(2, 3), settings=(0.0, (1,), False), dtypes=INEXACT),
    ],
    "dist": [
        row(
            floats(2, 3),
            floats(3),
            settings=(p,),
            reference=lambda x, y, p: norm(x - y, p, None, False),
            dtypes=INEXACT,
        )
        for p in (2.0, 3.0)
    ],
    "renorm": row(positive(2, 3), settings=(2.0, (0,), 1.2), reference=renorm, dtypes=INEXACT, in_place=False),
    "cumsum": row(floats(2, 3), settings=(1,), reference=np.cumsum, dtypes=INEXACT),
    "cumprod": [
        row(floats(2, 3), settings=(1,), reference=np.cumprod, dtypes=INEXACT),
        row(ZEROS, settings=(1,), reference=np.cumprod, dtypes=INEXACT, empty=False),
    ],
    "logcumsumexp": [
        row(floats(2, 3), settings=(1,), reference=running_logsumexp, dtypes=INEXACT),
        row(floats(3, 4, low=-300, high=300), settings=(0,), reference=running_logsumexp, dtypes="d", empty=False),
    ],
    "cummax": row(distinct(2, 4), settings=(1,), reference=np.maximum.accumulate, dtypes=REAL),
    "cummin": row(distinct(2, 4), settings=(1,), reference=np.minimum.accumulate, dtypes=REAL),
}
