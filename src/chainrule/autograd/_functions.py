"""torch.autograd._functions: Resize, which `Tensor.resize` and `Tensor.resize_as` are made of."""

from __future__ import annotations

from math import prod
from typing import Any

from ..tensor import Tensor
from .function import Function

__all__ = ["Resize"]


class Resize(Function):
    """``Resize.apply(tensor, sizes)``: the elements of `tensor` in another shape, of as many elements."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, sizes: tuple[int, ...]) -> Tensor:
        """The same elements, in memory shared with `tensor` where that is contiguous."""
        count = prod(sizes)
        if count != tensor.numel():
            raise RuntimeError(
                f"requested resize to {'x'.join(map(str, sizes))} ({count} elements in total), but the given tensor "
                f"has a size of {'x'.join(map(str, tensor.size()))} ({tensor.numel()} elements). autograd's resize can "
                "only change the shape of a given tensor, while preserving the number of elements. "
            )
        ctx.input_sizes = tensor.size()
        return tensor.contiguous().view(*sizes)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple:
        """The gradient in the input's shape."""
        return grad_output.contiguous().view(ctx.input_sizes), None
