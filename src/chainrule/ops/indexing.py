"""Indexing: `x[...]` and assignment to it, as views for ints and slices, by gathering for tensors and masks."""

from __future__ import annotations

import warnings

import numpy as np

from .. import dtypes
from ..inplace import check_memory, in_place, in_place_anywhere, in_place_method
from ..op import ELEMENTWISE, LINEAR, general, method, must_be_tensor, op
from ..tensor import Tensor, memory, wrap
from . import shape as views
from .publishing import DYNAMIC, NO_FALLBACK, by_sample, is_batch, refuse_batches
from .reduction import numpy_names
from .shape import wrap_dim

__all__ = [
    "argwhere", "index_put", "index_put_", "index_select", "masked_fill", "masked_scatter", "masked_select",
    "nonzero", "nonzero_static", "put", "take", "take_along_dim", "unravel_index",
]  # fmt: skip


# ---------------------------------------------------------------- the records

_index = op(
    "index",
    kind=LINEAR,
    forward=lambda xp, x, *indices, dims: xp.take_at(x, indices, dims),
    vjp=lambda xp, g, x_shape, indices, dims, needs: [
        xp.index_backward(g, *indices, x_shape, dims),
        *[None] * (len(needs) - 1),
    ],
)
_index_backward = op(
    "index_backward",
    kind=LINEAR,
    forward=lambda xp, g, *indices, shape, dims: xp.add_at(g, indices, shape, dims),
    vjp=lambda xp, g, indices, dims, needs: [
        xp.index(g, *indices, dims),
        *[None] * (len(needs) - 1),
    ],
)
_index_put = op(
    "index_put",
    kind=LINEAR,
    forward=lambda xp, x, y, *indices, dims, accumulate: xp.put_at(x, y, indices, dims, accumulate),
    vjp=lambda xp, g, y_shape, indices, dims, accumulate, needs: [
        None if needs[0] is None else g if accumulate else xp.index_put(g, xp.zero(g), *indices, dims, False),
        None if needs[1] is None else xp.sum_to(xp.index(g, *indices, dims), y_shape),
        *[None] * (len(needs) - 2),
    ],
)
_index_select = op(
    "index_select",
    kind=LINEAR,
    forward=lambda xp, x, index, /, dim: xp.take_at(x, (index,), (dim,)),
    vjp=(lambda xp, g, x_shape, index, dim: xp.index_backward(g, index, x_shape, (dim,)) if x_shape else g, None),
)
_take = op(
    "take",
    kind=LINEAR,
    forward=lambda xp, x, index: xp.take_at(x.reshape(-1), (index,), (0,)),
    vjp=(
        lambda xp, g, x_shape, index: xp.reshape(xp.index_backward(g, index, (xp.size_of(x_shape),), (0,)), x_shape),
        None,
    ),
)
_put = op(
    "put",
    kind=LINEAR,
    forward=lambda xp, x, index, y, /, accumulate: xp.put_at(
        x.reshape(-1), y.reshape(-1), (index.reshape(-1),), (0,), accumulate
    ).reshape(x.shape),
    vjp=(
        lambda xp, g, index, accumulate: g if accumulate else xp.put(g, index, xp.zeros_like(xp.take(g, index)), False),
        None,
        lambda xp, g, index, y_shape: xp.reshape(xp.take(g, index), y_shape),
    ),
)
_masked_fill = op(
    "masked_fill",
    kind=ELEMENTWISE,
    forward=lambda xp, x, mask, /, value: xp.in_rows(xp.where(mask, xp.number_like(x, value), x)),
    vjp=(lambda xp, g, mask: xp.where(mask, xp.zero(g), g), None),
    promote=(0,),
    holomorphic=False,
)
_masked_fill_tensor = op(
    "masked_fill_tensor",
    kind=ELEMENTWISE,
    forward=lambda xp, x, mask, value: xp.in_rows(xp.where(mask, value, x)),
    vjp=(
        lambda xp, g, mask: xp.where(mask, xp.zero(g), g),
        None,
        lambda xp, g, mask: xp.where(mask, g, xp.zero(g)),
    ),
    promote=(0, 2),
    holomorphic=False,
    node="MaskedFillBackward1",
    public="masked_fill",
)
_masked_select = op(
    "masked_select",
    kind=LINEAR,
    forward=lambda xp, x, mask: xp.select_masked(x, mask),
    vjp=(
        lambda xp, g, x, mask: xp.sum_to(  # x is saved though its shape would do, so that writes to it are noticed
            xp.masked_select_backward(g, mask, xp.joint_shape(x.shape, mask.shape)), x.shape
        ),
        None,
    ),
)
_masked_select_backward = op(
    "masked_select_backward",
    kind=LINEAR,
    forward=lambda xp, g, mask, /, shape: xp.place_masked(g, mask, shape),
    vjp=(lambda xp, g, mask: xp.masked_select(g, mask), None),
)


