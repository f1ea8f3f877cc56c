"""torch.signal.windows: window functions, by the formulas of F. J. Harris, Proc. IEEE 66 (1978), and A. Nuttall (1981)."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..ops.creation import finish
from ..size import strided
from ..tensor import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(
    name: str, M: int, sym: bool, formula, dtype=None, layout=strided, device=None, requires_grad: bool = False
) -> Tensor:
    """A window of `M` values ``formula(n, N)`` at n = 0 … M-1, with N = M - 1, or M for a periodic one."""
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    values = np.ones(M) if M <= 1 else formula(np.arange(M, dtype=np.float64), M - 1 if sym else M)
    return finish(values.astype(dtype.numpy_dtype), requires_grad, device)


def general_cosine(M: int, *, a, sym: bool = True, **options) -> Tensor:
    """The sum of cosines with the coefficients `a`, of alternating sign."""
    if not isinstance(a, (list, tuple)):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _cosines("general_cosine", M, a, sym, options)


def _cosines(name: str, M: int, a, sym: bool, options) -> Tensor:
    return _window(
        name,
        M,
        sym,
        lambda n, N: sum((-1) ** i * c * np.cos(2 * math.pi * i * n / N) for i, c in enumerate(a)),
        **options,
    )


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options) -> Tensor:
    """``alpha - (1 - alpha) cos(2πn/N)``."""
    return general_cosine(M, a=[alpha, 1 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options) -> Tensor:
    """The Hamming window: alpha = 0.54."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options) -> Tensor:
    """The Hann window: alpha = 0.5."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options) -> Tensor:
    """The Blackman window, with three terms."""
    return _cosines("blackman", M, [0.42, 0.5, 0.08], sym, options)


def nuttall(M: int, *, sym: bool = True, **options) -> Tensor:
    """Nuttall's minimum four-term Blackman-Harris window."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, **options) -> Tensor:
    """The triangle ``1 - |2n/N - 1|``."""
    return _window("bartlett", M, sym, lambda n, N: 1 - np.abs(2 * n / N - 1), **options)


def cosine(M: int, *, sym: bool = True, **options) -> Tensor:
    """Half a period of the sine, at the middles of its steps."""
    return _window("cosine", M, sym, lambda n, N: np.sin(math.pi * (n + 0.5) / (N + 1)), **options)


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options) -> Tensor:
    """``exp(-|n - center| / tau)``."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return _window(
        "exponential", M, sym, lambda n, N: np.exp(-np.abs(n - (N / 2 if center is None else center)) / tau), **options
    )


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options) -> Tensor:
    """``exp(-(n - N/2)² / (2 std²))``."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window("gaussian", M, sym, lambda n, N: np.exp(-(((n - N / 2) / std) ** 2) / 2), **options)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options) -> Tensor:
    """``I0(beta sqrt(1 - (2n/N - 1)²)) / I0(beta)``."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _window(
        "kaiser",
        M,
        sym,
        lambda n, N: np.i0(beta * np.sqrt(np.maximum(0, 1 - (2 * n / N - 1) ** 2))) / np.i0(beta),
        **options,
    )
