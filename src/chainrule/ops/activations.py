"""Activation functions of neural networks, beyond those that are names of torch itself.

At kinks the derivative is the one that PyTorch chose.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import finfo, float64, scalar_name
from ..inplace import in_place, in_place_method
from ..modes import local
from ..op import ELEMENTWISE, general, must_be_tensor, op
from ..random import default_generator
from ..tensor import Tensor, wrap
from ..transforms import BATCH
from .elementwise import (  # type: ignore[attr-defined]  # publish puts relu_ there
    relu as _relu,
    relu_ as _relu_,
    threshold as _threshold,
)
from .publishing import no_kernel, piecewise_slope
from .shape import wrap_dim
from .softmax import log_softmax as _log_softmax, softmax as _softmax

# Those that are names of torch; the rest are torch.nn.functional's alone.
__all__ = ["celu", "celu_", "hardshrink", "prelu", "rrelu", "rrelu_", "selu", "selu_"]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _activation(name: str, forward, vjp, kernel: str, kinds: str = "biuc", **settings):
    """An elementwise operation that PyTorch has no kernel `kernel` for, for the NumPy kinds `kinds`."""
    return op(
        name,
        kind=ELEMENTWISE,
        forward=forward,
        vjp=vjp,
        refuses=settings.pop("refuses", {}) | no_kernel(kernel, kinds),
        **settings,
    )


def _apply(function, name: str, input, inplace: bool, *settings):
    if not isinstance(input, Tensor):
        raise must_be_tensor(name, "input", 1, input)
    return in_place(function, input, *settings) if inplace else function(input, *settings)


# ---------------------------------------------------------------- the records


def _softplus_of(xp, x):
    """``log(1 + exp(x))`` without overflow."""
    return xp.maximum(x, xp.zero(x)) + xp.log1p(xp.exp(-xp.abs(x)))


def _silu_vjp(xp, g, x):
    share = xp.sigmoid(x)
    return g * share * (xp.one(x) + x * (xp.one(x) - share))


_silu = _activation(
    "silu",
    lambda xp, x: x / (xp.one(x) + xp.exp(-x)),
    _silu_vjp,
    "silu_cpu",
    "biu",
)


def _mish_vjp(xp, g, x):
    squashed = xp.tanh(_softplus_of(xp, x))
    return g * (squashed + x * xp.sigmoid(x) * (xp.one(x) - squashed * squashed))


_mish = _activation("mish", lambda xp, x: x * xp.tanh(_softplus_of(xp, x)), _mish_vjp, "mish_cpu")


def _leaky_relu_forward(xp, x, /, slope):
    scaled = x * xp.number(x, slope)
    return xp.maximum(x, scaled) if 0 < slope < 1 else xp.where(x > 0, x, scaled)


def _leaky_slope(xp, g, x, slope):
    return xp.where(x > 0, g, g * xp.number(g, slope))


def _shrunk_slope(xp, g, x, width):
    return xp.where((x >= -width) & (x <= width), xp.zero(g), g)


_leaky_relu = _activation(
    "leaky_relu",
    _leaky_relu_forward,
    lambda xp, g, x, slope: xp.leaky_relu_backward(g, x, slope),
    "leaky_relu_cpu",
)
piecewise_slope("leaky_relu", _leaky_slope)
_elu = _activation(
    "elu",
    lambda xp, x, /, alpha, scale, input_scale: xp.where(
        x <= 0,
        xp.expm1(x * xp.number(x, input_scale)) * xp.number(x, alpha * scale),
        x * xp.number(x, scale),
    ),
    lambda xp, g, x, alpha, scale, input_scale: xp.where(
        x <= 0,
        g
        * xp.number(g, input_scale * alpha * scale)
        * xp.exp(xp.where(x < 0, x, xp.zero(x)) * xp.number(x, input_scale)),
        g * xp.number(g, scale),
    ),
    "elu_cpu",
)
_celu = _activation(
    "celu",
    lambda xp, x, /, alpha: xp.where(x <= 0, xp.expm1(x * xp.number(x, 1 / alpha)) * xp.number(x, alpha), x),
    lambda xp, g, x, alpha: xp.where(x <= 0, g * xp.exp(xp.where(x < 0, x, xp.zero(x)) * xp.number(x, 1 / alpha)), g),
    "elu_cpu",
)
ROOT_HALF, ROOT_2_PI = math.sqrt(0.5), math.sqrt(2 * math.pi)
TANH_INNER, TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_vjp(xp, g, x):
    cumulative = xp.number(x, 0.5) * (xp.one(x) + xp.erf(x * xp.number(x, ROOT_HALF)))
    density = xp.exp(xp.number(x, -0.5) * x * x) * xp.number(x, 1 / ROOT_2_PI)
    return g * (cumulative + x * density)


_gelu = _activation(
    "gelu",
    lambda xp, x: xp.number(x, 0.5) * x * (xp.one(x) + xp.erf(x * xp.number(x, ROOT_HALF))),
    _gelu_vjp,
    "GeluKernelImpl",
)


def _inner(xp, x):
    return xp.number(x, TANH_INNER) * (x + xp.number(x, TANH_CUBE) * x * x * x)


def _gelu_tanh_vjp(xp, g, x):
    squashed = xp.tanh(_inner(xp, x))
    slope = xp.number(x, TANH_INNER) * (xp.one(x) + xp.number(x, 3 * TANH_CUBE) * x * x)
    return g * xp.number(g, 0.5) * ((xp.one(x) + squashed) + x * (xp.one(x) - squashed * squashed) * slope)


_gelu_tanh = _activation(
    "gelu_tanh",
    lambda xp, x: xp.number(x, 0.5) * x * (xp.one(x) + xp.tanh(_inner(xp, x))),
    _gelu_tanh_vjp,
    "GeluKernelImpl",
    node="GeluBackward0",
    public="gelu",
)
_hardtanh = _activation(
    "hardtanh",
    lambda xp, x, /, low, high: xp.clamp(x, xp.number(x, low), xp.number(x, high)),
    lambda xp, g, x, low, high: xp.hardtanh_backward(g, x, (low, high)),
    "hardtanh_cpu",
    "",
)
piecewise_slope("hardtanh", lambda xp, g, x, at: xp.where((x <= at[0]) | (x >= at[1]), xp.zero(g), g))
_hardsigmoid = _activation(
    "hardsigmoid",
    lambda xp, x: xp.minimum(xp.maximum(x + xp.number(x, 3), xp.zero(x)), xp.number(x, 6)) * xp.number(x, 1 / 6),
    lambda xp, g, x: xp.where((x > -3) & (x < 3), g * xp.number(g, 1 / 6), xp.zero(g)),
    "hardsigmoid_cpu",
)
_hardswish = _activation(
    "hardswish",
    lambda xp, x: x * xp.minimum(xp.maximum(x + xp.number(x, 3), xp.zero(x)), xp.number(x, 6)) * xp.number(x, 1 / 6),
    lambda xp, g, x: xp.where(
        x <= -3,
        xp.zero(g),
        xp.where(x < 3, g * (x * xp.number(x, 1 / 3) + xp.number(x, 0.5)), g),
    ),
    "hardswish_cpu",
)


def _softplus_vjp(xp, g, x, beta, threshold):
    scaled = x * xp.number(x, beta)
    if x.dtype.itemsize == 2:
        return xp.where(scaled > threshold, g, g * xp.sigmoid(scaled))
    power = xp.exp(xp.clamp(scaled, None, xp.number(x, 40)))  # above, the quotient is 1 in any precision
    return xp.where(scaled > threshold, g, g * power / (power + xp.one(x)))


_softplus = _activation(
    "softplus",
    lambda xp, x, /, beta, threshold: xp.where(
        x * xp.number(x, beta) > threshold,
        x,
        _softplus_of(xp, x * xp.number(x, beta)) * xp.number(x, 1 / beta),
    ),
    _softplus_vjp,
    "softplus_cpu",
)


def _log_sigmoid_vjp(xp, g, x):
    power = xp.exp(xp.where(x < 0, x, -x))
    share = power / (xp.one(x) + power)
    return g * xp.where(x < 0, xp.one(x) - share, share)


_log_sigmoid = _activation(
    "log_sigmoid",
    lambda xp, x: xp.minimum(x, xp.zero(x)) - xp.log1p(xp.exp(-xp.abs(x))),
    _log_sigmoid_vjp,
    "log_sigmoid_cpu",
)
_softshrink = _activation(
    "softshrink",
    lambda xp, x, /, width: xp.where(
        x > width,
        x - xp.number(x, width),
        xp.where(x < -width, x + xp.number(x, width), x * xp.zero(x)),
    ),
    lambda xp, g, x, width: xp.softshrink_backward(g, x, width),
    "softshrink_check",
)
piecewise_slope("softshrink", _shrunk_slope)
_hardshrink = _activation(
    "hardshrink",
    lambda xp, x, /, width: xp.where((x >= -width) & (x <= width), xp.zero(x), x),
    lambda xp, g, x, width: xp.hardshrink_backward(g, x, width),
    "hardshrink_cpu",
)
piecewise_slope("hardshrink", _shrunk_slope)
_prelu = _activation(
    "prelu",
    lambda xp, x, weight: xp.where(x > 0, x, x * weight),
    (
        lambda xp, g, x, weight: xp.where(x > 0, g, g * weight),
        lambda xp, g, x: xp.where(x > 0, xp.zero(g), g * x),
    ),
    "prelu_cpu",
    node="PreluKernelBackward0",
)
# `noise` has the factor of each element: 1 where it is positive, a random slope elsewhere.
_rrelu = _activation(
    "rrelu",
    lambda xp, x, noise: x * noise,
    (lambda xp, g, noise: g * noise, None),
    "rrelu_with_noise_out_cpu",
    node="RreluWithNoiseBackward0",
)
_rrelu_mean = _activation(
    "rrelu_mean",
    lambda xp, x, /, slope: xp.where(x > 0, x, x * xp.number(x, slope)),
    _leaky_slope,
    "leaky_relu_cpu",
    node="RreluWithNoiseBackward0",
    public="rrelu",
)


def _halves(x, dim):
    before, half = (slice(None),) * dim, x.shape[dim] // 2
    return x[(*before, slice(0, half))], x[(*before, slice(half, 2 * half))]


def _glu_forward(xp, x, /, dim):
    value, gate = _halves(x, dim)
    return value * xp.sigmoid(gate)


def _glu_vjp(xp, g, x, dim):
    value, gate = _halves(x, dim)
    gate = xp.sigmoid(gate)
    return xp.concatenate([g * gate, g * value * gate * (xp.one(gate) - gate)], dim)


_glu = op(
    "glu",
    forward=_glu_forward,
    vjp=_glu_vjp,
    refuses=no_kernel("glu_cpu", "biuc"),
)

# ---------------------------------------------------------------- the functions


def relu(input, inplace: bool = False):
    """`input` where it is positive, 0 elsewhere."""
    return _relu_(input) if inplace else _relu(input)


relu_ = _relu_


def threshold(input, threshold, value, inplace: bool = False):
    """`input` where it exceeds `threshold`, `value` elsewhere."""
    return _apply(_threshold, "threshold", input, inplace, threshold, value)


def threshold_(input, threshold, value):
    """In-place version of :func:`threshold`."""
    return in_place(_threshold, input, threshold, value)


def softmax(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """``exp(input)`` divided by its sum along `dim`."""
    return _softmax(input, _implicit_dim("softmax", input, dim), dtype)


def softmin(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """The softmax of ``-input``."""
    return _softmax(-input, _implicit_dim("softmin", input, dim), dtype)


def log_softmax(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """The logarithm of the softmax along `dim`."""
    return _log_softmax(input, _implicit_dim("log_softmax", input, dim), dtype)


def _implicit_dim(name: str, input, dim: int | None) -> int:
    if dim is not None:
        return dim
    from ..warning import warn

    warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.")
    return 0 if input.dim() in (0, 1, 3) else 1


def silu(input, inplace: bool = False):
    """``input * sigmoid(input)``."""
    return _apply(_silu, "silu", input, inplace)


def mish(input, inplace: bool = False):
    """``input * tanh(softplus(input))``."""
    return _apply(_mish, "mish", input, inplace)


def leaky_relu(input, negative_slope: float = 0.01, inplace: bool = False):
    """`input` where it is positive, `negative_slope` times it elsewhere."""
    return _apply(_leaky_relu, "leaky_relu", input, inplace, negative_slope)


def elu(input, alpha: float = 1.0, inplace: bool = False):
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere."""
    return _apply(_elu, "elu", input, inplace, alpha, 1.0, 1.0)