def _spread(xp, g, shape):
    """`g` as the first elements of zeros of `shape`."""
    n = g.shape[0]
    return xp.reshape(xp.slice_backward(g, (xp.size_of(shape),), 0, 0, n, 1), shape)


_masked_scatter = op(
    "masked_scatter",
    kind=LINEAR,
    forward=lambda xp, x, mask, y: xp.put_masked(x, mask, y),
    vjp=(
        lambda xp, g, x_shape, mask: xp.sum_to(xp.where(mask, xp.zero(g), g), x_shape),
        None,
        lambda xp, g, mask, y_shape: _spread(xp, xp.masked_select(g, mask), y_shape),
    ),
)


# ---------------------------------------------------------------- what an index means

_NOT_AN_INDEX = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "


def _items(index):
    """The index as a tuple of what is said about the dimensions; a list of slices or lists counts as a tuple."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32:
        for item in index:
            if item is None or item is Ellipsis or isinstance(item, (Tensor, slice, list, tuple, str)):
                warnings.warn(
                    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in "
                    "pytorch "
                    "2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor "
                    "index, "
                    "x[torch.tensor(seq)], which will result either in an error or a different result",
                    UserWarning,
                    stacklevel=4,
                )
                return tuple(index)
    return (index,)


def _as_index_tensor(item):
    """An index given as a tensor, an array or a sequence, as a Tensor; IndexError for anything else."""
    if isinstance(item, Tensor):
        return item
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(item, np.ndarray) or (
        hasattr(item, "__len__") and hasattr(item, "__getitem__") and not hasattr(item, "keys")
    ):
        from .creation import array_of

        array = array_of(item)
        return wrap(array if array.dtype.kind == "b" or array.dtype == np.uint8 else array.astype(np.int64))
    raise IndexError(f"{_NOT_AN_INDEX}{_full_name(type(item))})")


def _full_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _is_mask(tensor) -> bool:
    return tensor._array.dtype.kind == "b" or tensor._array.dtype == np.uint8


def _split_index(self, index):
    """(the view that the basic part of `index` selects, the dimensions with index tensors, these tensors)."""
    items = _items(index)
    parsed = []
    taken = 0
    for item in items:
        if not (
            item is None
            or item is Ellipsis
            or item.__class__ in (int, slice, bool)
            or isinstance(item, (np.integer, slice, int))
        ):
            item = _as_index_tensor(item)
            taken += item._array.ndim if _is_mask(item) else 1
        elif item is not None and item is not Ellipsis and item.__class__ is not bool:
            taken += 1
        parsed.append(item)
    ndim = self._array.ndim
    if taken > ndim:
        if not ndim and len(parsed) == 1 and isinstance(parsed[0], slice):
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        if not ndim and len(parsed) == 1 and not isinstance(parsed[0], Tensor):
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                "convert a "
                "0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    current, dim = self, 0
    dims: list[int] = []
    tensors: list[Tensor] = []
    for position, item in enumerate(parsed):
        if item is Ellipsis:
            dim += ndim - taken
        elif item is None:
            current = views._unsqueeze(current, dim)
            dim += 1
        elif isinstance(item, slice):
            current = _sliced(current, dim, item, len(parsed) == 1)
            dim += 1
        elif isinstance(item, Tensor):
            array = item._array
            if not array.ndim and array.dtype.kind in "iub":
                if _is_mask(item):
                    refuse_batches(_MASK_IN_BATCH, item)
                    item = bool(array)  # a mask without dimensions
                elif is_batch(item):
                    dims.append(dim)
                    tensors.append(item)
                    dim += 1
                    continue
                else:
                    current = _checked_select(current, dim, int(array), position)
                    continue
            else:
                if array.dtype.kind == "b" or array.dtype == np.uint8:
                    found = _positions(item, current._array.shape, dim, self._array.shape)
                else:
                    found = (item,)
                for positions in found:
                    dims.append(dim)
                    tensors.append(positions)
                    dim += 1
                continue
        if item is True or item is False:
            current = views._unsqueeze(current, dim)
            dims.append(dim)
            tensors.append(wrap(np.zeros(1 if item else 0, np.int64)))
            dim += 1
        elif item is not None and item is not Ellipsis and not isinstance(item, slice):
            current = _checked_select(current, dim, int(item), position)
    if dims:
        _check_positions(tensors, dims, current._array.shape)
    return current, tuple(dims), tensors


_MASK_IN_BATCH = (
    "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over indexing with "
    "a boolean mask."
)


def _positions(mask, shape, dim: int, whole):
    """The positions where a mask holds, one tensor for each of its dimensions."""
    refuse_batches(_MASK_IN_BATCH, mask)
    array = mask._array
    if array.dtype == np.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=5,
        )
    for i, n in enumerate(array.shape):
        if shape[dim + i] != n:
            raise IndexError(
                f"The shape of the mask {list(array.shape)} at index {i} does not match the shape of the indexed "
                "tensor "
                f"{list(whole)} at index {dim + i}"
            )
    return [wrap(part) for part in np.nonzero(array)]


def _check_positions(tensors, dims, shape) -> None:
    """IndexError where index tensors are no integers, do not broadcast together, or lie outside the dimensions."""
    for i, (tensor, dim) in enumerate(zip(tensors, dims)):
        array = tensor._array
        if array.dtype.kind != "i" or array.dtype.itemsize < 4:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        n = shape[dim]
        if array.size and (array.min() < -n or array.max() >= n):
            if not n:
                raise IndexError("index is out of bounds for dimension with size 0")
            bad = array[(array < -n) | (array >= n)].flat[0]
            raise IndexError(f"index {bad} is out of bounds for dimension {i} with size {n}")
    if len(tensors) > 1:
        shapes = [t._array.shape for t in tensors]
        if any(s != shapes[0] for s in shapes):
            try:
                np.broadcast_shapes(*shapes)
            except ValueError:
                raise IndexError(
                    "shape mismatch: indexing tensors could not be broadcast together with shapes "
                    + ", ".join(str(list(s)) for s in shapes)
                ) from None


def _checked_select(current, dim: int, index: int, position: int):
    """One slice along `dim`; `position` in the whole index is what errors call the dimension."""
    shape = current._array.shape
    if not shape:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim "
            "tensor to a number"
        )
    n = shape[dim]
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for dimension {position} with size {n}")
    return views._select(current, dim, index + n if index < 0 else index)


def _sliced(current, dim: int, item: slice, alone: bool):
    """A slice along `dim`; one that takes everything is passed over, unless it is the whole index."""
    n = current._array.shape[dim]
    start, stop, step = item.indices(n)
    if step <= 0:
        raise ValueError("step must be greater than zero")
    whole = not item.start and (item.stop is None or item.stop >= n) and step == 1  # but not from -n, as PyTorch has it
    if whole and not alone:
        return current
    return views._slice(current, dim, start, max(start, stop), step)


# ---------------------------------------------------------------- x[index]


@method("__getitem__")
def getitem(self, index):
    """``self[index]`` with ints, slices, None, Ellipsis, masks and integer tensors."""
    kind = index.__class__
    if kind is int:
        shape = self._array.shape
        if shape and 0 <= index < shape[0]:  # the common case, without another call
            return views._select(self, 0, index)
        return _checked_select(self, 0, index, 0)
    if kind is slice and self._array.ndim:
        return _sliced(self, 0, index, True)
    if kind is tuple:
        current = self
        dim = 0
        for position, item in enumerate(index):
            if item.__class__ is int and dim < current._array.ndim:
                current = _checked_select(current, dim, item, position)
            elif item.__class__ is slice and dim < current._array.ndim:
                current = _sliced(current, dim, item, False)
                dim += 1
            else:
                break
        else:
            return views._alias(self) if current is self else current
    current, dims, tensors = _split_index(self, index)
    if tensors:
        return general(_index.record, (current, *tensors), (dims,))
    return views._alias(self) if current is self else current


def _value_to_assign(self, value):
    """The assigned value as a tensor: a number takes the dtype of `self`; TypeError for anything else."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, (int, float, complex, bool)) and not isinstance(value, (np.integer, np.bool_)):
        raise TypeError(f"can't assign a {_full_name(type(value))} to a {views.type_name(self)}")
    return wrap(checked_number(value, self.dtype))


