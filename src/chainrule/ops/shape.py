"""Views: the same memory under another shape, other strides or an offset; and what a tensor says of its layout."""

from __future__ import annotations

import warnings
from operator import index as as_index

import numpy as np

from .. import dtypes, graph_errors
from ..backend import numpy as backend
from ..inplace import address, detach_in_place, offset_in_memory
from ..modes import local
from ..op import GENERAL, LINEAR, VIEW, general, method, must_be_tensor, op
from ..size import Size, channels_last, channels_last_3d, contiguous_format, preserve_format
from ..tensor import Tensor, memory, own_extra, version_counter, wrap

__all__ = [
    "adjoint", "as_strided", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors",
    "broadcast_to", "chunk", "clone", "detach", "detach_", "diagonal", "dsplit", "flatten", "hsplit", "moveaxis",
    "movedim", "narrow", "permute", "ravel", "reshape", "select", "split", "split_with_sizes", "squeeze",
    "swapaxes", "swapdims", "t", "tensor_split", "transpose", "unbind", "unflatten", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "unsqueeze", "vsplit",
]  # fmt: skip


# ---------------------------------------------------------------- arguments


def wrap_dim(dim: int, ndim: int) -> int:
    """`dim` counted from the front; IndexError, in PyTorch's words, when it is out of range."""
    count = ndim or 1
    if dim.__class__ is not int:
        if dim.__class__ is bool:
            raise TypeError("argument 'dim' must be int, not bool")
        dim = as_index(dim)
    if not -count <= dim < count:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})")
    return dim + count if dim < 0 else dim


def wrap_dims(dims, ndim: int) -> tuple[int, ...]:
    """Several dimensions counted from the front; RuntimeError where one occurs twice."""
    wrapped = tuple([wrap_dim(d, ndim) for d in ((dims,) if isinstance(dims, int) else dims)])
    for d in wrapped:
        if wrapped.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return wrapped


def must_be_int(function: str, argument: str, position: int, value) -> TypeError:
    return TypeError(
        f"{function}(): argument '{argument}' (position {position}) must be int, not {type(value).__name__}"
    )


