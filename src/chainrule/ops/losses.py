"""Losses. `reduction` is "none", "mean" or "sum" in all of them."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..backend import picking
from ..modes import no_grad
from ..op import common_dtype, general, must_be_tensor, op
from ..tensor import Tensor
from ..warning import warn
from .activations import logsigmoid
from .creation import zeros_like
from .elementwise import div
from .norms import vector_norm
from .publishing import no_kernel
from .shape import broadcast_tensors
from .softmax import log_softmax

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cosine_similarity",
    "cross_entropy", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss",
    "margin_ranking_loss", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "pairwise_distance", "poisson_nll_loss",
    "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


# ---------------------------------------------------------------- arguments


def legacy_reduction(size_average, reduce) -> str:
    """The reduction that two booleans gave in older versions, with a warning."""
    average = size_average is None or size_average
    reduction = "none" if reduce is not None and not reduce else "mean" if average else "sum"
    warn(f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.")
    return reduction


def _reduction(reduction: str, size_average, reduce) -> str:
    """The reduction; ValueError for one that does not exist."""
    if size_average is not None or reduce is not None:
        return legacy_reduction(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def _check_tensors(name: str, **tensors) -> None:
    for position, (argument, value) in enumerate(tensors.items(), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor(name, argument, position, value)


def _together(name: str, input, target):
    """Both of one shape, with a warning if they had to be broadcast, and of one dtype."""
    _check_tensors(name, input=input, target=target)
    a, b = input._array, target._array
    if a.shape != b.shape:
        warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size."
        )
        input, target = broadcast_tensors(input, target)
    if a.dtype is not b.dtype:
        common = common_dtype([input, target])
        input, target = input.to(common), target.to(common)
    return input, target


def _reduce(loss, reduction: str):
    """A composite loss, reduced."""
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _reduced(xp, loss, reduction):
    return loss if reduction == "none" else xp.mean(loss) if reduction == "mean" else xp.sum(loss)


def _share(xp, g, x, reduction, factor=1.0):
    """The gradient of each element's loss, times a factor."""
    if reduction == "mean":
        factor /= max(1, xp.size_of(x.shape))
    return g if factor == 1.0 else g * xp.number(g, factor)


# ---------------------------------------------------------------- of a difference


def _difference_loss(name: str, loss, slope, kernel: str):
    """The record of a loss that is a function of ``x - y``, with its derivative; both take a setting."""

    def forward(xp, x, y, /, reduction, setting):
        return _reduced(xp, loss(xp, x - y, setting), reduction)

    def vjp(xp, g, x, y, reduction, setting, needs):
        found = slope(xp, _share(xp, g, x, reduction), x - y, setting)
        return found if needs[0] is not None else None, -found if needs[1] is not None else None

    return op(name, forward=forward, vjp=vjp, refuses=no_kernel(kernel, "biuc"))


_mse_loss = _difference_loss(
    "mse_loss",
    lambda xp, d, _: d * d,
    lambda xp, g, d, _: (g + g) * d,
    "mse_cpu",
)
_smooth_l1_loss = _difference_loss(
    "smooth_l1_loss",
    lambda xp, d, beta: xp.where(
        xp.abs(d) < beta, xp.number(d, 0.5 / beta) * d * d, xp.abs(d) - xp.number(d, 0.5 * beta)
    ),
    lambda xp, g, d, beta: xp.where(d <= -beta, -g, xp.where(d >= beta, g, g * d * xp.number(d, 1 / beta))),
    "smooth_l1_cpu",
)
_huber_loss = _difference_loss(
    "huber_loss",
    lambda xp, d, delta: xp.where(
        xp.abs(d) <= delta,
        xp.number(d, 0.5) * d * d,
        xp.number(d, delta) * (xp.abs(d) - xp.number(d, 0.5 * delta)),
    ),
    lambda xp, g, d, delta: xp.where(
        d < -delta, g * xp.number(g, -delta), xp.where(d > delta, g * xp.number(g, delta), g * d)
    ),
    "huber_cpu",
)


def _weighted(loss, weight, reduction: str):
    """A loss of each element, weighted; its mean is by the sum of weights."""
    weight = weight.expand(loss.shape)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else _reduce(loss, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction: str = "mean", weight=None):
    """The squared difference."""
    reduction = _reduction(reduction, size_average, reduce)
    input, target = _together("mse_loss", input, target)
    if weight is not None:
        return _weighted(_mse_loss(input, target, "none", None), weight, reduction)
    return _mse_loss(input, target, reduction, None)


