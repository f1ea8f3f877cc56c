"""Views and other operations that move elements without computing."""

from __future__ import annotations

import numpy as np

from ..inplace import address
from ..op import GENERAL, LINEAR, VIEW, general, method, op
from ..size import Size, contiguous_format
from ..tensor import Tensor, memory, version_counter, wrap

__all__ = [
    "as_strided", "cat", "clone", "detach", "permute", "reshape", "select", "squeeze", "stack", "t",
    "transpose", "unsqueeze",
]  # fmt: skip


def wrap_dim(dim: int, ndim: int) -> int:
    """`dim` counted from the front; IndexError, in PyTorch's words, when it is out of range."""
    count = ndim or 1
    if not -count <= dim < count:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})"
        )
    return dim + count if dim < 0 else dim


def shape_argument(sizes) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    return tuple(int(n) for n in sizes)


def infer_shape(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """`shape` with its -1 replaced; RuntimeError, in PyTorch's words, when it does not fit `numel`."""
    known, hole = 1, None
    for i, n in enumerate(shape):
        if n == -1:
            if hole is not None:
                raise RuntimeError("only one dimension can be inferred")
            hole = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n}")
        else:
            known *= n
    bad = RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    if hole is None:
        if known != numel:
            raise bad
        return shape
    if known == 0:
        if numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
                "can be any value and is ambiguous"
            )
        raise bad
    if numel % known:
        raise bad
    return (*shape[:hole], numel // known, *shape[hole + 1 :])


# ---------------------------------------------------------------- views

_view = op(
    "view",
    kind=VIEW,
    forward=lambda xp, x, /, shape: xp.view(x, shape),
    vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
)
_transpose = op(
    "transpose",
    kind=VIEW,
    forward=lambda xp, x, /, dim0, dim1: x.swapaxes(dim0, dim1),
    vjp=lambda xp, g, dim0, dim1: g.swapaxes(dim0, dim1),
)
_t = op("t", kind=VIEW, forward=lambda xp, x: x.T, vjp=lambda xp, g: g.T if g.ndim else g)
_permute = op(
    "permute",
    kind=VIEW,
    forward=lambda xp, x, /, dims: x.transpose(dims),
    vjp=lambda xp, g, dims: xp.permute(g, tuple(np.argsort(dims).tolist())),
)
_expand = op(
    "expand",
    kind=VIEW,
    forward=lambda xp, x, /, shape: xp.expand(x, shape),
    vjp=lambda xp, g, x_shape: xp.sum_to(g, x_shape),
)
_select = op(
    "select",
    kind=VIEW,
    forward=lambda xp, x, /, dim, index: x[(slice(None),) * dim + (index, ...)],
    vjp=lambda xp, g, x_shape, dim, index: xp.select_backward(g, x_shape, dim, index),
)
_slice = op(
    "slice",
    kind=VIEW,
    forward=lambda xp, x, /, dim, start, end, step: x[(slice(None),) * dim + (slice(start, end, step),)],
    vjp=lambda xp, g, x_shape, dim, start, end, step: xp.slice_backward(g, x_shape, dim, start, end, step),
)
_unsqueeze = op(
    "unsqueeze",
    kind=VIEW,
    forward=lambda xp, x, /, dim: x[(slice(None),) * dim + (None,)],
    vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
)
_squeeze = op(
    "squeeze",
    kind=VIEW,
    forward=lambda xp, x, /, dims: x.squeeze(dims),
    vjp=lambda xp, g, x_shape: xp.reshape(g, x_shape),
)
_alias = op("alias", kind=VIEW, forward=lambda xp, x: x.view(), vjp=lambda xp, g: g)
_as_strided = op(
    "as_strided",
    kind=VIEW,
    forward=lambda xp, x, /, size, stride, offset: xp.as_strided(x, size, stride, offset),
    vjp=lambda xp, g, x, size, stride, offset: xp.as_strided_backward(g, x, size, stride, offset),
)

_select_backward = op(
    "select_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, dim, index: xp.place(g, shape, (slice(None),) * dim + (index,)),
    vjp=lambda xp, g, dim, index: xp.select(g, dim, index),
)
_slice_backward = op(
    "slice_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, dim, start, end, step: xp.place(
        g, shape, (slice(None),) * dim + (slice(start, end, step),)
    ),
    vjp=lambda xp, g, dim, start, end, step: xp.slice(g, dim, start, end, step),
)


