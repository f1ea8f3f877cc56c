"""Operations that act element by element on one tensor, and arithmetic on two or three.

Formulas are those of any table of derivatives. They are written as for holomorphic functions (see op.py). Where a
function has no derivative, the value is the one that PyTorch chose.
"""

from __future__ import annotations

import cmath
import math

from .. import dtypes
from ..backend import integers
from ..inplace import in_place_method
from ..op import ELEMENTWISE, NUMBERS, common_dtype, general, must_be_tensor, number_array, op, python_number
from ..tensor import Tensor
from .publishing import (
    DYNAMIC,
    is_operand,
    no_derivative,
    no_kernel,
    operators,
    piecewise_slope,
    publish,
    refuse_batches,
)

__all__: list[str] = []

LN2, LN10 = math.log(2), math.log(10)


def unary(name: str, forward, vjp=None, *aliases: str, **settings):
    """An elementwise operation on one tensor: function, method, in-place method and function."""
    return publish(globals(), op(name, kind=ELEMENTWISE, forward=forward, vjp=vjp, **settings), *aliases)


def binary(name: str, forward, vjp=None, *aliases: str, twin: bool = True, **settings):
    """An elementwise operation on two tensors, published the same way."""
    return publish(globals(), op(name, kind=ELEMENTWISE, forward=forward, vjp=vjp, **settings), *aliases, twin=twin)


def _flat(xp, g):
    """The gradient of a function that is constant between its jumps."""
    return xp.zeros_like(g)


# ---------------------------------------------------------------- powers, exponentials, logarithms

exp = unary("exp", lambda xp, x: xp.exp(x), lambda xp, g, out: g * out, floating=True)
exp2 = unary("exp2", lambda xp, x: xp.exp2(x), lambda xp, g, out: g * out * xp.number(g, LN2), floating=True)
expm1 = unary("expm1", lambda xp, x: xp.expm1(x), lambda xp, g, out: g * out + g, floating=True)
log = unary("log", lambda xp, x: xp.log(x), lambda xp, g, x: g / x, floating=True)
log2 = unary("log2", lambda xp, x: xp.log2(x), lambda xp, g, x: g / (x * xp.number(x, LN2)), floating=True)
log10 = unary("log10", lambda xp, x: xp.log10(x), lambda xp, g, x: g / (x * xp.number(x, LN10)), floating=True)
log1p = unary(
    "log1p", lambda xp, x: xp.log1p(x), lambda xp, g, x: g / (x + xp.one(x)), floating=True, node="Log1PBackward0"
)
sqrt = unary("sqrt", lambda xp, x: xp.sqrt(x), lambda xp, g, out: g / (out + out), floating=True)
rsqrt = unary(
    "rsqrt",
    lambda xp, x: xp.one(x) / xp.sqrt(x),
    lambda xp, g, out: xp.number(g, -0.5) * g * out * out * out,
    floating=True,
)
reciprocal = unary("reciprocal", lambda xp, x: xp.one(x) / x, lambda xp, g, out: -g * out * out, floating=True)

# ---------------------------------------------------------------- trigonometric and hyperbolic functions

sin = unary("sin", lambda xp, x: xp.sin(x), lambda xp, g, x: g * xp.cos(x), floating=True)
cos = unary("cos", lambda xp, x: xp.cos(x), lambda xp, g, x: -g * xp.sin(x), floating=True)
tan = unary("tan", lambda xp, x: xp.tan(x), lambda xp, g, out: g + g * out * out, floating=True)
asin = unary(
    "asin",
    lambda xp, x: xp.asin(x),
    lambda xp, g, x: g * xp.rsqrt(xp.one(x) - x * x),
    "arcsin",
    floating=True,
    jumps=True,
)
acos = unary(
    "acos",
    lambda xp, x: xp.acos(x),
    lambda xp, g, x: -g * xp.rsqrt(xp.one(x) - x * x),
    "arccos",
    floating=True,
    jumps=True,
)
atan = unary("atan", lambda xp, x: xp.atan(x), lambda xp, g, x: g / (x * x + xp.one(x)), "arctan", floating=True)
sinh = unary("sinh", lambda xp, x: xp.sinh(x), lambda xp, g, x: g * xp.cosh(x), floating=True)
cosh = unary("cosh", lambda xp, x: xp.cosh(x), lambda xp, g, x: g * xp.sinh(x), floating=True)


def _tanh_vjp(xp, g, out):
    if out.ndim:
        return g - g * out * out
    one = xp.one(out)
    return g * ((one - out) * (one + out))  # right to the last digits near 1, too; on arrays it would cost a sixth more


tanh = unary("tanh", lambda xp, x: xp.tanh(x), _tanh_vjp, floating=True)
asinh = unary(
    "asinh",
    lambda xp, x: xp.asinh(x),
    lambda xp, g, x: g * xp.rsqrt(x * x + xp.one(x)),
    "arcsinh",
    floating=True,
    jumps=True,
)


def _acosh_vjp(xp, g, x):
    if xp.is_complex(x):  # on the sheet of acosh, where the root of a product is not the product of the roots
        return g * xp.rsqrt(x - 1) * xp.rsqrt(x + 1)
    return g * xp.rsqrt(x * x - xp.one(x))


