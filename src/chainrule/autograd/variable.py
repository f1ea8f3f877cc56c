"""The old name of a tensor that takes part in autograd, and the engine as an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..modes import local
from ..tensor import Tensor, memory, wrap

__all__ = ["Variable"]


class ImperativeEngine:
    """What the running backward offers to the code it calls."""

    def queue_callback(self, callback: Callable[[], Any]) -> None:
        """Calls `callback` at the end of the running backward; RuntimeError outside of one."""
        if local.task is None:
            raise RuntimeError("Final callbacks can only be installed during backward pass.")
        local.task.callbacks.append(callback)

    def is_checkpoint_valid(self) -> bool:
        """Whether the running backward computes all gradients, rather than those of chosen inputs."""
        return local.task is None or local.task.inputs is None


class VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=VariableMeta):
    """``Variable(data)`` is a tensor of the same memory; every tensor is an instance."""

    __module__ = "torch.autograd.variable"

    _execution_engine = ImperativeEngine()

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:  # type: ignore[misc]
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return wrap(memory(data)).requires_grad_(requires_grad)