def l1_loss(input, target, size_average=None, reduce=None, reduction: str = "mean", weight=None):
    """The absolute difference."""
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("l1_loss", input=input, target=target)
    if input.shape != target.shape:
        input, target = _together("l1_loss", input, target)
    loss = (input - target).abs()
    return _reduce(loss, reduction) if weight is None else _weighted(loss, weight, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0):
    """The absolute difference, and where it is less than `beta` a parabola (Girshick 2015)."""
    reduction = _reduction(reduction, size_average, reduce)
    input, target = _together("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return _reduce((input - target).abs(), reduction)
    return _smooth_l1_loss(input, target, reduction, beta)


def huber_loss(input, target, reduction: str = "mean", delta: float = 1.0, weight=None):
    """Half the squared difference where that is at most `delta`, beyond it linear (Huber 1964)."""
    reduction = _reduction(reduction, None, None)
    dtype = input.dtype if isinstance(input, Tensor) else None
    input, target = _together("huber_loss", input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is not None:  # here PyTorch's mean is not by the weights, as that of mse_loss is
        loss = _reduce(_huber_loss(input, target, "none", delta) * weight, reduction)
    else:
        loss = _huber_loss(input, target, reduction, delta)
    return loss if loss.dtype is dtype else loss.to(dtype)


# ---------------------------------------------------------------- classes


_nll_loss_backward = op(
    "nll_loss_backward",
    forward=lambda xp, g, target, weight, /, shape, reduction, ignore_index: picking.nll_loss_backward(
        g, target, weight, shape, reduction, ignore_index
    ),
    vjp=(
        lambda xp, g, target, weight, reduction, ignore_index: xp.nll_loss(g, target, weight, reduction, ignore_index),
        None,
        None,
    ),
)


def _nll_vjp(xp, g, x_shape, target, weight, reduction, ignore_index):
    return xp.nll_loss_backward(g, target, weight, x_shape, reduction, ignore_index)


def _nll_record(name: str, node: str):
    return op(
        name,
        forward=lambda xp, x, target, weight, /, reduction, ignore_index: picking.nll_loss(
            x, target, weight, reduction, ignore_index
        ),
        vjp=(_nll_vjp, None, None),
        node=node,
        public="nll_loss",
        refuses=no_kernel("nll_loss_out_frame", "biuc"),
    )


_nll_loss = _nll_record("nll_loss", "NllLossBackward0")
_nll_loss_2d = _nll_record("nll_loss_2d", "NllLoss2DBackward0")


def nll_loss(
    input, target, weight=None, size_average=None, ignore_index: int = -100, reduce=None, reduction: str = "mean"
):
    """Minus the log-probability that `input` (N, C, *rest) has for each target (N, *rest), a class.

    Targets equal to `ignore_index` count for nothing; the mean is by the weights of the others. `input` (C) with a 0-d
    target is a single sample. ValueError, RuntimeError or IndexError for shapes and targets that do not fit.
    """
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("nll_loss_nd", input=input, target=target)
    array, classes = input._array, target._array
    if array.ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {array.ndim})")
    batch = classes.shape[0] if classes.ndim else 0
    if array.ndim != 1 and array.shape[0] != batch:
        raise ValueError(f"Expected input batch_size ({array.shape[0]}) to match target batch_size ({batch}).")
    if array.ndim == 2 and not classes.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if array.ndim == 1 and classes.ndim == 1 and classes.size != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {classes.size}")
    if array.ndim == 2 and classes.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {dtypes.scalar_name(target.dtype)}")
    channels = array.shape[0] if array.ndim == 1 else array.shape[1]
    if weight is not None:
        if weight._array.shape != (channels,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {channels} classes or no classes but got weight tensor "
                f"of shape: {list(weight.shape)}"
            )
        if weight.dtype is not input.dtype:
            raise RuntimeError(
                f"expected scalar type {dtypes.scalar_name(input.dtype)} but found {dtypes.scalar_name(weight.dtype)}"
            )
    if array.ndim == 1:
        _check_classes(classes, channels, ignore_index)
        result = general(_nll_loss.record, (input.unsqueeze(0), target.reshape(-1), weight), (reduction, ignore_index))
        return result.squeeze(0) if reduction == "none" and not classes.ndim else result
    if array.ndim == 4 and classes.ndim != 3:
        raise RuntimeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {classes.ndim}"
        )
    if array.shape[2:] != classes.shape[1:]:
        if array.ndim == 4:
            raise RuntimeError(f"size mismatch (got input: {list(array.shape)} , target: {list(classes.shape)}")
        raise RuntimeError(f"Expected target size {[array.shape[0], *array.shape[2:]]}, got {list(classes.shape)}")
    _check_classes(classes, channels, ignore_index)
    if target.dtype is dtypes.uint8:
        target = target.to(dtypes.int64)
    record = _nll_loss.record if array.ndim == 2 else _nll_loss_2d.record
    return general(record, (input, target, weight), (reduction, ignore_index))


