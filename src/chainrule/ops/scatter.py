"""Reading and writing along one dimension: gather, scatter and its reductions, index_add and its siblings."""

from __future__ import annotations

import warnings

from .. import dtypes
from ..inplace import in_place_anywhere, in_place_method
from ..op import GENERAL, LINEAR, general, method, must_be_tensor, op
from ..tensor import Tensor
from . import shape as views
from .indexing import C_NAMES, check_overlap, checked_number
from .reduction import numpy_names
from .shape import wrap_dim

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_reduce", "scatter", "scatter_add", "scatter_reduce",
]  # fmt: skip


# ---------------------------------------------------------------- the records


def _grow(xp, g, shape):
    """`g` as the first elements, along each dimension, of zeros of `shape`."""
    for d, n in enumerate(shape):
        if g.shape[d] != n:
            g = xp.slice_backward(g, (*g.shape[:d], n, *g.shape[d + 1 :]), d, 0, g.shape[d], 1)
    return g


_gather = op(
    "gather",
    kind=LINEAR,
    forward=lambda xp, x, index, /, dim: xp.gather_along(x, index, dim),
    vjp=(lambda xp, g, x_shape, index, dim: xp.gather_backward(g, index, x_shape, dim), None),
)
_gather_backward = op(
    "gather_backward",
    kind=LINEAR,
    forward=lambda xp, g, index, /, shape, dim: xp.scatter_add_along(xp.zeros(shape, g.dtype), index, g, dim),
    vjp=(lambda xp, g, index, dim: xp.gather(g, index, dim), None),
)
_scatter = op(
    "scatter",
    kind=LINEAR,
    forward=lambda xp, x, index, y, /, dim: xp.scatter_along(x, index, y, dim),
    vjp=(
        lambda xp, g, index, dim: xp.scatter_value(g, index, dim, 0),
        None,
        lambda xp, g, index, y_shape, dim: _grow(xp, xp.gather(g, index, dim), y_shape),
    ),
)
_scatter_value = op(
    "scatter_value",
    kind=GENERAL,
    forward=lambda xp, x, index, /, dim, value: xp.scatter_along(x, index, xp.number_like(x, value), dim),
    vjp=(lambda xp, g, index, dim: xp.scatter_value(g, index, dim, 0), None),
    node="ScatterBackward1",
    public="scatter",
)
_scatter_add = op(
    "scatter_add",
    kind=LINEAR,
    forward=lambda xp, x, index, y, /, dim: xp.scatter_add_along(x, index, y, dim),
    vjp=(
        lambda xp, g: g,
        None,
        lambda xp, g, index, y_shape, dim: _grow(xp, xp.gather(g, index, dim), y_shape),
    ),
)


def _reduce_gradients(xp, g, x, index, y, out, dim, reduce, include_self, refusal):
    """The gradients of a scattered reduction for what was there and for what was written into it."""
    y_shape = y.shape
    if reduce == "sum":
        own = g if include_self else xp.scatter_value(g, index, dim, 0)
        return [own, None, _grow(xp, xp.gather(g, index, dim), y_shape)]
    y = _corner(xp, y, index.shape)
    if reduce == "mean":
        ones = xp.ones_like(y)
        count = xp.ones_like(x) if include_self else xp.zeros_like(x)
        count = xp.scatter_add(count, index, ones, dim)
        share = g / xp.where(count == xp.zero(count), xp.one(count), count)
        own = share if include_self else xp.scatter_value(g, index, dim, 0)
        return [own, None, _grow(xp, xp.gather(share, index, dim), y_shape)]
    if reduce == "prod":
        own, written = _product_gradients(xp, g, x, index, y, out, dim, include_self, refusal)
        return [own, None, _grow(xp, written, y_shape)]
    zero, one = xp.zero(x), xp.one(x)
    mine = xp.where(x == out, xp.ones_like(x), xp.zeros_like(x))
    if not include_self:
        mine = xp.scatter_value(mine, index, dim, 0)
    theirs = xp.where(y == xp.gather(out, index, dim), xp.ones_like(y), xp.zeros_like(y))
    ties = xp.scatter_add(mine, index, theirs, dim)
    share = g / xp.where(ties == zero, one, ties)
    own = mine * share
    if not include_self:  # what was not written to is passed on as it is
        written = xp.scatter_value(xp.zeros_like(x), index, dim, 1)
        own = xp.where(written == one, zero, g)
    return [own, None, _grow(xp, theirs * xp.gather(share, index, dim), y_shape)]


