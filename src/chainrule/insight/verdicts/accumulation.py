"""Gradients that add up because nothing clears them."""

from __future__ import annotations

from ..places import lies, place_at
from ..reasons import Reason
from .judge import Judge


def accumulated(judge: Judge) -> list[tuple[str, Reason]]:
    found = []
    for leaf in judge.witness.histories.all_leaves:
        name = judge.label(leaf)
        clear = "optimizer.zero_grad()" if leaf in judge.in_optimizer else f"{name}.grad = None"
        if leaf.accumulated is not None:
            position, update = leaf.accumulated
            place = place_at(position)
            used = "" if update is None else f" {lies(place_at(update))}"
            found.append(
                (
                    leaf,
                    Reason(
                        "accumulated",
                        f"{name}.grad accumulates: the backward {lies(place)} adds to a gradient that the update{used} "
                        "has used already, and nothing clears it in between.",
                        f"clear it before each backward: {clear}",
                        place,
                    ),
                )
            )
            continue
        if leaf.clears or leaf.updates or judge.witness.gradients.optimizers:
            continue
        sums = [s for s in leaf.sums if not s.retained]
        between = [s for s in sums if any(not r.was_none and r.tick < s.tick for r in leaf.reads) and any(r.tick > s.tick for r in leaf.reads)]  # fmt: skip
        repeated = [s for s in sums if s.repeats and s.position == s.before]
        if between or repeated:
            place = place_at((between or repeated)[-1].position)
            found.append(
                (
                    leaf,
                    Reason(
                        "accumulated",
                        f"{name}.grad is the sum of the gradients of several backward calls, the last {lies(place)}: each "
                        "adds to what is there, and nothing cleared it in between.",
                        f"clear it before each backward: {clear}",
                        place,
                    ),
                )
            )
    return judge.grouped(found)