acosh = unary("acosh", lambda xp, x: xp.acosh(x), _acosh_vjp, "arccosh", floating=True, jumps=True)
atanh = unary("atanh", lambda xp, x: xp.atanh(x), lambda xp, g, x: g / (xp.one(x) - x * x), "arctanh", floating=True)
deg2rad = unary(
    "deg2rad",
    lambda xp, x: x * xp.number(x, math.pi / 180),
    lambda xp, g: g * xp.number(g, math.pi / 180),
    floating=True,
    node="Deg2RadBackward0",
    refuses={"c": (RuntimeError, "deg2rad is not supported for complex tensors.")},
)
rad2deg = unary(
    "rad2deg",
    lambda xp, x: x * xp.number(x, 180 / math.pi),
    lambda xp, g: g * xp.number(g, 180 / math.pi),
    floating=True,
    node="Rad2DegBackward0",
    refuses={"c": (RuntimeError, "rad2deg is not supported for complex tensors.")},
)


def _sinc(xp, x):
    angle = xp.where(x == 0, xp.one(x), x * xp.number(x, math.pi))
    return xp.where(x == 0, xp.one(x), xp.sin(angle) / angle)


def _sinc_vjp(xp, g, x):
    angle = xp.where(x == 0, xp.one(x), x * xp.number(x, math.pi))
    slope = (angle * xp.cos(angle) - xp.sin(angle)) * xp.number(x, math.pi) / (angle * angle)
    return g * xp.where(x == 0, x * xp.number(x, -math.pi * math.pi / 3), slope)  # so that it has a derivative at 0


sinc = unary("sinc", _sinc, _sinc_vjp, floating=True)

# ---------------------------------------------------------------- signs and rounding

neg = unary(
    "neg",
    lambda xp, x: -x,
    lambda xp, g: -g,
    "negative",
    refuses={
        "b": (
            RuntimeError,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead.",
        )
    },
)
sign = unary(
    "sign",
    lambda xp, x: xp.sign(x),
    _flat,
    refuses={
        "c": (
            NotImplementedError,
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
        )
    },
)
floor = unary(
    "floor",
    lambda xp, x: xp.floor(x),
    _flat,
    refuses=no_kernel("floor_vml_cpu", "b") | {"c": (NotImplementedError, "floor is not supported for complex inputs")},
)
ceil = unary(
    "ceil",
    lambda xp, x: xp.ceil(x),
    _flat,
    refuses=no_kernel("ceil_vml_cpu", "b") | {"c": (NotImplementedError, "ceil is not supported for complex inputs")},
)
trunc = unary(
    "trunc",
    lambda xp, x: xp.trunc(x),
    _flat,
    "fix",
    refuses=no_kernel("trunc_vml_cpu", "b") | {"c": (NotImplementedError, "trunc is not supported for complex inputs")},
)
frac = unary("frac", lambda xp, x: x - xp.trunc(x), lambda xp, g: g, refuses=no_kernel("frac_cpu", "biuc"))
_round = op(
    "round",
    kind=ELEMENTWISE,
    forward=lambda xp, x: integers.rint(x),
    vjp=_flat,
    refuses=no_kernel("round_vml_cpu", "bc"),
)
_round_decimals = op(
    "round_decimals",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, decimals: integers.round_decimals(x, decimals),
    vjp=_flat,
    node="RoundBackward1",
    public="round",
    refuses=no_kernel("round_cpu", "biuc"),
)


def round(input, *, decimals: int | None = None, out=None):
    """`input` rounded to integers, or to so many `decimals`, half to even."""
    if decimals is None:
        return _round(input, out=out)
    if decimals == 0 and input._array.dtype.kind in "iu":
        raise NotImplementedError(f"\"round_vml_cpu\" not implemented for '{dtypes.scalar_name(input.dtype)}'")
    return general(_round_decimals.record, (input,), (decimals,), out)


publish(globals(), round)


def positive(input):
    """`input` itself; RuntimeError for a bool tensor."""
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


publish(globals(), positive, twin=False)
_signbit = op(
    "signbit",
    kind=ELEMENTWISE,
    forward=lambda xp, x: xp.signbit(x),
    refuses={"c": (NotImplementedError, "signbit is not implemented for complex tensors.")},
)
publish(globals(), _signbit, twin=False)

# ---------------------------------------------------------------- activations that are names of torch

sigmoid = unary(
    "sigmoid",
    lambda xp, x: xp.sigmoid(x),
    lambda xp, g, out: g * (xp.one(out) - out) * out,
    floating=True,
)
relu = unary(
    "relu",
    lambda xp, x: xp.relu(x),
    lambda xp, g, out: xp.threshold_backward(g, out, 0),
    refuses={
        "b": (RuntimeError, "Boolean inputs not supported for relu"),
        "c": (NotImplementedError, "clamp is not supported for complex types"),
    },
)
_threshold = op(
    "threshold",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, threshold, value: xp.where(x <= threshold, x.dtype.type(value), x),
    vjp=lambda xp, g, x, threshold: xp.threshold_backward(g, x, threshold),
    refuses=no_kernel("threshold_cpu", "bc"),
)
piecewise_slope("threshold", lambda xp, g, x, threshold: xp.where(x <= threshold, xp.zero(g), g))


def threshold(input, threshold, value, *, out=None):
    """`input` where it exceeds `threshold`, `value` elsewhere."""
    return general(_threshold.record, (input,), (threshold, value), out)


