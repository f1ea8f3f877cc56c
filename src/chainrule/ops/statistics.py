"""Quantiles, histograms, counts, covariances."""

from __future__ import annotations

import math
import warnings

import numpy as np

from .. import dtypes, return_types
from ..dtypes import c_name
from ..inplace import fill_out
from ..op import general, method, op
from ..tensor import Tensor, wrap
from . import elementwise
from .publishing import NO_FALLBACK, by_sample, no_derivative, refuse_batches
from .reduction import array_of, no_kernel_for, numpy_names
from .shape import wrap_dim
from .sorting import sort

__all__ = [
    "bincount", "corrcoef", "cov", "histc", "histogram", "histogramdd", "nanquantile", "quantile",
]  # fmt: skip

# ---------------------------------------------------------------- quantiles

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _checked_quantiles(name: str, q, array):
    """`q` as a tensor, after the checks of it and of the input's array, which PyTorch words as quantile's."""
    if isinstance(q, (int, float)):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
    elif not isinstance(q, Tensor):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({type(q).__name__}), but expected one of:\n"
            ' * (Tensor q, int dim = None, bool keepdim = False, *, str interpolation = "linear")\n'
            ' * (float q, int dim = None, bool keepdim = False, *, str interpolation = "linear")'
        )
    if not array.size:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if isinstance(q, Tensor) and q._array.ndim > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if array.dtype not in (np.float32, np.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if not isinstance(q, Tensor):
        return wrap(np.array(q, array.dtype))
    if q._array.dtype is not array.dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    if not ((q._array >= 0) & (q._array <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    return q


def _quantile(name: str, input, q, dim, keepdim: bool, interpolation: str, out):
    array = array_of(name, input)
    ndim = array.ndim
    q = _checked_quantiles(name, q, array)
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if dim is None:
        ordered = sort(input.reshape(-1))[0]
    else:
        dim = wrap_dim(dim, ndim)
        ordered = sort(input.movedim(dim, -1) if ndim else input.reshape(1))[0]
    found = _at_ranks(ordered, q.reshape(-1), interpolation, name == "nanquantile")
    # the quantiles lie along the last dimension; with several of them it becomes the first
    if dim is None or not ndim:
        found = found.reshape((-1, *((1,) * ndim if keepdim else ())))
    else:
        found = found.movedim(-1, 0)
        found = found.unsqueeze(dim + 1) if keepdim else found
    if not q._array.ndim:
        found = found.squeeze(0)
    if out is None:
        return found
    return fill_out(out, found)


def _at_ranks(ordered, q, interpolation: str, ignore_nan: bool):
    """The values between the ordered ones of the last dimension at the ranks that the quantiles `q` have there."""
    array = ordered._array
    nans = ordered.detach().isnan()
    last = array.shape[-1] - 1
    if ignore_nan:
        count = nans.logical_not().sum(-1, True)
        ranks = q * (count - 1).to(q.dtype)
        ranks = ranks.clamp(min=0)
    else:
        ranks = elementwise.where(nans.narrow(-1, last, 1), wrap(np.array(last, array.dtype)), q * last)
    if interpolation == "lower":
        ranks = ranks.floor()
    elif interpolation == "higher":
        ranks = ranks.ceil()
    elif interpolation == "nearest":
        ranks = ranks.round()
    below = ranks.detach().to(dtypes.int64)
    values = ordered.gather(-1, below)
    if interpolation not in ("linear", "midpoint"):
        return values
    weight = (
        elementwise.sub(ranks, below.to(q.dtype)) if interpolation == "linear" else wrap(np.array(0.5, array.dtype))
    )
    above = ordered.gather(-1, ranks.detach().ceil().to(dtypes.int64))
    return elementwise.lerp(values, above, weight)


@method()
@numpy_names
def quantile(input, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out=None):
    """The `q`-th quantiles (0 to 1) of all elements or along `dim`; of several, the first dimension; nan if any is."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out)


@method()
@numpy_names
def nanquantile(input, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out=None):
    """The quantiles of the elements that are not nan; see `quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out)


# ---------------------------------------------------------------- histograms and counts


def _linear_bins(x, bins: int, low: float, high: float):
    """How many of `x` fall into each of `bins` equal parts of [low, high]."""
    x = x[(x >= low) & (x <= high)]
    places = ((x - x.dtype.type(low)) * x.dtype.type(bins / (high - low))).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), None, bins).astype(x.dtype)


_histc = op("histc", forward=lambda xp, x, /, bins, low, high: _linear_bins(x.reshape(-1), bins, low, high))


def _range_of(x, low: float, high: float) -> tuple[float, float]:
    """The range of a histogram: as given, or that of the elements, widened where it has no width."""
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    return low, high


def _text(number: float) -> str:
    return f"{number:g}" if number == number else "nan"


@method()
@by_sample
def histc(input, bins: int = 100, min=0, max=0, *, out=None):
    """How many elements fall into each of `bins` equal parts of [min, max], or of their range if those are equal."""
    array = array_of("histc", input)
    no_kernel_for("histogram_cpu", array, "biuc")
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if max < min:
        raise RuntimeError("torch.histc: max must be larger than min")
    low, high = _range_of(array.astype(np.float64), float(min), float(max))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{_text(low)}, {_text(high)}] is not finite")
    return general(_histc.record, (input,), (bins, low, high), out)


def _edges(x, bins, range_, number: int):
    """The edges of the bins of one dimension: as given, or equally far apart."""
    if isinstance(bins, Tensor):
        return bins._array
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension {number}")
    if range_ is not None:
        low, high = map(float, range_)
    elif x.size:
        low, high = float(x.min()), float(x.max())
    else:
        low, high = 0.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension {number}'s range [{_text(low)}, {_text(high)}] is not finite")
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {_text(low)} max {_text(high)} for dimension "
            f"{number}"
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1).astype(x.dtype)


def _count(points, edges, weights, density: bool):
    """The histogram of points (one a row) over the grid of `edges`."""
    counts = [max(len(e) - 1, 0) for e in edges]
    inside = np.ones(len(points), bool)
    place = np.zeros(len(points), np.int64)
    for column, e, n in zip(points.T, edges, counts, strict=True):
        at = np.searchsorted(e, column, "right") - 1
        at[column == e[-1]] = n - 1  # the last bin has both its edges
        inside &= (column >= e[0]) & (column <= e[-1])
        place = place * n + at
    found = np.zeros(math.prod(counts), points.dtype)
    np.add.at(found, place[inside], 1 if weights is None else weights[inside])
    found = found.reshape(counts)
    if density:
        found = found / found.dtype.type(found.sum())
        for d, e in enumerate(edges):
            found = found / np.diff(e).reshape([-1 if k == d else 1 for k in range(len(edges))])
    return found


_no_histogram = no_derivative("derivative for aten::histogram is not implemented")
_histogram = op(
    "histogram",
    forward=lambda xp, x, weight, /, edges, density: (
        _count(x.reshape(-1, 1), [edges], None if weight is None else weight.reshape(-1), density),
        np.array(edges),
    ),
    vjp=(_no_histogram, _no_histogram),
    outputs=("hist", "bin_edges"),
    node="NotImplemented",
)
_histogramdd = op(
    "histogramdd",
    forward=lambda xp, x, weight, /, edges, density: _count(
        x.reshape(-1, x.shape[-1]), edges, None if weight is None else weight.reshape(-1), density
    ),
    vjp=(no_derivative("derivative for aten::_histogramdd_from_bin_cts is not implemented"),) * 2,
    node="NotImplemented",
)


def _check_histogram(array, bins) -> None:
    for i, edges in enumerate(bins):
        if isinstance(edges, Tensor) and edges._array.dtype is not array.dtype:
            raise RuntimeError(
                "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
                f"{c_name(array.dtype)} and bins for dimension {i} with dtype {c_name(edges._array.dtype)}"
            )
    no_kernel_for("histogramdd", array, "biucV" if array.itemsize > 2 else "biucfV")


def _check_weight(input_shape, weight) -> None:
    if weight is not None and weight._array.size != math.prod(input_shape[:-1]):
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input_shape)} and weight with shape "
            f"{list(weight._array.shape)}"
        )


@method()
@by_sample
def histogram(input, bins, *, range=None, weight=None, density: bool = False, out=None):
    """(hist, bin_edges): how many elements, or what weight, each bin has. `bins`: their number or their edges."""
    array = array_of("histogram", input)
    _check_histogram(array, bins if isinstance(bins, (tuple, list)) else [bins])
    _check_weight((array.size, 1), weight)
    edges = _edges(array, bins, range, 0)
    return return_types.histogram(general(_histogram.record, (input, weight), (edges, density), out))


def histogramdd(input, bins, *, range=None, weight=None, density: bool = False):
    """(hist, bin_edges) of points, the last dimension of `input`, in as many dimensions as they have coordinates."""
    refuse_batches(NO_FALLBACK.format("histogramdd"), input)
    array = array_of("histogramdd", input)
    if array.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    n = array.shape[-1]
    bins = [bins] * n if isinstance(bins, int) else list(bins)
    if len(bins) != n:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    _check_histogram(array, bins if isinstance(bins, (tuple, list)) else [bins])
    _check_weight(array.shape, weight)
    ranges = [None if range is None else (range[2 * i], range[2 * i + 1]) for i in np.arange(n)]
    edges = tuple([_edges(array[..., i], b, r, i) for i, (b, r) in enumerate(zip(bins, ranges, strict=True))])
    hist = general(_histogramdd.record, (input, weight), (edges, density))
    return return_types.histogramdd((hist, tuple([wrap(np.array(e)) for e in edges])))


_no_bincount = no_derivative("derivative for aten::bincount is not implemented")
_bincount = op(
    "bincount",
    forward=lambda xp, x, weights, /, minlength: xp.bincount(x, weights, minlength),
    vjp=(_no_bincount, _no_bincount),
    node="NotImplemented",
)


@method()
@by_sample
def bincount(input, weights=None, minlength: int = 0):
    """How often each number from 0 on occurs in a vector of integers, or the sum of its weights."""
    array = array_of("bincount", input)
    no_kernel_for("bincount_cpu", array, "fVcb")
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None:
        if weights._array.shape != array.shape:
            raise RuntimeError("weights should be 1-d and have the same length as input")
        if weights.dtype is not dtypes.float32:
            weights = weights.to(dtypes.float64)
    return general(_bincount.record, (input, weights), (minlength,))


# ---------------------------------------------------------------- covariance


def _check_weights(name: str, weights, count: int, integral: bool) -> None:
    if weights._array.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights._array.ndim} "
            "dimensions"
        )
    if (weights._array.dtype.kind in "iu") is not integral:
        wanted = "integral" if integral else "floating point"
        raise RuntimeError(
            f"cov(): expected {name} to have {wanted} dtype but got {name} with "
            f"{dtypes.scalar_name(weights.dtype)} dtype"
        )
    if weights._array.size != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights._array.size} != {count}"
        )
    if weights._array.size and weights._array.min() < 0:
        raise RuntimeError(f"cov(): {name} cannot be negative")


@method()
def cov(input, *, correction: int = 1, fweights=None, aweights=None):
    """The covariance matrix of variables (rows) over observations (columns): `fweights` are how often each observation
    is counted, `aweights` how much it weighs; sums of products are divided by the observations minus `correction`."""
    array = array_of("cov", input)
    if array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {array.ndim} dimensions"
        )
    if array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if array.ndim < 2 else input
    count = x._array.shape[1]
    if fweights is not None:
        _check_weights("fweights", fweights, count, True)
    if aweights is not None:
        _check_weights("aweights", aweights, count, False)
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    total = count if weights is None else weights.sum()
    if isinstance(total, Tensor) and total.item() == 0 and weights._array.size:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    free = total
    if weights is not None and aweights is not None and correction:
        free = total - correction * (weights * aweights).sum() / total
    else:
        free = total - correction
    if (free.item() if isinstance(free, Tensor) else free) <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            UserWarning,
            stacklevel=2,
        )
        free = free.clamp(min=0) if isinstance(free, Tensor) else 0
    away = x - (x if weights is None else x * weights).sum(1, True) / total
    weighed = away if weights is None else away * weights
    product = away.matmul((weighed.conj() if weighed.is_complex() else weighed).t())
    free = free if isinstance(free, Tensor) else wrap(np.array(free, product._array.real.dtype))
    return (product / free).squeeze()


@method()
def corrcoef(input):
    """The correlation coefficients of variables (rows) over observations (columns)."""
    array = array_of("corrcoef", input)
    if array.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {array.ndim} dimensions"
        )
    c = cov(input)
    if not c._array.ndim:
        return c / c
    spread = c.diagonal()
    spread = (spread.real if c.is_complex() else spread).sqrt()
    c = c / spread.unsqueeze(1) / spread.unsqueeze(0)
    if not c.is_complex():
        return c.clamp(-1, 1)
    from .complexes import complex as complex_of

    return complex_of(c.real.clamp(-1, 1), c.imag.clamp(-1, 1))
