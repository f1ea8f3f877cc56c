"""torch.masked: reductions and normalizations over the elements that a boolean mask keeps.

A masked-out element is replaced by the identity of the operation; a slice with nothing left gives that identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import dtypes
from ..ops import cumulative, elementwise, reduction, softmax as softmax_ops
from ..tensor import Tensor

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]


def _kept(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """The mask as booleans of the shape of `like`."""
    return None if mask is None else mask.to(dtypes.bool_).expand(like.shape)


def _fill(input: Tensor, mask: Tensor | None, value) -> Tensor:
    """`input` with `value` where the mask is False."""
    kept = _kept(mask, input)
    return input if kept is None else elementwise.where(kept, input, input.new_full((), value))


def _dims(dim):
    return None if dim is None or dim == () else dim


def _least(name: str, dtype):
    return _limit(name, dtype, -1)


def _greatest(name: str, dtype):
    return _limit(name, dtype, 1)


def _limit(name: str, dtype, sign: int):
    if dtype.is_floating_point:
        return sign * math.inf
    if dtype is dtypes.bool_ or dtype.is_complex:
        raise NotImplementedError(f"identity of {name} on {dtype} input")
    return dtypes.iinfo(dtype).min if sign < 0 else dtypes.iinfo(dtype).max


def sum(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The sum of the kept elements; 0 of none."""
    return reduction.sum(_fill(input, mask, 0), _dims(dim), bool(keepdim), dtype=dtype)


def prod(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The product of the kept elements; 1 of none."""
    values = _fill(input, mask, 1)
    if _dims(dim) is None:
        dims: Sequence[int] = range(input.ndim)
    else:
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    reduction.dims_argument(tuple(dims), input.ndim)
    result = values if dtype is None else values.to(dtype)
    if not result.is_floating_point() and not result.is_complex() and dtype is None:
        result = result.to(dtypes.int64)
    for d in sorted((d % input.ndim for d in dims), reverse=True) if input.ndim else ():
        result = result.prod(d, keepdim=bool(keepdim))
    return result


def _extreme(name: str, reduce, identity):
    def extreme(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
        values = input if dtype is None else input.to(dtype)
        return reduce(_fill(values, mask, identity(name, values.dtype)), () if dim is None else dim, bool(keepdim))

    extreme.__name__ = extreme.__qualname__ = name
    extreme.__doc__ = f"`{name}` of the kept elements; the identity of none."
    return extreme


amax = _extreme("amax", reduction.amax, _least)
amin = _extreme("amin", reduction.amin, _greatest)


def _position(name: str, find, identity):
    def position(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
        values = input if dtype is None else input.to(dtype)
        found = find(_fill(values, mask, identity(name, values.dtype)), dim, bool(keepdim))
        return found.to(values.dtype)

    position.__name__ = position.__qualname__ = name
    position.__doc__ = f"The index of `{name[3:]}` of the kept elements, in the dtype of the input."
    return position


argmax = _position("argmax", reduction.argmax, _least)
argmin = _position("argmin", reduction.argmin, _greatest)


def _count(input, dim, keepdim, mask) -> Tensor:
    ones = input.detach().new_ones(input.shape, dtype=dtypes.int64)
    return sum(ones, dim, keepdim=keepdim, mask=mask)


def _check_inexact(name: str, input, dtype) -> None:
    used = input.dtype if dtype is None else dtype
    if not used.is_floating_point and not used.is_complex:
        raise ValueError(
            f"{name}(): Could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {used}"
        )


def mean(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The mean of the kept elements; nan of none."""
    _check_inexact("mean", input, dtype)
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / _count(input, dim, keepdim, mask)


def median(input, dim: int = -1, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The (lower) median of the kept elements; nan of none."""
    values = input if dtype is None else input.to(dtype)
    if not values.dtype.is_floating_point:
        raise NotImplementedError(f"identity of median on {values.dtype} input")
    if not values.ndim:
        dim = 0
    return _fill(values, mask, math.nan).nanmedian(dim, keepdim).values


def var(input, dim=None, unbiased=None, *, correction=None, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The variance of the kept elements, with `correction` degrees of freedom taken off (1 unless said)."""
    if unbiased is not None and correction is not None:
        raise ValueError("Only one of unbiased and correction may be given")
    taken = correction if correction is not None else int(unbiased) if unbiased is not None else 1
    values = input if dtype is None else input.to(dtype)
    if not values.is_floating_point() and not values.is_complex():
        values = values.to(dtypes.float32)
    count = _count(values, dim, True, mask)
    center = sum(values, dim, keepdim=True, mask=mask) / count
    off = _fill(values - center, mask, 0)
    total = sum(off * off.conj() if off.is_complex() else off * off, dim, keepdim=keepdim)
    count = _count(values, dim, keepdim, mask) - taken
    return (total / count.clamp(min=0)).to(total.dtype)


def std(input, dim=None, unbiased=None, *, correction=None, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The standard deviation of the kept elements."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


def norm(input, ord: float | None = 2.0, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The vector norm of the kept elements."""
    from ..linalg import vector_norm

    order = 2.0 if ord is None else ord
    identity = math.inf if order == -math.inf or order < 0 else 0
    return vector_norm(_fill(input, mask, identity), order, _dims(dim), bool(keepdim), dtype=dtype)


def normalize(input, ord: float, dim: int, *, eps: float = 1e-12, dtype=None, mask=None) -> Tensor:
    """The kept elements over their norm, which counts as `eps` at least; 0 for the others."""
    values = input if dtype is None else input.to(dtype)
    size = norm(values, ord, dim, keepdim=True, mask=mask)
    return _fill(values, mask, 0) / size.clamp(min=eps)


def softmax(input, dim: int, *, dtype=None, mask=None) -> Tensor:
    """softmax over the kept elements; 0 for the others, nan where none is kept."""
    values = input if dtype is None else input.to(dtype)
    return softmax_ops.softmax(_fill(values, mask, -math.inf), dim)


def log_softmax(input, dim: int, *, dtype=None, mask=None) -> Tensor:
    """log_softmax over the kept elements; -inf for the others, nan where none is kept."""
    values = input if dtype is None else input.to(dtype)
    return softmax_ops.log_softmax(_fill(values, mask, -math.inf), dim)


def softmin(input, dim: int, *, dtype=None, mask=None) -> Tensor:
    """softmax of the negated elements."""
    return softmax(-(input if dtype is None else input.to(dtype)), dim, mask=mask)


def cumsum(input, dim: int, *, dtype=None, mask=None) -> Tensor:
    """The running sum of the kept elements."""
    return cumulative.cumsum(_fill(input, mask, 0), dim, dtype=dtype or input.dtype)


def cumprod(input, dim: int, *, dtype=None, mask=None) -> Tensor:
    """The running product of the kept elements."""
    return cumulative.cumprod(_fill(input, mask, 1), dim, dtype=dtype or input.dtype)


def logsumexp(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The logarithm of the sum of the exponentials of the kept elements; -inf of none."""
    values = input if dtype is None else input.to(dtype)
    if not values.is_floating_point() and not values.is_complex():
        values = values.to(dtypes.get_default_dtype())
    dims = tuple(range(values.ndim)) if _dims(dim) is None else dim
    return _fill(values, mask, -math.inf).logsumexp(dims, bool(keepdim)).to(input.dtype if dtype is None else dtype)


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None) -> Tensor:
    """The logarithm of the sum of two exponentials, of those that are kept."""
    x, y = (v if dtype is None else v.to(dtype) for v in (input, other))
    return elementwise.logaddexp(_fill(x, input_mask, -math.inf), _fill(y, other_mask, -math.inf))
