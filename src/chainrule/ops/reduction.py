"""Operations that combine the elements along dimensions into one: sums, products, extremes, truth, spread."""

from __future__ import annotations

import math
import warnings
from functools import wraps

from .. import dtypes, return_types
from ..modes import local
from ..op import LINEAR, general, method, must_be_tensor, op
from ..tensor import Tensor, _type_word as type_word
from . import elementwise
from .shape import wrap_dim

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero", "max", "mean", "min", "nanmean",
    "nansum", "prod", "std", "std_mean", "sum", "var", "var_mean",
]  # fmt: skip


# ---------------------------------------------------------------- arguments


def dims_argument(dim, ndim: int) -> tuple[int, ...] | None:
    """`dim` (None, an int or several) as a tuple of dimensions counted from the front, or None for all."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    if isinstance(dim, (tuple, list)):
        wrapped = tuple([wrap_dim(d, ndim) for d in dim])
        for d in wrapped:
            if wrapped.count(d) > 1:
                raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        return wrapped if ndim else ()
    one = (wrap_dim(dim, ndim),)
    return one if ndim else ()


class _Every:
    """The default of `dim`: all dimensions, as a call without `dim` has it. PyTorch records None as dimensions."""

    def __repr__(self) -> str:
        return "None"


EVERY = _Every()


def without_dim(function: str, more) -> None:
    """Refuses what a call without `dim` does not take: to keep dimensions, and for some `out`."""
    if more:
        raise TypeError(f"{function}() received an invalid combination of arguments: dim is missing")


def flag(function: str, value, argument: str = "keepdim") -> bool:
    """An argument that must be True or False: ``x.sum(0, 1)`` does not sum over two dimensions."""
    if value is True or value is False:
        return value
    raise TypeError(f"{function}(): argument '{argument}' must be bool, not {type(value).__name__}")


NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(function):
    """Lets a function take NumPy's names of its arguments, ``axis`` and ``keepdims``, as PyTorch's functions do."""

    @wraps(function)
    def call(*args, **named):
        if not named:
            return function(*args)
        return function(*args, **{NUMPY_NAMES.get(name, name): value for name, value in named.items()})

    return call


def called(name: str, doc: str):
    """Names and documents a function that is made for several operations."""

    def give(function):
        function.__name__ = function.__qualname__ = name
        function.__doc__ = doc
        return function

    return give


def array_of(function: str, input):
    """The array of a function's first argument; TypeError if that is no tensor."""
    try:
        return input._array
    except AttributeError:
        raise must_be_tensor(function, "input", 1, input) from None


def accumulated(input, dtype):
    """`input` as sums and products take it: of the dtype asked for, or int64 where it is of integers."""
    if dtype is not None:
        if dtype.category < dtypes.FLOATING and input.requires_grad and local.grad_enabled:
            raise RuntimeError(f"Autograd not support dtype: {dtypes.scalar_name(dtype)}")
        return input.to(dtype)
    return input.to(dtypes.int64) if input._array.dtype.kind in "iub" else input


def not_empty(function: str, array, dims) -> None:
    """IndexError where one of the dimensions, over which there is no result for nothing, has no elements."""
    for d in dims:
        if array.ndim and not array.shape[wrap_dim(d, array.ndim)]:
            raise IndexError(f"{function}(): Expected reduction dim {d} to have non-zero size.")


def no_kernel_for(kernel: str, array, kinds: str) -> None:
    """NotImplementedError, in PyTorch's words, for arrays of these NumPy kinds."""
    if array.dtype.kind in kinds:
        name = dtypes.scalar_name(dtypes.from_numpy_dtype(array.dtype))
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")


# ---------------------------------------------------------------- sums


def _spread(xp, g, x_shape, dim, keepdim):
    return xp.expand_reduced(g, x_shape, dim, keepdim)


def _spread_mean(xp, g, x_shape, dim, keepdim):
    count = xp.reduced_count(x_shape, dim)
    return xp.expand_reduced(g, x_shape, dim, keepdim) / count if count else xp.expand_reduced(g, x_shape, dim, keepdim)


