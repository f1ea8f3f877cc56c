"""torch.distributions: what samples, densities, transforms, constraints and divergences are, and what they refuse.

The numbers are PyTorch's, from a run of the same lines; what is compared with PyTorch itself is in tests/parity.
"""

import math
import pickle

import pytest

import chainrule as torch
from chainrule import distributions as D
from chainrule.distributions import constraints


def close(tensor, values, tolerance=1e-4):
    assert torch.allclose(tensor, torch.tensor(values, dtype=tensor.dtype), atol=tolerance, rtol=tolerance), tensor


# ---------------------------------------------------------------- samples


GAMMA = [3.9468e-04, 1.3576]
CATEGORIES = [2, 2, 1, 2, 2, 2, 1, 1]


def test_samples_draw_the_stream():
    torch.manual_seed(0)
    close(D.Normal(0.0, 1.0).sample((3,)), [1.5410, -0.2934, -2.1788])
    torch.manual_seed(0)
    close(D.Gamma(torch.tensor([0.5, 5.0]), 2.0).sample(), GAMMA)
    torch.manual_seed(0)
    assert D.Categorical(torch.tensor([1.0, 2.0, 3.0])).sample((8,)).tolist() == CATEGORIES


@pytest.mark.parametrize(
    "distribution",
    [
        D.Normal(torch.zeros(2), 1.0),
        D.Categorical(torch.ones(2, 3)),
        D.MultivariateNormal(torch.zeros(2, 3), torch.eye(3)),
        D.Dirichlet(torch.ones(2, 3)),
        D.Wishart(torch.tensor([4.0, 5.0]), torch.eye(3)),
        D.LKJCholesky(3, torch.ones(2)),
        D.LogisticNormal(torch.zeros(2, 3), 1.0),
        D.MixtureSameFamily(D.Categorical(torch.ones(2, 3)), D.Poisson(torch.ones(2, 3))),
        D.Independent(D.Laplace(torch.zeros(2, 3), 1.0), 1),
        D.VonMises(torch.zeros(2), torch.ones(2)),
    ],
    ids=lambda d: type(d).__name__,
)
@pytest.mark.parametrize("shape", [(), (4,), (0,), (5, 1)], ids=str)
def test_samples_have_the_shape_and_lie_in_the_support(distribution, shape):
    if shape == (0,) and isinstance(distribution, (D.Categorical, D.MixtureSameFamily)):
        with pytest.raises(RuntimeError, match="cannot sample n_sample <= 0 samples"):
            distribution.sample(shape)
        return
    x = distribution.sample(shape)
    assert x.shape == (*shape, *distribution.batch_shape, *distribution.event_shape)
    assert not x.requires_grad
    assert distribution.support.check(x).all()
    assert distribution.log_prob(x).shape == (*shape, *distribution.batch_shape)


