"""Tensors to other dtypes, to Python numbers, lists and arrays, and the old types of tensors."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..op import LINEAR, general, method, op
from ..size import check_device, device
from ..tensor import Tensor, memory

__all__: list[str] = []

_cast = op(
    "cast",
    kind=LINEAR,
    forward=lambda xp, x, /, dtype: xp.cast(x, dtype),
    vjp=lambda xp, g, x_dtype: xp.cast(g, x_dtype),
    node="ToCopyBackward0",
)


def cast(input, dtype):
    """`input` with another dtype; the tensor itself where it has that dtype already."""
    return input if input._array.dtype is dtype.numpy_dtype else general(_cast.record, (input,), (dtype,))


@method()
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """`self` with another dtype or device: given as dtype, device, both, or another tensor to be like."""
    for value in args:
        if isinstance(value, dtypes.dtype):
            dtype = value
        elif isinstance(value, Tensor):
            dtype = value.dtype
        elif not isinstance(value, bool):
            device = value
    check_device(device)
    if dtype is not None and self._array.dtype is not dtype.numpy_dtype:
        return cast(self, dtype)
    return self.clone() if copy else self


def _caster(name: str, dtype):
    def convert(self, memory_format=None):
        return cast(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"``self.to({dtype!r})``."
    setattr(Tensor, name, convert)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    _caster(_name, _dtype)


@method()
def type_as(self, other):
    """`self` with the dtype of `other`."""
    return cast(self, other.dtype)


@method()
def item(self):
    """The one element, as a Python number."""
    array = self._array
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value = array.item()
    return value if isinstance(value, (bool, int, float, complex)) else float(value)


@method()
def tolist(self):
    """The elements as nested lists of Python numbers."""
    array = self._array
    return array.astype(np.float32).tolist() if array.dtype.kind == "V" else array.tolist()


@method()
def numpy(self, *, force: bool = False):
    """A NumPy array that shares the tensor's memory."""
    if force:
        return memory(self.detach())
    if self.requires_grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.dtype is dtypes.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return memory(self)


@method("__array__")
def as_array(self, dtype=None, copy=None):
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method("__bool__")
def as_bool(self) -> bool:
    array = self._array
    if array.size != 1:
        if not array.size:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(array)


Tensor.__float__ = lambda self: float(item(self))
Tensor.__int__ = lambda self: int(item(self))
Tensor.__complex__ = lambda self: complex(item(self))
Tensor.cpu = lambda self, memory_format=None: self


@method("__index__")
def as_index(self) -> int:
    if self._array.size != 1 or self._array.dtype.kind not in "iub":
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self._array.item())


def _get_data(self):
    """The same memory without history, and with a version counter of its own."""
    from ..tensor import wrap_as

    return wrap_as(type(self), memory(self))


def _set_data(self, value) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    if self._requires_grad and value._array.dtype.kind in "iub":
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    self._array = memory(value)


Tensor.data = property(
    _get_data, _set_data, doc="The memory, outside autograd: writes to it are not noticed."
)


@method()
def is_complex(self) -> bool:
    """Whether the dtype is complex."""
    return self._array.dtype.kind == "c"


@method()
def is_floating_point(self) -> bool:
    """Whether the dtype is a floating-point one."""
    return self._array.dtype.kind in "fV"
