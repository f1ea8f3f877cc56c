"""Products of matrices some of which are sparse.

Under the name `torch.sparse.mm` the gradient of a sparse matrix has that matrix's indices; under `torch.mm`, `@` and the
others it is a dense matrix. That is PyTorch's distinction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import scalar_name
from ..ops.products import expand_check
from ..size import sparse_csr
from ..tensor import Tensor, wrap
from .arrays import SparseArray, flat_index, found_in, not_run, product, times_matrix
from .tensor import coalesced, dense, from_values, is_sparse, recorded, rule, sparse, values_of


def _check_matrices(x: Tensor, y: Tensor) -> None:
    if x._array.ndim != 2 or y._array.ndim != 2:
        raise RuntimeError(f"{'self' if x.ndim != 2 else 'mat2'} must be a matrix")
    (n, inner), (rows, columns) = x._array.shape, y._array.shape
    if inner != rows:
        if is_sparse(x) and not is_sparse(y):
            raise RuntimeError(f"addmm: Argument #3 (dense): Expected dim 0 size {inner}, got {rows}")
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({n}x{inner} and {rows}x{columns})")
    if x._array.dtype is not y._array.dtype:
        raise RuntimeError(f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(y.dtype)}")


def _matrix(x: SparseArray) -> SparseArray:
    """A matrix both of whose dimensions are sparse."""
    if x.sparse_dim != 2:
        raise RuntimeError(f"addmm: matrices expected, got {x.sparse_dim}D tensor")
    return x


def multiplied(x: Tensor, y: Tensor):
    """The product as an array, dense unless both are sparse."""
    if is_sparse(x) and is_sparse(y):
        return product(_matrix(x._array), _matrix(y._array))
    if is_sparse(x):
        return times_matrix(_matrix(x._array), np.asarray(y._array))
    return times_matrix(_matrix(y._array).transposed(0, 1), np.asarray(x._array).T).T


@rule("mm")
def mm(func, x, y):
    _check_matrices(x, y)

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else g @ y.conj().t(),
            None if needs[1] is None else x.conj().t() @ g,
        )

    return recorded("MmBackward0", multiplied(x, y), (x, y), formula, x, y)


@rule("mv")
def mv(func, x, y):
    if is_sparse(y):
        y = dense(y)
    if not is_sparse(x):
        return x.mv(y)

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else g.ger(y.conj()),
            None if needs[1] is None else x.conj().t() @ g,
        )

    return recorded("MvBackward0", times_matrix(_matrix(x._array), np.asarray(y._array)), (x, y), formula, x, y)


@rule("addmm")
def addmm(func, z, x, y, beta, alpha):
    """``beta * z + alpha * x @ y`` with a sparse `x`, or all three."""
    if is_sparse(z) or (is_sparse(x) and is_sparse(y)):
        return _scaled(z, beta) + _scaled(x @ y, alpha)
    return _added(z, x, y, beta, alpha, "AddmmBackward0", lambda g, y, x: g @ y.conj().t())


def _added(z, x, y, beta, alpha, name: str, gradient_of_x):
    """``beta * z + alpha * x @ y`` of a dense `z`, with a rule for the gradient of `x`."""
    _check_matrices(x, y)
    product = multiplied(x, y)
    expand_check(z, product.shape)
    found = np.asarray(z._array) * np.asarray(beta, z._array.dtype) + product * np.asarray(alpha, product.dtype)
    shape = z.shape

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else _scaled(g, beta).sum_to_size(shape),
            None if needs[1] is None else _scaled(gradient_of_x(g, y, x), alpha),
            None if needs[2] is None else _scaled(x.conj().t() @ g, alpha),
        )

    return recorded(name, found, (z, x, y), formula, x, y)


def _scaled(x, factor):
    return x if factor == 1 else x * factor


@rule("bmm")
def bmm(func, x, y):
    """A stack of sparse matrices by one of dense ones."""
    if not is_sparse(x) or is_sparse(y):
        raise RuntimeError("bmm_sparse: Tensor 'mat2' must be dense")
    array = x._array
    count, rows, inner = array.shape
    long = np.stack([array.indices[0] * rows + array.indices[1], array.indices[0] * inner + array.indices[2]])
    flat = np.asarray(y._array).reshape(count * inner, -1)
    found = times_matrix(SparseArray(long, array.values, (count * rows, count * inner)), flat)

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else g @ y.conj().transpose(1, 2),
            None if needs[1] is None else bmm(func, x.conj().transpose(1, 2), g),
        )

    return recorded("BmmBackward0", found.reshape(count, rows, y.shape[2]), (x, y), formula, x, y)


# ---------------------------------------------------------------- torch.sparse's own


def sparse_mm(x: Tensor, y: Tensor):
    """The product of two matrices; the gradient of a sparse one is sparse."""
    if is_sparse(x) and is_sparse(y):
        return _sparse_sparse(x, y)
    if is_sparse(x):
        return _sparse_dense(x, y)
    if is_sparse(y):
        return _sparse_dense(y.transpose(0, 1), x.transpose(0, 1)).transpose(0, 1)
    return x @ y


def _sparse_dense(x, y):
    _check_matrices(x, y)

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else sampled(g, y.conj().t(), x),
            None if needs[1] is None else x.conj().t() @ g,
        )

    return recorded("SparseAddmmBackward0", multiplied(x, y), (x, y), formula, x, y)


def sampled(x: Tensor, y: Tensor, mask) -> Tensor:
    """The entries of the product of two dense matrices where a sparse one has some: only these are computed."""
    array = mask._array.coalesce()
    rows, columns = map(wrap, array.indices)
    values = (x[rows] * y.t()[columns]).sum(1)
    return from_values(array.indices, values, array.shape, True, "SparseMaskBackward0")


def reduced_mm(x: Any, y: Tensor, reduce: str) -> Tensor:
    """A product of a CSR and a dense matrix with a mean, maximum or minimum of the products in the place of sums; rows
    without entries are zeros."""
    if not is_sparse(x) or x.layout is not sparse_csr or is_sparse(y):
        raise not_run("_sparse_mm_reduce_impl")
    if reduce not in ("sum", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, mean, amax or amin, got {reduce}")
    _check_matrices(x, y)
    if reduce == "sum":
        return _sparse_dense(x, y)
    rows, columns = map(wrap, x._array.indices)
    terms = values_of(x)[:, None] * y[columns]
    zeros = terms.new_zeros((x.shape[0], y.shape[1]))
    return zeros.scatter_reduce(0, rows[:, None].expand(terms.shape), terms, reduce, include_self=False)


def _sparse_sparse(x, y):
    _check_matrices(x, y)

    def formula(g, needs, x, y):
        g = g if is_sparse(g) else g.to_sparse()
        return (
            None if needs[0] is None else _where_known(_sparse_sparse(g, y.conj().t()), x),
            None if needs[1] is None else _where_known(_sparse_sparse(x.conj().t(), g), y),
        )

    return recorded("SparseSparseMatmulBackward0", multiplied(x, y), (x, y), formula, x, y)


def _where_known(x, mask):
    """A sparse tensor with zeros for entries that `mask` does not have."""
    x = coalesced(x)
    array = x._array
    found, _ = found_in(mask._array.coalesce(), flat_index(array.indices, array.shape))
    if found.all():
        return x
    return x * sparse(array.with_values(found.astype(array.dtype)))


def sparse_addmm(z, x, y, beta, alpha):
    """``beta * z + alpha * x @ y``; the gradient of a sparse `x` is sparse."""
    if not is_sparse(x) or is_sparse(y) or is_sparse(z):
        return _scaled(z, beta) + _scaled(sparse_mm(x, y), alpha)
    return _added(z, x, y, beta, alpha, "SparseAddmmBackward0", lambda g, y, x: sampled(g, y.conj().t(), x))
