"""Optimizers that scale each element's step by its past gradients: RMSprop, Adagrad, Adadelta, Adamax."""

from __future__ import annotations

import numpy as np

from ..ops.creation import tensor as make_tensor
from .adam import check_betas
from .optimizer import (
    Optimizer,
    array,
    check_at_least_zero,
    counted,
    decayed,
    moved_average,
    moved_square,
    number,
    zeros_state,
)

__all__ = ["Adadelta", "Adagrad", "Adamax", "RMSprop"]


class RMSprop(Optimizer):
    """Steps by the gradient over the root of a running mean of its squares (Hinton 2012), with momentum."""

    __module__ = "torch.optim.rmsprop"

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
        check_at_least_zero(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
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
            state["step"] = make_tensor(0.0)
            zeros_state(state, param, "square_avg")
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


class Adagrad(Optimizer):
    """Steps by the gradient over the root of the sum of its squares so far (Duchi et al. 2011)."""

    __module__ = "torch.optim.adagrad"

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
        check_at_least_zero(
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
        state["step"] = make_tensor(0.0)
        start = group["initial_accumulator_value"]
        zeros_state(state, param, "sum", value=complex(start, start) if param.dtype.kind == "c" else start)

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


class Adadelta(Optimizer):
    """Steps by the ratio of running means of past steps and past gradients (Zeiler 2012)."""

    __module__ = "torch.optim.adadelta"

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
        check_at_least_zero(lr=lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least_zero(eps=eps, weight_decay=weight_decay)
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
            state["step"] = make_tensor(0.0)
            zeros_state(state, param, "square_avg", "acc_delta")
        counted(state)
        grad = decayed(grad, param, group["weight_decay"])
        square, steps = array(state, "square_avg", param), array(state, "acc_delta", param)
        eps = number(param, group["eps"])
        moved_square(square, grad, group["rho"])
        step = np.sqrt(steps + eps) / np.sqrt(square + eps) * grad
        moved_square(steps, step, group["rho"])
        param -= step * number(param, float(group["lr"]))


class Adamax(Optimizer):
    """Adam with the largest of past gradients in the place of the root of their mean square (Kingma and Ba 2014)."""

    __module__ = "torch.optim.adamax"

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
        check_at_least_zero(lr=lr, eps=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay=weight_decay)
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
            state["step"] = make_tensor(0.0)
            zeros_state(state, param, "exp_avg", "exp_inf")
        step = counted(state)
        beta1, beta2 = group["betas"]
        grad = decayed(grad, param, group["weight_decay"])
        average, largest = array(state, "exp_avg", param), array(state, "exp_inf", param)
        moved_average(average, grad, 1 - beta1)
        largest *= number(param, beta2)
        np.maximum(largest, np.abs(grad) + number(param, group["eps"]), out=largest)
        param -= average / largest * number(param, float(group["lr"]) / (1 - beta1**step))
