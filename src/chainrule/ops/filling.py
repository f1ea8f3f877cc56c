"""Writing one value everywhere."""

from __future__ import annotations

import numpy as np

from ..inplace import in_place, in_place_anywhere
from ..op import GENERAL, LINEAR, method, must_be_tensor, op
from ..tensor import Tensor
from .creation import tensor
from .indexing import checked_number

__all__ = ["fill", "fill_", "zero_"]

_fill = op(
    "fill",
    kind=GENERAL,
    forward=lambda xp, x, /, value: xp.full_like(x, value),
    vjp=lambda xp, g: xp.zeros_like(g),
)
_fill_tensor = op(
    "fill_tensor",
    kind=LINEAR,
    forward=lambda xp, x, y: xp.copy_into(x, y),
    vjp=(
        lambda xp, g: xp.zeros_like(g),
        lambda xp, g, y_dtype: xp.cast(xp.sum(g, None, False), y_dtype),
    ),
    node="FillBackward1",
    public="fill",
)
_zero = op(
    "zero",
    kind=LINEAR,
    forward=lambda xp, x: xp.zeros_like(x),
    vjp=lambda xp, g: xp.zeros_like(g),
)


def fill(input, value):
    """A tensor like `input` with `value` (a number or a 0-d tensor) everywhere."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value._array.ndim} dimensions."
            )
        return _fill_tensor(input, value)
    if not isinstance(value, (int, float, complex)) and not hasattr(value, "dtype"):
        raise TypeError(
            f"fill_() received an invalid combination of arguments - got ({type(value).__name__}), but expected one "
            "of:\n"
            " * (Tensor value)\n * (Number value)\n"
        )
    return _fill(input, checked_number(value, input.dtype).item())


@method()
def fill_(input, value):
    """In-place version of :func:`fill`; the value may be an element of the tensor itself."""
    return (in_place if isinstance(value, Tensor) and not _is_element(value, input) else in_place_anywhere)(
        fill, input, value
    )


def _is_element(value, tensor) -> bool:
    return np.may_share_memory(value._array, tensor._array)


@method()
def zero_(input):
    """Overwrites the tensor with zeros."""
    return in_place_anywhere(_zero, input)


def _computed(self, name: str, function, *others):
    """Puts what a function of Python numbers gives into the tensor, element by element; as in PyTorch, uncounted."""
    if any(x.requires_grad for x in (self, *others)):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    columns = [x._array.reshape(-1).tolist() for x in (self, *others)]
    values = tensor([function(*row) for row in zip(*columns, strict=True)], dtype=self.dtype)._array
    if self._array.ndim:
        self._array[...] = values.reshape(self._array.shape)
    else:
        self._array = values[0]
    return self


@method()
def apply_(self, callable):
    """Overwrites each element with what `callable` makes of it. Slow: for what no operation does."""
    return _computed(self, "apply_", callable)


@method()
def map_(self, other, callable):
    """Overwrites each element with what `callable` makes of it and that of `other`, which broadcasts."""
    if not isinstance(other, Tensor):
        raise must_be_tensor("map_", "other", 1, other)
    if other._array.dtype is not self._array.dtype:
        raise TypeError(f"map_: expected {self.type()} for 'other' (got {other.type()})")
    return _computed(self, "map_", callable, other.expand(self._array.shape))
