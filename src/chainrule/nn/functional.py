"""torch.nn.functional: the functions that modules call."""

from __future__ import annotations

import math

from ..dtypes import bool_
from ..modes import local
from ..op import must_be_tensor
from ..ops.activations import *
from ..ops.activations import (
    elu,
    elu_,
    gelu,
    glu,
    gumbel_softmax,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    log_softmax,
    logsigmoid,
    mish,
    relu,
    relu6,
    relu_,
    silu,
    softmax,
    softmin,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
    threshold_,
)
from ..ops.alignment import *
from ..ops.contractions import pdist
from ..ops.convolution import *
from ..ops.creation import empty_like, ones
from ..ops.elementwise import sigmoid, tanh
from ..ops.fractional import *
from ..ops.grids import *
from ..ops.lookup import *
from ..ops.losses import *
from ..ops.losses import cross_entropy, legacy_reduction
from ..ops.normalization import *
from ..ops.padding import *
from ..ops.pooling import *
from ..ops.products import addmm, matmul
from ..ops.resampling import *
from ..tensor import Tensor

# ---------------------------------------------------------------- linear


def linear(input, weight, bias=None):
    """``input @ weight.T + bias``, for a `weight` (outputs, inputs) and any leading dimensions of `input`."""
    try:
        ndim = input._array.ndim
    except AttributeError:
        raise must_be_tensor("linear", "input", 1, input) from None
    if not isinstance(weight, Tensor):
        raise must_be_tensor("linear", "weight", 2, weight)
    if not ndim or not weight._array.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {ndim}D and {weight._array.ndim}D"
        )
    transposed = weight.t()
    if bias is None:
        return matmul(input, transposed)
    if ndim == 2 and weight._array.ndim == 2:
        return addmm(bias, input, transposed)
    if weight._array.ndim == 1:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    if weight._array.ndim != 2:
        return matmul(input, transposed) + bias
    shape = input._array.shape
    product = addmm(bias, input.reshape(math.prod(shape[:-1]), shape[-1]), transposed)
    return product.view(*shape[:-1], product._array.shape[-1])


