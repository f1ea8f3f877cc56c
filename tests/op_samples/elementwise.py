"""Rows of ops/elementwise.py, ops/comparison.py, ops/bitwise.py and ops/complexes.py."""

import numpy as np

from chainrule.op import REGISTRY

from .makers import (
    ANY,
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    REAL,
    bools,
    floats,
    given,
    integers,
    positive,
    row,
    unit,
    whole,
)

NUMERIC = FLOATING + COMPLEX + INTEGER
EDGE = given([-np.inf, -1.0, 0.0, 2.0, np.inf, np.nan])


def rounding(reference):
    """A row of a function that jumps between whole numbers."""
    return row(floats(2, 3, away=(-1.5, -1, -0.5, 0, 0.5, 1, 1.5)), reference=reference, dtypes=FLOATING + INTEGER)


def comparison(reference, dtypes=REAL):
    return row(whole(2, 3), whole(3), reference=reference, dtypes=dtypes)


def division(reference, in_place=None):
    """A row whose quotients stay away from whole numbers."""
    return row(
        given([[5.0, -5.0, 7.0], [-7.0, 2.5, 0.5]]), given([3.0, 2.0, -4.0]), reference=reference, scalar=False,
        empty=False, layouts=False, dtypes=FLOATING + INTEGER, in_place=in_place,
    )  # fmt: skip


def bits(reference):
    return row(integers(2, 3, low=-9, high=9), integers(3, low=0, high=7), reference=reference, dtypes=INTEGER)


def of_complex(function):
    """The function of complex numbers that are made of the real ones a row is called with."""
    return lambda x: function(x * (1 + 0.5j))


ONE = {
    "exp": row(floats(2, 3), reference=np.exp, dtypes=FLOATING + COMPLEX + BOOL),
    "exp2": row(floats(2, 3), reference=lambda x: 2**x, dtypes=FLOATING + COMPLEX),
    "expm1": row(floats(2, 3), reference=np.expm1, dtypes=FLOATING + COMPLEX + BOOL),
    "log": row(positive(2, 3), reference=np.log, dtypes=ANY),
    "log2": row(positive(2, 3), reference=np.log2, dtypes=ANY),
    "log10": row(positive(2, 3), reference=np.log10, dtypes=ANY),
    "log1p": row(positive(2, 3), reference=np.log1p, dtypes=ANY),
    "sqrt": row(positive(2, 3), reference=np.sqrt, dtypes=ANY),
    "rsqrt": row(positive(2, 3), reference=lambda x: 1 / np.sqrt(x), dtypes=ANY),
    "reciprocal": row(positive(2, 3), reference=lambda x: 1 / x, dtypes=ANY),
    "sin": row(floats(2, 3), reference=np.sin, dtypes=ANY),
    "cos": row(floats(2, 3), reference=np.cos, dtypes=ANY),
    "tan": row(floats(2, 3, low=-1.2, high=1.2), reference=np.tan, dtypes=ANY),
    "asin": row(unit(2, 3), reference=np.arcsin, dtypes=FLOATING + COMPLEX),
    "acos": row(unit(2, 3), reference=np.arccos, dtypes=FLOATING + COMPLEX),
    "atan": row(floats(2, 3), reference=np.arctan, dtypes=REAL),
    "sinh": row(floats(2, 3), reference=np.sinh, dtypes=FLOATING + COMPLEX + BOOL),
    "cosh": row(floats(2, 3), reference=np.cosh, dtypes=FLOATING + COMPLEX + BOOL),
    "tanh": row(floats(2, 3, low=-1.2, high=1.2), reference=np.tanh, dtypes=ANY),
    "asinh": row(floats(2, 3), reference=np.arcsinh, dtypes=REAL),
    "acosh": row(positive(2, 3, low=1.2, high=3.0), reference=np.arccosh, dtypes=FLOATING + COMPLEX),
    "atanh": row(unit(2, 3), reference=np.arctanh, dtypes=FLOATING + COMPLEX),
    "deg2rad": row(floats(2, 3), reference=np.deg2rad, dtypes=REAL),
    "rad2deg": row(floats(2, 3), reference=np.rad2deg, dtypes=REAL),
    "sinc": [
        row(floats(2, 3), reference=np.sinc, dtypes=FLOATING + COMPLEX),
        row(given([0.0]), reference=np.sinc, second=False, scalar=False),
    ],
    "neg": row(floats(2, 3), reference=np.negative, dtypes=NUMERIC),
    "sign": row(floats(2, 3), reference=np.sign, dtypes=FLOATING + INTEGER),
    "floor": rounding(np.floor),
    "ceil": rounding(np.ceil),
    "trunc": rounding(np.trunc),
    "round": rounding(np.rint),
    "round_decimals": row(
        given([0.26, -1.31, 12.34]), settings=(1,), reference=np.round, layouts=False, in_place=False,
    ),
    "frac": row(floats(2, 3, away=(-1, 0, 1)), reference=lambda x: x - np.trunc(x)),
    "signbit": row(floats(2, 3), reference=np.signbit, dtypes=FLOATING + INTEGER),
    "sigmoid": row(floats(2, 3), reference=lambda x: 1 / (1 + np.exp(-x)), dtypes=ANY),
    "relu": row(floats(2, 3), reference=lambda x: np.maximum(x, 0), dtypes=FLOATING + INTEGER),
    "threshold": row(
        floats(2, 3, away=(0.5,)), settings=(0.5, 7.0), reference=lambda x, t, v: np.where(x <= t, v, x),
        in_place=False,
    ),
    "logit": [
        row(positive(2, 3, low=0.1, high=0.9), settings=(None,), reference=lambda x, _: np.log(x / (1 - x))),
        row(
            positive(2, 3, low=0.1, high=0.9), settings=(0.2,),
            reference=lambda x, e: np.log(np.clip(x, e, 1 - e) / (1 - np.clip(x, e, 1 - e))), second=False,
        ),
    ],
    "nan_to_num": row(
        floats(2, 3), settings=(0.5, 9.0, None), reference=lambda x, n, p, m: np.nan_to_num(x, nan=n, posinf=p),
        dtypes=FLOATING + INTEGER,
    ),
    "frexp": row(floats(2, 3), reference=lambda x: np.frexp(x)[0], check=lambda out: out[0]),
}  # fmt: skip