@pytest.mark.parametrize(
    "distribution",
    [
        D.Gamma(2.5, 2.0), D.Beta(2.0, 3.0), D.Weibull(1.0, 2.0), D.StudentT(8.0), D.Gumbel(0.5, 2.0),
        D.Kumaraswamy(2.0, 3.0), D.InverseGamma(6.0, 2.0), D.ContinuousBernoulli(0.8), D.Binomial(9, torch.tensor(0.3)),
        D.NegativeBinomial(4.0, torch.tensor(0.3)), D.Poisson(3.0), D.Geometric(0.4), D.HalfNormal(2.0),
        D.FisherSnedecor(6.0, 12.0), D.Pareto(1.0, 6.0), D.GeneralizedPareto(1.0, 2.0, -0.3), D.LogNormal(0.1, 0.4),
    ],
    ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_moments_are_those_of_samples(distribution):
    torch.manual_seed(1)
    x = distribution.sample((3000,)).double()
    error = float(distribution.stddev) / math.sqrt(3000)
    assert abs(float(x.mean() - distribution.mean)) < 4 * error
    assert abs(float(x.std() / distribution.stddev) - 1) < 0.15


def test_the_mean_of_a_wishart_distribution():
    torch.manual_seed(0)
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    distribution = D.Wishart(torch.tensor(5.0), covariance)
    samples = distribution.sample((3000,))
    assert torch.allclose(samples.mean(0), 5 * covariance, atol=0.4)
    assert torch.allclose(samples.var(0), distribution.variance, rtol=0.2)
    precision = D.Wishart(torch.tensor(5.0), precision_matrix=torch.linalg.inv(covariance))
    assert torch.allclose(precision.log_prob(samples[:3]), distribution.log_prob(samples[:3]), atol=1e-3)


# ---------------------------------------------------------------- densities


@pytest.mark.parametrize(
    "distribution",
    [
        D.Normal(0.5, 2.0), D.Laplace(0.5, 2.0), D.Cauchy(0.5, 2.0), D.Gumbel(0.5, 2.0), D.StudentT(3.0, 0.5, 2.0),
        D.VonMises(0.5, 2.0),
    ],
    ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_densities_integrate_to_one(distribution):
    end = math.pi if isinstance(distribution, D.VonMises) else 4000.0
    x = torch.sinh(torch.linspace(-1, 1, 20001, dtype=torch.float64) * math.asinh(end))
    assert abs(float(torch.trapezoid(distribution.log_prob(x).exp(), x)) - 1) < 1e-3


@pytest.mark.parametrize(
    "distribution",
    [
        (D.Normal, 0.5, 2.0), (D.Uniform, -1.0, 3.0), (D.Laplace, 0.5, 2.0), (D.Cauchy, 0.5, 2.0), (D.Exponential, 2.0),
        (D.Gumbel, 0.5, 2.0), (D.Weibull, 2.0, 3.0), (D.Pareto, 2.0, 3.0), (D.HalfNormal, 2.0), (D.HalfCauchy, 2.0),
        (D.Kumaraswamy, 2.0, 3.0), (D.ContinuousBernoulli, 0.3), (D.LogNormal, 0.0, 1.0),
        (D.GeneralizedPareto, 0.0, 1.0, 0.2),
    ],
    ids=lambda made: made[0].__name__,
)  # fmt: skip
def test_cdf_is_the_integral_of_the_density_and_the_inverse_of_icdf(distribution):
    kind, *parameters = distribution
    distribution = kind(*[torch.tensor(v, dtype=torch.float64) for v in parameters])
    p = torch.linspace(0.05, 0.95, 8, dtype=torch.float64)
    x = distribution.icdf(p)
    assert torch.allclose(distribution.cdf(x), p, atol=1e-6)
    x = x.detach().requires_grad_()
    (density,) = torch.autograd.grad(distribution.cdf(x).sum(), x)
    assert torch.allclose(density, distribution.log_prob(x).exp(), rtol=1e-5)


@pytest.mark.parametrize(
    "distribution",
    [
        D.Bernoulli(torch.tensor([0.3, 0.9])), D.Binomial(4, torch.tensor([0.3, 0.9])),
        D.Categorical(torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])), D.OneHotCategorical(torch.tensor([1.0, 2.0])),
    ],
    ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_the_probabilities_of_a_finite_support_add_up(distribution):
    values = distribution.enumerate_support()
    log_prob = distribution.log_prob(values)
    assert torch.allclose(log_prob.exp().sum(0), torch.ones(distribution.batch_shape))
    assert torch.allclose(-(log_prob.exp() * log_prob).sum(0), distribution.entropy(), atol=1e-5)
    assert torch.allclose(distribution.perplexity(), distribution.entropy().exp())


def test_the_entropy_of_an_exponential_family_follows_from_its_normalizer():
    for distribution in (D.Exponential(torch.tensor([3.0, 0.2])), D.Bernoulli(torch.tensor([0.3, 0.9]))):
        assert torch.allclose(D.ExponentialFamily.entropy(distribution), distribution.entropy(), atol=1e-5)


# ---------------------------------------------------------------- gradients


def test_gradients_of_samples_are_those_of_their_means():
    """E[x] = a / b for a gamma number: the derivatives are 1 / b and -a / b²."""
    torch.manual_seed(0)
    a, b = torch.tensor(1.5, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    D.Gamma(a, b).rsample((20000,)).mean().backward()
    assert abs(float(a.grad) - 0.5) < 0.02
    assert abs(float(b.grad) + 0.375) < 0.02


def test_gradients_of_gamma_and_beta_samples_keep_their_probability():
    """Where F(x(a), a) stays what it is, F(x + x' h, a + h) = F(x, a) to second order."""
    special = pytest.importorskip("scipy.special")
    import numpy as np

    from chainrule.distributions.sampling import beta_slope, gamma_slope

    for a in (0.1, 0.5, 3.0, 50.0, 5000.0):
        x = special.gammaincinv(a, np.array([0.02, 0.5, 0.97]))
        h = 1e-4 * a
        moved = (special.gammaincinv(a + h, [0.02, 0.5, 0.97]) - special.gammaincinv(a - h, [0.02, 0.5, 0.97])) / (
            2 * h
        )
        np.testing.assert_allclose(gamma_slope(x, np.full(3, a)), moved, rtol=1e-4)
        b = 2.5
        x = special.betaincinv(a, b, np.array([0.02, 0.5, 0.97]))
        moved = (special.betaincinv(a + h, b, [0.02, 0.5, 0.97]) - special.betaincinv(a - h, b, [0.02, 0.5, 0.97])) / (
            2 * h
        )
        np.testing.assert_allclose(beta_slope(x, np.full(3, a), np.full(3, a + b)), moved, rtol=1e-4)


def test_policy_gradient():
    logits = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    action = torch.tensor(1)
    (-D.Categorical(logits=logits).log_prob(action)).backward()
    close(logits.grad, [0.3006, -0.6678, 0.3672])


def test_variational_gradient():
    loc, scale = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    D.kl_divergence(D.Normal(loc, scale * 2), D.Normal(1.0, 1.0)).sum().backward()
    close(loc.grad, [-1.0, -1.0])
    close(scale.grad, [3.0, 3.0])


def test_straight_through_samples():
    probs = torch.tensor([0.2, 0.8], requires_grad=True)
    sample = D.OneHotCategoricalStraightThrough(probs).rsample()
    assert sorted(sample.tolist()) == [0.0, 1.0]
    (sample * torch.tensor([1.0, 3.0])).sum().backward()
    close(probs.grad, [-1.6, 0.4])


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: D.Normal(0.0, -1.0),
            "Expected parameter scale (Tensor of shape ()) of distribution Normal(loc: 0.0, scale: -1.0) to satisfy the "
            "constraint GreaterThan(lower_bound=0.0), but found invalid values:\n-1.0",
        ),
        (lambda: D.Normal("a", 1.0), "Input arguments must all be instances of Number, torch.Tensor or objects"),
        (lambda: D.Categorical(), "Either `probs` or `logits` must be specified, but not both."),
        (lambda: D.Categorical(torch.tensor(1.0)), "`probs` parameter must be at least one-dimensional."),
        (lambda: D.Categorical(logits=torch.tensor(1.0)), "`logits` parameter must be at least one-dimensional."),
        (lambda: D.Dirichlet(torch.tensor(1.0)), "`concentration` parameter must be at least one-dimensional."),
        (lambda: D.Geometric(torch.tensor(0.0)), "to be positive but found invalid values:\ntensor([0.])"),
        (lambda: D.Independent(D.Normal(0.0, 1.0), 1), "Expected reinterpreted_batch_ndims <= len("),
        (lambda: D.LKJCholesky(1), "Expected dim to be an integer greater than or equal to 2. Found dim=1."),
        (lambda: D.MultivariateNormal(torch.zeros(2)), "Exactly one of covariance_matrix or precision_matrix or"),
        (lambda: D.MultivariateNormal(torch.zeros(2), torch.zeros(2)), "covariance_matrix must be at least two-dim"),
        (lambda: D.MultivariateNormal(torch.tensor(0.0), torch.eye(2)), "loc must be at least one-dimensional."),
        (lambda: D.MultivariateNormal(torch.zeros(2), -torch.eye(2)), "to satisfy the constraint PositiveDefinite()"),
        (lambda: D.Wishart(1.0, torch.eye(3)), "Value of df="),
        (lambda: D.MixtureSameFamily(1, 2), " The Mixture distribution needs to be an  instance of"),
        (lambda: D.MixtureSameFamily(D.Categorical(torch.ones(2)), 2), "The Component distribution needs to be"),
        (lambda: D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.Normal(torch.zeros(3), 1.0)), "does not equal"),
        (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), 3), "transforms must be a Transform or list, but was 3"),
        (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), [3]), "transforms must be a Transform or a list of"),
        (
            lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
            "base_distribution needs to have shape with size at least 1, but got torch.Size([]).",
        ),
        (lambda: D.Normal(0.0, 1.0).log_prob(1.0), "The value argument to log_prob must be a Tensor"),
        (
            lambda: D.Normal(torch.zeros(2), 1.0).log_prob(torch.zeros(3)),
            "Value is not broadcastable with batch_shape+event_shape: torch.Size([3]) vs torch.Size([2]).",
        ),
        (
            lambda: D.Dirichlet(torch.ones(2)).log_prob(torch.tensor(1.0)),
            "The right-most size of value must match event_shape: torch.Size([]) vs torch.Size([2]).",
        ),
        (
            lambda: D.Beta(1.0, 2.0).log_prob(torch.tensor(2.0)),
            "Expected value argument (Tensor of shape ()) to be within the support (Interval(lower_bound=0.0, "
            "upper_bound=1.0)) of the distribution Beta(), but found invalid values:\n2.0",
        ),
        (lambda: D.ExpTransform(cache_size=3), "cache_size must be 0 or 1"),
        (lambda: D.ReshapeTransform((2,), (3,)), "in_shape, out_shape have different numbers of elements"),
        (lambda: D.Distribution.set_default_validate_args(3), ""),
    ],
)  # fmt: skip
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError) as info:
        make()
    assert message in str(info.value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: D.Poisson(1.0).rsample(),
        lambda: D.Poisson(1.0).cdf(torch.tensor(1.0)),
        lambda: D.Poisson(1.0).entropy(),
        lambda: D.Normal(0.0, 1.0).enumerate_support(),
        lambda: D.Multinomial(torch.tensor([1, 2]), torch.ones(2)),
        lambda: D.Independent(D.Bernoulli(torch.ones(2) * 0.5), 1).enumerate_support(),
        lambda: D.Binomial(torch.tensor([1.0, 2.0]), torch.ones(2) * 0.5).enumerate_support(),
        lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0)),
        lambda: D.kl_divergence(D.Uniform(0.0, 1.0), D.Weibull(1.0, 1.0)),
        lambda: D.AbsTransform().log_abs_det_jacobian(1, 1),
        lambda: D.biject_to(constraints.boolean),
        lambda: D.Distribution(validate_args=False).mean,
        lambda: D.Distribution(validate_args=False).mode,
        lambda: D.Distribution(validate_args=False).log_prob(1),
        lambda: constraints.dependent.event_dim,
    ],
)
def test_what_there_is_not(ask):
    with pytest.raises(NotImplementedError):
        ask()


