"""torch.autograd.grad_mode: the switches, under the names of PyTorch's module."""

from __future__ import annotations

from ..modes import (
    ContextDecorator,
    _force_original_view_tracking,
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from ..tensor import Tensor, version_counter

__all__ = [
    "_force_original_view_tracking",
    "_unsafe_preserve_version_counter",
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class enforce_grad_layout_policy(ContextDecorator):
    """Whether new gradients are given the layout of their leaf. Accepted, and without effect."""

    def __init__(self, enable: bool = True) -> None:
        self.enable = enable

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass

    def clone(self) -> enforce_grad_layout_policy:
        return type(self)(self.enable)


class _unsafe_preserve_version_counter(ContextDecorator):
    """After the block, the versions of the given tensors are what they were before it: writes in it go unnoticed."""

    def __init__(self, tensors: Tensor | tuple[Tensor, ...]) -> None:
        self.tensors = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
        self.versions = tuple(t._version for t in self.tensors)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        set_versions(self.tensors, self.versions)

    def clone(self) -> _unsafe_preserve_version_counter:
        return type(self)(self.tensors)


def set_versions(tensors: tuple[Tensor, ...], versions: tuple[int, ...]) -> None:
    """Sets the versions that in-place writes to the tensors have counted."""
    for tensor, version in zip(tensors, versions, strict=True):
        version_counter(tensor).version = version
