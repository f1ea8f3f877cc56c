"""Special functions: the gamma, error and Bessel families, and what statistics makes of them. SciPy computes most.

Derivatives are those of the Digital Library of Mathematical Functions (dlmf.nist.gov), chapters 5, 7, 8, 10 and 25.
"""

from __future__ import annotations

import math

from ..backend import special
from ..inplace import in_place_method
from ..op import ELEMENTWISE, general, op
from ..tensor import Tensor
from .elementwise import exp2, expm1, log1p, logit, round, sigmoid, sinc, xlogy
from .publishing import no_derivative, no_kernel, publish

__all__: list[str] = []

ROOT_PI, ROOT_2 = math.sqrt(math.pi), math.sqrt(2)
IN_SPECIAL: dict = {}  # torch.special's names


def _function(name: str, forward, vjp=None, *aliases: str, public=False, kernel=None, twin=True, **settings):
    """A special function; `public`: a name of torch and a method too, not only one of torch.special."""
    function = op(
        name if public else "special_" + name,
        kind=ELEMENTWISE,
        forward=forward,
        vjp=vjp,
        floating=True,
        public=name,
        refuses=no_kernel(kernel or f"{name}_cpu", "c"),
        **settings,
    )
    for alias in (name, *aliases):
        IN_SPECIAL[alias] = function
    if public:
        publish(globals(), function, twin=twin)
    return function


def _scipy(name: str):
    return lambda xp, x: special.call(name, x)


# ---------------------------------------------------------------- the error function's family

erf = _function(
    "erf",
    _scipy("erf"),
    lambda xp, g, x: g * xp.number(g, 2 / ROOT_PI) * xp.exp(-(x * x)),
    public=True,
    kernel="erf_vml_cpu",
)
erfc = _function(
    "erfc",
    _scipy("erfc"),
    lambda xp, g, x: g * xp.number(g, -2 / ROOT_PI) * xp.exp(-(x * x)),
    public=True,
    kernel="erfc_vml_cpu",
)
erfinv = _function(
    "erfinv",
    _scipy("erfinv"),
    lambda xp, g, out: g * xp.number(g, ROOT_PI / 2) * xp.exp(out * out),
    public=True,
    kernel="erfinv_vml_cpu",
)
_function(
    "erfcx",
    _scipy("erfcx"),
    lambda xp, g, x, out: g * (2 * x * out - xp.number(g, 2 / ROOT_PI)),
    node="SpecialErfcxBackward0",
)
_function(
    "ndtri",
    _scipy("ndtri"),
    lambda xp, g, out: g * xp.number(g, ROOT_2 * ROOT_PI) * xp.exp(out * out / 2),
    node="SpecialNdtriBackward0",
)
_function(
    "log_ndtr",
    _scipy("log_ndtr"),
    lambda xp, g, x: g / xp.special_erfcx(x / xp.number(x, -ROOT_2)) * xp.number(g, ROOT_2 / ROOT_PI),
    node="SpecialLogNdtrBackward0",
)
_function(
    "entr",
    _scipy("entr"),
    lambda xp, g, x: -g * (xp.log(x) + 1),
    node="SpecialEntrBackward0",
)


def ndtr(input, *, out=None):
    """The area under the standard normal density up to `input`."""
    result = (erf(input * (1 / ROOT_2)) + 1) * 0.5
    return result if out is None else out.copy_(result)


IN_SPECIAL["ndtr"] = ndtr

# ---------------------------------------------------------------- the gamma function's family

lgamma = _function(
    "lgamma",
    lambda xp, x: special.lgamma(x),
    lambda xp, g, x: g * xp.digamma(x),
    public=True,
    kernel="lgamma_vml_cpu",
)
digamma = _function(
    "digamma",
    lambda xp, x: special.digamma(x),
    lambda xp, g, x: g * xp.polygamma(x, 1),
    "psi",
    public=True,
    kernel="digamma",
)
IN_SPECIAL["gammaln"] = IN_SPECIAL.pop("lgamma")
_polygamma = op(
    "polygamma",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, n: special.polygamma(n, x),
    vjp=lambda xp, g, x, n: g * xp.polygamma(x, n + 1),
    floating=True,
    refuses=no_kernel("polygamma", "c"),
)


def polygamma(n, input, *, out=None):
    """The n-th derivative of the digamma function at `input`."""
    if not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return general(_polygamma.record, (input,), (n,), out)


IN_SPECIAL["polygamma"] = publish(globals(), polygamma, method=False)
Tensor.polygamma = lambda self, n: polygamma(n, self)
Tensor.polygamma_ = in_place_method("polygamma_", lambda self, n: polygamma(n, self))


def _multigammaln(xp, x, p):
    total = xp.number(x, p * (p - 1) / 4 * math.log(math.pi))
    for j in range(p):
        total = total + special.call("gammaln", x - xp.number(x, j / 2))
    return total


def _multigammaln_vjp(xp, g, x, p):
    total = xp.digamma(x)
    for j in range(1, p):
        total = total + xp.digamma(x - xp.number(x, j / 2))
    return g * total