def test_checks_can_be_left_out():
    assert math.isnan(D.Normal(0.0, -1.0, validate_args=False).log_prob(torch.tensor(0.0)).item())
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError):
        D.Normal(0.0, -1.0)


def test_a_class_without_constraints_warns():
    class Mine(D.Distribution):
        def log_prob(self, value):
            self._validate_sample(value)
            return value

    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        mine = Mine()
    with pytest.warns(UserWarning, match="does not define `support`"):
        mine.log_prob(torch.ones(()))


# ---------------------------------------------------------------- expanding, copying, subclasses


def test_expanding_shares_memory():
    narrow = D.Normal(torch.zeros(2), torch.ones(2))
    wide = narrow.expand((3, 2))
    assert wide.batch_shape == (3, 2)
    assert wide.loc.data_ptr() == narrow.loc.data_ptr()


def test_a_subclass_with_its_own_init_says_how_to_expand():
    class Narrow(D.Normal):
        def __init__(self, loc):
            super().__init__(loc, 0.1)

    with pytest.raises(NotImplementedError, match="Subclass Narrow of Normal that defines a custom __init__ method"):
        Narrow(0.0).expand((2,))

    class Plain(D.Normal):
        pass

    assert type(Plain(0.0, 1.0).expand((2,))) is Plain