C_NAMES = {  # C++'s words for dtypes, which some of PyTorch's messages use
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t", "uint16": "uint16_t",
    "uint32": "uint32_t", "uint64": "uint64_t", "float16": "at::Half", "bfloat16": "at::BFloat16", "float32": "float",
    "float64": "double",
}  # fmt: skip


def checked_number(value, dtype):
    """A Python number as a NumPy scalar of `dtype`; RuntimeError, in PyTorch's words, where the dtype cannot hold
    it."""
    target = dtype.numpy_dtype
    if dtype is dtypes.bool_:
        return np.bool_(bool(value))
    bad = RuntimeError(f"value cannot be converted to type {C_NAMES.get(dtype.name, dtype.name)} without overflow")
    if isinstance(value, complex):
        if not dtype.is_complex:
            if value.imag:
                raise bad
            value = value.real
    if dtype.category == dtypes.INTEGER:
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            raise bad
        value = int(value)
        limits = np.iinfo(target)
        low = -limits.max if not dtype.is_signed else limits.min
        if not low <= value <= limits.max:
            raise bad
        return np.array(value & ((1 << 8 * target.itemsize) - 1), f"u{target.itemsize}").view(target)[()]
    if dtype.is_floating_point and isinstance(value, float) and dtype is not dtypes.float64:
        with np.errstate(all="ignore"):
            made = target.type(value)
        if np.isinf(np.float64(made)) and value not in (float("inf"), float("-inf")):
            raise bad
        return made
    return np.array(value).astype(target)[()]


