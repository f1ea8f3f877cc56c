"""torch.distributed.optim: an optimizer of parameters that workers of torch.distributed.rpc have."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..unavailable import unavailable
from .autograd import get_gradients
from .rpc import RRef

__all__ = ["DistributedOptimizer", "ZeroRedundancyOptimizer"]

ZeroRedundancyOptimizer = unavailable("distributed.optim.ZeroRedundancyOptimizer", "chainrule runs in one process")


class DistributedOptimizer:
    """``optimizer_class(parameters, *args, **kwargs)`` of the parameters that references lead to.

    `step` takes the gradients of a context of torch.distributed.autograd; the parameters' `.grad` stays as it is.
    """

    _lock = threading.Lock()

    def __init__(self, optimizer_class: Any, params_rref: Sequence[RRef], *args: Any, **kwargs: Any) -> None:
        self._parameters = [rref.local_value() for rref in params_rref]
        self._optimizer = optimizer_class(self._parameters, *args, **kwargs) if self._parameters else None

    def step(self, context_id: int) -> None:
        """One step with the gradients of the context. RuntimeError for no such context."""
        gradients = get_gradients(context_id)
        if self._optimizer is None:
            return
        with self._lock:
            before = [parameter.grad for parameter in self._parameters]
            for parameter in self._parameters:
                parameter.grad = gradients.get(parameter)
            try:
                self._optimizer.step()
            finally:
                for parameter, gradient in zip(self._parameters, before):
                    parameter.grad = gradient
