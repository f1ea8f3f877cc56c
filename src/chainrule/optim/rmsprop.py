"""RMSprop (Hinton 2012)."""

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
    moved_square,
    number,
    zeros_state,
)

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps by the gradient over the root of a running mean of its squares (Hinton 2012), with momentum."""

    def __init__(
        self,
        params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, param, grad, state, group) -> None:
        if not state:
            first_state(state, param, "square_avg")
            if group["momentum"] > 0:
                zeros_state(state, param, "momentum_buffer")
            if group["centered"]:
                zeros_state(state, param, "grad_avg")
        counted(state)
        grad = decayed(grad, param, group["weight_decay"])
        square = array(state, "square_avg", param)
        moved_square(square, grad, group["alpha"])
        if group["centered"]:
            mean = array(state, "grad_avg", param)
            moved_average(mean, grad, 1 - group["alpha"])
            square = square - mean * mean
        step = grad / (np.sqrt(square) + number(param, group["eps"]))
        if group["momentum"] > 0:
            buffer = array(state, "momentum_buffer", param)
            buffer *= number(param, group["momentum"])
            buffer += step
            step = buffer
        param -= step * number(param, float(group["lr"]))
