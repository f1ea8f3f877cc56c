"""Operations that combine the elements along dimensions."""

from __future__ import annotations

from .. import dtypes
from ..op import GENERAL, LINEAR, general, method, op
from ..tensor import Tensor
from .shape import wrap_dim

__all__ = ["mean", "sum"]


def dims_argument(dim, ndim: int):
    """`dim` (None, an int or several) as a sorted tuple of dimensions, or None for all."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    if isinstance(dim, (tuple, list)):
        wrapped = tuple(wrap_dim(int(d), ndim) for d in dim)
        for d in wrapped:
            if wrapped.count(d) > 1:
                raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        return tuple(d for d in wrapped if ndim)
    wrapped_one = wrap_dim(int(dim), ndim)
    return (wrapped_one,) if ndim else ()


_sum = op(
    "sum",
    kind=LINEAR,
    forward=lambda xp, x, /, dim, keepdim: xp.sum(x, dim, keepdim),
    vjp=lambda xp, g, x_shape, dim, keepdim: xp.expand_reduced(g, x_shape, dim, keepdim),
)
_sum_dim = op(
    "sum_dim",
    kind=LINEAR,
    forward=lambda xp, x, /, dim, keepdim: xp.sum(x, dim, keepdim),
    vjp=lambda xp, g, x_shape, dim, keepdim: xp.expand_reduced(g, x_shape, dim, keepdim),
    node="SumBackward1",
)
_mean = op(
    "mean",
    kind=LINEAR,
    forward=lambda xp, x, /, dim, keepdim: xp.mean(x, dim, keepdim),
    vjp=lambda xp, g, x_shape, dim, keepdim: (
        xp.expand_reduced(g, x_shape, dim, keepdim) / xp.reduced_count(x_shape, dim)
    ),
)
_mean_dim = op(
    "mean_dim",
    kind=LINEAR,
    forward=lambda xp, x, /, dim, keepdim: xp.mean(x, dim, keepdim),
    vjp=lambda xp, g, x_shape, dim, keepdim: (
        xp.expand_reduced(g, x_shape, dim, keepdim) / xp.reduced_count(x_shape, dim)
    ),
    node="MeanBackward1",
)


@method()
def sum(input, dim=None, keepdim: bool = False, *, dtype=None, out=None):
    """The sum of all elements, or along `dim`."""
    if dtype is not None:
        input = input.to(dtype)
    elif input._array.dtype.kind in "iub":
        input = input.to(dtypes.int64)
    if dim is None and out is None:
        return _sum(input, None, keepdim)
    dims = dims_argument(dim, input._array.ndim)
    return _sum_dim(input, dims, keepdim) if out is None else general(_sum_dim.record, (input,), (dims, keepdim), out)


@method()
def mean(input, dim=None, keepdim: bool = False, *, dtype=None, out=None):
    """The mean of all elements, or along `dim`."""
    if dtype is not None:
        input = input.to(dtype)
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {dtypes.scalar_name(input.dtype)}"
        )
    if dim is None and out is None:
        return _mean(input, None, keepdim)
    dims = dims_argument(dim, input._array.ndim)
    return _mean_dim(input, dims, keepdim) if out is None else general(_mean_dim.record, (input,), (dims, keepdim), out)
