"""The door to SciPy's special functions: imported when first used, and kept to the dtype of their arguments."""

import numpy as np

_found: dict = {}


def call(name: str, *arrays):
    """``scipy.special.<name>`` on arrays of one floating dtype, as an array of that dtype."""
    function = _found.get(name)
    if function is None:
        import scipy.special

        function = _found[name] = getattr(scipy.special, name)
    dtype = arrays[0].dtype
    if dtype.itemsize == 2:  # half types: SciPy computes in float32
        arrays = tuple([np.asarray(a, np.float32) for a in arrays])
    out = function(*arrays)
    return out if out.dtype == dtype else out.astype(dtype)


def airy_ai(x):
    """The Airy function Ai."""
    import scipy.special

    return scipy.special.airy(x)[0].astype(x.dtype)


def spherical_bessel_j0(x):
    """The spherical Bessel function of the first kind and order 0."""
    import scipy.special

    return np.asarray(scipy.special.spherical_jn(0, x)).astype(x.dtype)


def polygamma(n, x):
    """The n-th derivative of the digamma function."""
    if n == 0:
        return digamma(x)
    import scipy.special

    return np.asarray(scipy.special.polygamma(n, x)).astype(x.dtype)


def lgamma(x):
    """The logarithm of the absolute value of the gamma function; inf at -inf, where SciPy has -inf."""
    out = call("gammaln", x)
    return np.where(np.isneginf(x), -x, out) if x.dtype.kind == "f" else out


def digamma(x):
    """The logarithmic derivative of the gamma function; infinite at 0, with the sign opposite to that of the zero."""
    out = call("digamma", x)
    out = np.where(x == 0, np.copysign(x.dtype.type(np.inf), -x), out)
    return np.where((x < 0) & (x == np.floor(x)), x.dtype.type(np.nan), out)


# ---------------------------------------------------------------- orthogonal polynomials

# {name: (first(x), second(x, k=1), how p_{k+1} follows from k, x, p_k, p_{k-1})}
_T, _H = (lambda k, x, p, q: 2 * x * p - q), (lambda k, x, p, q: 2 * x * p - 2 * k * q)
RECURRENCES = {
    "chebyshev_polynomial_t": (lambda x: x, _T),
    "chebyshev_polynomial_u": (lambda x: 2 * x, _T),
    "chebyshev_polynomial_v": (lambda x: 2 * x - 1, _T),
    "chebyshev_polynomial_w": (lambda x: 2 * x + 1, _T),
    "hermite_polynomial_h": (lambda x: 2 * x, _H),
    "hermite_polynomial_he": (lambda x: x, lambda k, x, p, q: x * p - k * q),
    "laguerre_polynomial_l": (lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
    "legendre_polynomial_p": (lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
}


def polynomial(name: str, x, n):
    """The polynomial of degree `n` (truncated to an integer; 0 where negative) at `x`, by its three-term recurrence."""
    second, step = RECURRENCES[name]
    dtype = x.dtype
    x, n = np.broadcast_arrays(x, np.nan_to_num(np.trunc(n)))
    out = np.where(n < 0, 0, np.ones_like(x)).astype(dtype)
    previous, current = np.ones_like(x), second(x)
    for k in range(1, int(n.max(initial=0)) + 1):
        np.copyto(out, current, where=n == k)
        previous, current = current, step(k, x, current, previous)
    return out