@method("__setitem__")
def setitem(self, index, value) -> None:
    """``self[index] = value``, in place and differentiable."""
    tensors: list[Tensor]
    if index.__class__ is int:
        current, dims, tensors = _checked_select(self, 0, index, 0), (), []
    elif index.__class__ is slice and self._array.ndim:
        current, dims, tensors = _sliced(self, 0, index, False), (), []
    else:
        if index is False:
            return
        current, dims, tensors = _split_index(self, index)
    value = _value_to_assign(self, value)
    if not tensors:
        itself = index is Ellipsis or index.__class__ in (slice, tuple)
        target = views._alias(self) if current is self and not itself else current
        if value._array.shape == target._array.shape:
            views.copy_(target, value)
        elif not value._array.ndim:
            target.fill_(value)
        else:
            value = _without_leading_ones(value, always=True)
            if value._array.shape != target._array.shape:
                value = views.expand(value, target._array.shape)
            views.copy_(target, value)
        return
    value = _without_leading_ones(value)
    if value._array.dtype is not current._array.dtype and value._array.size == 1 and _is_one_mask(index):
        checked_number(value.item(), current.dtype)  # PyTorch fills the mask, and filling converts
        value = value.to(current.dtype)
    in_place_anywhere(_put_apart, current, value, dims, tensors)


def _is_one_mask(index) -> bool:
    """Whether the one tensor in an index is of bools."""
    tensors = [i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, Tensor)]
    return len(tensors) == 1 and tensors[0]._array.dtype.kind == "b"


def _put_apart(target, value, dims, tensors):
    refuse_shared(target, value)
    return _put_values(target, value, dims, tensors, False)


def check_overlap(written, *read) -> None:
    """Refuses to write into memory that is being read, or into one place twice."""
    check_memory(written._array)
    refuse_shared(written, *read)


def refuse_shared(written, *read) -> None:
    """Refuses to write into memory that is being read."""
    target = written._array
    if type(target) is np.ndarray and target.size:
        for tensor in read:
            if np.may_share_memory(target, tensor._array):
                raise RuntimeError(
                    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                    "single "
                    "memory location. Please clone() the tensor before performing the operation."
                )


