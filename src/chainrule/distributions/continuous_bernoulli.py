"""The continuous Bernoulli distribution (Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845)."""

from __future__ import annotations

import math

import chainrule as torch
from chainrule import Size, Tensor
from chainrule.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from .exp_family import ExponentialFamily
from .utils import BinaryParameter, broadcast_all, clamp_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(BinaryParameter, ExponentialFamily):
    """On [0, 1], of density proportional to probs^x (1 - probs)^(1 - x).

    Between the two `lims`, around 1/2 where the formulas are 0/0, Taylor series are used.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self, probs=None, logits=None, lims: tuple[float, float] = (0.499, 0.501), validate_args: bool | None = None
    ) -> None:
        batch_shape = self._set_binary(probs, logits)
        if logits is None:
            if validate_args is not None and not constraints.unit_interval.check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(batch_shape, validate_args=validate_args)

    def _expand_into(self, new, batch_shape: Size) -> None:
        new._lims = self._lims

    def _where_stable(self, formula, series) -> Tensor:
        """`formula` of probabilities away from 1/2, `series` of the distance from 1/2 elsewhere."""
        low, high = self._lims
        stable = (self.probs <= low) | (self.probs > high)
        safe = torch.where(stable, self.probs, low * torch.ones_like(self.probs))
        return torch.where(stable, formula(safe), series(self.probs - 0.5))

    def _log_norm(self) -> Tensor:
        """The logarithm of what makes the density integrate to 1."""

        def formula(p):
            below = torch.where(p <= 0.5, p, torch.zeros_like(p))
            above = torch.where(p >= 0.5, p, torch.ones_like(p))
            log_span = ((-p).log1p() - p.log()).abs().log()
            return log_span - torch.where(p <= 0.5, (-2 * below).log1p(), (2 * above - 1).log())

        return self._where_stable(formula, lambda d: math.log(2.0) + (4 / 3 + 104 / 45 * d**2) * d**2)

    @property
    def mean(self) -> Tensor:
        return self._where_stable(
            lambda p: p / (2 * p - 1) + 1 / ((-p).log1p() - p.log()), lambda d: 0.5 + (1 / 3 + 16 / 45 * d**2) * d
        )

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    @property
    def variance(self) -> Tensor:
        return self._where_stable(
            lambda p: p * (p - 1) / (1 - 2 * p) ** 2 + 1 / ((-p).log1p() - p.log()) ** 2,
            lambda d: 1 / 12 - (1 / 15 - 128 / 945 * d**2) * d**2,
        )

    def rsample(self, sample_shape=()) -> Tensor:
        return self.icdf(torch.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        self._check(value)
        inside = self._where_stable(
            lambda p: (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1), lambda d: value + 0 * d
        )
        return torch.where(value <= 0, 0.0, torch.where(value >= 1, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        return self._where_stable(
            lambda p: ((-p + value * (2 * p - 1)).log1p() - (-p).log1p()) / (p.log() - (-p).log1p()),
            lambda d: value + 0 * d,
        )

    def entropy(self) -> Tensor:
        log_no, log_yes = (-self.probs).log1p(), self.probs.log()
        return self.mean * (log_no - log_yes) - self._log_norm() - log_no

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.logits,)

    def _log_normalizer(self, x):
        """log((exp x - 1) / x), by its Taylor series near 0."""
        low, high = self._lims
        stable = (x <= low - 0.5) | (x > high - 0.5)
        safe = torch.where(stable, x, (low - 0.5) * torch.ones_like(x))
        formula = (safe.exp() - 1).abs().log() - safe.abs().log()
        return torch.where(stable, formula, 0.5 * x + x.pow(2) / 24 - x.pow(4) / 2880)