def selu(input, inplace: bool = False):
    """The scaled ELU whose constants keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _apply(_elu, "selu", input, inplace, SELU_ALPHA, SELU_SCALE, 1.0)


def celu(input, alpha: float = 1.0, inplace: bool = False):
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere; RuntimeError for alpha 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _apply(_celu, "celu", input, inplace, alpha)


def gelu(input, *, approximate: str = "none"):
    """`input` times the normal distribution's cumulative function of it, or its approximation by ``"tanh"``."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _apply(_gelu if approximate == "none" else _gelu_tanh, "gelu", input, False)


def hardtanh(input, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
    """`input` kept between two numbers; the gradient at the bounds is 0. ValueError if they cross."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("hardtanh", "input", 1, input)
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    kind = input._array.dtype.kind
    if kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if kind == "u" and (min_val < 0 or max_val < 0):
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    if kind == "c":
        raise NotImplementedError("clamp is not supported for complex types")
    return _apply(_hardtanh, "hardtanh", input, inplace, min_val, max_val)


def relu6(input, inplace: bool = False):
    """`input` kept between 0 and 6; the gradient at the bounds is 0."""
    return hardtanh(input, 0, 6, inplace)


def hardsigmoid(input, inplace: bool = False):
    """``relu6(input + 3) / 6``."""
    return _apply(_hardsigmoid, "hardsigmoid", input, inplace)


def hardswish(input, inplace: bool = False):
    """``input * relu6(input + 3) / 6``."""
    return _apply(_hardswish, "hardswish", input, inplace)


def softplus(input, beta: float = 1, threshold: float = 20):
    """``log(1 + exp(beta * input)) / beta``; `input` itself where ``beta * input`` exceeds `threshold`."""
    return _apply(_softplus, "softplus", input, False, beta, threshold)


def logsigmoid(input):
    """``log(sigmoid(input))``, without overflow."""
    return _apply(_log_sigmoid, "log_sigmoid", input, False)


def softsign(input):
    """``input / (1 + abs(input))``."""
    return input / (input.abs() + 1)


def tanhshrink(input):
    """``input - tanh(input)``."""
    return input - input.tanh()


def softshrink(input, lambd: float = 0.5):
    """`input` moved by `lambd` towards 0, and no further; RuntimeError for a negative `lambd`."""
    if lambd < 0 and isinstance(input, Tensor):
        raise RuntimeError(
            f"lambda must be in range [0, {finfo(input.dtype).max:g}] for input dtype {scalar_name(input.dtype)}, but "
            f"found {lambd:g}"
        )
    return _apply(_softshrink, "softshrink", input, False, lambd)


def hardshrink(input, lambd: float = 0.5):
    """`input`, and 0 where it lies between ``-lambd`` and `lambd`."""
    return _apply(_hardshrink, "hardshrink", input, False, lambd)


def prelu(input, weight):
    """`input` where it is positive, elsewhere `weight` times it: one number, or one per channel (dimension 1)."""
    for position, (name, value) in enumerate((("input", input), ("weight", weight)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor("prelu", name, position, value)
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {scalar_name(input.dtype)} and {scalar_name(weight.dtype)}"
        )
    if weight.numel() != 1:
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} "
                f"and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.ndim and not (weight.numel() == 1 and weight.ndim == input.ndim):
        shape = [1] * input.ndim
        if input.ndim > 1:
            shape[1] = weight.numel()
        weight = weight.reshape(shape)
    return _prelu(input, weight)


def rrelu(input, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False):
    """`input` where it is positive, elsewhere times a slope: drawn from [lower, upper) in training, else their mean."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("rrelu", "input", 1, input)
    if any(level.kind == BATCH for level in local.level_stack):
        raise RuntimeError("vmap: we do not yet support aten::rrelu. Please file an issue")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return _apply(_rrelu_mean, "rrelu", input, inplace, (lower + upper) / 2)
    return _apply(_rrelu, "rrelu", input, inplace, _slopes(input, lower, upper))


def _slopes(input, lower: float, upper: float):
    array = np.asarray(input._array)
    noise = np.ones(array.shape, array.dtype)
    negative = array <= 0
    drawn = default_generator.uniform((int(np.count_nonzero(negative)),), float64.numpy_dtype, lower, upper)
    noise[negative] = drawn
    return wrap(noise)


def glu(input, dim: int = -1):
    """The first half of `input` along `dim` times the sigmoid of the second; RuntimeError if its size is odd."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("glu", "input", 1, input)
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, input.ndim)
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    return general(_glu.record, (input,), (dim,))


def gumbel_softmax(logits, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1):
    """A sample of the Gumbel-softmax distribution (Jang et al. 2017); `hard`: one-hot, differentiated as if it were soft."""
    from .creation import empty_like, zeros_like

    gumbels = -empty_like(logits).exponential_().log()
    soft = _softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft


celu_ = in_place_method("celu_", celu)
elu_ = in_place_method("elu_", elu)
hardtanh_ = in_place_method("hardtanh_", hardtanh)
leaky_relu_ = in_place_method("leaky_relu_", leaky_relu)
rrelu_ = in_place_method("rrelu_", rrelu)
selu_ = in_place_method("selu_", selu)
for _name in ("celu_", "elu_", "hardtanh_", "leaky_relu_", "rrelu_", "selu_"):
    delattr(Tensor, _name)  # functions in PyTorch, no methods
Tensor.hardshrink, Tensor.prelu = hardshrink, prelu
