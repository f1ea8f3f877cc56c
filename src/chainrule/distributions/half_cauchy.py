"""The half-Cauchy distribution."""

from __future__ import annotations

import math

import chainrule as torch
from chainrule import Tensor

from .cauchy import Cauchy
from .half import Half

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """The absolute value of a Cauchy number of median 0 and half width `scale`."""

    _symmetric = Cauchy

    @property
    def mean(self) -> Tensor:
        """inf."""
        return torch.full(self._extended_shape(), math.inf, dtype=self.scale.dtype)

    @property
    def variance(self) -> Tensor:
        """inf."""
        return self.base_dist.variance

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(torch.as_tensor(value, dtype=self.scale.dtype))
