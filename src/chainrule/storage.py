"""The memory under tensors: storages, and tensors made to look at other memory."""

from __future__ import annotations

import warnings
from math import prod

import numpy as np

from . import dtypes
from .backend.layout import dense_strides, memory_root, restride
from .graph_errors import inference_update
from .inplace import address, check_in_place, check_inference
from .modes import local
from .op import method
from .ops.shape import shape_argument
from .size import CPU, contiguous_format, preserve_format
from .tensor import Tensor, memory, own_extra, version_counter

__all__ = ["TypedStorage", "UntypedStorage", "is_storage", "resize_as_"]


class UntypedStorage:
    """The bytes that one or several tensors look at."""

    def __init__(self, root) -> None:
        self._root = root

    def _bytes(self):
        flat = self._root
        if not flat.flags.c_contiguous:  # dense in another order: the bytes as they lie
            flat = restride(flat, (flat.size,), (flat.itemsize,))
        return flat.reshape(-1).view(np.uint8)

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._root.nbytes

    size = nbytes
    device = CPU
    is_cuda = False

    def __len__(self) -> int:
        return self._root.nbytes

    def data_ptr(self) -> int:
        """The address of the first byte; 0 if there are none."""
        return address(self._root) if self._root.nbytes else 0

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes().tolist()

    def __getitem__(self, index):
        found = self._bytes()[index]
        return UntypedStorage(found) if isinstance(index, slice) else int(found)

    def __setitem__(self, index, value) -> None:
        self._bytes()[index] = value

    def __eq__(self, other) -> bool:
        return isinstance(other, UntypedStorage) and self._root is other._root

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        rows = "\n ".join(map(str, self.tolist()))
        return f" {rows}\n[torch.storage.UntypedStorage(device=cpu) of size {len(self)}]"


UntypedStorage.__module__ = "torch.storage"


class TypedStorage:
    """A storage seen as elements of one dtype. Deprecated in PyTorch: see `UntypedStorage`."""

    def __init__(self, untyped: UntypedStorage, dtype: dtypes.dtype) -> None:
        self._untyped_storage = untyped
        self.dtype = dtype

    device = CPU

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    def _elements(self):
        return self._untyped_storage._bytes().view(self.dtype.numpy_dtype)

    def size(self) -> int:
        """The number of elements."""
        return len(self)

    def __len__(self) -> int:
        return len(self._untyped_storage) // self.dtype.itemsize

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._untyped_storage.nbytes()

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped_storage.data_ptr()

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._elements().tolist()

    def __getitem__(self, index):
        return self._elements()[index].item()

    def __setitem__(self, index, value) -> None:
        self._elements()[index] = value

    def __iter__(self):
        return iter(self.tolist())

    def __repr__(self) -> str:
        rows = "\n ".join(map(str, self.tolist()))
        return f" {rows}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"


TypedStorage.__module__ = "torch.storage"


def is_storage(obj) -> bool:
    """Whether `obj` is a storage."""
    return isinstance(obj, (UntypedStorage, TypedStorage))


@method()
def untyped_storage(self) -> UntypedStorage:
    """The bytes this tensor looks at."""
    if self._extra is not None and self._extra.batch is not None:
        from .batching import refuse_reading

        refuse_reading(self, "storage")
    return UntypedStorage(memory_root(memory(self)))


@method()
def storage(self) -> TypedStorage:
    """The memory this tensor looks at, as elements of its dtype. Deprecated: see `untyped_storage`."""
    warnings.warn(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage "
        "class. This "
        "should only matter to you if you are using storages directly.  To access UntypedStorage directly, use "
        "tensor.untyped_storage() instead of tensor.storage()",
        UserWarning,
        stacklevel=2,
    )
    # Kept with the tensor whose memory it is: programs compare id(x.storage()) with id(y.storage()).
    extra = self._extra
    base = self if extra is None or extra.view is None else extra.view.base
    extra = own_extra(base)
    root = untyped_storage(self)
    found = extra.storage
    if found is None or found.dtype is not self.dtype or found.untyped() != root:
        found = extra.storage = TypedStorage(root, self.dtype)
    return found


