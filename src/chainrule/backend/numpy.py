"""The door to arrays: the one module that names NumPy's functions for the formulas of operations.

A formula says ``xp.exp(x)``. Run on arrays, `xp` offers the functions of this module; run on Tensors (when a derivative is
itself recorded), the same names are chainrule's own operations. Settings are positional and in the same order in both.
Arrays are `numpy.ndarray`; 0-d values are usually NumPy scalars, which are several times faster.
"""

import math

import numpy as np
from numpy import (
    absolute as abs,
)
from numpy import (
    arccos as acos,
)
from numpy import (
    arccosh as acosh,
)
from numpy import (
    arcsin as asin,
)
from numpy import (
    arcsinh as asinh,
)
from numpy import (
    arctan as atan,
)
from numpy import (
    arctan2 as atan2,
)
from numpy import (
    arctanh as atanh,
)
from numpy import (
    ceil,
    copysign,
    cos,
    cosh,
    exp,
    exp2,
    expm1,
    floor,
    fmax,
    fmin,
    fmod,
    hypot,
    isfinite,
    isinf,
    isnan,
    isposinf,
    isneginf,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    nextafter,
    rint as round,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
    greater,
    less,
    greater_equal,
    less_equal,
    equal,
    not_equal,
    where,
)

ndarray = np.ndarray
add_reduce = np.add.reduce


def accumulation_dtype(dtype):
    """The dtype a reduction or product over `dtype` is computed in: half types accumulate in float32, as PyTorch does."""
    return np.float32 if dtype.itemsize == 2 and dtype.kind in "fV" else None


def is_view(array) -> bool:
    return type(array) is ndarray and array.base is not None


def power(x, y):
    return np.power(x, y)


def power_number(x, exponent):
    """`x` to the power of a Python number, exact for the small ones."""
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if exponent == 1:
        return copy(x)
    if exponent == 0.5:
        return np.sqrt(x)
    if exponent == -1:
        return one(x) / x
    return x**exponent


def conj(x):
    return np.conjugate(x) if x.dtype.kind == "c" else x


def real(x):
    return x.real if x.dtype.kind == "c" else x


def imag(x):
    return x.imag


def cast(x, dtype):
    """`x` with the elements of a chainrule dtype; complex to real drops the imaginary part."""
    target = dtype.numpy_dtype
    if x.dtype is target:
        return x
    if x.dtype.kind == "c" and target.kind not in "cb":
        x = x.real
    return x.astype(target)


def sum(x, dim=None, keepdim=False):
    dtype = x.dtype
    wide = accumulation_dtype(dtype)
    if wide is not None:
        return np.asarray(np.add.reduce(x, axis=dim, keepdims=keepdim, dtype=wide)).astype(x.dtype)
    return add_reduce(x, dim, dtype, None, keepdim)


def prod(x, dim=None, keepdim=False):
    return np.multiply.reduce(x, axis=dim, keepdims=keepdim, dtype=x.dtype)


def amax(x, dim=None, keepdim=False):
    return np.maximum.reduce(x, axis=dim, keepdims=keepdim)


def amin(x, dim=None, keepdim=False):
    return np.minimum.reduce(x, axis=dim, keepdims=keepdim)


def any(x, dim=None, keepdim=False):
    return np.logical_or.reduce(x, axis=dim, keepdims=keepdim)


def all(x, dim=None, keepdim=False):
    return np.logical_and.reduce(x, axis=dim, keepdims=keepdim)


def expand(x, shape):
    """`x` broadcast to `shape`, without copying: ten times as fast as NumPy's broadcast_to on small contiguous arrays."""
    if type(x) is not ndarray:
        x = np.asarray(x)
    have = x.shape
    extra = len(shape) - len(have)
    if not x.flags.c_contiguous or 0 in shape:
        return np.broadcast_to(x, shape)
    strides = (0,) * extra
    if have:
        for size, wanted, stride in zip(have, shape[extra:], x.strides, strict=True):
            if size != wanted and size != 1:
                return np.broadcast_to(x, shape)  # which raises
            strides += (stride if size == wanted else 0,)
    return ndarray(shape, x.dtype, x, 0, strides)


