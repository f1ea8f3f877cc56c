"""Normalization: to mean 0 and variance 1 over some dimensions, then scaled and shifted by parameters."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..backend import standardizing
from ..modes import local, no_grad
from ..op import check_tensor, general, graph_xp, op, xp

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


# ---------------------------------------------------------------- the record
# `dims` are the dimensions that are normalized over; weight and bias broadcast against x. The mean and the reciprocal of the
# standard deviation are outputs, so that the gradient has them; where it is recorded, it is made of x alone.


def _gradients_on_tensors(g, x, weight, bias, mean, rstd, dims, eps, needs):
    """(gradients by x, weight, bias), of Tensors, so that they can be differentiated in turn."""
    centred = x - x.mean(dims, keepdim=True)
    scale = (centred.square().mean(dims, keepdim=True) + eps).rsqrt()
    normal = centred * scale
    by_x = by_weight = by_bias = None
    if needs[0] is not None:
        inner = g if weight is None else g * weight
        by_x = scale * (inner - inner.mean(dims, keepdim=True) - normal * (inner * normal).mean(dims, keepdim=True))
    if needs[1] is not None:
        by_weight = (g * normal).sum_to_size(weight.shape)
    if needs[2] is not None:
        by_bias = g.sum_to_size(bias.shape)
    return by_x, by_weight, by_bias


xp.__dict__["standardized_gradients"] = standardizing.gradients
graph_xp.__dict__["standardized_gradients"] = _gradients_on_tensors


def _vjp(xp, g, x, weight, bias, mean, rstd, dims, eps, needs):
    return xp.standardized_gradients(g[0], x, weight, bias, mean, rstd, dims, eps, needs)


def _standardize(name: str):
    return op(
        name,
        forward=lambda xp, x, weight, bias, /, dims, eps: standardizing.standardize(x, weight, bias, dims, eps),
        vjp=_vjp,
        outputs=("result", "mean", "rstd"),
    )


_layer_norm = _standardize("native_layer_norm")
_batch_norm = _standardize("native_batch_norm")


def _grouped(x, weight, bias, groups):
    """(x with its channels in groups, weight and bias beside them, the dimensions of a group)."""
    inner = (groups, x.shape[1] // groups)
    spread = (1, *inner, *[1] * (x.ndim - 2))
    parameters = [None if p is None else p.reshape(spread) for p in (weight, bias)]
    return x.reshape((x.shape[0], *inner, *x.shape[2:])), *parameters, tuple(range(2, x.ndim + 1))


def _group_norm_forward(xp, x, weight, bias, /, groups, eps):
    out, mean, rstd = standardizing.standardize(*_grouped(x, weight, bias, groups), eps)
    return out.reshape(x.shape), mean, rstd


def _group_norm_vjp(xp, g, x, weight, bias, mean, rstd, groups, eps, needs):
    inner, inner_weight, inner_bias, dims = _grouped(x, weight, bias, groups)
    found = xp.standardized_gradients(
        g[0].reshape(inner.shape), inner, inner_weight, inner_bias, mean, rstd, dims, eps, needs
    )
    return [None if f is None else f.reshape(v.shape) for f, v in zip(found, (x, weight, bias), strict=True)]


_group_norm = op(
    "native_group_norm",
    forward=_group_norm_forward,
    vjp=_group_norm_vjp,
    outputs=("result", "mean", "rstd"),
)


def _affine_vjp(xp, g, x, mean, variance, weight, bias, eps, needs):
    scale = xp.rsqrt(variance + xp.number(variance, eps))
    by_x = by_weight = by_bias = None
    if needs[0] is not None:
        by_x = g * scale if weight is None else g * (scale * weight)
    if needs[3] is not None:
        by_weight = xp.sum_to((x - mean) * scale * g, weight.shape)
    if needs[4] is not None:
        by_bias = xp.sum_to(g, bias.shape)
    return by_x, None, None, by_weight, by_bias


def _affine(xp, x, mean, variance, weight, bias, /, eps):
    out = (x - mean) * xp.rsqrt(variance + xp.number(variance, eps))
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


# batch_norm in evaluation: by given means and variances.
_batch_norm_eval = op("batch_norm_eval", forward=_affine, vjp=_affine_vjp, node="NativeBatchNormBackward0")

# ---------------------------------------------------------------- the functions


def _check_floating(input, kernel: str) -> None:
    if input._array.dtype.kind in "biuc":
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtypes.scalar_name(input.dtype)}'")


def _normalized_dims(input, normalized_shape, weight, bias=None, lead="*, ") -> tuple[int, ...]:
    """The dimensions of `normalized_shape`, which are input's last ones; RuntimeError where shapes do not fit."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(value.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    have = input._array.shape
    if have[len(have) - len(shape) :] != shape or len(have) < len(shape):
        sizes = lead + ", ".join(map(str, shape))
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{sizes}], but got input of size{list(have)}"
        )
    return tuple(range(len(have) - len(shape), len(have)))