def shape_argument(sizes, function: str = "size", argument: str = "size") -> tuple[int, ...]:
    """Sizes given one by one or as one sequence; TypeError, naming `function`, for what is not an integer."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    for n in sizes:
        if n.__class__ is not int:
            return _indices(sizes, function, argument)
    return tuple(sizes)


def _indices(sizes, function, argument) -> tuple[int, ...]:
    made = []
    for i, n in enumerate(sizes):
        if isinstance(n, (bool, np.bool_)) or not hasattr(n, "__index__"):
            raise TypeError(
                f"{function}(): argument '{argument}' (position 1) must be tuple of ints, but found element of type "
                f"{type(n).__name__} at pos {i}"
            )
        made.append(as_index(n))
    return tuple(made)


def infer_shape(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """`shape` with its -1 replaced; RuntimeError, in PyTorch's words, when it does not fit `numel`."""
    known, hole = 1, None
    for i, n in enumerate(shape):
        if n == -1:
            if hole is not None:
                raise RuntimeError("only one dimension can be inferred")
            hole = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
        else:
            known *= n
    if hole is None:
        if known == numel:
            return shape
    elif known == 0:
        if numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size "
                "-1 "
                "can be any value and is ambiguous"
            )
    elif numel % known == 0:
        return (*shape[:hole], numel // known, *shape[hole + 1 :])
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")


def type_name(tensor: Tensor) -> str:
    """The name of the tensor's legacy type, e.g. ``torch.FloatTensor``."""
    return f"torch.{dtypes.scalar_name(tensor.dtype)}Tensor"


# ---------------------------------------------------------------- the records


def at_dim(dim: int, item) -> tuple:
    """The basic index that applies `item` to dimension `dim`."""
    return (slice(None),) * dim + (item,)


_view = op(
    "view",
    kind=VIEW,
    forward=lambda xp, x, /, shape: xp.view(x, shape),
    vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
)
_unsafe_view = op(
    "unsafe_view",
    kind=LINEAR,
    forward=lambda xp, x, /, shape: xp.view(x, shape),
    vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
)
_transpose = op(
    "transpose",
    kind=VIEW,
    forward=lambda xp, x, /, dim0, dim1: x.swapaxes(dim0, dim1),
    vjp=lambda xp, g, dim0, dim1: g.swapaxes(dim0, dim1),
)
_t = op("t", kind=VIEW, forward=lambda xp, x: x.T, vjp=lambda xp, g: g.T if g.ndim == 2 else g)
_permute = op(
    "permute",
    kind=VIEW,
    forward=lambda xp, x, /, dims: x.transpose(dims),
    vjp=lambda xp, g, dims: xp.permute(g, tuple([dims.index(d) for d in range(len(dims))])),
)
_expand = op(
    "expand",
    kind=VIEW,
    forward=lambda xp, x, /, shape: xp.expand_view(x, shape),
    vjp=lambda xp, g, x_shape: xp.sum_to(g, x_shape),
)
_select = op(
    "select",
    kind=VIEW,
    forward=lambda xp, x, /, dim, index: x[(slice(None),) * dim + (index, ...)] if dim else x[index, ...],
    vjp=lambda xp, g, x_shape, dim, index: xp.select_backward(g, x_shape, dim, index),
)
_slice = op(
    "slice",
    kind=VIEW,
    forward=lambda xp, x, /, dim, start, end, step: xp.slice_view(x, dim, start, end, step),
    vjp=lambda xp, g, x_shape, dim, start, end, step: xp.slice_backward(g, x_shape, dim, start, end, step),
)
_unsqueeze = op(
    "unsqueeze",
    kind=VIEW,
    forward=lambda xp, x, /, dim: xp.insert_dim(x, dim),
    vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
)
_squeeze, _squeeze_dim, _squeeze_dims = (
    op(
        name,
        kind=VIEW,
        forward=lambda xp, x, /, dims: x.squeeze(dims),
        vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
        node=node,
    )
    for name, node in (
        ("squeeze", "SqueezeBackward0"),
        ("squeeze_dim", "SqueezeBackward1"),
        ("squeeze_dims", "SqueezeBackward2"),
    )
)
_alias = op("alias", kind=VIEW, forward=lambda xp, x: x.view(), vjp=lambda xp, g: g)
_diagonal = op(
    "diagonal",
    kind=VIEW,
    forward=lambda xp, x, /, offset, dim1, dim2: xp.diagonal(x, offset, dim1, dim2),
    vjp=lambda xp, g, x_shape, offset, dim1, dim2: xp.diagonal_backward(g, x_shape, offset, dim1, dim2),
)
_unfold = op(
    "unfold",
    kind=VIEW,
    forward=lambda xp, x, /, dim, size, step: xp.windows(x, dim, size, step),
    vjp=lambda xp, g, x_shape, dim, size, step: xp.unfold_backward(g, x_shape, dim, size, step),
)
_as_strided = op(
    "as_strided",
    kind=VIEW,
    forward=lambda xp, x, /, size, stride, offset, x_stride: xp.as_strided(x, size, stride, offset),
    vjp=lambda xp, g, x_shape, size, stride, offset, x_stride: xp.as_strided_backward(
        g, x_shape, x_stride, size, stride, offset
    ),
)


def _as_list(g):
    """The gradients of an operation with a varying number of outputs: a lone one comes without a list."""
    return g if isinstance(g, (list, tuple)) else [g]


_unbind = op(
    "unbind",
    kind=VIEW,
    outputs=("*",),
    forward=lambda xp, x, /, dim: [x[(*at_dim(dim, i), ...)] for i in range(x.shape[dim])],
    vjp=lambda xp, g, x_shape, dim: xp.stack_gradients(_as_list(g), x_shape, dim),
)


def _cut(x, sizes, dim):
    parts, start = [], 0
    for n in sizes:
        parts.append(x[at_dim(dim, slice(start, start + n))])
        start += n
    return parts


_split, _split_with_sizes, _unsafe_split, _unsafe_split_with_sizes = (
    op(
        name,
        kind=kind,
        outputs=("*",),
        forward=(lambda xp, x, /, sizes, dim: _cut(x, sizes, dim))
        if kind == VIEW
        else (lambda xp, x, /, sizes, dim: [xp.copy(part) for part in _cut(x, sizes, dim)]),
        vjp=lambda xp, g, x_shape, sizes, dim: xp.cat_gradients(_as_list(g), x_shape, dim, sizes),
    )
    for name, kind in (
        ("split", VIEW),
        ("split_with_sizes", VIEW),
        ("unsafe_split", LINEAR),
        ("unsafe_split_with_sizes", LINEAR),
    )
)

# The transposes of views, operations of their own so that they have derivatives too.
_select_backward = op(
    "select_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, dim, index: xp.place(g, shape, at_dim(dim, index)),
    vjp=lambda xp, g, dim, index: xp.select(g, dim, index),
)
_slice_backward = op(
    "slice_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, dim, start, end, step: xp.place(g, shape, at_dim(dim, slice(start, end, step))),
    vjp=lambda xp, g, dim, start, end, step: xp.slice(g, dim, start, end, step),
)
_diagonal_backward = op(
    "diagonal_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, offset, dim1, dim2: xp.place_diagonal(g, shape, offset, dim1, dim2),
    vjp=lambda xp, g, offset, dim1, dim2: xp.diagonal(g, offset, dim1, dim2),
)
_unfold_backward = op(
    "unfold_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, dim, size, step: xp.add_windows(g, shape, dim, size, step),
    vjp=lambda xp, g, dim, size, step: xp.unfold(g, dim, size, step),
)
_as_strided_backward = op(
    "as_strided_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, strides, size, stride, offset: xp.as_strided_backward(
        g, shape, strides, size, stride, offset
    ),
    vjp=lambda xp, g, shape, strides, size, stride, offset: xp.as_strided_gather(
        g, shape, strides, size, stride, offset
    ),
)
_as_strided_gather = op(
    "as_strided_gather",
    kind=LINEAR,
    forward=lambda xp, x, /, shape, strides, size, stride, offset: xp.as_strided_gather(
        x, shape, strides, size, stride, offset
    ),
    vjp=lambda xp, g, shape, strides, size, stride, offset: xp.as_strided_backward(
        g, shape, strides, size, stride, offset
    ),
)


