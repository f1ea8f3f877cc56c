"""A gradient that is finite and not zero, but not the loss's: accumulated, stale, or never used by an optimizer."""

from __future__ import annotations

import ast
import re

import numpy as np

from ...engine import Node
from ...tensor import gradient_edge
from ..badnumbers import walk
from ..cuts import remedy_of_update
from ..holders import modules_of, parameters_known, unregistered
from ..places import lies, place_in, place_of
from ..reasons import Reason, not_registered
from ..syntax import simple_name, syntax_of, updates_itself
from ..terms import CONSTANT_BY_ACCIDENT, constant_term, sums_behind
from ..values import Unknown, Values, freed_at, reachable
from .custom import wrong_on_the_way
from .missing import why_unreached
from .question import Question


def why_another(asked: Question) -> Reason | None:
    """x.grad is not the gradient of this loss: accumulated, stale, or changed by a hook."""
    if not asked.x.requires_grad or not asked.leads_to_x():
        if not asked.x.requires_grad or asked.x.grad_fn is not None or asked.guessed or asked.is_opaque():
            return None
        unreached = why_unreached(asked)
        is_meant = unreached.cause in ("detach", "no_grad")
        return Reason(
            "stale",
            f"{asked.name}.grad is from an earlier backward; {unreached.sentence.replace('.grad is None because', ' gets none from this one:')}",
            f"if another loss is to train it, all is well; else {unreached.remedy}" if is_meant else unreached.remedy,
            unreached.source,
        )
    values = asked.values()
    if values is None:
        return None
    target = gradient_edge(asked.x)
    try:
        again = walk(values, gradient_edge(asked.loss), asked.seed_array(), lambda *_: False, {target}).get(target)
    except Unknown:
        return _accumulated_in_text(asked)
    have = np.asarray(asked.x._grad._array)
    if again is None or have.shape != np.shape(again):
        return None
    again = np.asarray(again)
    if np.allclose(have, again, rtol=1e-3, atol=1e-7):
        return None
    if not np.any(have):
        return None
    if any(_hooked(n) for n in reachable(asked.loss.grad_fn)) or (asked.x._extra is not None and asked.x._extra.hooks):
        return None  # a hook has the last word
    largest = np.unravel_index(np.argmax(np.abs(again)), again.shape) if again.size else ()
    ratio = float(np.real(have[largest] / again[largest])) if again.size and again[largest] != 0 else 0.0
    times = round(ratio)
    backwards = [e for e in asked.run.events if e.kind == "backward"]
    if times >= 2 and np.allclose(have, times * again, rtol=1e-3, atol=1e-6):
        place = backwards[-1].place if backwards else place_of(asked.loss.grad_fn)
        return Reason(
            "accumulated",
            f"{asked.name}.grad is {times} times the gradient of {asked.loss_name}: each backward, as the one {lies(place)}, "
            "adds to what is there.",
            f"clear it before each backward: {asked.clearing()}",
            place,
        )
    ran = any(freed_at(n) is not None for n in reachable(asked.loss.grad_fn))
    if not ran and not asked.guessed and any(n.saves_tensors for n in reachable(asked.loss.grad_fn)):
        place = asked.loss_made()
        return Reason(
            "stale",
            f"{asked.name}.grad is from an earlier backward: {asked.loss_name}, made {lies(place)}, has not been run backward.",
            f"call {asked.loss_name}.backward()",
            place,
        )
    accumulated = _accumulated_in_text(asked)
    if accumulated is not None:
        return accumulated
    if _changed_since(asked):
        return None
    last = max((i for i, e in enumerate(asked.run.events) if e.kind in ("zero_grad", "clear")), default=-1)
    if sum(e.kind == "backward" for e in asked.run.events[last + 1 :]) > 1:
        place = backwards[-1].place
        return Reason(
            "accumulated",
            f"{asked.name}.grad is the sum of the gradients of several backward calls, the last {lies(place)}: nothing "
            "cleared it in between.",
            f"clear it before each backward: {asked.clearing()}",
            place,
        )
    return None