def _corner(xp, y, shape):
    for d, n in enumerate(shape):
        if y.shape[d] != n:
            y = xp.slice(y, d, 0, n, 1)
    return y


def _product_gradients(xp, g, x, index, y, out, dim, include_self, refusal):
    """Each factor's gradient is `g` times the product of the others.

    That product is found by leaving out the factor where it is zero and by dividing by it elsewhere. Two zeros among
    the factors `y` of one product make it zero, which is right; but so written, its derivative is not."""
    zero, one = xp.zero(x), xp.one(x)
    start = x if include_self else xp.scatter_value(x, index, dim, 1)
    divisor = xp.where(start == zero, one, start)
    own = g * xp.scatter_reduce(divisor, index, y, dim, "prod", True) / divisor
    if not include_self:
        written = xp.scatter_value(xp.zeros_like(x), index, dim, 1)
        own = xp.where(written == one, zero, g)
    is_zero = xp.where(y == zero, one, zero)
    zeros = xp.gather(xp.scatter_add(xp.zeros_like(x), index, is_zero, dim), index, dim)
    factors = xp.where(y == zero, one, y)
    without = xp.gather(g * xp.scatter_reduce(start, index, factors, dim, "prod", True), index, dim)
    theirs = xp.where((zeros == one) & (is_zero == one), without, xp.gather(g * out, index, dim) / factors)
    return own, xp.scatter_product_gradient(theirs, zeros, refusal)


def _check_zeros(xp, g, zeros, refusal):
    if xp.has_zero(xp.where(zeros > xp.one(zeros), xp.zero(zeros), xp.one(zeros))):
        raise RuntimeError(refusal)
    return g


op(
    "scatter_product_gradient",
    kind=GENERAL,
    forward=lambda xp, x, zeros, /, refusal: x,
    vjp=(_check_zeros, None),
)


def _scattered_reduction(name: str, source: str):
    refusal = (
        f"{name}(): Double backward is unsupported for {source} when >1 zeros in {source} are scattered to the same "
        "position in self"
    )
    return op(
        name,
        kind=GENERAL,
        forward=lambda xp, x, index, y, /, dim, reduce, include_self: xp.scatter_reduce_along(
            x, index, y, dim, reduce, include_self
        ),
        vjp=lambda xp, g, x, index, y, out, dim, reduce, include_self: _reduce_gradients(
            xp, g, x, index, y, out, dim, reduce, include_self, refusal
        ),
    )


_scatter_reduce = _scattered_reduction("scatter_reduce", "src")
_index_reduce = _scattered_reduction("index_reduce", "source")


_index_add = op(
    "index_add",
    kind=LINEAR,
    forward=lambda xp, x, index, y, /, dim, alpha: xp.put_at(
        x, y if alpha == 1 else y * xp.number_like(y, alpha), (index,), (dim,), True
    ),
    vjp=(
        lambda xp, g: g,
        None,
        # y is saved though the formula does without, so that writes to it are noticed
        lambda xp, g, index, y, dim, alpha: (
            xp.index_select(g, index, dim) if alpha == 1 else xp.index_select(g, index, dim) * alpha.conjugate()
        ),
    ),
)
_index_copy = op(
    "index_copy",
    kind=LINEAR,
    forward=lambda xp, x, index, y, /, dim: xp.put_at(x, y, (index,), (dim,), False),
    vjp=(
        lambda xp, g, index, dim: xp.index_fill(g, index, dim, 0),
        None,
        lambda xp, g, index, y, dim: xp.index_select(g, index, dim),
    ),
)
_index_fill = op(
    "index_fill",
    kind=GENERAL,
    forward=lambda xp, x, index, /, dim, value: xp.put_at(x, xp.number_like(x, value), (index,), (dim,), False),
    vjp=(lambda xp, g, index, dim: xp.index_fill(g, index, dim, 0), None),
)


