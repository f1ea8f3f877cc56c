"""Elementary functions: exponentials, logarithms, powers, trigonometric and hyperbolic functions of arrays.

In single precision NumPy's vectorised functions are off by one in the last place in 10 to 50 % of their values; PyTorch's
are the correctly rounded numbers in 92 to 99.9 %. So small arrays are computed in double precision and rounded, which
gives the correctly rounded number but for one in 10^8. Up to `LARGEST` elements, the most that a printed tensor shows
in full, this costs half a microsecond to two. Above, NumPy's functions are used as they are: they are then faster than
PyTorch's, and in double precision they would be 3 to 40 times slower.
"""

from __future__ import annotations

import math

import numpy as np

ndarray = np.ndarray
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
single = np.float32

LARGEST = 1000
LARGEST_UNVECTORISED = 100  # of the functions that NumPy computes one element after the other in double precision


def _rounded(function, of_number, largest: int = LARGEST):
    """A NumPy function of one array that rounds correctly in single precision, up to `largest` elements.

    `of_number` is the function of the module `math`: for NumPy scalars it is faster.
    """

    def rounded(x):
        if x.dtype is not SINGLE or x.size > largest:
            return function(x)
        if type(x) is ndarray:
            wide = x.astype(DOUBLE)
            return function(wide, wide).astype(SINGLE)
        try:
            return single(of_number(x))
        except (ValueError, OverflowError):  # where the value is nan or infinite
            return function(x)

    rounded.__name__ = rounded.__qualname__ = function.__name__
    rounded.__doc__ = f"``numpy.{function.__name__}``, correctly rounded in single precision (see the module)."
    return rounded


_exp = np.exp
exp = _rounded(_exp, math.exp)
exp2 = _rounded(np.exp2, math.exp2)
expm1 = _rounded(np.expm1, math.expm1)
log = _rounded(np.log, math.log)
log2 = _rounded(np.log2, math.log2)
log10 = _rounded(np.log10, math.log10)
log1p = _rounded(np.log1p, math.log1p)
sin = _rounded(np.sin, math.sin, LARGEST_UNVECTORISED)
cos = _rounded(np.cos, math.cos, LARGEST_UNVECTORISED)
tan = _rounded(np.tan, math.tan)
asin = _rounded(np.arcsin, math.asin)
acos = _rounded(np.arccos, math.acos)
atan = _rounded(np.arctan, math.atan)
sinh = _rounded(np.sinh, math.sinh)
cosh = _rounded(np.cosh, math.cosh)
_tanh_of_array, _tanh_of_number = np.tanh, _rounded(np.tanh, math.tanh)
atanh = _rounded(np.arctanh, math.atanh)


def tanh(x):
    """``numpy.tanh``, correctly rounded of single numbers only: of arrays it would cost a sixth of a recorded tanh."""
    return _tanh_of_array(x) if x.ndim else _tanh_of_number(x)


def _rounded_pair(function, of_numbers):
    """The same of a function of two arrays."""

    def rounded(x, y):
        if x.dtype is not SINGLE or y.dtype is not SINGLE or x.size > LARGEST or y.size > LARGEST:
            return function(x, y)
        if type(x) is ndarray or y.ndim:
            return function(x.astype(DOUBLE), y.astype(DOUBLE)).astype(SINGLE)
        try:
            return single(of_numbers(x, y))
        except (ValueError, OverflowError):
            return function(x, y)

    rounded.__name__ = rounded.__qualname__ = function.__name__
    rounded.__doc__ = f"``numpy.{function.__name__}``, correctly rounded in single precision (see the module)."
    return rounded


atan2 = _rounded_pair(np.arctan2, math.atan2)
power = _rounded_pair(np.power, math.pow)


def small_power(x, exponent):
    """A small array of single precision to the power of a Python number, correctly rounded.

    PyTorch computes fewer than 32 numbers one by one, and takes the exponent in double precision for them.
    """
    if type(x) is not ndarray:
        try:
            return single(math.pow(x, exponent))
        except (ValueError, OverflowError):
            return np.power(x, single(exponent))
    if x.size >= 32:
        exponent = float(single(exponent))
    return (x.astype(DOUBLE) ** exponent).astype(SINGLE)


def exp_in_place(x):
    """The exponential of an array that is nobody else's, in its own memory where that is the fastest.

    It does not call `exp`: that would make a small sigmoid 5 % slower."""
    if x.dtype is not SINGLE or x.size > LARGEST:
        return _exp(x, x)
    wide = x.astype(DOUBLE)
    return _exp(wide, wide).astype(SINGLE)
