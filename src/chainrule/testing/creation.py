"""`make_tensor`: tensors of random numbers to test with."""

from __future__ import annotations

import math

import chainrule as torch
from chainrule import Tensor

__all__ = ["make_tensor"]


def make_tensor(
    *shape,
    dtype,
    device,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format=None,
) -> Tensor:
    """Random numbers of a dtype, uniform in [low, high): by default from -9 to 9 (from 0 where there is no sign; bools both).

    With `exclude_zero` zeros become the smallest normal number, or 1; `noncontiguous` tensors lie in twice the memory.
    ValueError for bounds that are nan or leave nothing between them.
    """
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    doubled = noncontiguous and bool(shape) and math.prod(shape) > 1
    sizes = (*shape[:-1], 2 * shape[-1]) if doubled else shape
    low, high = _bounds(dtype, low, high)
    if inexact:
        result = torch.empty(sizes, dtype=dtype, device=device)
        numbers = torch.view_as_real(result) if dtype.is_complex else result
        if low == high:
            numbers.fill_(low)
        else:
            numbers.uniform_(low, high)
    else:
        result = torch.randint(low, high, sizes, dtype=dtype, device=device)
    if doubled:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        smallest = torch.finfo(dtype).tiny if inexact else 1
        result[result == 0] = complex(smallest, smallest) if dtype.is_complex else smallest
    return result.requires_grad_(requires_grad)


def _bounds(dtype, low, high):
    """The bounds that were given, or the dtype's own, inside what the dtype can hold."""
    if dtype is torch.bool:
        lowest, default_low, default_high, highest = 0, 0, 2, 2
    elif dtype.is_floating_point or dtype.is_complex:
        limits = torch.finfo(dtype)
        lowest, default_low, default_high, highest = limits.min, -9, 9, limits.max
    else:
        whole = torch.iinfo(dtype)
        lowest, default_low, default_high, highest = (
            whole.min,
            max(-9, whole.min),
            10,
            whole.max + (dtype is not torch.int64),
        )
    low = default_low if low is None else low
    high = default_high if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low!r} and high={high!r}")
    inexact = dtype.is_floating_point or dtype.is_complex
    if low > high or (low == high and not inexact):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    low, high = min(max(low, lowest), highest), min(max(high, lowest), highest)
    return (low, high) if inexact else (math.ceil(low), math.ceil(high))
