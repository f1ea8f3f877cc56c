"""Resampling: each element along a dimension of the result is a weighted sum of a few of the input's ("taps").

Interpolation, adaptive means and borders are all of this kind, dimension by dimension.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ..backend.gathering import add_rows
from ..backend.reductions import narrowed, widened
from ..dtypes import scalar_name
from ..op import general, must_be_tensor, op
from ..tensor import Tensor

__all__ = [
    "channel_shuffle",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

# ---------------------------------------------------------------- the record
# For each dimension None, or (indices of shape (taps, size of the result), weights of that shape or None for 1, size).


def _forward(x, taps):
    dtype, x = x.dtype, widened(x)
    for d, tap in enumerate(taps):
        if tap is None:
            continue
        indices, weights, _ = tap
        total = None
        for i, index in enumerate(indices):
            part = np.take(x, index, axis=d)
            if weights is not None:
                part *= weights[i].astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - d - 1))
            total = part if total is None else total + part
        x = total
    return narrowed(x, dtype)


def _backward(g, taps):
    dtype, g = g.dtype, widened(np.asarray(g))
    for d, tap in enumerate(taps):
        if tap is None:
            continue
        indices, weights, size = tap
        rows = np.moveaxis(g, d, 0)
        total = None
        for i, index in enumerate(indices):
            part = rows if weights is None else rows * weights[i].astype(g.dtype).reshape((-1,) + (1,) * (g.ndim - 1))
            part = add_rows(size, index, part)
            total = part if total is None else total + part
        g = np.moveaxis(total, 0, d)
    return narrowed(np.ascontiguousarray(g), dtype)


def _record(name: str, node: str):
    return op(
        name,
        forward=lambda xp, x, /, taps: _forward(x, taps),
        vjp=lambda xp, g, taps: xp.resample_backward(g, taps),
        jvp=lambda xp, t_x, taps: xp.resample(t_x, taps),
        node=node,
    )


_resample = _record("resample", "ResampleBackward0")
op(
    "resample_backward",
    forward=lambda xp, x, /, taps: _backward(x, taps),
    vjp=lambda xp, g, taps: xp.resample(g, taps),
    jvp=lambda xp, t_x, taps: xp.resample_backward(t_x, taps),
)
_RECORDS = {
    name: _record(name, node)
    for name, node in [
        *[(f"adaptive_avg_pool{n}d", f"AdaptiveAvgPool{n}DBackward0") for n in (2, 3)],
        *[(f"upsample_nearest{n}d", f"UpsampleNearest{n}DBackward0") for n in (1, 2, 3)],
        *[(f"upsample_nearest-exact{n}d", f"UpsampleNearestExact{n}DBackward0") for n in (1, 2, 3)],
        ("upsample_linear1d", "UpsampleLinear1DBackward0"),
        ("upsample_bilinear2d", "UpsampleBilinear2DBackward0"),
        ("upsample_trilinear3d", "UpsampleTrilinear3DBackward0"),
        ("upsample_bicubic2d", "UpsampleBicubic2DBackward0"),
    ]
}


def resample(name: str, input, taps):
    """`input` resampled along each dimension, as the operation of this name."""
    return general(_RECORDS[name].record, (input,), (taps,))


# ---------------------------------------------------------------- taps


@lru_cache(maxsize=128)
def adaptive_taps(size: int, out: int):
    """Means of `out` windows that share `size` elements among them."""
    i = np.arange(out)
    start, end = i * size // max(out, 1), -((i + 1) * size // -max(out, 1))
    count = int((end - start).max(initial=1))
    offsets = np.arange(count)[:, None]
    inside = offsets < end - start
    return np.where(inside, start + offsets, start), inside / (end - start), size


def _positions(size: int, out: int, scale: float | None, align_corners: bool) -> np.ndarray:
    """Where the centres of the result's elements lie among the input's."""
    i = np.arange(out)
    if align_corners:
        return i * ((size - 1) / (out - 1) if out > 1 else 0.0)
    return (i + 0.5) * (1 / scale if scale else size / out) - 0.5


@lru_cache(maxsize=128)
def _taps(mode: str, size: int, out: int, scale: float | None, align_corners: bool):
    if mode in ("nearest", "nearest-exact"):
        step = np.float32(1 / scale) if scale else np.float32(size) / np.float32(out)
        i = np.arange(out, dtype=np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0)
        return np.minimum((i * step).astype(np.int64), size - 1)[None], None, size
    position = _positions(size, out, scale, align_corners)
    if mode == "cubic":
        first = np.floor(position)
        t = position - first
        indices = np.clip(first.astype(np.int64) + np.arange(-1, 3)[:, None], 0, size - 1)
        return indices, np.stack([cubic_far(t + 1), cubic_near(t), cubic_near(1 - t), cubic_far(2 - t)]), size
    position = np.maximum(position, 0)
    first = np.minimum(position.astype(np.int64), size - 1)
    part = np.clip(position - first, 0, 1)
    return np.stack([first, np.minimum(first + 1, size - 1)]), np.stack([1 - part, part]), size


CUBIC = -0.75  # Keys' parameter, as PyTorch chose it


def cubic_near(t):
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def cubic_far(t):
    return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC


# ---------------------------------------------------------------- the functions

_MODES = {
    (3, "linear"): ("upsample_linear1d", "linear"),
    (4, "bilinear"): ("upsample_bilinear2d", "linear"),
    (5, "trilinear"): ("upsample_trilinear3d", "linear"),
    (4, "bicubic"): ("upsample_bicubic2d", "cubic"),
}
_NAMES = {"linear": 3, "bilinear": 4, "trilinear": 5}


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
):
    """(N, C, *) brought to another size, or to a multiple of its own.

    `mode`: "nearest", "nearest-exact", "linear" (3-d), "bilinear" and "bicubic" (4-d), "trilinear" (5-d), "area".
    `align_corners`: the corner elements' centres stay where they are.
    """
    if not isinstance(input, Tensor):
        raise must_be_tensor("interpolate", "input", 1, input)
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not supported")
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    spatial = input.dim() - 2
    out, scales = _sizes(input, spatial, size, scale_factor, recompute_scale_factor)
    return _interpolated(input, mode, spatial, out, scales, bool(align_corners))


def _interpolated(input, mode: str, spatial: int, out, scales, align_corners: bool):
    from . import pooling

    ndim = input.dim()
    if mode == "area" and 1 <= spatial <= 3:
        return getattr(pooling, f"adaptive_avg_pool{spatial}d")(input, out)
    if mode in ("nearest", "nearest-exact") and 1 <= spatial <= 3:
        name, kind = f"upsample_{mode}{spatial}d", mode
    elif (ndim, mode) in _MODES:
        name, kind = _MODES[ndim, mode]
    elif mode in _NAMES and 3 <= ndim <= 5:
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {_NAMES[mode]}D input")
    else:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear | bilinear "
            f"| bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if not all(input.shape[1:]) or not all(o > 0 for o in out):
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({', '.join(map(str, input.shape[2:]))}) output "
            f"({', '.join(map(str, out))})"
        )
    taps = [_taps(kind, n, o, scale, align_corners) for n, o, scale in zip(input.shape[2:], out, scales, strict=True)]
    if input._array.dtype.kind in "iub" and kind in ("linear", "cubic"):
        return _bytes_resampled(name, input, taps)
    return resample(name, input, (None, None, *taps))


def _bytes_resampled(name: str, input, taps):
    """Images of bytes, dimension by dimension from the last, rounded to bytes after each; other integers have no kernel."""
    if input._array.dtype.kind != "u" or len(taps) != 2:
        raise NotImplementedError(f"\"{name}_channels_last\" not implemented for '{scalar_name(input.dtype)}'")
    values = input.float()
    for along in ((None, taps[1]), (taps[0], None)):
        values = (resample(name, values, (None, None, *along)) + 0.5).floor().clamp(0, 255)
    return values.to(input.dtype)


def _sizes(input, spatial: int, size, scale_factor, recompute):
    """(the size of the result, the scale of each dimension or None where it follows from the sizes)."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != spatial:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with spatial "
                    f"dimensions of {list(input.shape[2:])} and output size of {size}. Please provide input tensor in (N, "
                    "C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            return tuple(size), (None,) * spatial
        return (size,) * spatial, (None,) * spatial
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != spatial:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}. Please provide input "
                "tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
            )
        scales = tuple(scale_factor)
    else:
        scales = (scale_factor,) * spatial
    out = tuple([math.floor(float(n) * float(s)) for n, s in zip(input.shape[2:], scales, strict=True)])
    return out, (None,) * spatial if recompute else tuple(map(float, scales))