# ---------------------------------------------------------------- another shape


@method()
def view(input, *shape, size=None, dtype=None):
    """The same memory under another shape (or dtype); RuntimeError where the strides do not allow it."""
    if dtype is not None:
        return view_dtype(input, dtype)
    if size is not None:
        shape = (size,)
    elif len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return view_dtype(input, shape[0])
    elif not shape:
        raise TypeError(
            "view() received an invalid combination of arguments - got (), but expected one of:\n * (torch.dtype "
            "dtype)\n"
            " * (tuple of ints size)\n"
        )
    wanted = infer_shape(shape_argument(shape, "view"), input._array.size)
    try:
        return _view(input, wanted)
    except ValueError:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        ) from None


def view_dtype(input, dtype):
    """The same bytes read as elements of another dtype; the last dimension shrinks or grows with the element's size."""
    array = memory(input)
    old, new = array.dtype, dtype.numpy_dtype
    names = f"to view {dtypes.scalar_name(input.dtype)} as {dtypes.scalar_name(dtype)} (different element sizes)"
    if old.itemsize != new.itemsize:
        if not array.ndim:
            raise RuntimeError(f"self.dim() cannot be 0 {names}")
        strides = input.stride()
        if strides[-1] != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 {names}, but got {strides[-1]}")
        if old.itemsize < new.itemsize:
            ratio = new.itemsize // old.itemsize
            if array.shape[-1] % ratio:
                raise RuntimeError(f"self.size(-1) must be divisible by {ratio} {names}, but got {array.shape[-1]}")
            offset = input.storage_offset()
            if offset % ratio:
                raise RuntimeError(f"self.storage_offset() must be divisible by {ratio} {names}, but got {offset}")
            for dim, stride in enumerate(strides[:-1]):
                if stride % ratio:
                    raise RuntimeError(f"self.stride({dim}) must be divisible by {ratio} {names}, but got {stride}")
    if array.size:
        made = wrap(array.view(new))
    else:  # NumPy's strides of an empty array do not allow it
        made = wrap(np.empty((*array.shape[:-1], array.shape[-1] * old.itemsize // new.itemsize), new))
    made._counter = version_counter(input)
    return made


@method()
def view_as(input, other):
    """`input` viewed with the shape of `other`."""
    return view(input, other._array.shape)


def reshape(input, shape):
    """`input` with another shape: a view where possible, else a copy."""
    if shape.__class__ is int:
        raise TypeError("reshape(): argument 'shape' (position 2) must be tuple of ints, not int")
    wanted = infer_shape(shape_argument((shape,), "reshape", "shape"), input._array.size)
    try:
        result = _view(input, wanted)
    except ValueError:
        return _unsafe_view(_contiguous_copy(input), wanted)
    if result._node is not None and not _is_contiguous(input):
        from ..inplace import rename

        rename(result._node, "ReshapeAliasBackward0")
    return result


def _is_contiguous(input) -> bool:
    return type(input._array) is not np.ndarray or input._array.flags.c_contiguous


def _reshape_method(self, *sizes, **named):
    if named and not sizes:
        return reshape(self, **named)
    if not sizes or named:
        raise TypeError('reshape() missing 1 required positional arguments: "shape"')
    return reshape(self, shape_argument(sizes, "reshape", "shape"))


Tensor.reshape = _reshape_method


@method()
def reshape_as(input, other):
    """`input` reshaped to the shape of `other`."""
    return reshape(input, other._array.shape)


@method()
def flatten(input, start_dim: int = 0, end_dim: int = -1):
    """`input` with the dimensions from `start_dim` to `end_dim` made one: a view where possible."""
    shape = input._array.shape
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape(input, (1,))
    if start == end:
        return input
    joined = 1
    for n in shape[start : end + 1]:
        joined *= n
    return reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


@method()
def unflatten(input, dim: int, sizes):
    """`input` with one dimension split into several: a view."""
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    sizes = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    n = shape[dim] if shape else 1
    try:
        inferred = infer_shape(sizes, n)
    except RuntimeError as error:
        if "invalid for input" in str(error):
            raise RuntimeError(
                f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({n}) in the "
                "input tensor"
            ) from None
        raise RuntimeError(f"unflatten got an unexpected error:\n{error}") from None
    return view(input, (*shape[:dim], *inferred, *shape[dim + 1 :]))


@method()
def ravel(input):
    """`input` in one dimension: a view where possible."""
    return view(contiguous(input), -1)


@method()
def squeeze(input, dim=..., *, axis=...):
    """`input` without its dimensions of size 1 (or those of them in `dim`, by another name `axis`): a view."""
    if axis is not ...:
        dim = axis
    shape = input._array.shape
    if dim is ...:
        return _squeeze(input, tuple([d for d, n in enumerate(shape) if n == 1]))
    extra = input._extra
    if extra is not None and extra.batch is not None:  # whose rule takes one dimension for several
        dim = list(dim) if isinstance(dim, (tuple, list)) else [dim]
        if not shape and any(d not in (0, -1) for d in dim):
            raise RuntimeError(f"Dimension is out of range (expected to be in range of [-1, 0], but got {dim}")
    if isinstance(dim, (tuple, list)):
        dims = wrap_dims(dim, len(shape))
        return _squeeze_dims(input, tuple([d for d in dims if shape and shape[d] == 1]))
    dim = wrap_dim(dim, len(shape))
    return _squeeze_dim(input, (dim,) if shape and shape[dim] == 1 else ())


@method()
def unsqueeze(input, dim=None, *, axis=None):
    """`input` with a dimension of size 1 put in at `dim`, by another name `axis`: a view."""
    if dim is None:
        if axis is None:
            raise TypeError('unsqueeze() missing 1 required positional arguments: "dim"')
        dim = axis
    return _unsqueeze(input, wrap_dim(dim, input._array.ndim + 1))


@method()
def expand(input, *sizes, size=None, implicit: bool = False):
    """`input` broadcast to larger sizes (-1: as it is) without copying: a view."""
    have = input._array.shape
    shape = shape_argument(sizes if size is None else (size,), "expand")
    extra = len(shape) - len(have)
    if extra < 0:
        raise RuntimeError(
            f"expand({graph_errors.type_name(input)}{{{list(have)}}}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    wanted = list(shape)
    for i in range(len(shape) - 1, -1, -1):
        n = shape[i]
        if i < extra:
            if n < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
                )
        elif n == -1:
            wanted[i] = have[i - extra]
        elif n != have[i - extra] and have[i - extra] != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have[i - extra]}) at "
                "non-singleton "
                f"dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(have)}"
            )
    return _expand(input, tuple(wanted))


