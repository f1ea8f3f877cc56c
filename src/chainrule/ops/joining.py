"""Joining tensors: along a dimension, along a new one, into grids and blocks."""

from __future__ import annotations

import warnings

import numpy as np

from ..op import general, op
from ..tensor import Tensor, wrap
from . import shape as views
from .indexing import check_overlap
from .shape import wrap_dim

__all__ = [
    "block_diag", "cartesian_prod", "cat", "column_stack", "combinations", "concat", "concatenate", "dstack", "hstack",
    "meshgrid", "row_stack", "stack", "vstack",
]  # fmt: skip

EVERY = (0,)  # promote the whole list of inputs

_cat = op(
    "cat",
    forward=lambda xp, *tensors, dim: xp.concatenate(tensors, dim),
    vjp=lambda xp, g, tensors_shape, dim, needs: xp.split_like(g, tensors_shape, dim, needs),
    promote=EVERY,
)
_stack = op(
    "stack",
    forward=lambda xp, *tensors, dim: xp.stack_arrays(tensors, dim),
    vjp=lambda xp, g, dim, needs: [None if need is None else xp.select(g, dim, i) for i, need in enumerate(needs)],
    promote=EVERY,
)


def _blocks(shapes):
    """(row, column, rows, columns) of each block on a diagonal."""
    row = column = 0
    for shape in shapes:
        rows, columns = (1, *shape)[-2:] if shape else (1, 1)
        yield row, column, rows, columns
        row, column = row + rows, column + columns


_block_diag = op(
    "block_diag",
    forward=lambda xp, *tensors: xp.diagonal_blocks(tensors, list(_blocks([x.shape for x in tensors]))),
    vjp=lambda xp, g, tensors_shape, needs: [
        None if need is None else xp.reshape(g[row : row + rows, column : column + columns], shape)
        for (row, column, rows, columns), shape, need in zip(_blocks(tensors_shape), tensors_shape, needs, strict=True)
    ],
    promote=EVERY,
)


def tensor_list(function: str, tensors) -> tuple[Tensor, ...]:
    """A list of tensors given as an argument; TypeError, in PyTorch's words, for anything else."""
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{function}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    return tuple(tensors)


def cat(tensors, dim: int = 0, *, axis: int | None = None, out=None):
    """Joins tensors along a dimension; all other dimensions must agree."""
    tensors = tensor_list("cat", tensors)
    if axis is not None:
        dim = axis
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    shapes = [x._array.shape for x in tensors]
    first = shapes[0]
    if any(shape != first for shape in shapes) or not first:
        for i, shape in enumerate(shapes):
            if not shape:
                raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
        first = next((shape for shape in shapes if shape != (0,)), first)
        at = wrap_dim(dim, len(first))
        for i, shape in enumerate(shapes):
            if shape == (0,):
                continue
            if len(shape) != len(first):
                raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
            for d, (wanted, n) in enumerate(zip(first, shape)):
                if n != wanted and d != at:
                    raise RuntimeError(
                        f"Sizes of tensors must match except in dimension {at}. Expected size {wanted} but got size "
                        f"{n} for "
                        f"tensor number {i} in the list."
                    )
    if out is not None:
        check_overlap(out, *tensors)
    return general(_cat.record, tensors, (wrap_dim(dim, len(first)),), out)


def concat(tensors, dim: int = 0, *, axis: int | None = None, out=None):
    """Joins tensors along a dimension (another name of `cat`)."""
    return cat(tensors, dim, axis=axis, out=out)


def concatenate(tensors, axis: int = 0, *, dim: int | None = None, out=None):
    """Joins tensors along a dimension (another name of `cat`)."""
    return cat(tensors, axis if dim is None else dim, out=out)


def stack(tensors, dim: int = 0, *, axis: int | None = None, out=None):
    """Joins tensors of one shape along a new dimension."""
    tensors = tensor_list("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = tensors[0]._array.shape
    dim = wrap_dim(dim if axis is None else axis, len(shape) + 1)
    for i, x in enumerate(tensors):
        if x._array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(x._array.shape)} at entry {i}"
            )
    return general(_stack.record, tensors, (dim,), out)


def hstack(tensors, *, out=None):
    """Joins tensors column by column: along the second dimension, or the first of 1-d tensors."""
    tensors = views.atleast_1d(tensor_list("hstack", tensors))
    if not tensors:
        raise RuntimeError("hstack expects a non-empty TensorList")
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1, out=out)


def vstack(tensors, *, out=None):
    """Joins tensors row by row: along the first dimension, 1-d tensors as rows."""
    tensors = tensor_list("vstack", tensors)
    if not tensors:
        raise RuntimeError("vstack expects a non-empty TensorList")
    return cat(views.atleast_2d(tensors), 0, out=out)


def row_stack(tensors, *, out=None):
    """Joins tensors row by row (another name of `vstack`)."""
    return vstack(tensors, out=out)


def dstack(tensors, *, out=None):
    """Joins tensors along the third dimension."""
    tensors = tensor_list("dstack", tensors)
    if not tensors:
        raise RuntimeError("dstack expects a non-empty TensorList")
    return cat(views.atleast_3d(tensors), 2, out=out)


def column_stack(tensors, *, out=None):
    """Joins tensors column by column, 1-d tensors as columns."""
    tensors = tensor_list("column_stack", tensors)
    if not tensors:
        raise RuntimeError("column_stack expects a non-empty TensorList")
    return hstack([x if x.ndim > 1 else views.reshape(x, (x.numel(), 1)) for x in tensors], out=out)


def block_diag(*tensors):
    """A matrix with the tensors (matrices, rows or numbers) as blocks on its diagonal."""
    from .creation import empty

    if not tensors:
        return empty(1, 0)
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
        if x._array.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {x._array.ndim} dimensions"
            )
    return general(_block_diag.record, tensors, ())


def meshgrid(*tensors, indexing: str | None = None):
    """Grids of coordinates from vectors: for each vector a tensor of all combinations, with its value varying along one
    dimension. `indexing` "ij": the dimensions in the order given; "xy": the first two exchanged."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            UserWarning,
            stacklevel=2,
        )
        indexing = "ij"
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for x in tensors:
        if x._array.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {x}")
        if x._array.dtype is not tensors[0]._array.dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple([x._array.size for x in tensors])
    ndim = len(shape)
    grids = [
        views.expand(views.view(x, (*(1,) * i, n, *(1,) * (ndim - 1 - i))), shape)
        for i, (x, n) in enumerate(zip(tensors, shape))
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def _check_vector(x) -> None:
    if x._array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(x._array.shape)}")


def cartesian_prod(*tensors):
    """All combinations of the elements of vectors, one a row."""
    for x in tensors:
        _check_vector(x)
    if len(tensors) == 1:
        return tensors[0]
    return stack([views.flatten(x) for x in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input, r: int = 2, with_replacement: bool = False):
    """All combinations of `r` elements of a vector, one a row, in the order of their positions."""
    from .creation import empty
    from .indexing import masked_select

    _check_vector(input)
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if not r:
        return empty(0, dtype=input.dtype)
    positions = np.indices((input._array.size,) * r)
    rising = np.less_equal if with_replacement else np.less
    kept = np.ones(positions.shape[1:], dtype=bool)
    for i in range(r - 1):
        kept &= rising(positions[i], positions[i + 1])
    mask = wrap(kept)
    return stack([masked_select(x, mask) for x in meshgrid(*(input,) * r, indexing="ij")], 1)