publish(globals(), threshold, method=False)
threshold_ = in_place_method("threshold_", threshold)
del Tensor.threshold_
__all__.append("threshold_")
_logit = op(
    "logit",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, eps: xp.logit(x, eps),
    vjp=lambda xp, g, x, eps: (
        xp.where((x < 0) | (x > 1), xp.number(x, math.nan), g / (x * (xp.one(x) - x)))
        if eps is None
        else xp.where((x >= eps) & (x <= 1 - eps), g / (x * (xp.one(x) - x)), xp.zero(x))
    ),
    floating=True,
    refuses=no_kernel("logit_cpu", "c"),
)


def logit(input, eps=None, *, out=None):
    """``log(input / (1 - input))``, with `input` clamped to ``[eps, 1 - eps]`` if `eps` is given."""
    return general(_logit.record, (input,), (eps,), out)


publish(globals(), logit)
_nan_to_num = op(
    "nan_to_num",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, nan, posinf, neginf: xp.nan_to_num(x, nan, posinf, neginf),
    vjp=lambda xp, g, x: xp.where(xp.isfinite(x), g, xp.zero(g)),
    holomorphic=False,
)


def nan_to_num(input, nan=None, posinf=None, neginf=None, *, out=None):
    """`input` with nan and infinities replaced: by 0 and the dtype's largest and lowest numbers, unless given."""
    return general(_nan_to_num.record, (input,), (nan, posinf, neginf), out)


publish(globals(), nan_to_num)

# ---------------------------------------------------------------- sums, products, quotients

_mul = op(
    "mul",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: x * y,
    vjp=(lambda xp, g, y: g * y, lambda xp, g, x: g * x),
    factor_in_single=True,
)
_add = op("add", kind=ELEMENTWISE, forward=lambda xp, x, y: x + y, vjp=(lambda xp, g: g, lambda xp, g: g))


def _check_subtraction(x, y):
    kinds = [v._array.dtype.kind == "b" if isinstance(v, Tensor) else isinstance(v, bool) for v in (x, y)]
    if all(kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )


_NO_BOOL = {"b": (RuntimeError, "Subtraction, the `-` operator, with two bool tensors is not supported.")}
_sub = op(
    "sub",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: x - y,
    vjp=(lambda xp, g: g, lambda xp, g: -g),
    check=_check_subtraction,
    refuses=_NO_BOOL,
)
_rsub = op(
    "rsub",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: y - x,
    vjp=(lambda xp, g: -g, lambda xp, g: g),
    numbers=(1,),
    number_nodes={1: "RsubBackward1"},
    check=_check_subtraction,
    refuses=_NO_BOOL,
)
_add_scaled = op(
    "add_scaled",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y, /, alpha: x + y * number_array(alpha, y.dtype),
    vjp=(lambda xp, g: g, lambda xp, g, alpha: g * xp.number(g, alpha)),
    node="AddBackward0",
    public="add",
)
_sub_scaled = op(
    "sub_scaled",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y, /, alpha: x - y * number_array(alpha, y.dtype),
    vjp=(lambda xp, g: g, lambda xp, g, alpha: -(g * xp.number(g, alpha))),
    node="SubBackward0",
    public="sub",
    check=_check_subtraction,
)
_rsub_scaled = op(
    "rsub_scaled",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y, /, alpha: y - x * number_array(alpha, x.dtype),
    vjp=(lambda xp, g, alpha: -(g * xp.number(g, alpha)), lambda xp, g: g),
    node="RsubBackward0",
    number_nodes={1: "RsubBackward1"},
    public="rsub",
    check=_check_subtraction,
)
_div = op(
    "div",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: x / y,
    vjp=(lambda xp, g, y: g / y, lambda xp, g, x, y: -g * ((x / y) / y)),
    floating=True,
    factor_in_single=True,
)
_div_floor = op(
    "div_floor",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: integers.floor_divide(x, y),
    vjp=(_flat, _flat),
    node="DivBackward1",
    number_nodes={1: "DivBackward2"},
    public="div",
    refuses=no_kernel("div_floor_cpu", "bc"),
)
_div_trunc = op(
    "div_trunc",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: integers.truncated_divide(x, y),
    vjp=(_flat, _flat),
    node="DivBackward1",
    number_nodes={1: "DivBackward2"},
    public="div",
    refuses=no_kernel("div_trunc_cpu", "bc"),
)
_no_floor_divide = no_derivative("derivative for aten::floor_divide is not implemented")
floor_divide = binary(
    "floor_divide",
    lambda xp, x, y: integers.floor_divide(x, y),
    (_no_floor_divide, _no_floor_divide),
    node="NotImplemented",
    refuses=no_kernel("div_floor_cpu", "bc"),
)
remainder = binary(
    "remainder",
    lambda xp, x, y: integers.remainder(x, y),
    (lambda xp, g: g, lambda xp, g, x, y: -g * xp.div_floor(x, y)),
    node="RemainderBackward1",
    number_nodes={1: "RemainderBackward0"},
    refuses=no_kernel("remainder_cpu", "bc"),
)
fmod = binary(
    "fmod",
    lambda xp, x, y: integers.fmod(x, y),
    (lambda xp, g: g, lambda xp, g, x, y: -g * xp.div_trunc(x, y)),
    node="FmodBackward1",
    numbers=(1,),
    number_nodes={1: "FmodBackward0"},
    refuses=no_kernel("fmod_cpu", "bc"),
)


def mul(input, other, *, out=None):
    """Elementwise product, with broadcasting and type promotion."""
    return _mul(input, other, out=out)


