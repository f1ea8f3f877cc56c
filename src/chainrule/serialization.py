"""Pickling and copying tensors, and `torch.save` and `torch.load` in PyTorch's zip format.

A saved file is a zip archive: ``data.pkl`` is a pickle in which a tensor is a call of
``torch._utils._rebuild_tensor_v2`` on a persistent id that names a storage, and ``data/0``, ``data/1``, ... are the
bytes of the storages. So files can be exchanged with PyTorch. Loading with `weights_only` builds nothing but tensors
and plain containers.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import dtypes
from .backend.layout import memory_root, restride
from .inplace import address
from .modes import local
from .ops.shape import element_strides
from .size import Size, device, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr, strided
from .tensor import Tensor, memory, own_extra, wrap, wrap_as

__all__ = ["load", "save"]

_STORAGES = {f"{dtypes.scalar_name(d)}Storage": d for d in dtypes.ALL}
_LOADS = pickle.UnpicklingError


# ---------------------------------------------------------------- pickle and copy


def rebuild_tensor(array, requires_grad: bool, kind=None, state=None):
    """A leaf tensor of an array: what pickles of tensors call. `kind`: a subclass, or the name of one of
    chainrule's."""
    if isinstance(kind, str):
        from importlib import import_module

        module, _, name = kind.rpartition(".")
        kind = getattr(import_module(f"{__package__}.{module}"), name)
    dtype = dtypes.from_numpy_dtype(array.dtype).numpy_dtype
    if array.dtype is not dtype:  # a pickle makes dtypes of its own, and operations compare them by identity
        array = array.view(dtype)
    tensor = wrap(array) if kind is None else wrap_as(kind, array)
    tensor._requires_grad = requires_grad
    if state:
        tensor.__dict__.update(state)
    return tensor


def _kind(tensor):
    """How a pickle names the tensor's class."""
    kind = type(tensor)
    if kind is Tensor:
        return None
    if kind.__module__.startswith("torch."):  # so it calls itself, but the module's name is another
        return f"{kind.__module__[len('torch.') :]}.{kind.__qualname__}"
    return kind


def _check_leaf(tensor, message: str) -> None:
    if tensor.requires_grad and tensor.grad_fn is not None:
        raise RuntimeError(message)


def _check_storage(tensor) -> None:
    if tensor._extra is not None and tensor._extra.batch is not None:
        from .batching import refuse_reading

        refuse_reading(tensor, "storage")


def _reduce(self, protocol):
    """Pickles the elements, not the graph: what comes back is a leaf."""
    _check_storage(self)
    if self._backward_hooks:
        from .utils.hooks import warn_if_has_hooks

        warn_if_has_hooks(self)
    state = dict(self.__dict__) or None
    if self.dtype is dtypes.bfloat16:
        return _rebuild_bfloat16, (memory(self).view(np.uint16).copy(), self.requires_grad, _kind(self), state)
    return rebuild_tensor, (memory(self).copy(), self.requires_grad, _kind(self), state)


def _rebuild_bfloat16(bits, requires_grad, kind, state):
    return rebuild_tensor(bits.view(dtypes.bfloat16.numpy_dtype), requires_grad, kind, state)


def _deepcopy(self, memo):
    """A copy of a leaf with everything it holds: its gradient and its attributes."""
    if id(self) in memo:
        return memo[id(self)]
    _check_leaf(
        self,
        "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If "
        "you were "
        "attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
        "https://github.com/pytorch/pytorch/pull/103001",
    )
    from copy import deepcopy

    _check_storage(self)
    array = memory(self)
    root = memory_root(array)
    copied = memo.get(("memory", id(root)))
    if copied is None:  # tensors that share memory share it in the copy too
        copied = memo[("memory", id(root))] = root.copy(order="K")
        memo[("keep", id(root))] = root
    offset = address(array) - address(root) if array.size else 0
    part = restride(copied, array.shape, array.strides, offset) if array is not root else copied
    result = wrap_as(type(self), part) if type(self) is not Tensor else wrap(part)
    result._requires_grad = self.requires_grad
    memo[id(self)] = result
    if self._grad is not None:
        result._grad = deepcopy(self._grad, memo)
    if local.inference:
        own_extra(result).inference = True
    result.__dict__.update(deepcopy(self.__dict__, memo))
    return result


Tensor.__reduce_ex__ = _reduce  # type: ignore[method-assign]
Tensor.__deepcopy__ = _deepcopy
Tensor.__copy__ = lambda self: _shallow_copy(self)


def _shallow_copy(self):
    result = rebuild_tensor(
        memory(self), self.requires_grad, None if type(self) is Tensor else type(self), dict(self.__dict__)
    )
    result._counter = self._counter
    return result


# ---------------------------------------------------------------- saving


