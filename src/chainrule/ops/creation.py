"""Tensors from numbers, sequences and arrays."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..op import method
from ..size import check_device
from ..tensor import Tensor, own_extra, wrap, wrap_as
from ..modes import local
from .shape import shape_argument

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "from_numpy",
    "full",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]


def finish(array, requires_grad: bool = False, dtype=None, device=None) -> Tensor:
    """A leaf tensor of a fresh array."""
    check_device(device)
    if dtype is not None and array.dtype is not dtype.numpy_dtype:
        array = array.astype(dtype.numpy_dtype)
    result = wrap(array if array.ndim else array[()])
    if requires_grad:
        if array.dtype.kind in "iub":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        result._requires_grad = True
    if local.inference:
        own_extra(result).inference = True
    return result


def tensor(data, *, dtype=None, device=None, requires_grad: bool = False, pin_memory: bool = False):
    """A leaf tensor with a copy of `data`: a number, nested sequences of numbers, or an array."""
    return finish(array_of(data, dtype), requires_grad, None, device)


def array_of(data, dtype=None):
    """A fresh array of `data`, with the dtype PyTorch infers: Python floats take the default dtype."""
    target = None if dtype is None else dtype.numpy_dtype
    if isinstance(data, Tensor):
        return np.array(data._array, dtype=target, copy=True)
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, (float, complex)):
        dtypes.from_numpy_dtype(data.dtype)
        return np.array(data, dtype=target, copy=True)
    if target is not None and isinstance(data, (bool, int, float, complex)):
        return np.array(data).astype(target)
    made = np.array(data)
    if target is None:
        kind = made.dtype.kind
        if kind == "f" or (kind == "O" or not made.size):
            target = dtypes.get_default_dtype().numpy_dtype
        elif kind == "c":
            target = dtypes.get_default_dtype().to_complex().numpy_dtype
        elif kind in "iu":
            target = np.dtype(np.int64)
    return made if target is None else made.astype(target)


def legacy_tensor(cls, *args, **kwargs):
    """``torch.Tensor(...)``: sizes, or data, in the default dtype."""
    target = dtypes.get_default_dtype().numpy_dtype
    if len(args) == 1 and not isinstance(args[0], int):
        array = np.asarray(array_of(args[0])).astype(target)
    else:
        array = np.zeros(args, target)
    return wrap_as(cls, array)


def _filled(make):
    def create(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
        target = (dtype or dtypes.get_default_dtype()).numpy_dtype
        return finish(make(shape_argument(size), target), requires_grad, None, device)

    return create


zeros = _filled(np.zeros)
ones = _filled(np.ones)
empty = _filled(np.zeros)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A tensor of one value."""
    dtype = dtype or dtypes.of_number(fill_value)
    return finish(np.full(tuple(size), fill_value, dtype.numpy_dtype), requires_grad, None, device)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """Numbers from `start` to before `end` in steps."""
    if end is None:
        start, end = 0, start
    if dtype is None:
        dtype = (
            dtypes.int64
            if all(isinstance(v, int) for v in (start, end, step))
            else dtypes.get_default_dtype()
        )
    return finish(np.arange(start, end, step).astype(dtype.numpy_dtype), requires_grad, None, device)


def zeros_like(input, *, dtype=None, requires_grad=False, device=None, memory_format=None):
    """Zeros with the shape and dtype of `input`."""
    return finish(np.zeros(input._array.shape, input._array.dtype), requires_grad, dtype, device)


def ones_like(input, *, dtype=None, requires_grad=False, device=None, memory_format=None):
    """Ones with the shape and dtype of `input`."""
    return finish(np.ones(input._array.shape, input._array.dtype), requires_grad, dtype, device)


def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.from_numpy_dtype(ndarray.dtype)
    return wrap(ndarray)


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory where possible."""
    if isinstance(data, Tensor):
        return data if dtype is None or dtype is data.dtype else data.to(dtype)
    if isinstance(data, np.ndarray):
        shared = from_numpy(data)
        return shared if dtype is None or dtype is shared.dtype else shared.to(dtype)
    return tensor(data, dtype=dtype, device=device)


def empty_strided_like(array) -> Tensor:
    """An uninitialised tensor with the layout of `array`."""
    return wrap(np.empty_like(array))
