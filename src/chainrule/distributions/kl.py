"""Kullback-Leibler divergences, by a registry of formulas for pairs of classes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import chainrule as torch
from chainrule import Tensor

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import euler_constant, sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type):
    """Decorates the formula ``kl(p, q)`` for two classes of distributions and their subclasses."""
    for given, name in ((type_p, "type_p"), (type_q, "type_q")):
        if not isinstance(given, type) and issubclass(given, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {given}")

    def decorator(function: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = function
        return function

    return decorator


def _formula(type_p: type, type_q: type) -> Callable | None:
    """The formula for the nearest base classes; nearness on p's side counts first, and a tie between the sides warns."""
    found = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not found:
        return None
    depth_p, depth_q = type_p.__mro__.index, type_q.__mro__.index
    left = min(found, key=lambda pair: (depth_p(pair[0]), depth_q(pair[1])))
    right = min(found, key=lambda pair: (depth_q(pair[1]), depth_p(pair[0])))
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please "
            f"register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expectation of log p(x) - log q(x) under p; NotImplementedError where no formula is known."""
    formula = _formula(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} and q type {q.__class__.__name__}"
        )
    return formula(p, q)


def _infinite(like: Tensor) -> Tensor:
    return torch.full_like(like, torch.inf)


# ---------------------------------------------------------------- within a family


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_families(p, q):
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot "
            "                            be computed using Bregman divergences"
        )
    natural = [x.detach().requires_grad_() for x in p._natural_params]
    normalizer = p._log_normalizer(*natural)
    slopes = torch.autograd.grad(normalizer.sum(), natural, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for theirs, ours, slope in zip(q._natural_params, natural, slopes, strict=True):
        term = (theirs - ours) * slope
        result = result - sum_rightmost(term, term.dim() - result.dim())
    return result


@register_kl(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(p, q):
    yes = p.probs * (torch.nn.functional.softplus(-q.logits) - torch.nn.functional.softplus(-p.logits))
    no = (1 - p.probs) * (torch.nn.functional.softplus(q.logits) - torch.nn.functional.softplus(p.logits))
    yes = torch.where(q.probs == 0, torch.inf, yes).masked_fill(p.probs == 0, 0)
    no = torch.where(q.probs == 1, torch.inf, no).masked_fill(p.probs == 1, 0)
    return yes + no


@register_kl(Beta, Beta)
def _beta_beta(p, q):
    a, b, c, d = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    total, other_total = a + b, c + d
    log_norms = c.lgamma() + d.lgamma() + total.lgamma() - other_total.lgamma() - a.lgamma() - b.lgamma()
    return log_norms + (a - c) * a.digamma() + (b - d) * b.digamma() + (other_total - total) * total.digamma()


@register_kl(Binomial, Binomial)
def _binomial_binomial(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return torch.where(p.total_count > q.total_count, torch.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical_categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = torch.where(q.probs == 0, torch.inf, terms)
    return torch.where(p.probs == 0, 0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_one_hot(p, q):
    return _categorical_categorical(p._categorical, q._categorical)


@register_kl(Cauchy, Cauchy)
def _cauchy_cauchy(p, q):
    """Chyzak and Nielsen 2019, arXiv:1905.10965."""
    squares = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return squares.log() - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli_continuous_bernoulli(p, q):
    constants = p._log_norm() + (-p.probs).log1p() - q._log_norm() - (-q.probs).log1p()
    return p.mean * (p.logits - q.logits) + constants


@register_kl(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    norms = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norms + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential_exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _gamma_gamma(p, q):
    a, b = p.concentration, q.concentration
    norms = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return norms + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbel_gumbel(p, q):
    ratio, loc, other = p.scale / q.scale, p.loc / q.scale, q.loc / q.scale
    meeting = (other - loc + (1 + ratio).lgamma()).exp()
    return -ratio.log() + (loc - other) + ratio * euler_constant + meeting - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _geometric_geometric(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal_half_normal(p, q):
    return _normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace_laplace(p, q):
    ratio = p.scale / q.scale
    off = (p.loc - q.loc).abs()
    return -ratio.log() + off / q.scale + ratio * (-off / p.scale).exp() - 1


@register_kl(Normal, Normal)
def _normal_normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    off = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + off - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _pareto_pareto(p, q):
    """Infinite where p reaches below q."""
    ratio = p.scale / q.scale
    shape = q.alpha / p.alpha
    kl = q.alpha * ratio.log() - shape.log() + shape - 1
    return torch.where(p.scale < q.scale, torch.inf, kl)


@register_kl(Poisson, Poisson)
def _poisson_poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform_uniform(p, q):
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where((q.low > p.low) | (q.high < p.high), torch.inf, kl)


# ---------------------------------------------------------------- normal vectors


def _trace(outer: Tensor, inner: Tensor) -> Tensor:
    """The trace of (A Aᵀ)⁻¹ B Bᵀ for lower triangular A."""
    return torch.linalg.solve_triangular(outer, inner, upper=False).pow(2).sum((-2, -1))


def _same_events(p, q, names: str) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL-divergence between two {names} with different event shapes cannot be computed")


@register_kl(MultivariateNormal, MultivariateNormal)
def _mvn_mvn(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    ours, theirs = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    n = p.event_shape[0]
    batch = torch.broadcast_shapes(ours.shape[:-2], theirs.shape[:-2])
    trace = _trace(theirs.expand((*batch, n, n)), ours.expand((*batch, n, n)))
    return half_log_det(theirs) - half_log_det(ours) + 0.5 * (trace + mahalanobis(theirs, q.loc - p.loc) - n)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _low_rank_low_rank(p, q):
    _same_events(p, q, "Low Rank Multivariate Normals")
    return _to_low_rank(p, q, p._log_det(), p.covariance_matrix)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _mvn_low_rank(p, q):
    _same_events(p, q, "(Low Rank) Multivariate Normals")
    return _to_low_rank(p, q, 2 * half_log_det(p._unbroadcasted_scale_tril), p.covariance_matrix)


def _to_low_rank(p, q, log_det: Tensor, covariance: Tensor) -> Tensor:
    trace = (q.precision_matrix * covariance).sum((-2, -1))
    distance = q._distance(q.loc - p.loc)
    return 0.5 * (q._log_det() - log_det + trace + distance - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _low_rank_mvn(p, q):
    _same_events(p, q, "(Low Rank) Multivariate Normals")
    theirs = q._unbroadcasted_scale_tril
    n = p.event_shape[0]
    batch = torch.broadcast_shapes(theirs.shape[:-2], p.batch_shape)
    trace = _trace(theirs.expand((*batch, n, n)), p.scale_tril.expand((*batch, n, n)))
    distance = mahalanobis(theirs, q.loc - p.loc)
    return 0.5 * (2 * half_log_det(theirs) - p._log_det() + trace + distance - n)


# ---------------------------------------------------------------- made of others


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed_transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _independent_independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


# ---------------------------------------------------------------- across families: E[log p] is -entropy, the rest follows
# from the moments of p; and where p has values that q has not, the divergence is infinite.


def _register_infinite(type_p: type, *types: type) -> None:
    for type_q in types:
        register_kl(type_p, type_q)(lambda p, q: _infinite(next(iter(_parameters(p)))))


def _parameters(distribution: Distribution) -> list[Tensor]:
    """Its parameters, all of one shape."""
    return [getattr(distribution, name) for name in distribution.arg_constraints]


_register_infinite(Beta, Pareto)
_register_infinite(ContinuousBernoulli, Pareto)
_register_infinite(Exponential, Beta, ContinuousBernoulli, Pareto, Uniform)
_register_infinite(Gamma, Beta, ContinuousBernoulli, Pareto, Uniform)
_register_infinite(Gumbel, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)
_register_infinite(Laplace, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)
_register_infinite(Normal, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)
_register_infinite(Pareto, Beta, ContinuousBernoulli, Uniform)
_register_infinite(Poisson, Bernoulli, Binomial)


def _minus_log_normal(q, mean, variance):
    """E[-log q(x)] for a normal q, from the mean and variance of x."""
    return 0.5 * (2 * math.pi * q.scale.pow(2)).log() + 0.5 * (variance + (mean - q.loc).pow(2)) / q.scale.pow(2)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p, q):
    return -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
def _to_exponential(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Beta, Gamma)
def _beta_gamma(p, q):
    mean_log = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    return -p.entropy() + norm - (q.concentration - 1) * mean_log + q.rate * p.mean


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _to_normal(p, q):
    return -p.entropy() + _minus_log_normal(q, p.mean, p.variance)


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _from_unit_interval_to_uniform(p, q):
    kl = -p.entropy() + (q.high - q.low).log()
    return torch.where((q.low > 0) | (q.high < 1), torch.inf, kl)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p, q):
    ratio = q.rate / p.rate
    norm = q.concentration.lgamma() - q.concentration * ratio.log()
    return norm + ratio + (q.concentration - 1) * euler_constant - 1


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p, q):
    rate = p.rate * q.scale
    off = q.loc / q.scale
    return rate.log() - off - 1 + rate.reciprocal() + (off.exp() * rate / (rate + 1))


@register_kl(Gamma, Exponential)
def _gamma_exponential(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p, q):
    rate = p.rate * q.scale
    off = q.loc / q.scale
    a = p.concentration
    mean_power = off.exp() * (1 + rate.reciprocal()).pow(-a)
    return (a - 1) * a.digamma() - a.lgamma() - a + rate.log() + mean_power + a / rate - off


@register_kl(Normal, Gumbel)
def _normal_gumbel(p, q):
    off = (p.loc - q.loc) / q.scale
    spread = (p.scale / q.scale).pow(2)
    return -p.entropy() + q.scale.log() + off + (-off + 0.5 * spread).exp()


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    off = p.loc - q.loc
    z = off / p.scale
    mean_distance = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp() + off * torch.erf(math.sqrt(0.5) * z)
    return -p.entropy() + (2 * q.scale).log() + mean_distance / q.scale


@register_kl(Pareto, Exponential)
def _pareto_exponential(p, q):
    kl = -p.entropy() - q.rate.log() + q.rate * p.alpha * p.scale / (p.alpha - 1)
    return torch.where(p.alpha <= 1, torch.inf, kl)


@register_kl(Pareto, Gamma)
def _pareto_gamma(p, q):
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    mean_log = p.scale.log() + p.alpha.reciprocal()
    kl = -p.entropy() + norm - (q.concentration - 1) * mean_log + q.rate * p.alpha * p.scale / (p.alpha - 1)
    return torch.where(p.alpha <= 1, torch.inf, kl)


@register_kl(Pareto, Normal)
def _pareto_normal(p, q):
    return torch.where(p.alpha <= 2, torch.inf, _to_normal(p, q))


@register_kl(Uniform, Beta)
def _uniform_beta(p, q):
    width = p.high - p.low

    def integral(x):  # of log x
        return torch.xlogy(x, x) - x

    mean_log = (integral(p.high) - integral(p.low)) / width
    mean_log_rest = (integral(1 - p.low) - integral(1 - p.high)) / width
    norm = q.concentration1.lgamma() + q.concentration0.lgamma() - (q.concentration1 + q.concentration0).lgamma()
    kl = -p.entropy() + norm - (q.concentration1 - 1) * mean_log - (q.concentration0 - 1) * mean_log_rest
    return torch.where((p.high > 1) | (p.low < 0), torch.inf, kl)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p, q):
    kl = -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()
    return torch.where((p.high > 1) | (p.low < 0), torch.inf, kl)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p, q):
    return torch.where(p.low < 0, torch.inf, _to_exponential(p, q))


@register_kl(Uniform, Gamma)
def _uniform_gamma(p, q):
    mean_log = (torch.xlogy(p.high, p.high) - torch.xlogy(p.low, p.low)) / (p.high - p.low) - 1
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    kl = -p.entropy() + norm - (q.concentration - 1) * mean_log + q.rate * p.mean
    return torch.where(p.low < 0, torch.inf, kl)


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p, q):
    low, high = (p.low - q.loc) / q.scale, (p.high - q.loc) / q.scale
    mean_power = ((-low).exp() - (-high).exp()) * q.scale / (p.high - p.low)
    return -p.entropy() + q.scale.log() + 0.5 * (low + high) + mean_power


@register_kl(Uniform, Pareto)
def _uniform_pareto(p, q):
    mean_log = (torch.xlogy(p.high, p.high) - torch.xlogy(p.low, p.low)) / (p.high - p.low) - 1
    kl = -p.entropy() - q.alpha.log() - torch.xlogy(q.alpha, q.scale) + (q.alpha + 1) * mean_log
    return torch.where(p.low < q.scale, torch.inf, kl)