def add(input, other, *deprecated, alpha=1, out=None):
    """``input + alpha * other``, elementwise."""
    if deprecated:
        alpha, other = _number_first(
            "add", "Number alpha, Tensor other", "Tensor other, *, Number alpha = 1", other, *deprecated
        )
    if alpha.__class__ is int and alpha == 1:
        return _add(input, other, out=out)
    return _scaled(_add_scaled, input, other, alpha, out)


def sub(input, other, *deprecated, alpha=1, out=None):
    """``input - alpha * other``, elementwise."""
    if deprecated:
        alpha, other = _number_first(
            "sub", "Number alpha, Tensor other", "Tensor other, *, Number alpha = 1", other, *deprecated
        )
    if alpha.__class__ is int and alpha == 1:
        return _sub(input, other, out=out)
    return _scaled(_sub_scaled, input, other, alpha, out)


def rsub(input, other, *, alpha=1):
    """``other - alpha * input``, elementwise."""
    if alpha.__class__ is int and alpha == 1:
        return _rsub(input, other)
    return _scaled(_rsub_scaled, input, other, alpha, None)


_OLD_TERNARY = "Number value, Tensor tensor1, Tensor tensor2"
_NEW_TERNARY = "Tensor tensor1, Tensor tensor2, *, Number value = 1"


def _number_first(name: str, old: str, new: str, *arguments):
    """The arguments of an old signature, whose factor stands first; warns of it as PyTorch does."""
    if not isinstance(arguments[0], NUMBERS) or len(arguments) > old.count(",") + 1:
        raise TypeError(f"{name}() received an invalid combination of arguments")
    import warnings

    warnings.warn(
        f"This overload of {name} is deprecated:\n\t{name}({old})\nConsider using one of the following signatures "
        f"instead:\n\t{name}({new})",
        UserWarning,
        stacklevel=3,
    )
    return arguments


def _scaled(function, input, other, alpha, out):
    if isinstance(alpha, Tensor):
        alpha = alpha.item()
    if all(isinstance(v, (Tensor, *NUMBERS)) for v in (input, other)):
        category = common_dtype((input, other)).category
        if isinstance(alpha, bool) and category != dtypes.BOOL:
            raise RuntimeError("Boolean alpha only supported for Boolean results.")
        if isinstance(alpha, float) and category <= dtypes.INTEGER:
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
        if isinstance(alpha, complex) and category != dtypes.COMPLEX:
            raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    return general(function.record, (input, other), (alpha,), out)


def div(input, other, *, rounding_mode=None, out=None):
    """Elementwise quotient; `rounding_mode` is None, "trunc" or "floor"."""
    if rounding_mode is None:
        return _div(input, other, out=out)
    if rounding_mode == "floor":
        return _div_floor(input, other, out=out)
    if rounding_mode == "trunc":
        return _div_trunc(input, other, out=out)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


publish(globals(), mul, "multiply")
publish(globals(), add)
publish(globals(), sub, "subtract")
publish(globals(), div, "divide", "true_divide")
__all__.append("rsub")

# ---------------------------------------------------------------- powers


def _pow_base_vjp(xp, g, x, y):
    return xp.where(y == 0, xp.zero(x), g * (y * xp.power(x, y - xp.one(y))))


def _pow_exponent_vjp(xp, g, x, y, out):
    nothing = (x == 0) & ((xp.real(y) if xp.is_complex(y) else y) >= 0)
    if xp.is_complex(y):
        x = x + xp.zero(y)  # the logarithm of a negative base is complex
    return xp.where(nothing, xp.zero(out), g * (out * xp.log(x)))


_pow = op(
    "pow",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: xp.power(x, y),
    vjp=(_pow_base_vjp, _pow_exponent_vjp),
    node="PowBackward1",
    number_nodes={0: "PowBackward2", 1: "PowBackward0"},
    jumps=True,
    refuses=no_kernel("pow", "b"),
)
_pow_number = op(
    "pow_number",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, exponent: xp.power_number(x, exponent),
    vjp=lambda xp, g, x, exponent: (
        xp.zeros_like(g) if exponent == 0 else g * (xp.number(g, exponent) * xp.power_number(x, exponent - 1))
    ),
    node="PowBackward0",
    public="pow",
)


def _pow_of_number_vjp(xp, g, y, out, base):
    slope = g * (out * xp.number(out, _log(complex(base) if base and xp.is_complex(y) else base)))
    if base:
        return slope
    return xp.where((xp.real(y) if xp.is_complex(y) else y) >= 0, xp.zero(out), slope)


def _log(number):
    """The logarithm of a number, in full precision; nan for a negative one."""
    if isinstance(number, complex):
        return cmath.log(number) if number else -math.inf
    return math.log(number) if number > 0 else math.nan if number else -math.inf


_pow_of_number = op(
    "pow_of_number",
    kind=ELEMENTWISE,
    forward=lambda xp, y, /, base: xp.power(number_array(base, y.dtype), y),
    vjp=_pow_of_number_vjp,
    node="PowBackward2",
    jumps=True,
    public="pow",
)

_INTEGER_NAMES = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t"}


