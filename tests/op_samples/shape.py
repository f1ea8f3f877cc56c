"""Rows of ops/shape.py, ops/joining.py, ops/rearranging.py, ops/conversion.py, ops/creation.py and ops/filling.py."""

import numpy as np

import chainrule as torch

from .makers import ANY, FLOATING, INTEGER, floats, row

STRIDED = ((3, 4), (4, 1), (2, 3), (1, 2), 1)  # shape and strides of the source; size, stride, offset of the view

ROWS = {
    # ---- views
    "view": row(floats(2, 6), settings=((3, 4),), reference=np.reshape, dtypes=ANY, empty=False, layouts=False),
    "unsafe_view": row(floats(2, 6), settings=((3, 4),), reference=np.reshape, dtypes=ANY, empty=False, layouts=False),
    "transpose": row(floats(2, 3, 4), settings=(0, 2), reference=np.swapaxes, dtypes=ANY),
    "t": [row(floats(2, 3), reference=np.transpose, dtypes=ANY), row(floats(3), reference=np.copy)],
    "permute": row(floats(2, 3, 4), settings=((2, 0, 1),), reference=np.transpose, dtypes=ANY),
    "expand": row(floats(2, 1), settings=((3, 2, 4),), reference=np.broadcast_to, dtypes=ANY, empty=False),
    "select": row(floats(2, 3, 4), settings=(1, 2), reference=lambda x, dim, i: x[:, i], dtypes=ANY),
    "slice": row(floats(2, 5), settings=(1, 1, 5, 2), reference=lambda x, *_: x[:, 1:5:2], dtypes=ANY),
    "unsqueeze": row(floats(2, 3), settings=(1,), reference=np.expand_dims, dtypes=ANY),
    "squeeze": row(floats(2, 1, 3, 1), settings=((1, 3),), reference=np.squeeze, dtypes=ANY),
    "squeeze_dim": row(floats(2, 1, 3, 1), settings=((1,),), reference=np.squeeze, dtypes=ANY),
    "squeeze_dims": row(floats(2, 1, 3, 1), settings=((1, 3),), reference=np.squeeze, dtypes=ANY),
    "alias": row(floats(2, 3), reference=np.copy, dtypes=ANY),
    "detach": row(floats(2, 3), reference=np.copy, dtypes=ANY, in_place=False),
    "diagonal": row(floats(3, 2, 4), settings=(1, 0, 2), reference=np.diagonal, dtypes=ANY),
    "unfold": row(
        floats(2, 6),
        settings=(1, 3, 2),
        dtypes=ANY,
        reference=lambda x, *_: np.stack([x[:, 0:3], x[:, 2:5]], axis=1),
    ),
    "as_strided": row(floats(3, 4), settings=((2, 3), (1, 2), 1, (4, 1)), dtypes=ANY, empty=False, layouts=False),
    "unbind": row(floats(2, 3), settings=(1,), dtypes=ANY, reference=lambda x, dim: x[:, 0]),
    "split": row(floats(2, 5), settings=((2, 2, 1), 1), dtypes=ANY, reference=lambda x, *_: x[:, :2], in_place=False),
    "split_with_sizes": row(
        floats(2, 5), settings=((1, 4), 1), dtypes=ANY, reference=lambda x, *_: x[:, :1], in_place=False
    ),
    "unsafe_split": row(
        floats(2, 5), settings=((2, 2, 1), 1), dtypes=ANY, reference=lambda x, *_: x[:, :2], in_place=False
    ),
    "unsafe_split_with_sizes": row(
        floats(2, 5), settings=((1, 4), 1), dtypes=ANY, reference=lambda x, *_: x[:, :1], in_place=False
    ),
    # ---- the transposes of views
    "select_backward": row(floats(2, 4), settings=((2, 3, 4), 1, 2), dtypes=ANY, empty=False),
    "slice_backward": row(floats(2, 2), settings=((2, 5), 1, 1, 5, 2), dtypes=ANY, empty=False),
    "diagonal_backward": row(floats(2, 2), settings=((3, 2, 3), 1, 0, 2), dtypes=ANY, empty=False),
    "unfold_backward": row(floats(2, 2, 3), settings=((2, 6), 1, 3, 2), dtypes=ANY, empty=False),
    "as_strided_backward": row(floats(2, 3), settings=STRIDED, dtypes=ANY, empty=False),
    "as_strided_gather": row(floats(3, 4), settings=STRIDED, dtypes=ANY, empty=False),
    # ---- copies
    "clone": row(floats(2, 3), reference=np.copy, dtypes=ANY),
    "contiguous_copy": row(floats(2, 3), reference=np.copy, dtypes=ANY),
    "channels_last_copy": row(floats(2, 3, 1, 2), reference=np.copy, dtypes=ANY),
    "copy": row(
        floats(2, 3),
        floats(3),
        reference=lambda x, y: np.broadcast_to(y, x.shape),
        dtypes=ANY,
        in_place="copy_",
    ),
    "cast": row(floats(2, 3), settings=(torch.float64,), reference=lambda x, _: x, dtypes=FLOATING + INTEGER),
    "constant_like": row(
        floats(2, 3), settings=(2.0, torch.float64), reference=lambda x, value, _: np.full(x.shape, value)
    ),
    "fill": row(floats(2, 3), settings=(1.0,), reference=lambda x, value: np.full_like(x, value), dtypes=ANY),
    "fill_tensor": row(
        floats(2, 3),
        floats(),
        reference=lambda x, y: np.full_like(x, y),
        dtypes=ANY,
        in_place="fill_",
    ),
    "zero": row(floats(2, 3), reference=np.zeros_like, dtypes=ANY),
    # ---- joining
    "cat": row(
        floats(2, 3),
        floats(1, 3),
        settings=(0,),
        dtypes=ANY,
        reference=lambda x, y, dim: np.concatenate((x, y), dim),
    ),
    "stack": row(
        floats(2, 3),
        floats(2, 3),
        settings=(1,),
        dtypes=ANY,
        reference=lambda x, y, dim: np.stack((x, y), dim),
    ),
    "block_diag": row(
        floats(2, 3),
        floats(2),
        floats(),
        dtypes=ANY,
        empty=False,
        reference=lambda x, y, z: np.block(
            [
                [x, np.zeros((2, 3))],
                [np.zeros((1, 3)), y[None], np.zeros((1, 1))],
                [np.zeros((1, 5)), z.reshape(1, 1)],
            ]
        ),
    ),
    # ---- elements in other places
    "flip": row(floats(2, 3, 2), settings=((0, 2),), reference=np.flip, dtypes=ANY),
    "roll": row(floats(3, 4), settings=((1, -2), (0, 1)), reference=np.roll, dtypes=ANY),
    "rot90": [
        row(floats(2, 3), settings=(k, 0, 1), dtypes=ANY, reference=lambda x, k, *dims: np.rot90(x, k, dims))
        for k in (0, 1, 2, 3)
    ],
    "repeat": row(floats(2, 3), settings=((2, 1, 3),), reference=np.tile, dtypes=ANY),
    "tril": row(floats(3, 4), settings=(1,), reference=np.tril, dtypes=ANY),
    "triu": row(floats(3, 4), settings=(-1,), reference=np.triu, dtypes=ANY),
    "diagonal_copy": row(floats(3, 2, 4), settings=(1, 0, 2), reference=np.diagonal, dtypes=ANY),
    "diag_embed": row(floats(3), settings=(1, 0, 1), reference=lambda x, *_: np.diag(x, 1), dtypes=ANY),
    "fill_diagonal": row(
        floats(4, 3),
        settings=(2.0, False),
        dtypes=ANY,
        empty=False,
        reference=lambda x, value, wrap: np.where(np.eye(4, 3, dtype=bool), np.asarray(value, x.dtype), x),
    ),
    "select_scatter": row(floats(2, 3), floats(2), settings=(1, 2), dtypes=ANY, empty=False),
    "slice_scatter": row(floats(2, 5), floats(2, 2), settings=(1, 1, 5, 2), dtypes=ANY, empty=False),
    "diagonal_scatter": row(floats(3, 4), floats(3), settings=(1, 0, 1), dtypes=ANY, empty=False),
    "as_strided_scatter": row(floats(3, 4), floats(2, 2), settings=((2, 2), (4, 1), 1), dtypes=ANY, empty=False),
}
