"""Cholesky factors of random correlation matrices."""

from __future__ import annotations

import math

import chainrule as torch
from chainrule import Size, Tensor

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors of correlation matrices C of side `dim`, of density proportional to det(C)^(concentration - 1).

    Sampled row by row, by the onion method (Lewandowski, Kurowicka and Joe 2009): the squared length of what is below the
    diagonal is a beta number, its direction uniform.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration=1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        self._beta = self._lengths()
        super().__init__(self.concentration.shape, Size((dim, dim)), validate_args=validate_args)

    def _lengths(self) -> Beta:
        """The squared lengths of the rows below the diagonal; the first row has nothing there."""
        row = torch.arange(self.dim - 1, dtype=self.concentration.dtype)
        row = torch.cat([row.new_zeros(1), row])
        last = self.concentration.unsqueeze(-1) + 0.5 * (self.dim - 2)
        return Beta(row + 0.5, last - 0.5 * row)

    def _expand_into(self, new, batch_shape: Size) -> None:
        new.dim = self.dim
        new._beta = new._lengths()

    def sample(self, sample_shape=()) -> Tensor:
        with torch.no_grad():
            squares = self._beta.sample(sample_shape).unsqueeze(-1)
            direction = torch.randn(self._extended_shape(sample_shape), dtype=squares.dtype).tril(-1)
            direction = direction / direction.norm(dim=-1, keepdim=True)
            direction[..., 0, :] = 0
            below = squares.sqrt() * direction
            rest = (1 - (below**2).sum(-1)).clamp(min=torch.finfo(below.dtype).tiny)
            return below + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        power = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - torch.arange(2, self.dim + 1)
        rest = self.dim - 1
        a = self.concentration + 0.5 * rest
        log_norm = 0.5 * rest * math.log(math.pi) + torch.mvlgamma(a - 0.5, rest) - torch.lgamma(a) * rest
        return (power * diagonal.log()).sum(-1) - log_norm
