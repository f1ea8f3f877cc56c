"""Rows of ops/special.py."""

import numpy as np
import scipy.special

from chainrule.backend.special import RECURRENCES

from .makers import FLOATING, INTEGER, floats, given, positive, row, unit

SAMPLES = floats(2, 3)
DEGREES = given([0.0, 1.0, 5.0])

ROWS = {
    "erf": row(SAMPLES, reference=scipy.special.erf, dtypes=FLOATING + INTEGER),
    "erfc": row(SAMPLES, reference=scipy.special.erfc, dtypes=FLOATING + INTEGER),
    "erfinv": row(unit(2, 3), reference=scipy.special.erfinv),
    "lgamma": row(positive(2, 3), reference=scipy.special.gammaln, dtypes=FLOATING + INTEGER),
    "digamma": row(positive(2, 3), reference=scipy.special.digamma, dtypes=FLOATING + INTEGER),
    "polygamma": row(
        positive(2, 3), settings=(1,), reference=lambda x, n: scipy.special.polygamma(n, x),
        in_place=False,
    ),
    "mvlgamma": row(positive(2, 3, low=1.2, high=3.0), settings=(3,), reference=scipy.special.multigammaln),
    "igamma": row(positive(2, 3), positive(3), reference=scipy.special.gammainc, differentiable=(1,), second=False),
    "igammac": row(positive(2, 3), positive(3), reference=scipy.special.gammaincc, differentiable=(1,), second=False),
    "i0": row(SAMPLES, reference=scipy.special.i0),
    "special_i0e": row(SAMPLES, reference=scipy.special.i0e),
    "special_i1": [
        row(SAMPLES, reference=scipy.special.i1),
        row(given([0.0]), reference=scipy.special.i1, second=False, scalar=False),
    ],
    "special_i1e": row(SAMPLES, reference=scipy.special.i1e),
    "special_erfcx": row(SAMPLES, reference=scipy.special.erfcx),
    "special_ndtri": row(positive(2, 3, low=0.1, high=0.9), reference=scipy.special.ndtri),
    "special_log_ndtr": row(SAMPLES, reference=scipy.special.log_ndtr),
    "special_entr": row(positive(2, 3), reference=scipy.special.entr),
    "special_zeta": row(
        positive(2, 3, low=1.5, high=4.0), positive(3), reference=scipy.special.zeta, differentiable=(1,), second=False
    ),
    "special_xlog1py": row(SAMPLES, positive(3), reference=scipy.special.xlog1py, dtypes=FLOATING + INTEGER),
    "special_airy_ai": row(SAMPLES, reference=lambda x: scipy.special.airy(x)[0]),
    "special_spherical_bessel_j0": row(SAMPLES, reference=lambda x: scipy.special.spherical_jn(0, x)),
    **{
        f"special_{name}": row(positive(2, 3), reference=getattr(scipy.special, function))
        for name, function in {
            "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1",
            "modified_bessel_i0": "i0", "modified_bessel_i1": "i1",
            "modified_bessel_k0": "k0", "modified_bessel_k1": "k1",
            "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e",
        }.items()
    },
}  # fmt: skip

# {name: SciPy's function of (degree, x)}, where SciPy has one
POLYNOMIALS = {
    "chebyshev_polynomial_t": scipy.special.eval_chebyt,
    "chebyshev_polynomial_u": scipy.special.eval_chebyu,
    "chebyshev_polynomial_v": lambda n, x: np.cos((n + 0.5) * np.arccos(x)) / np.cos(np.arccos(x) / 2),
    "chebyshev_polynomial_w": lambda n, x: np.sin((n + 0.5) * np.arccos(x)) / np.sin(np.arccos(x) / 2),
    "hermite_polynomial_h": scipy.special.eval_hermite,
    "hermite_polynomial_he": scipy.special.eval_hermitenorm,
    "laguerre_polynomial_l": scipy.special.eval_laguerre,
    "legendre_polynomial_p": scipy.special.eval_legendre,
}
assert POLYNOMIALS.keys() == RECURRENCES.keys()


def _polynomial(function, shift: bool = False):
    def reference(x, n):
        return function(n.astype(int), 2 * x - 1 if shift else x)

    return row(positive(2, 3, low=0.1, high=0.9), DEGREES, reference=reference, dtypes="fd")


for _name, _function in POLYNOMIALS.items():
    ROWS[f"special_{_name}"] = _polynomial(_function)
    if _name.startswith("chebyshev"):
        ROWS[f"special_shifted_{_name}"] = _polynomial(_function, shift=True)
