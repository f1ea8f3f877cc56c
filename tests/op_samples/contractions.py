"""Rows of ops/contractions.py."""

import numpy as np

from .makers import COMPLEX, DOUBLE, FLOATING, INTEGER, SINGLE, floats, row

ROWS = {
    "trace": row(floats(3, 4), reference=np.trace, dtypes=FLOATING + COMPLEX + INTEGER),
    "linalg_cross": row(
        floats(2, 3, 4),
        floats(2, 3, 4),
        settings=(1,),
        reference=lambda x, y, dim: np.cross(x, y, axis=dim),
        dtypes=SINGLE + DOUBLE + COMPLEX,
    ),
    "cdist": [
        row(
            floats(2, 3, 4),
            floats(2, 5, 4),
            settings=(by_products,),
            reference=lambda x, y, _: np.linalg.norm(x[:, :, None] - y[:, None], axis=-1),
            dtypes=SINGLE + DOUBLE,
            tolerance=1e-4,
        )
        for by_products in (False, True)
    ],
}