def _restrided(root, dtype, offset: int, size, stride):
    """An array on the memory of `root`, which must be large enough."""
    item = dtype.itemsize
    needed = 0 if 0 in size else offset + 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if needed * item > root.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} "
            "requiring a "
            f"storage size of {needed * item} are out of bounds for storage of size {root.nbytes}"
        )
    flat = UntypedStorage(root)._bytes()
    return restride(
        flat[: root.nbytes // item * item].view(dtype), size, tuple([s * item for s in stride]), offset * item
    )


def _check_size(size, itemsize: int) -> None:
    """Refuses sizes whose strides or bytes do not fit in 64 bits."""
    if size and max(prod(max(n, 1) for n in size[1:]), 1) >= 1 << 63:
        raise RuntimeError("Stride calculation overflowed")
    if prod(size) * itemsize >= 1 << 63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)}")


@method()
def resize_(self, *sizes, memory_format=contiguous_format):
    """Gives the tensor another size; elements beyond its memory's end mean nothing (they are zeros)."""
    size = shape_argument(sizes, "resize_")
    if self.requires_grad and not local.inference:
        raise RuntimeError("cannot resize variables that require grad")
    if self._extra is not None and self._extra.tangent is not None:
        raise RuntimeError("cannot resize variables that has a forward grad")
    if self.is_inference() and not local.inference:
        raise inference_update()
    for n in size:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    array = memory(self)
    _check_size(size, array.itemsize)
    if array.shape == size:
        return self
    root = memory_root(array)
    offset = (address(array) - address(root)) // array.itemsize if array.size else 0
    wanted = prod(size)
    if (offset + wanted) * array.itemsize > root.nbytes:
        grown = np.zeros(offset + wanted, array.dtype)
        old = UntypedStorage(root)._bytes()
        grown.view(np.uint8)[: old.size] = old
        root = grown
    self._array = _restrided(root, array.dtype, offset, size, dense_strides(size))
    version_counter(self).version += 1
    return self


@method()
def resize_as_(input, the_template, *, memory_format=None):
    """Gives the tensor the size of another one, and with `preserve_format` its strides too."""
    resize_(input, the_template._array.shape)
    if memory_format is preserve_format:
        like = memory(the_template)
        same = tuple([s // like.itemsize for s in like.strides])
        array = memory(input)
        input._array = restride(array, array.shape, tuple([s * array.itemsize for s in same]))
    return input


@method()
def set_(self, source=None, storage_offset: int = 0, size=None, stride=None):
    """Makes the tensor look at the memory of another tensor or storage, or at none; backward through it is an error."""
    tracked = local.grad_enabled and (self.requires_grad or (isinstance(source, Tensor) and source.requires_grad))
    check_in_place(self, tracked)
    check_inference(self)
    if source is None:
        self._array = np.zeros(0, self._array.dtype)
    elif isinstance(source, Tensor):
        if source._array.dtype is not self._array.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {_c_name(source.dtype)} to a tensor of type {_c_name(self.dtype)}"
            )
        array = memory(source)
        if size is not None:
            strides = dense_strides(tuple(size)) if stride is None else tuple(stride)
            array = _restrided(memory_root(array), array.dtype, storage_offset, tuple(size), strides)
        self._array = array
    else:
        untyped = source.untyped() if isinstance(source, TypedStorage) else source
        dtype = self.dtype.numpy_dtype
        if size is None:
            size = (untyped.nbytes() // dtype.itemsize - storage_offset,)
        strides = dense_strides(tuple(size)) if stride is None else tuple(stride)
        self._array = _restrided(untyped._root, dtype, storage_offset, tuple(size), strides)
    version_counter(self).version += 1
    if tracked:
        from .autograd.function import leave_underivable

        leave_underivable("set_", self, source)
    return self


def _c_name(dtype: dtypes.dtype) -> str:
    from .ops.indexing import C_NAMES

    return C_NAMES.get(dtype.name, dtype.name)


@method()
def storage_type(self):
    """The class of the tensor's storage."""
    return TypedStorage
