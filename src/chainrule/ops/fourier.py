"""Discrete Fourier transforms: the three operations behind `torch.fft`, whose functions are in fft.py."""

from __future__ import annotations

from ..backend import fourier
from ..op import LINEAR, op

# The transpose of a transform is the transform back with the same scale: "norm" says how the result itself is scaled.
complex_transform = op(
    "fft_c2c",
    kind=LINEAR,
    forward=lambda xp, x, /, dims, norm, forward: fourier.complex_transform(x, dims, norm, forward),
    vjp=lambda xp, g, dims, norm, forward: xp.fft_c2c(g, dims, norm, not forward),
    node="FftC2CBackward0",
)


def _real_vjp(xp, g, x_shape, dims, norm, half):
    """What is left out of a half counts as zeros."""
    if half:
        last = dims[-1]
        shape = (*g.shape[:last], x_shape[last], *g.shape[last + 1 :])
        g = xp.slice_backward(g, shape, last, 0, g.shape[last], 1)
    return xp.real(xp.fft_c2c(g, dims, norm, False))


real_transform = op(
    "fft_r2c",
    kind=LINEAR,
    forward=lambda xp, x, /, dims, norm, half: (
        fourier.real_transform(x, dims, norm) if half else fourier.complex_transform(x, dims, norm, True)
    ),
    vjp=_real_vjp,
    node="FftR2CBackward0",
)


def _to_real_vjp(xp, g, dims, norm, size):
    """Elements in the middle stand for two of the whole transform."""
    last = dims[-1]
    found = xp.fft_r2c(g, dims, norm, True)
    doubled = (size - 1) // 2
    if doubled <= 0:
        return found
    before = (slice(None),) * last
    middle = xp.slice_backward(found[(*before, slice(1, 1 + doubled))], found.shape, last, 1, 1 + doubled, 1)
    return found + middle


transform_to_real = op(
    "fft_c2r",
    kind=LINEAR,
    forward=lambda xp, x, /, dims, norm, size: fourier.transform_to_real(x, dims, norm, size),
    vjp=_to_real_vjp,
    node="FftC2RBackward0",
)
