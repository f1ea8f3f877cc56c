"""PyTorch's old tensor types: `torch.Tensor(...)` as a constructor, `torch.FloatTensor` and its siblings."""

from __future__ import annotations

import warnings

import numpy as np

from . import dtypes
from .modes import is_quiet, silence
from .size import device as torch_device
from .tensor import Tensor, memory, version_counter, wrap, wrap_as

TYPES = {
    "BoolTensor": dtypes.bool_, "ByteTensor": dtypes.uint8, "CharTensor": dtypes.int8, "ShortTensor": dtypes.int16,
    "IntTensor": dtypes.int32, "LongTensor": dtypes.int64, "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16, "FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64,
}  # fmt: skip

__all__ = [*TYPES, "set_default_tensor_type"]


def legacy_tensor(cls, *args, device=None, **named):
    """``torch.Tensor(...)``: sizes, or data, in the default dtype; for subclasses as well."""
    made = _construct(dtypes.get_default_dtype(), True, args, device, named)
    if cls is Tensor:
        return made
    result = wrap_as(cls, memory(made))
    result._counter = version_counter(made)
    return result


def _construct(dtype, any_dtype: bool, args, device, named):
    """A tensor of `dtype` from sizes, a sequence, an array or another tensor (whose memory it shares)."""
    from .ops.creation import array_of, finish, sizes_argument
    from .storage import TypedStorage, UntypedStorage

    if device is not None and torch_device(device).type != "cpu":
        raise RuntimeError(
            f"legacy constructor expects device type: cpu but device type: {torch_device(device).type} was passed"
        )
    if named:
        given = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in named.items()])
        raise TypeError(
            f"new() received an invalid combination of arguments - got ({given}), but expected one of:\n"
            " * (*, torch.device device = None)\n"
            f"      didn't match because some of the keywords were incorrect: {', '.join(named)}\n"
            " * (torch.Storage storage)\n * (Tensor other)\n * (tuple of ints size, *, torch.device device = None)\n"
            " * (object data, *, torch.device device = None)\n"
        )
    if not is_quiet():
        silence()
    target = dtype.numpy_dtype
    if not args:
        return wrap(np.zeros(0, target))
    data = args[0]
    if len(args) == 1:
        if isinstance(data, Tensor):
            if not any_dtype and data.dtype is not dtype:
                raise TypeError(f"expected a tensor of dtype {dtype} (got {data.dtype})")
            return data.detach()
        if isinstance(data, (TypedStorage, UntypedStorage)):
            return _of_storage(data, dtype)
        if isinstance(data, np.ndarray) and data.ndim and data.dtype == target:
            from .ops.creation import from_numpy

            return from_numpy(data)
        if isinstance(data, (str, bytes)):
            raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
        is_size = type(data).__name__ == "Size" or (hasattr(data, "__index__") and not isinstance(data, np.ndarray))
        if not is_size:
            if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
                raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
            return finish(array_of(data, dtype))
    if len(args) == 1 and type(data).__name__ == "Size":
        args = (tuple(data),)
    for i, n in enumerate(args[1:], 2):
        if not hasattr(n, "__index__"):
            raise TypeError(
                f"new(): argument 'size' failed to unpack the object at pos {i} with error \"type must be tuple of "
                "ints,but "
                f'got {type(n).__name__}"'
            )
    return finish(np.zeros(sizes_argument("new", args, None), target))


def _of_storage(storage, dtype):
    """A flat tensor of all elements of a storage, whose memory it shares."""
    kind = getattr(storage, "dtype", dtype)
    if kind is not dtype:
        wanted, got = dtypes.scalar_name(dtype), dtypes.scalar_name(kind)
        raise RuntimeError(
            f"Expected a Storage of type {wanted} or an UntypedStorage, but got type {got} for argument 1 'storage'"
        )
    return wrap(storage.untyped()._bytes().view(dtype.numpy_dtype))


def new(self, *args, device=None, **named):
    """A tensor of this tensor's dtype from sizes or data."""
    return _construct(self.dtype, False, args, device, named)


Tensor.new = new


class tensortype(type):
    """The type of `torch.FloatTensor` and its siblings: types whose instances are the tensors of one dtype."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, instance) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *args, device=None, **named):
        return _construct(cls.dtype, False, args, device, named)


tensortype.__module__ = "torch"


def _make_type(name: str, dtype: dtypes.dtype) -> type:
    return tensortype(
        name,
        (),
        {
            "__module__": "torch",
            "__doc__": f"CPU tensors of dtype {dtype}.",
            "dtype": dtype,
            "is_cuda": False,
            "is_sparse": False,
        },
    )


for _name, _dtype in TYPES.items():
    globals()[_name] = _make_type(_name, _dtype)


def _of_cuda(kind) -> str | None:
    """The name of a legacy type of torch.cuda, if it is one or its name."""
    name = f"{kind.__module__}.{kind.__name__}" if isinstance(kind, type) else kind
    return name if isinstance(name, str) and name.startswith("torch.cuda.") else None


def dtype_of_type(kind) -> dtypes.dtype:
    """The dtype that a dtype, a legacy type or its name (``"torch.FloatTensor"``) stands for."""
    if isinstance(kind, dtypes.dtype):
        return kind
    if isinstance(kind, tensortype):
        return kind.dtype
    if isinstance(kind, type) and issubclass(kind, Tensor):
        return dtypes.get_default_dtype()
    if _of_cuda(kind):
        raise RuntimeError("Cannot initialize CUDA without ATen_cuda library.")
    if isinstance(kind, type):
        from .ops.creation import PYTHON_TYPES

        if kind in PYTHON_TYPES:
            return PYTHON_TYPES[kind]
    if isinstance(kind, str):
        if kind == "torch.Tensor":
            return dtypes.get_default_dtype()
        found = TYPES.get(kind.removeprefix("torch.")) if kind.startswith("torch.") else None
        if found is not None:
            return found
        raise ValueError(f"invalid type: '{kind}'")
    raise TypeError("dtype must be a type, str, or dtype object")


def set_default_tensor_type(t) -> None:
    """Sets the default dtype by the name of a legacy type. Deprecated: see `set_default_dtype`."""
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives.",
        UserWarning,
        stacklevel=2,
    )
    missing = _of_cuda(t)
    if missing:
        raise TypeError(f"type {missing} not available. Torch not compiled with CUDA enabled.")
    dtype = dtype_of_type(t)
    if not dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    dtypes.set_default_dtype(dtype)
