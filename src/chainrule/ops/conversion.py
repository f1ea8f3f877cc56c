"""Tensors to other dtypes, to Python numbers, lists and arrays, and the old types of tensors."""

from __future__ import annotations

import warnings

import numpy as np

from .. import dtypes
from ..graph_errors import explained
from ..modes import local
from ..op import LINEAR, method, must_be_tensor, op
from ..size import check_device, device as torch_device
from ..tensor import Tensor, memory, own_extra, wrap
from .creation import PYTHON_TYPES, dtype_argument
from .shape import normal_copy, past_inference, type_name

__all__ = ["is_complex", "is_floating_point", "is_nonzero", "is_signed", "numel"]

_cast = op(
    "cast",
    kind=LINEAR,
    forward=lambda xp, x, /, dtype: xp.copy(x) if x.dtype is dtype.numpy_dtype else xp.cast(x, dtype),
    vjp=lambda xp, g, x_dtype: xp.cast(g, x_dtype),
    node="ToCopyBackward0",
)


def cast(input, dtype):
    """`input` with another dtype; the tensor itself where it has that dtype already."""
    array = input._array
    if array.dtype is dtype.numpy_dtype:
        return input
    if array.dtype.kind == "c" and dtype.category < dtypes.COMPLEX and dtype is not dtypes.bool_:
        warn_of_lost_part(3)
    return _copy_of(input, dtype)


def _copy_of(input, dtype):
    if input._extra is not None and input._extra.inference and not local.inference:
        return normal_copy(input, dtype)
    return _cast(input, dtype)


def warn_of_lost_part(stacklevel: int) -> None:
    """Warns, in PyTorch's words, that complex numbers are about to become real."""
    warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=stacklevel + 1)


def _to_arguments(args, dtype, device, non_blocking, copy):
    """dtype, device and copy from the forms of `to`: (dtype, ...), (device, dtype, ...), (tensor, ...)."""
    flags = []
    for i, value in enumerate(args):
        if isinstance(value, dtypes.dtype) or (isinstance(value, type) and value in PYTHON_TYPES):
            if i > 1 or (i and dtype is not None):
                raise _bad_to(args)
            dtype = dtype_argument("to", value)
        elif isinstance(value, Tensor) and not i:
            dtype = value.dtype
        elif isinstance(value, bool):
            flags.append(value)
        elif (isinstance(value, (str, int)) or value.__class__ is torch_device) and not i:
            device = value
        elif value is not None:
            raise _bad_to(args)
    if len(flags) > 2:
        raise _bad_to(args)
    return dtype, device, flags[1] if len(flags) == 2 else copy


def _bad_to(args) -> TypeError:
    given = ", ".join(f"torch.{type(a).__name__}" if isinstance(a, dtypes.dtype) else type(a).__name__ for a in args)
    return TypeError(
        f"to() received an invalid combination of arguments - got ({given}), but expected one of:\n"
        " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
        "torch.memory_format memory_format = None)\n"
        " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = "
        "None)\n"
        " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = "
        "None)\n"
    )


@method()
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None, other=None):
    """`self` with another dtype or device: given as dtype, device, both, or another tensor to be like."""
    if len(args) == 1 and args[0].__class__ is dtypes.dtype and device is None:
        dtype = args[0]
    else:
        if other is not None:
            args = (other, *args)
        dtype, device, copy = _to_arguments(args, dtype, device, non_blocking, copy)
        dtype = dtype_argument("to", dtype)
        check_device(device)
    result = self
    if dtype is not None and self._array.dtype is not dtype.numpy_dtype:
        result = cast(self, dtype)
    elif copy:
        result = _copy_of(self, self.dtype)
    return result if memory_format is None else result.contiguous(memory_format=memory_format)


def _caster(name: str, dtype):
    def convert(self, memory_format=None):
        return self if self._array.dtype is dtype.numpy_dtype else cast(self, dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"``self.to({dtype!r})``."
    setattr(Tensor, name, convert)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128, "chalf": dtypes.complex32,
}.items():  # fmt: skip
    _caster(_name, _dtype)


@method()
def type_as(self, other):
    """`self` with the dtype of `other`."""
    if not isinstance(other, Tensor):
        raise must_be_tensor("type_as", "other", 1, other)
    return cast(self, other.dtype)


@method("type")
def type_(self, dtype=None, non_blocking: bool = False):
    """The name of the tensor's legacy type, or the tensor with another type: a dtype, legacy type or its name."""
    from ..legacy import dtype_of_type

    return type_name(self) if dtype is None else cast(self, dtype_of_type(dtype))


@method()
def cpu(self, memory_format=None):
    """The tensor itself: it is on the CPU."""
    return self