def _whole_and_along(name: str, **record):
    """An operation of all elements, and the same along dimensions: PyTorch's nodes of the two have different names."""
    return op(name, **record), op(f"{name}_dim", node=f"{name.capitalize()}Backward1", public=name, **record)


_sum, _sum_dim = _whole_and_along(
    "sum", kind=LINEAR, forward=lambda xp, x, /, dim, keepdim: xp.sum(x, dim, keepdim), vjp=_spread
)
_mean, _mean_dim = _whole_and_along(
    "mean", kind=LINEAR, forward=lambda xp, x, /, dim, keepdim: xp.mean(x, dim, keepdim), vjp=_spread_mean
)
_nansum = op(
    "nansum",
    forward=lambda xp, x, /, dim, keepdim: xp.nansum(x, dim, keepdim),
    vjp=lambda xp, g, x, dim, keepdim: xp.where(xp.isnan(x), xp.zero(g), xp.expand_reduced(g, x.shape, dim, keepdim)),
)


def _to_average(input, dtype):
    """`input` as means take it: of the dtype asked for; RuntimeError where that leaves integers."""
    if dtype is not None:
        input = input.to(dtype)
    if input._array.dtype.kind in "iub":
        what = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {what} dtype must be either a floating point or complex dtype. "
            f"Got: {dtypes.scalar_name(input.dtype)}"
        )
    return input


def _summing(name: str, whole, along, converted, doc: str):
    """sum or mean; `converted(input, dtype)` is the input in the dtype to sum in, and is asked only if that may be another."""

    @method(name)
    @called(name, doc)
    def summing(input, dim=EVERY, keepdim: bool = False, *, dtype=None, out=None, axis=EVERY, keepdims=None):
        try:
            kind = input._array.dtype.kind
        except AttributeError:
            raise must_be_tensor(name, "input", 1, input) from None
        if dtype is not None or kind in "iub":
            input = converted(input, dtype)
        if keepdims is not None:
            keepdim = keepdims
        if axis is not EVERY:
            dim = axis
        if dim is EVERY:
            if keepdim:
                without_dim(name, keepdim)
            if out is None:
                return whole(input, None, False)
            dim = None
        dims = dims_argument(dim, input._array.ndim)
        flag(name, keepdim)
        return along(input, dims, keepdim) if out is None else general(along.record, (input,), (dims, keepdim), out)

    return summing


sum = _summing(
    "sum",
    _sum,
    _sum_dim,
    accumulated,
    "The sum of all elements, or along `dim` (an int or several); of integers in int64 unless `dtype` is given.",
)
mean = _summing(
    "mean",
    _mean,
    _mean_dim,
    _to_average,
    "The mean of all elements, or along `dim` (an int or several); RuntimeError for integers without a `dtype`.",
)


@method()
@numpy_names
def nansum(input, dim=None, keepdim: bool = False, *, dtype=None, out=None):
    """The sum of the elements that are not nan, of all or along `dim`."""
    if array_of("nansum", input).dtype.kind == "c":
        raise RuntimeError("nansum on CPU does not support complex inputs")
    if dtype is not None and dtype.is_complex:
        raise NotImplementedError(f"\"nansum_cpu\" not implemented for '{dtypes.scalar_name(dtype)}'")
    if dtype is not None and dtype.category < dtypes.FLOATING:
        input = elementwise.where(input.isnan(), 0, input)  # which has no integer
    input = accumulated(input, dtype)
    return general(_nansum.record, (input,), (dims_argument(dim, input._array.ndim), flag("nansum", keepdim)), out)


@method()
@numpy_names
def nanmean(input, dim=None, keepdim: bool = False, *, dtype=None, out=None):
    """The mean of the elements that are not nan, of all or along `dim`."""
    if array_of("nanmean", input).dtype.kind in "iub":
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            + dtypes.scalar_name(input.dtype)
        )
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. "
            f"Got: {dtypes.scalar_name(dtype)}"
        )
    count = sum(~input.detach().isnan(), dim, keepdim)
    return elementwise.div(nansum(input, dim, keepdim, dtype=dtype), count, out=out)


