"""The indices and values of sparse tensors, and what is computed with them: NumPy only, nothing of autograd.

A `SparseArray` stands in the place of a tensor's array. It has an array's shape and dtype, and the arithmetic that a
backward on arrays does with gradients; NumPy sees the dense array. Whatever else is asked of it raises: nothing that is
written for dense arrays can take its values for the elements.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..backend.gathering import add_rows
from ..backend.reductions import narrowed, widened
from ..modes import local

BLOCK = 1 << 18  # elements of a product that are summed at a time, while they are in the cache


def not_run(operation: str, backend: str = "SparseCPU") -> NotImplementedError:
    """The error for an operation that has no meaning, or no implementation, for these tensors."""
    return NotImplementedError(f"Could not run 'aten::{operation}' with arguments from the '{backend}' backend.")


class SparseArray:
    """`indices` (sparse dimensions, entries) and `values` (entries, *dense dimensions) of an array of a `shape`.

    Entries with the same indices add up. `coalesced` says that there are none, and that the indices are sorted."""

    __slots__ = ("coalesced", "dtype", "indices", "shape", "values")

    base = "no array"  # an array that owns its memory has None here: see engine.accumulate_array

    def __init__(self, indices: np.ndarray, values: np.ndarray, shape, coalesced: bool = False) -> None:
        self.indices = indices
        self.values = values
        self.shape = tuple(shape)
        self.dtype = values.dtype
        self.coalesced = coalesced or not values.shape[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise not_run(name)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.dense() if dtype is None else self.dense().astype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index):
        raise not_run("as_strided")

    def __eq__(self, other):
        raise not_run("equal")

    def __ne__(self, other):
        if other is self:  # asked by who looks for nan
            return self.values != self.values
        raise not_run("ne.Tensor")

    __hash__ = object.__hash__

    # ---- what it is

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nnz(self) -> int:
        return self.values.shape[0]

    @property
    def sparse_dim(self) -> int:
        return self.indices.shape[0]

    @property
    def dense_shape(self) -> tuple[int, ...]:
        return self.values.shape[1:]

    # ---- the same in another form

    def with_values(self, values: np.ndarray) -> SparseArray:
        """Other values at the same indices."""
        return SparseArray(self.indices, values, self.shape, self.coalesced)

    def astype(self, dtype) -> SparseArray:
        return self if dtype is self.dtype else as_gradient(self.with_values(self.values.astype(dtype)))

    @property
    def real(self) -> SparseArray:
        return as_gradient(self.with_values(self.values.real.copy()))

    def copy(self) -> SparseArray:
        """A copy that a leaf keeps as its gradient. Whether it is coalesced is no longer known, as in PyTorch."""
        return SparseArray(self.indices.copy(), self.values.copy(order="K"), self.shape)

    def clone(self) -> SparseArray:
        return SparseArray(self.indices.copy(), self.values.copy(), self.shape, self.coalesced)

    def tensor(self):
        """A sparse tensor of this."""
        from .tensor import sparse

        return sparse(self)

    def coalesce(self) -> SparseArray:
        """The same with sorted indices, each of which occurs once."""
        if self.coalesced:
            return self
        if self.nnz < 2:
            return SparseArray(self.indices, self.values, self.shape, True)
        flat = flat_index(self.indices, self.shape)
        order = np.argsort(flat, kind="stable")
        flat = flat[order]
        begins = np.concatenate([[True], flat[1:] != flat[:-1]])
        values = summed(self.values[order], np.cumsum(begins) - 1, int(begins.sum()))
        return SparseArray(self.indices[:, order[begins]], values, self.shape, True)

    def dense(self) -> np.ndarray:
        """The whole array, zeros included."""
        width = self.shape[: self.sparse_dim]
        out = summed(self.values, flat_index(checked(self.indices, width), self.shape), prod(width))
        return out.reshape(self.shape)

    def transposed(self, a: int, b: int) -> SparseArray:
        """With two sparse dimensions in each other's place."""
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.permuted(order)

    def permuted(self, order) -> SparseArray:
        """With its dimensions in another order; sparse ones stay among themselves."""
        n = self.sparse_dim
        indices = self.indices[list(order[:n])]
        values = self.values.transpose([0, *[1 + d - n for d in order[n:]]])
        unmoved = list(order[:n]) == list(range(n))
        return SparseArray(indices, values, [self.shape[d] for d in order], self.coalesced and unmoved)

    @property
    def T(self) -> SparseArray:
        if self.sparse_dim > 2 or self.ndim > self.sparse_dim:
            raise RuntimeError(
                f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got {self.sparse_dim} sparse and "
                f"{self.ndim - self.sparse_dim} dense dimensions"
            )
        return self.transposed(0, 1) if self.ndim == 2 else self

    # ---- arithmetic of gradients, in a backward on arrays

    __array_priority__ = 1000

    def __add__(self, other):
        if isinstance(other, SparseArray):
            return as_gradient(added(other, self))  # PyTorch's order: what comes later stands first
        return self.dense() + other

    def __radd__(self, other):
        return self.dense() + other

    def __sub__(self, other):
        return self + -other

    def __mul__(self, other):
        if isinstance(other, SparseArray):
            return as_gradient(intersected(self, other))
        if np.ndim(other):
            return as_gradient(multiplied(self, np.asarray(other)))
        return as_gradient(self.with_values(self.values * other))

    __rmul__ = __mul__

    def __truediv__(self, other):
        if np.ndim(other):
            raise divided_by(np.shape(other))
        return as_gradient(self.with_values(self.values / other))

    def __neg__(self) -> SparseArray:
        return as_gradient(self.with_values(-self.values))

    def __array_ufunc__(self, ufunc, method: str, *inputs, out=None, **named):
        rule: Any = _UFUNCS.get(ufunc)
        if rule is None or method != "__call__" or named:
            raise not_run(ufunc.__name__)
        result = rule(*reversed(inputs)) if len(inputs) == 2 and inputs[0] is not self else rule(*inputs)
        if out is None:
            return result
        out[0][...] = result
        return out[0]


