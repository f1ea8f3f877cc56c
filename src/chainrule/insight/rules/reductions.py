"""Sums, products, norms and other functions of all elements or of those along dimensions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..algebra import ONE, ZERO, Formula, Whole, apply, at_least, atom, delta, multiplied, number, total
from ..complexes import conjugated
from ..formulas import Call, NoFormula, Place, full_place, rational_of, rule
from ..functions import above, root
from ..positions import Index, Position, difference, fresh


def dims_of(dims, n: int) -> set[int]:
    """The dimensions that a setting names; None and () are all."""
    if dims is None or dims == ():
        return set(range(n))
    return {d % n for d in ((dims,) if isinstance(dims, int) else dims)} if n else set()


def inside(call: Call, p: Place, keepdim: bool, which: int = 0) -> tuple[list[Index], Place]:
    """The indices that a reduction runs over, and the place of the element of the input."""
    shape = call.shape(which)
    dims = dims_of(call.setting("dim"), len(shape))
    rest = iter(p)
    bound: list[Index] = []
    found: list[Position] = []
    for d, n in enumerate(shape):
        if d in dims:
            if keepdim:
                next(rest)
            found.append(fresh(n) if n != 1 else 0)
            if n != 1:
                bound.append(found[-1])  # type: ignore[arg-type]
        else:
            found.append(next(rest))
    return bound, tuple(found)


def reduced(call: Call, p: Place) -> tuple[list[Index], Place]:
    return inside(call, p, bool(call.setting("keepdim")))


def summed(bound: list[Index], body: Formula) -> Formula:
    for index in reversed(bound):
        body = total(index, body)
    return body


def size_of(bound: list[Index]) -> int:
    """The number of elements that indices count; NoFormula for none."""
    size = math.prod(index.size for index in bound)
    if not size:
        raise NoFormula
    return size


def softmax_of(call: Call, p: Place, dim: int, which: int = 0) -> Formula:
    """exp(x) / Σ exp(x) along a dimension, as one thing with a derivative of its own."""
    return call.formulas.whole(
        f"softmax({call.input_name(which)})", _softmax_array(call.array(which), dim), p, _Softmax(call, which, dim)
    )


def _softmax_array(x: np.ndarray, dim: int) -> np.ndarray:
    powers = np.exp(x - x.max(dim, keepdims=True))
    return powers / powers.sum(dim, keepdims=True)


class Slopes:
    """The derivative of something computed from whole tensors: `of` the inputs at `places` of a call."""

    def __init__(self, call: Call, *places: int) -> None:
        self.call = call
        self.names = {place: call.input_name(place) for place in places if call.edges[place] is not None}
        self.shape = call.out_shape  # of what is computed

    def slope(self, one, by) -> Formula:
        kind, result = one.symbol.kind, ZERO
        if kind * by.kind < 0:  # of complex numbers, these are functions of the number alone
            return ZERO
        plain, at = self.of_kind(one, abs(kind)), full_place(self.shape, one.symbol.index)
        for place, name in self.names.items():  # one tensor may be several of the inputs
            if name == by.name:
                result = result + self.of(plain, at, place, full_place(self.call.shape(place), by.index))
        return conjugated(result) if kind < 0 else result

    def of(self, one, at: Place, place: int, inner: Place) -> Formula:
        """The derivative of the element at `at` by the element at `inner` of the input at `place`."""
        raise NotImplementedError

    def of_kind(self, one: Whole, kind: int) -> Whole:
        return Whole(one.symbol._replace(kind=kind), self)

    def moved(self, one: Whole, at: Place) -> Formula:
        """Another element of the same."""
        return atom(Whole(one.symbol._replace(index=tuple(p for p, n in zip(at, self.shape) if n != 1)), self))

    def same_but(self, dim: int, at: Place, inner: Place) -> Formula:
        """1 where two places agree in all dimensions but one."""
        result = ONE
        for d, (a, b) in enumerate(zip(at, inner)):
            if d != dim:
                result = result * delta(a, b)
        return result


class _Softmax(Slopes):
    def __init__(self, call: Call, which: int, dim: int) -> None:
        super().__init__(call, which)
        self.dim, self.shape = dim, call.shape(which)

    def of(self, one, at, place, inner):
        here, there = self.moved(one, at), self.moved(one, inner)
        return self.same_but(self.dim, at, inner) * (here * (delta(at[self.dim], inner[self.dim]) - there))


# ---------------------------------------------------------------- sums


@rule("sum", "sum_dim", "nansum", "mean", "mean_dim")
def _sum(call: Call, p: Place) -> Formula:
    if call.name == "nansum" and np.isnan(call.array(0)).any():
        raise NoFormula
    bound, place = reduced(call, p)
    result = summed(bound, call.at(0, place))
    if call.name.startswith("mean"):
        result = number(Fraction(1, size_of(bound))) * result
    return result


@rule("var", "std", "var_mean", "std_mean")
def _variance(call: Call, p: Place) -> Formula:
    bound, place = reduced(call, p)
    size = size_of(bound)
    if call.number == 1:
        return number(Fraction(1, size)) * summed(bound, call.at(0, place))
    free = size - Fraction(call.setting("correction"))
    if free <= 0:
        raise NoFormula
    array, dims = call.array(0), tuple(sorted(dims_of(call.setting("dim"), len(call.shape()))))
    mean = call.formulas.whole(
        f"mean({call.input_name(0)})", array.mean(dims, keepdims=True), place, _Mean(call, dims, size)
    )  # fmt: skip
    variance = number(1 / free) * summed(bound, (call.at(0, place) - mean).power(2))
    return root(variance) if call.name.startswith("std") else variance


class _Mean(Slopes):
    """Of a mean inside of a variance: 0, since the deviations from it add up to 0."""

    def __init__(self, call: Call, dims: tuple[int, ...], size: int) -> None:
        super().__init__(call, 0)
        self.dims, self.size = dims, size

    def slope(self, one, by) -> Formula:
        return ZERO


@rule("logsumexp")
def _logsumexp(call: Call, p: Place) -> Formula:
    bound, place = reduced(call, p)
    return apply("log", summed(bound, apply("exp", call.at(0, place))))


@rule("softmax", "log_softmax")
def _softmax(call: Call, p: Place) -> Formula:
    shape, dim = call.shape(), call.setting("dim")
    if not shape:
        return ONE if call.name == "softmax" else ZERO
    softmax = softmax_of(call, p, dim % len(shape))
    return softmax if call.name == "softmax" else apply("log", softmax)


@rule("softmax_backward")
def _softmax_backward(call: Call, p: Place) -> Formula:
    along = _along(call, p, lambda place: call.at(0, place) * call.at(1, place))
    return call.at(1, p) * (call.at(0, p) - along)


@rule("log_softmax_backward")
def _log_softmax_backward(call: Call, p: Place) -> Formula:
    return call.at(0, p) - apply("exp", call.at(1, p)) * _along(call, p, lambda place: call.at(0, place))


def _along(call: Call, p: Place, body) -> Formula:
    """The sum along a dimension through this place."""
    if not p:
        return body(p)
    dim = call.setting("dim") % len(p)
    n = call.shape()[dim]
    if n == 1:
        return body(p)
    k = fresh(n)
    return total(k, body((*p[:dim], k, *p[dim + 1 :])))


@rule("cumsum", "logcumsumexp")
def _cumsum(call: Call, p: Place) -> Formula:
    if not p:
        return call.at(0, p)
    dim = call.setting("dim") % len(p)
    k = fresh(call.shape()[dim])
    element = call.at(0, (*p[:dim], k if k.size != 1 else 0, *p[dim + 1 :]))
    if call.name == "cumsum":
        return total(k, at_least(difference(p[dim], k)) * element)
    return apply("log", total(k, at_least(difference(p[dim], k)) * apply("exp", element)))


# ---------------------------------------------------------------- products


@rule("prod", "prod_dim")
def _prod(call: Call, p: Place) -> Formula:
    bound, place = reduced(call, p)
    result = call.at(0, place)
    for index in reversed(bound):
        result = multiplied(index, result)
    return result


@rule("cumprod")
def _cumprod(call: Call, p: Place) -> Formula:
    if not p:
        return call.at(0, p)
    dim = call.setting("dim") % len(p)
    n = call.shape()[dim]
    if n == 1:
        return call.at(0, p)
    k = fresh(n)
    return multiplied(k, call.at(0, (*p[:dim], k, *p[dim + 1 :])), (difference(p[dim], k),))


# ---------------------------------------------------------------- norms


def norm_of(call: Call, bound: list[Index], body: Formula, order: float) -> Formula:
    """(Σ |body|^order)^(1/order)."""
    if order == 0:
        return summed(bound, above(apply("abs", body), ZERO))
    if order == 1:
        return summed(bound, apply("abs", body))
    if not math.isfinite(order):
        raise NoFormula  # `extreme_of` below
    exponent = rational_of(order).number
    assert exponent is not None
    base = body if order % 2 == 0 else apply("abs", body)
    return summed(bound, base.power(exponent)).power(1 / exponent)


@rule("linalg_vector_norm")
def _norm(call: Call, p: Place) -> Formula:
    bound, place = reduced(call, p)
    order = call.setting("ord")
    if math.isinf(order):
        return apply("abs", extreme_of(call, p, order > 0))
    return norm_of(call, bound, call.at(0, place), order)


def extreme_of(call: Call, p: Place, largest: bool) -> Formula:
    """The element with the largest or smallest absolute value."""
    from .arrangements import chosen

    sizes = np.abs(call.array(0))
    dims = tuple(sorted(dims_of(call.setting("dim"), sizes.ndim)))
    best = sizes.max(dims, keepdims=True) if largest else sizes.min(dims, keepdims=True)
    if ((sizes == best).sum(dims) != 1).any():
        raise NoFormula  # equals share the derivative
    flat = np.moveaxis((sizes == best).astype(int) * np.arange(sizes.size).reshape(sizes.shape), dims, range(len(dims)))
    where = flat.reshape(-1, *flat.shape[len(dims) :]).sum(0)
    if call.setting("keepdim"):
        where = np.expand_dims(where, dims)
    return chosen(call, 0, where, p, "argmax" if largest else "argmin")


@rule("amax", "amin", "max", "min")
def _extreme(call: Call, p: Place) -> Formula:
    """The element itself where it is the only one; equals share the derivative, each 1/n of it."""
    from .arrangements import rearranged

    x = call.array(0)
    setting = {"dim": None, "keepdim": False} if call.name in ("max", "min") else {}
    dims = dims_of(setting.get("dim") if setting else call.setting("dim"), x.ndim)
    best = (x.max if call.name in ("amax", "max") else x.min)(tuple(dims), keepdims=True) if x.size else x
    ties = (x == best).sum(tuple(dims), keepdims=True)
    if (ties == 1).all():
        return rearranged(call, p)
    name = f"{call.name.removeprefix('a')}({call.input_name(0)})"
    return call.formulas.whole(name, call.output(), p, _Extreme(call, dims, ties))


class _Extreme(Slopes):
    """∂max(x)/∂xᵢ = [xᵢ = max(x)]/n, if n elements are the largest."""

    def __init__(self, call: Call, dims: set[int], ties: np.ndarray) -> None:
        super().__init__(call, 0)
        self.dims, self.ties = dims, ties

    def of(self, one, at, place, inner):
        kept, whole = iter(at), []
        keeps = len(at) == len(inner)
        for d in range(len(inner)):
            if d in self.dims:
                whole.append(0)
                if keeps:
                    next(kept)
            else:
                whole.append(next(kept))
        result = apply("equal", self.call.at(0, inner), atom(one))
        for d, position in enumerate(whole):
            if d not in self.dims:
                result = result * delta(position, inner[d])
        if (self.ties == self.ties.flat[0]).all():
            return result * number(Fraction(1, int(self.ties.flat[0])))
        many = self.call.formulas.given(f"ties({self.call.input_name(0)})", self.ties, tuple(whole))
        return result * many.power(-1)


@rule("dist")
def _dist(call: Call, p: Place) -> Formula:
    shape = np.broadcast_shapes(call.shape(0), call.shape(1))
    place = tuple(fresh(n) if n != 1 else 0 for n in shape)
    bound = [index for index in place if isinstance(index, Index)]
    return norm_of(call, bound, call(0, place) - call(1, place), call.setting("p"))


@rule("cdist")
def _cdist(call: Call, p: Place) -> Formula:
    n = call.shape()[-1]
    k: Position = fresh(n) if n != 1 else 0
    left, right = (*p[:-2], p[-2], k), (*p[:-2], p[-1], k)
    apart = (call(0, left) - call(1, right)).power(2)
    return root(total(k, apart) if isinstance(k, Index) else apart)


@rule("renorm")
def _renorm(call: Call, p: Place) -> Formula:
    shape, order, most = call.shape(), call.setting("p"), rational_of(call.setting("maxnorm"))
    dims = dims_of(call.setting("dims"), len(shape))
    place = tuple((fresh(n) if n != 1 else 0) if d in dims else q for d, (n, q) in enumerate(zip(shape, p)))
    bound = [q for d, q in enumerate(place) if d in dims and isinstance(q, Index)]
    norm = norm_of(call, bound, call.at(0, place), order)
    over = above(norm, most)
    return call.at(0, p) * (ONE - over + over * most * (norm + number(Fraction(1, 10**7))).power(-1))


@rule("trace")
def _trace(call: Call, p: Place) -> Formula:
    n = min(call.shape())
    if n == 1:
        return call.at(0, (0, 0))
    k = fresh(n)
    return total(k, call.at(0, (k, k)))


@rule("glu")
def _glu(call: Call, p: Place) -> Formula:
    from ..positions import weighted

    dim = call.setting("dim") % len(p)
    half = call.shape()[dim] // 2
    gate = (*p[:dim], weighted((p[dim], 1), (half, 1)), *p[dim + 1 :])
    return call.at(0, p) * apply("sigmoid", call.at(0, gate))
