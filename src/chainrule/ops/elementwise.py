"""Operations that act element by element on one tensor, and arithmetic on two.

Formulas are those of any table of derivatives. They are written as for holomorphic functions (see op.py).
"""

from __future__ import annotations

from ..inplace import in_place_method
from ..op import ELEMENTWISE, LINEAR, NUMBERS, general, op
from ..tensor import Tensor, wrap

__all__ = [
    "add",
    "div",
    "divide",
    "mul",
    "multiply",
    "pow",
    "rsub",
    "sub",
    "subtract",
    "true_divide",
]


def publish(function, *aliases: str, in_place: bool = True):
    """Makes an elementwise function a method too, with its in-place twin as method and function."""
    for name in (function.__name__, *aliases):
        setattr(Tensor, name, function)
        globals()[name] = function
        if name not in __all__:
            __all__.append(name)
        if in_place:
            globals()[name + "_"] = in_place_method(name + "_", function)
            __all__.append(name + "_")
    return function


def unary(name: str, forward, vjp=None, *aliases: str, in_place: bool = True, **settings):
    """An elementwise operation on one tensor: function, method, in-place method and function."""
    return publish(
        op(name, kind=ELEMENTWISE, forward=forward, vjp=vjp, **settings), *aliases, in_place=in_place
    )


# ---------------------------------------------------------------- one input

sin = unary("sin", lambda xp, x: xp.sin(x), lambda xp, g, x: g * xp.cos(x), floating=True)
cos = unary("cos", lambda xp, x: xp.cos(x), lambda xp, g, x: -g * xp.sin(x), floating=True)
tan = unary("tan", lambda xp, x: xp.tan(x), lambda xp, g, out: g + g * out * out, floating=True)
exp = unary("exp", lambda xp, x: xp.exp(x), lambda xp, g, out: g * out, floating=True)
log = unary("log", lambda xp, x: xp.log(x), lambda xp, g, x: g / x, floating=True)
tanh = unary("tanh", lambda xp, x: xp.tanh(x), lambda xp, g, out: g - g * out * out, floating=True)
sqrt = unary("sqrt", lambda xp, x: xp.sqrt(x), lambda xp, g, out: g / (2 * out), floating=True)
neg = unary("neg", lambda xp, x: -x, lambda xp, g: -g, "negative")
reciprocal = unary(
    "reciprocal", lambda xp, x: xp.one(x) / x, lambda xp, g, out: -g * out * out, floating=True
)
sigmoid = unary(
    "sigmoid",
    lambda xp, x: xp.one(x) / (xp.one(x) + xp.exp(-x)),
    lambda xp, g, out: g * (out - out * out),
    floating=True,
)
relu = unary("relu", lambda xp, x: xp.maximum(x, xp.zero(x)), lambda xp, g, out: g * (out > xp.zero(out)))
conj_physical = unary(
    "conj_physical", lambda xp, x: xp.conj(x), lambda xp, g: xp.conj(g), in_place=True, holomorphic=False
)

# ---------------------------------------------------------------- two inputs

_mul = op(
    "mul",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: x * y,
    vjp=(lambda xp, g, y: g * y, lambda xp, g, x: g * x),
)
_add = op("add", kind=ELEMENTWISE, forward=lambda xp, x, y: x + y, vjp=(lambda xp, g: g, lambda xp, g: g))
_sub = op("sub", kind=ELEMENTWISE, forward=lambda xp, x, y: x - y, vjp=(lambda xp, g: g, lambda xp, g: -g))
_div = op(
    "div",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: x / y,
    vjp=(lambda xp, g, y: g / y, lambda xp, g, x, y: -g * ((x / y) / y)),
    floating=True,
)
_rsub = op(
    "rsub", kind=ELEMENTWISE, forward=lambda xp, x, y: y - x, vjp=(lambda xp, g: -g, lambda xp, g: g),
    node="RsubBackward1",
)  # fmt: skip
_pow = op(
    "pow",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: xp.power(x, y),
    vjp=(
        lambda xp, g, x, y: g * xp.where(y == 0, xp.zero(x), y * xp.power(x, y - 1)),
        lambda xp, g, x, y, out: g * xp.where((x == 0) & (y >= 0), xp.zero(out), out * xp.log(x)),
    ),
    node="PowBackward1",
)
_pow_number = op(
    "pow_number",
    kind=ELEMENTWISE,
    forward=lambda xp, x, /, exponent: xp.power_number(x, exponent),
    vjp=lambda xp, g, x, exponent: (
        xp.zeros_like(g) if exponent == 0 else g * (exponent * xp.power_number(x, exponent - 1))
    ),
    node="PowBackward0",
    public="pow",
)
_pow_of_number = op(
    "pow_of_number",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: xp.power(x, y),
    vjp=(None, lambda xp, g, x, out: g * xp.where(x == 0, xp.zero(out), out * xp.log(x))),
    node="PowBackward2",
    public="pow",
)


def mul(input, other, *, out=None):
    """Elementwise product, with broadcasting and type promotion."""
    return _mul(input, other, out=out)


def add(input, other, *, alpha=1, out=None):
    """``input + alpha * other``, elementwise."""
    return _add(input, other if alpha == 1 else _scaled(other, alpha), out=out)


def sub(input, other, *, alpha=1, out=None):
    """``input - alpha * other``, elementwise."""
    return _sub(input, other if alpha == 1 else _scaled(other, alpha), out=out)


def rsub(input, other, *, alpha=1):
    """``other - alpha * input``, elementwise."""
    return _rsub(input if alpha == 1 else _scaled(input, alpha), other)


def _scaled(value, alpha):
    return value * alpha


def div(input, other, *, rounding_mode=None, out=None):
    """Elementwise quotient; `rounding_mode` is None, "trunc" or "floor"."""
    return _div(input, other, out=out)


def pow(input, exponent, *, out=None):
    """Elementwise power; either operand may be a number."""
    if isinstance(exponent, NUMBERS) and isinstance(input, Tensor):
        return general(_pow_number.record, (input,), (exponent,), out)
    return _pow(input, exponent, out=out)


multiply, subtract, true_divide, divide = mul, sub, div, div
for _function, _name in (
    (mul, "mul"), (mul, "multiply"), (add, "add"), (sub, "sub"), (sub, "subtract"), (div, "div"), (div, "divide"),
    (div, "true_divide"), (pow, "pow"),
):  # fmt: skip
    setattr(Tensor, _name, _function)
    in_place_method(_name + "_", _function)


# ---------------------------------------------------------------- operators


def _reflected_div(self, other):
    return self.reciprocal() * other


def _power(self, other):
    if isinstance(other, NUMBERS):
        return general(_pow_number.record, (self,), (other,))
    return _pow.record.operator(self, other)


def _reflected_power(self, other):
    return _pow_of_number(other, self)


Tensor.__add__ = Tensor.__radd__ = _add.record.operator
Tensor.__sub__ = _sub.record.operator
Tensor.__rsub__ = _rsub.record.operator
Tensor.__mul__ = Tensor.__rmul__ = _mul.record.operator
Tensor.__truediv__ = _div.record.operator
Tensor.__rtruediv__ = _reflected_div
Tensor.__pow__ = _power
Tensor.__rpow__ = _reflected_power
Tensor.__neg__ = neg
Tensor.__iadd__ = Tensor.add_
Tensor.__isub__ = Tensor.sub_
Tensor.__imul__ = Tensor.mul_
Tensor.__itruediv__ = Tensor.div_
Tensor.__ipow__ = Tensor.pow_
