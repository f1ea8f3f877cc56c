"""Stochastic gradient descent, with momentum (Sutskever et al. 2013)."""

from __future__ import annotations

from ..tensor import wrap
from .optimizer import Optimizer, array, check_options, decayed, number

__all__ = ["SGD"]


class SGD(Optimizer):
    """``param -= lr * grad``, with momentum, dampening, weight decay and Nesterov's look ahead."""

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_options(lr=lr, momentum=momentum, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)

    def _update(self, param, grad, state, group) -> None:
        grad = decayed(grad, param, group["weight_decay"])
        momentum = group["momentum"]
        if momentum:
            if state.get("momentum_buffer") is None:
                buffer = grad.copy()
                state["momentum_buffer"] = wrap(buffer)
            else:
                buffer = array(state, "momentum_buffer", param)
                buffer *= number(param, momentum)
                buffer += grad * number(param, 1 - group["dampening"])
            grad = grad + buffer * number(param, momentum) if group["nesterov"] else buffer
        param -= grad * number(param, float(group["lr"]))

    def _update_sparse(self, param, grad, state, group) -> None:
        from ..sparse.updates import add_entries

        if group["weight_decay"]:
            grad = grad.add(param, alpha=group["weight_decay"])  # a dense tensor, which raises
        momentum = group["momentum"]
        if momentum:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone().detach()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        add_entries(param, grad, -float(group["lr"]))
