"""Sums, norms and softmax of sparse tensors."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..ops.reduction import dims_argument, wrap_dim
from ..tensor import Tensor, wrap
from .arrays import flat_index, not_run
from .tensor import coalesced, entries_at, from_values, is_sparse, named, recorded, rule, values_of


def total(x: Tensor, dim=None, dtype=None) -> Tensor:
    """`torch.sparse.sum`: of all elements, or along dimensions; sparse as long as a sparse dimension is left.

    The gradient has the indices of `x`."""
    if not is_sparse(x):
        if dim is None:
            x.coalesce()  # raises
        raise not_run("_indices", "CPU")
    if dtype is not None:
        x = x.to(dtype)
    x = coalesced(x)
    array = x._array
    n = array.sparse_dim
    if dim is None:
        return values_of(x).sum()
    dims = dims_argument(dim, array.ndim)
    if not dims:
        return x
    values = values_of(x)
    along = [1 + d - n for d in dims if d >= n]
    if along:
        values = values.sum(along)
    kept = [d for d in range(n) if d not in dims]
    if not kept:
        return values.sum(0)
    shape = [size for d, size in enumerate(array.shape) if d not in dims]
    if len(kept) == n:
        return from_values(array.indices, values, shape, True, "SparseSumBackward0")
    return named(coalesced(from_values(array.indices[kept], values, shape)), "SparseSumBackward0")


def total_along(x: Tensor, dim, keepdim: bool, dtype=None) -> Tensor:
    """The same along dimensions, an int or several, which stay with size 1 if `keepdim`."""
    found = total(x, dim, dtype)
    if keepdim:
        for d in sorted([d % x.ndim for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]):
            found = found.unsqueeze(d)
    return found


@rule("sum", "sum_dim")
def sum_of(func, x, dim, keepdim):
    """`x.sum()`: its gradient is dense where all elements are summed."""
    if dim is not None and tuple(dim):
        return total_along(x, tuple(dim), keepdim)
    found = x._array.values.sum(dtype=x._array.dtype if x._array.dtype.kind != "b" else np.int64)
    shape = x.shape
    return recorded("SumBackward0", np.asarray(found), (x,), lambda g, needs: (g.expand(shape),))


@rule("any")
def any_of(func, x, dim, keepdim):
    if dim is not None and tuple(dim):
        raise not_run("any.dim")
    return wrap(np.asarray(x._array.values).any())


@rule("linalg_vector_norm")
def norm(func, x, ord, dim, keepdim):
    if dim is not None and tuple(dim):
        raise not_run("linalg_vector_norm")
    return func(values_of(coalesced(x)), ord, dim, keepdim)


def softmax(x: Tensor, dim: int, dtype=None, logarithm: bool = False) -> Tensor:
    """softmax along a dimension of the elements that a sparse tensor has; the others count as minus infinity."""
    name = "log_softmax" if logarithm else "softmax"
    if not is_sparse(x):
        raise not_run(f"_sparse_{name}", "CPU")
    if dtype is not None:
        x = x.to(dtype)
    dim = wrap_dim(dim, x.ndim)
    if not x.is_floating_point():
        raise NotImplementedError(f"\"{name}\" not implemented for '{dtypes.scalar_name(x.dtype)}'")
    x = coalesced(x)
    array = x._array
    n = array.sparse_dim
    values = values_of(x)
    if dim >= n:
        out = values.log_softmax(1 + dim - n) if logarithm else values.softmax(1 + dim - n)
    elif not array.nnz:
        out = values * 1
    else:
        others = [d for d in range(n) if d != dim]
        _, group = np.unique(flat_index(array.indices[others], [array.shape[d] for d in others]), return_inverse=True)
        largest = np.full((group.max() + 1, *array.dense_shape), -np.inf, array.dtype)
        np.maximum.at(largest, group, array.values)
        group_of = wrap(group)
        shifted = values - wrap(largest[group])
        exponentials = shifted.exp()
        sums = exponentials.new_zeros(largest.shape).index_add(0, group_of, exponentials)
        out = shifted - sums.log()[group_of] if logarithm else exponentials / sums[group_of]
    return from_values(array.indices, out, array.shape, True, f"Sparse{'Log' if logarithm else ''}SoftmaxBackward0")


def diagonals(diagonals: Tensor, offsets: Tensor, shape, layout=None) -> Tensor:
    """A sparse matrix of `shape` with the rows of `diagonals` along its diagonals: above the main one for positive
    offsets, whose first elements then fall away."""
    rows = diagonals.unsqueeze(0) if diagonals.ndim == 1 else diagonals
    places = offsets.reshape(-1).tolist()
    if rows.ndim != 2:
        raise RuntimeError("Diagonals must be vector or matrix")
    if len(shape) != 2:
        raise RuntimeError("Output shape must be 2d")
    if offsets.ndim > 1:
        raise RuntimeError("Offsets must be scalar or vector")
    if len(places) != rows.shape[0]:
        raise RuntimeError(
            f"Number of diagonals ({rows.shape[0]}) does not match the number of offsets ({len(places)})"
        )
    if len(set(places)) != len(places):
        raise RuntimeError("Offset tensor contains duplicate values")
    found, sources = [], []
    for number, offset in enumerate(places):
        column = np.arange(max(0, offset), max(0, min(shape[1], shape[0] + offset, rows.shape[1])))
        found.append(np.stack([column - offset, column]))
        sources.append(np.stack([np.full(len(column), number), column]))
    values = entries_at(rows, np.concatenate(sources, 1))
    return from_values(np.concatenate(found, 1), values, tuple(shape), name="SpdiagsBackward0")
