"""The Cauchy distribution."""

from __future__ import annotations

import math

import chainrule as torch
from chainrule import Tensor

from .distribution import Distribution
from .location_scale import LocationScale

__all__ = ["Cauchy"]


class Cauchy(LocationScale, Distribution):
    """The Cauchy (Lorentz) distribution of median `loc` and half width at half maximum `scale`."""

    @property
    def mean(self) -> Tensor:
        """It has none: nan."""
        return torch.full(self._extended_shape(), math.nan, dtype=self.loc.dtype)

    @property
    def variance(self) -> Tensor:
        """inf."""
        return torch.full(self._extended_shape(), math.inf, dtype=self.loc.dtype)

    def rsample(self, sample_shape=()) -> Tensor:
        return self.loc + self.loc.detach().new_empty(self._extended_shape(sample_shape)).cauchy_() * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        return -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        self._check(value)
        return torch.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return torch.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()