def pow(input, exponent, *, out=None):
    """Elementwise power; either operand may be a number."""
    if isinstance(exponent, NUMBERS) and isinstance(input, Tensor):
        if exponent.__class__ not in NUMBERS:
            exponent = python_number(exponent)
        kind = input._array.dtype.kind
        if kind in "fcV" and (kind == "c" or exponent.__class__ is not complex):
            return (
                _pow_number(input, exponent) if out is None else general(_pow_number.record, (input,), (exponent,), out)
            )
        if isinstance(exponent, int) and (kind in "iu" or exponent < 0):
            return _integer_power(input, exponent, out)
        if kind == "b" and isinstance(exponent, bool):
            result = input.clone() if exponent else input.logical_or(~input)
            return result if out is None else out.copy_(result)
    elif isinstance(input, NUMBERS) and isinstance(exponent, Tensor):
        kind = exponent._array.dtype.kind
        if kind in "fcV" and (kind == "c" or input.__class__ is not complex):
            return general(_pow_of_number.record, (exponent,), (python_number(input),), out)
    elif isinstance(input, NUMBERS) and isinstance(exponent, NUMBERS):
        raise TypeError(
            "pow() received an invalid combination of arguments - got "
            f"({type(input).__name__}, {type(exponent).__name__})"
        )
    return _pow(input, exponent, out=out)


def _integer_power(input, exponent, out):
    if exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    limits = dtypes.iinfo(input.dtype)
    if exponent > limits.max:
        name = _INTEGER_NAMES.get(input.dtype.name, input.dtype.name)
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    return general(_pow_number.record, (input,), (int(exponent),), out)


def square(input, *, out=None):
    """``input ** 2``."""
    return pow(input, 2, out=out)


def float_power(input, exponent, *, out=None):
    """``input ** exponent`` computed in float64, or complex128."""
    if isinstance(input, NUMBERS) and isinstance(exponent, NUMBERS):
        raise TypeError(
            "float_power() received an invalid combination of arguments - got "
            f"({type(input).__name__}, {type(exponent).__name__})"
        )
    target = _float_power_dtype(input, exponent)
    if out is not None and out.dtype is not target:
        raise _wrong_dtype("the output given to float_power", out, target)
    input = input.to(target) if isinstance(input, Tensor) else input
    exponent = exponent.to(target) if isinstance(exponent, Tensor) else exponent
    return pow(input, exponent, out=out)


def _float_power_in_place(input, exponent):
    target = _float_power_dtype(input, exponent)
    if input.dtype is not target:
        raise _wrong_dtype("the base given to float_power_", input, target)
    return float_power(input, exponent)


def _float_power_dtype(input, exponent):
    category = common_dtype((input, exponent)).category
    return dtypes.complex128 if category == dtypes.COMPLEX else dtypes.float64


def _wrong_dtype(what: str, tensor, target) -> RuntimeError:
    return RuntimeError(
        f"{what} has dtype {dtypes.scalar_name(tensor.dtype)} but the operation's result requires dtype "
        + dtypes.scalar_name(target)
    )


publish(globals(), pow)
publish(globals(), square)
publish(globals(), float_power, twin=False)
in_place_method("float_power_", _float_power_in_place)

# ---------------------------------------------------------------- two inputs


def _refuses_complex(text: str) -> dict:
    return {"c": (RuntimeError, text)}


def _larger_vjp(xp, g, x, y):
    return xp.where(x == y, g / 2, xp.where(x < y, xp.zero(g), g))


def _smaller_vjp(xp, g, x, y):
    return xp.where(x == y, g / 2, xp.where(x > y, xp.zero(g), g))


def _extreme_jvp(is_x, shared: bool):
    """The tangent of an extreme: the first input's where `is_x`, at ties the mean of both if it is `shared`, else the
    second's, which it is also where a comparison with nan decides."""

    def jvp(xp, t_x, t_y, x, y):
        others = xp.where(x == y, (t_x + t_y) / 2, t_y) if shared else t_y
        return xp.where(is_x(xp, x, y), t_x, others)

    return jvp


maximum = binary(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    (_larger_vjp, _smaller_vjp),
    numbers=False,
    jvp=_extreme_jvp(lambda xp, x, y: x > y, True),
    refuses=_refuses_complex("maximum not implemented for complex tensors."),
    twin=False,
)
minimum = binary(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    (_smaller_vjp, _larger_vjp),
    numbers=False,
    jvp=_extreme_jvp(lambda xp, x, y: x < y, True),
    refuses=_refuses_complex("minimum not implemented for complex tensors."),
    twin=False,
)
fmax = binary(
    "fmax",
    lambda xp, x, y: xp.fmax(x, y),
    (
        lambda xp, g, x, y: xp.where((x >= y) | xp.isnan(y), g, xp.zero(g)),
        lambda xp, g, x, y: xp.where((x >= y) | xp.isnan(y), xp.zero(g), g),
    ),
    numbers=False,
    jvp=_extreme_jvp(lambda xp, x, y: (x > y) | xp.isnan(y), False),
    refuses=_refuses_complex("fmax not implemented for complex tensors."),
    twin=False,
)
fmin = binary(
    "fmin",
    lambda xp, x, y: xp.fmin(x, y),
    (
        lambda xp, g, x, y: xp.where((x <= y) | xp.isnan(y), g, xp.zero(g)),
        lambda xp, g, x, y: xp.where((x <= y) | xp.isnan(y), xp.zero(g), g),
    ),
    numbers=False,
    refuses=_refuses_complex("fmin not implemented for complex tensors."),
    twin=False,
)


def _over_squares(xp, g, part, x, y):
    """``g * part / (x² + y²)``, and 0 in the origin."""
    squares = x * x + y * y
    origin = squares == 0
    return xp.where(origin, xp.zero(g), g * part / xp.where(origin, xp.one(g), squares))