def reshape(x, shape):
    return x.reshape(shape)


def permute(x, dims):
    return x.transpose(dims)


def sum_to(x, shape):
    """`x` summed over the dimensions along which `shape` was broadcast to x's shape."""
    have = x.shape
    extra = len(have) - len(shape)
    dims = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and have[i + extra] != 1
    )
    if dims:
        x = sum(x, dims, True)
    return x.reshape(shape) if extra else x


def matmul(x, y):
    if x.dtype.itemsize == 2:
        wide = accumulation_dtype(x.dtype)
        if wide is not None:
            return np.matmul(x.astype(wide), y.astype(wide)).astype(x.dtype)
    if x.ndim == 2 and y.ndim == 2:
        return x.dot(y)  # the same BLAS call, with a third of the overhead
    return np.matmul(x, y)


def zeros_like(x):
    return np.zeros(x.shape, x.dtype)


def ones_like(x):
    return np.ones(x.shape, x.dtype)


def full_like(x, value):
    return np.full(x.shape, value, x.dtype)


def cat(arrays, dim):
    return np.concatenate(arrays, axis=dim)


def flip(x, dims):
    """`x` with the order of its elements reversed along `dims`, as a fresh array."""
    turn = [slice(None)] * x.ndim
    for d in dims:
        turn[d] = slice(None, None, -1)
    return x[tuple(turn)].copy(order="K")


def copy(x):
    """A fresh array of the same elements and memory order."""
    return x.copy(order="K") if type(x) is ndarray else x


def result_array(x):
    """What an operation's forward returned, as a tensor stores it: an array, or a NumPy scalar of the same dtype."""
    return x if isinstance(x, (ndarray, np.generic)) else np.asarray(x)


_SCALARS: dict = {}
_ZEROS: dict = {}
_ONES: dict = {}


def zero(like):
    """A 0-d zero of the same dtype: cheaper beside an array than a Python number."""
    dtype = like.dtype
    found = _ZEROS.get(dtype)
    if found is None:
        found = _ZEROS[dtype] = np.zeros((), dtype)
    return found


def one(like):
    """A 0-d one of the same dtype."""
    dtype = like.dtype
    found = _ONES.get(dtype)
    if found is None:
        found = _ONES[dtype] = np.ones((), dtype)
    return found


def scalar_array(dtype, value):
    """A 0-d array of a Python number, kept for the next use: converting one costs NumPy more than a small operation."""
    cached = _SCALARS.get(dtype)
    if cached is None:
        cached = _SCALARS[dtype] = {}
    found = cached.get(value)
    if found is None:
        found = np.array(value, dtype)
        if value and value == value:  # 0.0 and -0.0 are one key, nan is never found again
            if len(cached) >= 1024:
                cached.clear()
            cached[value] = found
    return found


def view(x, shape):
    """`x` under another shape, never a copy: ValueError where the strides do not allow it."""
    return x.reshape(shape, copy=False)


def contiguous(x):
    """A fresh array in row-major order."""
    return np.array(x, order="C", copy=True)


def channels_last(x):
    """A fresh array of x's elements with its second dimension innermost in memory."""
    out = np.empty((x.shape[0], *x.shape[2:], x.shape[1]), x.dtype)
    out = out.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))
    out[...] = x
    return out


def is_channels_last(x) -> bool:
    """Whether the second dimension is innermost in memory and the others follow in order; size-1 dimensions do not count."""
    expected = x.itemsize
    for d in (1, *range(x.ndim - 1, 1, -1), 0):
        if x.shape[d] != 1:
            if x.strides[d] != expected:
                return False
            expected *= x.shape[d]
    return True


def diagonal(x, offset, dim1, dim2):
    """The diagonal of the matrices in two dimensions, as the last dimension: a writable view."""
    rows, columns = x.shape[dim1], x.shape[dim2]
    count = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = offset * x.strides[dim2] if offset >= 0 else -offset * x.strides[dim1]
    rest = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    return restride(
        x,
        (*[x.shape[d] for d in rest], count),
        (*[x.strides[d] for d in rest], x.strides[dim1] + x.strides[dim2]),
        start if count else 0,
    )


