"""`chainrule.why`: why a gradient is missing, zero, nan, accumulated or stale, in a sentence with the line and the remedy."""

from __future__ import annotations

import sys

import numpy as np

from ...tensor import Tensor
from ..badnumbers import is_bad
from ..idle import idle_statements
from ..names import caller
from ..reasons import Reason
from ..refusals import reason_carried
from .another import all_is_well, why_another
from .failing import why_backward_fails
from .missing import why_none
from .numbers import why_bad, why_zero
from .question import Question

_OF_NO_CALL = ("no backward", "no step", "accumulated", "stale")


def why(x: Tensor, loss: Tensor | None = None) -> Reason:
    """Why is `x.grad` None, zero, nan, infinite, accumulated or stale, or why does ``loss.backward()`` fail?

    Looks at the recorded graph, the numbers in it, and the text of the calling program. Without `loss`, the last tensor
    on which the program called backward, if it can be found. Changes nothing: no hook runs, nothing is freed.

    Raises:
        TypeError: `x` or `loss` is not a Tensor.
    """
    for name, value in (("x", x), ("loss", loss)):
        if not isinstance(value, Tensor) and not (name == "loss" and value is None):
            raise TypeError(f"why(): {name} must be a Tensor, not {type(value).__name__}")
    asked = Question(x, loss, caller(2))
    reason = _answer(asked)
    if reason.ok or reason.cause in _OF_NO_CALL:
        return next(idle_statements(asked.frame.f_code.co_filename), reason)
    return reason


def _answer(asked: Question) -> Reason:
    x, loss = asked.x, asked.loss
    error = reason_carried(sys.exc_info()[1])
    if error is not None:
        return error
    if loss is not None:
        failing = why_backward_fails(asked)
        if failing is not None:
            return failing
    if loss is not None and is_bad(loss._array):
        return why_bad(asked)
    if x._grad is None:
        return why_none(asked)
    if is_bad(x._grad._array):
        return why_bad(asked)
    if loss is not None:
        wrong = why_another(asked)
        if wrong is not None:
            return wrong
    if x._grad._array.size and not np.any(x._grad._array):
        return why_zero(asked)
    return all_is_well(asked)
