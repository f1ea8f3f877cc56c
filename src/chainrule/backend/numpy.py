"""The door to arrays: the one module that names NumPy's functions for the formulas of operations.

A formula says ``xp.exp(x)``. Run on arrays, `xp` offers the functions of this module; run on Tensors (when a derivative is
itself recorded), the same names are chainrule's own operations. Settings are positional and in the same order in both.
Arrays are `numpy.ndarray`; 0-d values are usually NumPy scalars, which are several times faster.
"""

import math

import numpy as np
from numpy import (
    absolute as abs,
    arccosh as acosh,
    arcsinh as asinh,
    copysign,
    equal,
    fmax,
    fmin,
    fmod,
    frexp,
    gcd,
    greater,
    greater_equal,
    hypot,
    isfinite,
    isinf,
    isnan,
    lcm,
    less,
    less_equal,
    logaddexp2,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    nextafter,
    not_equal,
    signbit,
    sqrt,
    square,
)

from .. import dtypes
from . import elementary, integers
from .choosing import clamp, where
from .cumulative import cummax, cummin, cumprod, cumsum, fits_exponent, logcumsumexp, reversed_cumsum
from .elementary import (
    SINGLE,
    acos,
    asin,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    exp,
    expm1,
    log,
    log1p,
    log2,
    log10,
    sin,
    sinh,
    tan,
    tanh,
)
from .exponentials import log_softmax, log_softmax_backward, logsumexp, softmax, softmax_backward
from .gathering import (
    add_at,
    add_rows,
    along,
    copy_into,
    corner,
    full_index,
    gather_along,
    joint_shape,
    number_like,
    place_masked,
    put_at,
    put_masked,
    scatter_add_along,
    scatter_along,
    scatter_reduce_along,
    select_masked,
    size_of,
    take_at,
)
from .integers import ceil, floor, trunc
from .layout import (
    add_windows,
    as_strided,
    as_strided_backward,
    as_strided_gather,
    cat_gradients,
    channels_last,
    concatenate,
    contiguous,
    dense_strides,
    diagonal,
    diagonal_blocks,
    expand_view,
    fill_diagonal,
    flip,
    in_rows,
    insert_dim,
    is_channels_last,
    memory_root,
    place,
    place_diagonal,
    repeat,
    restride,
    roll,
    rotate,
    slice_view,
    split_like,
    stack_arrays,
    stack_gradients,
    triangle,
    view,
    windows,
    with_part,
)
from .ordering import (
    bincount,
    isin,
    kth,
    median,
    median_index,
    mode_index,
    searchsorted,
    sort,
    topk,
    unique,
    unique_consecutive,
)
from .products import scaled, scaled_sum
from .reductions import (
    accumulation_dtype,
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    count_nonzero,
    has_zero,
    nansum,
    pick_along,
    picked,
    prod,
    product_of_others,
    put_along,
    sum,
    variance,
    vector_norm,
)

ndarray = np.ndarray


def power(x, y):
    return integers.power(x, y) if x.dtype.kind in "iu" else elementary.power(x, y)


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
    if exponent == -2:
        return one(x) / (x * x)
    if exponent == -0.5:
        return one(x) / np.sqrt(x)
    if x.dtype is SINGLE and x.size <= elementary.LARGEST:
        return elementary.small_power(x, exponent)
    return np.power(x, number(x, exponent)) if x.dtype.kind == "V" else x**exponent


def is_complex(x) -> bool:
    return x.dtype.kind == "c"


def sign(x):
    """-1, 0 or 1, and 0 for nan; of complex numbers x / abs(x)."""
    if x.dtype.kind == "b":
        return copy(x)
    found = np.sign(x)
    return found if x.dtype.kind in "iuc" else np.where(found == found, found, zero(x))


def exp2(x):
    return np.exp(x * math.log(2)) if x.dtype.kind == "c" else elementary.exp2(x)


