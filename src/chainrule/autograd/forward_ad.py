"""torch.autograd.forward_ad: dual numbers, which carry a tangent through the computation."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from ..backend.layout import memory_root
from ..batching import wrap_batch
from ..forward import attach, different_size, primal_parts, tangent_at
from ..inplace import address, rename, view_steps
from ..modes import ContextDecorator, local
from ..tensor import OWN, Tensor, memory, wrap
from ..transforms import DUAL, batch_level, carries, close_level, open_level

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])
UnpackedDualTensor.__doc__ = "What `unpack_dual` returns: the primal part, and the tangent or None."

_current_level = -1  # PyTorch has one level, number 0
_levels: list = []


def enter_dual_level() -> int:
    """Opens the level at which dual tensors live; RuntimeError inside another. Returns 0."""
    global _current_level
    if _current_level >= 0:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(open_level(DUAL))
    _current_level += 1
    return _current_level


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes the level: its dual tensors are ordinary tensors from here on."""
    global _current_level
    if level is None:
        level = _current_level
    if level != _current_level:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    if level < 0:
        raise RuntimeError("Dual level must be a positive number.")
    close_level(_levels.pop())
    _current_level -= 1


class dual_level(ContextDecorator):
    """Opens a dual level for the length of a block."""

    __module__ = "torch.autograd.forward_ad"

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc) -> None:
        exit_dual_level()


def _is_differentiable(tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of `tensor` that carries `tangent`, a tensor of the same shape.

    ValueError on integer tensors; RuntimeError outside a level, on other shapes, and where a tangent is already."""
    if level is None:
        level = _current_level
    if level < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    if not _is_differentiable(tensor):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not _is_differentiable(tangent):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if level != _current_level:
        raise RuntimeError("Invalid level given to _make_dual")
    number = _levels[-1].number
    if tangent_at(tensor, number) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level "
            f"{level} is not supported."
        )
    if tangent_at(tangent, number) is not None:
        raise RuntimeError(
            f"Setting a forward grad that itself has a forward gradient at the same level{level} is not supported."
        )
    return dual(tensor, tangent, number)


def dual(tensor: Tensor, tangent: Tensor, number: int) -> Tensor:
    """A view of `tensor` with a tangent for the open level `number`."""
    if tensor.shape != tangent.shape:
        raise different_size(tensor, tangent)
    made = same_memory(batched_like(tensor, tangent), "ViewBackward0")
    attach(made, laid_out(tangent, tensor), number)
    return made


def batched_like(tensor: Tensor, tangent: Tensor) -> Tensor:
    """The tensor, repeated in a batch for every level at which the tangent is a batch and it is not."""
    number = batch_level(tangent)
    if number <= batch_level(tensor):
        inner = tensor._extra.batch if number else None
        if inner is None or inner.level != number:
            return tensor
        value = batched_like(inner.value, tangent._extra.batch.value)
        return tensor if value is inner.value else wrap_batch(value, number, inner.uniform)
    value = tangent._extra.batch.value
    spread = tensor.expand((value._array.shape[0], *tensor._array.shape))
    return wrap_batch(batched_like(spread, value), number, uniform=True)


def same_memory(tensor: Tensor, node_name: str = "Identity") -> Tensor:
    """Another tensor of the same elements, and of the same place in the graph, with tangents of its own."""
    from ..ops.shape import _alias

    made = _alias(tensor)
    if made._node is not None:
        rename(made._node, node_name)
    origin = None if made._extra is None else made._extra.view
    if origin is not None:
        origin.tangents = OWN
        origin.replay = view_steps(made)  # with which views of it are made with care, and have tangents of their own
    return made


def laid_out(tangent: Tensor, like: Tensor) -> Tensor:
    """The tangent in memory of the same form as its primal's, on which views by strides rely: a copy if need be."""
    if carries(like) or carries(tangent):
        return tangent
    array, wanted = memory(tangent), memory(like)
    if any(stride == 0 and n > 1 for stride, n in zip(wanted.strides, wanted.shape)):
        return tangent  # several elements of the primal are one: the tangent's are not
    whole, whole_tangent = memory_root(wanted), memory_root(array)
    same_strides = all(
        a * wanted.itemsize == w * array.itemsize
        for a, w, n in zip(array.strides, wanted.strides, array.shape, strict=True)
        if n > 1
    )
    if not array.size or (same_strides and whole.size == whole_tangent.size):
        return tangent
    offset = (address(wanted) - address(whole)) // wanted.itemsize
    strides = [s // wanted.itemsize for s in wanted.strides]
    reach = offset + 1 + sum((n - 1) * s for n, s in zip(array.shape, strides, strict=True))
    buffer = np.zeros(max(whole.size, reach), array.dtype)  # NumPy's own strided views do not show all their memory
    made = wrap(buffer).as_strided(array.shape, strides, offset)
    return made.copy_(tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal part of `tensor` (a view of it) and its tangent, which is None if it has none at the level."""
    if level is None:
        level = _current_level
    if level < 0:
        return UnpackedDualTensor(tensor, None)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"_unpack_dual(): argument 'dual' (position 1) must be Tensor, not {type(tensor).__name__}")
    if level != _current_level:
        raise RuntimeError("Invalid level given to _fw_primal")
    number = _levels[-1].number
    tangent = tangent_at(tensor, number)
    with primal_parts([tensor], number):
        return UnpackedDualTensor(same_memory(tensor), tangent)


def _is_fwd_grad_enabled() -> bool:
    return local.forward_grad_enabled


class _set_fwd_grad_enabled(ContextDecorator):
    """Switches the propagation of tangents on or off for the length of a block."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.previous = local.forward_grad_enabled
        local.forward_grad_enabled = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc) -> None:
        local.forward_grad_enabled = self.previous

    def clone(self):
        return type(self)(self.mode)
