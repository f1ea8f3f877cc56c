"""How operations are written in ONNX: one function for each, by its name, in `TABLE`.

A function is given the step (which makes nodes), the names of the operation's inputs in the dtype that it computes in, and
its settings by name. It returns the name of the result, or a tuple of names for several, with None for a result that has no
translation. The operators are those of opset 18, which later ones have, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..record import run_forward
from .graph import Step
from .runs import Varying, varies

TABLE: dict[str, Callable] = {}
_END = np.iinfo(np.int64).max  # of a slice that goes on to the last element


def translates(*names: str) -> Callable:
    """Puts a function into the table under these names."""

    def put(function: Callable) -> Callable:
        for name in names:
            TABLE[name] = function
        return function

    return put


def _same(kind: str) -> Callable:
    """The translation of an operation without settings that is one operator."""
    return lambda c, *inputs: c(kind, *inputs)


for _name, _kind in {
    "abs": "Abs", "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh", "atan": "Atan",
    "atanh": "Atanh", "bmm": "MatMul", "ceil": "Ceil", "clamp_max": "Min", "clamp_min": "Max", "cos": "Cos",
    "cosh": "Cosh", "div": "Div", "dot": "MatMul", "eq": "Equal", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "ge": "GreaterOrEqual", "gt": "Greater", "hardswish": "HardSwish", "isinf": "IsInf", "isnan": "IsNaN",
    "le": "LessOrEqual", "log": "Log", "lt": "Less", "matmul": "MatMul", "matvec": "MatMul", "maximum": "Max",
    "minimum": "Min", "mish": "Mish", "mm": "MatMul", "mv": "MatMul", "neg": "Neg", "pow": "Pow", "prelu": "PRelu",
    "reciprocal": "Reciprocal", "relu": "Relu", "round": "Round", "sgn": "Sign", "sigmoid": "Sigmoid", "sign": "Sign",
    "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "sub": "Sub", "tan": "Tan", "tanh": "Tanh", "vecmat": "MatMul",
    "where": "Where",
}.items():  # fmt: skip
    TABLE[_name] = _same(_kind)


@translates("alias", "clone", "contiguous_copy", "detach")
def _unchanged(c, x):
    return x


# ---------------------------------------------------------------- arithmetic


def _is_bool(c: Step) -> bool:
    return c.dtype.kind == "b"


def _is_floating(c: Step) -> bool:
    return c.dtype.kind in "fV"


@translates("add")
def _add(c, x, y):
    return c("Or" if _is_bool(c) else "Add", x, y)


@translates("mul")
def _mul(c, x, y):
    return c("And" if _is_bool(c) else "Mul", x, y)


@translates("rsub")
def _rsub(c, x, y):
    return c("Sub", y, x)


def _scaled(c, y, alpha):
    return y if alpha == 1 else c("Mul", y, c.number(alpha))


@translates("add_scaled")
def _add_scaled(c, x, y, alpha):
    return c("Add", x, _scaled(c, y, alpha))


@translates("sub_scaled")
def _sub_scaled(c, x, y, alpha):
    return c("Sub", x, _scaled(c, y, alpha))


@translates("rsub_scaled")
def _rsub_scaled(c, x, y, alpha):
    return c("Sub", y, _scaled(c, x, alpha))


def _truncated(c, x):
    return c("Mul", c("Sign", x), c("Floor", c("Abs", x)))


TABLE["trunc"] = _truncated


@translates("frac")
def _frac(c, x):
    return c("Sub", x, _truncated(c, x))


@translates("div_trunc")
def _div_trunc(c, x, y):
    quotient = c("Div", x, y)
    return _truncated(c, quotient) if _is_floating(c) else quotient


@translates("div_floor", "floor_divide")
def _div_floor(c, x, y):
    if _is_floating(c):
        return c("Floor", c("Div", x, y))
    # ONNX divides integers towards zero, and its Mod has the divisor's sign
    return c("Div", c("Sub", x, c("Mod", x, y)), y)


@translates("remainder")
def _remainder(c, x, y):
    if _is_floating(c):
        return c("Sub", x, c("Mul", y, c("Floor", c("Div", x, y))))
    return c("Mod", x, y)


@translates("fmod")
def _fmod(c, x, y):
    return c("Mod", x, y, fmod=1)


@translates("pow_number")
def _pow_number(c, x, exponent):
    return c("Mul", x, x) if exponent == 2 else c("Pow", x, c.number(exponent))


@translates("pow_of_number")
def _pow_of_number(c, y, base):
    return c("Pow", c.number(base), y)


@translates("div_number")
def _div_number(c, x, number):
    return c("Div", x, c.number(number))


@translates("clamp")
def _clamp(c, x, min, max):
    bounds = ["" if bound is None else c.number(bound) for bound in (min, max)]
    return c("Clip", x, *bounds)


@translates("clamp_tensors")
def _clamp_tensors(c, x, min, max):
    x = x if min is None else c("Max", x, min)
    return x if max is None else c("Min", x, max)


@translates("lerp")
def _lerp(c, x, end, weight):
    return c("Add", x, c("Mul", weight, c("Sub", end, x)))


@translates("addcmul")
def _addcmul(c, x, tensor1, tensor2, value):
    return c("Add", x, _scaled(c, c("Mul", tensor1, tensor2), value))


@translates("addcdiv")
def _addcdiv(c, x, tensor1, tensor2, value):
    return c("Add", x, _scaled(c, c("Div", tensor1, tensor2), value))


@translates("hypot")
def _hypot(c, x, y):
    return c("Sqrt", c("Add", c("Mul", x, x), c("Mul", y, y)))


@translates("atan2")
def _atan2(c, y, x):
    angle, zero, pi = c("Atan", c("Div", y, x)), c.number(0), c.number(math.pi)
    turned = c("Where", c("Less", y, zero), c("Sub", angle, pi), c("Add", angle, pi))
    full = c("Where", c("Less", x, zero), turned, angle)
    return c("Where", c("And", c("Equal", x, zero), c("Equal", y, zero)), zero, full)


@translates("signbit")
def _signbit(c, x):
    return c("Less", x, c.number(0))


@translates("rsqrt")
def _rsqrt(c, x):
    return c("Reciprocal", c("Sqrt", x))


def _by(factor: float) -> Callable:
    return lambda c, x: c("Mul", x, c.number(factor))


TABLE["deg2rad"], TABLE["rad2deg"] = _by(math.pi / 180), _by(180 / math.pi)


def _logarithm(base: float) -> Callable:
    return lambda c, x: c("Div", c("Log", x), c.number(math.log(base)))


TABLE["log2"], TABLE["log10"] = _logarithm(2), _logarithm(10)


@translates("log1p")
def _log1p(c, x):
    return c("Log", c("Add", x, c.number(1)))


@translates("exp2")
def _exp2(c, x):
    return c("Pow", c.number(2), x)


@translates("expm1")
def _expm1(c, x):
    return c("Sub", c("Exp", x), c.number(1))


@translates("erfc")
def _erfc(c, x):
    return c("Sub", c.number(1), c("Erf", x))


@translates("logit")
def _logit(c, x, eps):
    if eps is not None:
        x = c("Clip", x, c.number(eps), c.number(1 - eps))
    return c("Log", c("Div", x, c("Sub", c.number(1), x)))


@translates("nan_to_num")
def _nan_to_num(c, x, nan, posinf, neginf):
    limits = np.finfo(c.dtype)
    for kind, number in (
        (c("IsNaN", x), nan or 0),
        (c("IsInf", x, detect_negative=0), limits.max if posinf is None else posinf),
        (c("IsInf", x, detect_positive=0), limits.min if neginf is None else neginf),
    ):
        x = c("Where", kind, c.number(number), x)
    return x


# ---------------------------------------------------------------- comparisons and logic


@translates("ne")
def _ne(c, x, y):
    return c("Not", c("Equal", x, y))


@translates("isfinite")
def _isfinite(c, x):
    return c("Not", c("Or", c("IsNaN", x), c("IsInf", x)))


@translates("logical_not")
def _logical_not(c, x):
    return c("Not", c.graph.cast(x, np.bool_))


def _logical(kind: str) -> Callable:
    return lambda c, x, y: c(kind, c.graph.cast(x, np.bool_), c.graph.cast(y, np.bool_))


def _bitwise(kind: str) -> Callable:
    return lambda c, *inputs: c(kind if _is_bool(c) else f"Bitwise{kind}", *inputs)


for _name, _kind in {"and": "And", "or": "Or", "xor": "Xor"}.items():
    TABLE[f"logical_{_name}"], TABLE[f"bitwise_{_name}"] = _logical(_kind), _bitwise(_kind)
TABLE["bitwise_not"] = _bitwise("Not")


@translates("masked_fill")
def _masked_fill(c, x, mask, value):
    return c("Where", mask, c.number(value), x)


@translates("masked_fill_tensor")
def _masked_fill_tensor(c, x, mask, value):
    return c("Where", mask, value, x)


# ---------------------------------------------------------------- activations


@translates("silu")
def _silu(c, x):
    return c("Mul", x, c("Sigmoid", x))


@translates("gelu")
def _gelu(c, x):
    half = c("Mul", x, c.number(0.5))
    return c("Mul", half, c("Add", c("Erf", c("Mul", x, c.number(math.sqrt(0.5)))), c.number(1)))


@translates("gelu_tanh")
def _gelu_tanh(c, x):
    cube = c("Mul", c("Mul", x, c("Mul", x, x)), c.number(0.044715))
    inner = c("Mul", c("Add", x, cube), c.number(math.sqrt(2 / math.pi)))
    return c("Mul", c("Mul", x, c.number(0.5)), c("Add", c("Tanh", inner), c.number(1)))


@translates("leaky_relu", "rrelu_mean")
def _leaky_relu(c, x, slope):
    return c("LeakyRelu", x, alpha=float(slope))


@translates("threshold")
def _threshold(c, x, threshold, value):
    return c("Where", c("Greater", x, c.number(threshold)), x, c.number(value))


@translates("elu")
def _elu(c, x, alpha, scale, input_scale):
    if input_scale != 1:
        raise c.refuse("an input_scale other than 1 has no translation to ONNX")
    return c("Elu", x, alpha=float(alpha)) if scale == 1 else c("Selu", x, alpha=float(alpha), gamma=float(scale))


@translates("celu")
def _celu(c, x, alpha):
    return c("Celu", x, alpha=float(alpha))


@translates("hardtanh")
def _hardtanh(c, x, low, high):
    return c("Clip", x, c.number(low), c.number(high))


@translates("hardsigmoid")
def _hardsigmoid(c, x):
    return c("HardSigmoid", x, alpha=1 / 6, beta=0.5)


@translates("softplus")
def _softplus(c, x, beta, threshold):
    scaled = _scaled(c, x, beta)
    soft = c("Softplus", scaled)
    soft = soft if beta == 1 else c("Div", soft, c.number(beta))
    return c("Where", c("Greater", scaled, c.number(threshold)), x, soft)


@translates("log_sigmoid")
def _log_sigmoid(c, x):
    return c("Neg", c("Softplus", c("Neg", x)))


@translates("softshrink")
def _softshrink(c, x, width):
    return c("Shrink", x, lambd=float(width), bias=float(width))


@translates("hardshrink")
def _hardshrink(c, x, width):
    return c("Shrink", x, lambd=float(width), bias=0.0)


@translates("glu")
def _glu(c, x, dim):
    a, b = c("Split", x, axis=dim, num_outputs=2, outputs=2)
    return c("Mul", a, c("Sigmoid", b))


@translates("softmax")
def _softmax(c, x, dim):
    return c("Softmax", x, axis=dim)


@translates("log_softmax")
def _log_softmax(c, x, dim):
    return c("LogSoftmax", x, axis=dim)


# ---------------------------------------------------------------- reductions


def _dims(c: Step, dim: Any) -> tuple[int, ...]:
    rank = len(c.shape())
    dims = tuple(range(rank)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return tuple([d % rank for d in dims]) if rank else ()


def _reduced(c: Step, kind: str, x: str, dim: Any, keepdim: Any) -> str:
    dims = _dims(c, dim)
    return c(kind, x, c.ints(*dims), keepdims=int(keepdim)) if dims else x


def _in_result(c: Step, x: str) -> str:
    """The input in the dtype of the result: integers are summed in 64 bits."""
    return x if c.input_dtype() == c.result_dtype() else c.graph.cast(x, c.result_dtype())


def _reduction(kind: str) -> Callable:
    return lambda c, x, dim, keepdim: _reduced(c, kind, _in_result(c, x), dim, keepdim)


for _name, _kind in {
    "amax": "ReduceMax", "amin": "ReduceMin", "mean": "ReduceMean", "mean_dim": "ReduceMean", "prod": "ReduceProd",
    "prod_dim": "ReduceProd", "sum": "ReduceSum", "sum_dim": "ReduceSum",
}.items():  # fmt: skip
    TABLE[_name] = _reduction(_kind)


@translates("logsumexp")
def _logsumexp(c, x, dim, keepdim):
    return _reduced(c, "ReduceLogSumExp", x, dim, keepdim)


@translates("nansum")
def _nansum(c, x, dim, keepdim):
    zero = c.graph.constant(np.zeros((), c.input_dtype()))
    return _reduced(c, "ReduceSum", c("Where", c("IsNaN", x), zero, x), dim, keepdim)


def _extreme_of_all(kind: str) -> Callable:
    return lambda c, x: _reduced(c, kind, x, None, False)


TABLE["max"], TABLE["min"] = _extreme_of_all("ReduceMax"), _extreme_of_all("ReduceMin")


def _extreme(largest: str, place: str) -> Callable:
    def translate(c, x, dim, keepdim):
        if not c.shape():
            return x, c.graph.constant(np.zeros((), np.int64))
        return _reduced(c, largest, x, dim, keepdim), c(place, x, axis=dim, keepdims=int(keepdim))

    return translate


TABLE["max_dim"], TABLE["min_dim"] = _extreme("ReduceMax", "ArgMax"), _extreme("ReduceMin", "ArgMin")


@translates("aminmax")
def _aminmax(c, x, dim, keepdim):
    return _reduced(c, "ReduceMin", x, dim, keepdim), _reduced(c, "ReduceMax", x, dim, keepdim)


def _place(kind: str) -> Callable:
    def translate(c, x, dim, keepdim):
        if dim is None:
            flat = c(kind, c("Reshape", x, c.ints(-1)), axis=0, keepdims=0)
            return c("Reshape", flat, c.ints(*c.result_shape()))
        return c(kind, x, axis=dim, keepdims=int(keepdim))

    return translate


TABLE["argmax"], TABLE["argmin"] = _place("ArgMax"), _place("ArgMin")


def _quantified(kind: str) -> Callable:
    def translate(c, x, dim, keepdim):
        truth = c.graph.cast(c.graph.cast(x, np.bool_), np.int32)
        return c.graph.cast(_reduced(c, kind, truth, dim, keepdim), np.bool_)

    return translate


TABLE["all"], TABLE["any"] = _quantified("ReduceMin"), _quantified("ReduceMax")


@translates("count_nonzero")
def _count_nonzero(c, x, dim):
    return _reduced(c, "ReduceSum", c.graph.cast(c.graph.cast(x, np.bool_), np.int64), dim, False)


def _moments(c, x, dim, correction, keepdim):
    """(variance, mean) over dimensions."""
    dims = c.ints(*_dims(c, dim))
    mean = c("ReduceMean", x, dims, keepdims=1)
    off = c("Sub", x, mean)
    squares = c("Mul", off, off)
    if correction:
        sizes = [c.shape()[d] for d in _dims(c, dim)]
        number = c.graph.cast(c("ReduceProd", c.ints(*sizes), keepdims=0), c.input_dtype())
        one = c.graph.constant(np.asarray(correction, c.input_dtype()))
        variance = c("Div", c("ReduceSum", squares, dims, keepdims=int(keepdim)), c("Sub", number, one))
    else:
        variance = c("ReduceMean", squares, dims, keepdims=int(keepdim))
    return variance, mean if keepdim else c("Squeeze", mean, dims)


@translates("var")
def _var(c, x, dim, correction, keepdim):
    return _moments(c, x, dim, correction, keepdim)[0]


@translates("std")
def _std(c, x, dim, correction, keepdim):
    return c("Sqrt", _moments(c, x, dim, correction, keepdim)[0])


TABLE["var_mean"] = _moments


@translates("std_mean")
def _std_mean(c, x, dim, correction, keepdim):
    variance, mean = _moments(c, x, dim, correction, keepdim)
    return c("Sqrt", variance), mean


@translates("linalg_vector_norm")
def _vector_norm(c, x, ord, dim, keepdim):
    if ord in (1, 2):
        return _reduced(c, f"ReduceL{int(ord)}", x, dim, keepdim)
    size = c("Abs", x)
    if abs(ord) == math.inf:
        return _reduced(c, "ReduceMax" if ord > 0 else "ReduceMin", size, dim, keepdim)
    power = c.graph.constant(np.asarray(ord, c.input_dtype()))
    total = _reduced(c, "ReduceSum", c("Pow", size, power), dim, keepdim)
    return c("Pow", total, c("Reciprocal", power))


@translates("cumsum")
def _cumsum(c, x, dim):
    return c("CumSum", _in_result(c, x), c.graph.constant(np.int64(dim)))


# ---------------------------------------------------------------- products


@translates("t")
def _t(c, x):
    if len(c.shape()) < 2:
        return x
    made = c("Transpose", x, perm=(1, 0))
    c.graph.transposed[made] = x
    return made


@translates("addmm")
def _addmm(c, z, x, y, beta, alpha):
    matrices, flags = [], {}
    for matrix, flag in ((x, "transA"), (y, "transB")):
        matrices.append(c.graph.transposed.get(matrix, matrix))
        if matrix in c.graph.transposed:
            flags[flag] = 1
    if beta == 0:
        return c("Gemm", *matrices, alpha=float(alpha), **flags)
    return c("Gemm", *matrices, z, alpha=float(alpha), beta=float(beta), **flags)


@translates("addmv", "baddbmm")
def _added_product(c, z, x, y, beta, alpha):
    product = c("MatMul", x, y)
    numbers = [c.graph.constant(np.asarray(number, c.result_dtype())) for number in (alpha, beta)]
    product = product if alpha == 1 else c("Mul", product, numbers[0])
    return product if beta == 0 else c("Add", product, z if beta == 1 else c("Mul", z, numbers[1]))


# ---------------------------------------------------------------- shapes


@translates("view", "unsafe_view")
def _view(c, x, shape):
    made = _reshaped(c, x, c.shape(), shape)
    c.graph.reshaped[made] = x
    return made


def _reshaped(c: Step, x: str, have: tuple, want: tuple) -> str:
    """A reshape; a size that depends on a dynamic axis is the input's at that place, or what is left, if it can be."""
    target = list(want)
    for d, size in enumerate(want):
        if isinstance(size, Varying) and d < len(have) and have[d] == size:
            target[d] = 0
    rest = [d for d, size in enumerate(target) if isinstance(size, Varying)]
    if rest:
        target[rest[-1]] = -1
    return c("Reshape", x, c.ints(*target))


