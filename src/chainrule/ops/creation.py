"""Tensors from numbers, sequences, arrays and buffers, and tensors of given sizes."""

from __future__ import annotations

import math
import warnings
from itertools import chain

import numpy as np

from .. import dtypes
from ..dtypes import dtype as Dtype
from ..graph_errors import explained
from ..modes import is_quiet, local, silence
from ..op import is_number, method, must_be_tensor, op
from ..size import channels_last, channels_last_3d, check_device, contiguous_format, strided
from ..tensor import Tensor, memory, own_extra, wrap
from .shape import shape_argument

__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "empty_permuted", "empty_strided", "eye",
    "from_dlpack", "from_numpy", "frombuffer", "full", "full_like", "linspace", "logspace", "ones", "ones_like",
    "range", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip

builtin_range = range


# ---------------------------------------------------------------- arguments

PYTHON_TYPES = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool_, complex: dtypes.complex128}


def dtype_argument(function: str, dtype, default=None):
    """The dtype an argument names: a dtype, one of Python's number types, or None for the default."""
    if dtype is None:
        return default
    if dtype.__class__ is Dtype:
        return dtype
    found = PYTHON_TYPES.get(dtype) if isinstance(dtype, type) else None
    if found is None:
        raise TypeError(f"{function}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return found


def finish(array, requires_grad: bool = False, device=None, out=None) -> Tensor:
    """A leaf tensor of a fresh array; with `out`, that tensor overwritten."""
    if device is not None:
        check_device(device)
    result = wrap(array if array.ndim else array[()])
    if out is not None:
        from ..inplace import fill_out

        return fill_out(out, result)
    if requires_grad:
        if array.dtype.kind in "iub":
            raise explained(RuntimeError("Only Tensors of floating point and complex dtype can require gradients"))
        result._requires_grad = True
    if local.inference:
        own_extra(result).inference = True
    return result


def sizes_argument(function: str, size, named) -> tuple[int, ...]:
    """The sizes of a new tensor, given one by one, as a sequence, or by name."""
    if named is not None:
        size = (named,)
    elif not size:
        raise TypeError(f'{function}() missing 1 required positional arguments: "size"')
    if len(size) == 1 and not isinstance(size[0], (tuple, list)):
        n = size[0]
        if n.__class__ is not int and (isinstance(n, (bool, np.bool_)) or not hasattr(n, "__index__")):
            raise TypeError(f"{function}(): argument 'size' (position 1) must be tuple of ints, not {type(n).__name__}")
    elif not isinstance(size[0], (tuple, list)):
        for i, n in enumerate(size):
            if n.__class__ is not int and not hasattr(n, "__index__"):
                raise TypeError(
                    f"{function}(): argument 'size' failed to unpack the object at pos {i + 1} with error \"type must "
                    "be "
                    f'tuple of ints,but got {type(n).__name__}"'
                )
    shape = shape_argument(size, function)
    for n in shape:
        if n < 0:
            if function in ("zeros", "ones", "full"):
                raise RuntimeError(f"{function}: Dimension size must be non-negative.")
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


# ---------------------------------------------------------------- from data


def tensor(data, *, dtype=None, device=None, requires_grad: bool = False, pin_memory: bool = False):
    """A leaf tensor with a copy of `data`: a number, nested sequences of numbers, or an array.

    The dtype is inferred where it is not given: Python floats have the default dtype, integers int64, arrays their
    own."""
    if not is_quiet():
        silence()
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    return finish(array_of(data, dtype_argument("tensor", dtype)), requires_grad, device)


def array_of(data, dtype=None):
    """A fresh array of `data`, with the dtype PyTorch infers; TypeError, ValueError or RuntimeError, in PyTorch's
    words."""
    kind = data.__class__
    if kind is float or kind is int or kind is bool:
        return _from_leaves([data], (), dtype)
    if kind is list or kind is tuple:
        return _from_sequence(data, dtype)
    if isinstance(data, Tensor):
        if data._extra is not None and data._extra.special:
            from ..batching import refuse_reading

            refuse_reading(data, "memory")
        return _converted(memory(data), dtype)
    if isinstance(data, np.ndarray):
        check_array(data)
        return _converted(data, dtype)
    if isinstance(data, np.generic) and not isinstance(data, (str, bytes, np.void)):
        return _converted(np.asarray(data), dtype)
    if isinstance(data, (int, float, complex)):
        return _from_leaves([data], (), dtype)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    if hasattr(data, "__array__"):
        return _converted(np.asarray(data), dtype)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not hasattr(data, "keys"):
        return _from_sequence(list(data), dtype)
    raise RuntimeError(f"Could not infer dtype of {kind.__name__}")


def _converted(array, dtype):
    """A row-major copy of an array."""
    from ..backend.numpy import cast

    if dtype is None or array.dtype == dtype.numpy_dtype:
        dtypes.from_numpy_dtype(array.dtype)
        return np.array(array, order="C", copy=True)
    return np.array(cast(array, dtype), order="C")


def check_array(array) -> None:
    """Refuses arrays whose layout tensors do not have: negative strides, foreign byte order."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    dtypes.from_numpy_dtype(array.dtype)
    for stride in array.strides:
        if stride < 0:
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
                "currently supported. (You can probably work around this by making a copy of your array  with "
                "array.copy().) "
            )


_SEQUENCES = (list, tuple, builtin_range)
_PLAIN = frozenset((float, int, bool, complex))


def _from_sequence(data, dtype):
    shape = [len(data)]
    level = data
    while level and isinstance(level[0], _SEQUENCES):
        n = len(level[0])
        for part in level:
            if not isinstance(part, _SEQUENCES):
                if isinstance(part, (Tensor, np.ndarray)):
                    return _from_sequence(_as_lists(data), dtype)
                raise TypeError("not a sequence")
            if len(part) != n:
                raise ValueError(f"expected sequence of length {n} at dim {len(shape)} (got {len(part)})")
        shape.append(n)
        level = list(chain.from_iterable(level))
    kinds = set(map(type, level))
    if kinds <= _PLAIN:
        return _from_leaves(level, tuple(shape), dtype)
    return _from_mixed(data, level, tuple(shape), dtype)


def _as_lists(data):
    return [
        x.tolist() if isinstance(x, (Tensor, np.ndarray)) else _as_lists(x) if isinstance(x, _SEQUENCES) else x
        for x in data
    ]


def _from_mixed(data, leaves, shape, dtype):
    """The array of leaves among which are tensors, NumPy numbers, or what makes no tensor."""
    common = None
    arrays = False
    for x in leaves:
        if isinstance(x, Tensor):
            if x._array.size != 1:
                raise ValueError("only one element tensors can be converted to Python scalars")
            found = x.dtype
        elif isinstance(x, np.ndarray):
            if not x.ndim:
                raise TypeError("len() of unsized object")
            arrays = True
            found = dtypes.from_numpy_dtype(x.dtype)
        elif isinstance(x, str):
            if all(isinstance(y, str) for y in leaves):
                raise ValueError("too many dimensions 'str'")
            raise TypeError("new(): invalid data type 'str'")
        elif isinstance(x, bytes):
            raise TypeError("new(): invalid data type 'bytes'")
        elif isinstance(x, np.generic):
            found = dtypes.from_numpy_dtype(x.dtype)
        elif isinstance(x, (int, float, complex)):
            found = dtypes.of_number(x)
        elif isinstance(x, _SEQUENCES):
            raise TypeError(f"'{type(x).__name__}' object cannot be interpreted as an integer")
        else:
            raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")
        common = found if common is None else dtypes.promote_types(common, found)
    if arrays:
        warnings.warn(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list "
            "to a "
            "single numpy.ndarray with numpy.array() before converting to a tensor.",
            UserWarning,
            stacklevel=4,
        )
        return _from_sequence(_as_lists(data), dtype or common)
    for x in leaves:
        if isinstance(x, Tensor) and x.requires_grad:
            from .conversion import warn_of_gradient

            warn_of_gradient(4)
    numbers = [x.item() if isinstance(x, (Tensor, np.generic)) else x for x in leaves]
    return _from_leaves(numbers, shape, dtype or common)


def _from_leaves(leaves, shape, dtype):
    """The array of Python numbers."""
    if not leaves:
        return np.zeros(shape, (dtype or dtypes.get_default_dtype()).numpy_dtype)
    try:
        made = np.array(leaves if shape else leaves[0])
    except OverflowError:
        made = None
    too_large = made is None or made.dtype.kind not in "bifcu"
    if too_large or (made.dtype == np.uint64 and (dtype is None or dtype.category == dtypes.INTEGER)):
        if dtype is not None and dtype.category >= dtypes.FLOATING:
            made = np.array([float(x) for x in leaves])
        elif dtype is dtypes.bool_:
            made = np.array([bool(x) for x in leaves])
        elif dtype is dtypes.uint64 and all(0 <= x < 1 << 64 for x in leaves):
            return np.array(leaves, np.uint64).reshape(shape)
        else:
            raise ValueError("Overflow when unpacking long long")
    kind = made.dtype.kind
    if dtype is None:
        if kind == "f":
            dtype = dtypes.get_default_dtype()
        elif kind == "c":
            dtype = dtypes.get_default_dtype().to_complex()
        else:
            return made.reshape(shape)
    elif dtype.category == dtypes.INTEGER:
        _check_range(made, dtype)
    if kind == "c" and not dtype.is_complex and dtype is not dtypes.bool_:
        raise TypeError("must be real number, not complex")
    target = dtype.numpy_dtype
    return (made if made.dtype == target else made.astype(target)).reshape(shape)


def _check_range(array, dtype) -> None:
    if array.dtype.kind in "bc":
        return
    limits = np.iinfo(dtype.numpy_dtype)
    low = limits.min if dtype.is_signed else -limits.max
    if not (float(array.min()) >= low and float(array.max()) <= float(limits.max)):  # nan as well
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise TypeError(f"expected np.ndarray (got {name})")
    check_array(ndarray)
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means "
            "writing to "
            "this tensor will result in undefined behavior. You may want to copy the array to protect its data or "
            "make it "
            "writable before converting it to a tensor. This type of warning will be suppressed for the rest of this "
            "program.",
            UserWarning,
            stacklevel=2,
        )
    return _shared(ndarray)


def _shared(array) -> Tensor:
    """A tensor on the memory of somebody's array, whose memory begins, as far as the tensor knows, at its first
    element."""
    from ..backend.layout import own_memory

    result = wrap(own_memory(array))
    if local.inference:
        own_extra(result).inference = True
    return result


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory (and history) where possible."""
    check_device(device)
    dtype = dtype_argument("as_tensor", dtype)
    if isinstance(data, Tensor):
        return data if dtype is None or dtype is data.dtype else data.to(dtype)
    if isinstance(data, np.ndarray):
        check_array(data)
        if dtype is None or data.dtype == dtype.numpy_dtype:
            return _shared(data)
    return finish(array_of(data, dtype))


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad: bool | None = None):
    """`obj` (a tensor, array, buffer, number or sequence) as a tensor; `copy`: True always, False never, None if
    needed. A tensor keeps its history unless `requires_grad` is given."""
    check_device(device)
    dtype = dtype_argument("asarray", dtype)
    if isinstance(obj, Tensor):
        shares = dtype is None or dtype is obj.dtype
        if copy is False and not shares:
            raise ValueError(
                f"can't alias tensor with dtype '{dtypes.scalar_name(obj.dtype)}' into dtype "
                f"'{dtypes.scalar_name(dtype)}'."
            )
        made = obj.clone() if copy and shares else obj if shares else obj.to(dtype)
        if requires_grad and not made.requires_grad:
            return made.requires_grad_()
        return made.detach() if requires_grad is False and made.requires_grad else made
    if isinstance(obj, (np.ndarray, np.generic)):
        array = np.asarray(obj)
        check_array(array)
        shares = dtype is None or array.dtype == dtype.numpy_dtype
        made = _shared(array) if shares and not copy else finish(_converted(array, dtype))
    elif hasattr(obj, "__dlpack__"):
        made = from_dlpack(obj)
        made = made.clone() if copy else made
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        made = frombuffer(obj, dtype=dtype or dtypes.get_default_dtype())
        made = made.clone() if copy else made
    else:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        made = finish(array_of(obj, dtype))
    if dtype is not None and made.dtype is not dtype:
        made = made.to(dtype)
    return made.requires_grad_() if requires_grad else made


