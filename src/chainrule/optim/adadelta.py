"""Adadelta (Zeiler 2012)."""

from __future__ import annotations

import numpy as np

from .optimizer import (
    Optimizer,
    array,
    check_options,
    counted,
    decayed,
    first_state,
    moved_square,
    number,
)

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps by the ratio of running means of past steps and past gradients (Zeiler 2012)."""

    def __init__(
        self,
        params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_options(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, param, grad, state, group) -> None:
        if not state:
            first_state(state, param, "square_avg", "acc_delta")
        counted(state)
        grad = decayed(grad, param, group["weight_decay"])
        square, steps = array(state, "square_avg", param), array(state, "acc_delta", param)
        eps = number(param, group["eps"])
        moved_square(square, grad, group["rho"])
        step = np.sqrt(steps + eps) / np.sqrt(square + eps) * grad
        moved_square(steps, step, group["rho"])
        param -= step * number(param, float(group["lr"]))
