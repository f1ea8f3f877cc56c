"""Sizes, devices, layouts and memory formats: the small value types that describe a tensor."""

from __future__ import annotations

import math

__all__ = [
    "Size",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "device",
    "layout",
    "memory_format",
    "preserve_format",
    "sparse_bsc",
    "sparse_bsr",
    "sparse_coo",
    "sparse_csc",
    "sparse_csr",
    "strided",
]


class Size(tuple):
    """The shape of a tensor: a tuple of ints with `numel()`."""

    __module__ = "torch"
    __slots__ = ()

    def __new__(cls, values=()):
        made = tuple.__new__(cls, values)
        for value in made:
            if type(value) is not int:
                return tuple.__new__(cls, [_as_int(v, i) for i, v in enumerate(made)])
        return made

    def numel(self) -> int:
        """The number of elements of a tensor of this size."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __add__(self, other):
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        if not isinstance(other, tuple):
            raise TypeError(f'can only concatenate tuple (not "{type(other).__name__}") to torch.Size')
        return Size(tuple.__add__(other, self))

    def __mul__(self, times):
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __getitem__(self, index):
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item

    def __reduce__(self):
        return _size, (tuple(self),)


def _size(values: tuple[int, ...]) -> Size:
    return Size(values)


def _as_int(value, position: int) -> int:
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(f"torch.Size() takes an iterable of 'int' (item {position} is '{type(value).__name__}')")


class _Named:
    """A value that is only its name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return "torch." + self.name

    def __reduce__(self):
        return _named, (self.name,)


class layout(_Named):
    __module__ = "torch"
    __slots__ = ()


class memory_format(_Named):
    __module__ = "torch"
    __slots__ = ()


strided = layout("strided")
jagged = layout("jagged")
sparse_coo = layout("sparse_coo")
sparse_csr, sparse_csc = layout("sparse_csr"), layout("sparse_csc")
sparse_bsr, sparse_bsc = layout("sparse_bsr"), layout("sparse_bsc")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def _named(name: str) -> _Named:
    return globals()[name]


_DEVICE_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy",
    "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip


class device:
    """Where a tensor lives. chainrule's tensors live on the CPU; other devices can be named, not used."""

    __module__ = "torch"
    __slots__ = ("index", "type")
    index: int | None
    type: str

    def __init__(self, type, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):
            type, index = "cuda", type
        kind, colon, number = str(type).partition(":")
        if kind not in _DEVICE_TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(_DEVICE_TYPES)} device type at start of device string: {kind}"
            )
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        self.type = kind
        self.index = index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type + (f":{self.index}" if self.index is not None else "")

    def __eq__(self, other) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self):
        return _device, (str(self),)


def _device(text: str) -> device:
    return device(text)


CPU = device("cpu")


def check_device(where) -> None:
    """Refuses every device but the CPU, with PyTorch's words where it has some."""
    if where is None:
        return
    if isinstance(where, int):
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if not isinstance(where, device):
        where = device(where)
    if where.type == "cpu":
        return
    if where.type == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled")
    if where.type in ("mps", "xpu", "hpu", "mtia", "ipu"):
        raise RuntimeError(f"PyTorch is not linked with support for {where.type} devices")
    raise RuntimeError(f"chainrule has no device {where}: its tensors live on the CPU")