def frombuffer(buffer, *, dtype, count: int = -1, offset: int = 0, requires_grad: bool = False):
    """A 1-d tensor that shares the memory of an object with Python's buffer protocol."""
    target = dtype_argument("frombuffer", dtype).numpy_dtype
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, item = view.nbytes, target.itemsize
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1"
        )
    if count < 0 and (length - offset) % item:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of element "
            f"size ({item})"
        )
    if count > 0 and offset + count * item > length:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must not be greater than "
            "actual "
            f"buffer length ({length} bytes)"
        )
    if view.readonly:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to "
            "the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer to "
            "protect its "
            "data or make it writable before converting it to a tensor. This type of warning will be suppressed for "
            "the rest "
            "of this program.",
            UserWarning,
            stacklevel=2,
        )
    raw = np.frombuffer(buffer, np.uint8, -1 if count < 0 else count * item, offset)
    return finish(raw.view(target), requires_grad)


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor on the memory of an object that exports it by the DLPack protocol."""
    check_device(device)
    if isinstance(ext_tensor, Tensor):
        found = ext_tensor.detach()
        return found.clone() if copy else found
    array = np.from_dlpack(ext_tensor)
    return finish(array.copy()) if copy else _shared(array)


# ---------------------------------------------------------------- of one value


def _filled(function: str, make, doc: str):
    def create(*size, out=None, dtype=None, device=None, requires_grad=False, pin_memory=False, **more):
        memory_format = more.pop("memory_format", None)
        named = more.pop("size", None)
        if more:
            layout = more.pop("layout", None)
            if more:
                raise TypeError(f"{function}() got an unexpected keyword argument '{next(iter(more))}'")
            if layout is not None and layout is not strided:
                from ..sparse.creation import filled

                return filled(function, sizes_argument(function, size, named), dtype, layout, device, requires_grad)
        dtype = dtypes.get_default_dtype() if dtype is None else dtype_argument(function, dtype)
        if out is not None and dtype is not None:
            dtype = out.dtype
        shape = sizes_argument(function, size, named)
        if memory_format is None:
            return finish(make(shape, dtype.numpy_dtype), requires_grad, device, out)
        return finish(_laid_out(make, shape, dtype, memory_format), requires_grad, device, out)

    create.__name__ = create.__qualname__ = function
    create.__doc__ = doc
    return create


def _laid_out(make, shape, dtype, memory_format):
    """A new array with the element order of a memory format."""
    if memory_format not in (channels_last, channels_last_3d):
        return make(shape, dtype.numpy_dtype)
    ndim = 4 if memory_format is channels_last else 5
    if len(shape) != ndim:
        raise RuntimeError(f"required rank {ndim} tensor to use {memory_format.name} format")
    made = make((shape[0], *shape[2:], shape[1]), dtype.numpy_dtype)
    return made.transpose((0, ndim - 1, *builtin_range(1, ndim - 1)))


zeros = _filled("zeros", np.zeros, "Zeros of the given sizes.")
ones = _filled("ones", np.ones, "Ones of the given sizes.")
empty = _filled("empty", np.zeros, "A tensor of the given sizes, whose elements mean nothing (they are zeros).")


def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A tensor of the given sizes with one value everywhere; its dtype is that of the value unless given."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    shape = sizes_argument("full", (size,), None)
    value = number_argument("full", fill_value)
    target = dtype_argument("full", dtype, dtypes.of_number(value))
    if isinstance(fill_value, Tensor) and dtype is None:
        target = fill_value.dtype
    return finish(_constant(shape, value, target), requires_grad, device, out)


def number_argument(function: str, value):
    """A fill value as a Python number; TypeError for anything else."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise TypeError(f"{function}(): argument 'fill_value' (position 2) must be Number, not Tensor")
        return value.item()
    if not isinstance(value, (int, float, complex, np.number, np.bool_)):
        raise TypeError(f"{function}(): argument 'fill_value' (position 2) must be Number, not {type(value).__name__}")
    return value


