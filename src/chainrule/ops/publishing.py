"""How an operation's function becomes a name of the package, a method of Tensor, and an in-place twin of both."""

from __future__ import annotations

import functools

from ..inplace import augmented_assignment, in_place_method
from ..modes import local
from ..op import ELEMENTWISE, is_number, op
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


def by_sample(function):
    """Makes a function that reads the elements of its arguments run on one sample after the other inside vmap."""

    @functools.wraps(function)
    def called(*args, **kwargs):
        if not local.levels:
            return function(*args, **kwargs)
        from ..batching import run_by_sample

        return run_by_sample(function, args, kwargs)

    return called


DYNAMIC = (
    "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::{}. Please "
    "file an issue at https://github.com/pytorch/pytorch/issues if you need this feature."
)
NO_FALLBACK = "Batching rule not implemented for aten::{}. We could not generate a fallback."


def is_batch(tensor: Tensor) -> bool:
    """Whether a tensor is a batch of vmap's, whose samples differ."""
    if tensor._extra is None or not tensor._extra.special:
        return False
    from ..batching import uniform_part
    from ..transforms import batch_level

    return batch_level(uniform_part(tensor)) > 0


def refuse_batches(message: str, *values) -> None:
    """Raises RuntimeError(message) if something given is a batch of vmap's."""
    if local.levels:
        from ..batching import refuse_batches

        refuse_batches(message, *values)


def is_operand(value) -> bool:
    """Whether an operator takes it: a tensor or a number."""
    return isinstance(value, Tensor) or is_number(value)


def no_kernel(kernel: str, kinds: str) -> dict:
    """`refuses` of an operation that PyTorch has no kernel for, for these NumPy kinds."""
    return dict.fromkeys(kinds, (NotImplementedError, f"\"{kernel}\" not implemented for '{{}}'"))


def piecewise_slope(name: str, slope) -> None:
    """The derivative, times `g`, of an operation that is linear in pieces, as an operation of its own, ``slope(xp, g, x,
    at)``: its derivative by `x` is zeros, not nothing, so that programs may ask for it."""
    op(
        f"{name}_backward",
        kind=ELEMENTWISE,
        forward=lambda xp, grad, x, /, at: slope(xp, grad, x, at),
        vjp=(lambda xp, g, x, at: slope(xp, g, x, at), lambda xp, g: xp.zeros_like(g)),
        node="".join(word.capitalize() for word in name.split("_")) + "BackwardBackward0",
    )


def no_derivative(message: str, exception: type[Exception] = RuntimeError):
    """A formula for a gradient that PyTorch does not define: it raises when it is wanted."""

    def formula(xp, g):
        raise exception(message)

    formula.undefined = True  # type: ignore[attr-defined]
    return formula
