"""Complex numbers: the rules of what is made for them, and the operations whose rules hold for them as they are."""

from __future__ import annotations

import math

from ..algebra import Formula, apply, delta, total
from ..complexes import I, argument, conjugated, imaginary_part, modulus, real_part
from ..formulas import COMPLEX_RULES, RULES, Call, Place, places
from ..positions import Index, Position
from . import arrangements, elementwise, factorizations, matrices, reductions, sums_of_products  # noqa: F401  # whose rules are taken over

# operations that are differentiable as functions of a complex number, or only take and add up elements
_AS_THEY_ARE = (
    "acos", "acosh", "add", "add_scaled", "addcdiv", "addcmul", "addmm", "addmv", "alias", "as_strided", "as_strided_scatter",
    "asin", "asinh", "atan", "atanh", "baddbmm", "block_diag", "bmm", "cat", "clone", "constant_pad_nd", "contiguous_copy", "copy",
    "cos", "cosh", "cumsum", "diag_embed", "diagonal", "diagonal_copy", "diagonal_scatter", "div", "div_number", "dot", "exp",
    "expand", "expm1", "fill", "fill_tensor", "flip", "gather", "index", "index_add", "index_copy", "index_fill", "index_put",
    "index_select", "linalg_det", "linalg_inv_ex", "linalg_matrix_exp", "linalg_solve_ex", "linalg_solve_triangular", "log", "log10", "log1p", "log2", "masked_fill", "masked_scatter", "masked_select", "matmul", "matvec", "mean",
    "mean_dim", "mm", "mul", "mv", "neg", "permute", "pow", "pow_number", "pow_of_number", "put", "reciprocal", "repeat", "roll",
    "rot90", "rsqrt", "rsub", "rsub_scaled", "scatter", "scatter_add", "select", "select_scatter", "sigmoid", "sin", "sinh",
    "slice", "slice_scatter", "split", "split_with_sizes", "sqrt", "squeeze", "squeeze_dim", "squeeze_dims", "stack", "sub",
    "sub_scaled", "sum", "sum_dim", "t", "take", "tan", "tanh", "trace", "transpose", "tril", "triu", "unbind", "unfold",
    "unsafe_view", "unsqueeze", "vecmat", "view", "where", "zero",
)  # fmt: skip
COMPLEX_RULES.update((name, RULES[name]) for name in _AS_THEY_ARE)


def _rule(name: str, function) -> None:
    """Registers a rule for complex numbers; where there are no others, it is the operation's only one."""
    COMPLEX_RULES[name] = function
    RULES.setdefault(name, function)


def _view_as_real(call: Call, p: Place) -> Formula:
    u = call.at(0, p[:-1])
    return _of_pair(p[-1], real_part(u), imaginary_part(u))


def _of_pair(which: Position, first: Formula, second: Formula) -> Formula:
    return delta(which, 0) * first + delta(which, 1) * second


def _view_as_complex(call: Call, p: Place) -> Formula:
    return call.at(0, (*p, 0)) + I * call.at(0, (*p, 1))


def _vdot(call: Call, p: Place) -> Formula:
    place = places(call.shape())
    result = conjugated(call.at(0, place)) * call.at(1, place)
    return total(place[0], result) if isinstance(place[0], Index) else result


def _norm(call: Call, p: Place) -> Formula:
    bound, place = reductions.reduced(call, p)
    order = call.setting("ord")
    if math.isinf(order):
        return modulus(reductions.extreme_of(call, p, order > 0))
    return reductions.norm_of(call, bound, modulus(call.at(0, place)), order)


def _cast(call: Call, p: Place) -> Formula:
    u = call.at(0, p)
    return u if call.formulas.is_complex((call.node, call.number)) else real_part(u)


_rule("real", lambda call, p: real_part(call.at(0, p)))
_rule("imag", lambda call, p: imaginary_part(call.at(0, p)))
_rule("conj", lambda call, p: conjugated(call.at(0, p)))
_rule("conj_physical", lambda call, p: conjugated(call.at(0, p)))
_rule("abs", lambda call, p: modulus(call(0, p)))
_rule("angle", lambda call, p: argument(call(0, p)))
_rule("sgn", lambda call, p: call(0, p) * modulus(call(0, p)).power(-1))
_rule("view_as_real", _view_as_real)
_rule("view_as_complex", _view_as_complex)
_rule("complex", lambda call, p: call(0, p) + I * call(1, p))
_rule("polar", lambda call, p: call(0, p) * apply("exp", I * call(1, p)))
_rule("vdot", _vdot)
_rule("linalg_vector_norm", _norm)
_rule("cast", _cast)
_rule("linalg_eig", RULES["linalg_eig"])
