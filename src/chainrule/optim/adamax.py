"""Adamax (Kingma and Ba 2014)."""

from __future__ import annotations

import numpy as np

from .optimizer import (
    Optimizer,
    array,
    check_options,
    counted,
    decayed,
    first_state,
    moved_average,
    number,
)

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adam with the largest of past gradients in the place of the root of their mean square (Kingma and Ba 2014)."""

    def __init__(
        self,
        params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, param, grad, state, group) -> None:
        if not state:
            first_state(state, param, "exp_avg", "exp_inf")
        step = counted(state)
        beta1, beta2 = group["betas"]
        grad = decayed(grad, param, group["weight_decay"])
        average, largest = array(state, "exp_avg", param), array(state, "exp_inf", param)
        moved_average(average, grad, 1 - beta1)
        largest *= number(param, beta2)
        np.maximum(largest, np.abs(grad) + number(param, group["eps"]), out=largest)
        param -= average / largest * number(param, float(group["lr"]) / (1 - beta1**step))
