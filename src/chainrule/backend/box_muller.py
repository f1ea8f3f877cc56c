"""The Box-Muller transform: pairs of uniform numbers to pairs of normal ones, in PyTorch's arithmetic.

A normal pair is √(−2 log u₁)·cos 2πu₂ and √(−2 log u₁)·sin 2πu₂.

In single precision PyTorch evaluates the logarithm, sine and cosine by the polynomials of the Cephes library
(S. Moshier, logf.c and sinf.c), with fused multiply-adds. The same polynomials and roundings give the same
bits here. In double precision it calls the C library, as Python's `math` does, from which NumPy's vectorised
functions differ in the last place here and there.
"""

from __future__ import annotations

import math

import numpy as np

from .fma import fma_single

TWO_PI = 2.0 * math.pi
# Pairs transformed at a time: the dozen temporaries then stay in the processor's second-level cache.
_CHUNK = 4096


def _singles(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value], np.float32) for value in values)


def _singles_as_doubles(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(constant.astype(np.float64) for constant in _singles(*values))


# Constants are arrays of one element: NumPy converts a Python number anew at every use.
_LOG = _singles_as_doubles(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_SIN = _singles_as_doubles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = _singles_as_doubles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN_AND_COS = tuple(np.reshape(pair, (2, 1, 1)) for pair in zip(_SIN, _COS))
# log 2 and π/2, each as a sum of parts so short that a small multiple of all but the last is exact.
_LOG_2_HIGH, _LOG_2_LOW = _singles(0.693359375, -2.12194440e-4)
_HALF_PI_HIGH, _HALF_PI_MIDDLE = _singles(2 * 0.78515625, 2 * 2.4187564849853515625e-4)
_MINUS_HALF_PI_LOW = -2 * _singles_as_doubles(3.77489497744594108e-8)[0]
_ROOT_HALF, _FOUR_OVER_PI, _TWO_PI = _singles(math.sqrt(0.5), 4 / math.pi, TWO_PI)
_HALF, _ONE, _MINUS_TWO = _singles(0.5, 1.0, -2.0)
# The signs of sine and cosine in the quarter turns around 0, π/2, π, 3π/2 and 2π.
_SIGN_OF_SIN = np.array([1, 1, -1, -1, 1], np.float32)
_SIGN_OF_COS = np.array([1, -1, -1, 1, 1], np.float32)


def normal_single(u: np.ndarray) -> np.ndarray:
    """Standard normal numbers from float32 uniforms in [0, 1), both of shape (blocks, 2, 8).

    u₁ is 1 − u[:, 0], which is never 0; cosines become result[:, 0], sines result[:, 1].
    """
    out = np.empty_like(u)
    step = _CHUNK // 8
    for start in range(0, len(u), step):
        part, result = u[start : start + step], out[start : start + step]
        radius = _log(_ONE - part[:, 0])
        radius *= _MINUS_TWO
        np.sqrt(radius, out=radius)
        sin, cos = _sin_and_cos(part[:, 1] * _TWO_PI)
        np.multiply(radius, cos, out=result[:, 0])
        np.multiply(radius, sin, out=result[:, 1])
    return out


def normal_double(u: np.ndarray) -> np.ndarray:
    """The same in double precision."""
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - u[:, 0]))
    turn = unit_circle(u[:, 1])
    out = np.empty_like(u)
    np.multiply(radius, turn.real, out=out[:, 0])
    np.multiply(radius, turn.imag, out=out[:, 1])
    return out


def libm(function, x: np.ndarray) -> np.ndarray:
    """A function of Python's `math`, hence the C library's, of every element of a float64 array."""
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def unit_circle(u: np.ndarray) -> np.ndarray:
    """cos 2πu + i sin 2πu: NumPy's complex exponential returns the C library's cosine and sine unchanged."""
    return np.exp((1j * TWO_PI) * u)


def _horner(coefficients: tuple[np.ndarray, ...], x: np.ndarray) -> np.ndarray:
    """A polynomial of single-precision numbers, each step fused (`fma_single` without its temporaries)."""
    wide = coefficients[0] * x
    wide += coefficients[1]
    value = wide.astype(np.float32)
    for coefficient in coefficients[2:]:
        wide[...] = value
        wide *= x
        wide += coefficient
        value[...] = wide
    return value


def _log(u: np.ndarray) -> np.ndarray:
    """log u, from u = 2^e·(1 + x) with 1 + x between √½ and √2."""
    fraction, e = np.frexp(u)
    small = fraction < _ROOT_HALF
    e = (e - small).astype(np.float32)
    x = np.ldexp(fraction, small)
    x -= _ONE
    square = x * x
    y = _horner(_LOG, x.astype(np.float64))
    y *= x
    y = fma_single(y, square, e * _LOG_2_LOW)
    y -= square * _HALF
    x += y
    return fma_single(e, _LOG_2_HIGH, x)


def _sin_and_cos(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sin, cos) of a matrix of angles in [0, 2π], from their distances x to the nearest multiples of π/2."""
    quarter = (angle * _FOUR_OVER_PI).astype(np.int32)
    quarter += 1
    quarter >>= 1
    multiple = quarter.astype(np.float32)
    x = angle - multiple * _HALF_PI_HIGH
    x -= multiple * _HALF_PI_MIDDLE
    x = fma_single(multiple, _MINUS_HALF_PI_LOW, x)
    square = x * x
    both = _horner(_SIN_AND_COS, square.astype(np.float64))
    both *= square
    sin = fma_single(both[0], x, x)
    cos = fma_single(both[1], square, square * -_HALF)
    cos += _ONE
    odd = (quarter & 1) == 1
    sin, cos = np.where(odd, cos, sin), np.where(odd, sin, cos)
    sin *= _SIGN_OF_SIN.take(quarter)
    cos *= _SIGN_OF_COS.take(quarter)
    return sin, cos