def _check_classes(classes, count: int, ignore_index: int) -> None:
    wrong = (classes < 0) | (classes >= count)
    if wrong.any():
        wrong &= classes != ignore_index
        if wrong.any():
            raise IndexError(f"Target {np.asarray(classes)[wrong].flat[0]} is out of bounds.")


_divided = op(
    "div_number",
    forward=lambda xp, x, /, number: x / xp.number(x, number),
    vjp=lambda xp, g, number: g / xp.number(g, number),
    node="DivBackward1",
    public="div",
)


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
):
    """`nll_loss` of `input`'s log_softmax over dimension 1; or, for targets of input's shape, their probabilities' cross entropy."""
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("cross_entropy_loss", input=input, target=target)
    dim = 0 if input.ndim == 1 else 1
    if input.shape == target.shape:
        if not target.is_floating_point():
            raise RuntimeError(
                "Expected floating point type for target with class probabilities, got "
                f"{dtypes.scalar_name(target.dtype)}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        _check_smoothing(label_smoothing)
        return _cross_entropy_of_probabilities(input, target, weight, dim, reduction, label_smoothing)
    _check_smoothing(label_smoothing)
    logs = log_softmax(input, dim)
    if not label_smoothing:
        return nll_loss(logs, target, weight, None, ignore_index, None, reduction)
    return _smoothed(logs, target, weight, dim, ignore_index, reduction, label_smoothing)


def _check_smoothing(label_smoothing: float) -> None:
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")


def _class_weights(weight, ndim: int, dim: int):
    return weight.view([-1 if d == dim else 1 for d in range(ndim)])


def _cross_entropy_of_probabilities(input, target, weight, dim, reduction, label_smoothing):
    if weight is not None and weight.numel() != input.shape[dim]:
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {input.shape[dim]} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    loss = log_softmax(input, dim) * target
    if weight is not None:
        loss = loss * _class_weights(weight, input.ndim, dim)
    if reduction == "none":
        return -loss.sum(dim)
    total = -loss.sum()
    return total if reduction == "sum" else _divided(total, input.numel() // input.shape[dim])


def _smoothed(logs, target, weight, dim, ignore_index, reduction, label_smoothing):
    hard = nll_loss(logs, target, weight, None, ignore_index, None, reduction)
    spread = logs if weight is None else logs * _class_weights(weight, logs.ndim, dim)
    ignored = target == ignore_index
    soft = (-spread.sum(dim)).masked_fill(ignored, 0.0)
    if reduction == "mean":
        kept = target.masked_fill(ignored, 0)
        weights = ~ignored if weight is None else weight.gather(0, kept.flatten()).view_as(kept) * ~ignored
        soft = soft.sum() / weights.sum()
    elif reduction == "sum":
        soft = soft.sum()
    return (1 - label_smoothing) * hard + soft * (label_smoothing / logs.shape[dim])


# ---------------------------------------------------------------- probabilities


def _bce_forward(xp, x, y, weight, /, reduction):
    floor = xp.number(x, -100)
    loss = (y - xp.one(y)) * xp.maximum(xp.log1p(-x), floor) - y * xp.maximum(xp.log(x), floor)
    return _reduced(xp, loss if weight is None else loss * weight, reduction)


def _bce_vjp(xp, g, x, y, weight, reduction, needs):
    g = _share(xp, g, x, reduction)
    if weight is not None:
        g = g * weight
    by_x = by_y = None
    if needs[0] is not None:
        spread = (xp.one(x) - x) * x
        by_x = g * (x - y) / xp.where(spread < 1e-12, xp.zero(x) + xp.number(x, 1e-12), spread)
    if needs[1] is not None:
        by_y = g * (xp.log1p(-x) - xp.log(x))
    return by_x, by_y, None


_bce = op(
    "binary_cross_entropy",
    forward=_bce_forward,
    vjp=_bce_vjp,
    refuses=no_kernel("binary_cross_entropy", "biuc"),
)


def _bce_logits_forward(xp, x, y, weight, pos_weight, /, reduction):
    softplus = xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(-x, xp.zero(x))
    if pos_weight is not None:
        softplus = softplus * ((pos_weight - xp.one(y)) * y + xp.one(y))
    loss = (xp.one(y) - y) * x + softplus
    return _reduced(xp, loss if weight is None else loss * weight, reduction)


def _bce_logits_vjp(xp, g, x, y, weight, pos_weight, reduction, needs):
    g = _share(xp, g, x, reduction)
    if weight is not None:
        g = g * weight
    by_x = by_y = None
    if needs[0] is not None:
        if pos_weight is None:
            by_x = g * (xp.sigmoid(x) - y)
        else:
            positive = pos_weight * y
            by_x = g * ((positive + xp.one(y) - y) * xp.sigmoid(x) - positive)
    if needs[1] is not None:
        by_y = -(g * x)
        if pos_weight is not None:
            softplus = xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(-x, xp.zero(x))
            by_y = by_y + g * (pos_weight - xp.one(y)) * softplus
    return by_x, by_y, None, None


_bce_logits = op(
    "binary_cross_entropy_with_logits",
    forward=_bce_logits_forward,
    vjp=_bce_logits_vjp,
    refuses=no_kernel("log_sigmoid_cpu", "biuc"),
)


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction: str = "mean"):
    """``-(target * log(input) + (1 - target) * log(1 - input))``, the logarithms no less than -100.

    RuntimeError for an `input` outside [0, 1], ValueError for a target of another size.
    """
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("binary_cross_entropy", input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    for other in (target, weight):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                f"Found dtype {dtypes.scalar_name(other.dtype)} but expected {dtypes.scalar_name(input.dtype)}"
            )
    array = input._array
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    wanted = target._array
    if wanted.size and not (wanted.min() >= 0 and wanted.max() <= 1):
        raise RuntimeError("all elements of target should be between 0 and 1")
    if weight is not None:
        weight = weight.expand(input.shape)
    return general(_bce.record, (input, target, weight), (reduction,))


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction: str = "mean", pos_weight=None
):
    """`binary_cross_entropy` of `input`'s sigmoid, without overflow; `pos_weight`: the weight of positive targets."""
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("binary_cross_entropy_with_logits", input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if not target.is_floating_point() and input.is_floating_point():
        raise RuntimeError(
            f"result type {dtypes.scalar_name(input.dtype)} can't be cast to the desired output type "
            f"{dtypes.scalar_name(target.dtype)}"
        )
    common = common_dtype((input, target, weight, pos_weight))
    input, target = input.to(common), target.to(common)
    weight, pos_weight = (None if w is None else w.expand(input.shape).to(common) for w in (weight, pos_weight))
    return general(_bce_logits.record, (input, target, weight, pos_weight), (reduction,))


def kl_div(input, target, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False):
    """``target * (log(target) - input)``: the Kullback-Leibler divergence, for an `input` of log-probabilities."""
    batchmean = reduction == "batchmean" and size_average is None and reduce is None
    if reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release."
        )
    reduction = "sum" if batchmean else _reduction(reduction, size_average, reduce)
    _check_tensors("kl_div", input=input, target=target)
    if common_dtype((input, target)).category < dtypes.FLOATING:
        raise RuntimeError("kl_div: Integral inputs not supported.")
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = target.xlogy(target) - target * input
    loss = _reduce(loss, reduction)
    return loss / input.shape[0] if batchmean and input.ndim else loss


