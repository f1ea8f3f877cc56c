"""Matrix products, convolutions, pooling by means, resampling: sums of products over indices."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..algebra import ONE, Formula, delta, number, total, within
from ..formulas import Call, NoFormula, Place, broadcast, rational_of, rule
from ..positions import Index, Position, fresh, quotient, remainder, weighted


def _contracted(n: int, left: Callable[[Position], Formula], right: Callable[[Position], Formula]) -> Formula:
    if n == 1:
        return left(0) * right(0)
    k = fresh(n)
    return total(k, left(k) * right(k))


@rule("mm", "mv", "dot", "vdot", "bmm", "matmul", "matvec", "vecmat")
def _matmul(call: Call, p: Place) -> Formula:
    return _matrix_product(call, 0, 1, p)


def _matrix_product(call: Call, first: int, second: int, p: Place) -> Formula:
    x, y = call.shape(first), call.shape(second)
    rows = () if len(x) == 1 else (p[-2],) if len(y) > 1 else (p[-1],)
    columns = () if len(y) == 1 else (p[-1],)
    batch = p[: len(p) - len(rows) - len(columns)]
    return _contracted(
        x[-1],
        lambda k: call.at(first, broadcast(x, (*batch, *rows, k))),
        lambda k: call.at(second, broadcast(y, (*batch, k, *columns))),
    )


@rule("addmm", "addmv", "baddbmm")
def _addmm(call: Call, p: Place) -> Formula:
    beta, alpha = rational_of(call.setting("beta")), rational_of(call.setting("alpha"))
    product = alpha * _matrix_product(call, 1, 2, p)
    return beta * call(0, p) + product if beta else product


@rule("addr")
def _addr(call: Call, p: Place) -> Formula:
    beta, alpha = rational_of(call.setting("beta")), rational_of(call.setting("alpha"))
    product = alpha * (call(1, p[:1]) * call(2, p[1:]))
    return beta * call(0, p) + product if beta else product


@rule("addbmm")
def _addbmm(call: Call, p: Place) -> Formula:
    beta, alpha = rational_of(call.setting("beta")), rational_of(call.setting("alpha"))
    count, _, inner = call.shape(1)

    def product(b: Position) -> Formula:
        return _contracted(inner, lambda k: call.at(1, (b, p[0], k)), lambda k: call.at(2, (b, k, p[1])))

    b = fresh(count) if count != 1 else 0
    total_product = alpha * (total(b, product(b)) if isinstance(b, Index) else product(b))
    return beta * call(0, p) + total_product if beta else total_product


@rule("linalg_cross")
def _cross(call: Call, p: Place) -> Formula:
    dim = call.setting("dim") % len(p)

    def turned(by: int) -> Place:
        return (*p[:dim], remainder(weighted((p[dim], 1), (by, 1)), 3), *p[dim + 1 :])

    return call(0, turned(1)) * call(1, turned(2)) - call(0, turned(2)) * call(1, turned(1))


# ---------------------------------------------------------------- convolutions


def _counted(n: int) -> Position:
    return fresh(n) if n != 1 else 0


def _over(positions, body: Formula) -> Formula:
    for position in reversed(positions):
        if isinstance(position, Index):
            body = total(position, body)
    return body


@rule("convolution")
def _convolution(call: Call, p: Place) -> Formula:
    x, w = call.shape(0), call.shape(1)
    groups = call.setting("groups")
    batch, channel, *at = p
    kernel = [_counted(n) for n in w[2:]]
    places = [
        weighted((i, s), (u, d), (-pad, 1))
        for i, s, u, d, pad in zip(
            at, *(call.setting(k) for k in ("stride",)), kernel, call.setting("dilation"), call.setting("padding")
        )
    ]
    inner = _counted(w[1])
    group = quotient(channel, w[0] // groups)
    body = call.at(1, (channel, inner, *kernel)) * call.at(0, (batch, weighted((group, w[1]), (inner, 1)), *places))
    return _with_bias(call, channel, _over([inner, *kernel], _inside(places, x[2:]) * body))


@rule("convolution_input")
def _convolution_input(call: Call, p: Place) -> Formula:
    x, w = call.shape(0), call.shape(1)
    groups = call.setting("groups")
    batch, channel, *at = p
    # element `at` of the result gets what the window starting at `start` spreads with the kernel's element `u`
    start, kernel = [_counted(n) for n in x[2:]], [_counted(n) for n in w[2:]]
    condition = ONE
    for i, j, s, u, d, pad in zip(
        at, start, call.setting("stride"), kernel, call.setting("dilation"), call.setting("padding")
    ):
        condition = condition * delta(weighted((j, s), (u, d), (-pad, 1)), i)
    inner = _counted(w[0] // groups)
    outer = weighted((quotient(channel, w[1]), w[0] // groups), (inner, 1))
    body = call.at(0, (batch, outer, *start)) * call.at(1, (outer, remainder(channel, w[1]), *kernel))
    return _with_bias(call, channel, _over([inner, *start, *kernel], condition * body))


@rule("convolution_weight")
def _convolution_weight(call: Call, p: Place) -> Formula:
    x, y = call.shape(0), call.shape(1)
    groups = call.setting("groups")
    outer, inner, *kernel = p
    batch, at = _counted(x[0]), [_counted(n) for n in y[2:]]
    places = [
        weighted((i, s), (u, d), (-pad, 1))
        for i, s, u, d, pad in zip(
            at, call.setting("stride"), kernel, call.setting("dilation"), call.setting("padding")
        )
    ]
    channel = weighted((quotient(outer, y[1] // groups), x[1] // groups), (inner, 1))
    body = call.at(0, (batch, channel, *places)) * call.at(1, (batch, outer, *at))
    return _over([batch, *at], _inside(places, x[2:]) * body)


def _inside(places: list[Position], shape: tuple[int, ...]) -> Formula:
    """1 where a place is inside of a tensor, not in its padding."""
    condition = ONE
    for place, n in zip(places, shape):
        condition = condition * within(place, n)
    return condition


def _with_bias(call: Call, channel: Position, product: Formula) -> Formula:
    return call.at(2, (channel,)) + product if call.has(2) else product


# ---------------------------------------------------------------- pooling by means


@rule("avg_pool2d", "avg_pool3d")
def _avg_pool(call: Call, p: Place) -> Formula:
    kernel, stride, padding = (call.setting(name) for name in ("kernel", "stride", "padding"))
    lead = p[: len(p) - len(kernel)]
    window = [_counted(n) for n in kernel]
    places = [weighted((i, s), (u, 1), (-pad, 1)) for i, s, u, pad in zip(p[len(lead) :], stride, window, padding)]
    body = _inside(places, call.shape()[len(lead) :]) * call.at(0, (*lead, *places))
    return _share_of_window(call, p, call.shape()[len(lead) :], call.out_shape) * _over(window, body)


@rule("avg_pool_backward")
def _avg_pool_backward(call: Call, p: Place) -> Formula:
    kernel, stride, padding = (call.setting(name) for name in ("kernel", "stride", "padding"))
    lead, size = p[: len(p) - len(kernel)], call.setting("size")
    start, window = [_counted(n) for n in call.shape()[len(lead) :]], [_counted(n) for n in kernel]
    condition = ONE
    for q, i, s, u, pad in zip(p[len(lead) :], start, stride, window, padding):
        condition = condition * delta(weighted((i, s), (u, 1), (-pad, 1)), q)
    body = condition * _share_of_window(call, (*lead, *start), size, call.shape()) * call.at(0, (*lead, *start))
    return _over([*start, *window], body)


def _share_of_window(call: Call, p: Place, size: tuple[int, ...], out: tuple[int, ...]) -> Formula:
    """One through the number of elements that a window counts."""
    kernel, stride, padding = (call.setting(name) for name in ("kernel", "stride", "padding"))
    divisor = call.setting("divisor")
    if divisor:
        return number(Fraction(1, divisor))
    counts = []
    for n, k, s, pad, many in zip(size, kernel, stride, padding, out[len(out) - len(kernel) :]):
        starts = np.arange(many) * s - pad
        ends = np.minimum(starts + k, n + pad)
        if not call.setting("count_padding"):
            starts, ends = np.maximum(starts, 0), np.minimum(ends, n)
        counts.append(ends - starts)
    if all((c == c[0]).all() for c in counts):
        return number(Fraction(1, math.prod(int(c[0]) for c in counts)))
    shares = 1 / np.prod(np.meshgrid(*counts, indexing="ij"), axis=0)
    return call.formulas.given("share", shares, p[len(p) - len(kernel) :])


# ---------------------------------------------------------------- resampling


@rule(
    "resample", "resample_backward", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "upsample_linear1d",
    "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "upsample_nearest-exact1d", "upsample_nearest-exact2d", "upsample_nearest-exact3d",
)  # fmt: skip
def _resample(call: Call, p: Place) -> Formula:
    """Along each dimension a matrix of weights, most of them 0."""
    shape, place, weights, bound = call.shape(), list(p), ONE, []
    back = call.name == "resample_backward"
    for d, tap in enumerate(call.setting("taps")):
        if tap is None:
            continue
        indices, factors, size = tap
        matrix = np.zeros((indices.shape[1], size))
        for row, index in enumerate(indices):
            np.add.at(matrix, (np.arange(len(index)), index), 1.0 if factors is None else factors[row])
        if back:
            matrix = matrix.T
        if matrix.shape != (call.out_shape[d], shape[d]):
            raise NoFormula
        k = place[d] = _counted(shape[d])
        weights = weights * call.formulas.given("weight", matrix, (p[d], k))
        bound.append(k)
    return _over(bound, weights * call.at(0, tuple(place)))


@rule("affine_grid_generator", "affine_grid_backward")
def _affine_grid(call: Call, p: Place) -> Formula:
    """Each position of a grid, as a row (…, y, x, 1), times a matrix; or the transpose of that."""
    from ...ops.grids import _base_grid

    size = call.setting("size")
    rows = _base_grid(size, call.setting("align_corners"), np.dtype(np.float64)).reshape(*size, len(size) + 1)
    if call.name == "affine_grid_generator":
        batch, *at, row = p
        return _contracted(
            len(size) + 1,
            lambda k: call.formulas.given("grid", rows, (*at, k)),
            lambda k: call.at(0, (batch, row, k)),
        )
    batch, row, column = p
    at = [_counted(n) for n in size]
    return _over(at, call.formulas.given("grid", rows, (*at, column)) * call.at(0, (batch, *at, row)))
