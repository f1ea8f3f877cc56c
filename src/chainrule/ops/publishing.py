"""How an operation's function becomes a name of the package, a method of Tensor, and an in-place twin of both."""

from __future__ import annotations

from ..inplace import augmented_assignment, in_place_method
from ..op import is_number
from ..tensor import Tensor

# PyTorch has the in-place twin of these as a function too, e.g. torch.exp_
IN_PLACE_FUNCTIONS = frozenset((
    "abs", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "asin", "asinh", "atan",
    "atanh", "ceil", "celu", "clamp", "clamp_max", "clamp_min", "clip", "conj_physical", "cos", "cosh", "deg2rad",
    "erf", "erfc", "exp", "exp2", "expm1", "fix", "floor", "frac", "gcd", "i0", "lcm", "ldexp", "log", "log10",
    "log1p", "log2", "logit", "nan_to_num", "neg", "negative", "rad2deg", "reciprocal", "relu", "round", "rsqrt",
    "selu", "sigmoid", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh", "threshold", "trunc", "xlogy",
))  # fmt: skip


def publish(scope: dict, function, *aliases: str, method: bool = True, twin: bool = True):
    """Gives `function` its name (and `aliases`) in a module's `scope` and ``__all__``, as a method, and in place."""
    for name in (function.__name__, *aliases):
        scope[name] = function
        scope["__all__"].append(name)
        if not method:
            continue
        setattr(Tensor, name, function)
        if twin:
            in_place_function = in_place_method(name + "_", function)
            if name in IN_PLACE_FUNCTIONS:
                scope[name + "_"] = in_place_function
                scope["__all__"].append(name + "_")
    return function


def operators(symbol: str, function, in_place: str) -> None:
    """Makes a binary operation the operators ``__symbol__``, ``__rsymbol__`` and ``__isymbol__`` of Tensor."""

    def reflected(self, other):
        if not isinstance(self, Tensor):
            kind = type(self).__name__
            raise TypeError(
                f"descriptor '__r{symbol}__' for 'torch._C.TensorBase' objects doesn't apply to a '{kind}' object"
            )
        return function(other, self) if is_operand(other) else NotImplemented

    setattr(Tensor, f"__{symbol}__", function.record.operator)
    setattr(Tensor, f"__r{symbol}__", reflected)
    setattr(Tensor, f"__i{symbol}__", augmented_assignment(in_place, function))


def is_operand(value) -> bool:
    """Whether an operator takes it: a tensor or a number."""
    return isinstance(value, Tensor) or is_number(value)


def no_kernel(kernel: str, kinds: str) -> dict:
    """`refuses` of an operation that PyTorch has no kernel for, for these NumPy kinds."""
    return dict.fromkeys(kinds, (NotImplementedError, f"\"{kernel}\" not implemented for '{{}}'"))


def no_derivative(message: str, exception: type[Exception] = RuntimeError):
    """A formula for a gradient that PyTorch does not define: it raises when it is wanted."""

    def formula(xp, g):
        raise exception(message)

    formula.undefined = True  # type: ignore[attr-defined]
    return formula
