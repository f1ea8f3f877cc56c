"""Custom Functions whose backward is not the slope of their forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...modes import enable_grad
from ...tensor import Tensor, wrap
from ..places import backward_place, lies
from ..reasons import Reason
from .judge import Judge


def wrong_backwards(judge: Judge) -> list[tuple[str, Reason]]:
    """Custom Functions whose backward is not the derivative of their forward, where that cannot be meant."""
    found = []
    for kind, arguments in judge.witness.calls.items():
        place = backward_place(kind)
        told = None if place is None else disagreement(kind, arguments)
        if told is not None and place is not None:
            found.append(
                (
                    kind.__name__,
                    Reason(
                        "backward",
                        f"the backward of {kind.__name__}, which returns {lies(place)}, is wrong: {told}.",
                        "return the derivative times the gradient that backward is given; torch.autograd.gradcheck verifies it",
                        place,
                    ),
                )
            )
    return found


MOST_CHECKED = 64  # elements of an input that differences are taken of


def disagreement(kind: Any, arguments: tuple) -> str | None:
    """How a Function's backward differs from the slope of its forward; None where it agrees, or may differ on purpose.

    On purpose are: straight-through and surrogate gradients (where the forward has no slope), and a gradient that is
    reversed, scaled or clipped on its way through an identity.
    """
    places = [i for i, a in enumerate(arguments) if isinstance(a, Tensor) and a._requires_grad]
    if not places or any(arguments[i]._array.size > MOST_CHECKED for i in places):
        return None

    def run(values: dict[int, np.ndarray]) -> Any:
        given = list(arguments)
        for i, value in values.items():
            given[i] = wrap(np.array(value, np.float64)).requires_grad_()
        with enable_grad():
            result = kind.apply(*given)
        return given, result

    try:
        start = {i: np.asarray(arguments[i]._array, np.float64) for i in places}
        given, result = run(start)
        if not isinstance(result, Tensor) or result._node is None or result._array.dtype != np.float64:
            return None
        weights = np.cos(np.arange(result._array.size) + 1.0).reshape(result._array.shape)
        slopes = run_backward(result, [given[i] for i in places], weights)
        again = run_backward(run(start)[1], None, 2 * weights)
        for i, slope, twice in zip(places, slopes, again):
            value = start[i]
            if any(np.shares_memory(result._array, given[i]._array) for i in places) or np.array_equal(
                result._array, value
            ):
                return None  # an identity: what its backward does is the reason that it is there
            differences = np.zeros_like(value)
            for index in np.ndindex(value.shape):
                step = 1e-6 * max(1.0, abs(float(value[index])))
                sides = []
                for sign in (1, -1):
                    moved = value.copy()
                    moved[index] += sign * step
                    sides.append(float((run({**start, i: moved})[1]._array * weights).sum()))
                differences[index] = (sides[0] - sides[1]) / (2 * step)
            if not np.all(np.isfinite(differences)):
                return None
            has_slope = np.abs(differences) > 1e-9
            if slope is None:
                return None
            wrong = has_slope & ~np.isclose(slope, differences, rtol=1e-2, atol=1e-4)
            if np.any(wrong):
                if twice is not None and not np.allclose(twice, 2 * slope, rtol=1e-3, atol=1e-6):
                    return "it does not multiply by the gradient that it is given"
                index = tuple(int(n[0]) for n in np.nonzero(wrong))
                return f"it gives {slope[index]:.4g} where the slope of forward is {differences[index]:.4g}"
    except Exception:
        return None  # the Function does not run on its own, or not on doubles: that says nothing about its backward
    return None


def run_backward(result: Tensor, inputs: Any, weights: np.ndarray) -> list:
    """The gradients of a Function's result, weighted, as arrays."""
    from ...autograd import grad

    if inputs is None:
        inputs = [edge for edge in result._node.edges if isinstance(edge, Tensor)]
    found = grad(result, inputs, wrap(weights), allow_unused=True)
    return [None if one is None else np.asarray(one._array) for one in found]
