"""Reading and writing arrays at positions that other arrays name.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`.
"""

from __future__ import annotations

from math import prod

import numpy as np

from .reductions import narrowed, widened

LONG_ROW = 256  # elements from which adding row by row beats adding element by element


def size_of(shape) -> int:
    """How many elements a shape has."""
    return prod(shape)


def joint_shape(first, second):
    """The shape that two shapes broadcast to."""
    return np.broadcast_shapes(first, second)


def number_like(x, value):
    """A Python number as a 0-d array of x's dtype."""
    return np.array(value).astype(x.dtype)


def copy_into(x, y):
    """`y` broadcast to x's shape and cast to its dtype, as a fresh array."""
    out = np.empty_like(x)
    out[...] = y.real if y.dtype.kind == "c" and out.dtype.kind not in "cb" else y
    return out


# ---------------------------------------------------------------- x[index]: arrays of positions for some dimensions


def full_index(dims, indices):
    """A NumPy index with `indices` for the dimensions `dims` and everything of the others."""
    if dims == (0,):
        return indices[0]
    index = [slice(None)] * (dims[-1] + 1)
    for d, positions in zip(dims, indices):
        index[d] = positions
    return tuple(index)


def take_at(x, indices, dims):
    """The elements at `indices` of the dimensions `dims`, as a fresh array in row-major order."""
    if not x.ndim:
        return np.array(x)
    if len(indices) == 1 and x.flags.c_contiguous and indices[0].dtype.kind == "i":
        return x.take(indices[0], dims[0])
    found = x[full_index(dims, indices)]
    return found if type(found) is not np.ndarray or found.flags.c_contiguous else np.ascontiguousarray(found)


def add_rows(count, positions, rows):
    """`count` rows of zeros, with each of `rows` added at its (non-negative) position; half types are summed in float32."""
    dtype = rows.dtype
    rows = widened(rows)
    out = np.zeros((count, *rows.shape[1:]), rows.dtype)
    if rows.size:
        width = rows.size // rows.shape[0]
        if width < LONG_ROW:
            places = positions if width == 1 else (positions[:, None] * width + np.arange(width)).reshape(-1)
            np.add.at(out.reshape(-1), places, rows.reshape(-1))
        else:
            for position, row in zip(positions.tolist(), rows, strict=True):
                out[position] += row
    return narrowed(out, dtype)


def add_at(g, indices, shape, dims):
    """Zeros of `shape` with `g` added at `indices` of the dimensions `dims`, repeated places as often as they occur."""
    g = np.asarray(g)
    indices = np.broadcast_arrays(*indices) if len(indices) > 1 else indices
    ndim = np.ndim(indices[0])
    at = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0  # NumPy's rule for where the index dimensions go
    if at:
        g = g.transpose((*range(at, at + ndim), *range(at), *range(at + ndim, g.ndim)))
    flat = np.zeros(np.shape(indices[0]), np.int64)
    for d, positions in zip(dims, indices):
        flat = flat * shape[d] + np.where(positions < 0, positions + shape[d], positions)
    rest = [d for d in range(len(shape)) if d not in dims]
    rest_shape = [shape[d] for d in rest]
    count = prod(shape[d] for d in dims)
    summed = add_rows(count, flat.reshape(-1), g.reshape((flat.size, *rest_shape)))
    summed = summed.reshape([shape[d] for d in dims] + rest_shape)
    if dims == tuple(range(len(dims))):
        return summed
    order = [*dims, *rest]
    return summed.transpose([order.index(d) for d in range(len(shape))])


def put_at(x, values, indices, dims, accumulate):
    """A copy of `x` with `values` put (or added) at `indices` of the dimensions `dims`; a 0-d array has one element."""
    if not x.ndim:
        return put_at(np.reshape(x, 1), np.reshape(values, -1), indices, dims, accumulate).reshape(())
    out = np.array(x, copy=True, order="K")
    index = full_index(dims, indices)
    if not accumulate:
        out[index] = values
        return out
    values = np.broadcast_to(values, out[index].shape).astype(out.dtype)
    added = add_at(values, indices, x.shape, dims)
    return np.logical_or(out, added) if out.dtype.kind == "b" else out + added


# ---------------------------------------------------------------- gather and scatter along one dimension


def along(index, dim):
    """The NumPy index that pairs each element of `index` with its own place in all dimensions but `dim`."""
    grid = np.ogrid[tuple([slice(0, n) for n in index.shape])] if index.ndim > 1 else [None]
    return tuple([index if d == dim else part for d, part in enumerate(grid)])


