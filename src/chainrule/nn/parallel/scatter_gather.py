"""Inputs spread over devices, and outputs collected from them. There is one device, so only what holds no tensors is spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor import Tensor
from ...unavailable import unavailable

__all__ = ["gather", "scatter", "scatter_kwargs"]

_scatter_tensor = unavailable("nn.parallel.scatter", "there is no device but the CPU")


def scatter(inputs: Any, target_gpus: Sequence, dim: int = 0) -> Any:
    """For each device its part of `inputs`: containers of the same form, objects that are no tensors for everybody.

    NotImplementedError for tensors.
    """
    if isinstance(inputs, Tensor):
        return _scatter_tensor()
    parts: list
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields") and inputs:
        return [type(inputs)(*values) for values in zip(*(scatter(v, target_gpus, dim) for v in inputs), strict=True)]
    if isinstance(inputs, (tuple, list)) and inputs:
        parts = list(zip(*(scatter(v, target_gpus, dim) for v in inputs), strict=True))
        return parts if isinstance(inputs, tuple) else [list(values) for values in parts]
    if isinstance(inputs, dict) and inputs:
        parts = list(zip(*(scatter(v, target_gpus, dim) for v in inputs.values()), strict=True))
        return [type(inputs)(zip(inputs, values, strict=True)) for values in parts]
    return [inputs for _ in target_gpus]


def scatter_kwargs(inputs: tuple, kwargs: dict | None, target_gpus: Sequence, dim: int = 0) -> tuple[tuple, tuple]:
    """The parts of positional and of named arguments, as many of the ones as of the others."""
    positional = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    count = max(len(positional), len(named))
    positional += [()] * (count - len(positional))
    named += [{}] * (count - len(named))
    return tuple(positional), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Collects outputs on one device. AssertionError: they lie on the CPU."""
    raise AssertionError("Gather function not implemented for CPU tensors")