atan2 = binary(
    "atan2",
    lambda xp, x, y: xp.atan2(x, y),
    (lambda xp, g, x, y: _over_squares(xp, g, y, x, y), lambda xp, g, x, y: _over_squares(xp, g, -x, x, y)),
    "arctan2",
    floating=True,
    numbers=False,
    refuses=no_kernel("atan2_cpu", "c"),
)
hypot = binary(
    "hypot",
    lambda xp, x, y: xp.hypot(x, y),
    (lambda xp, g, x, out: g * (x / out), lambda xp, g, y, out: g * (y / out)),
    numbers=False,
    refuses=no_kernel("hypot_cpu", "biuc"),
)
copysign = binary(
    "copysign",
    lambda xp, x, y: xp.copysign(x, y),
    (lambda xp, g, x, out: xp.where(x == 0, xp.zero(g), g * xp.sign(x) * xp.sign(out)), _flat),
    floating=True,
    numbers=(1,),
    number_nodes={1: "CopysignBackward1"},
    refuses=no_kernel("copysign_cpu", "c"),
)
nextafter = binary(
    "nextafter",
    lambda xp, x, y: xp.nextafter(x, y),
    (
        lambda xp, g, x, y: xp.where(x == y, xp.zero(g), g),
        lambda xp, g: xp.zeros_like(g),
    ),
    numbers=False,
    refuses=no_kernel("nextafter_cpu", "biuc"),
)
ldexp = binary(
    "ldexp",
    lambda xp, x, y: x * xp.exp2(y),
    (lambda xp, g, y: g * xp.exp2(y), lambda xp, g, out: g * out * xp.number(g, LN2)),
    floating=True,
    numbers=False,
)
logaddexp = binary(
    "logaddexp",
    lambda xp, x, y: xp.logaddexp(x, y),
    (lambda xp, g, x, y: g / (xp.one(x) + xp.exp(y - x)), lambda xp, g, x, y: g / (xp.one(x) + xp.exp(x - y))),
    numbers=False,
    refuses=no_kernel("logaddexp_cpu", "biu"),
    twin=False,
)
logaddexp2 = binary(
    "logaddexp2",
    lambda xp, x, y: xp.logaddexp2(x, y),
    (lambda xp, g, x, y: g / (xp.one(x) + xp.exp2(y - x)), lambda xp, g, x, y: g / (xp.one(x) + xp.exp2(x - y))),
    numbers=False,
    refuses=no_kernel("logaddexp2_cpu", "biuc"),
    twin=False,
)
xlogy = binary(
    "xlogy",
    lambda xp, x, y: xp.where((x == 0) & ~xp.isnan(y), xp.zero(x), x * xp.log(y)),
    (
        lambda xp, g, x, y: xp.where((x == 0) & (y <= 0), xp.zero(g), g * xp.log(y)),
        lambda xp, g, x, y: g * x / y,
    ),
    floating=True,
    number_nodes={0: "XlogyBackward1", 1: "XlogyBackward2"},
    refuses=no_kernel("xlogy_cpu", "c"),
)


def _check_heaviside(x, y):
    if x._array.dtype.kind == "c" or y._array.dtype.kind == "c":
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if x._array.dtype is not y._array.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


_no_heaviside = no_derivative("derivative for aten::heaviside is not implemented")
heaviside = binary(
    "heaviside",
    lambda xp, x, values: xp.where(x == 0, values, xp.greater(x, 0).astype(x.dtype)),
    (_no_heaviside, _no_heaviside),
    node="NotImplemented",
    numbers=False,
    refuses=_refuses_complex("heaviside is not yet implemented for complex tensors."),
    check=_check_heaviside,
)
_frexp = op(
    "frexp",
    kind=ELEMENTWISE,
    forward=lambda xp, x: xp.frexp(x),
    vjp=lambda xp, g, exponent, x_dtype: g[0] / xp.exp2(xp.cast(exponent, x_dtype)),
    outputs=("mantissa", "exponent"),
    refuses=dict.fromkeys("biuc", (RuntimeError, "torch.frexp() only supports floating-point dtypes")),
)


def frexp(input, *, out=None):
    """Mantissas in [0.5, 1) and the int32 exponents of 2 that go with them, as (mantissa, exponent)."""
    from .. import return_types

    return return_types.frexp(general(_frexp.record, (input,), (), out))


publish(globals(), frexp, twin=False)

# ---------------------------------------------------------------- bounds

_clamp = op(
    "clamp",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, min, max: xp.clamp(
        x, None if min is None else number_array(min, x.dtype), None if max is None else number_array(max, x.dtype)
    ),
    vjp=lambda xp, g, x, min, max: xp.where(_between(x, min, max), g, xp.zero(g)),
    node="ClampBackward1",
    refuses={"c": (NotImplementedError, "clamp is not supported for complex types")},
)


_PLAIN_BOUNDS = (int, float, type(None))


def _between(x, min, max):
    if min is None:
        return x <= max
    return x >= min if max is None else (x >= min) & (x <= max)


def _clamp_lower_vjp(xp, g, x, min, max):
    return xp.where(x < min if max is None else (x < min) & (min < max), g, xp.zero(g))


def _clamp_upper_vjp(xp, g, x, min, max):
    return xp.where(x > max if min is None else (x > max) | (max < min), g, xp.zero(g))


def _clamp_jvp(xp, x, min, max, t_x, t_min, t_max):
    """At a bound, the tangent is the bound's if there is one bound, as in PyTorch."""
    if max is None:
        return xp.where(x > min, t_x, t_min)
    if min is None:
        return xp.where(x < max, t_x, t_max)
    inside = xp.where(x < min, t_min, xp.where(x > max, t_max, t_x))
    return xp.where(min > max, t_max, inside)


