"""The generalized Pareto distribution."""

from __future__ import annotations

import chainrule as torch
from chainrule import Tensor

from . import constraints
from .distribution import Distribution
from .utils import batch_of, broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Excesses above `loc`: exponential for a `concentration` of 0, with heavier tails above and bounded below it."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(batch_of(self.loc, loc, scale, concentration), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = torch.where(self.concentration < 0, self.loc - self.scale / self.concentration, torch.inf)
        return constraints.interval(self.loc, end)

    def _by_concentration(self, general, exponential) -> Tensor:
        """`general` of the concentration, or the limit `exponential` where that is (nearly) 0."""
        is_zero = self.concentration.abs() <= 1e-8
        safe = torch.where(is_zero, torch.ones_like(self.concentration), self.concentration)
        return torch.where(is_zero, exponential, general(safe))

    def rsample(self, sample_shape=()) -> Tensor:
        return self.icdf(torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        z = (value - self.loc) / self.scale
        return -self.scale.log() - self._by_concentration(lambda c: (1 / c + 1) * (c * z).log1p(), z)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log(1 - cdf)."""
        self._check(value)
        z = (value - self.loc) / self.scale
        return self._by_concentration(lambda c: -(c * z).log1p() / c, -z)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log cdf."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        log_rest = (-value).log1p()
        return self._by_concentration(
            lambda c: self.loc + self.scale / c * (-c * log_rest).expm1(), self.loc - self.scale * log_rest
        )

    @property
    def mean(self) -> Tensor:
        return torch.where(self.concentration < 1, self.loc + self.scale / (1 - self.concentration), torch.nan)

    @property
    def variance(self) -> Tensor:
        c = self.concentration
        return torch.where(c < 0.5, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), torch.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    def entropy(self) -> Tensor:
        return (self.scale.log() + self.concentration + 1).expand(self._batch_shape)
