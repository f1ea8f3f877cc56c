"""Comparisons, logic, and tests of single numbers: no derivatives."""

from __future__ import annotations

import math

from .. import dtypes
from ..inplace import in_place_method
from ..op import ELEMENTWISE, general, must_be_tensor, op
from ..tensor import Tensor, ndarray, wrap
from .publishing import NO_FALLBACK, no_kernel, publish, refuse_batches

__all__: list[str] = []

# ---------------------------------------------------------------- comparisons


def _comparison(name: str, forward, operator: str, *aliases: str, **settings):
    function = op(name, kind=ELEMENTWISE, forward=forward, numbers=(1,), **settings)
    publish(globals(), function, *aliases, twin=False)
    setattr(Tensor, operator, function.record.operator)
    # The answers as numbers, for the in-place twin to write: constant, so the derivatives are zero.
    answers = op(
        f"{name}_answers",
        kind=ELEMENTWISE,
        forward=lambda xp, x, y: forward(xp, x, y).astype(x.dtype),
        vjp=(lambda xp, g: xp.zeros_like(g), lambda xp, g: xp.zeros_like(g)),
        numbers=(1,),
        node=f"{name.capitalize()}Backward1",
        number_nodes={1: f"{name.capitalize()}Backward0"},
        **settings,
    )

    def written(input, other):
        result = answers(input, other)
        return result if result.requires_grad else result.to(input.dtype)

    written.__name__ = name
    for alias in (name, *aliases):
        in_place_method(alias + "_", written)


def _ordered(name: str, forward, *aliases: str):
    _comparison(name, forward, f"__{name}__", *aliases, refuses=no_kernel(f"{name}_cpu", "c"))


_comparison("eq", lambda xp, x, y: xp.equal(x, y), "__eq__")
_comparison("ne", lambda xp, x, y: xp.not_equal(x, y), "__ne__", "not_equal")
_ordered("lt", lambda xp, x, y: xp.less(x, y), "less")
_ordered("le", lambda xp, x, y: xp.less_equal(x, y), "less_equal")
_ordered("gt", lambda xp, x, y: xp.greater(x, y), "greater")
_ordered("ge", lambda xp, x, y: xp.greater_equal(x, y), "greater_equal")
_equals = Tensor.__eq__


def _equals_array(self, other):
    """``==``, which alone among the operators takes NumPy arrays too."""
    if isinstance(other, ndarray) and other.dtype.kind in "biufc":
        other = wrap(other)
    return _equals(self, other)


Tensor.__eq__ = _equals_array
Tensor.__hash__ = object.__hash__  # type: ignore[assignment]


def _check_same_dtype(x, y):
    if x._array.dtype is not y._array.dtype:
        raise RuntimeError(f"{dtypes.scalar_name(x.dtype)} did not match {dtypes.scalar_name(y.dtype)}")


_isclose = op(
    "isclose",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y, /, rtol, atol, equal_nan: xp.isclose(x, y, rtol, atol, equal_nan),
    numbers=False,
    check=_check_same_dtype,
)


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Where ``abs(input - other) <= atol + rtol * abs(other)``; `equal_nan`: nan is close to nan."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    return general(_isclose.record, (input, other), (rtol, atol, equal_nan))


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether all elements are close, in the sense of `isclose`."""
    for position, (name, value) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor("allclose", name, position, value)
    refuse_batches(
        "vmap over torch.allclose isn't supported yet. Please file an issue at https://github.com/pytorch/pytorch/issues "
        "if you need this feature.",
        input,
        other,
    )
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input, other) -> bool:
    """Whether two tensors have the same shape and elements."""
    for position, (name, value) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor("equal", name, position, value)
    refuse_batches(NO_FALLBACK.format("equal"), input, other)
    return input._array.shape == other._array.shape and bool((input._array == other._array).all())


publish(globals(), isclose, twin=False)
publish(globals(), allclose, twin=False)
publish(globals(), equal, twin=False)

# ---------------------------------------------------------------- logic


def _logic(name: str, forward):
    publish(globals(), op(name, kind=ELEMENTWISE, forward=forward, numbers=False))


_logic("logical_not", lambda xp, x: xp.logical_not(x))
_logic("logical_and", lambda xp, x, y: xp.logical_and(x, y))
_logic("logical_or", lambda xp, x, y: xp.logical_or(x, y))
_logic("logical_xor", lambda xp, x, y: xp.logical_xor(x, y))

# ---------------------------------------------------------------- kinds of numbers


def _test(name: str, forward, **settings):
    publish(globals(), op(name, kind=ELEMENTWISE, forward=forward, **settings), twin=False)


_test("isnan", lambda xp, x: xp.isnan(x))
_test("isinf", lambda xp, x: xp.isinf(x))
_test("isfinite", lambda xp, x: xp.isfinite(x))
_test("isreal", lambda xp, x: x.imag == 0 if xp.is_complex(x) else xp.equal(x, x) | xp.isnan(x))
_test(
    "isposinf",
    lambda xp, x: xp.equal(x, math.inf),
    refuses={"c": (RuntimeError, "isposinf does not support complex inputs.")},
)
_test(
    "isneginf",
    lambda xp, x: xp.equal(x, -math.inf),
    refuses={"c": (RuntimeError, "isneginf does not support complex inputs.")},
)