def _accumulated_in_text(asked: Question) -> Reason | None:
    """A backward that the program comes to again, after an update, without clearing gradients in between."""
    last: dict[ast.AST, int] = {}
    for number, event in enumerate(asked.run.events):
        if event.kind != "backward":
            continue
        events = asked.run.events[last.get(event.call, number) + 1 : number]
        between = [e.kind for e in events if e.kind not in ("zero_grad", "step") or asked.is_concerned(e)]
        last[event.call] = number
        if not between or "zero_grad" in between or "clear" in between:
            continue
        if "step" in between:
            return Reason(
                "accumulated",
                f"{asked.name}.grad accumulates: the backward {lies(event.place)} adds to what the last update has used "
                "already, and nothing clears it in between.",
                f"clear it before each backward: {asked.clearing()}",
                event.place,
            )
    return None


def _changed_since(asked: Question) -> bool:
    """Whether the loss comes out differently now: a leaf has been updated, and gradients cannot be compared."""
    values = Values(gradient_edge(asked.loss), (), asked.scope.look_up)
    values.known.pop(gradient_edge(asked.loss), None)
    try:
        again = values.value(gradient_edge(asked.loss))
    except Unknown:
        return True
    return not np.allclose(again, asked.loss._array, rtol=1e-4, atol=1e-6)


def all_is_well(asked: Question) -> Reason:
    for look in (
        _optimizer_without_x,
        _no_step,
        _rate_of_zero,
        _steps_of_others,
        _rebound_in_loop,
        _constant_term,
        wrong_on_the_way,
    ):
        found = look(asked)
        if found is not None:
            return found
    return Reason("", f"Nothing is wrong: {asked.name}.grad is there, finite and not zero.")


def _optimizer_without_x(asked: Question) -> Reason | None:
    """An optimizer in the program that does not know x, where none does."""
    optimizers = asked.optimizers()
    if not optimizers or asked.x.grad_fn is not None:
        return None
    for groups in optimizers.values():
        if any(asked.x is p for group in groups for p in group.get("params", ())):
            return None
    hidden = _unregistered(asked)
    if hidden is not None:
        return hidden
    name = _stepping_after_backward(asked) or next(iter(optimizers))
    place = asked.made_by(name)
    where = "" if place is None else f", made {lies(place)},"
    return Reason(
        "optimizer",
        f"{asked.name}.grad is there, but {asked.name} will not change: the optimizer {name}{where} was not given it.",
        f"pass it to the optimizer: add {_whole_of(asked)} to its parameters",
        place,
    )


def _whole_of(asked: Question) -> str:
    """The parameters of the module that x is one of, if no optimizer has any of them."""
    name = re.split(r"[.\[]", asked.name)[0]
    module = asked.scope.look_up(name)
    if name == asked.name or not callable(getattr(module, "parameters", None)) or isinstance(module, type):
        return asked.name
    known = {id(p) for groups in asked.optimizers().values() for group in groups for p in group["params"]}
    return asked.name if any(id(p) in known for p in module.parameters()) else f"{name}.parameters()"


def _stepping_after_backward(asked: Question) -> str | None:
    """The name of the optimizer that takes its step after the backward that gives x its gradient."""
    events = asked.run.events
    for number, event in reversed(list(enumerate(events))):
        if event.kind == "backward" and any(event.value.flows.get(o, o) is None for o in asked.origins):
            step = next(
                (e.call for e in events[number + 1 :] if e.kind == "step" and isinstance(e.call, ast.Call)), None
            )
            name = simple_name(step.func.value) if step is not None and isinstance(step.func, ast.Attribute) else None
            return name if name in asked.optimizers() else None
    return None


def _owner_of_x(asked: Question) -> str | None:
    """The name of the optimizer that has x."""
    for name, groups in asked.optimizers().items():
        if any(asked.x is p for group in groups for p in group.get("params", ())):
            return name
    return None


