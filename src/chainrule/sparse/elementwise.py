"""Elementwise operations on sparse tensors. What leaves zeros zero keeps the indices; the rest has no sparse result."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..modes import local
from ..op import broadcast_error, common_dtype, is_number, number_array, python_number
from ..size import sparse_coo
from ..tensor import Tensor, wrap
from .arrangements import parts
from .arrays import SparseArray, added, divided_by, intersected, multiplied, not_run
from .tensor import coalesced, dense, from_values, is_sparse, recorded, rule, sparse, values_of

# ---------------------------------------------------------------- one tensor


@rule(
    "abs", "angle", "asin", "asinh", "atan", "atanh", "ceil", "erf", "erfinv", "expm1", "floor", "frac", "isinf",
    "isnan", "isneginf", "isposinf", "log1p", "nan_to_num", "relu", "round", "round_decimals", "sgn", "sign", "signbit",
    "sin", "sinh", "sqrt", "tan", "tanh", "threshold", "trunc",
)  # fmt: skip
def on_values(func, x, *settings):
    """A function that is 0 at 0, of the values; repeated indices are added up first."""
    x = coalesced(x)
    array = x._array
    values = func(values_of(x), *settings)
    name = "" if values._node is None else type(values._node).__name__
    return from_values(array.indices, values, array.shape, True, name)


@rule("pow_number")
def power(func, x, exponent):
    if exponent == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense")
    return on_values(func, x, exponent)


@rule("neg", "deg2rad", "rad2deg", "conj", "conj_physical")
def linear(func, x, *settings):
    """A function for which it is the same whether repeated indices are added up before or after, of all values."""
    found = x._array.with_values(func(wrap(x._array.values), *settings)._array)
    name = "ConjPhysicalBackward0" if func.record.name == "conj" else func.record.node_name
    return recorded(name, found, (x,), lambda g, needs: (func(g, *settings),))


@rule("view_as_real")
def view_as_real(func, x):
    """Pairs of real and imaginary parts, along a dense dimension at the end."""
    array, values = parts(x)
    return from_values(array.indices, func(values), (*array.shape, 2), array.coalesced, "ViewAsRealBackward0")


@rule("cast")
def cast(func, x, dtype):
    return recorded("ToCopyBackward0", x._array.astype(dtype.numpy_dtype), (x,), lambda g, needs: (g,))


@rule("clone", "contiguous_copy")
def clone(func, x):
    return recorded("CloneBackward0", x._array.clone(), (x,), lambda g, needs: (g,))


@rule("detach")
def detach(func, x):
    return sparse(x._array)


@rule("alias")
def alias(func, x):
    return recorded("AliasBackward0", x._array, (x,), lambda g, needs: (g,))


@rule("zero")
def zero(func, x):
    """No entries, and no history."""
    array = x._array
    return sparse(SparseArray(np.zeros((array.sparse_dim, 0), np.int64), array.values[:0].copy(), array.shape, True))


@rule("constant_like")
def constant_like(func, x, value, dtype):
    if value:
        raise not_run("fill_.Scalar")
    return sparse(zero(func, x)._array.astype(dtype.numpy_dtype))


# ---------------------------------------------------------------- two tensors


def _reduced(g: Tensor, shape) -> Tensor:
    """A gradient summed to the shape that its operand had before it was broadcast."""
    if g.shape == shape:
        return g
    return (dense(g) if is_sparse(g) else g).sum_to_size(shape)


def _number(value, dtype: dtypes.dtype) -> np.ndarray:
    return np.asarray(number_array(python_number(value), dtype.numpy_dtype))


@rule("mul")
def mul(func, x, y):
    """Of two sparse tensors, the entries that both have; of a sparse and a dense one, those of the sparse one."""
    common = common_dtype([x, y])
    target = common.numpy_dtype
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        tensor, number = (x, y) if isinstance(x, Tensor) else (y, x)
        found = multiplied(tensor._array.astype(target), _number(number, common))
        factor = _conjugate(number)
        return recorded("MulBackward0", found, (tensor,), lambda g, needs: (g * factor,))
    if is_sparse(x) and is_sparse(y):
        a, b = x._array, y._array
        if a.ndim == 0 or b.ndim == 0:
            return mul(func, x, dense(y)) if b.ndim == 0 else mul(func, dense(x), y)
        if a.shape != b.shape or a.sparse_dim != b.sparse_dim:
            raise RuntimeError(
                "sparse_binary_op_intersection_cpu(): expects sparse inputs with equal dimensionality, number of sparse "
                "dimensions, and shape of sparse dimensions"
            )
        found = intersected(a.astype(target), b.astype(target))
    else:
        one, other = (x, y) if is_sparse(x) else (y, x)
        array = one._array
        broadcast_error(other._array.shape, array.shape)
        shape = np.broadcast_shapes(array.shape, other._array.shape)
        if array.shape != shape:
            array = _repeated(array, shape)
        found = multiplied(array.astype(target), np.asarray(other._array).astype(target))

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else _reduced(g * y.conj(), x.shape),
            None if needs[1] is None else _reduced(g * x.conj(), y.shape),
        )

    return recorded("MulBackward0", found, (x, y), formula, x, y)


def _repeated(array: SparseArray, shape) -> SparseArray:
    """A coalesced array broadcast to a larger shape: its entries are repeated."""
    array = array.coalesce()
    more = len(shape) - array.ndim
    n = array.sparse_dim
    indices = np.concatenate([np.zeros((more, array.nnz), np.int64), array.indices])
    values = array.values
    for d, (have, wanted) in enumerate(zip((*[1] * more, *array.shape), shape)):
        if have == wanted:
            continue
        if d < more + n:
            count = values.shape[0]
            indices = np.tile(indices, (1, wanted))
            indices[d] = np.repeat(np.arange(wanted), count)
            values = np.tile(values, (wanted, *[1] * (values.ndim - 1)))
        else:
            values = np.repeat(values, wanted, 1 + d - more - n)
    return SparseArray(indices, values, shape).coalesce()


@rule("div", "div_floor", "div_trunc", "floor_divide")
def div(func, x, y):
    """By a number, or a dense tensor of no dimensions."""
    if not isinstance(x, Tensor):
        raise not_run("reciprocal")
    if isinstance(y, Tensor) and (is_sparse(y) or y.ndim):
        raise divided_by(y.shape)
    array = x._array if func.record.name == "div" else x._array.coalesce()
    values = func(wrap(array.values), y.detach() if isinstance(y, Tensor) else y)
    found = array.with_values(np.asarray(values._array))
    if func.record.name != "div":
        return recorded("DivBackward1", found, (x,), lambda g, needs: (g * 0,))
    if not isinstance(y, Tensor):
        divisor = _conjugate(y)
        return recorded("DivBackward0", found, (x,), lambda g, needs: (g / divisor,))

    def formula(g, needs, x, y):
        return (
            None if needs[0] is None else g / y.conj(),
            None if needs[1] is None else _reduced(g * -((x / y) / y).conj(), y.shape),
        )

    return recorded("DivBackward0", found, (x, y), formula, x, y)


def add_scaled(x, y, a, b, name: str):
    """``a * x + b * y``. Of a dense and a sparse tensor, in this order, the sum is dense."""
    if is_number(x):
        x = wrap(np.asarray(x))
    sparse_first = is_sparse(x) and x.layout is sparse_coo and local.task is None
    if is_number(y) or (sparse_first and not is_sparse(y)):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    common = common_dtype([x, y])
    target = common.numpy_dtype
    for factor in (a, b):
        if isinstance(factor, float) and common.category < dtypes.FLOATING:
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if x._array.shape != y._array.shape:
        if is_sparse(x) and is_sparse(y):
            raise RuntimeError(
                f"add: expected sizes of 'self' and 'other' to match, but {list(x.shape)} != {list(y.shape)}"
            )
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same size, but self has size {list(x.shape)} while other has size "
            f"{list(y.shape)} (FYI: dense-sparse addition does not currently support broadcasting)"
        )
    one, other = _times(x._array, a, target), _times(y._array, b, target)
    found: Any
    if isinstance(one, SparseArray) and isinstance(other, SparseArray):
        if target.kind == "b":
            raise NotImplementedError("\"cadd_sparse\" not implemented for 'Bool'")
        found = added(one, other)
    else:
        found = _dense_sum(one, other)

    def formula(g, needs):
        return g if a == 1 else g * _conjugate(a), g if b == 1 else g * _conjugate(b)

    return recorded(name, found, (x, y), formula)


def _times(array, factor, target):
    """An array, dense or sparse, in another dtype, times a number."""
    array = array.astype(target) if array.dtype is not target else array
    if factor == 1:
        return array
    factor = number_array(factor, target)
    return array.with_values(array.values * factor) if isinstance(array, SparseArray) else array * factor


def _dense_sum(x, y) -> np.ndarray:
    """The sum of a dense and a sparse array: each entry added in turn."""
    if isinstance(x, SparseArray):
        x, y = y, x
    out = np.array(x)
    entries = out.reshape(-1, *y.dense_shape) if not y.sparse_dim else out
    places = tuple(y.indices) if y.sparse_dim else (np.zeros(y.nnz, np.int64),)
    (np.logical_or if out.dtype.kind == "b" else np.add).at(entries, places, y.values)
    return entries.reshape(out.shape)


def _conjugate(number):
    return complex(number).conjugate() if isinstance(number, complex) else number


@rule("add")
def add(func, x, y):
    return add_scaled(x, y, 1, 1, "AddBackward0")


@rule("sub")
def sub(func, x, y):
    return add_scaled(x, y, 1, -1, "SubBackward0")


@rule("rsub")
def rsub(func, x, y):
    return add_scaled(y, x, 1, -1, "RsubBackward0")


@rule("add_scaled")
def add_with_alpha(func, x, y, alpha):
    return add_scaled(x, y, 1, alpha, "AddBackward0")


@rule("sub_scaled")
def sub_with_alpha(func, x, y, alpha):
    return add_scaled(x, y, 1, -alpha, "SubBackward0")


@rule("copy")
def copy(func, x, y):
    """What `x.copy_(y)` writes."""
    if not (is_sparse(x) and is_sparse(y)):
        raise RuntimeError(
            f"copy_() between dense and sparse Tensors is not implemented! Found self type = {x.type()} and src type = "
            f"{y.type()}"
        )
    return recorded("CopyBackwards", y._array.clone().astype(x._array.dtype), (x, y), lambda g, needs: (None, g))


@rule("pow_of_number", "pow")
def refuse_power(func, *args):
    raise not_run("pow.Scalar" if func.record.name == "pow_of_number" else "pow.Tensor_Tensor")