def _without_leading_ones(value, always: bool = False):
    """`value` without dimensions of size 1 at the front; with `always`, recorded as a view though it has none."""
    shape = value._array.shape
    ones = 0
    while ones < len(shape) and shape[ones] == 1:
        ones += 1
    return views.view(value, shape[ones:]) if ones or always else value


def _put_values(target, value, dims, tensors, accumulate):
    """A copy of `target` with values put at index tensors."""
    if value._array.dtype is not target._array.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{dtypes.scalar_name(target.dtype)} for the destination and {dtypes.scalar_name(value.dtype)} for the "
            "source."
        )
    wanted = _indexed_shape(target._array.shape, dims, tensors)
    shape = value._array.shape
    ones = 0
    while len(shape) - ones > len(wanted) and shape[ones] == 1:
        ones += 1
    rest = shape[ones:]
    extra = len(wanted) - len(rest)
    if extra < 0 or any(n not in (1, wanted[extra + i]) for i, n in enumerate(rest)):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(shape)} cannot be broadcast to indexing result of shape "
            f"{list(wanted)}"
        )
    if ones:
        value = views.view(value, rest)
    return general(_index_put.record, (target, value, *tensors), (dims, accumulate))


def _indexed_shape(shape, dims, tensors):
    """The shape of ``x[index]``."""
    index_shape = np.broadcast_shapes(*[t._array.shape for t in tensors])
    rest = [n for d, n in enumerate(shape) if d not in dims]
    at = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0
    return (*rest[:at], *index_shape, *rest[at:])


@method("__delitem__")
def _delitem(self, index):
    raise TypeError("Tensor does not support deleting items")


@method("__iter__")
def iterate(self):
    """The slices along the first dimension."""
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(views.unbind(self, 0))


@method("__contains__")
def contains(self, element) -> bool:
    """Whether an element equals `element`."""
    if not isinstance(element, (Tensor, int, float, complex)):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    return bool((self.detach() == element).any())


# ---------------------------------------------------------------- index_put, index_select, take, put


def _index_arguments(input, indices) -> tuple[tuple[int, ...], list[Tensor]]:
    if isinstance(indices, Tensor) or not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"index_put(): argument 'indices' (position 1) must be tuple of Tensors, not {type(indices).__name__}"
        )
    shape = input._array.shape
    if len(indices) > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)} (got {len(indices)})")
    dims: list[int] = []
    tensors: list[Tensor] = []
    dim = 0
    for i, item in enumerate(indices):
        if not isinstance(item, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(item).__name__}")
        found = _positions(item, shape, dim, shape) if _is_mask(item) else (item,)
        for positions in found:
            dims.append(dim)
            tensors.append(positions)
            dim += 1
    _check_positions(tensors, dims, shape)
    return tuple(dims), tensors


@method()
def index_put(input, indices, values, accumulate: bool = False):
    """A copy of `input` with `values` put (or added) at the positions that a tuple of index tensors names."""
    return _put_values(input, values, *_index_arguments(input, indices), accumulate)


@method()
def index_put_(input, indices, values, accumulate: bool = False):
    """In-place version of :func:`index_put`."""
    dims, tensors = _index_arguments(input, indices)
    return in_place(_put_values, input, values, dims, tensors, accumulate)


def check_index_vector(function: str, index, n: int) -> None:
    """Refuses an index that is no vector (or number) of integers below `n`."""
    array = index._array
    if array.ndim > 1:
        raise IndexError(f"{function}(): Index is supposed to be a vector")
    if index.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(f"{function}(): Expected dtype int32 or int64 for index")
    if array.size and (array.min() < 0 or array.max() >= n):
        raise IndexError("index out of range in self")


@method()
def index_select(input, dim: int, index, *, out=None):
    """The slices of `input` along `dim` at the positions of a vector: a copy."""
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    if not isinstance(index, Tensor):
        raise must_be_tensor("index_select", "index", 2, index)
    if not shape and index._array.size != 1 and index._array.ndim < 2:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index._array.size} value(s)")
    check_index_vector("index_select", index, shape[dim] if shape else 1)
    if not shape and input._extra is not None and input._extra.special:
        return general(views._clone.record, (input,), (), out)
    if not index._array.ndim:
        index = views.view(index, 1)
    if out is not None:
        check_overlap(out, input, index)
    return general(_index_select.record, (input, index), (dim,), out)


