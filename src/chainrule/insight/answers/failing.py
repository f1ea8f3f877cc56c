"""Why backward fails, or would."""

from __future__ import annotations

import ast

from ...tensor import Tensor
from ..cuts import CUTS
from ..dataflow import Origin, Place
from ..places import lies, place_of
from ..reasons import Reason, not_scalar
from ..used_graphs import overwritten, overwritten_since, used_up
from ..values import freed_at, reachable
from .missing import cut_between, cut_reason, frozen_at, why_not_required
from .question import Question, origin_of


def why_backward_fails(asked: Question) -> Reason | None:
    loss, name = asked.loss, asked.loss_name
    if not loss.requires_grad:
        return _no_history(asked)
    if loss.grad_fn is None:
        return None
    order = reachable(loss.grad_fn)
    for node in order:
        written = overwritten_since(node)
        if written is not None and not _came_after(asked, written):
            return overwritten(place_of(node), written, f"{name}.backward()")
    if asked.is_computed_anew():
        return None
    freed = [n for n in order if freed_at(n) is not None]
    fresh = [n for n in order if freed_at(n) is None and n.saves_tensors]
    used = [n for n in freed if n.saved.newest is not None and n.saved.newest < order[0].sequence]
    if not used and freed and fresh and freed[0] is not order[0]:
        used = freed
    if not used:  # a backward of this loss stopped at a part that another had used up
        used = [n for n in freed if n.saved is not freed[0].saved]
    if used and _is_run_backward(asked):
        at = place_of(freed_at(used[0]))
        if not _came_after(asked, at):
            backwards = [e for e in asked.run.events if e.kind == "backward"]
            own = [e for e in backwards if e.value.origin == asked.origin_of_loss]
            return used_up(name, order, used[0], (own or backwards)[-1].place if backwards else at)
    if freed:
        twice = _second_backward(asked)
        if twice is not None:
            place = place_of(freed_at(freed[0]))
            return Reason(
                "second backward",
                f"The second {name}.backward() {lies(twice)} fails because the graph was used up {lies(place)}.",
                "compute it again before the second backward, or pass retain_graph=True to the first",
                twice,
            )
    elif loss._array.size != 1 and asked.x._grad is None and not asked.called("backward", with_arguments=True):
        place = place_of(loss.grad_fn)
        return not_scalar(name, loss._array.size, place, place)
    return None


def _came_after(asked: Question, other: Place) -> bool:
    """Whether a write, or what has used up a graph, comes only after the last backward of the loss, as a step does."""
    origin = asked.origin_of_loss
    events = list(enumerate(asked.run.events))
    ran = max((i for i, e in events if e.kind == "backward" and e.value.origin == origin), default=None)
    then = max((i for i, e in events if (e.place.file, e.place.line) == (other.file, other.line)), default=-1)
    return origin is not None and ran is not None and then > ran and asked.x._grad is not None


def _is_run_backward(asked: Question) -> bool:
    """Whether the program calls, or is to call, backward on the loss, rather than autograd.grad."""
    if asked.x._grad is None:
        return True
    origin = asked.origin_of_loss
    events = [e for e in asked.run.events if e.kind == "backward"]
    return origin is None or any(e.value.origin == origin or origin_of(e.value) == origin for e in events)


def _second_backward(asked: Question) -> Place | None:
    """The line of a backward on a value whose graph an earlier one had used up."""
    before: dict[Origin, bool] = {}
    for event in asked.run.events:
        if event.kind != "backward" or event.value.origin is None:
            continue
        if before.get(event.value.origin):
            return event.place
        retain = next((k.value for k in event.call.keywords if k.arg in ("retain_graph", "create_graph")), None)
        before[event.value.origin] = not (isinstance(retain, ast.Constant) and retain.value)
    return None


def _no_history(asked: Question) -> Reason:
    """Nothing behind the loss requires grad."""
    name = asked.loss_name
    value = asked.static(asked.loss_text, name)
    cut = cut_between(asked, value)
    if type(asked.x) is not Tensor and not asked.x.requires_grad and frozen_at(asked) is not None:
        cut = None  # a parameter that is meant to be trained
    if cut is not None:
        return cut_reason(asked, cut, f"{name}.backward() fails: {name} does not require grad, because the history from {{}}", value)  # fmt: skip
    if not asked.x.requires_grad:
        missing = why_not_required(asked)
        if missing.cause != "no requires_grad":
            return missing
        frozen = frozen_at(asked)
        if frozen is not None:
            return Reason(
                "requires_grad_false",
                f"{name}.backward() fails: nothing that {name} was computed from requires grad, since requires_grad was set to "
                f"False {lies(frozen)}.",
                "leave requires_grad=True for the parameters that are to be trained, such as those of the last layer",
                frozen,
            )
        made = asked.made()
        where = "" if made is None else f" ({asked.name} was made {lies(made)})"
        return Reason(
            "no requires_grad",
            f"{name}.backward() fails because nothing that {name} was computed from requires grad{where}.",
            f"make it with requires_grad=True, or call {asked.name}.requires_grad_() before the computation",
            made,
        )
    if value is not None and value.suspect is not None:
        doing, remedy = CUTS[value.suspect.kind]
        place = value.suspect.place
        return Reason(
            value.suspect.kind,
            f"{name}.backward() fails: the history of {name} is cut {lies(place)}: that {doing}.",
            remedy,
            place,
        )
    origin = origin_of(value)
    made = None if origin is None else origin.place
    where = "" if made is None else f", made {lies(made)},"
    return Reason(
        "never used",
        f"{name}.backward() fails: {name}{where} was not computed from {asked.name}, nor from anything else that requires "
        "grad.",
        f"compute {name} from the output of the model, or of whatever {asked.name} is for",
        made,
    )