def _check_parameters(input, *parameters) -> None:
    for parameter in parameters:
        if (
            parameter is not None
            and parameter.dtype is not input.dtype
            and not (parameter.dtype is dtypes.float32 and input.dtype in dtypes.HALF)
        ):
            raise RuntimeError(
                f"mixed dtype (CPU): expect parameter to have scalar type of {dtypes.scalar_name(input.dtype)}"
            )


def layer_norm(input, normalized_shape, weight=None, bias=None, eps: float = 1e-5):
    """`input` normalized over its last dimensions, which are of `normalized_shape` (Ba et al. 2016)."""
    check_tensor("layer_norm", input)
    dims = _normalized_dims(input, normalized_shape, weight, bias)
    _check_floating(input, "LayerNormKernelImpl")
    _check_parameters(input, weight, bias)
    return general(_layer_norm.record, (input, weight, bias), (dims, eps))[0]


def rms_norm(input, normalized_shape, weight=None, eps: float | None = None):
    """`input` divided by the root of its mean square over its last dimensions (Zhang and Sennrich 2019)."""
    check_tensor("rms_norm", input)
    dims = _normalized_dims(input, normalized_shape, weight, lead="*")
    if eps is None:
        eps = dtypes.finfo(input.dtype.to_real() if input.is_complex() else input.dtype).eps
    wide = input.float() if input.dtype in dtypes.HALF else input
    scaled = wide * (wide.pow(2).mean(dims, keepdim=True) + eps).rsqrt()
    scaled = scaled.to(input.dtype) if wide is not input else scaled
    return scaled if weight is None else scaled * weight


def group_norm(input, num_groups: int, weight=None, bias=None, eps: float = 1e-5):
    """`input` (N, C, *) normalized over each of `num_groups` groups of channels (Wu and He 2018)."""
    check_tensor("group_norm", input)
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    shape = input._array.shape
    if math.prod(shape[2:]) * shape[0] * (shape[1] // num_groups if num_groups > 0 else 0) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    if num_groups <= 0 or shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape "
                f"{list(value.shape)} and input of shape {list(shape)}"
            )
    _check_floating(input, "GroupNormKernelImpl")
    _check_parameters(input, weight, bias)
    return general(_group_norm.record, (input, weight, bias), (num_groups, eps))[0]


def _check_batch_norm(input, running_mean, running_var, weight, bias, training: bool) -> None:
    channels = input.shape[1]
    if not training:
        for name, value in (("running_mean", running_mean), ("running_var", running_var)):
            if value is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
    named = (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias))
    for name, value in named:
        if value is not None and value.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {value.numel()}")
    _check_floating(input, "batch_norm")


