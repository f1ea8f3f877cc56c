"""Adam (Kingma and Ba 2014)."""

from __future__ import annotations

import math

import numpy as np

from .optimizer import (
    Optimizer,
    array,
    check_options,
    counted,
    decayed,
    first_state,
    moved_average,
    moved_square,
    number,
    zeros_state,
)

__all__ = ["Adam"]


class Adam(Optimizer):
    """Steps by a running mean of gradients over the root of a running mean of their squares."""

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _update_sparse(self, param, grad, state, group) -> None:
        raise RuntimeError("Adam does not support sparse gradients, please consider SparseAdam instead")

    def _update(self, param, grad, state, group) -> None:
        if not state:
            first_state(state, param, "exp_avg", "exp_avg_sq")
            if group["amsgrad"]:
                zeros_state(state, param, "max_exp_avg_sq")
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        step = counted(state)
        if group["decoupled_weight_decay"]:
            if group["weight_decay"]:
                param *= number(param, 1 - lr * group["weight_decay"])
        else:
            grad = decayed(grad, param, group["weight_decay"])
        average, square = array(state, "exp_avg", param), array(state, "exp_avg_sq", param)
        moved_average(average, grad, 1 - beta1)
        moved_square(square, grad, beta2)
        if group["amsgrad"]:
            largest = array(state, "max_exp_avg_sq", param)
            np.maximum(largest, square, out=largest)
            square = largest
        denominator = np.asarray(np.sqrt(square))
        denominator /= number(param, math.sqrt(1 - beta2**step))
        denominator += number(param, group["eps"])
        np.divide(average, denominator, out=denominator)
        denominator *= number(param, lr / (1 - beta1**step))
        param -= denominator
