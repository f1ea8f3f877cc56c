"""Activation functions beside relu, sigmoid and tanh, which are in elementwise.py."""

from __future__ import annotations

import math

from ..inplace import in_place
from ..op import ELEMENTWISE, general, op
from ..tensor import Tensor
from .publishing import no_kernel, publish

__all__ = ["celu", "celu_", "prelu", "selu", "selu_"]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _elu_forward(xp, x, alpha, scale, input_scale):
    below = xp.expm1(x * xp.number(x, input_scale)) * xp.number(x, alpha * scale)
    return xp.where(x > 0, x * xp.number(x, scale), below)


def _elu_vjp(xp, g, x, alpha, scale, input_scale):
    slope = xp.exp(xp.where(x <= 0, x, xp.zero(x)) * xp.number(x, input_scale))  # finite on the other side too
    return xp.where(x <= 0, g * (xp.number(g, alpha * scale * input_scale) * slope), g * xp.number(g, scale))


def _elu(name: str):
    return op(
        name,
        kind=ELEMENTWISE,
        forward=lambda xp, x, /, alpha, scale, input_scale: _elu_forward(xp, x, alpha, scale, input_scale),
        vjp=_elu_vjp,
        refuses=no_kernel("elu_cpu", "biuc"),
    )


_elu_record, _celu_record = _elu("elu").record, _elu("celu").record


def elu(input, alpha=1.0):
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere."""
    return general(_elu_record, (input,), (alpha, 1.0, 1.0))


def selu(input):
    """`elu` with the scales that keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017)."""
    return general(_elu_record, (input,), (SELU_ALPHA, SELU_SCALE, 1.0))


def celu(input, alpha=1.0):
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return general(_celu_record, (input,), (alpha, 1.0, 1 / alpha))


def _silu_vjp(xp, g, x):
    share = xp.sigmoid(x)
    return g * share * (xp.one(x) + x * (xp.one(x) - share))


silu = op(
    "silu",
    kind=ELEMENTWISE,
    forward=lambda xp, x: x * xp.sigmoid(x),
    vjp=_silu_vjp,
    refuses=no_kernel("silu_cpu", "biu"),
)
_leaky_relu = op(
    "leaky_relu",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, negative_slope: xp.where(x > 0, x, x * xp.number(x, negative_slope)),
    vjp=lambda xp, g, x, negative_slope: xp.where(x > 0, g, g * xp.number(g, negative_slope)),
    refuses=no_kernel("leaky_relu_cpu", "biuc"),
)


def leaky_relu(input, negative_slope=0.01):
    """`input` where it is positive, ``negative_slope * input`` elsewhere."""
    return _leaky_relu(input, negative_slope)


def _softplus_vjp(xp, g, x, beta, threshold):
    scaled = x * xp.number(x, beta)
    return xp.where(scaled > threshold, g, g * xp.sigmoid(scaled))


def _softplus_forward(xp, x, beta, threshold):
    scaled = x * xp.number(x, beta)
    return xp.where(scaled > threshold, x, xp.log1p(xp.exp(scaled)) / xp.number(x, beta))


_softplus = op(
    "softplus",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, beta, threshold: _softplus_forward(xp, x, beta, threshold),
    vjp=_softplus_vjp,
    refuses=no_kernel("softplus_cpu", "biuc"),
)


def softplus(input, beta=1.0, threshold=20.0):
    """``log(1 + exp(beta * input)) / beta``; `input` itself where ``beta * input`` exceeds `threshold`."""
    return _softplus(input, beta, threshold)


def _normal_vjp(xp, g, x):
    area = (xp.erf(x * xp.number(x, math.sqrt(0.5))) + xp.one(x)) * xp.number(x, 0.5)
    density = xp.exp(x * x * xp.number(x, -0.5)) * xp.number(x, 1 / math.sqrt(2 * math.pi))
    return g * (area + x * density)


def _tanh_bend(xp, x):
    """tanh of the argument that approximates the normal distribution, and that argument's slope."""
    square = x * x * xp.number(x, 0.044715)
    root = xp.number(x, math.sqrt(2 / math.pi))
    return xp.tanh(root * x * (xp.one(x) + square)), root * (xp.one(x) + 3 * square)


def _gelu_tanh_vjp(xp, g, x):
    bend, slope = _tanh_bend(xp, x)
    return g * xp.number(x, 0.5) * (xp.one(x) + bend + x * (xp.one(x) - bend * bend) * slope)


_gelu = op(
    "gelu",
    kind=ELEMENTWISE,
    forward=lambda xp, x: x * (xp.erf(x * xp.number(x, math.sqrt(0.5))) + xp.one(x)) * xp.number(x, 0.5),
    vjp=_normal_vjp,
    refuses=no_kernel("GeluKernelImpl", "biuc"),
)
_gelu_tanh = op(
    "gelu_tanh",
    kind=ELEMENTWISE,
    forward=lambda xp, x: x * (_tanh_bend(xp, x)[0] + xp.one(x)) * xp.number(x, 0.5),
    vjp=_gelu_tanh_vjp,
    node="GeluBackward0",
    public="gelu",
    refuses=no_kernel("GeluKernelImpl", "biuc"),
)


def gelu(input, *, approximate="none"):
    """`input` times the area under the standard normal density up to it; `approximate`: "none" or "tanh"."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _gelu(input) if approximate == "none" else _gelu_tanh(input)


_hardshrink = op(
    "hardshrink",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, lambd: xp.where((x >= -lambd) & (x <= lambd), xp.zero(x), x),
    vjp=lambda xp, g, x, lambd: xp.where((x < -lambd) | (x > lambd), g, xp.zero(g)),
    refuses=no_kernel("hardshrink_cpu", "biuc"),
)


def hardshrink(input, lambd=0.5):
    """`input`, but 0 where its absolute value is at most `lambd`."""
    return _hardshrink(input, lambd)


publish(globals(), hardshrink, twin=False)
_prelu = op(
    "prelu",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: xp.where(x > 0, x, y * x),
    vjp=(
        lambda xp, g, x, y: xp.where(x > 0, g, y * g),
        lambda xp, g, x: xp.where(x > 0, xp.zero(g), x * g),
    ),
    node="PreluKernelBackward0",
    numbers=False,
    refuses=no_kernel("prelu_cpu", "biuc"),
)


def prelu(input, weight):
    """`input` where it is positive, `weight` times it elsewhere; `weight` has one element or one per channel."""
    if input.dtype is not weight.dtype:
        raise RuntimeError("prelu: Type promoting not supported. Got "
                           f"{input.dtype.name} and {weight.dtype.name}")  # fmt: skip
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        if channels != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and "
                f"channel size = {channels}."
            )
    if weight.ndim and input.ndim > 1:
        weight = weight.reshape((1, -1) + (1,) * (input.ndim - 2))
    elif weight.ndim and not input.ndim:
        weight = weight.reshape(())
    return _prelu(input, weight)


Tensor.prelu = prelu


def _in_place(function):
    """The in-place function of an activation that Tensor has no method for."""

    def twin(input, *arguments, **settings):
        return in_place(function, input, *arguments, **settings)

    twin.__name__ = twin.__qualname__ = function.__name__ + "_"
    twin.__doc__ = f"In-place version of :func:`{function.__name__}`."
    return twin


selu_, celu_ = _in_place(selu), _in_place(celu)