TWO = {
    "mul": row(floats(2, 3), floats(3), reference=np.multiply, dtypes=ANY),
    "add": row(floats(2, 1), floats(3), reference=np.add, dtypes=ANY),
    "sub": row(floats(2, 3), floats(2, 1), reference=np.subtract, dtypes=NUMERIC),
    "rsub": row(floats(2, 3), floats(3), reference=lambda x, y: y - x, dtypes=NUMERIC),
    "add_scaled": row(floats(2, 1), floats(3), settings=(3,), reference=lambda x, y, a: x + a * y, dtypes=NUMERIC),
    "sub_scaled": row(floats(2, 1), floats(3), settings=(3,), reference=lambda x, y, a: x - a * y, dtypes=NUMERIC),
    "rsub_scaled": row(floats(2, 1), floats(3), settings=(3,), reference=lambda x, y, a: y - a * x, dtypes=NUMERIC),
    "div": row(floats(2, 3), positive(3), reference=np.true_divide, dtypes=ANY),
    "div_floor": division(np.floor_divide, in_place=False),
    "div_trunc": division(lambda x, y: np.trunc(x / y), in_place=False),
    "remainder": division(np.remainder),
    "fmod": division(np.fmod),
    "floor_divide": row(
        floats(2, 3), positive(3), reference=np.floor_divide, dtypes=FLOATING + INTEGER, differentiable=(), jvp=False,
    ),
    "pow": row(positive(2, 3), positive(3), reference=np.power, dtypes=NUMERIC),
    "pow_number": [
        row(positive(2, 3), settings=(2.5,), reference=np.power, dtypes=FLOATING + COMPLEX),
        row(floats(2, 3), settings=(3,), reference=np.power, dtypes=NUMERIC),
        row(floats(2, 3), settings=(0,), reference=np.power, dtypes=NUMERIC),
    ],
    "pow_of_number": row(
        floats(3), settings=(1.7,), reference=lambda y, x: x**y, dtypes=FLOATING + COMPLEX, in_place=False,
    ),
    "maximum": row(floats(2, 3), given([-1.0, 0.5, 3.0]), reference=np.maximum, dtypes=FLOATING + INTEGER),
    "minimum": row(floats(2, 3), given([-1.0, 0.5, 3.0]), reference=np.minimum, dtypes=FLOATING + INTEGER),
    "fmax": row(floats(2, 3), given([-1.0, 0.5, 3.0]), reference=np.fmax, dtypes=FLOATING + INTEGER),
    "fmin": row(floats(2, 3), given([-1.0, 0.5, 3.0]), reference=np.fmin, dtypes=FLOATING + INTEGER),
    "atan2": row(floats(2, 3), floats(3), reference=np.arctan2, dtypes=REAL),
    "hypot": row(floats(2, 3), floats(3), reference=np.hypot),
    "copysign": row(floats(2, 3), floats(3), reference=np.copysign, dtypes=FLOATING + INTEGER),
    "nextafter": row(floats(2, 3), floats(3), reference=np.nextafter, dtypes="fd", second=False),
    "ldexp": row(floats(2, 3), floats(3), reference=lambda x, y: x * 2.0**y, dtypes=FLOATING),
    "logaddexp": row(floats(2, 3), floats(3), reference=lambda x, y: np.log(np.exp(x) + np.exp(y))),
    "logaddexp2": row(floats(2, 3), floats(3), reference=np.logaddexp2),
    "xlogy": row(floats(2, 3), positive(3), reference=lambda x, y: x * np.log(y), dtypes=FLOATING + INTEGER),
    "heaviside": row(floats(2, 3), floats(3), reference=np.heaviside, differentiable=(), jvp=False),
    "clamp_min": row(floats(2, 3), given([-1.0, 0.5, 3.0]), reference=np.maximum, dtypes=FLOATING + INTEGER),
    "clamp_max": row(floats(2, 3), given([-1.0, 0.5, 3.0]), reference=np.minimum, dtypes=FLOATING + INTEGER),
    **{
        f"{name}_answers": row(whole(2, 3), whole(3), reference=lambda x, y, f=f: f(x, y).astype(x.dtype), dtypes=FLOATING)
        for name, f in [
            ("eq", np.equal),
            ("ne", np.not_equal),
            ("lt", np.less),
            ("le", np.less_equal),
            ("gt", np.greater),
            ("ge", np.greater_equal),
        ]
    },
    "isclose": row(whole(2, 3), whole(3), settings=(1e-5, 1e-8, True), reference=np.isclose, dtypes=REAL),
    "logical_and": comparison(np.logical_and, ANY),
    "logical_or": comparison(np.logical_or, ANY),
    "logical_xor": comparison(np.logical_xor, ANY),
    "eq": comparison(np.equal, ANY),
    "ne": comparison(np.not_equal, ANY),
    "lt": comparison(np.less),
    "le": comparison(np.less_equal),
    "gt": comparison(np.greater),
    "ge": comparison(np.greater_equal),
    "bitwise_and": bits(np.bitwise_and),
    "bitwise_or": bits(np.bitwise_or),
    "bitwise_xor": bits(np.bitwise_xor),
    "bitwise_not": row(integers(2, 3, low=-9, high=9), reference=np.invert, dtypes=INTEGER),
    "bitwise_left_shift": bits(np.left_shift),
    "bitwise_right_shift": bits(np.right_shift),
    "gcd": bits(np.gcd),
    "lcm": bits(np.lcm),
}  # fmt: skip