def as_view(input, shape):
    """`view` where the strides allow it, else None."""
    array = memory(input)
    try:
        np.reshape(array, shape, copy=False)
    except ValueError:
        return None
    return _view(input, shape)


@method()
def view(input, *shape):
    """The same memory under another shape (or dtype); RuntimeError where the strides do not allow it."""
    from ..dtypes import dtype

    if len(shape) == 1 and isinstance(shape[0], dtype):
        return view_dtype(input, shape[0])
    wanted = infer_shape(shape_argument(shape), input._array.size)
    found = as_view(input, wanted)
    if found is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return found


@method()
def view_as(input, other):
    """`input` viewed with the shape of `other`."""
    return view(input, other.shape)


def reshape(input, shape):
    """`input` with another shape: a view where possible, else a copy."""
    wanted = infer_shape(
        shape_argument((shape,) if isinstance(shape, (tuple, list)) else (shape,)), input._array.size
    )
    found = as_view(input, wanted)
    return _view(clone(input, memory_format=contiguous_format), wanted) if found is None else found


def _reshape_method(self, *shape):
    return reshape(self, shape_argument(shape))


Tensor.reshape = _reshape_method


@method()
def reshape_as(input, other):
    """`input` reshaped to the shape of `other`."""
    return reshape(input, other.shape)


@method("transpose", "swapaxes", "swapdims")
def transpose(input, dim0: int, dim1: int):
    """`input` with two dimensions exchanged: a view."""
    ndim = input._array.ndim
    return _transpose(input, wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)) if ndim else _alias(input)


@method()
def t(input):
    """The transpose of a matrix (tensors of fewer dimensions as they are): a view."""
    if input._array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D")
    return _t(input)


def permute(input, dims):
    """`input` with its dimensions in another order: a view."""
    ndim = input._array.ndim
    dims = tuple(dims)
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    wrapped = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(wrapped)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute(input, wrapped)


Tensor.permute = lambda self, *dims: permute(self, shape_argument(dims))


@method()
def expand(input, *sizes):
    """`input` broadcast to larger sizes (-1: as it is) without copying: a view."""
    have = input._array.shape
    shape = shape_argument(sizes)
    extra = len(shape) - len(have)
    if extra < 0:
        raise RuntimeError(
            f"expand({type_name(input)}{{{list(have)}}}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    wanted = []
    for i, n in enumerate(shape):
        if n == -1:
            if i < extra:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            n = have[i - extra]
        elif i >= extra and have[i - extra] not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have[i - extra]}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(have)}"
            )
        wanted.append(n)
    return _expand(input, tuple(wanted))


@method()
def expand_as(input, other):
    """`input` expanded to the shape of `other`."""
    return expand(input, other.shape)


@method()
def select(input, dim: int, index: int):
    """One slice of `input` along `dim`, without that dimension: a view."""
    shape = input._array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    size = shape[dim]
    index = int(index)
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}"
        )
    return _select(input, dim, index + size if index < 0 else index)


@method()
def unsqueeze(input, dim: int):
    """`input` with a dimension of size 1 put in at `dim`: a view."""
    return _unsqueeze(input, wrap_dim(dim, input._array.ndim + 1))