def place_diagonal(g, shape, offset, dim1, dim2):
    """Zeros of `shape` with `g` on the diagonal."""
    out = np.zeros(shape, g.dtype)
    diagonal(out, offset, dim1, dim2)[...] = g
    return out


def windows(x, dim, size, step):
    """All windows of `size` elements along `dim`, `step` apart, as a new last dimension: a writable view."""
    shape, strides = list(x.shape), list(x.strides)
    shape[dim] = (shape[dim] - size) // step + 1
    moved = strides[dim]
    strides[dim] *= step
    return restride(x, (*shape, size), (*strides, moved))


def add_windows(g, shape, dim, size, step):
    """The transpose of `windows`: zeros of `shape` with every window added in its place."""
    out = np.zeros(shape, g.dtype)
    count = g.shape[dim]
    before = (slice(None),) * dim
    for i in range(size):
        out[(*before, slice(i, i + step * (count - 1) + 1, step))] += g[..., i]
    return out


def place(x, shape, index):
    """Zeros of `shape` with `x` at a basic `index`."""
    out = np.zeros(shape, x.dtype)
    out[index] = x
    return out


def concatenate(arrays, dim):
    """Joins arrays along a dimension; 1-d empty arrays are passed over, as PyTorch's cat does."""
    kept = [a for a in arrays if a.ndim != 1 or a.size or arrays[0].ndim == 1]
    return np.concatenate(kept or arrays, axis=dim)


class Memory:
    """A window on the memory of another array, for NumPy's array interface."""

    def __init__(self, owner, address: int, shape, strides, dtype) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": shape,
            "strides": strides,
            "typestr": dtype.str,
        }


def memory_root(array):
    """The array that owns the memory `array` looks at."""
    while True:
        base = array.base
        if type(base) is Memory and type(base.owner) is ndarray:
            array = base.owner
        elif type(base) is ndarray:
            array = base
        else:
            return array


def restride(x, shape, strides, offset=0):
    """A writable view of x's memory by shape, strides and offset in bytes, from x's first element; unchecked."""
    if 0 in shape:
        return np.lib.stride_tricks.as_strided(x, shape, strides)
    if x.flags.c_contiguous and x.dtype.kind != "V" and x.flags.writeable:
        return ndarray(shape, x.dtype, x, offset, strides)
    start = x.__array_interface__["data"][0] + offset
    return np.asarray(Memory(x, start, shape, strides, np.dtype(f"V{x.itemsize}"))).view(x.dtype)


def as_strided(x, size, stride, offset, x_stride=None):
    """A view by sizes and strides (elements) from `offset` elements after x's first; RuntimeError outside x's memory."""
    root = memory_root(x)
    item = x.itemsize
    low = root.__array_interface__["data"][0]
    start = x.__array_interface__["data"][0] + offset * item - low
    last = 0 if 0 in size else 1
    for n, s in zip(size, stride):
        last += (n - 1) * s if last else 0
    if start < 0 or (last and start + last * item > root.nbytes):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start // item}, and itemsize "
            f"{item} requiring a storage size of {start + last * item} are out of bounds for storage of size "
            f"{root.nbytes}"
        )
    return restride(root, tuple(size), tuple([s * item for s in stride]), start)


def strided_indices(size, stride, offset):
    """The positions in memory, relative to an origin, of every element of a strided tensor."""
    index = np.array(offset, dtype=np.int64)
    for n, s in zip(size, stride, strict=True):
        index = index[..., None] + np.arange(n, dtype=np.int64) * s
    return index


def _cells(shape, strides, size, stride, offset):
    """(memory cell of each element of a strided tensor, of each element of a view of it, how many cells there are)."""
    source = strided_indices(shape, strides, 0)
    target = strided_indices(size, stride, offset)
    ends = [i for part in (source, target) if part.size for i in (int(part.min()), int(part.max()))]
    low, high = (min(ends), max(ends)) if ends else (0, -1)
    return source - low, target - low, high + 1 - low


