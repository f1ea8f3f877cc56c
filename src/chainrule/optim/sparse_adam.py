"""SparseAdam: Adam for sparse gradients, which moves only what they have entries for."""

from __future__ import annotations

import math

from .optimizer import Optimizer, check_options, zeros_state

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam whose averages, and so steps, are of those elements only that a sparse gradient has (Kingma and Ba 2014).

    RuntimeError for a dense gradient; ValueError for sparse parameters."""

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if not lr > 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_options(betas=betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        wrong = [
            [i, k] for i, group in enumerate(self.param_groups) for k, p in enumerate(group["params"]) if p.is_sparse
        ]
        if wrong:
            raise ValueError(f"Sparse params at indices {wrong}: SparseAdam requires dense parameter tensors")

    def _update(self, param, grad, state, group) -> None:
        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")

    def _update_sparse(self, param, grad, state, group) -> None:
        from ..sparse.updates import add_entries, with_values

        if not state:
            state["step"] = 0
            zeros_state(state, param._array, "exp_avg", "exp_avg_sq")
        state["step"] += 1
        grad = grad.coalesce()
        values = grad._values()
        if not values.numel():
            return
        (beta1, beta2), step = group["betas"], state["step"]
        average = state["exp_avg"].sparse_mask(grad)._values()
        moved = (values - average) * (1 - beta1)
        add_entries(state["exp_avg"], with_values(grad, moved))
        square = state["exp_avg_sq"].sparse_mask(grad)._values()
        moved_square = (values * values - square) * (1 - beta2)
        add_entries(state["exp_avg_sq"], with_values(grad, moved_square))
        rate = float(group["lr"]) * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        direction = (moved + average) / ((moved_square + square).sqrt() + group["eps"])
        add_entries(param, with_values(grad, direction * -rate))