@method()
def squeeze(input, dim=None):
    """`input` without its dimensions of size 1 (or those of them in `dim`): a view."""
    shape = input._array.shape
    if dim is None:
        dims = range(len(shape))
    else:
        dims = [wrap_dim(d, len(shape)) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    return _squeeze(input, tuple(d for d in dims if d < len(shape) and shape[d] == 1))


@method()
def detach(input):
    """The same memory without history: nothing done to it is recorded for `input`."""
    result = wrap(memory(input))
    result._counter = version_counter(input)
    return result


@method()
def storage_offset(input) -> int:
    """The position of the first element in the tensor's memory, in elements."""
    array = memory(input)
    root = memory_root(array)
    return (address(array) - address(root)) // array.itemsize if array.size else 0


def memory_root(array):
    """The array that owns the memory `array` looks at."""
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def as_strided(input, size, stride, storage_offset=None):
    """A view of the tensor's memory with the given size and strides, in elements."""
    here = Tensor.storage_offset(input)
    offset = 0 if storage_offset is None else storage_offset - here
    return _as_strided(input, tuple(size), tuple(stride), offset)


Tensor.as_strided = as_strided


# ---------------------------------------------------------------- copies

_clone = op("clone", kind=LINEAR, forward=lambda xp, x: xp.copy(x), vjp=lambda xp, g: g)
_contiguous_copy = op(
    "contiguous_copy",
    kind=LINEAR,
    forward=lambda xp, x: xp.contiguous(x),
    vjp=lambda xp, g: g,
    node="CloneBackward0",
)
_copy = op(
    "copy",
    kind=LINEAR,
    forward=lambda xp, x, y: xp.copy_into(x, y),
    vjp=(lambda xp, g: xp.zeros_like(g), lambda xp, g: g),
    promote=False,
    node="CopyBackwards",
)
_cat = op(
    "cat",
    forward=lambda xp, *tensors, dim: xp.concatenate(tensors, dim),
    vjp=lambda xp, g, tensors_shape, dim, needs: xp.split_like(g, tensors_shape, dim, needs),
    promote=True,
)
_as_strided_backward = op(
    "as_strided_backward",
    kind=LINEAR,
    forward=lambda xp, g, x, /, size, stride, offset: xp.as_strided_backward(g, x, size, stride, offset),
    vjp=(lambda xp, g, size, stride, offset: xp.as_strided(g, size, stride, offset), None),
)


@method()
def clone(input, *, memory_format=None):
    """A copy of `input`, through which gradients flow back."""
    return _contiguous_copy(input) if memory_format is contiguous_format else _clone(input)


def cat(tensors, dim: int = 0, *, out=None):
    """Joins tensors along a dimension."""
    tensors = tuple(tensors)
    if not tensors:
        raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
    ndim = max(x._array.ndim for x in tensors)
    if min(x._array.ndim for x in tensors) == 0:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    return general(_cat.record, tensors, (wrap_dim(dim, ndim),), out)


def stack(tensors, dim: int = 0, *, out=None):
    """Joins tensors of one shape along a new dimension."""
    tensors = tuple(tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    dim = wrap_dim(dim, tensors[0]._array.ndim + 1)
    for x in tensors:
        if x._array.shape != tensors[0]._array.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(x.shape)} at entry {tensors.index(x)}"
            )
    return cat([unsqueeze(x, dim) for x in tensors], dim, out=out)


@method()
def copy_(self, src, non_blocking: bool = False):
    """Writes the elements of `src`, broadcast and cast, into this tensor."""
    from ..inplace import in_place

    return in_place(_copy, self, src)


Tensor.T = property(
    lambda self: _t(self) if self._array.ndim <= 2 else permute(self, range(self._array.ndim)[::-1])
)
Tensor.mT = property(lambda self: transpose(self, -2, -1))


@method()
def size(self, dim=None):
    """The shape, or its entry at `dim`."""
    shape = self._array.shape
    return tuple.__new__(Size, shape) if dim is None else shape[wrap_dim(dim, len(shape))]


@method()
def stride(self, dim=None):
    """Steps in memory, in elements, from one element to the next along each dimension (or along `dim`)."""
    array = self._array
    item = array.itemsize
    strides = tuple(s // item for s in array.strides)
    return strides if dim is None else strides[wrap_dim(dim, len(strides))]


@method()
def is_contiguous(self, memory_format=contiguous_format) -> bool:
    """Whether the elements lie in memory in row-major order."""
    return bool(self._array.flags.c_contiguous)


@method()
def contiguous(self, memory_format=contiguous_format):
    """`self` if it is contiguous, else a contiguous copy."""
    return self if is_contiguous(self) else _contiguous_copy(self)
