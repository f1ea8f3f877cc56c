"""A gradient that is finite and not zero, but not the loss's: accumulated, stale, or never used by an optimizer."""

from __future__ import annotations

import ast

import numpy as np

from ...engine import Node
from ...tensor import gradient_edge
from ..badnumbers import walk
from ..holders import modules_of, parameters_known, unregistered
from ..places import lies, place_of
from ..reasons import Reason, not_registered
from ..values import Unknown, Values, freed_at, reachable
from .missing import why_unreached
from .question import Question


def why_another(asked: Question) -> Reason | None:
    """x.grad is not the gradient of this loss: accumulated, stale, or changed by a hook."""
    if not asked.x.requires_grad or not asked.leads_to_x():
        if not asked.x.requires_grad or asked.x.grad_fn is not None or asked.guessed or asked.is_opaque():
            return None
        unreached = why_unreached(asked)
        return Reason(
            "stale",
            f"{asked.name}.grad is from an earlier backward; {unreached.sentence.replace('.grad is None because', ' gets none from this one:')}",
            unreached.remedy,
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
        between = [e.kind for e in asked.run.events[last.get(event.call, number) + 1 : number]]
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
    idle = _optimizer_without_x(asked)
    if idle is not None:
        return idle
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
    name = next(iter(optimizers))
    value = asked.run.found.get(name)
    place = None if value is None or value.origin is None else value.origin.place
    where = "" if place is None else f", made {lies(place)},"
    return Reason(
        "optimizer",
        f"{asked.name}.grad is there, but {asked.name} will not change: the optimizer {name}{where} was not given it.",
        f"pass it to the optimizer: add {asked.name} to its parameters",
        place,
    )


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
