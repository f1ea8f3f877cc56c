"""Writing one value everywhere."""

from __future__ import annotations

import numpy as np

from ..inplace import in_place, in_place_anywhere
from ..op import GENERAL, LINEAR, method, op
from ..tensor import Tensor
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
