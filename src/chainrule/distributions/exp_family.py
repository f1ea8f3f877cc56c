"""Exponential families: densities exp(<natural parameters, statistics> - log normalizer + carrier measure)."""

from __future__ import annotations

import chainrule as torch
from chainrule import Tensor

from .distribution import Distribution
from .utils import sum_rightmost

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution whose entropy follows from its log normalizer, by differentiation (Nielsen and Nock 2010)."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        """The natural parameters."""
        raise NotImplementedError

    def _log_normalizer(self, *natural_params):
        """The logarithm of what normalizes the density, as a function of the natural parameters."""
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        """The expectation of the carrier measure."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """-E[carrier] + log normalizer - <natural parameters, their gradient of it>."""
        result = -self._mean_carrier_measure
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*natural)
        gradients = torch.autograd.grad(normalizer.sum(), natural, create_graph=True)
        result = result + normalizer
        for parameter, gradient in zip(natural, gradients, strict=True):
            product = parameter * gradient
            result = result - sum_rightmost(product, product.dim() - len(self._batch_shape))
        return result