THREE = {
    "clamp": [
        row(floats(2, 3, away=(-1, 1)), settings=(-1, 1), reference=np.clip, dtypes=FLOATING + INTEGER),
        row(floats(2, 3, away=(0.5,)), settings=(None, 0.5), reference=lambda x, _, high: np.minimum(x, high)),
    ],
    "clamp_tensors": row(
        floats(2, 3), given([-1.0, 0.5, 3.0]), given([2.0, 0.7, 1.0]),
        reference=lambda x, a, b: np.minimum(np.maximum(x, a), b), dtypes=FLOATING + INTEGER,
    ),
    "where": row(bools(2, 3), floats(2, 3), floats(3), reference=np.where, dtypes=ANY),
    "lerp": row(
        floats(2, 3), floats(3), floats(2, 1, away=(0.5,)), reference=lambda x, y, w: x + w * (y - x),
        dtypes=FLOATING + COMPLEX,
    ),
    "addcmul": row(
        floats(2, 3), floats(3), floats(2, 1), settings=(2,), reference=lambda x, y, z, v: x + v * y * z,
        dtypes=NUMERIC, in_place=False,
    ),
    "addcdiv": row(
        floats(2, 3), floats(3), positive(2, 1), settings=(2,), reference=lambda x, y, z, v: x + v * y / z,
        dtypes=FLOATING + COMPLEX, in_place=False,
    ),
}  # fmt: skip

TESTS = {
    name: row(EDGE, reference=reference, dtypes=FLOATING, layouts=False)
    for name, reference in {
        "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "isposinf": np.isposinf, "isneginf": np.isneginf,
    }.items()
}  # fmt: skip
TESTS["isreal"] = row(floats(2, 3), reference=np.isreal, dtypes=ANY)
TESTS["logical_not"] = row(whole(2, 3), reference=np.logical_not, dtypes=ANY)

COMPLEXES = {
    "abs": row(floats(2, 3), reference=np.abs, dtypes=NUMERIC),
    "sgn": row(floats(2, 3), reference=np.sign, dtypes=NUMERIC),
    "angle": row(floats(2, 3), reference=np.angle, dtypes=REAL + COMPLEX),
    "conj": row(floats(2, 3), reference=np.conj, dtypes=ANY),
    "conj_physical": row(floats(2, 3), reference=np.conj, dtypes=ANY),
    **{
        name: row(
            floats(2, 3), call=of_complex(REGISTRY[name].apply), reference=of_complex(reference), dtypes="fd" + COMPLEX
        )
        for name, reference in {
            "real": np.real, "imag": np.imag, "view_as_real": lambda x: np.stack([x.real, x.imag], -1),
        }.items()
    },
    "view_as_complex": row(
        floats(3, 2), reference=lambda x: x[..., 0] + 1j * x[..., 1], dtypes="fd", scalar=False, layouts=False
    ),
    "complex": row(floats(2, 3), floats(3), reference=lambda x, y: x + 1j * y, dtypes="fd"),
    "polar": row(positive(2, 3), floats(3), reference=lambda x, y: x * np.exp(1j * y), dtypes="fd"),
}  # fmt: skip

ROWS = {**ONE, **TWO, **THREE, **TESTS, **COMPLEXES}
