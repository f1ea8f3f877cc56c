"""What PyTorch only warns of, or does not even that: shapes that are broadcast, schedulers that step too early, clipping
that changes nothing."""

from __future__ import annotations

import re

from ..places import lies, place_at
from ..reasons import Reason
from .judge import Judge

# {words of a warning: (cause, what it means, what to do)}
_WARNINGS = {
    "lr_scheduler.step()` before": (
        "order",
        "the scheduler steps {at} before the optimizer's first step, so that the first learning rate is skipped",
        "call optimizer.step() first, and scheduler.step() after it",
    ),
}


def warned(judge: Judge) -> list[tuple[str, Reason]]:
    found = []
    for message, position in judge.witness.warned.items():
        for words, (cause, meaning, remedy) in _WARNINGS.items():
            if words in message:
                place = place_at(position)
                found.append(("warning", Reason(cause, meaning.format(at=lies(place)) + ".", remedy, place)))
        sizes = re.search(r"target size \((.*)\) that is different to the input size \((.*)\)", message)
        if sizes is not None and _grows(*(tuple(map(int, re.findall(r"\d+", size))) for size in sizes.groups())):
            found.append(("loss", _of_shapes(place_at(position), sizes[2], sizes[1])))
    for one in judge.witness.exits.widened:
        found.append(("loss", _of_shapes(place_at(one.position), str(one.column), str(one.row))))
    return found


def _grows(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether broadcasting makes more elements than either has."""
    width = max(len(one), len(other))
    padded = [(1,) * (width - len(shape)) + shape for shape in (one, other)]
    return any(a > b for a, b in zip(*padded)) and any(a < b for a, b in zip(*padded))


def _of_shapes(place, one: str, other: str) -> Reason:
    return Reason(
        "shapes",
        f"the loss is not what it seems: {lies(place)[3:]} takes a difference of {one} and {other}, which are broadcast, so that "
        "every prediction is compared with every target.",
        "give both the same shape: prediction.squeeze(-1), or target.view_as(prediction)",
        place,
    )


def clipped_in_vain(judge: Judge) -> list[tuple[str, Reason]]:
    """Clipping that comes when the gradients have been used, or before there are any."""
    found = []
    for position, clip in judge.witness.gradients.clips.items():
        if clip.calls < 2 or clip.late + clip.early < clip.calls:
            continue
        place = place_at(position)
        when = "after the step that has used them" if clip.late else "before the backward that makes them"
        found.append(
            (
                "gradients",
                Reason(
                    "clipped in vain",
                    f"the gradients are clipped {lies(place)}, {when}: that changes nothing.",
                    "clip between backward() and step()",
                    place,
                ),
            )
        )
    return found
