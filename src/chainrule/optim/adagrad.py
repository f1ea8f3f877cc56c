"""Adagrad (Duchi et al. 2011)."""

from __future__ import annotations

import numpy as np

from .optimizer import (
    Optimizer,
    array,
    check_options,
    counted,
    decayed,
    first_state,
    number,
)

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps by the gradient over the root of the sum of its squares so far (Duchi et al. 2011)."""

    def __init__(
        self,
        params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_options(
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self._start(self.state[param], np.asarray(param._array), group)

    def _start(self, state, param, group) -> None:
        start = group["initial_accumulator_value"]
        first_state(state, param, "sum", value=complex(start, start) if param.dtype.kind == "c" else start)

    def share_memory(self) -> None:
        """Accepted, and does nothing: tensors are of one process."""

    def _update(self, param, grad, state, group) -> None:
        if not state:
            self._start(state, param, group)
        step = counted(state)
        grad = decayed(grad, param, group["weight_decay"])
        rate = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        total = array(state, "sum", param)
        total += grad * grad
        param -= grad / (np.sqrt(total) + number(param, group["eps"])) * number(param, rate)

    def _update_sparse(self, param, grad, state, group) -> None:
        from ..sparse.updates import add_entries, with_values

        if not state:
            self._start(state, np.asarray(param._array), group)
        step = counted(state)
        if group["weight_decay"]:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        rate = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        grad = grad.coalesce()
        values = grad._values()
        add_entries(state["sum"], with_values(grad, values * values))
        root = state["sum"].sparse_mask(grad)._values().sqrt() + group["eps"]
        add_entries(param, with_values(grad, values / root), -rate)
