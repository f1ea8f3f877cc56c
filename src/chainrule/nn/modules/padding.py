"""Borders around inputs, as modules."""

from __future__ import annotations

from .. import functional as F
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d",
    "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """A border on the last `_dims` dimensions: one width, or the widths before and after for each, the last first."""

    _dims = 0
    _mode = ""

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self._dims) if isinstance(padding, int) else tuple(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """A border of a constant on the last dimension."""

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of a constant on the last 2 dimensions."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of a constant on the last 3 dimensions."""

    _dims = 3


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """A border of zeros on the last dimension."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """A border of zeros on the last 2 dimensions."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """A border of zeros on the last 3 dimensions."""


class ReflectionPad1d(_Pad):
    """A border of mirrored elements on the last dimension."""

    _dims = 1
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """A border of mirrored elements on the last 2 dimensions."""

    _dims = 2
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """A border of mirrored elements on the last 3 dimensions."""

    _dims = 3
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """A border of the outermost elements on the last dimension."""

    _dims = 1
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """A border of the outermost elements on the last 2 dimensions."""

    _dims = 2
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """A border of the outermost elements on the last 3 dimensions."""

    _dims = 3
    _mode = "replicate"


class CircularPad1d(_Pad):
    """A border of elements from the other side on the last dimension."""

    _dims = 1
    _mode = "circular"


class CircularPad2d(_Pad):
    """A border of elements from the other side on the last 2 dimensions."""

    _dims = 2
    _mode = "circular"


class CircularPad3d(_Pad):
    """A border of elements from the other side on the last 3 dimensions."""

    _dims = 3
    _mode = "circular"