def _no_step(asked: Question) -> Reason | None:
    """Gradients are computed and cleared again and again, and the optimizer that has x is never told to step."""
    name = _owner_of_x(asked)
    if name is None or sum(e.kind == "backward" for e in asked.run.events) < 2 or not asked.called("zero_grad"):
        return None
    for event in asked.run.events:
        stepping = simple_name(event.call.func.value) if isinstance(event.call, ast.Call) else None
        if event.kind == "step" and not hasattr(asked.scope.look_up(stepping or ""), "optimizer"):  # as schedulers have
            return None
    place = [e.place for e in asked.run.events if e.kind == "backward"][-1]
    return Reason(
        "no step",
        f"{asked.name}.grad is there, but {asked.name} never changes: nothing uses the gradients of the backward {lies(place)}, as "
        f"{name}.step() is never called.",
        "call optimizer.step() after each backward (a scheduler's step() only sets the learning rate)",
        place,
    )


def _rate_of_zero(asked: Question) -> Reason | None:
    """The optimizer that has x takes steps of no size, and that is not a scheduler's end."""
    name = _owner_of_x(asked)
    for group in asked.optimizers().get(name or "", ()):
        if any(asked.x is p for p in group["params"]) and not group.get("lr", 1) and not group.get("initial_lr"):
            made = asked.made_by(name)
            where = "" if made is None else f", made {lies(made)},"
            return Reason(
                "learning rate",
                f"{asked.name}.grad is there, but {asked.name} does not change: the learning rate of its optimizer {name}{where} is 0.",
                "give it a learning rate above 0",
                made,
            )
    return None


def _steps_of_others(asked: Question) -> Reason | None:
    """After each backward that gives x its gradient, another optimizer takes a step than the one that has x."""
    events, others = asked.run.events, []
    for number, event in enumerate(events):
        if event.kind != "backward" or not any(event.value.flows.get(o, o) is None for o in asked.origins):
            continue
        other = None
        for later in events[number + 1 :]:
            if later.kind == "step" and asked.is_concerned(later):
                return None
            if later.kind == "step":
                other = other or later
            elif later.kind in ("zero_grad", "clear") and asked.is_concerned(later):
                break
        if other is None:
            return None
        others.append((event, other))
    owner = _owner_of_x(asked)
    if not others or owner is None:
        return None
    backward, step = others[-1]
    return Reason(
        "optimizer",
        f"{asked.name}.grad is there, but {asked.name} does not change: the step {lies(step.place)} that comes after the backward "
        f"{lies(backward.place)} is of an optimizer that does not have {asked.name}.",
        f"call the step of the optimizer that has it, {owner}.step(), or give each optimizer the parameters that its loss is to "
        "train",
        step.place,
    )


def _constant_term(asked: Question) -> Reason | None:
    """A term of the loss that was computed from what is trained, and has lost its way to that."""
    lines = (
        {(place.file, place.line) for place in map(place_of, sums_behind(asked.loss))} if asked.loss is not None else ()
    )
    for added, term in asked.run.terms:
        ways = [cut for origin, cut in term.flows.items() if asked.learns(origin.name)]
        cut = ways[0] if ways and all(ways) and (added.file, added.line) in lines else None
        if cut is not None and cut.kind in CONSTANT_BY_ACCIDENT:
            return constant_term(added, cut.kind, cut.place)
    return None


def _rebound_in_loop(asked: Question) -> Reason | None:
    """`for p in parameters: p = p - lr * p.grad` gives the loop's variable another value, and changes no parameter."""
    syntax = syntax_of(asked.frame.f_code.co_filename)
    if syntax is None or asked.optimizers():
        return None
    for loop in ast.walk(syntax.tree):
        if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name):
            continue
        for statement in loop.body:
            if updates_itself(statement) and simple_name(statement.targets[0]) == loop.target.id:
                place = place_in(syntax.file, statement.lineno)
                return Reason(
                    "update",
                    f"{asked.name}.grad is there, but {asked.name} does not change: the assignment {lies(place)} gives the name "
                    f"{loop.target.id} to a new tensor, and leaves the old one as it was.",
                    remedy_of_update(loop.target.id),
                    place,
                )
    return None


def _unregistered(asked: Question) -> Reason | None:
    """x is held by a module that does not know it for a parameter."""
    modules = modules_of(asked.frame)
    for module in modules:
        for tensor, hidden in unregistered(module, parameters_known(modules)):
            if tensor is asked.x:
                return not_registered(asked.name, hidden)
    return None


def _hooked(node: Node) -> bool:
    return node.meta is not None and bool(node.meta.tensor_hooks or node.meta.hooks or node.meta.prehooks)