_mvlgamma = op(
    "mvlgamma",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, p: _multigammaln(xp, x, p),
    vjp=_multigammaln_vjp,
    floating=True,
    refuses=no_kernel("mvlgamma_cpu", "c"),
)


def mvlgamma(input, p, *, out=None):
    """The logarithm of the multivariate gamma function of dimension `p`."""
    if isinstance(input, Tensor) and input._array.dtype.kind == "b":
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    return general(_mvlgamma.record, (input,), (p,), out)


IN_SPECIAL["multigammaln"] = publish(globals(), mvlgamma)


def _igamma_density(xp, g, x, y):
    """``g * y^(x-1) * exp(-y) / gamma(x)``"""
    return g * xp.exp((x - 1) * xp.log(y) - y - xp.lgamma(x))


def _incomplete_gamma(name: str, function: str, sign: int, alias: str):
    made = op(
        name,
        kind=ELEMENTWISE,
        forward=lambda xp, x, y: special.call(function, x, y),
        vjp=(
            no_derivative(f"the derivative for '{name}: input' is not implemented.", NotImplementedError),
            lambda xp, g, x, y: _igamma_density(xp, sign * g, x, y),
        ),
        numbers=False,
        refuses=no_kernel(f"{name}_cpu", "biuc"),
    )
    IN_SPECIAL[alias] = made
    return publish(globals(), made)


_incomplete_gamma("igamma", "gammainc", 1, "gammainc")
_incomplete_gamma("igammac", "gammaincc", -1, "gammaincc")
_function(
    "zeta",
    lambda xp, x, y: special.call("zeta", x, y),
    (
        no_derivative("the derivative for 'zeta' is not implemented.", NotImplementedError),
        lambda xp, g, x, y: -g * x * xp.special_zeta(x + 1, y),
    ),
    node="SpecialZetaBackward0",
    number_nodes={0: "SpecialZetaBackward1", 1: "SpecialZetaBackward2"},
)
_function(
    "xlog1py",
    lambda xp, x, y: xp.where((x == 0) & ~xp.isnan(y), xp.zero(x), x * xp.log1p(y)),
    (
        lambda xp, g, x, y: xp.where((x == 0) & (y <= -1), xp.zero(g), g * xp.log1p(y)),
        lambda xp, g, x, y: g * x / (y + 1),
    ),
    node="SpecialXlog1PyBackward0",
    number_nodes={0: "SpecialXlog1PyBackward1", 1: "SpecialXlog1PyBackward2"},
)

# ---------------------------------------------------------------- Bessel functions


def _i1_vjp(xp, g, x, out):
    origin = x == 0
    return g * xp.where(origin, xp.number(x, 0.5), xp.i0(x) - out / xp.where(origin, xp.one(x), x))


def _i1e_vjp(xp, g, x, out):
    origin = x == 0
    slope = xp.special_i0e(x) - out * (xp.sgn(x) + xp.one(x) / xp.where(origin, xp.one(x), x))
    return g * xp.where(origin, xp.number(x, 0.5), slope)


i0 = _function(
    "i0",
    _scipy("i0"),
    lambda xp, g, x: g * xp.special_i1(x),
    public=True,
    kernel="i0_vml_cpu",
)
_function(
    "i0e",
    _scipy("i0e"),
    lambda xp, g, x, out: g * (xp.special_i1e(x) - xp.sgn(x) * out),
    node="SpecialI0EBackward0",
)
_function("i1", _scipy("i1"), _i1_vjp, node="SpecialI1Backward0")
_function("i1e", _scipy("i1e"), _i1e_vjp, node="SpecialI1EBackward0")
_function("airy_ai", lambda xp, x: special.airy_ai(x))
_function("spherical_bessel_j0", lambda xp, x: special.spherical_bessel_j0(x))
for _name, _scipy_name in {
    "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1",
    "modified_bessel_i0": "i0", "modified_bessel_i1": "i1", "modified_bessel_k0": "k0", "modified_bessel_k1": "k1",
    "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e",
}.items():  # fmt: skip
    _function(_name, _scipy(_scipy_name))

# ---------------------------------------------------------------- orthogonal polynomials


def _polynomial(name: str, shifted: bool = False):
    recurrence = name.removeprefix("shifted_")
    if shifted:
        _function(name, lambda xp, x, y: special.polynomial(recurrence, 2 * x - xp.one(x), y))
    else:
        _function(name, lambda xp, x, y: special.polynomial(name, x, y))


for _name in special.RECURRENCES:
    _polynomial(_name)
    if _name.startswith("chebyshev"):
        _polynomial("shifted_" + _name, shifted=True)

# ---------------------------------------------------------------- other names of functions of the package


def _round_to(input, *, decimals: int = 0, out=None):
    """`input` rounded to so many `decimals`, half to even."""
    return round(input, decimals=decimals, out=out)


_round_to.__name__ = _round_to.__qualname__ = "round"
IN_SPECIAL.update(
    exp2=exp2, expit=sigmoid, expm1=expm1, log1p=log1p, logit=logit, round=_round_to, sinc=sinc, xlogy=xlogy
)