def _sum_of_slices(xp, g, index, dim):
    """The sum of the slices that `index` names, each once."""
    named = xp.index_fill(xp.zeros_like(g), index, dim, 1)
    return xp.sum(xp.where(named == xp.one(named), g, xp.zero(g)), None, False)


_index_fill_tensor = op(
    "index_fill_tensor",
    kind=LINEAR,
    forward=lambda xp, x, index, y, /, dim: xp.put_at(x, y, (index,), (dim,), False),
    vjp=(
        lambda xp, g, index, dim: xp.index_fill(g, index, dim, 0),
        None,
        lambda xp, g, index, dim: _sum_of_slices(xp, g, index, dim),
    ),
    node="IndexFillBackward1",
    public="index_fill",
)


# ---------------------------------------------------------------- gather and scatter


def _check_index(function: str, input, dim: int, index, src=None) -> None:
    """Refuses, in PyTorch's words, an index that does not fit; `src`: what is to be written, a Tensor or None."""
    if not isinstance(index, Tensor):
        raise must_be_tensor(function, "index", 3, index)
    own, places = input._array.shape, index._array.shape
    if not index._array.size:
        return
    if index.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(f"{function}(): Expected dtype int32/int64 for index")
    if src is not None and src._array.dtype is not input._array.dtype:
        raise RuntimeError(f"{function}(): Expected self.dtype to be equal to src.dtype")
    if max(len(own), 1) != max(len(places), 1):
        what = "input" if function == "gather" else "self"
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {what} tensor")
    if src is not None and max(len(src._array.shape), 1) != max(len(places), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    own, places = own or (1,), places or (1,)
    source = None if src is None else src._array.shape or (1,)
    for d, n in enumerate(places):
        if function == "gather":
            if d != dim and n > own[d]:
                raise RuntimeError(
                    f"Size does not match at dimension {d} expected index {list(places)} to be no larger than self "
                    f"{list(own)} apart from dimension {dim}"
                )
        elif (d != dim and n > own[d]) or (source is not None and n > source[d]):
            more = "" if source is None else f" and to be no larger size than src {list(source)}"
            raise RuntimeError(
                f"Expected index {list(places)} to be no larger than self {list(own)} apart from dimension {dim}{more}"
            )
    check_bounds(index, dim, own[dim])


def _word(dtype) -> str:
    return C_NAMES.get(dtype.name, dtype.name)


def check_bounds(index, dim: int, n: int, error=RuntimeError, function: str = "") -> None:
    """Refuses positions that are negative or not below `n`."""
    array = index._array
    if array.size and (array.min() < 0 or array.max() >= n):
        bad = array[(array < 0) | (array >= n)].flat[0]
        raise error(f"{function}index {bad} is out of bounds for dimension {dim} with size {n}")


@method()
def gather(input, dim: int, index, *, sparse_grad: bool = False, out=None):
    """The elements of `input` at the positions `index` along `dim`; the result has the shape of `index`. `sparse_grad`
    makes the gradient a sparse tensor."""
    dim = wrap_dim(dim, input._array.ndim)
    _check_index("gather", input, dim, index)
    if out is not None:
        if out.dtype is not input.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {_word(input.dtype)}, but got {_word(out.dtype)} instead"
            )
        check_overlap(out, input, index)
    elif sparse_grad and input.requires_grad:
        from ..sparse.gradients import gather as with_sparse_gradient

        return with_sparse_gradient(input, dim, index)
    return general(_gather.record, (input, index), (dim,), out)


