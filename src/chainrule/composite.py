"""Functions that are made of operations and need no rule of their own."""

from __future__ import annotations

from .tensor import Tensor


def sum_to_size(tensor: Tensor, shape) -> Tensor:
    """`tensor` summed over the dimensions along which `shape` was broadcast to its shape."""
    have = tensor._array.shape
    extra = len(have) - len(shape)
    dims = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and have[i + extra] != 1)
    if dims:
        tensor = tensor.sum(dims, keepdim=True)
    return tensor.reshape(shape) if extra else tensor
