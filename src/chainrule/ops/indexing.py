"""Indexing: `x[...]` and assignment to it, as views for ints and slices, by gathering for tensors and masks."""

from __future__ import annotations

import numpy as np

from ..inplace import in_place
from ..op import LINEAR, general, method, op
from ..tensor import Tensor
from . import shape as views
from .shape import wrap_dim

__all__: list[str] = []

_index = op(
    "index",
    kind=LINEAR,
    forward=lambda xp, x, /, index: x[index],
    vjp=lambda xp, g, x_shape, index: xp.index_backward(g, x_shape, index),
)
_index_backward = op(
    "index_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, shape, index: xp.add_at(shape, index, g),
    vjp=lambda xp, g, index: xp.index(g, index),
)
_index_put = op(
    "index_put",
    kind=LINEAR,
    forward=lambda xp, x, y, /, index, accumulate: xp.put_at(x, index, y, accumulate),
    vjp=(
        lambda xp, g, index, accumulate: g if accumulate else xp.put_zero(g, index),
        lambda xp, g, y_shape, index: xp.sum_to(xp.index(g, index), y_shape),
    ),
)


def _split_index(self, index):
    """(the view that the basic part of `index` selects, the advanced part for it or None)."""
    items = list(index) if isinstance(index, tuple) else [index]
    taken = sum(
        0 if i is None or i is Ellipsis or isinstance(i, bool) else i.ndim if _is_mask(i) else 1
        for i in items
    )
    ndim = self._array.ndim
    if taken > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    current, dim, advanced = self, 0, []
    for item in items:
        if item is Ellipsis:
            dim += ndim - taken
        elif item is None:
            current = views.unsqueeze(current, dim)
            dim += 1
        elif isinstance(item, (bool, np.bool_)):
            current = views.unsqueeze(current, dim)
            advanced.append((dim, np.array([0] if item else [], dtype=np.int64)))
            dim += 1
        elif isinstance(item, (int, np.integer)) or (_is_integer_scalar(item) and not advanced and False):
            current = _checked_select(current, dim, int(item))
        elif isinstance(item, slice):
            current = _sliced(current, dim, item)
            dim += 1
        else:
            array = _index_array(item)
            if array.dtype.kind == "b":
                for i, n in enumerate(array.shape):
                    if current._array.shape[dim + i] != n:
                        raise IndexError(
                            f"The shape of the mask {list(array.shape)} at index {i} does not match the shape of the "
                            f"indexed tensor {list(self.shape)} at index {dim + i}"
                        )
                for part in np.nonzero(array):
                    advanced.append((dim, part))
                    dim += 1
            else:
                n = current._array.shape[dim]
                if array.size and (array.min() < -n or array.max() >= n):
                    bad = array[(array < -n) | (array >= n)].flat[0]
                    raise IndexError(f"index {bad} is out of bounds for dimension {dim} with size {n}")
                advanced.append((dim, array))
                dim += 1
    if not advanced:
        return current, None
    full = [slice(None)] * current._array.ndim
    for d, array in advanced:
        full[d] = array
    return current, tuple(full)


def _is_mask(item) -> bool:
    return getattr(getattr(item, "_array", item), "dtype", None) is not None and (
        getattr(item, "_array", item).dtype.kind == "b"
    )


def _is_integer_scalar(item) -> bool:
    return isinstance(item, Tensor) and item._array.ndim == 0 and item._array.dtype.kind in "iu"


def _index_array(item):
    array = np.asarray(item._array if isinstance(item, Tensor) else item)
    if array.dtype.kind == "f" and not array.size:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return array


def _checked_select(current, dim: int, index: int):
    shape = current._array.shape
    if not shape:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
            "tensor to a number"
        )
    n = shape[dim]
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {n}")
    return views._select(current, dim, index + n if index < 0 else index)


def _sliced(current, dim: int, item: slice):
    if item == slice(None):
        return current
    step = 1 if item.step is None else int(item.step)
    if step <= 0:
        raise ValueError("step must be greater than zero")
    n = current._array.shape[dim]
    start, stop, _ = slice(
        None if item.start is None else int(item.start), None if item.stop is None else int(item.stop), step
    ).indices(n)
    return views._slice(current, dim, start, max(start, stop), step)


@method("__getitem__")
def getitem(self, index):
    """``self[index]`` with ints, slices, None, Ellipsis, masks and integer tensors."""
    if index.__class__ is int and self._array.ndim:
        return _checked_select(self, 0, index)
    current, advanced = _split_index(self, index)
    if advanced is not None:
        return general(_index.record, (current,), (advanced,))
    return views._alias(self) if current is self else current


@method("__setitem__")
def setitem(self, index, value) -> None:
    """``self[index] = value``, in place and differentiable."""
    from .creation import tensor

    current, advanced = _split_index(self, index)
    if not isinstance(value, Tensor):
        value = tensor(value, dtype=self.dtype)
    if advanced is None:
        target = views._alias(self) if current is self else current
        while value.ndim > target.ndim and value.shape[0] == 1:
            value = value[0]
        target.copy_(value)
    else:
        in_place(lambda t, v: general(_index_put.record, (t, v), (advanced, False)), current, value)


@method("__iter__")
def iterate(self):
    """The slices along the first dimension."""
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter([_checked_select(self, 0, i) for i in range(self._array.shape[0])])
