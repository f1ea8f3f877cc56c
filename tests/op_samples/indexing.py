"""Rows of ops/indexing.py and ops/scatter.py."""

import numpy as np

from .makers import ANY, bools, floats, given, row

REAL_NUMBERS = "hfdi"
PLACES = [[0, 1, 2, 1], [0, 0, 2, 0]]  # along a dimension of 3, some of them twice


def _add_at(x, index, y):
    out = x.copy()
    np.add.at(out, index, y)
    return out


def _written(x, index, y):
    out = x.copy()
    out[index] = y
    return out


def _scattered(x, index, y, dim):
    out = x.copy()
    np.put_along_axis(out, index, y, dim)
    return out


ROWS = {
    "index": [
        row(
            floats(3, 4),
            given([0, 2, 0]),
            settings=((0,),),
            reference=lambda x, i, _: x[i],
            dtypes=ANY,
            empty=False,
        ),
        row(  # two index tensors with a whole dimension between them: theirs come first
            floats(3, 2, 4),
            given([[0, 2, 0]]),
            given([[1], [3]]),
            settings=((0, 2),),
            reference=lambda x, i, j, _: x[i, :, j],
            dtypes=ANY,
            empty=False,
        ),
        row(
            floats(2, 3, 4),
            given([0, 2]),
            given([-1, 3]),
            settings=((1, 2),),
            reference=lambda x, i, j, _: x[:, i, j],
            empty=False,
        ),
    ],
    "index_backward": [
        row(floats(3, 4), given([0, 2, 0]), settings=((3, 4), (0,)), dtypes=ANY, empty=False),
        row(floats(2, 2), given([0, 0]), given([-1, 3]), settings=((2, 3, 4), (1, 2)), empty=False),
    ],
    "index_put": [
        row(
            floats(3, 4),
            floats(2, 4),
            given([0, 2]),
            settings=((0,), False),
            reference=lambda x, y, i, *_: _written(x, i, y),
            dtypes=ANY,
            empty=False,
            in_place=False,
        ),
        row(
            floats(3, 4),
            floats(4),
            given([1, 1]),
            settings=((0,), True),
            reference=lambda x, y, i, *_: _add_at(x, i, y),
            empty=False,
            in_place=False,
        ),
    ],
    "index_select": row(
        floats(3, 4),
        given([2, 0, 2]),
        settings=(1,),
        reference=lambda x, i, dim: np.take(x, i, dim),
        dtypes=ANY,
        empty=False,
    ),
    "take": row(floats(3, 4), given([[5, 0], [5, -1]]), reference=np.take, dtypes=ANY, empty=False),
    "put": [
        row(
            floats(3, 4),
            given([5, 0, -1]),
            floats(3),
            settings=(False,),
            dtypes=ANY,
            empty=False,
            in_place=False,
        ),
        row(
            floats(3, 4),
            given([5, 0, 5]),
            floats(3),
            settings=(True,),
            reference=lambda x, i, y, _: _add_at(x.ravel(), i, y).reshape(x.shape),
            empty=False,
            in_place=False,
        ),
    ],
    "masked_fill": row(
        floats(2, 3), bools(2, 3), settings=(1.0,), reference=lambda x, m, v: np.where(m, v, x), scalar=False
    ),
    "masked_fill_tensor": row(
        floats(2, 3),
        bools(2, 3),
        floats(),
        reference=lambda x, m, v: np.where(m, v, x),
        scalar=False,
        empty=False,
        in_place=False,
    ),
    "masked_select": row(floats(2, 3), bools(2, 3), reference=lambda x, m: x[m], dtypes=ANY),
    "masked_select_backward": row(floats(3), bools(2, 3), settings=((2, 3),), dtypes=ANY, empty=False),
    "masked_scatter": row(
        floats(2, 3),
        bools(2, 3),
        floats(2, 2),
        reference=lambda x, m, y: _written(x, m, y.ravel()[: m.sum()]),
        dtypes=ANY,
        empty=False,
    ),
    # ---- along one dimension
    "gather": row(
        floats(3, 4),
        given(PLACES),
        settings=(0,),
        reference=lambda x, i, dim: np.take_along_axis(x, i, dim),
        dtypes=ANY,
        empty=False,
    ),
    "gather_backward": row(floats(2, 4), given(PLACES), settings=((3, 4), 0), dtypes=ANY, empty=False),
    "scatter": row(
        floats(3, 4),
        given([[0, 1, 2, 1]]),
        floats(1, 4),
        settings=(0,),
        reference=_scattered,
        dtypes=ANY,
        empty=False,
        in_place=False,
    ),
    "scatter_value": row(
        floats(3, 4),
        given(PLACES),
        settings=(0, 2.0),
        reference=lambda x, i, dim, value: _scattered(x, i, np.asarray(value, x.dtype), dim),
        dtypes=ANY,
        empty=False,
        in_place=False,
    ),
    "scatter_add": row(
        floats(3, 4),
        given(PLACES),
        floats(2, 4),
        settings=(0,),
        reference=lambda x, i, y, dim: _add_at(x, (i, np.arange(4)), y),
        empty=False,
        in_place=False,
    ),
    **{
        name: [
            row(
                floats(3, 4),
                given(PLACES),
                floats(2, 4),
                settings=(0, reduce, include_self),
                dtypes=REAL_NUMBERS,
                empty=False,
                in_place=False,
            )
            for reduce in ("sum", "prod", "mean", "amax", "amin")
            for include_self in (True, False)
            if name == "scatter_reduce" or reduce != "sum"
        ]
        for name in ("scatter_reduce", "index_reduce")
    },
    "scatter_product_gradient": row(
        floats(3, 4),
        given([[0, 1, 0, 1]] * 3),
        settings=("",),
        reference=lambda x, zeros, refusal: x,
        empty=False,
        in_place=False,
    ),
    "index_add": [
        row(
            floats(3, 4),
            given([2, 0, 2]),
            floats(3, 3),
            settings=(1, alpha),
            reference=lambda x, i, y, dim, alpha: _add_at(x.T, i, alpha * y.T).T,
            empty=False,
            in_place=False,
        )
        for alpha in (1, 2)
    ],
    "index_copy": row(
        floats(3, 4),
        given([2, 0]),
        floats(3, 2),
        settings=(1,),
        reference=lambda x, i, y, dim: _written(x, (slice(None), i), y),
        dtypes=ANY,
        empty=False,
        in_place=False,
    ),
    "index_fill": row(
        floats(3, 4),
        given([2, 0, 2]),
        settings=(1, 2.0),
        reference=lambda x, i, dim, value: _written(x, (slice(None), i), value),
        dtypes=ANY,
        empty=False,
        in_place=False,
    ),
    "index_fill_tensor": row(
        floats(3, 4),
        given([2, 0, 2]),
        floats(),
        settings=(1,),
        reference=lambda x, i, y, dim: _written(x, (slice(None), i), y),
        dtypes=ANY,
        empty=False,
        in_place=False,
    ),
}