_clamp_tensors = op(
    "clamp_tensors",
    kind=ELEMENTWISE,
    jvp=_clamp_jvp,
    forward=lambda xp, x, min, max: xp.clamp(x, min, max),
    vjp=(
        lambda xp, g, x, min, max: xp.where(_between(x, min, max), g, xp.zero(g)),
        _clamp_lower_vjp,
        _clamp_upper_vjp,
    ),
    node="ClampBackward0",
    public="clamp",
    refuses=no_kernel("maximum_cpu", "c"),
)


def _check_fits(dtype, bounds) -> None:
    limits = dtypes.iinfo(dtype)
    low = limits.min if dtype.is_signed else -limits.max  # which wraps
    for bound in bounds:
        if isinstance(bound, int) and not low <= bound <= limits.max:
            name = "int" if dtype is dtypes.int32 else f"{dtype.name}_t"
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")


def clamp(input, min=None, max=None, *, out=None):
    """`input` kept within bounds, which are numbers or tensors; one of them may be None."""
    if (
        out is None
        and min.__class__ in _PLAIN_BOUNDS
        and max.__class__ in _PLAIN_BOUNDS
        and isinstance(input, Tensor)
        and input._array.dtype.kind == "f"
        and not (min is None and max is None)
    ):
        return _clamp(input, min, max)
    min, max = python_number(min), python_number(max)
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [bound for bound in (min, max) if bound is not None]
    if not isinstance(input, Tensor) or not all(isinstance(bound, (Tensor, *NUMBERS)) for bound in bounds):
        raise TypeError(
            f"clamp() received an invalid combination of arguments - got ({type(input).__name__}, "
            f"min={type(min).__name__}, max={type(max).__name__})"
        )
    tensors = [isinstance(bound, Tensor) for bound in bounds]
    if tensors in ([True, False], [False, True]):
        if any(isinstance(bound, Tensor) and (bound._array.ndim or bound.requires_grad) for bound in bounds):
            raise TypeError("clamp() received an invalid combination of arguments: a number and a tensor as bounds")
        min, max = bounds = [bound.item() if isinstance(bound, Tensor) else bound for bound in bounds]
    elif any(tensors):
        return general(_clamp_tensors.record, (input, min, max), (), out)
    if input._array.dtype.kind in "iu":
        _check_fits(input.dtype, bounds)
    common = common_dtype((input, min, max))
    if common is not input.dtype:
        input = input.to(common)
    return general(_clamp.record, (input,), (min, max), out)


publish(globals(), clamp, "clip")
_clamp_min = op(
    "clamp_min",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: xp.clamp(x, y, None),
    vjp=(
        lambda xp, g, x, y: xp.where(x >= y, g, xp.zero(g)),
        lambda xp, g, x, y: xp.where(x < y, g, xp.zero(g)),
    ),
    node="ClampMinBackward1",
    numbers=(1,),
    number_nodes={1: "ClampMinBackward0"},
    refuses=no_kernel("maximum_cpu", "c"),
)


def clamp_min(input, min, *, out=None):
    """The greater of `input` and `min`, a number or a tensor."""
    return _clamp_min(input, min, out=out)


publish(globals(), clamp_min)
_clamp_max = op(
    "clamp_max",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: xp.clamp(x, None, y),
    vjp=(
        lambda xp, g, x, y: xp.where(x <= y, g, xp.zero(g)),
        lambda xp, g, x, y: xp.where(x > y, g, xp.zero(g)),
    ),
    node="ClampMaxBackward1",
    numbers=(1,),
    number_nodes={1: "ClampMaxBackward0"},
    refuses=no_kernel("minimum_cpu", "c"),
)


def clamp_max(input, max, *, out=None):
    """The less of `input` and `max`, a number or a tensor."""
    return _clamp_max(input, max, out=out)


publish(globals(), clamp_max)

# ---------------------------------------------------------------- three inputs


def _check_where(condition, x, y):
    if condition._array.dtype.kind != "b" and condition.dtype is not dtypes.uint8:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            + dtypes.scalar_name(condition.dtype)
        )


_where = op(
    "where",
    kind=ELEMENTWISE,
    forward=lambda xp, condition, x, y: xp.where(condition, x, y),
    vjp=(
        None,
        lambda xp, g, condition: xp.where(condition, g, xp.zero(g)),
        lambda xp, g, condition: xp.where(condition, xp.zero(g), g),
    ),
    promote=(1, 2),
    holomorphic=False,
    check=_check_where,
)


def where(condition, input=None, other=None, *, out=None):
    """`input` where `condition` holds, `other` elsewhere; with the condition alone, the indices where it holds."""
    if input is None and other is None:
        refuse_batches(DYNAMIC.format("where"), condition)
        return condition.nonzero(as_tuple=True)
    return general(_where.record, (condition, input, other), (), out)


def _where_method(self, condition, other):
    return where(condition, self, other)


publish(globals(), where, method=False)
_where_method.__name__ = "where"
Tensor.where = _where_method


def _check_lerp(x, end, weight):
    if x._array.dtype.kind in "iub" and end._array.dtype is x._array.dtype:
        kernel = "lerp_kernel_tensor" if isinstance(weight, Tensor) else "lerp_kernel_scalar"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtypes.scalar_name(x.dtype)}'")
    for name, value in (("end", end), ("weight", weight)):
        if isinstance(value, Tensor) and value._array.dtype is not x._array.dtype:
            raise RuntimeError(
                f"expected dtype {dtypes.c_name(x.dtype)} for `{name}` but got dtype {dtypes.c_name(value.dtype)}"
            )


