"""Window functions: hann_window and its relatives, as PyTorch computes them in the dtype of the result."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..tensor import Tensor, wrap

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]

_WORDS = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def _window(name: str, length: int, periodic: bool, shape, dtype, requires_grad: bool) -> Tensor:
    """A window that `shape` computes from the numbers 0 to n - 1; a periodic one is cut from one that is 1 longer."""
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    if kind.category != dtypes.FLOATING:
        word = _WORDS.get(str(kind).removeprefix("torch."), str(kind))
        raise RuntimeError(
            f"{name} expects floating point dtypes, got: TensorOptions(dtype={word}, device=cpu, layout=Strided "
            "(default), requires_grad=false (default), pinned_memory=false, memory_format=(nullopt))"
        )
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    target = kind.numpy_dtype
    if length < 2:
        values = np.ones(length, target)
    else:
        wide = np.dtype(np.float32) if target.itemsize == 2 else target
        count = length + 1 if periodic else length
        values = shape(np.arange(count, dtype=wide), wide.type)[:length].astype(target)
    result = wrap(values)
    return result.requires_grad_() if requires_grad else result


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """``alpha - beta * cos(2 pi n / N)``, with N the length, or one less for windows that are not periodic."""

    def shape(n, number):
        return np.cos(n * number(2 * math.pi / (len(n) - 1))) * number(-beta) + number(alpha)

    return _window("hamming_window", window_length, periodic, shape, dtype, requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """``0.5 - 0.5 * cos(2 pi n / N)``, with N the length, or one less for windows that are not periodic."""

    def shape(n, number):
        return np.cos(n * number(2 * math.pi / (len(n) - 1))) * number(-0.5) + number(0.5)

    return _window("hann_window", window_length, periodic, shape, dtype, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """``0.42 - 0.5 * cos(2 pi n / N) + 0.08 * cos(4 pi n / N)``."""

    def shape(n, number):
        angle = n * number(math.pi / (len(n) - 1))
        return np.cos(angle * 4) * number(0.08) - np.cos(angle * 2) * number(0.5) + number(0.42)

    return _window("blackman_window", window_length, periodic, shape, dtype, requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """A triangle: ``1 - abs(2 n / N - 1)``."""

    def shape(n, number):
        rising = n * number(2 / (len(n) - 1))
        return np.where(np.arange(len(n)) <= (len(n) - 1) // 2, rising, 2 - rising)

    return _window("bartlett_window", window_length, periodic, shape, dtype, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """``i0(beta * sqrt(1 - (2 n / N - 1)**2)) / i0(beta)``, with i0 the modified Bessel function."""

    def shape(n, number):
        away = n * number(2 / (len(n) - 1)) - 1
        return np.i0(beta * np.sqrt(np.maximum(1 - away * away, 0))) / np.i0(beta)

    return _window("kaiser_window", window_length, periodic, shape, dtype, requires_grad)