def bilinear(input1, input2, weight, bias=None):
    """``input1 @ weight[k] @ input2`` for each output `k`, plus `bias`; `weight` is (outputs, inputs1, inputs2)."""
    for d, (n, m) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=False)):
        if n != m:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {n} and {m}")
    for position, (x, size) in enumerate(zip((input1, input2), weight.shape[1:], strict=True), 1):
        if x.shape[-1] != size:
            raise RuntimeError(
                f"bilinear(): input{position} size does not match weight size: got {x.shape[-1]} but expected {size}"
            )
    leading = input1.shape[:-1]
    rows1, rows2 = input1.reshape(-1, input1.shape[-1]), input2.reshape(-1, input2.shape[-1])
    found = (rows1.matmul(weight) * rows2).sum(-1, dtype=weight.dtype).t().reshape(*leading, weight.shape[0])
    return found if bias is None else found + bias


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options=None,
):
    """`cross_entropy` of `linear`, for weights (classes, *rest, inputs); `options`, which say how PyTorch saves memory, change
    no result."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}")
    features, outputs = input.shape[-1], tuple(linear_weight.shape[:-1])
    if linear_weight.shape[-1] != features:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {linear_weight.shape[-1]}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != outputs:
        raise RuntimeError(f"expected linear_bias shape {outputs}, got {tuple(linear_bias.shape)}")
    if len(outputs) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, (N, "
            f"{features}), got unbatched input with shape {tuple(input.shape)}"
        )
    if target.is_floating_point() and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(math.prod(outputs), features), bias)
    if len(outputs) > 1:
        logits = logits.reshape(input.shape[0], *outputs)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )


# ---------------------------------------------------------------- dropout


def _check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _noise(input, shape, p: float):
    return input.new_empty(shape).bernoulli_(1 - p)


def _to_drop_from(input: Tensor) -> Tensor:
    """The tensor, inside vmap as a batch where the samples are to lose different elements."""
    if not local.levels:
        return input
    from ..batching import check_random, for_each_sample

    check_random()
    return for_each_sample(input)


def _dropout(input, p: float, training: bool, inplace: bool, features: bool = False):
    """Elements (or, with `features`, whole channels) zeroed with probability `p`, the others scaled by ``1 / (1 - p)``."""
    _check_probability(p)
    if not isinstance(input, Tensor):
        raise must_be_tensor("feature_dropout" if features else "dropout", "input", 1, input)
    if not training or p == 0 or not input._array.size:
        return input
    if p == 1:
        return input.mul_(input.new_zeros(())) if inplace else input * input.new_zeros(())
    if not inplace:
        input = _to_drop_from(input)
    if features:
        noise = _noise(input, (*input.shape[:2], *[1] * (input.ndim - 2)), p)
    else:
        noise = empty_like(input).bernoulli_(1 - p)
    noise.div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


def dropout(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """In training, elements are zeroed with probability `p` and the others scaled by ``1 / (1 - p)``."""
    return _dropout(input, p, training, inplace)


def _channel_dropout(name: str, dims: tuple[int, ...]):
    """Dropout of whole channels, for inputs of so many dimensions: unbatched and batched."""

    def channel_dropout(input, p: float = 0.5, training: bool = True, inplace: bool = False):
        _check_probability(p)
        if input.ndim not in dims:
            _wrong_dims(name, input, dims)
        unbatched = input.ndim == dims[0] and name != "dropout2d"
        if unbatched:
            input = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
        result = _dropout(input, p, training, inplace, features=True)
        if unbatched:
            result = result.squeeze_(0) if inplace else result.squeeze(0)
        return result

    channel_dropout.__name__ = channel_dropout.__qualname__ = name
    channel_dropout.__doc__ = (
        f"In training, whole channels are zeroed with probability `p`; inputs have {dims} dimensions."
    )
    return channel_dropout


def _wrong_dims(name: str, input, dims: tuple[int, ...]) -> None:
    text = (
        f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a future "
        f"release. To retain the behavior and silence this warning, please use dropout instead. Note that {name} exists to "
        f"provide channel-wise dropout on inputs with {dims[1] - 2} spatial dimensions, a channel dimension, and an "
        f"optional batch dimension (i.e. {dims[0]}D or {dims[1]}D inputs)."
    )
    if name == "dropout1d":
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. " + text.partition(". ")[2]
        )
    from ..warning import warn

    warn(text)


dropout1d = _channel_dropout("dropout1d", (2, 3))
dropout2d = _channel_dropout("dropout2d", (3, 4))
dropout3d = _channel_dropout("dropout3d", (4, 5))

SELU_FLOOR = 1.7580993408473766  # minus the least value of SELU


def _alpha_dropout(input, p: float, training: bool, inplace: bool, features: bool):
    _check_probability(p)
    if not training or p == 0 or not input._array.size:
        return input
    if p == 1:
        return input.mul_(input.new_zeros(())) if inplace else input * input.new_zeros(())
    if not inplace:
        input = _to_drop_from(input)
    shape = (*input.shape[:2], *[1] * (input.ndim - 2)) if features else input.shape
    noise = _noise(input, shape, p)
    scale = 1 / math.sqrt((SELU_FLOOR**2 * p + 1) * (1 - p))
    shift = noise.sub(1).mul_(SELU_FLOOR * scale).add_(SELU_FLOOR * scale * p)
    noise.mul_(scale)
    return input.mul_(noise).add_(shift) if inplace else input * noise + shift


def alpha_dropout(input, p: float = 0.5, training: bool = False, inplace: bool = False):
    """Dropout to SELU's least value, scaled and shifted so that mean 0 and variance 1 stay (Klambauer et al. 2017)."""
    return _alpha_dropout(input, p, training, inplace, False)


def feature_alpha_dropout(input, p: float = 0.5, training: bool = False, inplace: bool = False):
    """`alpha_dropout` of whole channels."""
    return _alpha_dropout(input, p, training, inplace, True)


# ---------------------------------------------------------------- attention


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
):
    """``softmax(query @ key.T * scale + mask) @ value`` over the last two dimensions (Vaswani et al. 2017).

    `attn_mask` is boolean (False: not attended to) or added; `is_causal`: nobody attends to what comes after. `scale` is
    ``1 / sqrt(size)`` unless given. `enable_gqa`: groups of query heads share a key and a value head.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    if is_causal:
        attn_mask = ones((query.size(-2), key.size(-2)), dtype=bool_).tril()
    scores = (query * math.sqrt(scale)) @ (key * math.sqrt(scale)).transpose(-2, -1)
    if attn_mask is not None:
        if attn_mask.dtype is bool_:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        else:
            scores = scores + attn_mask
    weights = softmax(scores, -1)
    if attn_mask is not None and attn_mask.dtype is bool_:
        weights = weights.masked_fill(~attn_mask.any(-1, keepdim=True), 0.0)  # rows that attend to nothing
    return (dropout(weights, dropout_p) if dropout_p else weights) @ value