@method()
def expand_as(input, other):
    """`input` expanded to the shape of `other`."""
    return expand(input, other._array.shape)


@method()
def broadcast_to(input, size):
    """`input` expanded to `size`."""
    return expand(input, size)


def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to."""
    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    ndim = max(map(len, shapes), default=0)
    made = [1] * ndim
    for shape in shapes:
        for i in range(-1, -1 - len(shape), -1):
            n = shape[i]
            if n < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if n in (1, made[i]):
                continue
            if made[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {n} at {i}! Mismatching argument at index "
                    f"{shapes.index(shape)} had {shape}; but expected shape should be broadcastable to {made}"
                )
            made[i] = n
    return Size(made)


def broadcast_tensors(*tensors):
    """The tensors, each expanded to the shape they broadcast to."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape = joint_shape(*[x._array.shape for x in tensors])
    return tuple([x if x._array.shape == shape else expand(x, shape) for x in tensors])


def joint_shape(*shapes) -> tuple[int, ...]:
    """The shape that shapes broadcast to; RuntimeError, in PyTorch's words, if there is none."""
    from ..op import broadcast_error

    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        broadcast_error(*shapes)
        raise


def _atleast(ndim: int, widen):
    def function(*tensors):
        if len(tensors) == 1:
            if isinstance(tensors[0], Tensor):
                return widen(tensors[0])
            tensors = tensors[0]
        return tuple([widen(x) for x in tensors])

    function.__name__ = function.__qualname__ = f"atleast_{ndim}d"
    function.__doc__ = f"The tensor, or the tensors, with at least {ndim} dimension{'s'[: ndim - 1]}: views."
    return function


def _widen_1d(x):
    return x if x.ndim else view(x, 1)


def _widen_2d(x):
    return view(x, 1, 1) if not x.ndim else unsqueeze(x, 0) if x.ndim == 1 else x


def _widen_3d(x):
    if not x.ndim:
        return view(x, 1, 1, 1)
    return unsqueeze(unsqueeze(x, 0), -1) if x.ndim == 1 else unsqueeze(x, -1) if x.ndim == 2 else x


atleast_1d = _atleast(1, _widen_1d)
atleast_2d = _atleast(2, _widen_2d)
atleast_3d = _atleast(3, _widen_3d)


# ---------------------------------------------------------------- another order of dimensions


@method()
def transpose(input, dim0: int, dim1: int):
    """`input` with two dimensions exchanged: a view."""
    ndim = input._array.ndim
    for position, dim in ((1, dim0), (2, dim1)):
        if dim.__class__ is not int and not hasattr(dim, "__index__"):
            raise must_be_int("transpose", f"dim{position - 1}", position, dim)
    dim0, dim1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    if ndim:
        return _transpose(input, dim0, dim1)
    result = _alias(input)
    if result._node is not None:
        from ..inplace import rename

        rename(result._node, "TransposeBackward0")
    return result


@method()
def swapaxes(input, axis0: int, axis1: int):
    """`input` with two dimensions exchanged: a view."""
    return transpose(input, axis0, axis1)


@method()
def swapdims(input, dim0: int, dim1: int):
    """`input` with two dimensions exchanged: a view."""
    return transpose(input, dim0, dim1)


@method()
def t(input):
    """The transpose of a matrix (tensors of fewer dimensions as they are): a view."""
    if input._array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D")
    return _t(input)