def upsample(input, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool | None = None):
    """Deprecated: see `interpolate`."""
    from ..warning import warn

    warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """Deprecated: see `interpolate`."""
    from ..warning import warn

    warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """Deprecated: see `interpolate`."""
    from ..warning import warn

    warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# ---------------------------------------------------------------- channels and pixels

_pixel_shuffle = op(
    "pixel_shuffle",
    forward=lambda xp, x, /, factor: _shuffled(x, factor),
    vjp=lambda xp, g, factor: xp.pixel_unshuffle(g, factor),
    jvp=lambda xp, t_x, factor: xp.pixel_shuffle(t_x, factor),
)
_pixel_unshuffle = op(
    "pixel_unshuffle",
    forward=lambda xp, x, /, factor: _unshuffled(x, factor),
    vjp=lambda xp, g, factor: xp.pixel_shuffle(g, factor),
    jvp=lambda xp, t_x, factor: xp.pixel_unshuffle(t_x, factor),
)
_channel_shuffle = op(
    "channel_shuffle",
    forward=lambda xp, x, /, groups: x.reshape(x.shape[0], groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape),
    vjp=lambda xp, g, groups: xp.channel_shuffle(g, g.shape[1] // groups),
    jvp=lambda xp, t_x, groups: xp.channel_shuffle(t_x, groups),
)


def _shuffled(x, factor: int):
    *lead, c, h, w = x.shape
    c //= factor * factor
    n = len(lead)
    parts = x.reshape(*lead, c, factor, factor, h, w)
    return parts.transpose(*range(n + 1), n + 3, n + 1, n + 4, n + 2).reshape(*lead, c, h * factor, w * factor)


def _unshuffled(x, factor: int):
    *lead, c, h, w = x.shape
    h, w = h // factor, w // factor
    n = len(lead)
    parts = x.reshape(*lead, c, h, factor, w, factor)
    return parts.transpose(*range(n + 1), n + 2, n + 4, n + 1, n + 3).reshape(*lead, c * factor * factor, h, w)


def _check_pixels(function: str, input, factor: int, word: str) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{function} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{function} expects a positive {word}, but got {factor}")


def pixel_shuffle(input, upscale_factor: int):
    """(*, C · r², H, W) to (*, C, H · r, W · r) (Shi et al. 2016)."""
    _check_pixels("pixel_shuffle", input, upscale_factor, "upscale_factor")
    if input.shape[-3] % upscale_factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={input.shape[-3]} is not divisible by {upscale_factor**2}"
        )
    return _pixel_shuffle(input, upscale_factor)


def pixel_unshuffle(input, downscale_factor: int):
    """The inverse of `pixel_shuffle`."""
    _check_pixels("pixel_unshuffle", input, downscale_factor, "downscale_factor")
    for d, name in ((-2, "height"), (-1, "width")):
        if input.shape[d] % downscale_factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({d})="
                f"{input.shape[d]} is not divisible by {downscale_factor}"
            )
    return _pixel_unshuffle(input, downscale_factor)


def channel_shuffle(input, groups: int):
    """Channels (dimension 1) in the order that takes one of each of `groups` groups in turn."""
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if input.shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {input.shape[1]} channels and {groups} groups."
        )
    return _channel_shuffle(input, groups)