@numpy_names
def scatter(input, dim: int, index, src=None, *, value=None, reduce: str | None = None, out=None):
    """A copy of `input` with elements of `src` (or a number) written to the positions `index` along `dim`."""
    dim = wrap_dim(dim, input._array.ndim)
    if src is None:
        src = value
    if reduce is not None:
        return _reduced_scatter(input, dim, index, src, reduce, out)
    if isinstance(src, Tensor):
        _check_index("scatter", input, dim, index, src)
        return general(_scatter.record, (input, index, src), (dim,), out)
    _check_index("scatter", input, dim, index)
    return general(_scatter_value.record, (input, index), (dim, checked_number(src, input.dtype).item()), out)


def _reduced_scatter(input, dim, index, src, reduce, out):
    if isinstance(src, Tensor):
        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
            "PyTorch "
            "release. Use torch.scatter_reduce instead for more reduction options.",
            UserWarning,
            stacklevel=4,
        )
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if not isinstance(src, Tensor):
        from .creation import full

        src = full(index._array.shape, src, dtype=input.dtype)
    _check_index("scatter", input, dim, index, src)
    if reduce == "add":
        return general(_scatter_add.record, (input, index, src), (dim,), out)
    return general(_scatter_reduce.record, (input, index, src), (dim, "prod", True), out)


Tensor.scatter = scatter
in_place_method("scatter_", scatter)


@method()
@numpy_names
def scatter_add(input, dim: int, index, src, *, out=None):
    """A copy of `input` with elements of `src` added at the positions `index` along `dim`."""
    if not isinstance(src, Tensor):
        raise must_be_tensor("scatter_add", "src", 3, src)
    dim = wrap_dim(dim, input._array.ndim)
    _check_index("scatter", input, dim, index, src)
    return general(_scatter_add.record, (input, index, src), (dim,), out)


in_place_method("scatter_add_", scatter_add)