def _check_flat_index(function: str, input, index) -> None:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"{function}(): Expected a long tensor for index, but got {dtypes.scalar_name(index.dtype)}")
    n, array = input._array.size, index._array
    if array.size and not n:
        raise IndexError(
            f"{function}(): tried to {'take' if function == 'take' else 'put elements'} from an empty tensor"
        )
    if array.size and (array.min() < -n or array.max() >= n):
        bad = array[(array < -n) | (array >= n)].flat[0]
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {n} elements.")


@method()
def take(input, index, *, out=None):
    """The elements of `input`, read as a vector, at the positions `index`."""
    if not isinstance(index, Tensor):
        raise must_be_tensor("take", "index", 2, index)
    _check_flat_index("take", input, index)
    if out is not None:
        check_overlap(out, input, index)
    return general(_take.record, (input, index), (), out)


@method()
def put(input, index, source, accumulate: bool = False):
    """A copy of `input` with the elements of `source` put (or added) at the positions `index`, all read as vectors."""
    for position, (name, value) in enumerate((("index", index), ("source", source)), 2):
        if not isinstance(value, Tensor):
            raise must_be_tensor("put", name, position, value)
    _check_flat_index("put_", input, index)
    if source._array.dtype is not input._array.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{dtypes.scalar_name(input.dtype)} and source.dtype = {dtypes.scalar_name(source.dtype)}"
        )
    if source._array.size != index._array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source._array.size}, index.numel() = {index._array.size}"
        )
    return _put(input, index, source, accumulate)


in_place_method("put_", put)


@method()
@numpy_names
def take_along_dim(input, indices, dim: int | None = None, *, out=None):
    """The elements of `input` at the positions `indices` along `dim`, with the other dimensions broadcast together."""
    from .scatter import gather

    if dim is None:
        return gather(views.reshape(input, (-1,)), 0, views.reshape(indices, (-1,)), out=out)
    ndim = input._array.ndim
    if ndim != indices._array.ndim:
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got {ndim} "
            "dimensions "
            f"for input, and {indices._array.ndim} dimensions for indices"
        )
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got " + dtypes.scalar_name(indices.dtype)
        )
    dim = wrap_dim(dim, ndim)
    if indices._array.size and indices._array.min() < 0:
        n = input._array.shape[dim]
        indices = wrap(np.where(indices._array < 0, indices._array + n, indices._array))
    mine, theirs = list(input._array.shape), list(indices._array.shape)
    if ndim:
        mine[dim] = theirs[dim] = 1
    from .shape import broadcast_shapes

    joint = list(broadcast_shapes(mine, theirs))
    for sizes, tensor in ((mine, input), (theirs, indices)):
        sizes[:] = joint
        if ndim:
            sizes[dim] = tensor._array.shape[dim]
    return gather(views.expand(input, mine), dim, views.expand(indices, theirs), out=out)


# ---------------------------------------------------------------- masks


@method()
def masked_fill(input, mask, value):
    """A copy of `input` with `value` (a number or a 0-d tensor) where `mask` holds."""
    if not isinstance(mask, Tensor):
        raise must_be_tensor("masked_fill", "mask", 1, mask)
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {dtypes.c_name(mask.dtype)}"
        )
    if mask._array.shape != input._array.shape:
        views.joint_shape(mask._array.shape, input._array.shape)
    if not isinstance(value, Tensor):
        return _masked_fill(input, mask, checked_number(value, input.dtype).item())
    if value._array.ndim:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value._array.ndim} "
            "dimension(s)."
        )
    if value._array.dtype is not input._array.dtype and not is_batch(value):
        checked_number(value.item(), input.dtype)
    return _masked_fill_tensor(input, mask, value.to(input.dtype))


@method()
def masked_fill_(self, mask, value):
    """In-place version of :func:`masked_fill`."""
    if isinstance(mask, Tensor) and mask._array.shape != self._array.shape:
        views.joint_shape(self._array.shape, mask._array.shape)
    return in_place_anywhere(masked_fill, self, mask, value)


