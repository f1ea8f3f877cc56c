"""torch.distributions beside PyTorch's: samples from the same seed, densities, moments, gradients, divergences."""

import warnings

import numpy as np
import pytest

import chainrule

torch = pytest.importorskip("torch")

DTYPES = ("float32", "float64")
A = [[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.5]]

# {name: how to make it, from the package D and a function t that makes tensors of the dtype under test}
CASES = {
    "normal of numbers": lambda D, t: D.Normal(0.0, 1.0),
    "normal": lambda D, t: D.Normal(t([0.5, -1.0]), t(2.0)),
    "normal in blocks": lambda D, t: D.Normal(t([[0.0] * 17] * 3), 1.5),
    "uniform of numbers": lambda D, t: D.Uniform(0.0, 1.0),
    "uniform": lambda D, t: D.Uniform(t([0.5, -1.0]), t(2.0)),
    "bernoulli of a number": lambda D, t: D.Bernoulli(0.3),
    "bernoulli of logits": lambda D, t: D.Bernoulli(logits=t([0.5, -1.0, 0.0])),
    "bernoulli": lambda D, t: D.Bernoulli(t([0.2, 0.5])),
    "continuous bernoulli": lambda D, t: D.ContinuousBernoulli(t([0.2, 0.5, 0.4999, 0.9])),
    "continuous bernoulli of logits": lambda D, t: D.ContinuousBernoulli(logits=t([0.2, -2.0])),
    "geometric of logits": lambda D, t: D.Geometric(logits=t([0.5, -1.0, 0.0])),
    "geometric": lambda D, t: D.Geometric(t([0.2, 1.0])),
    "binomial": lambda D, t: D.Binomial(5, t(0.3)),
    "binomial of logits": lambda D, t: D.Binomial(10, logits=t([0.5, -1.0, 0.0])),
    "binomial of many counts": lambda D, t: D.Binomial(t([40.0, 100.0]), t([0.2, 0.9])),
    "negative binomial": lambda D, t: D.NegativeBinomial(5, t(0.3)),
    "negative binomial of logits": lambda D, t: D.NegativeBinomial(t([1.0, 2.5]), logits=t([0.5, -1.0])),
    "poisson": lambda D, t: D.Poisson(t([0.5, 30.0])),
    "exponential": lambda D, t: D.Exponential(t([0.5, 30.0])),
    "laplace": lambda D, t: D.Laplace(t([0.5, -1.0]), t(2.0)),
    "cauchy": lambda D, t: D.Cauchy(t([0.5, -1.0]), t(2.0)),
    "gamma of numbers": lambda D, t: D.Gamma(2.0, 1.0),
    "gamma": lambda D, t: D.Gamma(t([0.5, 5.0, 100.0]), t(2.0)),
    "chi-squared": lambda D, t: D.Chi2(t([0.5, 5.0, 100.0])),
    "fisher-snedecor": lambda D, t: D.FisherSnedecor(t([3.0, 5.0]), t([1.0, 10.0])),
    "student": lambda D, t: D.StudentT(t([0.5, 5.0, 1.5]), t([0.0, 1.0, 2.0]), 2.0),
    "dirichlet": lambda D, t: D.Dirichlet(t([[0.5, 0.2], [3.0, 2.0]])),
    "beta of numbers": lambda D, t: D.Beta(2.0, 1.0),
    "beta": lambda D, t: D.Beta(t([0.5, 5.0, 0.2]), t([2.0, 3.0, 0.4])),
    "categorical": lambda D, t: D.Categorical(t([1.0, 2.0, 0.5])),
    "categorical of logits": lambda D, t: D.Categorical(logits=t([[0.5, 0.2], [3.0, 2.0]])),
    "one-hot": lambda D, t: D.OneHotCategorical(t([1.0, 2.0, 0.5])),
    "one-hot straight through": lambda D, t: D.OneHotCategoricalStraightThrough(t([1.0, 2.0, 0.5])),
    "multinomial": lambda D, t: D.Multinomial(5, t([1.0, 2.0, 0.5])),
    "multinomial of logits": lambda D, t: D.Multinomial(7, logits=t([[0.5, 0.2], [3.0, 2.0]])),
    "multivariate normal": lambda D, t: D.MultivariateNormal(t([1.0, 2.0, 0.5]), t(A)),
    "of a precision": lambda D, t: D.MultivariateNormal(t([[0.0] * 3] * 2), precision_matrix=t(A)),
    "of a factor": lambda D, t: D.MultivariateNormal(t([0.0] * 3), scale_tril=t(A).tril()),
    "low rank": lambda D, t: D.LowRankMultivariateNormal(
        t([1.0, 2.0, 0.5]), t([[1.0], [2.0], [0.5]]), t([1.0, 2.0, 3.0])
    ),
    "lkj": lambda D, t: D.LKJCholesky(4, t([0.5, 2.0])),
    "von mises": lambda D, t: D.VonMises(t([0.5, 2.0]), t([0.1, 10.0])),
    "generalized pareto": lambda D, t: D.GeneralizedPareto(t([0.5, 2.0]), t([0.1, 10.0]), t([-0.3, 0.7])),
    "independent": lambda D, t: D.Independent(D.Normal(t([[0.0, 0.0]] * 3), t([1.0, 2.0])), 1),
    "mixture": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t([1.0, 2.0, 0.5])), D.Normal(t([1.0, 2.0, 0.5]), t([1.0, 2.0, 0.5]))
    ),
    "mixture of vectors": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t([[1.0] * 3] * 2)), D.Independent(D.Normal(t([[[1.0] * 2] * 3] * 2), 1.0), 1)
    ),
    "log-normal": lambda D, t: D.LogNormal(t([0.5, -1.0]), t(0.5)),
    "logistic-normal": lambda D, t: D.LogisticNormal(t([0.5, -1.0]), t([1.0, 2.0])),
    "half-normal": lambda D, t: D.HalfNormal(t([0.5, 1.0])),
    "half-cauchy": lambda D, t: D.HalfCauchy(t([0.5, 1.0])),
    "gumbel of numbers": lambda D, t: D.Gumbel(0.0, 1.0),
    "gumbel": lambda D, t: D.Gumbel(t([0.5, 1.0]), t([2.0, 3.0])),
    "weibull": lambda D, t: D.Weibull(t([0.5, 1.0]), t([2.0, 3.0])),
    "pareto": lambda D, t: D.Pareto(t([0.5, 1.0]), t([0.7, 3.0])),
    "kumaraswamy": lambda D, t: D.Kumaraswamy(t([0.5, 1.0]), t([0.7, 3.0])),
    "inverse gamma": lambda D, t: D.InverseGamma(t([0.5, 3.0]), t([0.7, 3.0])),
    "relaxed bernoulli": lambda D, t: D.RelaxedBernoulli(t(0.5), t([0.3, 0.9])),
    "relaxed one-hot": lambda D, t: D.RelaxedOneHotCategorical(t(2.0), logits=t([[0.3, -1.0, 0.0], [1.0, 2.0, 3.0]])),
    "logistic": lambda D, t: D.TransformedDistribution(
        D.Uniform(t([0.0, 0.0]), t([1.0, 1.0])),
        [D.SigmoidTransform().inv, D.AffineTransform(t([1.0, 2.0]), t([2.0, 3.0]))],
    ),
    "falling transforms": lambda D, t: D.TransformedDistribution(
        D.Normal(t([0.0, 0.0]), 1.0), [D.ExpTransform(), D.PowerTransform(t(0.5)), D.AffineTransform(1.0, -2.0)]
    ),
    "stick breaking": lambda D, t: D.TransformedDistribution(
        D.Normal(t([[0.0] * 3] * 2), 1.0), [D.StickBreakingTransform()]
    ),
}
# here a formula of ours is another on purpose: docs/differences.md
DIFFERENT = {("kumaraswamy", "mode")}
SINGLE_PRECISION_ONLY = {"von mises": "PyTorch's Bessel functions are", "generalized pareto": "PyTorch's log_prob is"}
# the last places of exp, log and the like are not the same everywhere
LAST_PLACES = {"float32": 1e-5, "float64": 1e-12}


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(params=CASES)
def name(request):
    return request.param