@method()
@numpy_names
def scatter_reduce(input, dim: int, index, src, reduce: str, *, include_self: bool = True, out=None):
    """A copy of `input` with elements of `src` combined into it at the positions `index` along `dim`.

    `reduce` is "sum", "prod", "mean", "amax" or "amin"; without `include_self`, overwritten elements do not count."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim = wrap_dim(dim, input._array.ndim)
    _check_index("scatter", input, dim, index, src)
    return general(_scatter_reduce.record, (input, index, src), (dim, reduce, include_self), out)


in_place_method("scatter_reduce_", scatter_reduce)


# ---------------------------------------------------------------- whole slices at positions along a dimension


def _as_vector(input, index, source=None):
    """The arguments of an operation on slices as its batches, or its arrays, want them."""
    if not index._array.ndim:
        index = views.view(index, 1)
    if input._array.ndim:
        return input, index, source if source is None or source._array.ndim else views.view(source, 1)
    if any(x is not None and x._extra is not None and x._extra.special for x in (input, index, source)):
        return views.view(input, 1), index, None if source is None else views.reshape(source, (-1,))
    return input, index, source if source is None or not source._array.ndim else views.view(source, ())


def _shaped_like(result, input):
    return result if result._array.ndim == input._array.ndim else views.view(result, ())


def _check_slices(function: str, input, dim: int, index, source) -> None:
    own, given = input._array.shape, source._array.shape
    if index._array.ndim > 1:
        raise IndexError(f"{function}(): Index is supposed to be a vector, but got dim: {index._array.ndim}")
    if index.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(
            f"{function}(): Expected dtype int32/int64 for index but got: {dtypes.scalar_name(index.dtype)}"
        )
    if input._array.dtype is not source._array.dtype:
        raise RuntimeError(
            f"{function}(): self ({dtypes.scalar_name(input.dtype)}) and source ({dtypes.scalar_name(source.dtype)}) "
            "must have "
            "the same scalar type"
        )
    count = index._array.size
    have = given[dim] if given else 1
    if count != have:
        raise RuntimeError(
            f"{function}(): Number of indices ({count}) should be equal to source.size(dim): ({have}), for dim: {dim}"
        )
    slices = own != given if not (own and given) else (*given[:dim], *given[dim + 1 :]) != (*own[:dim], *own[dim + 1 :])
    if slices:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(own)} source.shape = {list(given)}"
        )
    check_bounds(index, dim, own[dim] if own else 1)


@method()
@numpy_names
def index_add(input, dim: int, index, source, *, alpha=1, out=None):
    """A copy of `input` with `alpha` times the slices of `source` added at the positions `index` along `dim`."""
    dim = wrap_dim(dim, input._array.ndim)
    _check_slices("index_add_", input, dim, index, source)
    wide, index, source = _as_vector(input, index, source)
    return _shaped_like(general(_index_add.record, (wide, index, source), (dim, alpha), out), input)


in_place_method("index_add_", index_add)


@method()
@numpy_names
def index_copy(input, dim: int, index, source, *, out=None):
    """A copy of `input` with the slices of `source` written to the positions `index` along `dim`."""
    dim = wrap_dim(dim, input._array.ndim)
    own, given = input._array.shape, source._array.shape
    count = index._array.size
    if index._array.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index._array.ndim})")
    if not given and count != 1:
        raise IndexError(f"index_copy_(): When source is scalar, index should have one element (got {count})")
    if given and own and len(given) != len(own):
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({len(given)}), destination dimensionality ({len(own)})"
        )
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            "index_copy_(): Expected a long tensor for index, but got " + dtypes.scalar_name(index.dtype)
        )
    if input._array.dtype is not source._array.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{dtypes.scalar_name(input.dtype)} and (source) {dtypes.scalar_name(source.dtype)}"
        )
    rest = (*own[:dim], *own[dim + 1 :])
    given_rest = (*given[:dim], *given[dim + 1 :])
    if given_rest != rest:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, rest))} at dimension {dim} and source slice shape: {' '.join(map(str, given_rest))} at "
            "dimension 0."
        )
    if given and count != given[dim]:
        raise IndexError(
            f"index_copy_(): Number of indices ({count}) should be equal to source.size(dim) ({given[dim]})"
        )
    check_bounds(index, dim, own[dim] if own else 1, IndexError, "index_copy_(): ")
    wide, index, source = _as_vector(input, index, source)
    return _shaped_like(general(_index_copy.record, (wide, index, source), (dim,), out), input)


in_place_method("index_copy_", index_copy)


@method()
@numpy_names
def index_fill(input, dim: int, index, value):
    """A copy of `input` with `value` (a number or a 0-d tensor) in the slices at the positions `index` along `dim`."""
    dim = wrap_dim(dim, input._array.ndim)
    if index.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index._array.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    n = input._array.shape[dim] if input._array.ndim else 1
    array = index._array
    if array.size and (array.min() < -n or array.max() >= n):
        bad = array[(array < -n) | (array >= n)].flat[0]
        raise IndexError(f"index {bad} is out of bounds for dimension {dim} with size {n}")
    wide, index, _ = _as_vector(input, index)
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value._array.ndim} "
                "dimension(s)."
            )
        return _shaped_like(_index_fill_tensor(wide, index, value.to(input.dtype), dim), input)
    if isinstance(value, complex) and not input.is_complex():
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    return _shaped_like(_index_fill(wide, index, dim, checked_number(value, input.dtype).item()), input)


@method()
def index_fill_(self, dim: int, index, value):
    """In-place version of :func:`index_fill`."""
    return in_place_anywhere(index_fill, self, dim, index, value)


@method()
@numpy_names
def index_reduce(input, dim: int, index, source, reduce: str, *, include_self: bool = True, out=None):
    """A copy of `input` with the slices of `source` combined into it at the positions `index` along `dim`.

    `reduce` is "prod", "mean", "amax" or "amin"; without `include_self` the overwritten elements do not count."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    warnings.warn("index_reduce() is in beta and the API may change at any time.", UserWarning, stacklevel=2)
    dim = wrap_dim(dim, input._array.ndim)
    _check_slices("index_reduce", input, dim, index, source)
    wide, index, source = _as_vector(input, index, source)
    shape = source._array.shape
    spread = views.expand(views.view(index, [-1 if d == dim else 1 for d in range(len(shape))]), shape)
    return _shaped_like(general(_index_reduce.record, (wide, spread, source), (dim, reduce, include_self), out), input)


in_place_method("index_reduce_", index_reduce)