# ---------------------------------------------------------------- products


def _prod_vjp(xp, g, x, out, dim, keepdim):
    if not x.ndim:
        return g
    if dim is None and xp.has_zero(x):
        return xp.reshape(g * xp.conj(xp.product_of_others(xp.reshape(x, (-1,)), 0)), x.shape)
    g = xp.keep_reduced(g, x.shape, dim, keepdim)
    if xp.has_zero(x):
        return g * xp.conj(xp.product_of_others(x, dim[0] if dim else 0))
    return g * xp.conj(xp.keep_reduced(out, x.shape, dim, keepdim) / x)


_prod, _prod_dim = _whole_and_along(
    "prod", forward=lambda xp, x, /, dim, keepdim: xp.prod(x, dim, keepdim), vjp=_prod_vjp
)


@method()
@numpy_names
def prod(input, dim: int | _Every = EVERY, keepdim: bool = False, *, dtype=None, out=None):
    """The product of all elements, or along one dimension. Integers are multiplied in int64 unless `dtype` is given."""
    array = array_of("prod", input)
    input = accumulated(input, dtype)
    if isinstance(dim, _Every):
        if keepdim:
            without_dim("prod", keepdim)
        return general(_prod.record, (input,), (None, False), out)
    dims = dims_argument(wrap_dim(dim, array.ndim), array.ndim)
    return general(_prod_dim.record, (input,), (dims, flag("prod", keepdim)), out)


# ---------------------------------------------------------------- extremes


def evenly(xp, g, x, out, dim, keepdim):
    """The gradient of an extreme value, shared evenly among the elements that have it."""
    there = xp.where(x == xp.keep_reduced(out, x.shape, dim, keepdim), xp.ones_like(x), xp.zero(x))
    return xp.keep_reduced(g, x.shape, dim, keepdim) * there / xp.sum(there, dim, True)


def evenly_or_nan(xp, g, x, out):
    """The same for the one extreme of all elements, where a nan is an extreme like any other."""
    there = xp.where((x == out) | (xp.isnan(x) & xp.isnan(out)), xp.ones_like(x), xp.zero(x))
    return g * there / xp.sum(there, None, False)


def to_index(xp, g, indices, x_shape, dim, keepdim):
    """The gradient of values taken at `indices`: it goes there."""
    indices = xp.keep_reduced(indices, x_shape, (dim,), keepdim)
    return xp.put_along(xp.keep_reduced(g[0], x_shape, (dim,), keepdim), indices, x_shape, dim)


def from_index(xp, t_x, indices, dim, keepdim):
    """The tangents of (values taken at `indices`, the indices)."""
    shape = t_x.shape
    moved = xp.gather(t_x, xp.keep_reduced(indices, shape, (dim,), keepdim), dim)
    return moved if keepdim or not shape else moved.squeeze(dim), None


_put_along = op(
    "put_along",
    kind=LINEAR,
    forward=lambda xp, g, index, /, shape, dim: xp.put_along(g, index, shape, dim),
    vjp=(lambda xp, g, index, dim: xp.gather(g, index, dim), None),
)


def picking(name: str, forward, node: str):
    """An operation with settings (..., dim, keepdim) that takes values along a dimension, and tells their indices."""
    return op(name, forward=forward, vjp=to_index, jvp=from_index, outputs=("values", "indices"), node=node)