@method()
def masked_select(input, mask, *, out=None):
    """The elements of `input` where `mask` holds, in one dimension."""
    if not isinstance(mask, Tensor):
        raise must_be_tensor("masked_select", "mask", 2, mask)
    if mask._array.dtype.kind != "b" and mask.dtype is not dtypes.uint8:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    refuse_batches(
        "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot support this because for each "
        "batch this would return a differently shaped Tensor. Please file an issue at "
        "https://github.com/pytorch/pytorch/issues if you need this feature.",
        mask,
    )
    views.joint_shape(mask._array.shape, input._array.shape)
    if out is not None:
        if out.dtype is not input.dtype:
            raise RuntimeError("masked_select(): self and result must have the same scalar type")
        check_overlap(out, input, mask)
    return general(_masked_select.record, (input, mask), (), out)


@method()
def masked_scatter(input, mask, source):
    """A copy of `input` with the elements of `source`, one after the other, where `mask` holds."""
    for position, (name, value) in enumerate((("mask", mask), ("source", source)), 2):
        if not isinstance(value, Tensor):
            raise must_be_tensor("masked_scatter", name, position, value)
    if input._array.dtype is not source._array.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{dtypes.scalar_name(input.dtype)} and {dtypes.scalar_name(source.dtype)}"
        )
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {dtypes.scalar_name(mask.dtype)}"
        )
    shape = views.joint_shape(mask._array.shape, input._array.shape)
    if np.count_nonzero(np.broadcast_to(mask._array, shape)) > source._array.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return _masked_scatter(input, mask, source)


@method()
def masked_scatter_(self, mask, source):
    """In-place version of :func:`masked_scatter`; the mask alone is broadcast."""
    if isinstance(mask, Tensor) and mask._array.shape != self._array.shape:
        mask = views.expand(mask, self._array.shape)
    return in_place(masked_scatter, self, mask, source)


@method()
def nonzero(input, *, out=None, as_tuple: bool = False):
    """The positions of the elements that are not zero: one a row, or a tensor for each dimension."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("nonzero", "input", 1, input)
    refuse_batches(NO_FALLBACK.format("nonzero_numpy") if as_tuple else DYNAMIC.format("nonzero"), input)
    array = memory(input)
    if as_tuple:
        return tuple([wrap(part) for part in np.nonzero(array if array.ndim else array.reshape(1))])
    found = wrap(
        np.array(np.nonzero(array), dtype=np.int64).reshape(array.ndim, -1).T
        if array.ndim
        else np.empty((int(bool(array)), 0), np.int64)
    )
    if out is None:
        return found
    from ..inplace import fill_out

    if out.dtype is not dtypes.int64:
        raise RuntimeError(
            f"nonzero: Expected out tensor to have scalar type {dtypes.scalar_name(dtypes.int64)} but got scalar type "
            f"{dtypes.scalar_name(out.dtype)}"
        )
    return fill_out(out, found)


def nonzero_static(input, *, size: int, fill_value: int = -1, out=None):
    """`nonzero` cut, or filled up with `fill_value`, to `size` rows."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = nonzero(input)._array[:size]
    rows = np.full((size, found.shape[1]), fill_value, np.int64)
    rows[: found.shape[0]] = found
    if out is None:
        return wrap(rows)
    from ..inplace import fill_out

    return fill_out(out, wrap(rows))


Tensor.nonzero_static = nonzero_static


@by_sample
def unravel_index(indices, shape):
    """The coordinates, one tensor a dimension, of positions in a tensor of `shape` read as a vector."""
    if not isinstance(indices, Tensor):
        raise TypeError(f"unravel_index(): argument 'indices' must be Tensor, not {type(indices).__name__}")
    if indices._array.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {shape}")
    found, rest = [], indices._array.astype(np.int64)
    for n in reversed(shape):
        found.append(wrap(np.asarray(rest % n, rest.dtype)))
        rest = rest // n
    return tuple(reversed(found))


@method()
@by_sample
def argwhere(input):
    """The positions of the elements that are not zero, one a row."""
    return nonzero(input)
