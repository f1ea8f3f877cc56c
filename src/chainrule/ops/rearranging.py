"""Copies with elements in other places: flipped, rolled, repeated, triangles and diagonals, and writes into parts."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..inplace import in_place_method
from ..op import GENERAL, LINEAR, general, method, op
from ..tensor import Tensor, wrap
from . import shape as views
from .publishing import by_sample
from .reduction import numpy_names
from .shape import check_diagonal, shape_argument, wrap_dim, wrap_dims

__all__ = [
    "alias_copy", "as_strided_copy", "as_strided_scatter", "detach_copy", "diag", "diag_embed", "diagflat",
    "diagonal_copy", "diagonal_scatter", "expand_copy", "flip", "fliplr", "flipud", "narrow_copy", "permute_copy",
    "repeat_interleave", "roll", "rot90", "select_copy", "select_scatter", "slice_copy", "slice_scatter",
    "split_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy", "tile", "transpose_copy", "tril", "triu",
    "unbind_copy", "unfold_copy", "unsqueeze_copy", "view_copy",
]  # fmt: skip


# ---------------------------------------------------------------- turned, rolled, repeated

_flip = op(
    "flip",
    kind=LINEAR,
    forward=lambda xp, x, /, dims: xp.flip(x, dims),
    vjp=lambda xp, g, dims: xp.flip(g, dims),
)
_roll = op(
    "roll",
    kind=LINEAR,
    forward=lambda xp, x, /, shifts, dims: xp.roll(x, shifts, dims),
    vjp=lambda xp, g, shifts, dims: xp.roll(g, tuple([-s for s in shifts]), dims),
)
_rot90 = op(
    "rot90",
    kind=LINEAR,
    forward=lambda xp, x, /, k, dim0, dim1: xp.rotate(x, k, dim0, dim1),
    vjp=lambda xp, g, k, dim0, dim1: xp.rot90(g, -k, dim0, dim1),
)


def _sum_repeats(xp, g, x_shape, repeats):
    """The gradient of `repeat`: the sum over all copies."""
    shape = (1,) * (len(repeats) - len(x_shape)) + x_shape
    parts = xp.reshape(g, tuple([v for pair in zip(repeats, shape, strict=True) for v in pair]))
    return xp.reshape(xp.sum(parts, tuple(range(0, 2 * len(shape), 2)), False) if shape else parts, x_shape)


_repeat = op(
    "repeat",
    kind=LINEAR,
    forward=lambda xp, x, /, repeats: xp.repeat(x, repeats),
    vjp=lambda xp, g, x_shape, repeats: _sum_repeats(xp, g, x_shape, repeats),
)


def flip(input, dims):
    """`input` with the order of its elements reversed along `dims`: a copy."""
    if dims.__class__ is int:
        raise TypeError("flip(): argument 'dims' (position 2) must be tuple of ints, not int")
    ndim = input._array.ndim
    dims = wrap_dims(shape_argument((dims,), "flip", "dims"), ndim)
    return _flip(input, dims if ndim else ())


@method("flip")
def _flip_method(self, *dims, **named):
    if not dims and not named:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    return flip(self, named["dims"] if named else shape_argument(dims, "flip", "dims"))


@method()
def fliplr(input):
    """`input` with its columns in reverse order: a copy."""
    if input._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _flip(input, (1,))


@method()
def flipud(input):
    """`input` with its rows in reverse order: a copy."""
    if input._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return _flip(input, (0,))


@method("__reversed__")
def _reversed(self):
    return _flip(self, (0,)) if self._array.ndim else self


@method()
def roll(input, shifts, dims=()):
    """`input` with elements moved by `shifts` along `dims` (flattened without them), entering again at the other
    end."""
    ndim = input._array.ndim
    shifts = shape_argument((shifts,), "roll", "shifts")
    dims = shape_argument((dims,), "roll", "dims")
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return _roll(input, shifts, ())
    if len(dims) != len(shifts):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    return _roll(input, shifts, tuple([wrap_dim(d, ndim) for d in dims]))


@method()
def rot90(input, k: int = 1, dims=(0, 1)):
    """`input` turned by `k` quarter turns in the plane of two dimensions, from the first towards the second."""
    ndim = input._array.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    dim0, dim1 = wrap_dim(dims[0], ndim), wrap_dim(dims[1], ndim)
    if dim0 == dim1:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return _rot90(input, k, dim0, dim1)


def _repeat_of(input, repeats):
    shape = input._array.shape
    if len(repeats) < len(shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    sizes = [r * n for r, n in zip(repeats, (1,) * (len(repeats) - len(shape)) + shape, strict=True)]
    for r, n in zip(repeats, sizes, strict=True):
        if r < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n or r}: {sizes}")
    return _repeat(input, repeats)


@method()
def repeat(self, *repeats, **named):
    """The tensor side by side with itself, so many times along each dimension: a copy."""
    if not repeats and not named:
        raise TypeError('repeat() missing 1 required positional arguments: "repeats"')
    return _repeat_of(self, shape_argument((named["repeats"],) if named else repeats, "repeat", "repeats"))


def tile(input, dims):
    """`input` side by side with itself; `dims` may be shorter than its shape, and then counts for the last
    dimensions."""
    dims = shape_argument((dims,), "tile", "dims")
    return _repeat_of(input, (1,) * (input._array.ndim - len(dims)) + dims)


@method("tile")
def _tile_method(self, *dims, **named):
    return tile(self, named["dims"] if named else shape_argument(dims, "tile", "dims"))


def repeat_interleave(
    input, repeats=None, dim: int | None = None, *, axis: int | None = None, output_size: int | None = None
):
    """`input` with each element (or slice along `dim`) repeated in place. Called with repeats alone: the positions."""
    dim = dim if axis is None else axis
    from .indexing import index_select

    if repeats is None:
        return _repeated_positions(input, output_size)
    if not isinstance(repeats, Tensor):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        if dim is None:
            input, dim = views.flatten(input), 0
        shape = input._array.shape
        if not shape:
            input, shape = views.reshape(input, (1,)), (1,)
        dim = wrap_dim(dim, len(shape))
        wanted = (*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :])
        if output_size is not None and output_size != wanted[dim]:
            raise RuntimeError(f"repeat_interleave: Invalid output_size, expected {wanted[dim]} but got {output_size}")
        spread = views.expand(views.unsqueeze(input, dim + 1), (*shape[: dim + 1], repeats, *shape[dim + 1 :]))
        return views.view(views._contiguous_copy(spread), wanted)
    if dim is None:
        input, dim = views.flatten(input), 0
    n = input._array.shape[wrap_dim(dim, input._array.ndim)] if input._array.ndim else 1
    if repeats._array.ndim == 0 or (repeats._array.ndim == 1 and repeats._array.size == 1):
        repeats = views.expand(views.reshape(repeats, (1,)), (n,))
    elif repeats._array.ndim == 1 and repeats._array.size != n:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats._array.size} and input.size({dim}) = {n}"
        )
    return index_select(input, dim, _repeated_positions(repeats, output_size))


Tensor.repeat_interleave = repeat_interleave


@by_sample
def _repeated_positions(repeats, output_size):
    """0 as often as the first number says, 1 as often as the second, and so on."""
    array = repeats._array
    if array.ndim != 1:
        raise RuntimeError(
            "repeats must be 0-dim or 1-dim tensor"
            if array.ndim
            else "repeat_interleave only accept 1D vector as repeat"
        )
    if repeats.dtype not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(
            f"\"repeat_interleave_cpu\" not implemented for '{dtypes.scalar_name(repeats.dtype)}'"
        )
    if array.size and array.min() < 0:
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and output_size != int(array.sum()):
        raise RuntimeError("allocated size does not match required size")
    return wrap(np.repeat(np.arange(array.size, dtype=array.dtype), array))


# ---------------------------------------------------------------- triangles and diagonals

_tril, _triu = (
    op(
        name,
        kind=LINEAR,
        forward=forward,
        vjp=vjp,
    )
    for name, forward, vjp in (
        (
            "tril",
            lambda xp, x, /, diagonal: xp.triangle(x, diagonal, False),
            lambda xp, g, diagonal: xp.tril(g, diagonal),
        ),
        (
            "triu",
            lambda xp, x, /, diagonal: xp.triangle(x, diagonal, True),
            lambda xp, g, diagonal: xp.triu(g, diagonal),
        ),
    )
)
_diagonal_copy = op(
    "diagonal_copy",
    kind=LINEAR,
    forward=lambda xp, x, /, offset, dim1, dim2: xp.contiguous(xp.diagonal(x, offset, dim1, dim2)),
    vjp=lambda xp, g, x_shape, offset, dim1, dim2: xp.diagonal_backward(g, x_shape, offset, dim1, dim2),
    node="DiagonalBackward0_copy",
)


def _embedded_shape(shape, offset, dim1, dim2):
    side = shape[-1] + abs(offset)
    low, high = sorted((dim1, dim2))
    made = list(shape[:-1])
    made.insert(low, side)
    made.insert(high, side)
    return tuple(made)


_diag_embed = op(
    "diag_embed",
    kind=LINEAR,
    forward=lambda xp, x, /, offset, dim1, dim2: xp.place_diagonal(
        x, _embedded_shape(x.shape, offset, dim1, dim2), offset, dim1, dim2
    ),
    vjp=lambda xp, g, offset, dim1, dim2: xp.diagonal(g, offset, dim1, dim2),
)
_fill_diagonal = op(
    "fill_diagonal",
    kind=GENERAL,
    forward=lambda xp, x, /, value, wrap: xp.fill_diagonal(x, value, wrap),
    vjp=lambda xp, g, wrap: xp.fill_diagonal(g, 0, wrap),
)


def _triangle(record, name):
    def function(input, diagonal: int = 0, *, out=None):
        if input._array.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return general(record, (input,), (diagonal,), out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The {'lower' if name == 'tril' else 'upper'} triangle of a matrix (or a batch of them), zeros elsewhere."
    )
    in_place_method(name + "_", function)
    return method()(function)


tril = _triangle(_tril.record, "tril")
triu = _triangle(_triu.record, "triu")


@method()
def diag(input, diagonal: int = 0, *, out=None):
    """The diagonal of a matrix, or a matrix with a vector on its diagonal."""
    ndim = input._array.ndim
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return general((_diag_embed if ndim == 1 else _diagonal_copy).record, (input,), (diagonal, 0, 1), out)


@method()
def diagflat(input, offset: int = 0):
    """A matrix with the elements of `input` on its diagonal."""
    return _diag_embed(views.reshape(input, (-1,)), offset, 0, 1)


@method()
def diag_embed(input, offset: int = 0, dim1: int = -2, dim2: int = -1):
    """Matrices with the last dimension of `input` on their diagonals, in dimensions `dim1` and `dim2`."""
    ndim = input._array.ndim + 1
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if ndim == 1:
        wrap_dim(-2, 1)  # raises: there is no last dimension
    return _diag_embed(input, offset, first, second)


def _with_diagonal(input, fill_value, wrap: bool = False):
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    return _fill_diagonal(input, fill_value, wrap)


_with_diagonal.__name__ = "fill_diagonal"
in_place_method("fill_diagonal_", _with_diagonal)


# ---------------------------------------------------------------- copies with a part replaced


_select_scatter = op(
    "select_scatter",
    kind=LINEAR,
    forward=lambda xp, x, y, /, dim, index: xp.with_part(x, y, lambda a: a[(*views.at_dim(dim, index), ...)]),
    vjp=(
        lambda xp, g, dim, index: xp.select_scatter(g, xp.zeros_like(xp.select(g, dim, index)), dim, index),
        lambda xp, g, dim, index: xp.select(g, dim, index),
    ),
)
_slice_scatter = op(
    "slice_scatter",
    kind=LINEAR,
    forward=lambda xp, x, y, /, dim, start, end, step: xp.with_part(
        x, y, lambda a: a[views.at_dim(dim, slice(start, end, step))]
    ),
    vjp=(
        lambda xp, g, dim, start, end, step: xp.slice_scatter(
            g, xp.zeros_like(xp.slice(g, dim, start, end, step)), dim, start, end, step
        ),
        lambda xp, g, dim, start, end, step: xp.slice(g, dim, start, end, step),
    ),
)
_diagonal_scatter = op(
    "diagonal_scatter",
    kind=LINEAR,
    forward=lambda xp, x, y, /, offset, dim1, dim2: xp.with_part(x, y, lambda a: xp.diagonal(a, offset, dim1, dim2)),
    vjp=(
        lambda xp, g, offset, dim1, dim2: xp.diagonal_scatter(
            g, xp.zeros_like(xp.diagonal(g, offset, dim1, dim2)), offset, dim1, dim2
        ),
        lambda xp, g, offset, dim1, dim2: xp.diagonal(g, offset, dim1, dim2),
    ),
)
_as_strided_scatter = op(
    "as_strided_scatter",
    kind=LINEAR,
    forward=lambda xp, x, y, /, size, stride, offset: xp.with_part(
        xp.contiguous(x), y, lambda a: xp.as_strided(a, size, stride, offset)
    ),
    vjp=(
        lambda xp, g, y_shape, size, stride, offset: xp.as_strided_scatter(
            g, xp.zeros_like(xp.as_strided_gather(g, g.shape, xp.dense_strides(g.shape), size, stride, offset)),
            size, stride, offset,
        ),
        lambda xp, g, size, stride, offset: xp.as_strided_gather(
            g, g.shape, xp.dense_strides(g.shape), size, stride, offset
        ),
    ),
)  # fmt: skip


def _fitting(input, src, shape):
    """`src` in the dtype of `input`; RuntimeError where its shape is not that of the part it replaces."""
    if src._array.shape != shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src._array.shape)}, slice size "
            "= "
            f"{list(shape)}"
        )
    return src.to(input.dtype)


@method()
@numpy_names
def select_scatter(input, src, dim: int, index: int):
    """A copy of `input` with one slice along `dim` replaced by `src`."""
    part = views.select(input.detach(), dim, index)
    dim = wrap_dim(dim, input._array.ndim)
    index = index + input._array.shape[dim] if index < 0 else index
    return _select_scatter(input, _fitting(input, src, part._array.shape), dim, index)


@method()
@numpy_names
def slice_scatter(input, src, dim: int = 0, start=None, end=None, step: int = 1):
    """A copy of `input` with the elements ``start:end:step`` along `dim` replaced by `src`."""
    dim = wrap_dim(dim, input._array.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    start, end, step = _slice_bounds(input._array.shape[dim], start, end, step)
    part = input._array[views.at_dim(dim, slice(start, end, step))]
    return _slice_scatter(input, _fitting(input, src, part.shape), dim, start, end, step)


def _slice_bounds(n: int, start, end, step: int):
    first, last, _ = slice(start, end, step).indices(n)
    return first, max(first, last), step


@method()
def diagonal_scatter(input, src, offset: int = 0, dim1: int = 0, dim2: int = 1):
    """A copy of `input` with a diagonal replaced by `src`."""
    dims = check_diagonal(input._array.ndim, dim1, dim2)
    part = views._diagonal(input.detach(), offset, *dims)
    return _diagonal_scatter(input, _fitting(input, src, part._array.shape), offset, *dims)


@method()
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of `input` with the elements that `as_strided` would show replaced by `src`."""
    size, stride = tuple(size), tuple(stride)
    if not views.is_contiguous(input):
        input = views.contiguous(input)
    offset = 0 if storage_offset is None else storage_offset
    return _as_strided_scatter(input, _fitting(input, src, size), size, stride, offset)


