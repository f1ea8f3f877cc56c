"""A gradient that was cleared after the backward."""

from __future__ import annotations

from ..dataflow import Place
from ..places import lies
from ..reasons import Reason
from .question import Question


def cleared_after_backward(asked: Question) -> Place | None:
    events = [e for e in asked.run.events if e.kind in ("backward", "zero_grad", "clear")]
    last = max((i for i, e in enumerate(events) if e.kind == "backward"), default=len(events))
    after = events[last + 1 :]
    own = [
        e for e in after if any(o in e.value.flows for o in asked.origins)
    ]  # of this very tensor, rather than of another
    return (own or after)[-1].place if after else None


def cleared_reason(asked: Question, state: str, place: Place) -> Reason:
    kinds = [e.kind for e in asked.run.events if e.kind != "clear" or any(o in e.value.flows for o in asked.origins)]
    last = max((i for i, kind in enumerate(kinds) if kind == "backward"), default=0)
    cleared = max((i for i, kind in enumerate(kinds) if kind in ("zero_grad", "clear")), default=0)
    if "step" in kinds[last:cleared]:
        return Reason(
            "",
            f"Nothing is wrong: {asked.name}.grad is {state} because it was cleared {lies(place)}, after the update that used "
            "it.",
            source=place,
        )
    return Reason(
        "cleared",
        f"{asked.name}.grad is {state} because it was cleared after the backward, {lies(place)}.",
        "clear gradients before backward: zero_grad(), backward(), step(), in this order",
        place,
    )