@translates("transpose")
def _transpose(c, x, dim0, dim1):
    order = list(range(len(c.shape())))
    if not order:
        return x
    order[dim0], order[dim1] = order[dim1], order[dim0]
    if order == [1, 0]:
        return _t(c, x)
    return c("Transpose", x, perm=order)


@translates("permute")
def _permute(c, x, dims):
    return c("Transpose", x, perm=dims) if dims else x


@translates("expand")
def _expand(c, x, shape):
    return c("Expand", x, c.ints(*shape))


@translates("unsqueeze")
def _unsqueeze(c, x, dim):
    return c("Unsqueeze", x, c.ints(dim))


@translates("squeeze", "squeeze_dim", "squeeze_dims")
def _squeeze(c, x, dims):
    return c("Squeeze", x, c.ints(*dims)) if dims else x


@translates("select")
def _select(c, x, dim, index):
    return c("Gather", x, c.graph.number(index, np.int64), axis=dim)


@translates("slice")
def _slice(c, x, dim, start, end, step):
    return c("Slice", x, c.ints(start), c.ints(end), c.ints(dim), c.ints(step))


@translates("unbind")
def _unbind(c, x, dim):
    parts = [c.graph.constant(np.int64(i)) for i in range(len(c.call.outputs))]
    return tuple([c("Gather", x, part, axis=dim) for part in parts])