def permute(input, dims):
    """`input` with its dimensions in another order: a view."""
    ndim = input._array.ndim
    dims = shape_argument((dims,), "permute", "dims")
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    wrapped = tuple([wrap_dim(d, ndim) for d in dims])
    if len(set(wrapped)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute(input, wrapped)


def _permute_method(self, *dims, **named):
    if not dims and not named:
        raise TypeError('permute() missing 1 required positional arguments: "dims"')
    return permute(self, named["dims"] if named else shape_argument(dims, "permute", "dims"))


Tensor.permute = _permute_method


@method()
def movedim(input, source, destination):
    """`input` with dimensions moved from the positions `source` to the positions `destination`: a view."""
    ndim = input._array.ndim
    old = (source,) if isinstance(source, int) else tuple(source)
    new = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(old) != len(new):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(old)} dims) should contain the same number of "
            f"dims as destination ({list(new)} dims)"
        )
    from_, to = [wrap_dim(d, ndim) for d in old], [wrap_dim(d, ndim) for d in new]
    for name, given, wrapped in (("source", old, from_), ("destination", new, to)):
        if len(set(wrapped)) != len(wrapped):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not ndim:
        return _alias(input)
    order = [d for d in range(ndim) if d not in from_]
    for position, d in sorted(zip(to, from_)):
        order.insert(position, d)
    return _permute(input, tuple(order))


@method()
def moveaxis(input, source, destination):
    """`input` with dimensions moved from the positions `source` to the positions `destination`: a view."""
    return movedim(input, source, destination)


def _warn_of(name: str, hint: str) -> None:
    warnings.warn(f"{name} is deprecated on 0-D tensors. {hint}", UserWarning, stacklevel=3)


def _get_T(self):
    ndim = self._array.ndim
    if ndim == 2:
        return _permute(self, (1, 0))
    if ndim:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
            "throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    else:
        _warn_of("Tensor.T", "This function is the identity in these cases.")
    return _permute(self, tuple(range(ndim))[::-1])


def _matrices(self, name: str) -> None:
    if self._array.ndim == 1:
        raise RuntimeError(f"{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")


def _get_mT(self):
    _matrices(self, "tensor.mT")
    if not self._array.ndim:
        _warn_of("Tensor.mT", "This function is the identity in these cases.")
        return self
    return transpose(self, -2, -1)


def _get_H(self):
    ndim = self._array.ndim
    if ndim not in (0, 2):
        hint = " For batches of matrices, consider using tensor.mH" if ndim > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor.{hint}")
    if not ndim:
        _warn_of("Tensor.H", "Consider using x.conj().")
    return _conjugate_transpose(self)


def _get_mH(self):
    _matrices(self, "tensor.mH")
    if not self._array.ndim:
        _warn_of("Tensor.mH", "Consider using x.conj().")
    return _conjugate_transpose(self)


def _conjugate_transpose(input):
    turned = transpose(input, -2, -1) if input._array.ndim else input
    return turned.conj() if turned._array.dtype.kind == "c" else turned


@method()
def adjoint(input):
    """The conjugate transpose of a matrix, or of each matrix of a batch."""
    _matrices(input, "tensor.adjoint()")
    if not input._array.ndim:
        _warn_of("adjoint()", "Consider using x.conj().")
    return _conjugate_transpose(input)


Tensor.T = property(_get_T, doc="The matrix transposed: a view.")
Tensor.mT = property(_get_mT, doc="The last two dimensions exchanged: a view.")
Tensor.H = property(_get_H, doc="The conjugate transpose of a matrix.")
Tensor.mH = property(_get_mH, doc="The conjugate transpose of each matrix of a batch.")


# ---------------------------------------------------------------- parts


@method()
def select(input, dim: int, index: int):
    """One slice of `input` along `dim`, without that dimension: a view."""
    shape = input._array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    size = shape[dim]
    index = as_index(index)
    if not -size <= index < size:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    return _select(input, dim, index + size if index < 0 else index)


@method()
def narrow(input, dim: int, start, length: int):
    """The elements from `start` to ``start + length`` along `dim`: a view."""
    shape = input._array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Tensor):
        if start._array.ndim or start._array.dtype.kind not in "iu":
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = int(start)
    dim = wrap_dim(dim, len(shape))
    n = shape[dim]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    if start < 0:
        start += n
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return _slice(input, dim, start, start + length, 1)


@method()
def unbind(input, dim: int = 0, *, axis: int | None = None):
    """The slices of `input` along `dim`: a tuple of views."""
    dim = dim if axis is None else axis
    shape = input._array.shape
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return general(_unbind.record, (input,), (wrap_dim(dim, len(shape)),))