_UFUNCS = {np.add: SparseArray.__add__, np.multiply: SparseArray.__mul__, np.negative: SparseArray.__neg__}


def as_gradient(array: SparseArray) -> SparseArray:
    """Lets hooks, and whoever asked for this gradient, see the array as a sparse tensor."""
    task = local.task
    if task is not None and not task.on_tensors:
        task.given[id(array)] = array, array.tensor()
    return array


def divided_by(shape) -> RuntimeError:
    return RuntimeError(
        f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape {list(shape)} for divisor)"
    )


# ---------------------------------------------------------------- indices


def flat_index(indices: np.ndarray, shape) -> np.ndarray:
    """The place of each entry in row-major order of the sparse dimensions."""
    flat = np.zeros(indices.shape[1], np.int64)
    for row, size in zip(indices, shape):
        flat = flat * size + row
    return flat


def checked(indices: np.ndarray, shape) -> np.ndarray:
    """The indices; IndexError where one is outside of the shape."""
    for d, (row, size) in enumerate(zip(indices, shape)):
        if row.size and (row.min() < 0 or row.max() >= size):
            raise IndexError(f"index out of range: dimension {d} has size {size}")
    return indices


def summed(values: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """`count` rows of zeros, with each row of values added at its place; booleans by `or`."""
    if values.dtype.kind == "b":
        out = np.zeros((count, *values.shape[1:]), bool)
        np.logical_or.at(out, places, values)
        return out
    return add_rows(count, places, values)


def is_sorted(flat: np.ndarray) -> bool:
    """Whether places grow strictly."""
    return bool((flat[1:] > flat[:-1]).all())


# ---------------------------------------------------------------- two sparse arrays


def added(x: SparseArray, y: SparseArray) -> SparseArray:
    """The sum: the entries of both merged, or, as PyTorch does where values do not lie densely, one after the other."""
    if x.sparse_dim != y.sparse_dim:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same density, but 'self' has {x.sparse_dim} sparse dimensions while "
            f"'other' has {y.sparse_dim} sparse dimensions"
        )
    if not (x.values.flags.c_contiguous and y.values.flags.c_contiguous):
        indices = np.concatenate([x.indices, y.indices], 1)
        return SparseArray(indices, np.concatenate([x.values, y.values]), x.shape)
    a, b = flat_index(x.indices, x.shape), flat_index(y.indices, x.shape)
    merge = _merged_in_order if is_sorted(a) and is_sorted(b) else _merged_step_by_step
    at_x, at_y = merge(a, b)
    count = max(at_x.max(initial=-1), at_y.max(initial=-1)) + 1
    indices = np.zeros((x.sparse_dim, count), np.int64)
    indices[:, at_y] = y.indices
    indices[:, at_x] = x.indices
    values = np.zeros((count, *x.dense_shape), x.dtype)
    values[at_x] = x.values
    values[at_y] += y.values
    return SparseArray(indices, values, x.shape, x.coalesced and y.coalesced)