def poisson_nll_loss(
    input,
    target,
    log_input: bool = True,
    full: bool = False,
    size_average=None,
    eps: float = 1e-8,
    reduce=None,
    reduction: str = "mean",
):
    """The negative log likelihood of counts for a Poisson rate, or its logarithm; `full`: with Stirling's term."""
    reduction = _reduction(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduce(loss, reduction)


def gaussian_nll_loss(input, target, var, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
    """The negative log likelihood of `target` for normal distributions of mean `input` and variance `var`, at least `eps`."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * input.new_ones(input.shape)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or [m for n, m in zip(input.shape, var.shape, strict=True) if m != n] != [1]:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    bounded = var.clone()
    with no_grad():
        bounded.clamp_(min=eps)
    loss = 0.5 * (bounded.log() + (input - target) ** 2 / bounded)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


# ---------------------------------------------------------------- margins


def hinge_embedding_loss(input, target, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean"):
    """`input` where the target is 1, ``max(0, margin - input)`` where it is -1."""
    reduction = _reduction(reduction, size_average, reduce)
    zeros = zeros_like(input)
    apart = (margin - input).clamp_min(0).to(input.dtype)
    loss = zeros.where(target == 1, apart) + zeros.where(target == -1, input)
    return _reduce(loss, reduction)


def margin_ranking_loss(
    input1, input2, target, margin: float = 0, size_average=None, reduce=None, reduction: str = "mean"
):
    """``max(0, -target * (input1 - input2) + margin)``."""
    reduction = _reduction(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return _reduce((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def _soft_margin_vjp(xp, g, x, y, reduction, needs):
    g = _share(xp, g, x, reduction) * xp.sigmoid(-(x * y))
    return -(g * y) if needs[0] is not None else None, -(g * x) if needs[1] is not None else None


_soft_margin_loss = op(
    "soft_margin_loss",
    forward=lambda xp, x, y, /, reduction: _reduced(xp, xp.log1p(xp.exp(-x * y)), reduction),
    vjp=_soft_margin_vjp,
    refuses=no_kernel("log1p_vml_cpu", "biuc"),
)


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction: str = "mean"):
    """``log(1 + exp(-target * input))``, for targets of 1 and -1."""
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("soft_margin_loss", input=input, target=target)
    if input.shape != target.shape:
        input, target = broadcast_tensors(input, target)
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {dtypes.scalar_name(input.dtype)}"
        )
    common = common_dtype([input, target])
    return _soft_margin_loss(input.to(common), target.to(common), reduction).to(input.dtype)


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction: str = "mean"):
    """The mean over the classes of the binary cross entropy with logits."""
    reduction = _reduction(reduction, size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss.sum(-1) / input.shape[-1], reduction)


# How far each class's score comes into the margin of the target's: a function of it, averaged over the classes.
def _multi_margin_slopes(xp, x, target, weight, p, margin):
    """(each class's part of the loss of its row, its derivative by the distance)."""
    rows = target.reshape((-1, 1))
    distance = x - xp.gather(x, rows, 1) + xp.number(x, margin)
    others = xp.one(x) - xp.scatter(xp.zeros_like(x), rows, xp.one(x) + xp.zeros_like(xp.gather(x, rows, 1)), 1)
    distance = xp.maximum(distance, xp.zero(x)) * others
    scale = others * xp.number(x, 1 / max(1, x.shape[1]))
    if weight is not None:
        scale = scale * xp.index_select(weight, target.reshape((-1,)), 0)[:, None]
    if p == 1:
        return distance * scale, (distance > 0) * scale
    return distance * distance * scale, xp.number(x, 2) * distance * scale


def _multi_margin_forward(xp, x, target, weight, /, p, margin, reduction):
    loss, _ = _multi_margin_slopes(xp, x, target, weight, p, margin)
    return _reduced(xp, xp.sum(loss, (1,)), reduction)


def _multi_margin_vjp(xp, g, x, target, weight, p, margin, reduction):
    _, slope = _multi_margin_slopes(xp, x, target, weight, p, margin)
    g = _share(xp, g, target, reduction)
    slope = slope * (g[:, None] if reduction == "none" else g)
    return slope + xp.scatter(xp.zeros_like(x), target.reshape((-1, 1)), -xp.sum(slope, (1,), True), 1)


_multi_margin_loss = op(
    "multi_margin_loss",
    forward=_multi_margin_forward,
    vjp=(_multi_margin_vjp, None, None),
    refuses=no_kernel("multi_margin_loss_cpu_kernel", "biuc"),
)


def multi_margin_loss(
    input,
    target,
    p: int = 1,
    margin: float = 1.0,
    weight=None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
):
    """The mean over the other classes of ``max(0, margin - input[target] + input[class]) ** p``; `p` is 1 or 2."""
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("multi_margin_loss", input=input, target=target)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows = input.unsqueeze(0) if input.ndim < 2 else input
    if input.ndim == 0:
        rows = rows.unsqueeze(0)
    if rows.ndim != 2 or not rows.shape[1]:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    if target.numel() != rows.shape[0] or target.ndim != (1 if input.ndim == 2 else min(1, target.ndim)):
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). "
            f"Expected target size [{rows.shape[0]}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.numel() != rows.shape[1]:
        raise RuntimeError(f"inconsistent weight size, expected {rows.shape[1]} but got {list(weight.shape)}")
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {dtypes.scalar_name(target.dtype)}")
    classes = target._array
    if classes.size and (classes.min() < 0 or classes.max() >= rows.shape[1]):
        raise RuntimeError("target out of range")
    loss = general(_multi_margin_loss.record, (rows, target.reshape(-1), weight), (p, margin, reduction))
    return loss.squeeze(0) if reduction == "none" and not target.ndim else loss


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction: str = "mean"):
    """The sum over target classes and others of ``max(0, 1 - (input[target] - input[other]))``, by the number of classes.

    A row's target classes end at the first negative number.
    """
    reduction = _reduction(reduction, size_average, reduce)
    _check_tensors("multilabel_margin_loss", input=input, target=target)
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    if input.shape != target.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    single = input.ndim < 2
    rows = input.reshape(1, -1) if single else input
    classes = target.reshape(1, -1) if single else target
    valid = (classes < 0).to(dtypes.int64).cumsum(1) == 0
    classes = classes.where(valid, zeros_like(classes))
    is_target = zeros_like(classes).scatter_add(1, classes, valid.to(dtypes.int64)) > 0
    chosen = rows.gather(1, classes)
    distance = 1 - chosen.unsqueeze(2) + rows.unsqueeze(1)
    counts = valid.unsqueeze(2) & ~is_target.unsqueeze(1)
    loss = distance.clamp_min(0).masked_fill(~counts, 0).sum((1, 2)) / rows.shape[1]
    return _reduce(loss.squeeze(0) if single else loss, reduction)


# ---------------------------------------------------------------- distances


def cosine_similarity(x1, x2, dim: int = 1, eps: float = 1e-8, *, axis: int | None = None):
    """The cosine of the angle between vectors along `dim`; norms count as `eps` at least."""
    dim = dim if axis is None else axis
    _check_tensors("cosine_similarity", x1=x1, x2=x2)
    common = common_dtype([x1, x2])
    if not common.is_floating_point:
        raise RuntimeError(
            "expected common dtype to be floating point, yet common dtype is " + dtypes.scalar_name(common)
        )
    x1, x2 = broadcast_tensors(x1.to(common), x2.to(common))
    return (_unit(x1, dim, eps) * _unit(x2, dim, eps)).sum(dim)


def _unit(x, dim: int, eps: float):
    """`x` divided by its norm along `dim`, which is raised to `eps`: the gradient goes past that all the same."""
    size = vector_norm(x, 2, dim, True).clone()
    with no_grad():
        size.clamp_min_(eps)
    return x / size


def cosine_embedding_loss(
    input1, input2, target, margin: float = 0, size_average=None, reduce=None, reduction: str = "mean"
):
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1."""
    reduction = _reduction(reduction, size_average, reduce)
    if not (
        (target.ndim == 1 and input1.ndim == input2.ndim == 2) or (target.ndim == 0 and input1.ndim == input2.ndim == 1)
    ):
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    epsilon = 1e-12
    dim = target.ndim
    product = (input1 * input2).sum(dim)
    squares1, squares2 = (input1 * input1).sum(dim) + epsilon, (input2 * input2).sum(dim) + epsilon
    cosine = product / (squares1 * squares2).sqrt()
    zeros = zeros_like(cosine)
    loss = (1 - cosine).where(target == 1, zeros) + (cosine - margin).clamp_min(0).where(target == -1, zeros)
    return _reduce(loss, reduction)


def pairwise_distance(x1, x2, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
    """The p-norm of ``x1 - x2 + eps`` along the last dimension."""
    _check_tensors("pairwise_distance", x1=x1, x2=x2)
    last = max(x1.ndim, x2.ndim) - 1
    return (x1 - x2 + eps).norm(p, last, keepdim)


def normalize(input, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out=None):
    """`input` divided by its p-norm along `dim`, which counts as `eps` at least."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("normalize", "input", 1, input)
    size = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    if out is None:
        return input / size
    return div(input, size, out=out)


def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
):
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``; `swap`: or to `positive`, if that is nearer."""
    reduction = _reduction(reduction, size_average, reduce)
    return _triplet(lambda a, b: pairwise_distance(a, b, p, eps), anchor, positive, negative, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor,
    positive,
    negative,
    *,
    distance_function=None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
):
    """`triplet_margin_loss` for any distance (default: `pairwise_distance`)."""
    reduction = _reduction(reduction, None, None)
    return _triplet(distance_function or pairwise_distance, anchor, positive, negative, margin, swap, reduction)


def _triplet(distance, anchor, positive, negative, margin, swap, reduction):
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _reduce((near - far + margin).clamp_min(0), reduction)