_amax = op("amax", forward=lambda xp, x, /, dim, keepdim: xp.amax(x, dim, keepdim), vjp=evenly)
_amin = op("amin", forward=lambda xp, x, /, dim, keepdim: xp.amin(x, dim, keepdim), vjp=evenly)
_max = op("max", forward=lambda xp, x: xp.amax(x), vjp=evenly_or_nan, node="MaxBackward1")
_min = op("min", forward=lambda xp, x: xp.amin(x), vjp=evenly_or_nan, node="MinBackward1")
_max_dim = picking(
    "max_dim",
    lambda xp, x, /, dim, keepdim: (xp.amax(x, dim if x.ndim else (), keepdim), xp.argmax(x, dim, keepdim)),
    "MaxBackward0",
)
_min_dim = picking(
    "min_dim",
    lambda xp, x, /, dim, keepdim: (xp.amin(x, dim if x.ndim else (), keepdim), xp.argmin(x, dim, keepdim)),
    "MinBackward0",
)


def _aminmax_vjp(xp, g, x, min, max, dim, keepdim):
    parts = [
        evenly(xp, part, x, out, dim, keepdim) for part, out in zip(g, (min, max), strict=True) if part is not None
    ]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


_aminmax = op(
    "aminmax",
    forward=lambda xp, x, /, dim, keepdim: (xp.amin(x, dim, keepdim), xp.amax(x, dim, keepdim)),
    vjp=_aminmax_vjp,
    outputs=("min", "max"),
)
_argmax = op("argmax", forward=lambda xp, x, /, dim, keepdim: xp.argmax(x, dim, keepdim))
_argmin = op("argmin", forward=lambda xp, x, /, dim, keepdim: xp.argmin(x, dim, keepdim))


def _some_elements(function: str, array) -> None:
    """RuntimeError where a reduction of all elements, which has no result for nothing, has none."""
    if not array.size:
        raise RuntimeError(
            f"{function}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
            "with the 'dim' argument."
        )


def _extreme(name: str, whole, along, pairwise):
    """max or min: of all elements, along a dimension, or of two tensors."""
    result = getattr(return_types, name)

    @method(name)
    @called(
        name,
        f"The {name}imum of all elements; along `dim`, (values, indices) of the first {name}ima; or of two tensors, "
        f"element by element. A nan is a {name}imum.\n\n"
        "Where it is the one of all elements, ties share its gradient; where it has an index, that element gets it.",
    )
    def extreme(input, dim=EVERY, keepdim: bool = False, *, other=None, out=None, axis=EVERY, keepdims=None):
        array = array_of(name, input)
        if dim is EVERY:
            dim = axis
        if other is None and isinstance(dim, Tensor):
            if keepdim is False:
                other, dim = dim, EVERY
            elif dim._array.ndim or dim._array.dtype.kind not in "iu":
                raise TypeError(f"{name}(): argument 'dim' (position 1) must be int, not Tensor")
            else:  # a dimension, after all
                dim = int(dim)
        if other is not None:
            return pairwise(input, other, out=out)
        if dim is EVERY:
            without_dim(name, keepdim or keepdims)
            no_kernel_for(f"{name}_all", array, "c" if array.size else "")
            _some_elements(name, array)
            return whole(input) if out is None else general(whole.record, (input,), (), out)
        flag(name, keepdim)
        dim = wrap_dim(dim, array.ndim)
        not_empty(name, array, (dim,))
        if array.dtype.kind == "c":
            raise RuntimeError(f"{name}(): does not support complex input")
        return result(general(along.record, (input,), (dim, keepdim if keepdims is None else keepdims), out))

    return extreme


max = _extreme("max", _max, _max_dim, elementwise.maximum)
min = _extreme("min", _min, _min_dim, elementwise.minimum)


def _extremes(name: str, function):
    @method(name)
    @numpy_names
    @called(name, f"The {name[1:]}imum of all elements or along `dim` (an int or several); ties share its gradient.")
    def extremes(input, dim=(), keepdim: bool = False, *, out=None):
        array = array_of(name, input)
        dim = () if dim is None else dim
        not_empty(name, array, dim if isinstance(dim, (tuple, list)) else (dim,))
        flag(name, keepdim)
        dims = dims_argument(dim, array.ndim)
        if dims is None:
            _some_elements(name, array)
        no_kernel_for(f"{'max' if name == 'amax' else 'min'}_values_cpu", array, "c")
        if out is not None and out.dtype is not input.dtype:
            raise RuntimeError(
                "Expected the dtype for input and out to match, but got "
                f"{dtypes.scalar_name(input.dtype)} for input's dtype and {dtypes.scalar_name(out.dtype)} for out's dtype."
            )
        return (
            function(input, dims, keepdim) if out is None else general(function.record, (input,), (dims, keepdim), out)
        )

    return extremes