def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
):
    """`input` (N, C, *) normalized over all but the channels (Ioffe and Szegedy 2015).

    In training, by its own mean and variance, towards which `running_mean` and `running_var` move by `momentum`, in
    place; otherwise by those two.
    """
    check_tensor("batch_norm", input)
    shape = input._array.shape
    if training and math.prod(shape) // max(1, shape[1] if len(shape) > 1 else 1) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    return _batch_norm_of(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _batch_norm_of(input, running_mean, running_var, weight, bias, training, momentum, eps):
    if input.ndim < 2 and not input.numel():
        return input.clone()
    _check_batch_norm(input, running_mean, running_var, weight, bias, training)
    channels = (1, -1) + (1,) * (input.ndim - 2)
    weight, bias = (None if p is None else p.view(channels) for p in (weight, bias))
    if not training:
        mean, variance = running_mean.view(channels), running_var.view(channels)
        return general(_batch_norm_eval.record, (input, mean, variance, weight, bias), (eps,))
    dims = (0, *range(2, input.ndim))
    result, mean, rstd = general(_batch_norm.record, (input, weight, bias), (dims, eps))
    if running_mean is not None or running_var is not None:
        _move_statistics(running_mean, running_var, mean, rstd, eps, momentum, input.numel() // input.shape[1])
    return result


def _move_statistics(running_mean, running_var, mean, rstd, eps, momentum, count: int) -> None:
    """The running mean and (unbiased) variance move towards a batch's."""
    if local.levels:
        from ..transforms import batch_level

        if any(r is not None and batch_level(r) < batch_level(mean) for r in (running_mean, running_var)):
            raise RuntimeError(
                "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated "
                "in place, were not batched.\nIf you are using a module and do not need eval mode, please set "
                "`track_running_stats` to be False.If you are using a prebuilt module and do not need eval mode, please "
                "see the functorch website for resources on how to patch your module to work with vmap"
            )
    with no_grad():
        if running_mean is not None:
            batch_mean = mean.detach().reshape(-1).to(running_mean.dtype)
            running_mean.copy_(running_mean * (1 - momentum) + batch_mean * momentum)
        if running_var is not None:
            variance = rstd.detach().reshape(-1) ** -2 - eps
            variance = (variance * (count / (count - 1) if count > 1 else math.nan)).to(running_var.dtype)
            running_var.copy_(running_var * (1 - momentum) + variance * momentum)


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
):
    """`input` (N, C, *) normalized over each sample's channel (Ulyanov et al. 2016); see `batch_norm`."""
    check_tensor("instance_norm", input)
    shape = input._array.shape
    if use_input_stats and math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    samples, channels = shape[:2]
    weight, bias, mean, variance = (
        None if p is None else p.repeat(samples) for p in (weight, bias, running_mean, running_var)
    )
    merged = input.reshape(1, samples * channels, *shape[2:])
    result = _batch_norm_of(merged, mean, variance, weight, bias, use_input_stats, momentum, eps)
    if use_input_stats:
        moved: Any  # a Tensor where `running` is one
        with no_grad():
            for running, moved in ((running_mean, mean), (running_var, variance)):
                if running is not None:
                    running.copy_(moved.view(samples, channels).mean(0))
    return result.view(shape)


def local_response_norm(input, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
    """`input` (N, C, *) divided by ``(k + alpha * mean square of size neighbouring channels) ** beta``."""
    from .padding import pad
    from .pooling import avg_pool2d, avg_pool3d

    dim = input.dim()
    if dim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {dim} dimensions)")
    if input.numel() == 0:
        return input
    squares = input.mul(input)
    if dim == 3:
        squares = pad(squares.unsqueeze(1), (0, 0, size // 2, (size - 1) // 2))
        squares = avg_pool2d(squares, (size, 1), stride=1).squeeze(1)
    else:
        sizes = input.size()
        squares = squares.view(sizes[0], 1, sizes[1], sizes[2], -1)
        squares = pad(squares, (0, 0, 0, 0, size // 2, (size - 1) // 2))
        squares = avg_pool3d(squares, (size, 1, 1), stride=1).squeeze(1).view(sizes)
    return input / squares.mul(alpha).add(k).pow(beta)