@translates("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
def _split(c, x, sizes, dim):
    lengths = [c.result_shape(i)[dim] for i in range(len(c.call.outputs))]
    if len(lengths) == 1:
        return (x,)
    return tuple(c("Split", x, c.ints(*lengths), axis=dim, outputs=len(lengths)))


@translates("cat")
def _cat(c, *tensors, dim):
    kept = [x for i, x in enumerate(tensors) if c.shape(i) != (0,) or len(c.result_shape()) == 1]
    return c("Concat", *kept, axis=dim)


@translates("stack")
def _stack(c, *tensors, dim):
    return c("Concat", *[c("Unsqueeze", x, c.ints(dim)) for x in tensors], axis=dim)


@translates("repeat")
def _repeat(c, x, repeats):
    missing = len(repeats) - len(c.shape())
    if missing:
        x = c("Unsqueeze", x, c.ints(*range(missing)))
    return c("Tile", x, c.ints(*repeats))


@translates("flip")
def _flip(c, x, dims):
    n = len(dims)
    return c("Slice", x, c.ints(*[-1] * n), c.ints(*[np.iinfo(np.int64).min] * n), c.ints(*dims), c.ints(*[-1] * n))


@translates("roll")
def _roll(c, x, shifts, dims):
    shape = None
    if not dims:
        shape, x, dims = c.shape(), c("Reshape", x, c.ints(-1)), (0,)
    for shift, dim in zip(shifts, dims, strict=True):
        size = c.shape()[dim] if shape is None else math.prod(c.fixed(shape, "the shape"))
        if not isinstance(size, Varying):
            shift %= size or 1
        if shift:
            last = c("Slice", x, c.ints(-shift), c.ints(_END), c.ints(dim))
            first = c("Slice", x, c.ints(0), c.ints(-shift), c.ints(dim))
            x = c("Concat", last, first, axis=dim)
    return x if shape is None else c("Reshape", x, c.ints(*shape))


@translates("tril", "triu")
def _triangle(c, x, diagonal):
    upper = int(c.call.record.name == "triu")
    if c.input_dtype().kind != "b":
        return c("Trilu", x, c.graph.constant(np.int64(diagonal)), upper=upper)
    number = c("Trilu", c.graph.cast(x, np.int64), c.graph.constant(np.int64(diagonal)), upper=upper)
    return c.graph.cast(number, np.bool_)


def _numbered(c: Step) -> Any:
    """An array of the input's shape, of the places of its elements."""
    shape = c.fixed(c.shape(), "the shape of a view")
    return np.arange(math.prod(shape)).reshape(shape)


@translates("diagonal", "diagonal_copy", "diag_embed", "im2col", "unfold")
def _picked(c, x, **settings):
    """What picks elements, and puts zeros beside them: the places are found by doing the same with their numbers."""
    places = run_forward(c.call.record, (_numbered(c) + 1,), tuple(settings.values()))
    zero = c.graph.constant(np.zeros(1, c.input_dtype()))
    flat = c("Reshape", x, c.ints(-1))
    if places.size and places.min() == 0:
        return c("Gather", c("Concat", zero, flat, axis=0), c.graph.constant(places))
    return c("Gather", flat, c.graph.constant(places - 1))


# ---------------------------------------------------------------- making and converting


@translates("cast")
def _cast(c, x, dtype):
    return c.graph.cast(x, dtype.numpy_dtype)


@translates("copy", "fill_tensor")
def _copy(c, x, y):
    y = y if c.input_dtype(1) == c.result_dtype() else c.graph.cast(y, c.result_dtype())
    return y if c.shape(1) == c.result_shape() else c("Expand", y, c.ints(*c.result_shape()))


@translates("constant_like", "fill", "zero")
def _filled(c, x, value=0, dtype=None):
    return c("Expand", c.graph.number(value, c.result_dtype()), c.ints(*c.result_shape()))


# ---------------------------------------------------------------- indexing


@translates("embedding")
def _embedding(c, x, index, padding_index, by_frequency):
    return c("Gather", x, index, axis=0)


@translates("index_select")
def _index_select(c, x, index, dim):
    return c("Gather", x, c("Reshape", index, c.ints(-1)), axis=dim)


@translates("take")
def _take(c, x, index):
    return c("Gather", c("Reshape", x, c.ints(-1)), index, axis=0)


@translates("gather")
def _gather(c, x, index, dim):
    cut = [d for d, (n, m) in enumerate(zip(c.shape(0), c.shape(1))) if d != dim and n != m]
    if cut:
        x = c("Slice", x, c.ints(*[0] * len(cut)), c.ints(*[c.shape(1)[d] for d in cut]), c.ints(*cut))
    return c("GatherElements", x, index, axis=dim)


def _joint_indices(c: Step, indices: Sequence[str], first: int) -> str:
    """The index tensors, broadcast together, beside each other in a last dimension."""
    shapes = [c.shape(first + i) for i in range(len(indices))]
    rank = max(map(len, shapes))
    spread = list(indices)
    if any(shape != shapes[0] for shape in shapes):
        zero = c.graph.constant(np.int64(0))
        total = spread[0]
        for index in spread[1:]:
            total = c("Add", total, index)
        total = c("Mul", total, zero)
        spread = [c("Add", index, total) for index in spread]
    return c("Concat", *[c("Unsqueeze", index, c.ints(rank)) for index in spread], axis=rank)


def _wrapped(c: Step, index: str, i: int, size: Any) -> str:
    """An index tensor as int64, without negative indices."""
    index = index if c.input_dtype(i) == np.int64 else c.graph.cast(index, np.int64)
    zero, n = c.graph.constant(np.int64(0)), c.graph.number(size, np.int64)
    return c("Where", c("Less", index, zero), c("Add", index, n), index)


@translates("index")
def _index(c, x, *indices, dims):
    if len(dims) == 1:
        return c("Gather", x, indices[0], axis=dims[0])
    rank = len(c.shape())
    rest = [d for d in range(rank) if d not in dims]
    if rest:
        x = c("Transpose", x, perm=[*dims, *rest])
    places = [_wrapped(c, index, i + 1, c.shape()[d]) for i, (index, d) in enumerate(zip(indices, dims))]
    found = c("GatherND", x, _joint_indices(c, places, 1))
    at = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0  # NumPy's rule for where the index dimensions go
    width = len(c.result_shape()) - len(rest)
    if not at:
        return found
    order = [*range(width, width + at), *range(width), *range(width + at, width + len(rest))]
    return c("Transpose", found, perm=order)


@translates("index_put")
def _index_put(c, x, y, *indices, dims, accumulate):
    rank = len(c.shape())
    rest = [d for d in range(rank) if d not in dims]
    order = [*dims, *rest]
    places = [_wrapped(c, index, i + 2, c.shape()[d]) for i, (index, d) in enumerate(zip(indices, dims))]
    joint = _joint_indices(c, places, 2)
    at = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0
    width = max(len(c.shape(i + 2)) for i in range(len(indices)))
    moved = x if order == sorted(order) else c("Transpose", x, perm=order)
    lead = c("Shape", joint, end=-1)
    if at:  # the values have the index dimensions where the indexed ones were
        sizes = [c("Shape", moved, start=len(dims), end=len(dims) + at), lead]
        sizes.append(c("Shape", moved, start=len(dims) + at))
        y = c("Expand", y, c("Concat", *sizes, axis=0))
        back = [*range(at, at + width), *range(at), *range(at + width, width + len(rest))]
        y = c("Transpose", y, perm=back)
    else:
        y = c("Expand", y, c("Concat", lead, c("Shape", moved, start=len(dims)), axis=0))
    made = c("ScatterND", moved, joint, y, reduction="add" if accumulate else None)
    return made if moved == x else c("Transpose", made, perm=[int(d) for d in np.argsort(order)])


@translates("scatter")
def _scatter(c, x, index, y, dim):
    return c("ScatterElements", x, index, _cut_to(c, y, 2, 1), axis=dim)


@translates("scatter_add")
def _scatter_add(c, x, index, y, dim):
    return c("ScatterElements", x, index, _cut_to(c, y, 2, 1), axis=dim, reduction="add")


@translates("scatter_value")
def _scatter_value(c, x, index, dim, value):
    values = c("Expand", c.graph.number(value, c.result_dtype()), c.ints(*c.shape(1)))
    return c("ScatterElements", x, index, values, axis=dim)


def _spread_index(c: Step, index: str, dim: int) -> str:
    """The index vector of input 1 along `dim`, in the shape that what it selects has."""
    shape = list(c.shape())
    shape[dim] = c.fixed((*c.shape(1), 1)[0], "the length of an index")
    column = c("Reshape", index, c.ints(*[-1 if d == dim else 1 for d in range(len(shape))]))
    return c("Expand", column, c.ints(*shape))


@translates("index_add")
def _index_add(c, x, index, y, dim, alpha):
    y = y if alpha == 1 else c("Mul", y, c.graph.number(alpha, c.result_dtype()))
    return c("ScatterElements", x, _spread_index(c, index, dim), y, axis=dim, reduction="add")


@translates("index_copy")
def _index_copy(c, x, index, y, dim):
    return c("ScatterElements", x, _spread_index(c, index, dim), y, axis=dim)


@translates("index_fill")
def _index_fill(c, x, index, dim, value):
    places = _spread_index(c, index, dim)
    values = c("Expand", c.graph.number(value, c.result_dtype()), c("Shape", places))
    return c("ScatterElements", x, places, values, axis=dim)


def _cut_to(c: Step, y: str, i: int, j: int) -> str:
    """Input `i`, no larger than input `j`."""
    if c.shape(i) == c.shape(j):
        return y
    n = len(c.shape(j))
    return c("Slice", y, c.ints(*[0] * n), c.ints(*c.shape(j)), c.ints(*range(n)))


@translates("select_scatter")
def _select_scatter(c, x, y, dim, index):
    y = c("Unsqueeze", y, c.ints(dim))
    after = Varying([i + 1 for i in index.values]) if isinstance(index, Varying) else index + 1
    return _replaced(c, x, y, dim, index, after)


@translates("slice_scatter")
def _slice_scatter(c, x, y, dim, start, end, step):
    if step == 1:
        return _replaced(c, x, y, dim, start, end)
    places = c.fixed((start, end, step), "a slice that is written to")
    index = np.arange(*places).reshape([-1 if d == dim else 1 for d in range(len(c.shape()))])
    return c("ScatterElements", x, c("Expand", c.graph.constant(index), c.ints(*c.shape(1))), y, axis=dim)


def _replaced(c: Step, x: str, part: str, dim: int, start: Any, end: Any) -> str:
    """The input with its elements from `start` to `end` replaced."""
    size = c.shape()[dim]
    pieces = [part]
    if start != 0:
        pieces.insert(0, c("Slice", x, c.ints(0), c.ints(start), c.ints(dim)))
    if end != size:
        pieces.append(c("Slice", x, c.ints(end), c.ints(size), c.ints(dim)))
    return part if len(pieces) == 1 else c("Concat", *pieces, axis=dim)


@translates("diagonal_scatter")
def _diagonal_scatter(c, x, y, offset, dim1, dim2):
    places = np.diagonal(_numbered(c), offset, dim1, dim2)
    flat = c(
        "ScatterElements",
        c("Reshape", x, c.ints(-1)),
        c.graph.constant(places.reshape(-1)),
        c("Reshape", y, c.ints(-1)),
    )
    return c("Reshape", flat, c.ints(*c.shape()))


@translates("sort", "sort_stable")
def _sort(c, x, dim, descending):
    if not c.shape():
        return x, c.graph.constant(np.int64(0))
    return tuple(c("TopK", x, c.ints(c.shape()[dim]), axis=dim, largest=int(descending), outputs=2))


@translates("topk")
def _topk(c, x, k, dim, largest, ordered):
    return tuple(c("TopK", x, c.ints(k), axis=dim, largest=int(largest), outputs=2))


# ---------------------------------------------------------------- padding


@translates("constant_pad_nd")
def _constant_pad(c, x, widths, value):
    for dim, (before, after) in enumerate(widths):
        if any(not isinstance(width, Varying) and width < 0 for width in (before, after)):
            x = c("Slice", x, c.ints(max(0, -before)), c.ints(min(after, 0) or _END), c.ints(dim))
    pads = [before if isinstance(before, Varying) else max(0, before) for before, _ in widths]
    pads += [after if isinstance(after, Varying) else max(0, after) for _, after in widths]
    return c("Pad", x, c.ints(*pads), c.graph.number(value, c.result_dtype()))


_BORDERS = {"reflect": "reflect", "replicate": "edge"}


@translates(
    "border_pad", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d",
    "replication_pad3d",
)  # fmt: skip
def _border_pad(c, x, widths, mode):
    if mode != "circular":
        pads = [before for before, _ in widths] + [after for _, after in widths]
        return c("Pad", x, c.ints(*pads), mode=_BORDERS[mode])
    for dim, (before, after) in enumerate(widths):  # opset 18 does not have this mode
        start = c("Slice", x, c.ints(-before), c.ints(_END), c.ints(dim)) if before else None
        end = c("Slice", x, c.ints(0), c.ints(after), c.ints(dim)) if after else None
        pieces = [piece for piece in (start, x, end) if piece is not None]
        x = c("Concat", *pieces, axis=dim) if len(pieces) > 1 else x
    return x


# ---------------------------------------------------------------- convolutions and pooling


@translates("convolution")
def _convolution(c, x, w, b, stride, padding, dilation, groups):
    kernel = c.fixed(c.shape(1)[2:], "the kernel")
    return c(
        "Conv", x, w, *([] if b is None else [b]), kernel_shape=kernel, strides=stride, pads=(*padding, *padding),
        dilations=dilation, group=groups,
    )  # fmt: skip


@translates("convolution_input")
def _transposed_convolution(c, x, w, b, size, stride, padding, dilation, groups):
    kernel = c.fixed(c.shape(1)[2:], "the kernel")
    more = []
    for n, have, k, s, p, d in zip(size, c.shape()[2:], kernel, stride, padding, dilation, strict=True):
        count = max(_count(n), _count(have))
        sizes = zip(_values(n, count), _values(have, count), strict=True)
        extra = {new - ((old - 1) * s - 2 * p + d * (k - 1) + 1) for new, old in sizes}
        if len(extra) > 1:
            raise c.refuse("the output padding depends on the size of a dynamic axis")
        more.append(extra.pop())
    return c(
        "ConvTranspose", x, w, *([] if b is None else [b]), kernel_shape=kernel, strides=stride, pads=(*padding, *padding),
        dilations=dilation, group=groups, output_padding=more,
    )  # fmt: skip


def _count(size: Any) -> int:
    return len(size.values) if isinstance(size, Varying) else 1


def _values(size: Any, count: int) -> list:
    return list(size.values) if isinstance(size, Varying) else [size] * count


def _window_pads(c: Step, kernel, stride, padding, dilation, out) -> list[int]:
    """Padding before and after such that the windows are as many as `out` says (see ceil_mode), in every run."""
    after = []
    for have, k, s, p, d, n in zip(c.shape()[2:], kernel, stride, padding, dilation, out, strict=True):
        count = max(_count(have), _count(n))
        needed = {
            max(p, (windows - 1) * s + d * (k - 1) + 1 - size - p)
            for size, windows in zip(_values(have, count), _values(n, count))
        }
        if len(needed) > 1:
            raise c.refuse("ceil_mode pads by a width that depends on the size of a dynamic axis")
        after.append(needed.pop())
    return [*padding, *after]


@translates("max_pool2d", "max_pool3d")
def _max_pool(c, x, kernel, stride, padding, dilation, out):
    pads = _window_pads(c, kernel, stride, padding, dilation, out)
    return c("MaxPool", x, kernel_shape=kernel, strides=stride, pads=pads, dilations=dilation), None


@translates("avg_pool2d", "avg_pool3d")
def _avg_pool(c, x, kernel, stride, padding, out, count_padding, divisor):
    pads = _window_pads(c, kernel, stride, padding, (1,) * len(kernel), out)
    beyond = any(after > before for before, after in zip(padding, pads[len(padding) :]))
    if beyond and any(padding) and (count_padding or divisor):
        raise c.refuse("ceil_mode together with padding that counts has no translation to ONNX")
    if divisor:
        summed = c("AveragePool", x, kernel_shape=kernel, strides=stride, pads=pads, count_include_pad=1)
        return c("Mul", summed, c.graph.constant(np.asarray(math.prod(kernel) / divisor, c.result_dtype())))
    # what ceil_mode adds never counts, and without padding nothing else is added
    counts = int(bool(count_padding) and not beyond)
    return c("AveragePool", x, kernel_shape=kernel, strides=stride, pads=pads, count_include_pad=counts)


@translates("adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max_pool(c, x, out):
    if all(n == 1 for n in out):
        return c("GlobalMaxPool", x), None
    kernel = _even_windows(c, out)
    return c("MaxPool", x, kernel_shape=kernel, strides=kernel), None


def _even_windows(c: Step, out: tuple) -> list[int]:
    sizes = c.fixed(c.shape()[2:], "the size of the windows")
    if any(size % n for size, n in zip(sizes, out)):
        raise c.refuse(
            f"windows of several sizes ({tuple(sizes)} elements into {tuple(out)}) have no translation to ONNX"
        )
    return [size // n for size, n in zip(sizes, out)]


@translates("adaptive_avg_pool2d", "adaptive_avg_pool3d")
def _adaptive_avg_pool(c, x, taps):
    out = c.result_shape()[2:]
    if all(n == 1 for n in out):
        return c("GlobalAveragePool", x)
    if not varies(c.shape()) and not any(size % n for size, n in zip(c.shape()[2:], out)):
        kernel = _even_windows(c, out)
        return c("AveragePool", x, kernel_shape=kernel, strides=kernel)
    return _resample(c, x, taps)


@translates("resample")
def _resample(c, x, taps):
    """Products with the matrices of weights."""
    for d, tap in enumerate(c.fixed(taps, "the weights of elements")):
        if tap is None:
            continue
        indices, weights, size = tap
        matrix = np.zeros((size, indices.shape[1]), c.result_dtype())
        for i, row in enumerate(indices):
            np.add.at(matrix, (row, np.arange(len(row))), 1 if weights is None else weights[i])
        rank = len(c.shape())
        order = [*range(d), *range(d + 1, rank), d]
        moved = x if d == rank - 1 else c("Transpose", x, perm=order)
        x = c("MatMul", moved, c.graph.constant(matrix))
        if d != rank - 1:
            x = c("Transpose", x, perm=[int(i) for i in np.argsort(order)])
    return x


# ---------------------------------------------------------------- sizes of images

_RESIZES = {
    "nearest": [{"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}],
    "nearest-exact": [{"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}],
    "linear": [{"coordinate_transformation_mode": mode} for mode in ("half_pixel", "align_corners")],
    "cubic": [
        {"coordinate_transformation_mode": mode, "cubic_coeff_a": -0.75} for mode in ("half_pixel", "align_corners")
    ],
}


def _resize(kind: str) -> Callable:
    """Resizing with the corners where the taps have them; where neither rule gives these taps, products with matrices."""

    def translate(c, x, taps):
        from ..ops.resampling import _taps

        sizes = c.result_shape()
        count = max(map(_count, (*sizes, *c.shape())))
        for settings in _RESIZES[kind]:
            corners = settings["coordinate_transformation_mode"] == "align_corners"
            if all(
                _equal_taps(tap, _taps(kind, have, n, None, corners))
                for size, new, some in zip(c.shape()[2:], sizes[2:], taps[2:], strict=True)
                for have, n, tap in zip(_values(size, count), _values(new, count), _in_runs(some, count), strict=True)
            ):
                mode = {"linear": "linear", "cubic": "cubic"}.get(kind, "nearest")
                return c("Resize", x, "", "", c.ints(*sizes), mode=mode, **settings)
        return _resample(c, x, taps)

    return translate


def _in_runs(tap: Any, count: int) -> list:
    """A setting in each of the runs."""
    if isinstance(tap, tuple):
        return list(zip(*[_in_runs(part, count) for part in tap], strict=True))
    return _values(tap, count)


def _equal_taps(one: tuple, two: tuple) -> bool:
    return np.array_equal(one[0], two[0]) and (one[1] is None or np.allclose(one[1], two[1], atol=1e-12))


for _mode, _kind, _ranks in (
    ("nearest", "nearest", (1, 2, 3)), ("nearest-exact", "nearest-exact", (1, 2, 3)), ("linear", "linear", (1,)),
    ("bilinear", "linear", (2,)), ("trilinear", "linear", (3,)), ("bicubic", "cubic", (2,)),
):  # fmt: skip
    for _rank in _ranks:
        TABLE[f"upsample_{_mode}{_rank}d"] = _resize(_kind)


@translates("grid_sampler_2d")
def _grid_sample(c, x, grid, mode, padding, align_corners):
    if c.graph.opset >= 20:
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    return c("GridSample", x, grid, mode=mode, padding_mode=padding, align_corners=int(align_corners))


@translates("pixel_shuffle")
def _pixel_shuffle(c, x, factor):
    if len(c.shape()) == 4:
        return c("DepthToSpace", x, blocksize=factor, mode="CRD")
    raise c.refuse("only images in batches (4 dimensions) have a translation to ONNX")


@translates("pixel_unshuffle")
def _pixel_unshuffle(c, x, factor):
    *lead, h, w = c.fixed(c.shape(), "the shape")
    n = len(lead)
    parts = c("Reshape", x, c.ints(*lead, h // factor, factor, w // factor, factor))
    moved = c("Transpose", parts, perm=[*range(n), n + 1, n + 3, n, n + 2])
    return c("Reshape", moved, c.ints(*c.result_shape()))


@translates("channel_shuffle")
def _channel_shuffle(c, x, groups):
    n, channels, *rest = c.fixed(c.shape(), "the shape")
    parts = c("Reshape", x, c.ints(n, groups, channels // groups, *rest))
    moved = c("Transpose", parts, perm=[0, 2, 1, *range(3, 3 + len(rest))])
    return c("Reshape", moved, c.ints(*c.shape()))


# ---------------------------------------------------------------- losses


@translates("mse_loss")
def _mse_loss(c, x, y, reduction, setting):
    off = c("Sub", x, y)
    return _over_all(c, c("Mul", off, off), reduction)


def _over_all(c: Step, x: str, reduction: str) -> str:
    return x if reduction == "none" else c("ReduceMean" if reduction == "mean" else "ReduceSum", x, keepdims=0)


# ---------------------------------------------------------------- normalization


@translates("batch_norm_eval")
def _batch_norm(c, x, mean, variance, weight, bias, eps):
    channels = c.fixed(c.shape()[1], "the number of channels")
    given = [("scale", weight, 1), ("bias", bias, 0), ("mean", mean, 0), ("variance", variance, 1)]
    vectors = [
        c.graph.constant(np.full(channels, default, c.result_dtype()))
        if name is None
        else c.graph.reshaped.get(name) or c("Reshape", name, c.ints(channels))
        for _, name, default in given
    ]
    return c("BatchNormalization", x, *vectors, epsilon=float(eps))


def _standardized(c: Step, x: str, dims: str, eps: float) -> str:
    off = c("Sub", x, c("ReduceMean", x, dims, keepdims=1))
    variance = c("ReduceMean", c("Mul", off, off), dims, keepdims=1)
    return c("Div", off, c("Sqrt", c("Add", variance, c.graph.constant(np.asarray(eps, c.result_dtype())))))


def _with_affine(c: Step, x: str, weight: str | None, bias: str | None) -> str:
    x = x if weight is None else c("Mul", x, weight)
    return x if bias is None else c("Add", x, bias)


@translates("native_layer_norm")
def _layer_norm(c, x, weight, bias, dims, eps):
    rank = len(c.shape())
    if weight is None or list(dims) != list(range(rank - len(dims), rank)) or len(c.shape(1)) != len(dims):
        return _with_affine(c, _standardized(c, x, c.ints(*dims), eps), weight, bias), None, None
    inputs = [x, weight] if bias is None else [x, weight, bias]
    return c("LayerNormalization", *inputs, axis=min(dims), epsilon=float(eps)), None, None


@translates("native_batch_norm")
def _batch_norm_of_batch(c, x, weight, bias, dims, eps):
    return _with_affine(c, _standardized(c, x, c.ints(*dims), eps), weight, bias), None, None


@translates("native_group_norm")
def _group_norm(c, x, weight, bias, groups, eps):
    parts = c("Reshape", x, c.ints(0, groups, -1))
    same = c("Reshape", _standardized(c, parts, c.ints(2), eps), c("Shape", x))
    spread = c.ints(-1, *[1] * (len(c.shape()) - 2))
    weight, bias = [None if p is None else c("Reshape", p, spread) for p in (weight, bias)]
    return _with_affine(c, same, weight, bias), None, None