amax = _extremes("amax", _amax)
amin = _extremes("amin", _amin)


@method()
@numpy_names
def aminmax(input, *, dim: int | None = None, keepdim: bool = False, out=None):
    """(min, max) of all elements or along one dimension; ties share the gradients."""
    array = array_of("aminmax", input)
    if dim is None:
        if not array.size:
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        dims = None
    else:
        dims = dims_argument(wrap_dim(dim, array.ndim), array.ndim)
        if dims and not array.shape[dims[0]]:
            raise IndexError(f"aminmax: Expected reduction dim {dims[0]} to have non-zero size.")
    no_kernel_for("aminmax_cpu", array, "c")
    for part in out or ():
        if part._array.dtype is not array.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {type_word(input)}, but got {type_word(part)} instead"
            )
    return return_types.aminmax(general(_aminmax.record, (input,), (dims, keepdim), out))


def _index_of(name: str, function):
    @method(name)
    @numpy_names
    @called(
        name,
        f"The index of the first {name[3:]}imum, of all elements in a row or along `dim`; nan is one. No gradient.",
    )
    def index_of(input, dim: int | None = None, keepdim: bool = False, *, out=None):
        array = array_of(name, input)
        if array.dtype.kind in "bc":
            raise RuntimeError(f"{name}(): does not support {'bool' if array.dtype.kind == 'b' else 'complex'} input")
        if dim is None:
            if not array.size:
                raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        else:
            dim = wrap_dim(dim, array.ndim)
            not_empty(name, array, (dim,))
        return general(function.record, (input,), (dim, flag(name, keepdim)), out)

    return index_of


argmax = _index_of("argmax", _argmax)
argmin = _index_of("argmin", _argmin)


# ---------------------------------------------------------------- truth


def _truth(name: str, reduce):
    function = op(name, forward=lambda xp, x, /, dim, keepdim: _as_truth(x, reduce(xp, x, dim, keepdim)))

    @method(name)
    @numpy_names
    @called(name, f"Whether {name} of the elements, of all or along `dim`, are nonzero; bool, but uint8 for uint8.")
    def truth(input, dim=None, keepdim: bool = False, *, out=None):
        array = array_of(name, input)
        if out is not None and array.dtype.kind == "u" and out.dtype is dtypes.bool_:
            input = input.to(dtypes.bool_)
        none = isinstance(dim, (tuple, list)) and not dim  # no dimension at all: element by element
        dims = () if none else dims_argument(dim, array.ndim)
        return general(function.record, (input,), (dims, flag(name, keepdim)), out)

    return truth


def _as_truth(x, found):
    return found.astype(x.dtype) if x.dtype.kind == "u" and x.itemsize == 1 else found


all = _truth("all", lambda xp, x, dim, keepdim: xp.all(x, dim, keepdim))
any = _truth("any", lambda xp, x, dim, keepdim: xp.any(x, dim, keepdim))
_count_nonzero = op("count_nonzero", forward=lambda xp, x, /, dim: xp.count_nonzero(x, dim))


@method()
@numpy_names
def count_nonzero(input, dim=None):
    """How many elements are nonzero, of all or along `dim` (an int or several)."""
    return general(_count_nonzero.record, (input,), (dims_argument(dim, array_of("count_nonzero", input).ndim),))


# ---------------------------------------------------------------- spread


