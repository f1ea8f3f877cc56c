"""Rows of what torch.nn is made of: activations, losses, convolutions, pooling, normalization, lookups, resampling."""

import itertools
import math

import numpy as np

import chainrule as torch
from chainrule.op import REGISTRY
from chainrule.ops.resampling import _taps, adaptive_taps

from .makers import COMPLEX, FLOATING, distinct, floats, given, integers, positive, row

F = torch.nn.functional


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def taps(kind, size, out, corners=False):
    return _taps(kind, size, out, None, corners)


def resampling(kind, *sizes):
    """Settings that resample the last dimensions, of 3 and then 4 elements, to `sizes`."""
    return ((None, None, *[taps(kind, n, out) for n, out in zip((3, 4), sizes)]),)


def convolve(x, w, b, stride, padding, dilation, groups):
    """A convolution spelled out, one output element at a time."""
    x = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    kernel, size = w.shape[2:], x.shape[2:]
    out = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size, kernel, stride, dilation)]
    found = np.zeros((x.shape[0], w.shape[0], *out), x.dtype)
    each, per = w.shape[0] // groups, w.shape[1]
    for n, o in np.ndindex(x.shape[0], w.shape[0]):
        channels = slice(o // each * per, (o // each + 1) * per)
        for place in np.ndindex(*out):
            window = tuple(
                slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, k, d in zip(place, stride, kernel, dilation)
            )
            found[(n, o, *place)] = (x[(n, channels, *window)] * w[o]).sum()
    return found if b is None else found + np.reshape(b, (-1, *[1] * len(out)))


def nll(x, target, weight, reduction, ignore_index):
    loss, total = [], 0.0
    for i, t in enumerate(target):
        w = 0.0 if t == ignore_index else 1.0 if weight is None else weight[t]
        loss.append(-w * x[i, t])
        total += w
    return np.array(loss) if reduction == "none" else np.sum(loss) / (total if reduction == "mean" else 1)


def normalized(x, weight, bias, dims, eps):
    out = (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def first(out):
    return out[0]


def affine_grid(theta, size, corners):
    """The map of each element's centre, spelled out."""
    lines = [np.linspace(-1, 1, n) * (1 if corners else (n - 1) / n) for n in size]
    centres = [(x, y, 1) for y in lines[0] for x in lines[1]]
    return np.array([[matrix @ c for c in centres] for matrix in theta]).reshape(len(theta), *size, 2)


def kernel(mode, t):
    """The weight of an element at distance `t` from a position."""
    t = abs(t)
    if mode == "nearest":
        return float(t <= 0.5)
    if mode == "bilinear":
        return max(0.0, 1 - t)
    if t <= 1:
        return 1.25 * t**3 - 2.25 * t**2 + 1
    return -0.75 * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def sampled(x, grid, mode, padding, corners):
    """The sum over a neighbourhood of every position, weighted by the kernel, one output element at a time."""
    out = np.zeros((*x.shape[:2], *grid.shape[1:3]))
    for n, i, j in np.ndindex(len(grid), *grid.shape[1:3]):
        place = [
            (p + 1) * (size - 1) / 2 if corners else ((p + 1) * size - 1) / 2
            for p, size in zip(grid[n, i, j][::-1], x.shape[2:])
        ]
        if mode != "bicubic" and padding != "zeros":
            place = [inward(p, size, padding) for p, size in zip(place, x.shape[2:])]
        for row_, column in np.ndindex(7, 7):
            near = [math.floor(p) + k - 3 for p, k in zip(place, (row_, column))]
            weight = kernel(mode, place[0] - near[0]) * kernel(mode, place[1] - near[1])
            if padding != "zeros":
                near = [int(inward(k, size, padding)) for k, size in zip(near, x.shape[2:])]
            if weight and all(0 <= k < size for k, size in zip(near, x.shape[2:])):
                out[n, :, i, j] += weight * x[n, :, near[0], near[1]]
    return out


def inward(p, size, padding):
    if padding == "reflection":
        while not -0.5 <= p <= size - 0.5:
            p = -1 - p if p < -0.5 else 2 * size - 1 - p
    return min(max(p, 0), size - 1)


def all_alignments(x, targets, blank, times, lengths, zero_infinity):
    """The loss from the definition: the sum over all sequences of labels that collapse to the target."""
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    losses = []
    for n, (time, length) in enumerate(zip(times, lengths)):
        total = 0.0
        for path in itertools.product(range(x.shape[2]), repeat=time):
            labels = [label for label, _ in itertools.groupby(path) if label != blank]
            if labels == list(targets[n, :length]):
                total += math.prod(p[t, n, label] for t, label in enumerate(path))
        losses.append(-math.log(total))
    return np.array(losses)


INSIDE = given([[[[-0.4, 0.3], [1.3, -0.6]]]])
WEIGHT = positive(4)
CONV = ((1, 1), (0, 0), (1, 1), 1)
STRIDED = ((2, 1), (1, 2), (1, 2), 2)
POOL = ((2, 2), (2, 2), (0, 0), (1, 1), (2, 2))

ROWS = {
    # ---- activations
    "mish": row(floats(2, 3), reference=lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "hardtanh": row(
        floats(2, 3, away=(-1.0, 0.5)), settings=(-1.0, 0.5), reference=lambda x, low, high: np.clip(x, low, high)
    ),
    "hardsigmoid": row(
        floats(2, 3, low=-5, high=5, away=(-3.0, 3.0)), reference=lambda x: np.clip(x + 3, 0, 6) / 6
    ),
    "hardswish": row(
        floats(2, 3, low=-5, high=5, away=(-3.0, 3.0)), reference=lambda x: x * np.clip(x + 3, 0, 6) / 6
    ),
    "log_sigmoid": row(floats(2, 3), reference=lambda x: np.log(sigmoid(x))),
    "softshrink": row(
        floats(2, 3, away=(-0.5, 0.5)),
        settings=(0.5,),
        reference=lambda x, w: np.sign(x) * np.maximum(np.abs(x) - w, 0),
    ),
    "rrelu": row(floats(2, 3), positive(2, 3), differentiable=(0,), reference=np.multiply),
    "rrelu_mean": row(floats(2, 3), settings=(0.2,), reference=lambda x, slope: np.where(x > 0, x, slope * x)),
    "glu": row(floats(2, 4), settings=(1,), reference=lambda x, dim: x[:, :2] * sigmoid(x[:, 2:])),
    # ---- losses
    "mse_loss": [
        row(floats(2, 3), floats(2, 3), settings=("mean", None), reference=lambda x, y, *_: ((x - y) ** 2).mean(), empty=False),
        row(floats(2, 3), floats(2, 3), settings=("sum", None), reference=lambda x, y, *_: ((x - y) ** 2).sum()),
        row(floats(2, 3), floats(2, 3), settings=("none", None), reference=lambda x, y, *_: (x - y) ** 2),
    ],
    "smooth_l1_loss": [
        row(
            given([[-2.0, 0.1], [0.4, 2.0]]),
            given([[0.0, 0.0], [0.2, 0.5]]),
            settings=(how, 1.0),
            reference=lambda x, y, how, b: {"mean": np.mean, "sum": np.sum, "none": np.asarray}[how](
                np.where(np.abs(x - y) < b, 0.5 * (x - y) ** 2 / b, np.abs(x - y) - 0.5 * b)
            ),
            empty=how != "mean",
        )
        for how in ("mean", "sum", "none")
    ],
    "huber_loss": row(
        given([[-2.0, 0.1], [0.4, 2.0]]),
        given([[0.0, 0.0], [0.2, 0.5]]),
        settings=("mean", 0.7),
        reference=lambda x, y, how, d: np.where(
            np.abs(x - y) <= d, 0.5 * (x - y) ** 2, d * (np.abs(x - y) - 0.5 * d)
        ).mean(),
        empty=False,
    ),
    "soft_margin_loss": row(
        floats(2, 3), floats(2, 3), settings=("mean",), reference=lambda x, y, how: np.log1p(np.exp(-x * y)).mean(), empty=False
    ),
    "nll_loss": [
        row(floats(3, 4), given([0, 3, 1]), WEIGHT, settings=("mean", -100), reference=nll, differentiable=(0,), empty=False),
        row(floats(3, 4), given([0, 3, 1]), None, settings=("sum", 3), reference=nll, empty=False),
        row(floats(3, 4), given([0, 3, 1]), None, settings=("none", 3), reference=nll, empty=False),
    ],
    "nll_loss_2d": row(floats(2, 3, 2), given([[0, 2], [1, 1]]), None, settings=("mean", -100), empty=False),
    "nll_loss_backward": [
        row(floats(3), given([0, 3, 1]), WEIGHT, settings=((3, 4), "none", 1), differentiable=(0,), empty=False),
        row(floats(), given([0, 3, 1]), None, settings=((3, 4), "mean", -100), empty=False),
    ],
    "div_number": row(floats(2, 3), settings=(3,), reference=np.divide),
    "binary_cross_entropy": [
        row(
            positive(2, 3, low=0.1, high=0.9),
            positive(2, 3, low=0.1, high=0.9),
            weight,
            settings=("mean",),
            differentiable=(0, 1),
            reference=lambda x, y, w, how: (-(y * np.log(x) + (1 - y) * np.log1p(-x)) * (1 if w is None else w)).mean(),
            empty=False,
        )
        for weight in (None, positive(2, 3))
    ],
    "binary_cross_entropy_with_logits": [
        row(
            floats(2, 3),
            positive(2, 3, low=0.1, high=0.9),
            weight,
            pos,
            settings=(how,),
            differentiable=(0, 1),
            reference=lambda x, y, w, p, how: {"mean": np.mean, "none": np.asarray}[how](
                -((1 if p is None else p) * y * np.log(sigmoid(x)) + (1 - y) * np.log(sigmoid(-x)))
                * (1 if w is None else w)
            ),
            empty=False,
        )
        for weight, pos, how in ((None, None, "mean"), (positive(2, 3), positive(2, 3), "none"))
    ],
    "multi_margin_loss": [
        row(floats(3, 4), given([0, 3, 1]), weight, settings=(p, 1.0, how), differentiable=(0,), empty=False)
        for weight, p, how in ((None, 1, "mean"), (WEIGHT, 2, "none"))
    ],
    # ---- lookups
    "embedding": row(
        floats(4, 3), integers(2, 2, high=4), settings=(-1, False), reference=lambda w, i, *_: w[i], empty=False
    ),
    "embedding_backward": [
        row(floats(4, 3), given([0, 2, 2, 1]), settings=(4, padding, by), empty=False)
        for padding, by in ((-1, False), (2, False), (-1, True))
    ],
    "embedding_weights": row(floats(4, 3), given([0, 2, 2, 1]), settings=(4, 0, True), differentiable=(), empty=False),
    # ---- convolutions
    "convolution": [
        row(floats(2, 2, 4, 5), floats(4, 2, 2, 3), floats(4), settings=CONV, reference=convolve, dtypes=FLOATING + COMPLEX, empty=False, tolerance=1e-4),
        row(floats(1, 4, 5, 6), floats(2, 2, 2, 3), None, settings=STRIDED, reference=convolve, empty=False, tolerance=1e-4),
        row(floats(2, 2, 5), floats(2, 2, 3), None, settings=((2,), (1,), (1,), 1), reference=convolve, empty=False, tolerance=1e-4),
        row(floats(1, 1, 3, 3, 3), floats(1, 1, 2, 2, 2), floats(1), settings=((1,) * 3, (0,) * 3, (1,) * 3, 1), reference=convolve, empty=False, tolerance=1e-4),
    ],
    "convolution_input": [
        row(floats(2, 4, 3, 3), floats(4, 2, 2, 3), floats(2), settings=((4, 5), *CONV), dtypes=FLOATING + COMPLEX, empty=False, tolerance=1e-4),
        row(floats(1, 2, 3, 6), floats(2, 2, 2, 3), None, settings=((5, 6), *STRIDED), empty=False, tolerance=1e-4),
        row(floats(1, 2, 3, 3), floats(2, 1, 1, 1), None, settings=((4, 4), (1, 1), (0, 0), (2, 2), 1), empty=False, tolerance=1e-4),
    ],
    "convolution_weight": [
        row(floats(2, 2, 4, 5), floats(2, 4, 3, 3), settings=((2, 3), *CONV), dtypes=FLOATING + COMPLEX, empty=False, tolerance=1e-4),
        row(floats(1, 4, 5, 6), floats(1, 2, 3, 6), settings=((2, 3), *STRIDED), empty=False, tolerance=1e-4),
    ],
    # ---- pooling
    "max_pool2d": [
        row(distinct(2, 2, 4, 4), settings=POOL, check=first, empty=False),
        row(distinct(1, 2, 4, 5), settings=((3, 2), (1, 2), (1, 1), (1, 2), (4, 3)), check=first, empty=False),
    ],
    "max_pool3d": row(distinct(1, 2, 2, 4, 2), settings=((2,) * 3, (2,) * 3, (0,) * 3, (1,) * 3, (1, 2, 1)), check=first, empty=False),
    "adaptive_max_pool2d": row(distinct(2, 1, 5, 4), settings=((2, 3),), check=first, empty=False),
    "adaptive_max_pool3d": row(distinct(1, 1, 3, 2, 2), settings=((2, 1, 2),), check=first, empty=False),
    "add_at_places": row(floats(1, 2, 2, 2), given([[[[0, 3], [3, 5]], [[1, 1], [2, 0]]]]), settings=((1, 2, 2, 3),), empty=False),
    "at_places": row(floats(1, 2, 2, 3), given([[[[0, 3], [3, 5]], [[1, 1], [2, 0]]]]), empty=False),
    "max_unpool2d": row(floats(1, 1, 2, 2), given([[[[0, 3], [8, 5]]]]), settings=((1, 1, 3, 3),), empty=False),
    "max_unpool3d": row(floats(1, 1, 1, 2, 2), given([[[[[0, 3], [7, 5]]]]]), settings=((1, 1, 2, 2, 2),), empty=False),
    "avg_pool2d": [
        row(floats(2, 2, 4, 4), settings=((2, 2), (2, 2), (0, 0), (2, 2), True, None), reference=lambda x, *_: x.reshape(2, 2, 2, 2, 2, 2).mean((3, 5)), empty=False),
        row(floats(1, 2, 4, 5), settings=((3, 2), (2, 1), (1, 1), (2, 6), False, None), empty=False),
        row(floats(1, 2, 4, 5), settings=((3, 2), (2, 1), (1, 1), (2, 6), True, 3), empty=False),
    ],
    "avg_pool3d": row(floats(1, 1, 2, 4, 2), settings=((2,) * 3, (2,) * 3, (0,) * 3, (1, 2, 1), True, None), empty=False),
    "avg_pool_backward": row(floats(1, 2, 2, 6), settings=((4, 5), (3, 2), (2, 1), (1, 1), False, None), empty=False),
    "im2col": row(floats(1, 2, 4, 5), settings=((2, 2), (1, 2), (1, 0), (1, 2), (5, 2)), empty=False),
    "col2im": row(floats(1, 8, 10), settings=((4, 5), (2, 2), (1, 2), (1, 0), (1, 2), (5, 2)), empty=False),
    # ---- normalization
    "native_layer_norm": [
        row(floats(2, 3, 4), floats(4), floats(4), settings=((2,), 1e-5), reference=normalized, check=first, empty=False, tolerance=1e-4),
        row(floats(2, 3, 4), None, None, settings=((1, 2), 0.1), reference=normalized, check=first, empty=False, tolerance=1e-4),
    ],
    "native_batch_norm": row(floats(3, 2, 4), floats(1, 2, 1), floats(1, 2, 1), settings=((0, 2), 1e-5), reference=normalized, check=first, empty=False, tolerance=1e-4),
    "native_group_norm": row(floats(2, 4, 3), floats(4), floats(4), settings=(2, 1e-5), check=first, empty=False, tolerance=1e-4),
    "batch_norm_eval": row(
        floats(3, 2, 4), floats(1, 2, 1), positive(1, 2, 1), floats(1, 2, 1), floats(1, 2, 1), settings=(1e-5,),
        differentiable=(0, 3, 4), reference=lambda x, m, v, w, b, eps: (x - m) / np.sqrt(v + eps) * w + b, empty=False, tolerance=1e-4,
    ),
    # ---- borders and resampling
    "constant_pad_nd": [
        row(floats(2, 3), settings=(((0, 0), (1, 2)), 1.5), reference=lambda x, widths, v: np.pad(x, widths, constant_values=v), dtypes=FLOATING + COMPLEX),
        row(floats(3, 4), settings=(((1, -1), (-1, 0)), 0), empty=False),
    ],
    "border_pad": row(floats(2, 3), settings=(((0, 0), (2, 1)), "circular"), reference=lambda x, widths, mode: np.pad(x, widths, mode="wrap"), empty=False),
    "border_pad_backward": row(floats(2, 6), settings=(((0, 0), (2, 1)), "reflect"), empty=False),
    **{
        f"reflection_pad{n}d": row(floats(*[3] * (n + 1)), settings=(((0, 0), *[(2, 1)] * n), "reflect"), reference=lambda x, widths, mode: np.pad(x, widths, mode="reflect"), empty=False)
        for n in (1, 2, 3)
    },
    **{
        f"replication_pad{n}d": row(floats(*[3] * (n + 1)), settings=(((0, 0), *[(2, 1)] * n), "replicate"), reference=lambda x, widths, mode: np.pad(x, widths, mode="edge"), empty=False)
        for n in (1, 2, 3)
    },
    "resample": row(floats(1, 2, 3, 4), settings=resampling("linear", 5, 3), empty=False),
    "resample_backward": row(floats(1, 2, 5, 3), settings=resampling("cubic", 5, 3), empty=False),
    "adaptive_avg_pool2d": row(floats(1, 2, 5, 4), settings=((None, None, adaptive_taps(5, 2), adaptive_taps(4, 4)),), empty=False),
    "adaptive_avg_pool3d": row(floats(1, 1, 3, 2, 2), settings=((None, None, adaptive_taps(3, 2), adaptive_taps(2, 1), None),), empty=False),
    "upsample_nearest1d": row(floats(1, 2, 3), settings=resampling("nearest", 6), reference=lambda x, _: x.repeat(2, -1), empty=False),
    "upsample_nearest2d": row(floats(1, 2, 3, 4), settings=resampling("nearest", 6, 4), reference=lambda x, _: x.repeat(2, -2), empty=False),
    "upsample_nearest3d": row(floats(1, 1, 3, 4, 2), settings=((None, None, None, taps("nearest", 4, 8), None),), reference=lambda x, _: x.repeat(2, -2), empty=False),
    "upsample_nearest-exact1d": row(floats(1, 2, 3), settings=resampling("nearest-exact", 5), empty=False),
    "upsample_nearest-exact2d": row(floats(1, 2, 3, 4), settings=resampling("nearest-exact", 5, 3), empty=False),
    "upsample_nearest-exact3d": row(floats(1, 1, 3, 4, 2), settings=((None, None, None, taps("nearest-exact", 4, 7), None),), empty=False),
    "upsample_linear1d": row(floats(1, 2, 3), settings=resampling("linear", 5), empty=False),
    "upsample_bilinear2d": row(floats(1, 2, 3, 4), settings=resampling("linear", 5, 3), empty=False),
    "upsample_trilinear3d": row(floats(1, 1, 3, 4, 2), settings=((None, None, taps("linear", 3, 5, True), None, None),), empty=False),
    "upsample_bicubic2d": row(floats(1, 2, 3, 4), settings=resampling("cubic", 5, 7), empty=False),
    "pixel_shuffle": row(floats(2, 4, 1, 3), settings=(2,), empty=False),
    "pixel_unshuffle": row(floats(2, 1, 4, 2), settings=(2,), empty=False),
    "channel_shuffle": row(floats(1, 6, 2, 2), settings=(2,), reference=lambda x, g: x[:, [0, 3, 1, 4, 2, 5]], empty=False),
    "affine_grid_generator": [
        row(floats(2, 2, 3), settings=((2, 3), corners), reference=affine_grid, empty=False) for corners in (False, True)
    ],
    "affine_grid_backward": row(floats(2, 2, 1, 3, 3), settings=((2, 1, 3), False), empty=False),
    "grid_sampler_2d": [
        row(floats(1, 2, 3, 4), INSIDE, settings=setting, reference=sampled, dtypes="fd", second=setting[1] != "border")
        for setting in (
            ("bilinear", "zeros", False),
            ("bilinear", "border", True),
            ("bilinear", "reflection", False),
            ("nearest", "zeros", False),
            ("bicubic", "zeros", True),
            ("bicubic", "border", False),
            ("bicubic", "reflection", False),
        )
    ],
    "grid_sampler_3d": [
        row(floats(1, 2, 2, 3, 2), given([[[[[-0.4, 0.3, 0.2], [0.7, -0.6, -0.3]]]]]), settings=(mode, "zeros", False), dtypes="fd", empty=False)
        for mode in ("bilinear", "nearest")
    ],
    "ctc_loss": [
        row(
            floats(5, 2, 4),
            given([[1, 2], [3, 3]]),
            settings=(blank, np.array([5, 4]), np.array([2, lengths]), False),
            call=lambda x, *rest: REGISTRY["ctc_loss"].apply(x.log_softmax(-1), *rest),
            check=first,
            reference=all_alignments,
            dtypes="fd",
            second=False,
            empty=False,
        )
        for blank, lengths in ((0, 2), (0, 0))
    ],
    "ctc_loss_gradient": row(
        floats(3, 1, 4),
        given([[1, 2]]),
        given([1.5]),
        floats(1, 3, 5),
        settings=(0, np.array([3]), np.array([2]), False),
        differentiable=(),
        dtypes="fd",
        empty=False,
    ),
    "fractional_max_pool2d": row(
        distinct(2, 1, 5, 4), given([[[0.3, 0.9]], [[0.6, 0.1]]]), settings=((2, 2), (3, 2)), differentiable=(0,), check=first, dtypes="d", empty=False
    ),
    "fractional_max_pool3d": row(
        distinct(1, 1, 3, 4, 4), given([[[0.3, 0.9, 0.5]]]), settings=((2, 2, 1), (1, 2, 2)), differentiable=(0,), check=first, dtypes="d", empty=False
    ),
}  # fmt: skip
