"""Rows of ops/products.py."""

import numpy as np

from .makers import COMPLEX, FLOATING, INTEGER, floats, row

NUMBERS = FLOATING + COMPLEX + INTEGER


def scaled_sum(z, x, y, beta, alpha):
    return beta * z + alpha * (x @ y)


ROWS = {
    "mm": row(floats(2, 3), floats(3, 4), reference=np.matmul, dtypes=NUMBERS, empty=False),
    "mv": row(floats(2, 3), floats(3), reference=np.matmul, dtypes=NUMBERS),
    "dot": row(floats(3), floats(3), reference=np.matmul, dtypes=NUMBERS),
    "vdot": row(floats(3), floats(3), reference=np.vdot, dtypes=FLOATING + COMPLEX),
    "bmm": row(floats(2, 3, 4), floats(2, 4, 2), reference=np.matmul, dtypes=NUMBERS),
    "matmul": row(floats(3, 1, 2, 3), floats(2, 3, 4), reference=np.matmul, dtypes=NUMBERS, empty=False),
    "matvec": row(floats(2, 3, 4), floats(4), reference=np.matmul, dtypes=NUMBERS, empty=False),
    "vecmat": row(floats(3), floats(2, 3, 4), reference=np.matmul, dtypes=NUMBERS, empty=False),
    "addmm": row(
        floats(4),
        floats(2, 3),
        floats(3, 4),
        settings=(2, 3),
        reference=scaled_sum,
        dtypes=NUMBERS,
        empty=False,
        in_place=False,
    ),
    "addmv": row(
        floats(2),
        floats(2, 3),
        floats(3),
        settings=(2, 3),
        reference=scaled_sum,
        dtypes=NUMBERS,
        empty=False,
        in_place=False,
    ),
    "addbmm": row(
        floats(3, 1),
        floats(2, 3, 4),
        floats(2, 4, 2),
        settings=(2, 3),
        reference=lambda z, x, y, beta, alpha: beta * z + alpha * (x @ y).sum(0, dtype=x.dtype),
        dtypes=NUMBERS,
        empty=False,
        in_place=False,
    ),
    "addr": row(
        floats(3, 1),
        floats(3),
        floats(2),
        settings=(2, 3),
        reference=lambda z, x, y, beta, alpha: beta * z + alpha * np.outer(x, y),
        dtypes=NUMBERS,
        empty=False,
        in_place=False,
    ),
    "baddbmm": row(
        floats(3, 1),
        floats(2, 3, 4),
        floats(2, 4, 2),
        settings=(2, 3),
        reference=scaled_sum,
        dtypes=NUMBERS,
        empty=False,
        in_place=False,
    ),
}
