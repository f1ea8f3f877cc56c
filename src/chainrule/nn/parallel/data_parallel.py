"""DataParallel where there is no device to spread over: the module itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Runs `module`, which is its only part: on the CPU there is nothing to spread a batch over, as in PyTorch."""

    __module__ = "torch.nn.parallel.data_parallel"

    def __init__(
        self, module: Module, device_ids: Sequence | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict | None = None,
) -> Any:
    """Runs `module` on a batch spread over devices. RuntimeError: there are none."""
    raise RuntimeError("device type could not be determined")
