"""DistributedDataParallel in a group of one process: the module itself, whose gradients are already everybody's mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...size import CPU
from ..modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Runs `module`. Options of PyTorch's are accepted and change nothing.

    ValueError before `torch.distributed.init_process_group`; RuntimeError if no parameter requires a gradient.
    """

    __module__ = "torch.nn.parallel.distributed"

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        if process_group is None:
            from ...distributed import _world

            process_group = _world()
        self.process_group = process_group
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a gradient."
            )
        self.module = module
        self.dim, self.device, self.device_ids, self.output_device = dim, CPU, None, None
        self.broadcast_buffers = broadcast_buffers
        self.require_backward_grad_sync = True

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block in which gradients are left to accumulate in each process."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(self, *arguments: Any, **named: Any) -> Iterator[None]:
        """A block in which processes may get different numbers of batches."""
        yield
