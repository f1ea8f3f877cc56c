"""Rows of ops/shape.py and ops/conversion.py."""

import numpy as np

import chainrule as torch

from .makers import ANY, FLOATING, INTEGER, floats, row

ROWS = {
    "view": row(
        floats(2, 6), settings=((3, 4),), reference=np.reshape, dtypes=ANY, empty=False, layouts=False
    ),
    "transpose": row(floats(2, 3, 4), settings=(0, 2), reference=np.swapaxes, dtypes=ANY),
    "t": row(floats(2, 3), reference=np.transpose, dtypes=ANY),
    "permute": row(floats(2, 3, 4), settings=((2, 0, 1),), reference=np.transpose, dtypes=ANY),
    "expand": row(floats(2, 1), settings=((3, 2, 4),), reference=np.broadcast_to, dtypes=ANY, empty=False),
    "select": row(floats(2, 3, 4), settings=(1, 2), reference=lambda x, dim, i: x[:, i], dtypes=ANY),
    "slice": row(floats(2, 5), settings=(1, 1, 5, 2), reference=lambda x, *_: x[:, 1:5:2], dtypes=ANY),
    "unsqueeze": row(floats(2, 3), settings=(1,), reference=np.expand_dims, dtypes=ANY),
    "squeeze": row(floats(2, 1, 3, 1), settings=((1, 3),), reference=np.squeeze, dtypes=ANY),
    "alias": row(floats(2, 3), reference=np.copy, dtypes=ANY),
    "as_strided": row(floats(3, 4), settings=((2, 2), (4, 1), 1), dtypes=ANY, empty=False, layouts=False),
    "select_backward": row(floats(2, 4), settings=((2, 3, 4), 1, 2), dtypes=ANY, empty=False),
    "slice_backward": row(floats(2, 2), settings=((2, 5), 1, 1, 5, 2), dtypes=ANY, empty=False),
    "clone": row(floats(2, 3), reference=np.copy, dtypes=ANY),
    "contiguous_copy": row(floats(2, 3), reference=np.copy, dtypes=ANY),
    "copy": row(
        floats(2, 3),
        floats(3),
        reference=lambda x, y: np.broadcast_to(y, x.shape),
        dtypes=ANY,
        in_place="copy_",
    ),
    "cat": row(
        floats(2, 3),
        floats(1, 3),
        settings=(0,),
        dtypes=ANY,
        reference=lambda x, y, dim: np.concatenate((x, y), dim),
    ),
    "as_strided_backward": row(
        floats(2, 2),
        floats(3, 4),
        settings=((2, 2), (4, 1), 1),
        dtypes=ANY,
        differentiable=(0,),
        empty=False,
        layouts=False,
    ),
    "cast": row(floats(2, 3), settings=(torch.float64,), reference=lambda x, _: x, dtypes=FLOATING + INTEGER),
}
