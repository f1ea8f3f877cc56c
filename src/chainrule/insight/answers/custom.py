"""A custom Function on the way to a tensor, whose backward is to blame."""

from __future__ import annotations

from ..badnumbers import Culprit
from ..places import backward_place, lies
from ..reasons import Reason, returns_none
from .question import Question


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