def made(name, dtype):
    if dtype == "float64" and name in SINGLE_PRECISION_ONLY:
        pytest.skip(f"{SINGLE_PRECISION_ONLY[name]} for single precision only")
    return tuple(
        CASES[name](package.distributions, lambda v, p=package: p.tensor(v, dtype=getattr(p, dtype)))
        for package in (torch, chainrule)
    )


def outcome(function):
    """(array, text of the dtype) of a tensor, or the name of the error, or the text of anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = function()
        except (NotImplementedError, ValueError, AttributeError) as error:
            return type(error).__name__, "" if isinstance(error, NotImplementedError) else str(error)
    if isinstance(value, (torch.Tensor, chainrule.Tensor)):
        return value.detach().numpy(), str(value.dtype)
    return "value", str(value)


def agree(theirs, ours, tolerance=None, absolute=1e-12):
    (a, kind), (b, other) = theirs, ours
    assert kind == other
    if isinstance(a, str) or isinstance(b, str):
        assert a == b
        return
    assert a.shape == b.shape
    np.testing.assert_allclose(b, a, rtol=tolerance or LAST_PLACES[str(a.dtype)], atol=absolute, equal_nan=True)


def close(theirs, ours):
    single = "float32" in theirs[1]
    agree(theirs, ours, *((2e-5, 2e-5) if single else (1e-7, 1e-9)))


@pytest.mark.parametrize("method", ["sample", "rsample"])
@pytest.mark.parametrize("shape", [(), (3,), (20, 2)], ids=str)
def test_samples(name, dtype, method, shape):
    theirs, ours = made(name, dtype)
    results = []
    for package, distribution in ((torch, theirs), (chainrule, ours)):
        package.manual_seed(5)
        results.append(outcome(lambda d=distribution: getattr(d, method)(shape)))
    if isinstance(results[0][0], np.ndarray) and results[0][0].dtype.kind == "i":
        assert np.array_equal(results[0][0], results[1][0])
    else:
        agree(*results)
    assert np.array_equal(torch.get_rng_state().numpy(), chainrule.get_rng_state().numpy())


def test_texts_and_shapes(name, dtype):
    theirs, ours = made(name, dtype)
    assert repr(ours) == repr(theirs)
    assert repr(ours.support) == repr(theirs.support)
    for attribute in ("batch_shape", "event_shape", "has_enumerate_support"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


@pytest.mark.parametrize(
    "what",
    ["entropy", "perplexity", "enumerate_support", "mean", "mode", "variance", "stddev"],
)
def test_moments(name, dtype, what):
    if (name, what) in DIFFERENT:
        return
    theirs, ours = made(name, dtype)

    def value(d):
        found = getattr(d, what)
        return found() if callable(found) else found

    close(outcome(lambda: value(theirs)), outcome(lambda: value(ours)))


def test_densities(name, dtype):
    theirs, ours = made(name, dtype)
    torch.manual_seed(3)
    x = theirs.sample((6,))
    ours.sample()  # as theirs did: what samples need is then known, and shown
    y = chainrule.tensor(x.numpy())
    close(outcome(lambda: theirs.log_prob(x)), outcome(lambda: ours.log_prob(y)))
    close(outcome(lambda: theirs.cdf(x)), outcome(lambda: ours.cdf(y)))
    p = np.linspace(0.1, 0.9, 5).reshape((5,) + (1,) * len(theirs.batch_shape)).astype(dtype)
    close(outcome(lambda: theirs.icdf(torch.tensor(p))), outcome(lambda: ours.icdf(chainrule.tensor(p))))
    bad = x[0] * np.nan if x.is_floating_point() else x[0] - 100
    agree(outcome(lambda: theirs.log_prob(bad)), outcome(lambda: ours.log_prob(chainrule.tensor(bad.numpy()))), 1e-5)


def test_expand(name, dtype):
    theirs, ours = (d.expand((2, *d.batch_shape)) for d in made(name, dtype))
    assert repr(ours) == repr(theirs)
    torch.manual_seed(4)
    chainrule.manual_seed(4)
    x, y = theirs.sample((3,)), ours.sample((3,))
    assert tuple(x.shape) == tuple(y.shape)
    np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=LAST_PLACES.get(str(x.numpy().dtype), 0), atol=1e-12)
    close(outcome(lambda: theirs.log_prob(x)), outcome(lambda: ours.log_prob(chainrule.tensor(x.numpy()))))


# ---------------------------------------------------------------- gradients

PARAMETERS = {
    "Normal": ([0.5, -1.0], [1.0, 2.0]),
    "Laplace": ([0.5, -1.0], [1.0, 2.0]),
    "Cauchy": ([0.5, -1.0], [1.0, 2.0]),
    "Gumbel": ([0.5, -1.0], [1.0, 2.0]),
    "Uniform": ([0.5, -1.0], [1.0, 2.0]),
    "Exponential": ([0.5, 3.0],),
    "Gamma": ([0.3, 1.5, 30.0], [1.0, 2.0, 3.0]),
    "Beta": ([0.4, 1.5, 30.0], [1.0, 2.0, 3.0]),
    "Dirichlet": ([[0.4, 1.5, 30.0], [1.0, 2.0, 3.0]],),
    "StudentT": ([1.5, 4.0], [0.5, -1.0], [1.0, 2.0]),
    "LogNormal": ([0.5, -1.0], [1.0, 2.0]),
    "Weibull": ([0.5, 1.0], [1.0, 2.0]),
    "Pareto": ([0.5, 1.0], [1.0, 2.0]),
    "MultivariateNormal": ([0.5, -1.0, 2.0], A),
    "FisherSnedecor": ([3.0, 4.0], [5.0, 6.0]),
    "ContinuousBernoulli": ([0.2, 0.7],),
    "HalfNormal": ([0.5, 2.0],),
    "VonMises": ([0.5, 1.0], [1.0, 2.0]),
    "Poisson": ([0.5, 2.0],),
    "Bernoulli": ([0.5, 0.2],),
    "Geometric": ([0.5, 0.2],),
    "Categorical": ([0.5, 0.2, 0.3],),
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("what", ["rsample", "log_prob", "entropy"])
def test_gradients(name, what):
    found = []
    torch.manual_seed(2)
    with torch.no_grad():
        x = getattr(torch.distributions, name)(
            *[torch.tensor(v, dtype=torch.float64) for v in PARAMETERS[name]]
        ).sample((4,))
    for package in (torch, chainrule):
        parameters = [package.tensor(v, dtype=package.float64, requires_grad=True) for v in PARAMETERS[name]]
        distribution = getattr(package.distributions, name)(*parameters)
        package.manual_seed(1)
        try:
            if what == "rsample":
                value = distribution.rsample((5,))
            elif what == "log_prob":
                value = distribution.log_prob(x if package is torch else package.tensor(x.numpy()))
            else:
                value = distribution.entropy()
        except NotImplementedError:
            found.append(None)
            continue
        weights = package.arange(value.numel(), dtype=package.float64).view(value.shape)
        found.append([g.numpy() for g in package.autograd.grad((value * weights).sum(), parameters, allow_unused=True)
                      if g is not None])  # fmt: skip
    if found[0] is None:
        assert found[1] is None
        return
    # PyTorch approximates the derivatives of gamma and beta samples by polynomials, to about three digits
    of_gamma = {"Gamma", "Beta", "Dirichlet", "StudentT", "FisherSnedecor"}
    tolerance = 1e-2 if what == "rsample" and name in of_gamma else 1e-6 if name == "VonMises" else 1e-7
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-8)


# ---------------------------------------------------------------- divergences

OF_NUMBERS = {
    "Bernoulli": (0.3,), "Beta": (2.0, 3.0), "Cauchy": (0.5, 2.0), "ContinuousBernoulli": (0.3,), "Exponential": (1.5,),
    "Gamma": (2.5, 1.5), "Geometric": (0.3,), "Gumbel": (0.5, 2.0), "HalfNormal": (1.5,), "Laplace": (0.5, 2.0),
    "LogNormal": (0.5, 2.0), "Normal": (0.7, 1.3), "Pareto": (1.1, 2.2), "Poisson": (2.5,), "Uniform": (0.2, 0.8),
    "Weibull": (1.0, 2.0),
}  # fmt: skip


@pytest.mark.parametrize("p", OF_NUMBERS)
@pytest.mark.parametrize("q", OF_NUMBERS)
def test_divergence_across_families(p, q):
    results = []
    for package in (torch, chainrule):
        D = package.distributions
        one = getattr(D, p)(*[package.tensor([v, v * 0.9], dtype=package.float64) for v in OF_NUMBERS[p]])
        other = getattr(D, q)(*[package.tensor([v * 0.95, v * 1.1], dtype=package.float64) for v in OF_NUMBERS[q]])
        results.append(outcome(lambda a=one, b=other, D=D: D.kl_divergence(a, b)))
    agree(*results, 1e-8)


PAIRS = {
    "dirichlet": lambda D, t: (D.Dirichlet(t([1.0, 2.0, 3.0])), D.Dirichlet(t([2.0, 0.5, 1.0]))),
    "categorical": lambda D, t: (D.Categorical(t([0.0, 2.0, 3.0])), D.Categorical(t([[2.0, 0.0, 1.0], [1.0, 1.0, 1.0]]))),
    "one-hot": lambda D, t: (D.OneHotCategorical(t([1.0, 2.0])), D.OneHotCategorical(t([2.0, 0.5]))),
    "bernoulli": lambda D, t: (D.Bernoulli(t([0.0, 1.0, 0.2])), D.Bernoulli(t([0.5, 1.0, 0.0]))),
    "binomial": lambda D, t: (D.Binomial(3, t([0.3, 0.2])), D.Binomial(3, t([0.5, 0.9]))),
    "vectors": lambda D, t: (
        D.MultivariateNormal(t([0.0, 1.0, 2.0]), t(A)),
        D.MultivariateNormal(t([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), scale_tril=t(A).tril()),
    ),
    "low rank and full": lambda D, t: (
        D.LowRankMultivariateNormal(t([0.0, 1.0, 2.0]), t([[1.0], [2.0], [0.5]]), t([1.0, 2.0, 3.0])),
        D.MultivariateNormal(t([1.0, 1.0, 0.0]), t(A)),
    ),
    "full and low rank": lambda D, t: (
        D.MultivariateNormal(t([1.0, 1.0, 0.0]), t(A)),
        D.LowRankMultivariateNormal(t([0.0, 1.0, 2.0]), t([[1.0], [2.0], [0.5]]), t([1.0, 2.0, 3.0])),
    ),
    "low rank": lambda D, t: (
        D.LowRankMultivariateNormal(t([1.0, 1.0, 2.0]), t([[2.0], [2.0], [0.1]]), t([1.0, 2.0, 3.0])),
        D.LowRankMultivariateNormal(t([0.0, 1.0, 2.0]), t([[1.0], [2.0], [0.5]]), t([1.0, 2.0, 3.0])),
    ),
    "independent": lambda D, t: (
        D.Independent(D.Normal(t([0.0, 1.0]), t([1.0, 2.0])), 1),
        D.Independent(D.Normal(t([0.5, 0.0]), t([2.0, 2.0])), 1),
    ),
    "chi-squared": lambda D, t: (D.Chi2(t([1.0, 2.0])), D.Chi2(t([3.0, 0.5]))),
    "different kinds": lambda D, t: (D.Normal(t(0.0), 1.0), D.Dirichlet(t([1.0, 2.0]))),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_divergence_of_a_pair(name):
    results = []
    for package in (torch, chainrule):
        p, q = PAIRS[name](package.distributions, lambda v, k=package: k.tensor(v, dtype=k.float64))
        results.append(outcome(lambda p=p, q=q, D=package.distributions: D.kl_divergence(p, q)))
    agree(*results, 1e-9)


# ---------------------------------------------------------------- transforms

TRANSFORMS = {
    "exp": lambda D, t: D.ExpTransform(),
    "sigmoid": lambda D, t: D.SigmoidTransform(),
    "tanh": lambda D, t: D.TanhTransform(),
    "softplus": lambda D, t: D.SoftplusTransform(),
    "abs": lambda D, t: D.AbsTransform(),
    "affine": lambda D, t: D.AffineTransform(1.0, t([1.0, -2.0, 0.5])),
    "affine of vectors": lambda D, t: D.AffineTransform(1.0, t([1.0, -2.0, 0.5]), event_dim=1),
    "power": lambda D, t: D.ComposeTransform([D.ExpTransform(), D.PowerTransform(t(-0.5))]),
    "softmax": lambda D, t: D.SoftmaxTransform(),
    "stick breaking": lambda D, t: D.StickBreakingTransform(),
    "compose": lambda D, t: D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.StickBreakingTransform()]),
    "inverse": lambda D, t: D.ComposeTransform([D.SigmoidTransform(), D.SigmoidTransform().inv]),
    "independent": lambda D, t: D.IndependentTransform(D.ExpTransform(), 1),
    "reshape": lambda D, t: D.ReshapeTransform((3,), (3, 1)),
    "cholesky factor of correlations": lambda D, t: D.CorrCholeskyTransform(),
    "cat": lambda D, t: D.CatTransform([D.ExpTransform(), D.TanhTransform()], dim=-1, lengths=[1, 2]),
    "stack": lambda D, t: D.StackTransform([D.ExpTransform(), D.TanhTransform(), D.identity_transform], dim=-1),
    "distribution function": lambda D, t: D.CumulativeDistributionTransform(D.Normal(t(0.0), 1.0)),
    "nothing": lambda D, t: D.ComposeTransform([]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    results = []
    x = np.random.default_rng(0).normal(size=(2, 3))
    for package in (torch, chainrule):
        transform = TRANSFORMS[name](package.distributions, lambda v, k=package: k.tensor(v, dtype=k.float64))
        start = package.tensor(x)
        y = transform(start)
        results.append([
            outcome(lambda y=y: y),
            outcome(lambda y=y, f=transform: f.inv(y)),
            outcome(lambda y=y, f=transform, s=start: f.log_abs_det_jacobian(s, y)),
            outcome(lambda f=transform: f.bijective),
            outcome(lambda f=transform: f.domain.event_dim),
            outcome(lambda f=transform: f.codomain.event_dim),
            outcome(lambda f=transform: f.forward_shape((4, 3))),
            outcome(lambda f=transform: f.sign),
            outcome(lambda f=transform: repr(f)),
        ])  # fmt: skip
    for theirs, ours in zip(*results, strict=True):
        agree(theirs, ours, 1e-9)


CONSTRAINTS = {
    "positive": lambda c: c.positive, "nonnegative": lambda c: c.nonnegative, "real": lambda c: c.real,
    "greater_than": lambda c: c.greater_than(2.0), "less_than": lambda c: c.less_than(3.0),
    "unit_interval": lambda c: c.unit_interval, "interval": lambda c: c.interval(-1.0, 2.0),
    "half_open": lambda c: c.half_open_interval(0.0, 3.0), "simplex": lambda c: c.simplex,
    "lower_cholesky": lambda c: c.lower_cholesky, "positive_definite": lambda c: c.positive_definite,
    "corr_cholesky": lambda c: c.corr_cholesky, "real_vector": lambda c: c.real_vector, "boolean": lambda c: c.boolean,
    "positive_semidefinite": lambda c: c.positive_semidefinite, "one_hot": lambda c: c.one_hot,
    "symmetric": lambda c: c.symmetric, "square": lambda c: c.square, "lower_triangular": lambda c: c.lower_triangular,
    "nonnegative_integer": lambda c: c.nonnegative_integer, "multinomial": lambda c: c.multinomial(3),
    "integer_interval": lambda c: c.integer_interval(0, 2), "stack": lambda c: c.stack([c.positive, c.real], -1),
    "cat": lambda c: c.cat([c.positive, c.real], -1, [1, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_constraints(name, registry):
    results = []
    x = np.random.default_rng(1).normal(size=(1,) if name == "corr_cholesky" else (2, 2))
    inside = np.eye(2)
    for package in (torch, chainrule):
        constraint = CONSTRAINTS[name](package.distributions.constraints)

        def into(package=package, constraint=constraint):
            return getattr(package.distributions, registry)(constraint)(package.tensor(x))

        results.append([
            outcome(lambda c=constraint: repr(c)),
            outcome(lambda c=constraint: c.is_discrete),
            outcome(lambda c=constraint: c.event_dim),
            outcome(into),
            outcome(lambda c=constraint, k=package: c.check(k.tensor(x))) if x.ndim == 2 else ("", ""),
            outcome(lambda c=constraint, k=package: c.check(k.tensor(inside))),
            outcome(lambda c=constraint, f=into: c.check(f())),
        ])  # fmt: skip
    for theirs, ours in zip(*results, strict=True):
        if isinstance(theirs[0], np.ndarray) and theirs[0].dtype == bool:
            assert np.array_equal(theirs[0], ours[0])
        else:
            agree(theirs, ours, 1e-9)
