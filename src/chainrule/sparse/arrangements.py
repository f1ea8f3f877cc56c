"""Sparse tensors in another arrangement: dimensions exchanged, parts taken, tensors joined."""

from __future__ import annotations

import numpy as np

from ..ops.joining import cat as joined
from ..tensor import Tensor, wrap
from .arrays import SparseArray, not_run
from .tensor import coalesced, from_values, is_sparse, recorded, rule, values_of


@rule("t")
def t(func, x):
    array = x._array
    return recorded("TBackward0", array.T, (x,), lambda g, needs: (g.t() if array.ndim == 2 else g,))


@rule("transpose")
def transpose(func, x, a, b):
    array = x._array
    a, b = a % max(1, array.ndim), b % max(1, array.ndim)
    if (a < array.sparse_dim) != (b < array.sparse_dim):
        raise RuntimeError(
            f"sparse transpose: transposed dimensions must be sparse Got sparse_dim: {array.sparse_dim}, d0: {a}, d1: {b}"
        )
    return recorded(
        "TransposeBackward0",
        array.transposed(a, b) if array.ndim else array,
        (x,),
        lambda g, needs: (g.transpose(a, b),),
    )


@rule("permute")
def permute(func, x, dims):
    array = x._array
    order = [d % array.ndim for d in dims]
    n = array.sparse_dim
    if sorted(order[:n]) != list(range(n)):
        raise RuntimeError(
            f"permute(sparse_coo): transpositions between sparse and dense dimensions are not allowed.Found "
            f"permutation {list(dims)} with sparse_dim {n}"
        )
    back = [order.index(d) for d in range(array.ndim)]
    return recorded("PermuteBackward0", array.permuted(order), (x,), lambda g, needs: (g.permute(back),))


@rule("unsqueeze")
def unsqueeze(func, x, dim):
    array = x._array
    dim = dim % (array.ndim + 1)
    indices, values, n = array.indices, array.values, array.sparse_dim
    if dim <= n:
        indices = np.insert(indices, dim, 0, axis=0)
    else:
        values = np.expand_dims(values, 1 + dim - n)
    shape = (*array.shape[:dim], 1, *array.shape[dim:])
    found = SparseArray(indices, values, shape, array.nnz < 2)
    return recorded("UnsqueezeBackward0", found, (x,), lambda g, needs: (squeezed(g, dim),))


def squeezed(x: Tensor, dim: int) -> Tensor:
    """Without a dimension of size 1."""
    if not is_sparse(x):
        return x.squeeze(dim)
    array = x._array
    indices, values, n = array.indices, array.values, array.sparse_dim
    if dim < n:
        indices = np.delete(indices, dim, axis=0)
    else:
        values = values.squeeze(1 + dim - n)
    found = SparseArray(indices, values, array.shape[:dim] + array.shape[dim + 1 :], array.coalesced)
    return recorded("SqueezeBackward1", found, (x,), lambda g, needs: (g.unsqueeze(dim),))


def parts(x) -> tuple[SparseArray, Tensor]:
    """The data of a tensor and its values, differentiably: coalesced where a gradient is wanted."""
    if not x.requires_grad:
        return x._array, wrap(x._array.values)
    x = coalesced(x)
    return x._array, values_of(x)


@rule("select")
def select(func, x, dim, index):
    array, all_values = parts(x)
    n = array.sparse_dim
    dim, index = dim % array.ndim, index % array.shape[dim]
    shape = array.shape[:dim] + array.shape[dim + 1 :]
    if dim >= n:
        values = all_values.select(1 + dim - n, index)
        return from_values(array.indices, values, shape, array.nnz < 2, "SelectBackward0")
    kept = np.flatnonzero(array.indices[dim] == index)
    values = all_values[wrap(kept)]
    if n == 1:
        return values.sum(0, dtype=values.dtype)
    indices = np.delete(array.indices[:, kept], dim, axis=0)
    return from_values(indices, values, shape, len(kept) < 2, "SelectBackward0")