class _Global:
    """A name that is pickled as it is, wherever it leads on this machine."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self, *arguments):
        raise TypeError(f"{self.module}.{self.name} is a name for the pickle only")


class _StorageKey:
    """Stands for a storage in the pickle."""

    def __init__(self, identity) -> None:
        self.identity = identity


_REBUILD = _Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_SIZE = _Global("torch", "Size")


class _Pickler(pickle._Pickler):  # the one written in Python: its way of writing names can be changed
    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    if TYPE_CHECKING:  # what type checkers do not know of it

        def write(self, data: bytes) -> None: ...

        def memoize(self, obj: Any) -> None: ...

    def __init__(self, file, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[int, tuple[str, np.ndarray]] = {}

    def persistent_id(self, obj):
        return obj.identity if isinstance(obj, _StorageKey) else None

    def _save_name(self, obj) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    dispatch[_Global] = _save_name

    def _save_dtype(self, obj) -> None:
        self.write(pickle.GLOBAL + f"torch\n{obj.name}\n".encode())
        self.memoize(obj)

    dispatch[dtypes.dtype] = _save_dtype

    def reducer_override(self, obj):
        if isinstance(obj, Tensor):
            return self._reduce_tensor(obj)
        if isinstance(obj, device):
            arguments = (obj.type,) if obj.index is None else (obj.type, obj.index)
            return _Global("torch", "device"), arguments
        if type(obj) is Size:
            return _SIZE, (tuple(obj),)
        return NotImplemented

    def _reduce_tensor(self, tensor):
        if tensor.is_nested:
            return tensor.__reduce_ex__(2)
        if tensor.layout is not strided:
            from .sparse.methods import saved_parts

            layout = _Reduced(_Global("torch.serialization", "_get_layout"), (repr(tensor.layout),))
            rebuild, parts = _Global("torch._utils", "_rebuild_sparse_tensor"), (layout, saved_parts(tensor))
            if not _is_parameter(tensor):
                return rebuild, parts
            return _REBUILD_PARAMETER, (_Reduced(rebuild, parts), tensor.requires_grad, OrderedDict())
        array = memory(tensor)
        root = memory_root(array)
        if id(root) not in self.storages:
            self.storages[id(root)] = (str(len(self.storages)), root)
        key = self.storages[id(root)][0]
        storage = _Global("torch", f"{dtypes.scalar_name(tensor.dtype)}Storage")
        count = root.nbytes // array.itemsize
        identity = _StorageKey(("storage", storage, key, "cpu", count))
        offset = (address(array) - address(root)) // array.itemsize if array.size else 0
        parameter = _is_parameter(tensor)
        requires_grad = tensor.requires_grad and not parameter
        arguments = (identity, offset, tuple(array.shape), element_strides(array), requires_grad, OrderedDict())
        if not parameter:
            return _REBUILD, arguments
        plain = _Reduced(_REBUILD, arguments)
        return _REBUILD_PARAMETER, (plain, tensor.requires_grad, OrderedDict())


def _is_parameter(tensor) -> bool:
    loaded = sys.modules.get(f"{__package__}.nn.parameter")  # where it is not loaded, nothing is a Parameter
    return loaded is not None and isinstance(tensor, loaded.Parameter)


class _Reduced:
    """Something that is pickled as a call."""

    def __init__(self, function, arguments) -> None:
        self.function = function
        self.arguments = arguments

    def __reduce__(self):
        return self.function, self.arguments


def save(obj, f, pickle_module=None, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True) -> None:
    """Writes an object with its tensors to a file (a path or a file opened for writing bytes), in PyTorch's zip
    format. RuntimeError for a path in a directory that does not exist."""
    import zipfile

    stream = io.BytesIO()
    pickler = _Pickler(stream, pickle_protocol)
    pickler.dump(obj)
    name = "archive"
    if isinstance(f, (str, os.PathLike)):
        directory, file = os.path.split(os.fspath(f))
        if directory and not os.path.isdir(directory):
            raise RuntimeError(f"Parent directory {directory} does not exist.")
        name = os.path.splitext(file)[0] or "archive"
    with zipfile.ZipFile(f, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{name}/data.pkl", stream.getvalue())
        archive.writestr(f"{name}/byteorder", sys.byteorder)
        for key, root in pickler.storages.values():
            dense = root if root.flags.c_contiguous else restride(root, (root.size,), (root.itemsize,))
            archive.writestr(f"{name}/data/{key}", dense.tobytes())
        archive.writestr(f"{name}/version", "3\n")


# ---------------------------------------------------------------- loading


def _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None):
    flat, dtype = storage
    item = dtype.itemsize
    last = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if storage_offset < 0 or min(stride, default=0) < 0 or (last and storage_offset + last > flat.size):
        raise _LOADS("a tensor reaches beyond its storage")
    array = restride(flat, tuple(size), tuple([s * item for s in stride]), storage_offset * item)
    return rebuild_tensor(array, bool(requires_grad))


def _rebuild_parameter(data, requires_grad, backward_hooks):
    from .nn.parameter import Parameter

    return Parameter(data, requires_grad)


def _rebuild_sparse_tensor(layout, data):
    from .sparse.methods import of_saved_parts

    return of_saved_parts(layout, data)


def _get_layout(name: str):
    layouts = (strided, sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc)
    return {repr(layout): layout for layout in layouts}[name]


_SAFE = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): Size,
    ("torch", "device"): device,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_sparse_tensor"): _rebuild_sparse_tensor,
    ("torch.serialization", "_get_layout"): _get_layout,
    **{("torch", name): d for name, d in _STORAGES.items()},
    **{("torch", d.name): d for d in dtypes.ALL},
}
_allowed: dict[tuple[str, str], object] = {}


def add_safe_globals(safe_globals) -> None:
    """Lets `load` with `weights_only` build these classes and call these functions too."""
    for found in safe_globals:
        found, name = found if isinstance(found, tuple) else (found, f"{found.__module__}.{found.__qualname__}")
        module, _, name = name.rpartition(".")
        _allowed[module, name] = found


def clear_safe_globals() -> None:
    """Forgets what `add_safe_globals` allowed."""
    _allowed.clear()


def get_safe_globals() -> list:
    """What `add_safe_globals` allowed."""
    return list(_allowed.values())


class safe_globals:
    """`add_safe_globals` for the length of a `with` block."""

    def __init__(self, safe_globals) -> None:
        self.names = safe_globals

    def __enter__(self) -> None:
        self.before = dict(_allowed)
        add_safe_globals(self.names)

    def __exit__(self, *exc) -> None:
        _allowed.clear()
        _allowed.update(self.before)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, read_storage, weights_only: bool, **options) -> None:
        super().__init__(file, **options)
        self.read_storage = read_storage
        self.weights_only = weights_only

    def find_class(self, module: str, name: str):
        found = _SAFE.get((module, name)) or _allowed.get((module, name))
        if found is not None:
            return found
        if self.weights_only:
            raise _LOADS(
                "Weights only load failed. In PyTorch 2.6, we changed the default value of the `weights_only` "
                "argument in "
                "`torch.load` from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will "
                "likely "
                "succeed, but it can result in arbitrary code execution. Do it only if you got the file from a "
                "trusted source.\n"
                f"WeightsUnpickler error: Unsupported global: GLOBAL {module}.{name} was not an allowed global by "
                "default. "
                f"Please use `torch.serialization.add_safe_globals([{name}])` to allowlist this global if you trust "
                "this "
                "class/function."
            )
        if module == "torch" or module.startswith("torch."):
            module = __package__ + module[len("torch") :]
        return super().find_class(module, name)

    def persistent_load(self, identity):
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise _LOADS(f"unknown persistent id {identity!r}")
        _, dtype, key, _, count = identity
        return self.read_storage(dtype, key, count)


def load(f, map_location=None, pickle_module=None, *, weights_only: bool = True, mmap=None, **pickle_load_args):
    """Reads what `save` wrote (here or in PyTorch). `weights_only`: nothing but tensors and plain containers is built.

    `f` is a path or a file opened for reading bytes. Every tensor comes to the CPU, whatever `map_location` says."""
    import zipfile

    if not isinstance(f, (str, os.PathLike)) and not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(f"'{type(f).__name__}' object has no attribute 'seek'")
    if not zipfile.is_zipfile(f):
        if isinstance(f, (str, os.PathLike)) and not os.path.exists(f):
            raise FileNotFoundError(2, "No such file or directory", os.fspath(f))
        raise _LOADS(
            "the file is no zip archive as torch.save writes it (PyTorch's format from before 1.6 is not read)"
        )
    with zipfile.ZipFile(f) as archive:
        names = archive.namelist()
        pickled = next((n for n in names if n.endswith("/data.pkl")), None)
        if pickled is None:
            raise _LOADS("the archive has no data.pkl")
        folder = pickled[: -len("data.pkl")]
        foreign = f"{folder}byteorder" in names and archive.read(f"{folder}byteorder").decode() != sys.byteorder
        storages: dict = {}

        def read_storage(dtype, key, count):
            if key not in storages:
                raw = bytearray(archive.read(f"{folder}data/{key}"))
                flat = np.frombuffer(raw, np.uint8)
                part = dtype.numpy_dtype if not dtype.is_complex else dtype.to_real().numpy_dtype
                if foreign and part.itemsize > 1:
                    flat = flat.view(f"u{part.itemsize}").byteswap().view(np.uint8)
                storages[key] = flat
            return storages[key].view(dtype.numpy_dtype), dtype

        return _Unpickler(io.BytesIO(archive.read(pickled)), read_storage, weights_only, **pickle_load_args).load()
