"""The Laplace distribution."""

from __future__ import annotations

import chainrule as torch
from chainrule import Tensor

from .distribution import Distribution
from .location_scale import LocationScale

__all__ = ["Laplace"]


class Laplace(LocationScale, Distribution):
    """Exponential on both sides of `loc`, with the mean distance `scale`."""

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        return 2**0.5 * self.scale

    def rsample(self, sample_shape=()) -> Tensor:
        unit = self.loc.detach().new_empty(self._extended_shape(sample_shape))
        unit.uniform_(torch.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * unit.sign() * (-unit.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        self._check(value)
        off = value - self.loc
        return 0.5 - 0.5 * off.sign() * (-off.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        off = value - 0.5
        return self.loc - self.scale * off.sign() * (-2 * off.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