def test_sample_n_is_deprecated():
    with pytest.warns(FutureWarning, match="sample_n"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)


def test_distributions_and_transforms_are_pickled():
    distribution = pickle.loads(pickle.dumps(D.LogNormal(torch.zeros(2), 1.0)))
    assert repr(distribution) == "LogNormal()"
    assert distribution.batch_shape == (2,)
    transform = D.ExpTransform(cache_size=1)
    assert transform.inv.inv is transform
    copied = pickle.loads(pickle.dumps(transform))
    assert copied == transform


def test_lazy_attributes_appear_when_asked_for():
    distribution = D.Categorical(torch.ones(2))
    assert repr(distribution) == "Categorical(probs: torch.Size([2]))"
    distribution.logits
    assert repr(distribution) == "Categorical(probs: torch.Size([2]), logits: torch.Size([2]))"


# ---------------------------------------------------------------- transforms, constraints, divergences


def test_a_cache_gives_the_very_input_back():
    x = torch.tensor([30.0])
    plain, cached = D.SigmoidTransform(), D.SigmoidTransform(cache_size=1)
    assert plain.inv(plain(x)).item() != 30.0
    assert cached.inv(cached(x)) is x
    assert cached.with_cache(1) is cached
    assert cached.inv.with_cache(0).inv == plain


