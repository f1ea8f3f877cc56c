"""Running sums, products and extremes along a dimension.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`. A 0-d array is its own running anything.
"""

import numpy as np

from .layout import in_rows
from .reductions import narrowed, widened


def _accumulate(ufunc, x, dim):
    if not x.ndim:
        return x[()]
    wide = widened(x)
    return in_rows(narrowed(ufunc.accumulate(wide, axis=dim, dtype=wide.dtype), x.dtype))


def cumsum(x, dim):
    return _accumulate(np.add, x, dim)


def cumprod(x, dim):
    return _accumulate(np.multiply, x, dim)


def reversed_cumsum(x, dim):
    """The running sum from the end."""
    return np.flip(cumsum(np.flip(x, dim), dim), dim) if x.ndim else x


def _running_extreme(ufunc, x, dim):
    """(running extreme, index of the last element that is one): after a nan, the nan."""
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    values = ufunc.accumulate(widened(x), axis=dim)
    places = np.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    wide = widened(x)
    here = wide == values
    if wide.dtype.kind == "f":
        here |= np.isnan(wide)
    return narrowed(values, x.dtype), np.maximum.accumulate(np.where(here, places, 0), axis=dim)


def cummax(x, dim):
    return _running_extreme(np.maximum, x, dim)


def cummin(x, dim):
    return _running_extreme(np.minimum, x, dim)


def logcumsumexp(x, dim):
    """The running ``log(sum(exp(x)))``."""
    if not x.ndim:
        return x.copy()
    if x.dtype.kind != "c":
        return _accumulate(np.logaddexp, x, dim)
    from .numpy import logaddexp

    out = np.array(x)
    steps = np.moveaxis(out, dim, 0)
    for i in range(1, len(steps)):
        steps[i] = logaddexp(steps[i - 1], steps[i])
    return out


def fits_exponent(x, out, dim) -> bool:
    """Whether exponentials of a running logcumsumexp `out` of `x`, relative to its end, stay well within x's dtype."""
    real = widened(out.real)
    if not real.size:
        return True
    if not real.ndim:
        return bool(np.isfinite(real))
    spread = real.take([-1], dim) - np.minimum(real, widened(x.real))
    return bool((spread < (300 if real.dtype.itemsize == 8 else 40)).all())
