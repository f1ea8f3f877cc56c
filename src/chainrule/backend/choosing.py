"""Choosing between the elements of two arrays, and keeping arrays within bounds.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`. NumPy's `where` branches at each element,
which a processor guesses wrong half the time if the condition is irregular; and its `maximum` has no fast loop for a
single number beside an array. Large arrays are therefore treated by arithmetic on the bits: an element times 1 is
itself, times 0 it is a zero, whatever the element was, so long as its bits are read as an integer.
"""

from __future__ import annotations

import numpy as np

ndarray = np.ndarray
LARGE = 1 << 13  # elements from which the detours are worth their start
PART = 1 << 15  # elements of a part that stays in the cache
_BITS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def where(condition, x, y):
    """The elements of `x` where `condition` holds, of `y` elsewhere."""
    if condition.size < LARGE or condition.dtype.kind != "b" or x.dtype is not y.dtype:
        return np.where(condition, x, y)
    bits = _BITS.get(x.dtype.itemsize)
    if bits is None:
        return np.where(condition, x, y)
    if x.shape == condition.shape and not y.ndim:
        return _or_number(condition, x, y, bits)
    if y.shape == condition.shape and not x.ndim:
        return _or_number(np.logical_not(condition), y, x, bits)
    if x.shape == y.shape == condition.shape and all(a.flags.c_contiguous for a in (condition, x, y)):
        return _exchanged(condition.reshape(-1), x.reshape(-1), y.reshape(-1), bits).reshape(x.shape)
    return np.where(condition, x, y)


def _or_number(condition, x, number, bits):
    """The elements of `x` where `condition` holds, a number (a 0-d array) elsewhere."""
    found = np.multiply(x.view(bits), condition.view(np.int8))
    number = number.view(bits)
    if number:
        found |= np.multiply(np.logical_not(condition).view(np.int8), number)
    return found.view(x.dtype)


def _exchanged(condition, x, y, bits):
    """``y ^ (x ^ y) * condition`` on the bits of flat arrays, part by part."""
    out = np.empty(x.shape, x.dtype)
    condition, x, y, found = condition.view(np.int8), x.view(bits), y.view(bits), out.view(bits)
    for start in range(0, x.size, PART):
        part = slice(start, start + PART)
        np.bitwise_xor(x[part], y[part], out=found[part])
        np.multiply(found[part], condition[part], out=found[part])
        np.bitwise_xor(found[part], y[part], out=found[part])
    return out


def clamp(x, low, high):
    """`x` kept between two arrays, either of which may be None; where they cross, the upper one.

    Of equal numbers (0.0 and -0.0) NumPy's maximum and minimum choose the second, so `x` stands there, as in PyTorch.
    """
    if x.size >= LARGE and x.dtype.kind == "f" and _is_number(low) and _is_number(high):
        number = x.dtype.type  # NumPy's clip is one fast pass for two numbers, but slow to start
        return np.clip(x, number(-np.inf) if low is None else low, number(np.inf) if high is None else high)
    if low is not None:
        x = np.maximum(low, x)
    return x if high is None else np.minimum(high, x)


def _is_number(bound) -> bool:
    return bound is None or not bound.ndim
