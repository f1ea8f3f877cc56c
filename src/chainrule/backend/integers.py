"""Integer arithmetic as PyTorch has it where NumPy differs, and the rounding divisions."""

import numpy as np


def check_divisor(x, y) -> None:
    """RuntimeError where an integer is divided by zero."""
    if x.dtype.kind in "iu" and not np.all(y):
        raise RuntimeError("ZeroDivisionError")


def remainder(x, y):
    check_divisor(x, y)
    return np.remainder(x, y)


def fmod(x, y):
    check_divisor(x, y)
    return np.fmod(x, y)


def floor_divide(x, y):
    """The quotient rounded towards minus infinity."""
    check_divisor(x, y)
    return np.floor_divide(x, y)


def truncated_divide(x, y):
    """The quotient rounded towards zero."""
    check_divisor(x, y)
    if x.dtype.kind in "iu":
        return np.floor_divide(x - np.fmod(x, y), y)
    return np.trunc(x / y)


def power(x, y):
    """Powers; of integers to negative exponents: 0, but 1 and -1 stay what they are (wherever PyTorch allows them)."""
    if y.dtype.kind != "i" or not np.any(y < 0):
        return np.power(x, y)
    positive = np.power(x, np.maximum(y, y.dtype.type(0)))
    odd = np.power(x, y & y.dtype.type(1))
    return np.where(y >= 0, positive, np.where(np.abs(x) == 1, odd, 0)).astype(x.dtype)


def rounded(function):
    """floor, ceil, ...: integers are what they are."""

    def on_floats(x):
        return np.copy(x) if x.dtype.kind in "iub" else function(x)

    return on_floats


floor, ceil, trunc, rint = rounded(np.floor), rounded(np.ceil), rounded(np.trunc), rounded(np.rint)


def round_decimals(x, decimals):
    """`x` rounded to so many decimals, half to even; negative: to tens, hundreds, ..."""
    scale = x.dtype.type(10.0 ** abs(decimals))
    return np.rint(x * scale) / scale if decimals >= 0 else np.rint(x / scale) * scale