def isclose(x, y, rtol, atol, equal_nan):
    """Where ``abs(x - y) <= atol + rtol * abs(y)``, computed in float64 for integers."""
    if x.dtype.kind in "iub":
        x, y = x.astype(np.float64), y.astype(np.float64)
    close = (x == y) | (np.isfinite(x) & np.isfinite(y) & (np.abs(x - y) <= atol + np.abs(rtol * y)))
    return close | (np.isnan(x) & np.isnan(y)) if equal_nan else close


def sigmoid(x):
    """``1 / (1 + exp(-x))``, in one piece of memory."""
    if not x.ndim:
        return one(x) / (one(x) + exp(-x))
    out = elementary.exp_in_place(np.negative(x))
    np.add(out, one(x), out=out)
    return np.divide(one(x), out, out=out)


def logit(x, eps):
    if eps is not None:
        x = clamp(x, np.array(eps, x.dtype), np.array(1 - eps, x.dtype))
    return log(x / (one(x) - x))


def relu(x):
    return clamp(x, zero(x), None)


def nan_to_num(x, nan, posinf, neginf):
    """`x` with these numbers for nan and infinities; None: 0, and the largest and lowest of the dtype."""
    if x.dtype.kind == "c":
        out = np.empty(x.shape, x.dtype)
        out.real, out.imag = nan_to_num(x.real, nan, posinf, neginf), nan_to_num(x.imag, nan, posinf, neginf)
        return out
    if x.dtype.kind in "iub":
        return copy(x)
    limits = np.finfo(x.dtype) if x.dtype.kind == "f" else dtypes.finfo(dtypes.from_numpy_dtype(x.dtype))
    number = x.dtype.type
    x = np.where(np.isnan(x), number(0 if nan is None else nan), x)
    x = np.where(x == np.inf, number(limits.max if posinf is None else posinf), x)
    return np.where(x == -np.inf, number(limits.min if neginf is None else neginf), x)


def logaddexp(x, y):
    """``log(exp(x) + exp(y))`` without overflow; complex numbers too."""
    if x.dtype.kind != "c":
        return np.logaddexp(x, y)
    larger = x.real >= y.real
    return np.where(larger, x + np.log1p(np.exp(y - x)), y + np.log1p(np.exp(x - y)))


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
    return x.astype(target, "C" if 0 in x.strides else "K")


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
    dims = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and have[i + extra] != 1)
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


def copy(x):
    """A fresh array of the same elements and memory order."""
    return x.copy(order="C" if 0 in x.strides else "K") if type(x) is ndarray else x


def result_array(x):
    """What an operation's forward returned, as a tensor stores it: an array, or a NumPy scalar of the same dtype."""
    return x if isinstance(x, (ndarray, np.generic)) else np.asarray(x)


_SCALARS: dict = {}


_ZEROS: dict = {SINGLE: np.array(0, SINGLE)}
_ONES: dict = {SINGLE: np.array(1, SINGLE)}
_SINGLE_ZERO, _SINGLE_ONE = _ZEROS[SINGLE], _ONES[SINGLE]


def zero(like):
    """A zero of the same dtype: 0-d beside an array, where a Python number is slow; a number beside a NumPy scalar."""
    if type(like) is ndarray and like.dtype is SINGLE:  # the common case, without a search
        return _SINGLE_ZERO
    return _constant(_ZEROS, 0, like)


def one(like):
    """A one of the same dtype, in the form that is fast beside `like`."""
    if type(like) is ndarray and like.dtype is SINGLE:
        return _SINGLE_ONE
    return _constant(_ONES, 1, like)


def _constant(made: dict, value: int, like):
    dtype = like.dtype
    if type(like) is not ndarray and dtype.kind in "fc":
        return value
    found = made.get(dtype)
    if found is None:
        found = made[dtype] = np.array(value, dtype)
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


def number(like, value):
    """A Python number as a 0-d array of the same dtype: a bfloat16 array beside a Python float would become float32."""
    return scalar_array(like.dtype, value)


def mean(x, dim=None, keepdim=False):
    wide = accumulation_dtype(x.dtype)
    if wide is not None:
        return mean(x.astype(wide), dim, keepdim).astype(x.dtype)
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


def zeros(shape, dtype):
    return np.zeros(shape, dtype)
