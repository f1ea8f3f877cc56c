"""Fused multiply-add: x·y + z rounded once.

PyTorch's compiled kernels contain it wherever they multiply and add; NumPy has none.
"""

from __future__ import annotations

import numpy as np

_SPLIT = float(2**27 + 1)  # Veltkamp's constant: x·_SPLIT leaves the upper 26 of 53 bits


def fma_single(x, y, z) -> np.ndarray:
    """x·y + z of numbers with single precision, to single precision.

    The product is exact in double precision. The sum is rounded twice, to double and then to single, which
    differs from rounding once in about one case of 2^29.
    """
    total = np.multiply(x, y, dtype=np.float64)
    total += z
    return total.astype(np.float32)


def fma_double(x: np.ndarray, y: float, z: float) -> np.ndarray:
    """x·y + z of doubles, by Dekker's exact product and Knuth's exact sum (Ogita, Rump and Oishi 2005)."""
    product = x * y
    if z == 0.0:
        return product + z
    x_high, x_low = _halves(x)
    y_high, y_low = _halves(y)
    product_error = x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)
    total = product + z
    shifted = total - product
    total_error = (product - (total - shifted)) + (z - shifted)
    exact = total + (total_error + product_error)
    # Splitting overflows above 2^996, where the plain formula has to do.
    return np.where(np.isfinite(exact), exact, total)


def _halves(x):
    """x as the sum of two numbers with at most 26 bits each."""
    scaled = x * _SPLIT
    high = scaled - (scaled - x)
    return high, x - high