# ---------------------------------------------------------------- copies of views


def _copying(name: str, view, many: bool = False):
    """The function that copies what a view function shows."""

    @numpy_names
    def function(*arguments, out=None, **named):
        from ..inplace import fill_out

        found = view(*arguments, **named)
        if many:
            copies = tuple([views.clone(x, memory_format=views.contiguous_format) for x in found])
            if out is None:
                return copies
            for target, x in zip(out, copies, strict=True):
                fill_out(target, x)
            return None
        made = views.clone(found, memory_format=views.contiguous_format)
        return made if out is None else fill_out(out, made)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"A copy of what :func:`{view.__name__}` returns."
    return function


def _slice_of(input, dim: int = 0, start=None, end=None, step: int = 1):
    dim = wrap_dim(dim, input._array.ndim)
    return views._slice(input, dim, *_slice_bounds(input._array.shape[dim], start, end, step))


_slice_of.__name__ = "slice"


def _split_of(input, split_size: int, dim: int = 0):
    return views.split(input, split_size, dim)


_split_of.__name__ = "split"


def _narrow_to_copy(input, dim: int, start: int, length: int):
    """`narrow` with the errors of `narrow_copy`, which are others in PyTorch."""
    ndim = input._array.ndim
    if ndim and dim >= ndim:
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  (Could this error message be "
            "improved?  If so, please report an enhancement request to PyTorch.)"
        )
    if ndim and length < 0:
        size = input._array.shape[wrap_dim(dim, ndim)]
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return views.narrow(input, dim, start, length)


_narrow_to_copy.__name__ = "narrow"
alias_copy = _copying("alias_copy", views._alias)
as_strided_copy = _copying("as_strided_copy", views.as_strided)
detach_copy = _copying("detach_copy", views.detach)
diagonal_copy = _copying("diagonal_copy", views.diagonal)
expand_copy = _copying("expand_copy", views.expand)
narrow_copy = method("narrow_copy")(_copying("narrow_copy", _narrow_to_copy))
permute_copy = _copying("permute_copy", views.permute)
select_copy = _copying("select_copy", views.select)
slice_copy = _copying("slice_copy", _slice_of)
split_copy = _copying("split_copy", _split_of, many=True)
split_with_sizes_copy = _copying("split_with_sizes_copy", views.split_with_sizes, many=True)
squeeze_copy = _copying("squeeze_copy", views.squeeze)
t_copy = _copying("t_copy", views.t)
transpose_copy = _copying("transpose_copy", views.transpose)
unbind_copy = _copying("unbind_copy", views.unbind, many=True)
unfold_copy = _copying("unfold_copy", views.unfold)
unsqueeze_copy = _copying("unsqueeze_copy", views.unsqueeze)
view_copy = _copying("view_copy", views.view)