def _merged_in_order(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the places of two sorted lists go in the sorted list of both."""
    if np.array_equal(a, b):
        return np.arange(len(a)), np.arange(len(a))
    at = np.searchsorted(a, b)
    found = np.zeros(len(b), bool)
    inside = at < len(a)
    found[inside] = a[at[inside]] == b[inside]
    new = b[~found]
    at_a = np.arange(len(a)) + np.searchsorted(new, a)
    at_b = np.empty(len(b), np.int64)
    at_b[found] = at_a[at[found]]
    at_b[~found] = np.arange(len(new)) + at[~found]
    return at_a, at_b


def _merged_step_by_step(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same as PyTorch finds it for lists that are not sorted, by a walk as if they were: merged in part only."""
    first, second, m, n = a.tolist(), b.tolist(), len(a), len(b)
    at_a: list[int] = []
    at_b: list[int] = []
    i = j = count = 0
    while i < m or j < n:
        from_a = j >= n or (i < m and first[i] <= second[j])
        from_b = i >= m or (j < n and second[j] <= first[i])
        if from_a:
            at_a.append(count)
            i += 1
        if from_b:
            at_b.append(count)
            j += 1
        count += 1
    return np.array(at_a, np.int64), np.array(at_b, np.int64)


def found_in(x: SparseArray, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(whether a place is one of a coalesced array's, which entry it is there)."""
    places = flat_index(x.indices, x.shape)
    if not len(places):
        return np.zeros(len(flat), bool), np.zeros(len(flat), np.int64)
    at = np.minimum(np.searchsorted(places, flat), len(places) - 1)
    return places[at] == flat, at


def intersected(x: SparseArray, y: SparseArray) -> SparseArray:
    """The product: the entries that both have. Of one that is not coalesced (the longer of two), all entries stay."""
    if x.coalesced and y.coalesced:
        found, at = found_in(y, flat_index(x.indices, x.shape))
        return SparseArray(x.indices[:, found], x.values[found] * y.values[at[found]], x.shape, True)
    if y.coalesced or (not x.coalesced and x.nnz > y.nnz):
        x, y = y, x
    if not x.nnz:
        return x
    picked = looked_up(x.coalesce(), y.indices)
    return y.with_values(picked * y.values)


def looked_up(x: SparseArray, indices: np.ndarray) -> np.ndarray:
    """The values of a coalesced array at indices; zeros where it has nothing."""
    found, at = found_in(x, flat_index(indices, x.shape))
    values = np.zeros((indices.shape[1], *x.dense_shape), x.dtype)
    values[found] = x.values[at[found]]
    return values


def product(x: SparseArray, y: SparseArray) -> SparseArray:
    """The product of two sparse matrices."""
    x, y = x.coalesce(), y.coalesce()
    starts = np.searchsorted(y.indices[0], np.arange(y.shape[0] + 1))
    first = starts[x.indices[1]]
    counts = starts[x.indices[1] + 1] - first
    entry = np.repeat(np.arange(x.nnz), counts)  # of x, for each product of two entries
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    other = first[entry] + within
    indices = np.stack([x.indices[0][entry], y.indices[1][other]])
    return SparseArray(indices, x.values[entry] * y.values[other], (x.shape[0], y.shape[1])).coalesce()


# ---------------------------------------------------------------- a sparse and a dense array


def at_indices(dense: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The parts of a dense array at sparse indices: (entries, *the other dimensions)."""
    if not len(indices):
        return np.broadcast_to(dense, (indices.shape[1], *dense.shape))
    return dense[tuple(indices)]


def multiplied(x: SparseArray, dense: np.ndarray) -> SparseArray:
    """The product with a dense array that broadcasts to the sparse one's shape."""
    if dense.size == 1:
        return x.with_values(x.values * dense.reshape(()))
    return x.with_values(x.values * at_indices(np.broadcast_to(dense, x.shape), x.indices))


def times_matrix(x: SparseArray, dense: np.ndarray) -> np.ndarray:
    """The product of a sparse matrix with a dense matrix, or a vector."""
    rows, columns = checked(x.indices, x.shape)
    if dense.ndim == 1 or x.dtype.kind == "b":
        return summed(x.values.reshape(-1, *[1] * (dense.ndim - 1)) * dense[columns], rows, x.shape[0])
    values, dense, dtype = widened(x.values), widened(dense), x.dtype
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        rows, columns, values = rows[order], columns[order], values[order]
    out = np.zeros((x.shape[0], dense.shape[1]), values.dtype)
    step = max(1, BLOCK // max(1, dense.shape[1]))
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        lines = rows[part]
        begins = np.flatnonzero(np.concatenate([[True], lines[1:] != lines[:-1]]))
        terms = values[part, None] * dense[columns[part]]
        out[lines[begins]] += np.add.reduceat(terms, begins, axis=0, dtype=out.dtype)
    return narrowed(out, dtype)
