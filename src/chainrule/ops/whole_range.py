"""The whole numbers that `random_` and `randint` draw from: bounds as a dtype can represent them."""

from __future__ import annotations

import warnings

import numpy as np

from .. import dtypes
from ..dtypes import c_name

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def whole_range(dtype: dtypes.dtype, low: int, high: int | None) -> tuple[int, int]:
    """(low, high) of the numbers low ≤ n < high to draw for a tensor of `dtype`.

    Without `high` they go up to what the dtype counts to. For floating dtypes the bounds move inwards to numbers
    that rounding to the dtype cannot carry outside. RuntimeError where the range is empty or exceeds the dtype;
    a warning where a floating dtype skips numbers of it.
    """
    if high is None and low == LOWEST:
        if dtype not in (dtypes.int64, dtypes.float64, dtypes.float32, dtypes.bfloat16):
            raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
        return LOWEST, HIGHEST + 1
    if high is None:
        return _open_range(dtype, low)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.is_floating_point:
        low, high = _first_inside(dtype, low), _end_inside(dtype, high)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
                f"from={low} >= to={high}"
            )
    _check(dtype, low, high - 1, "check_random_bounds")
    return low, high


def _open_range(dtype: dtypes.dtype, low: int) -> tuple[int, int]:
    if dtype.is_floating_point:
        last = 1 << _digits(dtype)
        low = _first_inside(dtype, low)
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but "
                f"got from={low} > to_inc={last}"
            )
    else:
        last = 1 if dtype is dtypes.bool_ else min(int(_limits(dtype, "random_from_to_impl")[1]), HIGHEST)
    _check(dtype, low, last, "check_random_bounds")
    return low, last + 1


def _check(dtype: dtypes.dtype, first: int, last: int, function: str) -> None:
    least, greatest = _limits(dtype, function)
    for bound, name in ((first, "from"), (last, "to - 1")):
        if not least <= bound <= greatest:
            raise RuntimeError(f"{name} is out of bounds for {c_name(dtype)}")
    if dtype.is_floating_point:
        digits = _digits(dtype)
        for bound, name in ((first, "from"), (last, "to - 1")):
            if abs(bound) > 1 << digits:
                warnings.warn(
                    f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations "
                    f"{c_name(dtype)} can support discrete uniform distribution only within this range. This "
                    "warning will become an error in version 1.7 release, please fix the code in advance",
                    UserWarning,
                    stacklevel=5,
                )


def _limits(dtype: dtypes.dtype, function: str) -> tuple[float, float]:
    if dtype is dtypes.bool_:
        return 0, 1
    if dtype.is_floating_point:
        return dtypes.finfo(dtype).min, dtypes.finfo(dtype).max
    if dtype.is_complex:
        raise RuntimeError(f"{function} handles only integral, floating-point and boolean types")
    return dtypes.iinfo(dtype).min, dtypes.iinfo(dtype).max


def _digits(dtype: dtypes.dtype) -> int:
    """The bits of a floating dtype's significand."""
    return {dtypes.float16: 11, dtypes.bfloat16: 8, dtypes.float32: 24, dtypes.float64: 53}[dtype]


def _rounded(dtype: dtypes.dtype, value: int) -> int:
    """A whole number as the dtype holds it; beyond its range, as C++ converts the infinity."""
    held = float(np.array(value, np.float64).astype(dtype.numpy_dtype))
    return int(held) if abs(held) < 2**63 else LOWEST


def _first_inside(dtype: dtypes.dtype, low: int) -> int:
    """The least number ≥ low that no rounding takes below low."""
    rounded = _rounded(dtype, low + 1)
    if rounded < low:
        return rounded + _gap(dtype, low + 1)
    return low


def _end_inside(dtype: dtypes.dtype, high: int) -> int:
    """The greatest end ≤ high below which no number is rounded to high."""
    rounded = _rounded(dtype, high - 1)
    if rounded >= high:
        return rounded - _gap(dtype, high - 1)
    return high


def _gap(dtype: dtypes.dtype, value: int) -> int:
    """The distance of the dtype's numbers near a whole number that is too long for it."""
    return 1 << (abs(value).bit_length() - _digits(dtype))