def _split_sizes(shape, split_size, dim: int):
    """The sizes of the pieces of `split_size` elements, the last one perhaps smaller."""
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    n = shape[dim]
    if split_size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
    if not split_size:
        if n:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return (0,)
    count = max(-(-n // split_size), 1)
    return (split_size,) * (count - 1) + (n - split_size * (count - 1),)


def _given_sizes(shape, sizes, dim: int):
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    sizes = shape_argument((sizes,), "split_with_sizes", "split_sizes")
    if any(n < 0 for n in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[dim]} (input tensor's size at dimension "
            f"{dim}), "
            f"but got split_sizes={list(sizes)}"
        )
    return sizes


def split(tensor, split_size_or_sections, dim: int = 0):
    """`tensor` cut along `dim` into pieces of one size, or of the given sizes: a tuple of views."""
    shape = tensor._array.shape
    dim = wrap_dim(dim, len(shape))
    if isinstance(split_size_or_sections, (tuple, list)):
        return general(_split_with_sizes.record, (tensor,), (_given_sizes(shape, split_size_or_sections, dim), dim))
    sizes = _split_sizes(shape, as_index(split_size_or_sections), dim)
    return general(_split.record, (tensor,), (sizes, dim))


@method("split")
def _split_method(self, split_size, dim: int = 0):
    return split(self, split_size, dim)


@method()
def split_with_sizes(input, split_sizes, dim: int = 0, *, axis: int | None = None):
    """`input` cut along `dim` into pieces of the given sizes: a tuple of views."""
    dim = dim if axis is None else axis
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    return general(_split_with_sizes.record, (input,), (_given_sizes(shape, split_sizes, dim), dim))


@method()
def unsafe_split(input, split_size: int, dim: int = 0, *, axis: int | None = None):
    """As `split`, but the pieces are no views as far as autograd knows."""
    dim = dim if axis is None else axis
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    return general(_unsafe_split.record, (input,), (_split_sizes(shape, split_size, dim), dim))


@method()
def unsafe_split_with_sizes(input, split_sizes, dim: int = 0, *, axis: int | None = None):
    """As `split_with_sizes`, but the pieces are no views as far as autograd knows."""
    dim = dim if axis is None else axis
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    return general(_unsafe_split_with_sizes.record, (input,), (_given_sizes(shape, split_sizes, dim), dim))


def _chunk_sizes(shape, chunks: int, dim: int):
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = -(-shape[dim] // chunks)
    return (0,) * chunks if not size else _split_sizes(shape, size, dim)


def _chunking(name: str, doc: str, of_equal, of_any):
    """chunk or unsafe_chunk, by two operations: of sizes that are equal but for the last, and of any."""

    def chunk(input, chunks: int, dim: int = 0, *, axis: int | None = None):
        dim = dim if axis is None else axis
        shape = input._array.shape
        dim = wrap_dim(dim, len(shape))
        sizes = _chunk_sizes(shape, chunks, dim)
        return general((of_equal if sizes[0] else of_any).record, (input,), (sizes, dim))

    chunk.__name__ = chunk.__qualname__ = name
    chunk.__doc__ = doc
    return method()(chunk)


chunk = _chunking(
    "chunk", "`input` cut along `dim` into at most `chunks` pieces: a tuple of views.", _split, _split_with_sizes
)
unsafe_chunk = _chunking(
    "unsafe_chunk",
    "As `chunk`, but the pieces are no views as far as autograd knows.",
    _unsafe_split,
    _unsafe_split_with_sizes,
)


@method()
def tensor_split(
    input, indices_or_sections=None, dim: int = 0, *, axis: int | None = None, indices=None, sections=None
):
    """`input` cut along `dim` into a number of nearly equal pieces, or before the given indices: a tuple of views."""
    dim = dim if axis is None else axis
    where = next(v for v in (indices_or_sections, indices, sections) if v is not None)
    shape = input._array.shape
    if not shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap_dim(dim, len(shape))
    if isinstance(where, Tensor):
        if where.dtype is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{dtypes.scalar_name(where.dtype)}"
            )
        if where._array.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, "
                "but got "
                f"a tensor with {where._array.ndim} dims"
            )
        where = where.tolist()
    n = shape[dim]
    if isinstance(where, (tuple, list)):
        ends = [as_index(i) for i in where]
    else:
        if where <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {where}")
        small, larger = divmod(n, where)
        ends = [i * small + min(i, larger) for i in range(1, where)]
    pieces, start = [], 0
    for end in [*ends, n]:
        first, last, _ = slice(start, end).indices(n)
        pieces.append(_slice(input, dim, first, max(first, last), 1))
        start = end
    return tuple(pieces)


def _numpy_split(letter: str, least: int, dim: int):
    name = f"{letter}split"

    def function(input, indices_or_sections=None, *, indices=None, sections=None):
        where = next(v for v in (indices_or_sections, indices, sections) if v is not None)
        shape = input._array.shape
        if len(shape) < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {len(shape)} "
                "dimensions!"
            )
        axis = 0 if letter == "h" and len(shape) == 1 else dim
        if isinstance(where, int) and (where <= 0 or shape[axis] % where):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {axis}, but the size of the dimension {shape[axis]} "
                "is not "
                f"divisible by the split_size {where}!"
            )
        return tensor_split(input, where, axis)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`tensor_split` along dimension {dim}, into equal pieces if a number is given."
    return method()(function)


hsplit = _numpy_split("h", 1, 1)
vsplit = _numpy_split("v", 2, 0)
dsplit = _numpy_split("d", 3, 2)