def _wide(xp, formula, x, *others):
    """A formula of several steps; half types compute it in float32 and round once, as PyTorch does."""
    wide = xp.accumulation_dtype(x.dtype)
    if wide is None:
        return formula(x, *others)
    return formula(x.astype(wide), *[other.astype(wide) for other in others]).astype(x.dtype)


def _lerp_forward(xp, x, end, weight):
    step = end - x
    if not weight.ndim:
        return x + weight * step if abs(weight) < 0.5 else end - step * (xp.one(x) - weight)
    return xp.where(abs(weight) < 0.5, x + weight * step, end - step * (xp.one(x) - weight))


_lerp = op(
    "lerp",
    kind=ELEMENTWISE,
    forward=lambda xp, x, end, weight: _wide(xp, lambda *arrays: _lerp_forward(xp, *arrays), x, end, weight),
    vjp=(
        lambda xp, g, weight: g * (1 - weight),
        lambda xp, g, weight: g * weight,
        lambda xp, g, x, end: g * (end - x),
    ),
    node="LerpBackward1",
    number_nodes={2: "LerpBackward0"},
    check=_check_lerp,
    refuses=no_kernel("lerp_kernel_tensor", "biu"),
)


def lerp(input, end, weight, *, out=None):
    """``input + weight * (end - input)``; `weight` is a number or a tensor."""
    for position, (name, value) in enumerate((("input", input), ("end", end)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor("lerp", name, position, value)
    return general(_lerp.record, (input, end, weight), (), out)


publish(globals(), lerp)


def _value(value, like):
    """The factor of addcmul and addcdiv, as a number of the result's dtype."""
    return number_array(value if like.dtype.kind in "fcV" else int(value), like.dtype)


_addcmul = op(
    "addcmul",
    kind=ELEMENTWISE,
    forward=lambda xp, x, tensor1, tensor2, /, value: _wide(
        xp, lambda a, b, c: a + _value(value, a) * b * c, x, tensor1, tensor2
    ),
    vjp=(
        lambda xp, g: g,
        lambda xp, g, tensor2, value: g * (tensor2 * xp.number(g, value)),
        lambda xp, g, tensor1, value: g * (tensor1 * xp.number(g, value)),
    ),
    numbers=False,
    refuses=no_kernel("addcmul_cpu_out", "b"),
)


def _check_addcdiv(x, tensor1, tensor2):
    if tensor1._array.dtype.kind in "iub" and tensor2._array.dtype.kind in "iub":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value "
            "* torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value "
            "* tensor1 / tensor2), for all dtypes."
        )


_addcdiv = op(
    "addcdiv",
    kind=ELEMENTWISE,
    forward=lambda xp, x, tensor1, tensor2, /, value: _wide(
        xp, lambda a, b, c: a + _value(value, a) * b / c, x, tensor1, tensor2
    ),
    vjp=(
        lambda xp, g: g,
        lambda xp, g, tensor2, value: g * (xp.number(g, value) / tensor2),
        lambda xp, g, tensor1, tensor2, value: -g * (xp.number(g, value) * tensor1 / (tensor2 * tensor2)),
    ),
    numbers=False,
    check=_check_addcdiv,
)


def addcmul(input, tensor1, tensor2, *deprecated, value=1, out=None):
    """``input + value * tensor1 * tensor2``."""
    if deprecated:
        value, tensor1, tensor2 = _number_first("addcmul", _OLD_TERNARY, _NEW_TERNARY, tensor1, tensor2, *deprecated)
    return general(_addcmul.record, (input, tensor1, tensor2), (value,), out)


def addcdiv(input, tensor1, tensor2, *deprecated, value=1, out=None):
    """``input + value * tensor1 / tensor2``."""
    if deprecated:
        value, tensor1, tensor2 = _number_first("addcdiv", _OLD_TERNARY, _NEW_TERNARY, tensor1, tensor2, *deprecated)
    return general(_addcdiv.record, (input, tensor1, tensor2), (value,), out)


publish(globals(), addcmul)
publish(globals(), addcdiv)

# ---------------------------------------------------------------- operators


def _reflected_div(self, other):
    return self.reciprocal() * other


def _power(self, other):
    if (other.__class__ is int or other.__class__ is float) and self._array.dtype.kind in "fcV":
        return _pow_number(self, other)  # the common case, without another call
    if isinstance(other, NUMBERS):
        return pow(self, other)
    return _pow.record.operator(self, other)


def _reflected_power(self, other):
    return pow(other, self) if is_operand(other) else NotImplemented


operators("add", _add, "add_")
operators("sub", _sub, "sub_")
operators("mul", _mul, "mul_")
operators("truediv", _div, "div_")
operators("floordiv", floor_divide, "floor_divide_")
operators("mod", remainder, "remainder_")
operators("pow", _pow, "pow_")
Tensor.__radd__ = Tensor.__add__
Tensor.__rmul__ = Tensor.__mul__
Tensor.__rsub__ = _rsub.record.operator
Tensor.__rtruediv__ = Tensor.__rdiv__ = _reflected_div
Tensor.__div__, Tensor.__idiv__ = Tensor.__truediv__, Tensor.__itruediv__
Tensor.__pow__ = _power
Tensor.__rpow__ = _reflected_power
Tensor.__neg__ = neg
Tensor.__pos__ = positive
