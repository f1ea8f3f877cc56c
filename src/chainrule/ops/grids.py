"""Sampling at positions: `affine_grid` makes a grid of positions, `grid_sample` interpolates an input there.

Positions are in [-1, 1] over the input's extent, the last dimension's first: (x, y) or (x, y, z).
"""

from __future__ import annotations

import math
from functools import reduce
from itertools import product

import numpy as np

from .. import dtypes
from ..op import LINEAR, general, must_be_tensor, op
from ..tensor import Tensor
from ..warning import warn
from . import lookup as _lookup, padding as _padding  # noqa: F401  (the formulas name operations of theirs)
from .publishing import no_kernel
from .resampling import CUBIC, cubic_far, cubic_near

__all__ = ["affine_grid", "grid_sample"]

# ---------------------------------------------------------------- grids


def _base_grid(size, align_corners: bool, dtype):
    """The positions (..., x, y, 1) of the centres (or with `align_corners` from corner to corner) of `size` elements."""
    lines = []
    for n in size:
        line = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        lines.append(line if align_corners else line * (n - 1) / n)
    parts = [part.ravel() for part in np.meshgrid(*lines, indexing="ij")]
    return np.stack([*parts[::-1], np.ones(math.prod(size))], axis=-1).astype(dtype)


_affine_grid = op(
    "affine_grid_generator",
    kind=LINEAR,
    forward=lambda xp, theta, /, size, align_corners: xp.matmul(
        _base_grid(size, align_corners, theta.dtype), theta.swapaxes(1, 2)
    ).reshape(theta.shape[0], *size, len(size)),
    vjp=lambda xp, g, size, align_corners: xp.affine_grid_backward(g, size, align_corners),
)
op(
    "affine_grid_backward",
    kind=LINEAR,
    forward=lambda xp, g, /, size, align_corners: xp.matmul(
        g.reshape(g.shape[0], -1, len(size)).swapaxes(1, 2), _base_grid(size, align_corners, g.dtype)
    ),
    vjp=lambda xp, g, size, align_corners: xp.affine_grid_generator(g, size, align_corners),
)


def _align_corners(align_corners: bool | None) -> bool:
    if align_corners is None:
        warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
        )
    return bool(align_corners)


def affine_grid(theta, size, align_corners: bool | None = None):
    """The positions (N, H, W, 2) or (N, D, H, W, 3) to which the matrices `theta` (N, 2, 3) or (N, 3, 4) map the elements
    of an output of this `size`, (N, C, H, W) or (N, C, D, H, W)."""
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}."
        )
    if theta.ndim != 3 or theta.shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size[0]}, {n + 1}] but got: "
            f"[{theta.shape[0]}, {n + 1}]."
        )
    return _affine_grid(theta, tuple(size[2:]), _align_corners(align_corners))


# ---------------------------------------------------------------- sampling
# Along each spatial dimension a position has taps: (index of an element, weight, derivative of the weight by the position
# in [-1, 1]). What is sampled is the sum over all combinations of taps.


def _folded(xp, c, n: int, align_corners: bool):
    """(positions reflected at the borders of `n` elements, the slope, 1 or -1, by the position)."""
    low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
    if not span:
        return xp.zeros_like(c), xp.zeros_like(c)
    side = xp.where(c < low, -xp.ones_like(c), xp.one(c))
    rest = (c - low) * side
    flips = xp.floor(rest / span)
    rest = xp.fmod(rest, xp.number(rest, span))
    odd = flips - 2 * xp.floor(flips / 2) == 1
    return xp.where(odd, span - rest, rest) + low, xp.where(odd, -side, side)


def _into_range(xp, c, n: int, padding: str, align_corners: bool):
    """(positions moved among `n` elements as the padding says, the slope of that); nan goes to 0."""
    slope = xp.ones_like(c)
    if padding == "zeros":
        return c, slope
    if padding == "reflection":
        c, slope = _folded(xp, c, n, align_corners)
    inside = (c > 0) & (c < n - 1)
    c = xp.where(c > 0, c, xp.zero(c))
    return xp.where(c < n - 1, c, xp.number(c, n - 1) + xp.zero(c)), xp.where(inside, slope, xp.zero(slope))


def _cubic_taps(t, scale):
    """Weights and slopes of Keys' four taps, the second of which lies `t` before the position."""
    a = CUBIC
    far, near = (lambda s: (3 * a * s - 10 * a) * s + 8 * a), (lambda s: (3 * (a + 2) * s - 2 * (a + 3)) * s)
    return [
        (-1, cubic_far(t + 1), far(t + 1) * scale),
        (0, cubic_near(t), near(t) * scale),
        (1, cubic_near(1 - t), -near(1 - t) * scale),
        (2, cubic_far(2 - t), -far(2 - t) * scale),
    ]


def _taps(xp, position, n: int, mode: str, padding: str, align_corners: bool):
    """The taps along a dimension of `n` elements: [(index, whether it is inside, weight, slope)]."""
    scale = (n - 1) / 2 if align_corners else n / 2
    c = (position + 1) * scale - (0 if align_corners else 0.5)
    slope = xp.one(c)
    if mode != "bicubic":
        c, slope = _into_range(xp, c, n, padding, align_corners)
    if mode == "nearest":
        taps = [(xp.round(c), xp.ones_like(c), xp.zeros_like(c))]
    else:
        first = xp.floor(c)
        t = c - first
        if mode == "bilinear":
            found = [(0, 1 - t, -slope * scale), (1, t, slope * scale)]
        else:
            found = _cubic_taps(t, scale)
        taps = [(first + k, w, s) for k, w, s in found]
    result = []
    for place, w, s in taps:
        if mode == "bicubic":
            place = _into_range(xp, place, n, padding, align_corners)[0]
        inside = (place >= 0) & (place < n)
        result.append((xp.cast(xp.where(inside, place, xp.zero(place)), dtypes.int64), inside, w, s))
    return result