def check_diagonal(ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    """The two dimensions of a diagonal, counted from the front; RuntimeError where they are one."""
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return first, second


@method()
def diagonal(input, offset: int = 0, dim1: int = 0, dim2: int = 1):
    """The diagonal of the matrices in dimensions `dim1` and `dim2`, as the last dimension: a view."""
    return _diagonal(input, offset, *check_diagonal(input._array.ndim, dim1, dim2))


@method()
def unfold(input, dimension: int, size: int, step: int):
    """All windows of `size` elements along a dimension, `step` apart, as a new last dimension: a view."""
    shape = input._array.shape
    dim = wrap_dim(dimension, len(shape))
    n = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not shape:
        return narrow(view(input, 1), 0, 0, size)
    return _unfold(input, dim, size, step)


def element_strides(array) -> tuple[int, ...]:
    """An array's strides in elements."""
    item = array.itemsize
    return tuple([s // item for s in array.strides])


@method()
def as_strided(input, size, stride, storage_offset=None):
    """A view of the tensor's memory with the given size and strides, in elements."""
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        if local.levels:
            _refuse_batch(
                "Tensor.as_strided(size, stride, ...): size and stride must have the same length! Got size "
                f"{list(size)} and stride {list(stride)}",
                input,
            )
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    array = memory(input)
    offset = 0
    if storage_offset is not None:
        if storage_offset < 0:
            raise RuntimeError(f"Tensor: invalid storage offset {storage_offset}")
        offset = storage_offset - Tensor.storage_offset(input)
    return _as_strided(input, size, stride, offset, element_strides(array))


# ---------------------------------------------------------------- without history


_detach = op("detach", kind=GENERAL, forward=lambda xp, x: x)


@method()
def detach(input):
    """The same memory without history: nothing done to it is recorded for `input`."""
    extra = input._extra
    if extra is not None and extra.special:
        return _detach(input)
    if extra is not None and extra.inference:
        return past_inference(input)
    result = wrap(memory(input))
    result._counter = version_counter(input)
    return result


def past_inference(tensor: Tensor) -> Tensor:
    """The memory of an inference tensor as another one, which may be written to in the present mode."""
    result = wrap(memory(tensor))
    extra = own_extra(result)
    extra.inference = True
    extra.writable = not local.inference
    return result


@method()
def detach_(input):
    """Cuts the tensor itself off from its history; RuntimeError on views."""
    if input.is_inference() or local.inference:  # there autograd has nothing to say
        return input
    if input._is_view():
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, "
            "and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() "
            "cannot be "
            "called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
            "torch/optim/optimizer.py as the solution."
        )
    detach_in_place(input)
    return input


# ---------------------------------------------------------------- copies


def _refuse_batch(message: str, tensor) -> None:
    from ..batching import refuse_batches

    refuse_batches(message, tensor)


_clone = op("clone", kind=LINEAR, forward=lambda xp, x: xp.copy(x), vjp=lambda xp, g: g)
_contiguous_copy = op(
    "contiguous_copy",
    kind=LINEAR,
    forward=lambda xp, x: xp.contiguous(x),
    vjp=lambda xp, g: g,
    node="CloneBackward0",
)
_channels_last_copy = op(
    "channels_last_copy",
    kind=LINEAR,
    forward=lambda xp, x: xp.channels_last(x),
    vjp=lambda xp, g: g,
    node="CloneBackward0",
)
_copy = op(
    "copy",
    kind=LINEAR,
    forward=lambda xp, x, y: xp.copy_into(x, y),
    vjp=(lambda xp, g: xp.zeros_like(g), lambda xp, g, y_shape, y_dtype: xp.cast(xp.sum_to(g, y_shape), y_dtype)),
    promote=False,
    node="CopyBackwards",
)


def _check_format(input, memory_format) -> None:
    for known, ndim, name in ((channels_last, 4, "channels_last"), (channels_last_3d, 5, "channels_last_3d")):
        if memory_format is known and input._array.ndim != ndim:
            raise RuntimeError(f"required rank {ndim} tensor to use {name} format")


@method()
def clone(input, *, memory_format=None):
    """A copy of `input`, through which gradients flow back."""
    if input._extra is not None and input._extra.inference and not local.inference:
        return normal_copy(input, memory_format=memory_format)
    if memory_format is None or memory_format is preserve_format:
        return _clone(input)
    if memory_format is not contiguous_format and local.levels:
        name = "ChannelsLast" if memory_format is channels_last else "ChannelsLast3d"
        _refuse_batch(
            "NYI: Tensor.clone(memory_format) inside vmap is only supported with memory_format torch.preserve_format or "
            f"torch.contiguous_format (got {name})",
            input,
        )
    _check_format(input, memory_format)
    return (_contiguous_copy if memory_format is contiguous_format else _channels_last_copy)(input)


def normal_copy(input, dtype=None, memory_format=None):
    """A copy of an inference tensor that is a normal one: written into new memory, as PyTorch makes it."""
    from .creation import empty_like

    return copy_(empty_like(input, dtype=dtype, memory_format=memory_format), input)


@method()
def is_contiguous(self, memory_format=contiguous_format) -> bool:
    """Whether the elements lie in memory in row-major order (or in that of `memory_format`)."""
    if memory_format is contiguous_format:
        return type(self._array) is not np.ndarray or self._array.flags.c_contiguous
    if local.levels:
        _refuse_batch(
            "NYI: querying is_contiguous inside of vmap for memory_format other than torch.contiguous_format", self
        )
    if self._array.ndim != (4 if memory_format is channels_last else 5):
        return False
    return backend.is_channels_last(memory(self))


@method()
def contiguous(self, memory_format=contiguous_format):
    """`self` if it is contiguous, else a contiguous copy."""
    if memory_format is contiguous_format or not local.levels:
        _check_format(self, memory_format)
    return self if is_contiguous(self, memory_format) else clone(self, memory_format=memory_format)


@method()
def copy_(self, src, non_blocking: bool = False):
    """Writes the elements of `src` (or a number), broadcast and cast, into this tensor."""
    from ..inplace import in_place, in_place_anywhere

    if not isinstance(src, Tensor):
        from .indexing import checked_number

        if not isinstance(src, (int, float, complex)):
            raise must_be_tensor("copy_", "other", 1, src)
        src = wrap(checked_number(src, self.dtype))
    if src._array.dtype.kind == "c" and self._array.dtype.kind not in "cb":
        from .conversion import warn_of_lost_part

        warn_of_lost_part(2)
    return (in_place_anywhere if src is self else in_place)(_fitting_copy, self, src)


def _fitting_copy(self, src):
    own, given = self._array.shape, src._array.shape
    if own != given:
        joint = joint_shape(own, given)
        if joint != own:
            raise RuntimeError(f"output with shape {list(own)} doesn't match the broadcast shape {list(joint)}")
    return _copy(self, src)


# ---------------------------------------------------------------- the tensor itself gets another shape


def _in_place_view(name: str, function) -> None:
    """The twin of a view that changes the tensor's own shape and strides, and gives it the view's history."""

    def twin(self, *arguments, **named):
        from ..inplace import check_in_place, check_inference, name_in_place

        check_in_place(self, local.grad_enabled and self.requires_grad and not self.is_inference())
        made = function(self, *arguments, **named)
        check_inference(self)
        if self._extra is not None and self._extra.special:
            from ..transforms import take_shape

            if take_shape(self, made):
                return self
        self._array = made._array
        version_counter(self).version += 1
        step = made._node
        if step is not None:
            name_in_place(step)
            self._node = step
            self._requires_grad = True
        extra = self._extra
        if extra is not None:
            extra.output_number = 0
            if extra.view is not None:
                if step is not None:
                    extra.view.version = self._counter.version
                extra.view.replay = made._extra.view.replay
        return self

    twin.__name__ = twin.__qualname__ = name
    twin.__doc__ = f"In-place version of :meth:`{function.__name__}`: changes this tensor's own shape and strides."
    setattr(Tensor, name, twin)


def _t_in_place(input):
    if input._array.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D")
    return t(input)


for _name, _function in (
    ("transpose_", transpose),
    ("swapaxes_", swapaxes),
    ("swapdims_", swapdims),
    ("t_", _t_in_place),
    ("squeeze_", squeeze),
    ("unsqueeze_", unsqueeze),
    ("as_strided_", as_strided),
):
    _in_place_view(_name, _function)


# ---------------------------------------------------------------- the layout


@method()
def size(self, dim=None):
    """The shape, or its entry at `dim`."""
    shape = self._array.shape
    if dim is None:
        return tuple.__new__(Size, shape)
    return shape[_existing(dim, shape)]


@method()
def stride(self, dim=None):
    """Steps in memory, in elements, from one element to the next along each dimension (or along `dim`)."""
    array = self._array
    strides = element_strides(array) if array.size else backend.dense_strides(array.shape)
    return strides if dim is None else strides[_existing(dim, strides)]


def _existing(dim: int, sizes) -> int:
    if not sizes:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, len(sizes))


@method()
def storage_offset(self) -> int:
    """The position of the first element in the tensor's memory, in elements."""
    return offset_in_memory(memory(self))


@method()
def data_ptr(self) -> int:
    """The address of the first element; 0 for a tensor without elements."""
    if self._extra is not None and self._extra.batch is not None:
        from ..batching import refuse_reading

        refuse_reading(self, "memory")
    array = memory(self)
    return address(array) if array.size else 0


@method()
def is_same_size(self, other) -> bool:
    """Whether `other` has the same shape."""
    return self._array.shape == other._array.shape


@method()
def dim_order(self) -> tuple[int, ...]:
    """The dimensions from the one with the largest stride to the one with the smallest."""
    strides = self._array.strides
    return tuple(sorted(range(len(strides)), key=lambda d: -strides[d]))


@method()
def is_set_to(self, tensor) -> bool:
    """Whether `tensor` looks at the same memory with the same shape and strides."""
    return (
        data_ptr(self) == data_ptr(tensor)
        and self._array.shape == tensor._array.shape
        and self._array.strides == tensor._array.strides
    )


@method()
def sum_to_size(self, *size):
    """`self` summed over the dimensions along which `size` broadcasts to its shape."""
    from ..composite import sum_to_size as summed

    have, wanted = self._array.shape, shape_argument(size, "sum_to_size")
    extra = len(have) - len(wanted)
    if extra < 0 or any(n not in (1, have[i + extra]) for i, n in enumerate(wanted)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(have)}}}.")
    if not wanted:
        return self.sum()
    return self if have == wanted else summed(self, wanted)
