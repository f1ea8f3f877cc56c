"""Reductions along dimensions: sums, products, maxima, norms and what they need for derivatives.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`. `dim` is a tuple of dimensions, or
None for all. Half types are reduced in float32, as PyTorch does.
"""

import math

import numpy as np

from .layout import in_rows

ndarray = np.ndarray
add_reduce = np.add.reduce

LARGE = 1 << 14  # from this size on a sum is worth a look at how it is best done
BLOCK = 1024  # length of the pieces that einsum sums: short enough to lose no accuracy
ROWS = 512  # number of the rows that one matrix product sums


def accumulation_dtype(dtype):
    """The dtype a reduction or product over `dtype` is computed in: half types accumulate in float32."""
    return np.float32 if dtype.itemsize == 2 and dtype.kind in "fV" else None


def widened(x):
    """`x` itself, or in float32 if it is of a half type."""
    return x.astype(np.float32) if accumulation_dtype(x.dtype) else x


def narrowed(x, dtype):
    """What was computed from a widened array, in the array's dtype."""
    return x if x.dtype is dtype else np.asarray(x).astype(dtype)


# ---------------------------------------------------------------- sums


def sum(x, dim=None, keepdim=False):
    """The sum over `dim`, in x's dtype."""
    dtype = x.dtype
    if dtype.itemsize == 2 and dtype.kind in "fV":
        return in_rows(np.asarray(add_reduce(x, dim, np.float32, None, keepdim)).astype(dtype))
    if x.size >= LARGE and dtype.kind == "f":
        return in_rows(_large_sum(x, dim, keepdim))
    return in_rows(add_reduce(x, dim, dtype, None, keepdim))


def _large_sum(x, dim, keepdim):
    """The sum of a large floating array: einsum has the fastest loop over rows, and short rows lose no accuracy."""
    ndim = x.ndim
    dims = list(range(ndim)) if dim is None else sorted([d % ndim for d in ((dim,) if isinstance(dim, int) else dim)])
    if len(dims) == ndim and (x.flags.c_contiguous or x.flags.f_contiguous):
        found = _total(x.ravel(order="K"))
    elif not x.flags.c_contiguous or not dims:
        return add_reduce(x, dim, x.dtype, None, keepdim)
    else:
        found = _partial(x, dims)
    return found.reshape([1 if d in dims else n for d, n in enumerate(x.shape)]) if keepdim else found


def _total(x):
    """The sum of a contiguous 1-d array."""
    whole = x.size // BLOCK * BLOCK
    if not whole:
        return add_reduce(x)
    found = add_reduce(np.einsum("ij->i", x[:whole].reshape(-1, BLOCK)))
    return found if whole == x.size else found + add_reduce(x[whole:])