def _combinations(xp, x_shape, grid, mode, padding, align_corners):
    """For each combination of taps: (the row of `_table` for each position, weights and slopes by dimension)."""
    size = x_shape[2:]
    count = math.prod(size)
    points = grid.reshape(grid.shape[0], math.prod(grid.shape[1:-1]), len(size))
    dims = [_taps(xp, points[..., len(size) - 1 - d], n, mode, padding, align_corners) for d, n in enumerate(size)]
    first = (xp.cumsum(xp.ones_like(dims[0][0][0]), 0) - 1) * count  # of each sample's rows
    outside = x_shape[0] * count
    for taps in product(*dims):
        row, inside = first, None
        for d, (index, there, _, _) in enumerate(taps):
            row = row + index * math.prod(size[d + 1 :])
            inside = there if inside is None else inside & there
        yield xp.where(inside, row, xp.number(row, outside)), [w for *_, w, _ in taps], [s for *_, s in taps]


def _product(factors):
    return reduce(lambda a, b: a * b, factors)


def _table(xp, x):
    """x's elements, one row of channels for each; the last row is of zeros, for what is outside."""
    n, channels, count = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    flat = x.reshape(n, channels, count).swapaxes(1, 2).reshape(n * count, channels)
    return xp.constant_pad_nd(flat, ((0, 1), (0, 0)), 0)


def _sample(xp, x, grid, /, mode, padding, align_corners):
    table, total = _table(xp, x), None
    for row, weights, _ in _combinations(xp, x.shape, grid, mode, padding, align_corners):
        part = xp.embedding(table, row, -1, False) * _product(weights)[..., None]
        total = part if total is None else total + part
    return total.swapaxes(1, 2).reshape(*x.shape[:2], *grid.shape[1:-1])


def _sample_vjp(xp, g, x, grid, mode, padding, align_corners, needs):
    g = g.reshape(*x.shape[:2], math.prod(g.shape[2:])).swapaxes(1, 2)
    combinations = list(_combinations(xp, x.shape, grid, mode, padding, align_corners))
    by_x = by_grid = None
    if needs[0] is not None:
        count = math.prod(x.shape[2:])
        for row, weights, _ in combinations:
            part = xp.embedding_backward(g * _product(weights)[..., None], row, x.shape[0] * count + 1, -1, False)
            by_x = part if by_x is None else by_x + part
        by_x = by_x[: x.shape[0] * count].reshape(x.shape[0], count, x.shape[1]).swapaxes(1, 2).reshape(x.shape)
    if needs[1] is not None and mode == "nearest":
        by_grid = xp.zeros_like(grid)
    elif needs[1] is not None:
        table, slopes = _table(xp, x), [None] * (grid.ndim - 2)
        for row, weights, slope in combinations:
            along = xp.sum(g * xp.embedding(table, row, -1, False), (2,), False)
            for d in range(len(slopes)):
                part = along * _product([*weights[:d], slope[d], *weights[d + 1 :]])
                slopes[d] = part if slopes[d] is None else slopes[d] + part
        by_grid = xp.concatenate([part[..., None] for part in slopes[::-1]], 2).reshape(grid.shape)
    return by_x, by_grid


_RECORDS = {
    n: op(
        f"grid_sampler_{n}d",
        forward=_sample,
        vjp=_sample_vjp,
        refuses=no_kernel(f"grid_sampler_{n}d_cpu{'_kernel_impl' if n == 2 else ''}", "biuc"),
        node=f"GridSampler{n}DBackward0",
    )
    for n in (2, 3)
}


def grid_sample(input, grid, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None):
    """`input` (N, C, H, W) at the positions `grid` (N, H', W', 2), or (N, C, D, H, W) at (N, D', H', W', 3).

    `mode`: "bilinear" (between 8 elements in three dimensions), "nearest" or "bicubic" (4-d only). `padding_mode` says
    what is outside: "zeros", the "border", or the input's "reflection"."""
    if mode not in _INTERPOLATIONS:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    align_corners = _align_corners(align_corners)
    for position, (name, x) in enumerate((("input", input), ("grid", grid)), 1):
        if not isinstance(x, Tensor):
            raise must_be_tensor("grid_sampler", name, position, x)
    _check_sampling(input, grid, mode)
    record = _RECORDS[input.ndim - 2].record
    if input.dtype.itemsize == 2 and input.is_floating_point():
        wide = general(record, (input.float(), grid.float()), (mode, padding_mode, align_corners))
        return wide.to(input.dtype)
    return general(record, (input, grid), (mode, padding_mode, align_corners))


_INTERPOLATIONS, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def grid_sampler(input, grid, interpolation_mode: int, padding_mode: int, align_corners: bool):
    """`grid_sample`, its modes named by their numbers."""
    return grid_sample(input, grid, _INTERPOLATIONS[interpolation_mode], _PADDINGS[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def _check_sampling(input, grid, mode: str) -> None:
    sizes = f"but got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[:1] != grid.shape[:1]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, {sizes}")
    spatial = input.ndim - 2
    if grid.shape[-1] != spatial:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {spatial} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    for d in range(2, input.ndim):
        if not input.shape[d]:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {d} being empty"
            )
    if spatial not in (2, 3) or grid.ndim != input.ndim:
        raise RuntimeError(
            f"grid_sampler(): expected {4 if spatial not in (2, 3) else spatial + 2}D input and grid with same number of "
            f"dimensions, {sizes}"
        )
    if spatial == 3 and mode == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            f"expected scalar type {dtypes.scalar_name(input.dtype)} but found {dtypes.scalar_name(grid.dtype)}"
        )
