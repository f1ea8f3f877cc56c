"""Rows of ops/reduction.py."""

import numpy as np

from .makers import COMPLEX, FLOATING, floats, row


def over(reduce):
    """A NumPy reduction as a reference, with the settings (dim, keepdim)."""
    return lambda x, dim, keepdim: reduce(x, axis=dim, keepdims=keepdim)


ROWS = {
    "sum": row(
        floats(2, 3), settings=(None, False), reference=over(np.sum), dtypes=FLOATING + COMPLEX, scalar=True
    ),
    "sum_dim": row(
        floats(2, 3, 4), settings=((0, 2), True), reference=over(np.sum), dtypes=FLOATING + COMPLEX
    ),
    "mean": row(
        floats(2, 3), settings=(None, False), reference=over(np.mean), dtypes=FLOATING + COMPLEX, empty=False
    ),
    "mean_dim": row(
        floats(2, 3, 4), settings=((1,), False), reference=over(np.mean), dtypes=FLOATING + COMPLEX
    ),
}
