"""A custom Function on the way to a tensor, whose backward is to blame."""

from __future__ import annotations

import ast
import contextlib
import io
from typing import Any

import numpy as np

from ...modes import enable_grad
from ...tensor import Tensor, gradient_edge, wrap
from ..badnumbers import Culprit
from ..places import backward_place, lies
from ..reasons import Reason, returns_none
from ..syntax import simple_name
from ..values import Unknown, Values, edges_of, expression_of, reachable
from .question import Question, leads


def of_custom_function(asked: Question, culprit: Culprit | None, state: str = "is 0") -> Reason | None:
    """The same for a custom Function: its backward is to blame."""
    kind = None if culprit is None else getattr(type(culprit.node), "_forward_cls", None)
    place = None if kind is None else backward_place(kind)
    if kind is None or place is None:
        return None
    if state == "is None":
        return returns_none(asked.name, kind, place)
    return Reason(
        "backward",
        f"{asked.name}.grad {state} because the backward of {kind.__name__} returns such a gradient {lies(place)}.",
        "correct the backward: it returns the derivative times the gradient that it is given; torch.autograd.gradcheck "
        "verifies it",
        place,
    )


def wrong_on_the_way(asked: Question) -> Reason | None:
    """A custom Function between the loss and x whose backward is not the slope of its forward."""
    values = asked.values()
    if values is None:
        return None
    for node in reachable(asked.loss.grad_fn):
        kind = getattr(type(node), "_forward_cls", None)
        if kind is not None and backward_place(kind) is not None and leads((node, 0), gradient_edge(asked.x)):
            arguments = _arguments(asked, values, node)
            reason = None if arguments is None else wrong_backward(kind, arguments)
            if reason is not None:
                return reason
    return None


def _arguments(asked: Question, values: Values, node: Any) -> tuple | None:
    """What a custom Function was called with, as far as that is known still."""
    call = expression_of(node)
    if not isinstance(call, ast.Call) or call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    edges = iter(edges_of(node))
    found: list[Any] = []
    for place, written in enumerate(call.args):
        edge = next(edges, None) if node.tensor_inputs is None or node.tensor_inputs[place] else None
        try:
            if edge is not None:
                found.append(wrap(np.array(values.value(edge))).requires_grad_())
            else:
                found.append(ast.literal_eval(written))
        except (Unknown, ValueError):
            known = asked.scope.look_up(simple_name(written) or "")
            if known is None or edge is not None:
                return None
            found.append(known)
    return tuple(found)


def wrong_backward(kind: type, arguments: tuple) -> Reason | None:
    """What is wrong with a custom Function's backward, seen at these arguments."""
    place = backward_place(kind)
    told = None if place is None else disagreement(kind, arguments)
    if told is None or place is None:
        return None
    return Reason(
        "backward",
        f"the backward of {kind.__name__}, which returns {lies(place)}, is wrong: {told}.",
        "return the derivative times the gradient that backward is given; torch.autograd.gradcheck verifies it",
        place,
    )


MOST_CHECKED = 32  # elements of an input that differences are taken of
LARGEST = 1 << 16  # elements of an input with which a Function is run again


def disagreement(kind: Any, arguments: tuple) -> str | None:
    """How a Function's backward differs from the slope of its forward; None where it agrees, or may differ on purpose.

    On purpose are: straight-through and surrogate gradients (where the forward has no slope), and a gradient that is
    reversed, scaled or clipped on its way through an identity.
    """
    places = [i for i, a in enumerate(arguments) if isinstance(a, Tensor) and a._requires_grad]
    if not places or any(arguments[i]._array.size > LARGEST for i in places):
        return None

    def run(values: dict[int, np.ndarray]) -> Any:
        given = [
            wrap(a._array.astype(np.float64)) if isinstance(a, Tensor) and a._array.dtype.kind == "f" else a
            for a in arguments
        ]
        for i, value in values.items():
            given[i] = wrap(np.array(value, np.float64)).requires_grad_()
        with enable_grad():
            result = kind.apply(*given)
        return given, result

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # what the Function prints has been printed
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
                looked_at = np.zeros(value.shape, bool)
                every = -(-value.size // MOST_CHECKED) or 1
                for flat in range(0, value.size, every):
                    index = np.unravel_index(flat, value.shape)
                    looked_at[index] = True
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
                passed = looked_at & ~has_slope & (np.abs(slope) > 1e-9)
                if np.count_nonzero(passed) > np.count_nonzero(has_slope):
                    return None  # straight through, though the forward has a slope here and there, as by its scale
                wrong = has_slope & ~np.isclose(slope, differences, rtol=1e-2, atol=1e-4)
                if np.any(wrong):
                    if twice is not None and not np.allclose(twice, 2 * slope, rtol=1e-3, atol=1e-6):
                        return "it does not multiply by the gradient that it is given"
                    index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
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