@rule("index_select")
def index_select(func, x, index, dim):
    if not is_sparse(x):
        raise not_run("index_select")
    array, all_values = parts(x)
    n = array.sparse_dim
    dim = dim % array.ndim
    wanted = np.asarray(index._array).reshape(-1)
    size = array.shape[dim]
    if wanted.size and (wanted.min() < -size or wanted.max() >= size):
        bad = int(wanted[(wanted < -size) | (wanted >= size)][0])
        raise IndexError(
            f"index_select(): index contains {bad} that is out of range for tensor of size {list(array.shape)}"
        )
    wanted = np.where(wanted < 0, wanted + size, wanted)
    shape = (*array.shape[:dim], len(wanted), *array.shape[dim + 1 :])
    if dim >= n:
        values = all_values.index_select(1 + dim - n, wrap(wanted))
        return from_values(array.indices, values, shape, array.coalesced, "IndexSelectBackward0")
    # each entry stands at every place where its index is asked for
    place, entry = np.nonzero(wanted[:, None] == array.indices[dim][None, :])
    indices = array.indices[:, entry].copy()
    indices[dim] = place
    return from_values(indices, all_values[wrap(entry)], shape, len(entry) < 2, "IndexSelectBackward0")


def narrowed(x, dim: int, start: int, length: int) -> Tensor:
    """A part of a sparse tensor along one dimension, as a copy."""
    array, all_values = parts(x)
    n = array.sparse_dim
    dim = dim % array.ndim
    if start < 0:
        start += array.shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not 0 <= start <= array.shape[dim] - length:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({array.shape[dim]}).")
    shape = (*array.shape[:dim], length, *array.shape[dim + 1 :])
    if dim >= n:
        values = all_values.narrow(1 + dim - n, start, length).clone()
        return from_values(array.indices, values, shape, array.coalesced, "NarrowCopyBackward0")
    row = array.indices[dim]
    kept = np.flatnonzero((row >= start) & (row < start + length))
    indices = array.indices[:, kept].copy()
    indices[dim] -= start
    return from_values(indices, all_values[wrap(kept)], shape, array.coalesced, "NarrowCopyBackward0")


@rule("cat")
def cat(func, *arguments):
    """Sparse tensors one after the other, entries in their order."""
    *tensors, dim = arguments
    if not all(map(is_sparse, tensors)):
        raise RuntimeError("Concatenating sparse tensors, but a dense tensor was found.")
    arrays = [x._array for x in tensors]
    n = arrays[0].sparse_dim
    if any(array.sparse_dim != n for array in arrays):
        raise RuntimeError("All tensors must have the same number of sparse dimensions to be concatenated")
    sizes = [array.shape[dim] for array in arrays]
    starts = np.cumsum([0, *sizes]).tolist()
    shape = [*arrays[0].shape[:dim], starts[-1], *arrays[0].shape[dim + 1 :]]
    indices = [array.indices.copy() for array in arrays]
    values = [array.values for array in arrays]
    for i, start in enumerate(starts[:-1]):
        if dim < n:
            indices[i][dim] += start
        else:  # along a dense dimension, what the others have there is zeros
            widths = [(0, 0)] * values[i].ndim
            widths[1 + dim - n] = (start, starts[-1] - start - sizes[i])
            values[i] = np.pad(values[i], widths)
    found = SparseArray(np.concatenate(indices, 1), np.concatenate(values), shape)

    def formula(g, needs):
        take = narrowed if is_sparse(g) else Tensor.narrow
        return [None if need is None else take(g, dim, start, size) for need, start, size in zip(needs, starts, sizes)]

    return recorded("CatBackward0", found, tensors, formula)


@rule("stack")
def stack(func, *arguments):
    *tensors, dim = arguments
    return joined([x.unsqueeze(dim) for x in tensors], dim)
