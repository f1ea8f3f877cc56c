"""Fractional max-pooling (Graham 2014): the largest elements of windows at pseudo-random distances."""

from __future__ import annotations

import math

import numpy as np

from ..backend.reductions import widened
from ..dtypes import scalar_name
from ..op import general, op
from .random import rand

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]


def _starts(sample, size: int, out: int, kernel: int):
    """Where the `out` windows of each channel begin; the last ends with the input."""
    step = (size - kernel) / (out - 1) if out > 1 else 0.0
    at = np.arange(max(out - 1, 0), dtype=sample.dtype)
    u = sample[..., None]
    step = sample.dtype.type(step)
    found = ((at + u) * step).astype(np.int64) - (u * step).astype(np.int64)
    last = np.full((*sample.shape, min(out, 1)), size - kernel)
    return np.concatenate([found, last], axis=-1)


def _pool(x, samples, kernel, out):
    """(the largest element of each window, its index among its channel's elements)."""
    size, n = x.shape[2:], len(kernel)
    flat: np.ndarray | int = 0
    for d in range(n):
        # PyTorch's first number in two dimensions is for the width
        sample = samples[: len(x), :, n - 1 - d if n == 2 else d]
        places = _starts(sample, size[d], out[d], kernel[d])[..., None] + np.arange(kernel[d])
        shape = [1] * (2 * n)
        shape[d], shape[n + d] = out[d], kernel[d]
        flat = flat * size[d] + places.reshape(*x.shape[:2], *shape)
    flat = np.reshape(flat, (*x.shape[:2], *out, math.prod(kernel)))
    rows = flat.reshape(*x.shape[:2], math.prod(out) * math.prod(kernel))
    values = np.take_along_axis(x.reshape(*x.shape[:2], math.prod(size)), rows, 2).reshape(flat.shape)
    best = np.argmax(widened(values), axis=-1)[..., None]
    return np.take_along_axis(values, best, -1)[..., 0], np.take_along_axis(flat, best, -1)[..., 0]


_RECORDS = {
    n: op(
        f"fractional_max_pool{n}d",
        forward=lambda xp, x, samples, /, kernel, out: _pool(x, samples, kernel, out),
        vjp=(lambda xp, g, indices, x_shape: xp.add_at_places(g[0], indices, x_shape), None),
        outputs=("values", "indices"),
        node=f"FractionalMaxPool{n}DBackward0",
    )
    for n in (2, 3)
}


def _each(name: str, argument: str, value, n: int) -> tuple[int, ...]:
    value = (value,) * n if isinstance(value, int) else tuple(value)
    if len(value) != n:
        raise RuntimeError(f"{name}: {argument} must either be a single Int or tuple of Ints")
    return value


def _fractional(n: int, input, kernel_size, output_size, output_ratio, samples):
    """(values, indices)."""
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.dim() < n + 1:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.dim()}, {input.dim() - 1}], but got {-n - 1})"
        )
    size = input.shape[-n:]
    if output_size is None:
        output_size = [int(s * ratio) for s, ratio in zip(size, output_ratio, strict=True)]
    kernel, out = _each(name, "kernel_size", kernel_size, n), _each(name, "output_size", output_size, n)
    batched = input.dim() == n + 2
    if not batched:
        input = input.unsqueeze(0)
    if samples is None:
        if not input.is_floating_point():
            raise NotImplementedError(f"\"check_uniform_bounds\" not implemented for '{scalar_name(input.dtype)}'")
        samples = rand((*input.shape[:2], n), dtype=input.dtype)
    _check(name, input, samples, kernel, out)
    values, indices = general(_RECORDS[n].record, (input, samples), (kernel, out))
    return (values, indices) if batched else (values.squeeze(0), indices.squeeze(0))


def _check(name: str, input, samples, kernel, out) -> None:
    for d, size in enumerate(input.shape[1:], 1):
        if not size:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but got{list(input.shape)} with "
                f"dimension {d} being empty."
            )
    if samples.dtype is not input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.ndim}")
    if samples.shape[0] < input.shape[0]:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != len(kernel):
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {len(kernel)}; got {samples.shape[2]}.")
    words = ("time", "height", "width")[-len(kernel) :]
    function = name if len(kernel) == 2 else f"{name}_out"
    for word, size, k, o in zip(words, input.shape[2:], kernel, out, strict=True):
        if o + k - 1 + (len(kernel) == 3) > size:  # in three dimensions PyTorch wants one element more
            raise RuntimeError(f"{function}(): pool {word} {k} too large relative to input {word} {size}")


def _functions(n: int):
    def with_indices(
        input, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
    ):
        return _fractional(n, input, kernel_size, output_size, output_ratio, _random_samples)

    def pool(
        input, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
    ):
        values, indices = _fractional(n, input, kernel_size, output_size, output_ratio, _random_samples)
        return (values, indices) if return_indices else values

    pool.__name__ = pool.__qualname__ = f"fractional_max_pool{n}d"
    pool.__doc__ = f"The largest elements of `output_size` {n}-d windows of one size, at pseudo-random distances."
    with_indices.__name__ = with_indices.__qualname__ = f"fractional_max_pool{n}d_with_indices"
    with_indices.__doc__ = f"(values, indices) of :func:`fractional_max_pool{n}d`."
    return pool, with_indices


fractional_max_pool2d, fractional_max_pool2d_with_indices = _functions(2)
fractional_max_pool3d, fractional_max_pool3d_with_indices = _functions(3)