def gather_along(x, index, dim):
    """The elements of `x` at the positions `index` along `dim`; shaped like `index`."""
    if not index.size:
        return np.empty(index.shape, x.dtype)
    if not x.ndim or not index.ndim:
        return np.broadcast_to(np.asarray(x).reshape(()), index.shape).copy()
    if x.flags.c_contiguous:
        return x.reshape(-1).take(flat_positions(x.shape, index, dim), mode="clip")
    return x[along(index, dim)]


def flat_positions(shape, index, dim):
    """Where ``x[..., index, ...]`` along `dim` lies in an x of `shape` in row-major order, for each element of `index`."""
    step, flat = 1, None
    for d in range(len(shape) - 1, -1, -1):
        if d == dim:
            part = index if step == 1 else index * step
        else:
            n = index.shape[d]
            part = np.arange(0, n * step, step).reshape((n,) + (1,) * (len(shape) - 1 - d)) if n > 1 else None
        if part is not None:
            flat = part if flat is None else flat + part
        step *= shape[d]
    return flat


def scatter_along(x, index, values, dim):
    """A copy of `x` with the first of `values` (or a number) put at the positions `index` along `dim`."""
    out = np.array(x, copy=True, order="C")
    if index.size:
        target, positions = (out, index) if out.ndim and index.ndim else (out.reshape(1), index.reshape(-1))
        part = values if np.ndim(values) == 0 else corner(values, index.shape)
        target[along(positions, dim)] = part.reshape(-1) if positions is not index and np.ndim(part) else part
    return out


def corner(x, shape):
    """The first elements of `x` along each dimension: a view."""
    return x if x.shape == tuple(shape) else x[tuple([slice(0, n) for n in shape])]


_INITIAL = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def scatter_add_along(x, index, values, dim):
    """A copy of `x` with `values` added at the positions `index` along `dim`."""
    out = np.array(x, copy=True, order="C")
    if not index.size:
        return out
    if out.ndim and index.ndim:
        added = _sum_along(out.shape, index, corner(values, index.shape), dim)
    else:
        added = _sum_along((1,), index.reshape(-1), np.reshape(values, -1)[: index.size], 0).reshape(out.shape)
    return np.logical_or(out, added) if out.dtype.kind == "b" else out + added.astype(out.dtype)


def _sum_along(shape, index, values, dim):
    flat = flat_positions(shape, index, dim)
    return add_rows(prod(shape), flat.reshape(-1), np.ascontiguousarray(values).reshape(-1)).reshape(shape)


def scatter_reduce_along(x, index, values, dim, reduce, include_self):
    """A copy of `x` with `values` combined into it at the positions `index` along `dim`, by sum, prod, mean, amax or
    amin.

    Without `include_self`, the elements of `x` that are written to do not take part."""
    if reduce == "sum":
        start = x if include_self else scatter_along(x, index, np.zeros((), x.dtype), dim)
        return scatter_add_along(start, index, values, dim)
    if reduce == "mean":
        start = x if include_self else scatter_along(x, index, np.zeros((), x.dtype), dim)
        total = scatter_add_along(start, index, values, dim)
        ones = np.ones(np.shape(x), np.int64) if include_self else np.zeros(np.shape(x), np.int64)
        count = np.maximum(scatter_add_along(ones, index, np.ones(index.shape, np.int64), dim), 1)
        if total.dtype.kind in "iu":
            return (total // count).astype(total.dtype)
        return (total / count).astype(total.dtype)
    out = np.array(x, copy=True, order="C")
    if not index.size:
        return out
    if not out.ndim or not index.ndim:
        wide = scatter_reduce_along(
            out.reshape(1), index.reshape(-1), np.reshape(values, -1)[: index.size], 0, reduce, include_self
        )
        return wide.reshape(out.shape)
    places = along(index, dim)
    part = corner(values, index.shape)
    if not include_self:
        out[places] = 1 if reduce == "prod" else part  # any one of the values: it takes part anyway
    _INITIAL[reduce].at(out, places, part)
    return out


# ---------------------------------------------------------------- masks


def select_masked(x, mask):
    """The elements of `x` where `mask` holds, after broadcasting, in one dimension."""
    if x.shape != mask.shape:
        x, mask = np.broadcast_arrays(x, mask)
    return np.asarray(x)[np.asarray(mask)]


def place_masked(values, mask, shape):
    """Zeros of `shape` with the elements of `values`, one after the other, where `mask` (broadcast) holds."""
    out = np.zeros(shape, values.dtype)
    out[np.broadcast_to(mask, shape)] = values
    return out


def put_masked(x, mask, values):
    """A copy of `x`, broadcast, with the elements of `values`, one after the other, where `mask` holds."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    out = np.array(np.broadcast_to(x, shape), copy=True)
    chosen = np.broadcast_to(mask, shape)
    out[chosen] = np.reshape(values, -1)[: np.count_nonzero(chosen)]
    return out