def as_strided_backward(g, shape, strides, size, stride, offset):
    """The gradient of as_strided for its input: each memory cell's sum, shared among the input elements that lie on it."""
    source, target, count = _cells(shape, strides, size, stride, offset)
    cells = np.zeros(count, g.dtype)
    np.add.at(cells, target.ravel(), np.asarray(g).ravel())
    spread = cells[source]
    shares = np.bincount(source.ravel(), minlength=count)
    if shares.size and shares.max() > 1:
        spread = spread / shares[source].astype(g.real.dtype)
    return spread


def as_strided_gather(x, shape, strides, size, stride, offset):
    """The transpose of `as_strided_backward`: what a view shows of elements that lie in memory as `shape`, `strides` say."""
    source, target, count = _cells(shape, strides, size, stride, offset)
    cells = np.zeros(count, x.dtype)
    shares = np.bincount(source.ravel(), minlength=count)
    np.add.at(cells, source.ravel(), np.asarray(x / shares[source].astype(x.real.dtype)).ravel())
    return cells[target]


def mean(x, dim=None, keepdim=False):
    total = sum(x, dim, keepdim)
    count = reduced_count(x.shape, dim)
    return total / (scalar_array(total.dtype, count) if type(total) is ndarray else count)


def reduced_count(shape, dim) -> int:
    """How many elements a reduction over `dim` combines into one."""
    return math.prod(shape if dim is None else [shape[d] for d in dim])


def keep_reduced(g, shape, dim, keepdim):
    """A reduced array with its reduced dimensions back, of size 1."""
    if keepdim or g.ndim == len(shape):
        return g
    if dim is None:
        return np.reshape(g, (1,) * len(shape))
    return np.reshape(g, tuple(1 if i in dim else n for i, n in enumerate(shape)))


def expand_reduced(g, shape, dim, keepdim):
    """The gradient of a sum: `g` spread over the reduced dimensions, without copying."""
    if not shape:
        return g
    return expand(g if dim is None and not keepdim else keep_reduced(g, shape, dim, keepdim), shape)


def stack_gradients(g, shape, dim):
    """The gradient of unbind: its outputs' gradients side by side, zeros for those that have none."""
    out = None
    for i, part in enumerate(g):
        if part is not None:
            if out is None:
                out = np.zeros(shape, part.dtype)
            out[(slice(None),) * dim + (i,)] = part
    return out


def cat_gradients(g, shape, dim, sizes):
    """The gradient of split: its outputs' gradients one after the other, zeros for those that have none."""
    out = None
    start = 0
    for part, size in zip(g, sizes):
        if part is not None:
            if out is None:
                out = np.zeros(shape, part.dtype)
            out[(slice(None),) * dim + (slice(start, start + size),)] = part
        start += size
    return out


def split_like(g, shapes, dim, needs):
    """Cuts a concatenation's gradient into its inputs' gradients."""
    pieces, start = [], 0
    for shape, need in zip(shapes, needs, strict=True):
        if len(shape) != g.ndim:  # a 1-d empty tensor, which cat passes over
            pieces.append(zeros(shape, g.dtype) if need is not None else None)
            continue
        stop = start + shape[dim]
        pieces.append(g[(slice(None),) * dim + (slice(start, stop),)] if need is not None else None)
        start = stop
    return pieces


def zeros(shape, dtype):
    return np.zeros(shape, dtype)


def cast_back(g, dtype):
    """A gradient in the dtype of the input it belongs to."""
    return cast(g, dtype)


def copy_into(x, y):
    """`y` broadcast to x's shape and cast to its dtype, as a fresh array."""
    out = np.empty_like(x)
    out[...] = y.real if y.dtype.kind == "c" and out.dtype.kind != "c" else y
    return out


def add_at(shape, index, g):
    """Zeros of `shape` with `g` added at an advanced `index`, repeated places as often as they occur."""
    out = np.zeros(shape, g.dtype)
    np.add.at(out, index, g)
    return out


def put_at(x, index, values, accumulate):
    """A copy of `x` with `values` put (or added) at an advanced `index`."""
    out = np.array(x, copy=True)
    if accumulate:
        np.add.at(out, index, values.astype(x.dtype))
    else:
        out[index] = values
    return out


def put_zero(g, index):
    """A copy of `g` with zeros at an advanced `index`."""
    out = np.array(g, copy=True)
    out[index] = 0
    return out