def _constant(shape, value, dtype):
    from .indexing import checked_number

    return np.full(shape, checked_number(value, dtype), dtype.numpy_dtype)


def scalar_tensor(s, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A 0-d tensor of a number, in the default dtype unless given."""
    return full((), s, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A tensor with the given sizes and strides, in elements."""
    from ..backend.layout import restride

    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
        )
    if any(s < 0 for s in stride):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    target = dtype_argument("empty_strided", dtype, dtypes.get_default_dtype()).numpy_dtype
    count = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride))
    flat = np.zeros(count, target)
    return finish(restride(flat, size, tuple([s * target.itemsize for s in stride])), requires_grad, device)


def empty_permuted(
    size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A dense tensor whose dimensions lie in memory in the order `physical_layout`, outermost first."""
    size, order = tuple(size), tuple(physical_layout)
    if len(order) != len(size):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for d in order:
        if not 0 <= d < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {d} at index "
                f"{order.index(d)}).  NB: negative dims not currently supported; file an issue if you want it."
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    target = dtype_argument("empty_permuted", dtype, dtypes.get_default_dtype()).numpy_dtype
    made = np.zeros([size[d] for d in order], target).transpose([order.index(d) for d in builtin_range(len(size))])
    return finish(made, requires_grad, device)


_constant_like = op("constant_like", forward=lambda xp, x, /, value, dtype: np.full(x.shape, value, dtype.numpy_dtype))


def _new_like(function: str, input, value, dtype, device, requires_grad, memory_format):
    """A tensor with the sizes and, for a dense one, the strides of `input`."""
    if not isinstance(input, Tensor):
        raise must_be_tensor(function, "input", 1, input)
    if device is not None:
        check_device(device)
    dtype = input.dtype if dtype is None else dtype_argument(function, dtype)
    if input._extra is not None and input._extra.special:  # in a transform: a batch of tensors needs a batch
        result = _constant_like(input, value, dtype)
        return result.requires_grad_() if requires_grad else result
    array = input._array
    target = dtype.numpy_dtype
    if memory_format in (channels_last, channels_last_3d):
        made = _laid_out(np.empty, array.shape, dtype, memory_format)
    elif type(array) is not np.ndarray or array.flags.c_contiguous or memory_format is contiguous_format:
        if not value:
            return finish(np.zeros(array.shape, target), requires_grad)
        made = np.empty(array.shape, target)
    else:
        made = np.empty_like(array, dtype=target, order="C" if 0 in array.strides else "K")
    made[...] = value
    return finish(made, requires_grad)


def zeros_like(
    input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False
):
    """Zeros with the shape and dtype of `input`."""
    return _new_like("zeros_like", input, 0, dtype, device, requires_grad, memory_format)


def ones_like(
    input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False
):
    """Ones with the shape and dtype of `input`."""
    return _new_like("ones_like", input, 1, dtype, device, requires_grad, memory_format)


def empty_like(
    input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False
):
    """A tensor with the shape and dtype of `input`, whose elements mean nothing (they are zeros)."""
    return _new_like("empty_like", input, 0, dtype, device, requires_grad, memory_format)


def full_like(
    input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
    pin_memory=False,
):  # fmt: skip
    """A tensor with the shape and dtype of `input` and one value everywhere."""
    from .indexing import checked_number

    value = number_argument("full_like", fill_value)
    number = checked_number(value, input.dtype if dtype is None else dtype_argument("full_like", dtype))
    return _new_like("full_like", input, number, dtype, device, requires_grad, memory_format)


def empty_strided_like(array) -> Tensor:
    """A tensor with the layout of `array`."""
    return wrap(np.zeros_like(array))


# ---------------------------------------------------------------- ranges

# PyTorch fills ranges with vectors of 32 bytes, two at a time: each starts from an exact multiple of the step and adds
# small multiples to it, which in single precision is not the same as one product for each element.
_VECTOR_BYTES = 32


def _blocks(count: int, item: int):
    """(elements filled by vectors, elements of a vector): the rest is filled one by one."""
    width = _VECTOR_BYTES // item
    return count - count % (2 * width), width


def _whole(value, argument: str, function: str = "arange"):
    """A bound of a range as a Python number."""
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, complex):
        raise RuntimeError("value cannot be converted to type double without overflow")
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{function}(): argument '{argument}' must be Number, not {type(value).__name__}")
    return value


def arange(
    start=None, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False,
    pin_memory=False,
):  # fmt: skip
    """Numbers from `start` (0) to before `end` in steps: integers if all three are, else of the default dtype."""
    if end is None:
        if start is None:
            raise TypeError('arange() missing 1 required positional arguments: "end"')
        start, end = 0, start
    elif start is None:
        start = 0
    start, end, step = _whole(start, "start"), _whole(end, "end"), _whole(step, "step")
    if out is not None:
        dtype = out.dtype
    elif dtype is None:
        whole = all(isinstance(v, (int, np.integer)) for v in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.get_default_dtype()
    else:
        dtype = dtype_argument("arange", dtype)
    if dtype.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{dtypes.scalar_name(dtype)}'")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {_short(start)} -> {_short(end)}")
    if not step:
        raise RuntimeError("step must be nonzero")
    if (step > 0) != (end >= start) and end != start:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype.category == dtypes.INTEGER:
        array = _integers(start, end, step, dtype)
    else:
        array = _floats(start, math.ceil((end - start) / step), step, dtype)
    return finish(array, requires_grad, device, out)


def _short(value) -> str:
    return f"{value:g}"


def _integers(start, end, step, dtype):
    if not int(step) and dtype is dtypes.int64:
        raise ValueError("step must be nonzero")
    whole = all(isinstance(v, (int, np.integer)) for v in (start, end, step))
    if any(abs(v) >= 1 << 64 for v in (start, end, step)):
        raise OverflowError("int too big to convert")
    first, by = int(start), int(step)
    if whole:
        count = max(0, -((int(start) - int(end)) // by) if by > 0 else -((int(end) - int(start)) // -by))
    else:
        count = math.ceil((int(end) - first) / by) if dtype is dtypes.int64 else math.ceil((end - start) / step)
    return (np.arange(count, dtype=np.int64) * by + first).astype(dtype.numpy_dtype)


def _floats(start, count: int, step, dtype):
    target = dtype.numpy_dtype
    filled, width = _blocks(count, target.itemsize)
    positions = np.arange(count, dtype=np.float64)
    if dtype is dtypes.float64 or not filled:
        return (start + step * positions).astype(target)
    offset = np.arange(count) % width
    base = (start + step * (positions - offset)).astype(target).astype(np.float64)
    values = base + step * offset.astype(np.float64)
    values[filled:] = start + step * positions[filled:]
    return values.astype(target)


def range(start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Numbers from `start` to `end`, both included, in steps. Deprecated: see `arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    if not step:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {_short(start)} -> {_short(end)}")
    if (step > 0) != (end >= start) and end != start:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    dtype = dtype_argument("range", dtype, out.dtype if out is not None else dtypes.get_default_dtype())
    count = int((end - start) / step) + 1
    array = (np.arange(count, dtype=np.float64) * step + start).astype(dtype.numpy_dtype)
    return finish(array, requires_grad, device, out)


def _bounds(function: str, start, end, steps):
    """Both ends as numbers. TypeError for what is no number, RuntimeError for tensors of dimensions."""
    ends = [(name, value) for name, value in (("start", start), ("end", end)) if isinstance(value, Tensor)]
    if any(value._array.ndim for _, value in ends):
        shown = " and ".join(f"{name} with {value._array.ndim} dimension(s)" for name, value in ends)
        raise RuntimeError(f"{function} only supports 0-dimensional start and end tensors, but got {shown}.")
    values = [value.item() if isinstance(value, Tensor) else value for value in (start, end)]
    if not (is_number(values[0]) and is_number(values[1]) and _is_count(steps)):
        kinds = ", ".join(type(v).__name__ for v in (start, end, steps))
        raise TypeError(f"{function}() received an invalid combination of arguments - got ({kinds})")
    return values


def _is_count(value) -> bool:
    return hasattr(value, "__index__")


def _range_dtype(function, start, end, dtype, out):
    wanted = dtypes.get_default_dtype()
    if isinstance(start, complex) or isinstance(end, complex):
        wanted = wanted.to_complex()
    if out is not None:
        wanted = out.dtype
    return dtype_argument(function, dtype, wanted)


def linspace(
    start, end, steps: int, *, out=None, dtype=None, layout=None, device=None, requires_grad=False,
    pin_memory=False,
):  # fmt: skip
    """`steps` numbers from `start` to `end`, both included, at equal distances."""
    start, end = _bounds("linspace", start, end, steps)
    dtype = _range_dtype("linspace", start, end, dtype, out)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype is dtypes.bool_ and steps > 1:
        raise NotImplementedError("\"linspace_cpu\" not implemented for 'Bool'")
    return finish(_linear(start, end, int(steps), dtype), requires_grad, device, out)


def _linear(start, end, steps: int, dtype):
    """From both ends towards the middle, so that both are exact."""
    target = dtype.numpy_dtype
    if steps <= 1:
        return np.full(steps, start, target)
    if dtype.category <= dtypes.INTEGER:
        start, end = int(start), int(end)
        work: np.dtype = np.dtype(np.float64)
    else:
        work = np.dtype(np.float32) if target.itemsize == 2 else target
    first, last = (np.asarray(v).astype(target).astype(work)[()] for v in (start, end))
    step = (
        ((last - first) / work.type(steps - 1)).astype(target if dtype.category > dtypes.INTEGER else work).astype(work)
    )
    positions = np.arange(steps)
    filled, width = _blocks(steps, target.itemsize)
    offset = positions % width
    offset[filled:] = 0
    block = positions - offset
    forward = first + step * block.astype(work)
    backward = last - step * (steps - 1 - block).astype(work)
    base = np.where(block < steps // 2, forward, backward).astype(target).astype(work)
    if dtype.category <= dtypes.INTEGER:  # integers are computed one by one
        forward, backward = first + step * positions, last - step * (steps - 1 - positions)
        return np.where(positions < steps // 2, forward, backward).astype(target)
    return (base + step * offset.astype(work)).astype(target)


def logspace(
    start, end, steps: int, base=10.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False,
    pin_memory=False,
):  # fmt: skip
    """`base` to the powers of `steps` numbers from `start` to `end` at equal distances."""
    start, end = _bounds("logspace", start, end, steps)
    dtype = _range_dtype("logspace", start, end, dtype, out)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    wide = dtype if dtype.category == dtypes.COMPLEX else dtypes.float64
    if dtype.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    elif dtype in dtypes.HALF:
        start, end = (float(np.asarray(v).astype(dtype.numpy_dtype)) for v in (start, end))
    powers = np.power(np.asarray(base, wide.numpy_dtype), _linear(start, end, int(steps), wide))
    return finish(powers.astype(dtype.numpy_dtype), requires_grad, device, out)


# ---------------------------------------------------------------- matrices


def eye(n: int, m: int | None = None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """A matrix with ones on its diagonal and zeros elsewhere."""
    m = n if m is None else m
    for name, value in (("n", n), ("m", m)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    dtype = out.dtype if out is not None else dtype_argument("eye", dtype, dtypes.get_default_dtype())
    return finish(np.eye(n, m, dtype=dtype.numpy_dtype), requires_grad, device, out)


def _triangle_indices(row: int, col: int, find, dtype, device):
    for name, value in (("row", row), ("col", col)):
        if value < 0:
            raise RuntimeError(f"{name} must be non-negative, got{value}")
    found = np.array(np.nonzero(find))
    return finish(found.astype(dtype_argument("tril_indices", dtype, dtypes.int64).numpy_dtype), False, device)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None, layout=None):
    """The positions of the lower triangle of a matrix: a row of row numbers and a row of column numbers."""
    return _triangle_indices(row, col, np.tri(max(row, 0), max(col, 0), offset, bool), dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None, layout=None):
    """The positions of the upper triangle of a matrix: a row of row numbers and a row of column numbers."""
    return _triangle_indices(row, col, ~np.tri(max(row, 0), max(col, 0), offset - 1, bool), dtype, device)


# ---------------------------------------------------------------- new tensors like this one


@method()
def new_tensor(self, data, *, dtype=None, device=None, requires_grad: bool = False, pin_memory: bool = False):
    """A leaf tensor with a copy of `data`, of this tensor's dtype unless given."""
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    return finish(array_of(data, dtype_argument("new_tensor", dtype, self.dtype)), requires_grad, device)


def _batch_like(made: Tensor, like: Tensor) -> Tensor:
    """`made` itself, or under vmap a batch of it if `like` is one: what is written into it may be a batch."""
    if like._extra is None or not like._extra.special:
        return made
    from ..batching import batch_like

    return batch_like(made, like)


def _new_filled(name: str, create):
    def function(self, *size, dtype=None, **more):
        return _batch_like(create(*size, dtype=self.dtype if dtype is None else dtype, **more), self)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``torch.{create.__name__}`` with this tensor's dtype unless another is given."
    setattr(Tensor, name, function)


for _create in (zeros, ones, empty, empty_strided):
    _new_filled(f"new_{_create.__name__}", _create)


@method()
def new_full(self, size, fill_value, *, dtype=None, **more):
    """``torch.full`` with this tensor's dtype unless another is given."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"new_full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    return _batch_like(full(size, fill_value, dtype=self.dtype if dtype is None else dtype, **more), self)
