"""Rows of ops/linalg.py."""

import numpy as np

from .makers import COMPLEX, FLOATING, INTEGER, floats, row

ROWS = {
    "mm": row(
        floats(2, 3), floats(3, 4), reference=np.matmul, dtypes=FLOATING + COMPLEX + INTEGER, empty=False
    ),
}
