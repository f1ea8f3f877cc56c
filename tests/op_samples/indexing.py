"""Rows of ops/indexing.py."""

import numpy as np

from .makers import ANY, floats, row

ROWS = {
    "index": row(
        floats(3, 4),
        settings=((np.array([0, 2, 0]),),),
        reference=lambda x, index: x[index],
        dtypes=ANY,
        empty=False,
    ),
    "index_backward": row(floats(3, 4), settings=((3, 4), (np.array([0, 2, 0]),)), dtypes=ANY, empty=False),
    "index_put": [
        row(
            floats(3, 4),
            floats(2, 4),
            settings=((np.array([0, 2]),), False),
            dtypes=ANY,
            empty=False,
            in_place=False,
        ),
        row(
            floats(3, 4),
            floats(4),
            settings=((np.array([1, 2]),), True),
            dtypes=ANY,
            empty=False,
            in_place=False,
        ),
    ],
}