def _var_vjp(xp, g, x, dim, correction, keepdim):
    """Of a variance: twice the distance from the mean, over the degrees of freedom."""
    free = xp.reduced_count(x.shape, dim) - correction
    if free <= 0 and (dim is None or not x.ndim):
        zero = xp.zeros_like(x)
        undefined = xp.where(x == xp.mean(x, None, False), zero + xp.number(g, math.nan), zero + xp.number(g, math.inf))
        return xp.expand_reduced(g, x.shape, dim, keepdim) * undefined
    away = x - xp.mean(x, dim, True)
    factor = xp.number(g, 2 / free if free else math.inf)
    return xp.keep_reduced(g, x.shape, dim, keepdim) * factor * away


def _std_vjp(xp, g, x, out, dim, correction, keepdim):
    nothing = out == 0
    spread = xp.where(nothing, xp.one(out), out)  # also where it is not used: its own derivative must be a number
    g = xp.where(nothing, xp.zero(g), g / (spread + spread))
    return _var_vjp(xp, g, x, dim, correction, keepdim)


def _with_mean(xp, spread, g, x, dim, keepdim):
    """The gradients of a spread and of the mean together."""
    if g[1] is None:
        return spread
    mean = _spread_mean(xp, g[1], x.shape, dim, keepdim)
    return mean if spread is None else spread + mean


def _var_mean_vjp(xp, g, x, dim, correction, keepdim):
    spread = None if g[0] is None else _var_vjp(xp, g[0], x, dim, correction, keepdim)
    return _with_mean(xp, spread, g, x, dim, keepdim)


def _std_mean_vjp(xp, g, x, std, dim, correction, keepdim):
    spread = None if g[0] is None else _std_vjp(xp, g[0], x, std, dim, correction, keepdim)
    return _with_mean(xp, spread, g, x, dim, keepdim)


_var = op(
    "var",
    forward=lambda xp, x, /, dim, correction, keepdim: xp.variance(x, dim, correction, keepdim),
    vjp=_var_vjp,
)
_std = op(
    "std",
    forward=lambda xp, x, /, dim, correction, keepdim: xp.sqrt(xp.variance(x, dim, correction, keepdim)),
    vjp=_std_vjp,
)
_var_mean = op(
    "var_mean",
    forward=lambda xp, x, /, dim, correction, keepdim: (
        xp.variance(x, dim, correction, keepdim),
        xp.mean(x, dim, keepdim),
    ),
    vjp=_var_mean_vjp,
    outputs=("var", "mean"),
)
_std_mean = op(
    "std_mean",
    forward=lambda xp, x, /, dim, correction, keepdim: (
        xp.sqrt(xp.variance(x, dim, correction, keepdim)),
        xp.mean(x, dim, keepdim),
    ),
    vjp=_std_mean_vjp,
    outputs=("std", "mean"),
    saved_as={"std": "result0"},
)


def _spread_function(name: str, record, doc: str):
    refusal = f"{'std and var' if '_' not in name else name} only support floating point and complex dtypes"

    @numpy_names
    @called(
        name,
        f"{doc} of all elements or along `dim`.\n\nOf n elements the squares are divided by n - `correction`, which is "
        "1 unless given; `unbiased` False means 0.",
    )
    def spread(input, dim=None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None, out=None):
        array = array_of(name, input)
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None and (correction is not None or (keepdim and dim is None)):
            raise TypeError(
                f"{name}() received an invalid combination of arguments: unbiased with correction or keepdim"
            )
        if array.dtype.kind in "iub":
            raise RuntimeError(refusal)
        if correction is None:
            correction = 1 if unbiased is None else int(flag(name, unbiased, "unbiased"))
        dims = dims_argument(dim, array.ndim)
        if (array.size if dims is None else math.prod([array.shape[d] for d in dims])) <= correction:
            warnings.warn(
                f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
                "(input numel divided by output numel).",
                UserWarning,
                stacklevel=3,
            )
        return general(record, (input,), (dims, correction, flag(name, keepdim)), out)

    return spread


var = method()(_spread_function("var", _var.record, "The variance"))
std = method()(_spread_function("std", _std.record, "The standard deviation"))
var_mean = _spread_function("var_mean", _var_mean.record, "(variance, mean)")
std_mean = _spread_function("std_mean", _std_mean.record, "(standard deviation, mean)")