def test_stacked_and_concatenated_transforms():
    x = torch.tensor([[0.5, 1.0], [2.0, 3.0]])
    cat = D.CatTransform([D.ExpTransform(), D.identity_transform], dim=0, lengths=[1, 1])
    assert torch.equal(cat(x), torch.cat([x[:1].exp(), x[1:]]))
    assert torch.allclose(cat.inv(cat(x)), x)
    stack = D.StackTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)], dim=1)
    close(stack(x)[:, 1], [3.0, 7.0])
    close(stack.log_abs_det_jacobian(x, stack(x)), [[0.5, 0.6931], [2.0, 0.6931]])
    with pytest.raises(AssertionError):
        stack(torch.ones(2, 3))


@pytest.mark.parametrize("name", ["lower_cholesky", "positive_definite", "corr_cholesky", "simplex", "unit_interval"])
def test_transforms_into_constraints(name):
    torch.manual_seed(0)
    constraint = getattr(constraints, name)
    transform = D.transform_to(constraint)
    y = transform(torch.randn(3, 3) if name != "corr_cholesky" else torch.randn(2, 3))
    assert constraint.check(y).all()
    assert torch.allclose(transform(transform.inv(y)), y, atol=1e-5)


def test_a_constraint_of_ones_own():
    class Even(constraints.Constraint):
        def check(self, value):
            return value % 2 == 0

    @D.transform_to.register(Even)
    def doubled(constraint):
        return D.AffineTransform(0.0, 2.0)

    assert repr(Even()) == "Even()"
    assert Even().check(D.transform_to(Even())(torch.arange(3.0))).all()
    with pytest.raises(
        TypeError, match="Expected constraint to be either a Constraint subclass or instance, but got 3"
    ):
        D.biject_to.register(3, doubled)


def test_a_divergence_of_ones_own():
    class Left(D.Normal):
        pass

    class Right(D.Normal):
        pass

    D.register_kl(Left, D.Normal)(lambda p, q: "left")
    D.register_kl(D.Normal, Right)(lambda p, q: "right")
    left, right = Left(0.0, 1.0), Right(0.0, 1.0)
    assert D.kl_divergence(left, D.Normal(0.0, 1.0)) == "left"
    assert D.kl_divergence(D.Normal(0.0, 1.0), right) == "right"
    with pytest.warns(RuntimeWarning, match="Ambiguous kl_divergence"):
        D.kl_divergence(left, right)
    D.register_kl(Left, Right)(lambda p, q: "both")
    assert D.kl_divergence(left, right) == "both"


def test_divergences_where_one_has_what_the_other_has_not():
    assert D.kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).item() == math.inf
    assert D.kl_divergence(D.Bernoulli(0.5), D.Bernoulli(0.0)).item() == math.inf
    assert D.kl_divergence(D.Categorical(torch.tensor([0.0, 1.0])), D.Categorical(torch.tensor([0.0, 1.0]))).item() == 0
    assert D.kl_divergence(D.Normal(0.0, 1.0), D.Exponential(1.0)).item() == math.inf


def test_integer_and_half_parameters():
    assert D.Bernoulli(torch.tensor(0.5, dtype=torch.float16)).sample().dtype == torch.float16
    assert D.Normal(torch.tensor(0.0, dtype=torch.float64), 1).sample().dtype == torch.float64
    assert D.Normal(torch.zeros(0), torch.ones(0)).sample((3,)).shape == (3, 0)


def test_the_divergence_of_wishart_distributions():
    """KL = log normalizers and traces: here against the mean of log p - log q over samples."""
    torch.manual_seed(0)
    p = D.Wishart(torch.tensor([5.0, 6.0]), torch.tensor([[2.0, 0.5], [0.5, 1.0]]))
    q = D.Wishart(torch.tensor(7.0), torch.eye(2))
    samples = p.sample((4000,))
    estimate = (p.log_prob(samples) - q.log_prob(samples)).mean(0)
    assert torch.allclose(D.kl_divergence(p, q), estimate, atol=0.1)
    assert torch.allclose(D.kl_divergence(p, p), torch.zeros(2), atol=1e-5)
