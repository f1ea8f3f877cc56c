"""Norms of vectors, distances, and bounds on norms."""

from __future__ import annotations

import math

from .. import dtypes
from ..inplace import in_place_method
from ..op import common_dtype, general, method, must_be_tensor, op
from ..tensor import Tensor
from .reduction import array_of, dims_argument, flag, numpy_names
from .shape import wrap_dim

__all__ = ["dist", "norm", "renorm"]


def _scaled(xp, g, out, power):
    """``g / out ** power``, and 0 where the norm is 0, without dividing by it there: that would be nan one order up."""
    zero = out == 0
    safe = xp.where(zero, xp.one(out), out)
    return xp.where(zero, xp.zero(g), g / (safe if power == 1 else xp.power_number(safe, power)))


def _norm_vjp(xp, g, x, out, ord, dim, keepdim):
    """The gradient of a norm; 0 at the origin, as PyTorch chose."""
    g = xp.keep_reduced(g, x.shape, dim, keepdim)
    out = xp.keep_reduced(out, x.shape, dim, keepdim)
    if ord == 2:
        return x * _scaled(xp, g, out, 1)
    if ord == 0:
        return None
    if ord == 1:
        return xp.sgn(x) * g
    size = xp.abs(x)
    if math.isinf(ord):
        there = xp.where((size == out) | (xp.isnan(size) & xp.isnan(out)), xp.ones_like(size), xp.zero(size))
        return xp.sgn(x) * (there * (g / xp.sum(there, dim, True)))
    if ord > 2:
        return x * xp.power_number(size, ord - 2) * _scaled(xp, g, out, ord - 1)
    slope = xp.where(x == 0, xp.zero(size), xp.power_number(size, ord - 1))
    return xp.sgn(x) * slope * (g * xp.power_number(out, 1 - ord) if ord < 1 else _scaled(xp, g, out, ord - 1))


_vector_norm = op(
    "linalg_vector_norm",
    forward=lambda xp, x, /, ord, dim, keepdim: xp.vector_norm(x, ord, dim, keepdim),
    vjp=_norm_vjp,
    public="vector_norm",
)
_dist = op(
    "dist",
    forward=lambda xp, x, y, /, p: xp.vector_norm(x - y, p, None, False),
    vjp=(
        lambda xp, g, x, y, out, p: xp.sum_to(_norm_vjp(xp, g, x - y, out, p, None, False), x.shape),
        lambda xp, g, x, y, out, p: xp.sum_to(-_norm_vjp(xp, g, x - y, out, p, None, False), y.shape),
    ),
    promote=True,
    numbers=False,
)
TINY = 1e-7  # PyTorch's distance from a division by 0


def _renorm(xp, x, /, p, dims, maxnorm):
    """`x` scaled down where its norm over `dims` is above `maxnorm`."""
    norm = xp.vector_norm(x, p, dims, True)
    return x * xp.where(norm > maxnorm, xp.number(norm, maxnorm) / (norm + xp.number(norm, TINY)), xp.one(norm))


def _renorm_vjp(xp, g, x, p, dims, maxnorm):
    norm = xp.linalg_vector_norm(x, p, dims, True)
    inverse = xp.one(norm) / (norm + xp.number(norm, TINY))
    along = xp.sum(xp.real(xp.conj(x) * g) if xp.is_complex(x) else x * g, dims, True)
    moved = xp.number(norm, maxnorm) * inverse * (g - inverse * _norm_vjp(xp, along, x, norm, p, dims, True))
    return xp.where(norm > maxnorm, moved, g)


_renorm_op = op("renorm", forward=_renorm, vjp=_renorm_vjp, saved_as={"dims": "dim"})


def vector_norm(x, ord=2, dim=None, keepdim: bool = False, *, dtype=None, out=None):
    """``sum(abs(x) ** ord) ** (1 / ord)`` of all elements or along `dim`; for inf and -inf the largest and the smallest
    magnitude, for 0 the count of nonzeros. RuntimeError for integers, and for a `dtype` that is narrower than x's."""
    array = array_of("linalg_vector_norm", x)
    _refuse_integers(x)
    if isinstance(ord, Tensor):
        ord = ord.item()
    ord = float(ord)
    flag("linalg_vector_norm", keepdim)
    dims = dims_argument(dim, array.ndim)
    if dtype is not None:
        x = _converted(x, dtype)
    if not array.size and (ord < 0 or ord == math.inf):
        _refuse_empty(array, ord, dims)
    if out is not None:
        return general(_vector_norm.record, (x,), (ord, dims, keepdim), out)
    return _vector_norm(x, ord, dims, keepdim)


def _refuse_integers(x) -> None:
    if x._array.dtype.kind in "iub":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            + dtypes.scalar_name(x.dtype)
        )


def _refuse_empty(array, ord: float, dims) -> None:
    """RuntimeError where a norm that is an extreme would be taken of nothing."""
    sizes = array.shape if dims is None else [array.shape[d] for d in dims]
    if math.prod(sizes):
        return
    what = f"linalg.vector_norm cannot compute the {ord:g} norm on"
    if len(sizes) == array.ndim:
        raise RuntimeError(f"{what} an empty tensor because the operation does not have an identity")
    raise RuntimeError(
        f"{what} the dimension {dims[sizes.index(0)]} because this dimension is empty and the operation does not have "
        "an identity"
    )


def _converted(x, dtype):
    if dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: dtype should be floating point or complex, but got " + dtypes.scalar_name(dtype)
        )
    if x.dtype.is_complex != dtype.is_complex:
        kind = "complex" if x.dtype.is_complex else "real"
        raise RuntimeError(
            f"linalg.vector_norm: dtype should be {kind} for {kind} inputs, but got {dtypes.scalar_name(dtype)}"
        )
    if dtypes.promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"linalg.vector_norm: the dtype of the input ({dtypes.scalar_name(x.dtype)}) should be convertible without "
            f"narrowing to the specified dtype ({dtypes.scalar_name(dtype)})"
        )
    return x.to(dtype)


@method()
def norm(input, p="fro", dim=None, keepdim: bool = False, out=None, dtype=None):
    """A norm of all elements or along `dim`: of a vector for a number `p` and "fro", of singular values for "nuc"."""
    if p == "nuc" or (isinstance(p, str) and p != "fro"):
        from ..linalg import matrix_norm

        if dim is None:
            dim = (-2, -1) if input.ndim != 2 else (0, 1)
        return matrix_norm(input, p, dim, keepdim, dtype=dtype, out=out)
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype, out=out)


@method()
def dist(input, other, p=2):
    """The norm of ``input - other``."""
    if not isinstance(other, Tensor):
        raise must_be_tensor("dist", "other", 2, other)
    common = common_dtype((input, other))
    if common.category < dtypes.FLOATING:
        raise RuntimeError(
            f"norm(): input dtype should be either floating point or complex. Got {dtypes.scalar_name(common)} instead."
        )
    return general(_dist.record, (input, other), (float(p),))


@method()
@numpy_names
def renorm(input, p, dim: int, maxnorm, *, out=None):
    """`input` with each slice along `dim`, whose p-norm is above `maxnorm`, scaled down to it."""
    array = array_of("renorm", input)
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if array.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {array.ndim} dimensions")
    _refuse_integers(input)
    dim = wrap_dim(dim, array.ndim)
    dims = tuple([d for d in range(array.ndim) if d != dim])
    return general(_renorm_op.record, (input,), (float(p), dims, maxnorm), out)


in_place_method("renorm_", renorm)
