"""Operations whose elements depend on the elements at the same place."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..algebra import ONE, ZERO, Apply, Formula, apply, number
from ..formulas import RULES, Call, NoFormula, Place, rational_of, rule
from ..functions import HALF, PI, above, not_below, root

_TWO = number(2)


def _unary(name: str, of: Callable[[Formula], Formula]) -> None:
    RULES[name] = lambda call, p: of(call(0, p))


def _binary(name: str, of: Callable[[Formula, Formula], Formula]) -> None:
    RULES[name] = lambda call, p: of(call(0, p), call(1, p))


def logistic(u: Formula) -> Formula:
    return apply("sigmoid", u)


def either(condition: Formula, then: Formula, otherwise: Formula) -> Formula:
    """`then` where a condition is 1, `otherwise` where it is 0."""
    return condition * then + (ONE - condition) * otherwise


def _inverse(u: Formula) -> Formula:
    """1/u; σ(v) where u is 1 + exp(-v)."""
    others = [(monomial, coefficient) for monomial, coefficient in u.terms.items() if monomial]
    if u.terms.get(()) == 1 and len(others) == 1:
        monomial, coefficient = others[0]
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            one = monomial[0][0]
            if isinstance(one, Apply) and one.function == "exp" and all(c < 0 for c in one.arguments[0].terms.values()):
                return logistic(ZERO - one.arguments[0])
    return u.power(-1)


_PLAIN = {
    "special_erfcx": "erfcx", "special_ndtri": "Phi_inverse", "special_i1": "i1",
} | {
    name: name
    for name in (
        "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid",
        "relu", "abs", "sign", "floor", "ceil", "round", "trunc", "erf", "erfc", "erfinv", "digamma", "lgamma", "i0", "sinc",
    )
}  # fmt: skip
for _name, _function in _PLAIN.items():
    _unary(_name, lambda u, name=_function: apply(name, u))  # type: ignore[misc]
_unary("neg", lambda u: ZERO - u)
_unary("sqrt", root)
_unary("rsqrt", lambda u: root(u).power(-1))
_unary("reciprocal", lambda u: _inverse(u))
_unary("exp2", lambda u: apply("pow", _TWO, u))
_unary("expm1", lambda u: apply("exp", u) - ONE)
_unary("log1p", lambda u: apply("log", ONE + u))
_unary("log2", lambda u: apply("log", u) * apply("log", _TWO).power(-1))
_unary("log10", lambda u: apply("log", u) * apply("log", number(10)).power(-1))
_unary("frac", lambda u: u - apply("trunc", u))
_unary("sgn", lambda u: apply("sign", u))
_unary("angle", lambda u: apply("above", ZERO, u) * PI)
_unary("deg2rad", lambda u: number(Fraction(1, 180)) * PI * u)
_unary("rad2deg", lambda u: number(180) * u * PI.power(-1))
_unary("silu", lambda u: u * logistic(u))
_unary("mish", lambda u: u * apply("tanh", apply("softplus", u)))
_unary("gelu", lambda u: u * apply("Phi", u))
_unary("log_sigmoid", lambda u: apply("log", logistic(u)))
_unary("hardsigmoid", lambda u: number(Fraction(1, 6)) * _strict_clamp(u, -3, 3) + number(HALF))
_unary("hardswish", lambda u: u * (number(Fraction(1, 6)) * _strict_clamp(u, -3, 3) + number(HALF)))
_unary("special_entr", lambda u: ZERO - u * apply("log", u))
_unary("special_i0e", lambda u: apply("exp", ZERO - apply("abs", u)) * apply("i0", u))
_unary("special_i1e", lambda u: apply("exp", ZERO - apply("abs", u)) * apply("i1", u))
_unary("special_log_ndtr", lambda u: apply("log", apply("Phi", u)))
_binary("add", lambda a, b: a + b)
_binary("sub", lambda a, b: a - b)
_binary("rsub", lambda a, b: b - a)
_binary("div", lambda a, b: a * _inverse(b))
_binary("div_floor", lambda a, b: apply("floor", a * b.power(-1)))
_binary("floor_divide", lambda a, b: apply("floor", a * b.power(-1)))
_binary("div_trunc", lambda a, b: apply("trunc", a * b.power(-1)))
_binary("fmod", lambda a, b: a - b * apply("trunc", a * b.power(-1)))
_binary("remainder", lambda a, b: a - b * apply("floor", a * b.power(-1)))
_binary("hypot", lambda a, b: root(a.power(2) + b.power(2)))
_binary("logaddexp", lambda a, b: apply("log", apply("exp", a) + apply("exp", b)))
_binary(
    "logaddexp2",
    lambda a, b: apply("log", apply("pow", _TWO, a) + apply("pow", _TWO, b)) * apply("log", _TWO).power(-1),
)
_binary("xlogy", lambda a, b: a * apply("log", b))
_binary("special_xlog1py", lambda a, b: a * apply("log", ONE + b))
_binary("pow", lambda a, b: apply("pow", a, b) if b.number is None else a.power(b.number))
_binary("atan2", lambda a, b: apply("atan2", a, b))
_binary("ldexp", lambda a, b: a * apply("pow", _TWO, b))
_binary("copysign", lambda a, b: apply("abs", a) * (_TWO * not_below(b, ZERO) - ONE))
_binary("igamma", lambda a, x: apply("P", a, x))
_binary("igammac", lambda a, x: ONE - apply("P", a, x))
_binary("special_zeta", lambda s, q: apply("zeta", s, q))
_binary("prelu", lambda u, slope: either(above(u, ZERO), u, slope * u))
_binary("rrelu", lambda u, noise: u * noise)


def _strict_clamp(u: Formula, low, high) -> Formula:
    """The nearest number between two, with a derivative of 0 at both."""
    return apply("hardtanh", u, rational_of(low), rational_of(high))


@rule("mul")
def _product(call: Call, p: Place) -> Formula:
    a, b = call(0, p), call(1, p)
    return b * a if call.is_number_first() else a * b


@rule("maximum", "minimum", "fmax", "fmin", "clamp_min", "clamp_max")
def _extreme_of_two(call: Call, p: Place) -> Formula:
    a, b = call.array(0), call.array(1)
    largest = call.name in ("maximum", "fmax", "clamp_min")
    if np.any(a == b):  # each operation shares the derivative of equals in its own way
        tied = "half" if call.name in ("maximum", "minimum") else "first"
        return apply(f"{'max' if largest else 'min'}_{tied}", call(0, p), call(1, p))
    return apply("max" if largest else "min", call(0, p), call(1, p))


@rule("clamp")
def _clamp(call: Call, p: Place) -> Formula:
    low, high = call.setting("min"), call.setting("max")
    if low is None:
        return apply("min_first", call(0, p), rational_of(high))
    if high is None:
        return apply("max_first", call(0, p), rational_of(low))
    return apply("clamp", call(0, p), rational_of(low), rational_of(high))


@rule("clamp_tensors")
def _clamp_tensors(call: Call, p: Place) -> Formula:
    u = call(0, p)
    if call.has(1):
        u = apply("max_first", u, call(1, p))
    return apply("min_first", u, call(2, p)) if call.has(2) else u


@rule("hardtanh")
def _hardtanh(call: Call, p: Place) -> Formula:
    return _strict_clamp(call(0, p), call.setting("low"), call.setting("high"))


@rule("logit")
def _logit(call: Call, p: Place) -> Formula:
    u, eps = call(0, p), call.setting("eps")
    if eps is not None:
        u = apply("clamp", u, rational_of(eps), ONE - rational_of(eps))
    return apply("log", u * (ONE - u).power(-1))


@rule("gelu_tanh")
def _gelu_tanh(call: Call, p: Place) -> Formula:
    u = call(0, p)
    inner = root(apply("number", _TWO * PI.power(-1))) * (u + number(Fraction("0.044715")) * u.power(3))
    return number(HALF) * u * (ONE + apply("tanh", inner))


@rule("softplus")
def _softplus(call: Call, p: Place) -> Formula:
    beta, threshold = rational_of(call.setting("beta")), rational_of(call.setting("threshold"))
    u = call(0, p)
    smooth = beta.power(-1) * apply("softplus", beta * u)
    if (np.asarray(call.array(0)) * float(call.setting("beta")) > float(call.setting("threshold"))).any():
        return either(above(beta * u, threshold), u, smooth)  # where it has become a straight line
    return smooth


@rule("leaky_relu", "rrelu_mean")
def _leaky_relu(call: Call, p: Place) -> Formula:
    u = call(0, p)
    return either(above(u, ZERO), u, rational_of(call.setting("slope")) * u)


@rule("elu", "celu")
def _elu(call: Call, p: Place) -> Formula:
    u, alpha = call(0, p), rational_of(call.setting("alpha"))
    inner, scale = alpha.power(-1), ONE
    if call.name == "elu":
        inner, scale = rational_of(call.setting("input_scale")), rational_of(call.setting("scale"))
    return scale * either(above(u, ZERO), u, alpha * (apply("exp", inner * u) - ONE))


@rule("hardshrink", "softshrink")
def _shrink(call: Call, p: Place) -> Formula:
    u, width = call(0, p), rational_of(call.setting("width"))
    if call.name == "hardshrink":
        return above(apply("abs", u), width) * u
    return above(u, width) * (u - width) + above(ZERO - width, u) * (u + width)


@rule("threshold")
def _threshold(call: Call, p: Place) -> Formula:
    u = call(0, p)
    return either(above(u, rational_of(call.setting("threshold"))), u, call.filler("value"))


@rule("where")
def _where(call: Call, p: Place) -> Formula:
    condition = np.asarray(call.array(0))
    for place, never in ((1, not condition.any()), (2, condition.all())):
        if never and not _has_numbers(call, place):
            return call(3 - place, p)
    return either(call(0, p), call(1, p), call(2, p))


def _has_numbers(call: Call, place: int) -> bool:
    """Whether an input is something that gradients reach, or a constant whose numbers are known and finite."""
    try:
        return call.edges[place] is not None or bool(np.all(np.isfinite(call.array(place))))
    except NoFormula:
        return False


@rule("masked_fill", "masked_fill_tensor")
def _masked_fill(call: Call, p: Place) -> Formula:
    value = call(2, p) if call.name == "masked_fill_tensor" else call.filler("value")
    return either(call(1, p), value, call(0, p))


@rule("nan_to_num")
def _nan_to_num(call: Call, p: Place) -> Formula:
    if not np.all(np.isfinite(call.array(0))):
        raise NoFormula
    return call(0, p)


@rule("round_decimals")
def _round_decimals(call: Call, p: Place) -> Formula:
    scale = apply("pow", number(10), call.filler("decimals"))
    return scale.power(-1) * apply("round", scale * call(0, p))


@rule("frexp")
def _frexp(call: Call, p: Place) -> Formula:
    return call(0, p) * apply("pow", _TWO, ZERO - call.formulas.given("e", call.output(1), p))


@rule("polygamma")
def _polygamma(call: Call, p: Place) -> Formula:
    return apply("polygamma", number(call.setting("n")), call(0, p))


@rule("mvlgamma")
def _mvlgamma(call: Call, p: Place) -> Formula:
    u, order = call(0, p), call.setting("p")
    result = number(Fraction(order * (order - 1), 4)) * apply("log", PI)
    for j in range(order):
        result = result + apply("lgamma", u - number(Fraction(j, 2)))
    return result


@rule("add_scaled", "sub_scaled", "rsub_scaled")
def _scaled(call: Call, p: Place) -> Formula:
    alpha = rational_of(call.setting("alpha"))
    if call.name == "rsub_scaled":
        return call(1, p) - alpha * call(0, p)
    return call(0, p) + (alpha if call.name == "add_scaled" else ZERO - alpha) * call(1, p)


@rule("pow_number")
def _pow_number(call: Call, p: Place) -> Formula:
    exponent = call.written(1, call.setting("exponent"))
    return call(0, p).power(exponent.number) if exponent.number is not None else apply("pow", call(0, p), exponent)


@rule("pow_of_number")
def _pow_of_number(call: Call, p: Place) -> Formula:
    return apply("pow", rational_of(call.setting("base")), call(0, p))


@rule("div_number")
def _div_number(call: Call, p: Place) -> Formula:
    return call(0, p) * rational_of(call.setting("number")).power(-1)


@rule("lerp")
def _lerp(call: Call, p: Place) -> Formula:
    return call(0, p) + call(2, p) * (call(1, p) - call(0, p))


@rule("addcmul", "addcdiv")
def _addc(call: Call, p: Place) -> Formula:
    third = call(2, p) if call.name == "addcmul" else call(2, p).power(-1)
    return call(0, p) + rational_of(call.setting("value")) * call(1, p) * third


@rule("threshold_backward", "leaky_relu_backward", "hardtanh_backward", "softshrink_backward", "hardshrink_backward")
def _slope_times(call: Call, p: Place) -> Formula:
    """The gradient times a slope that is constant on each piece: what the gradient of one of these records."""
    u, at = call(1, p), call.setting("at")
    if call.name == "hardtanh_backward":
        return call(0, p) * above(u, rational_of(at[0])) * above(rational_of(at[1]), u)
    if call.name == "leaky_relu_backward":
        return call(0, p) * either(above(u, ZERO), ONE, rational_of(at))
    size = u if call.name == "threshold_backward" else apply("abs", u)
    return call(0, p) * above(size, rational_of(at))