def _partial(x, dims):
    """The sum over sorted dims, not all of them, of a C-contiguous array."""
    shape, ndim = x.shape, x.ndim
    last = 0  # how many of the last dimensions are summed
    while ndim - 1 - last in dims:
        last += 1
    if last:
        inner = math.prod(shape[ndim - last :])
        rows = x.reshape(-1, inner)
        if inner <= 4 * BLOCK:
            found = np.einsum("ij->i", rows)
        elif inner % BLOCK == 0:
            found = add_reduce(np.einsum("ij->i", x.reshape(-1, BLOCK)).reshape(-1, inner // BLOCK), axis=1)
        else:
            found = add_reduce(rows, axis=1)
        found = found.reshape(shape[: ndim - last])
        return add_reduce(found, axis=tuple(dims[:-last])) if len(dims) > last else found
    if dims == list(range(len(dims))):
        rest = shape[len(dims) :]
        return _columns(x.reshape(math.prod(shape[: len(dims)]), -1)).reshape(rest)
    return add_reduce(x, axis=tuple(dims))


def _columns(x):
    """The sum of a matrix over its rows, by blocks of rows, so that chains of sums stay short."""
    n, width = x.shape
    if n < 64 or not width:
        return add_reduce(x, axis=0)
    if width >= 64 and x.dtype.itemsize > 2:
        together = min(n, ROWS)
        ones = np.ones(together, x.dtype)  # a product with ones is the fastest sum of long rows
        whole = n // together * together
        found = add_reduce(np.matmul(ones, x[:whole].reshape(-1, together, width)), axis=0)
        return found if whole == n else found + ones[: n - whole] @ x[whole:]
    # Row is added to row: so short rows are made longer.
    together = max(math.isqrt(n), min(n // 8, 4 * BLOCK // width))
    whole = n // together * together
    found = add_reduce(add_reduce(x[:whole].reshape(-1, together, width), axis=0), axis=0)
    return found if whole == n else found + add_reduce(x[whole:], axis=0)


def nansum(x, dim, keepdim):
    """The sum of what is not nan."""
    found = sum(x, dim, keepdim)
    if x.dtype.kind in "iub" or not np.isnan(found).any():
        return found
    return sum(np.where(np.isnan(x), np.zeros((), x.dtype), x), dim, keepdim)


def count_nonzero(x, dim):
    return np.count_nonzero(widened(x), axis=dim)


# ---------------------------------------------------------------- products


def prod(x, dim=None, keepdim=False):
    wide = widened(x)
    return in_rows(narrowed(np.multiply.reduce(wide, axis=dim, keepdims=keepdim, dtype=wide.dtype), x.dtype))


def has_zero(x) -> bool:
    return not np.all(x)


def product_of_others(x, dim):
    """For each element the product of all others along `dim` (an int; None: of all others)."""
    if not x.ndim:
        return np.ones((), x.dtype)
    if dim is None:
        return product_of_others(x.reshape(-1), 0).reshape(x.shape)
    ones = np.ones_like(x)
    before, after = (ones.swapaxes(0, dim), ones.copy().swapaxes(0, dim))
    x = x.swapaxes(0, dim)
    np.cumprod(x[:-1], axis=0, out=before[1:])
    np.cumprod(x[:0:-1], axis=0, out=after[-2::-1])
    return (before * after).swapaxes(0, dim)


# ---------------------------------------------------------------- maxima, minima, truth


def amax(x, dim=None, keepdim=False):
    return in_rows(np.maximum.reduce(x, axis=dim, keepdims=keepdim))


def amin(x, dim=None, keepdim=False):
    return in_rows(np.minimum.reduce(x, axis=dim, keepdims=keepdim))


def argmax(x, dim, keepdim):
    """The index of the first largest element; nan counts as the largest. `dim` is an int or None."""
    return np.argmax(widened(x), axis=dim if x.ndim else None, keepdims=keepdim)


def argmin(x, dim, keepdim):
    """The index of the first smallest element; nan counts as the smallest. `dim` is an int or None."""
    return np.argmin(widened(x), axis=dim if x.ndim else None, keepdims=keepdim)


def pick_along(x, index, dim):
    """x's elements at `index` along `dim`, an array of as many dimensions, without checks."""
    if x.ndim == 1:
        return x[index]
    return np.take_along_axis(x, index, dim) if x.ndim else x.copy()


def put_along(g, index, shape, dim):
    """Zeros of `shape` with `g` at `index` along `dim`, no position twice."""
    if not shape:
        return g
    out = np.zeros(shape, g.dtype)
    np.put_along_axis(out, index, g, dim)
    return out


def picked(x, index, dim, keepdim):
    """(x's elements at `index`, the index), both without the dimension of size 1 unless `keepdim`."""
    values = pick_along(x, index, dim)
    if x.ndim and not keepdim:
        return values.squeeze(dim), index.squeeze(dim)
    return values, index


def any(x, dim=None, keepdim=False):
    return in_rows(np.logical_or.reduce(widened(x), axis=dim, keepdims=keepdim))


def all(x, dim=None, keepdim=False):
    return in_rows(np.logical_and.reduce(widened(x), axis=dim, keepdims=keepdim))


# ---------------------------------------------------------------- spread


def variance(x, dim, correction, keepdim):
    """The mean square distance from the mean, of n values divided by ``n - correction``."""
    wide = widened(x)
    count = wide.size if dim is None else math.prod([x.shape[d] for d in dim])
    away = wide - sum(wide, dim, True) / wide.real.dtype.type(count)
    squares = away.real * away.real + away.imag * away.imag if x.dtype.kind == "c" else away * away
    total = sum(squares, dim, keepdim)
    return narrowed(total / total.dtype.type(max(0, count - correction)), x.real.dtype)


# ---------------------------------------------------------------- norms


def vector_norm(x, ord, dim, keepdim):
    """``sum(abs(x) ** ord) ** (1 / ord)``; for inf and -inf the largest and smallest magnitude, for 0 the nonzeros."""
    wide = widened(x)
    real = x.real.dtype
    if ord == 2:
        squares = wide.real * wide.real + wide.imag * wide.imag if x.dtype.kind == "c" else wide * wide
        found = np.sqrt(sum(squares, dim, keepdim))
    elif ord == 0:
        found = np.asarray(np.count_nonzero(wide, axis=dim, keepdims=keepdim)).astype(real)
    else:
        size = np.abs(wide)
        if ord == math.inf:
            found = amax(size, dim, keepdim)
        elif ord == -math.inf:
            found = amin(size, dim, keepdim)
        elif ord == 1:
            found = sum(size, dim, keepdim)
        else:
            found = sum(size**ord, dim, keepdim) ** (1 / ord)
    return narrowed(found, real)