@method()
def pin_memory(self, device=None):
    """RuntimeError: memory is pinned for a device, and there is none."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


def _elsewhere(kind: str):
    def move(self, device=None, non_blocking: bool = False, memory_format=None):
        check_device(kind if device is None else device)

    move.__name__ = move.__qualname__ = kind
    move.__doc__ = "RuntimeError or AssertionError: there is no such device."
    setattr(Tensor, kind, move)


for _name in ("cuda", "mps", "xpu", "hpu", "mtia", "ipu"):
    _elsewhere(_name)


# ---------------------------------------------------------------- to sparse tensors, which have methods of their own


def _by_sparse_package(name: str):
    def convert(self, *args, **named):
        from ..sparse import conversion

        return getattr(conversion, name)(self, *args, **named)

    convert.__name__ = convert.__qualname__ = name
    setattr(Tensor, name, convert)


for _name in (
    "to_sparse", "to_dense", "sparse_mask", "coalesce", "is_coalesced", "indices", "values", "_indices", "_values",
    "_nnz", "sparse_dim", "dense_dim", "sparse_resize_", "sparse_resize_and_clear_", "to_sparse_coo", "to_sparse_csr",
    "to_sparse_csc", "to_sparse_bsr", "to_sparse_bsc", "crow_indices", "col_indices", "ccol_indices", "row_indices",
):  # fmt: skip
    _by_sparse_package(_name)


# ---------------------------------------------------------------- to Python's numbers and lists


def _refuse_reading(self, how: str) -> None:
    from ..batching import refuse_reading

    refuse_reading(self, how)


@method()
def item(self):
    """The one element, as a Python number."""
    if self._extra is not None and self._extra.special:
        _refuse_reading(self, "item")
    array = self._array
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value = array.item()
    return value if isinstance(value, (bool, int, float, complex)) else float(value)


@method()
def tolist(self):
    """The elements as nested lists of Python numbers."""
    if self._extra is not None and self._extra.special:
        _refuse_reading(self, "memory")
    array = self._array
    return array.astype(np.float32).tolist() if array.dtype.kind == "V" else array.tolist()


def warn_of_gradient(stacklevel: int) -> None:
    """Warns, in PyTorch's words, that a number loses what a tensor knows of its history."""
    warnings.warn(
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
        "Consider using tensor.detach() first.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def _one_number(self):
    """The one element for `float`, `int` and `complex`."""
    if self._array.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    if self.requires_grad:
        warn_of_gradient(3)
    return item(self)


@method("__float__")
def as_float(self) -> float:
    value = _one_number(self)
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError("value cannot be converted to type double without overflow")
        value = value.real
    return float(value)


@method("__int__")
def as_int(self) -> int:
    value = _one_number(self)
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError("value cannot be converted to type int64_t without overflow")
        value = value.real
    return int(value)


@method("__complex__")
def as_complex(self) -> complex:
    return complex(_one_number(self))


@method("__bool__")
def as_bool(self) -> bool:
    if self._extra is not None and self._extra.special:
        _refuse_reading(self, "bool")
    array = self._array
    if array.size != 1:
        if not array.size:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(array)


@method()
def is_nonzero(input) -> bool:
    """Whether the one element is not zero."""
    return as_bool(input)


@method("__index__")
def as_index(self) -> int:
    if self._array.size != 1 or self._array.dtype.kind not in "iub":
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


# ---------------------------------------------------------------- to NumPy and others


@method()
def numpy(self, *, force: bool = False):
    """A NumPy array that shares the tensor's memory; `force`: a detached one, whatever the tensor."""
    if self._extra is not None and self._extra.special:
        _refuse_reading(self, "memory")
    if not force and self.requires_grad and local.grad_enabled:
        raise explained(
            RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        )
    if self.dtype is dtypes.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return memory(self).view()


@method("__array__")
def as_array(self, dtype=None, copy=None):
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method("__array_wrap__")
def _from_array(self, array, context=None, return_scalar: bool = False):
    """What a NumPy function made of this tensor's array, as a tensor again."""
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    return wrap(np.asarray(array))


@method("__dlpack__")
def _dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    array = memory(self)
    return array.copy().__dlpack__() if copy else array.__dlpack__()


@method("__dlpack_device__")
def _dlpack_device(self):
    return memory(self).__dlpack_device__()


# ---------------------------------------------------------------- the memory, past autograd


def _get_data(self):
    """The same memory without history, and with a version counter of its own."""
    extra = self._extra
    if extra is not None:
        if extra.special:
            _refuse_reading(self, "data")
        if extra.inference:
            return past_inference(self)
    return wrap(memory(self))


def _set_data(self, value) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    if self._requires_grad and value._array.dtype.kind in "iub":
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    if self._extra is not None and self._extra.special:
        _refuse_reading(self, "set data")
    self._array = memory(value)


def _delete_data(self) -> None:
    raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")


Tensor.data = property(
    _get_data, _set_data, _delete_data, doc="The memory, outside autograd: writes to it are not noticed."
)


@method()
def is_complex(input) -> bool:
    """Whether the dtype is complex."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("is_complex", "input", 1, input)
    return input._array.dtype.kind == "c"


@method()
def is_floating_point(input) -> bool:
    """Whether the dtype is a floating-point one."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("is_floating_point", "input", 1, input)
    return input._array.dtype.kind in "fV"


@method()
def is_signed(input) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


def numel(input) -> int:
    """The number of elements."""
    return input._array.size


@method()
def as_subclass(self, cls):
    """The same tensor, with its history, as an instance of a subclass of Tensor."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass(): argument 'cls' must be a subclass of Tensor, not {cls!r}")
    return _become(self.view_as(self) if self.requires_grad else self.detach(), cls)


def _make_subclass(cls, data, require_grad: bool = False):
    """An instance of `cls` that shares the memory of `data`, without its history."""
    result = _become(data.detach(), cls)
    return result.requires_grad_() if require_grad else result


def _become(tensor, cls):
    tensor.__class__ = cls
    if cls._special:
        own_extra(tensor).special = True
    return tensor


Tensor._make_subclass = staticmethod(_make_subclass)
