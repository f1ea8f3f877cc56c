"""The Wishart distribution."""

from __future__ import annotations

import math

import chainrule as torch
from chainrule import Size, Tensor

from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import FromFactor, half_log_det, only_given
from .utils import is_number

__all__ = ["Wishart"]


def _mvdigamma(x: Tensor, p: int) -> Tensor:
    """The derivative of the logarithm of the multivariate gamma function."""
    return torch.digamma(x.unsqueeze(-1) - torch.arange(p, dtype=x.dtype) / 2).sum(-1)


class Wishart(FromFactor, ExponentialFamily):
    """The sum of `df` outer products of normal vectors of mean 0, whose covariance is given as in MultivariateNormal."""

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.positive,
    }
    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        df,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, given = only_given(
            covariance_matrix=covariance_matrix, scale_tril=scale_tril, precision_matrix=precision_matrix
        )
        if given.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        if is_number(df):
            df = torch.tensor(df, dtype=given.dtype)
        batch_shape = torch.broadcast_shapes(df.shape, given.shape[:-2])
        event_shape = given.shape[-2:]
        self.df = df.expand(batch_shape)
        self.__dict__[name] = given.expand((*batch_shape, -1, -1))
        if self.df.le(event_shape[-1] - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}.")
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        self._set_factor(name, given)
        self._dist_chi2 = self._chi2s()

    def _chi2s(self) -> Chi2:
        """The squares of the diagonal in Bartlett's decomposition."""
        return Chi2(self.df.unsqueeze(-1) - torch.arange(self._event_shape[-1], dtype=self.df.dtype))

    def _expand_into(self, new, batch_shape: Size) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        new._event_shape = self._event_shape
        new._dist_chi2 = new._chi2s()

    @property
    def _side(self) -> int:
        return self._event_shape[-1]

    @property
    def mean(self) -> Tensor:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self._side - 1
        return torch.where(factor <= 0, torch.nan, factor)[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df[..., None, None] * (covariance.pow(2) + products)

    def _bartlett(self, sample_shape) -> Tensor:
        """L A Aᵀ Lᵀ, with chi-distributed numbers on the diagonal of A and normal numbers below (Bartlett 1933)."""
        eps = torch.finfo(self.df.dtype).eps
        diagonal = self._dist_chi2.rsample(sample_shape).sqrt().clamp(min=eps)
        p = self._side
        rows, columns = torch.tril_indices(p, p, offset=-1)
        below = diagonal.new_zeros(self._extended_shape(sample_shape))
        below[..., rows, columns] = torch.randn((*diagonal.shape[:-1], p * (p - 1) // 2), dtype=diagonal.dtype)
        factor = self._unbroadcasted_scale_tril @ (below + diagonal.diag_embed())
        return factor @ factor.mT

    def rsample(self, sample_shape=(), max_try_correction: int = 10) -> Tensor:
        """Samples; those that rounding made singular are drawn again, `max_try_correction` times."""
        sample = self._bartlett(sample_shape)
        for _ in range(max_try_correction):
            singular = ~self.support.check(sample)
            if not singular.any():
                break
            sample = torch.where(singular[..., None, None], self._bartlett(sample_shape), sample)
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        n, p, factor = self.df, self._side, self._unbroadcasted_scale_tril
        trace = torch.cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            -n * (p * math.log(2) / 2 + half_log_det(factor))
            - torch.mvlgamma(n / 2, p)
            + (n - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - trace / 2
        )

    def entropy(self) -> Tensor:
        n, p = self.df, self._side
        return (
            (p + 1) * (p * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril))
            + torch.mvlgamma(n / 2, p)
            - (n - p - 1) / 2 * _mvdigamma(n / 2, p)
            + n * p / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._side - 1) / 2

    def _log_normalizer(self, x, y):
        p = self._side
        return (y + (p + 1) / 2) * (-torch.linalg.slogdet(-2 * x).logabsdet + p * math.log(2)) + torch.mvlgamma(
            y + (p + 1) / 2, p
        )
