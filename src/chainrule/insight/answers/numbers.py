"""Why a gradient is nan, infinite or zero."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from ...engine import Node
from ...tensor import Tensor, gradient_edge
from ..badnumbers import (
    SECOND_WHERE,
    STEPS,
    ZEROS,
    Culprit,
    first_bad,
    first_risky,
    first_zero,
    is_bad,
    is_dropped,
    may_stop,
    remedy_for,
    walk,
)
from ..dataflow import Place
from ..explanation import shown_value
from ..places import lies, place_of
from ..reasons import Reason, hook_returns
from ..source import Source
from ..syntax import simple_name
from ..values import Edge, Unknown, Values, expression_of, operand_of, reachable, record_of
from .clearing import cleared_after_backward, cleared_reason
from .custom import of_custom_function
from .question import Question


def why_bad(asked: Question) -> Reason:
    """x.grad has a nan or an infinity in it, or the loss has."""
    what, held = f"{asked.name}.grad", asked.x._grad
    if asked.loss is not None and is_bad(asked.loss._array):
        what, held = asked.loss_name, asked.loss
    kind = "nan" if any(t is not None and np.any(np.isnan(t._array)) for t in (held, asked.x._grad)) else "inf"
    values: Any = asked.values()
    culprit = None
    if values is not None:
        try:
            culprit = first_bad(values, gradient_edge(asked.loss), gradient_edge(asked.x), asked.seed_array())
        except Unknown:
            culprit = None
    if culprit is None:
        return Reason(
            kind,
            f"{what} has {kind} in it, and the operation that made it is not in a graph that is still there.",
            "call why before the loss is computed anew, or run the program under torch.autograd.detect_anomaly()",
        )
    if culprit.constant is not None and culprit.node is not None:
        place = place_of(culprit.node)
        operand = (
            simple_name(operand_of(culprit.node, culprit.constant)) or _name_of(asked, culprit.inputs[0]) or "an input"
        )
        known = asked.run.found.get(operand) if not asked.run.exhausted else None
        made = place if known is None or known.origin is None else known.origin.place
        return Reason(
            kind,
            f"{what} has {kind} in it because {operand}, made {lies(made)}, holds {shown_value(culprit.inputs[0])} already, when it "
            f"is used {lies(place)}.",
            "clean the data first: leave such rows out, or torch.nan_to_num; look at what it was divided by",
            made,
        )
    if culprit.node is None:
        leaf = asked.scope.names.get(id(culprit.leaf), "a leaf")
        suspect = first_risky(values) if culprit.leaf._grad is not None else None
        if suspect is not None:  # the gradient of a round before was bad, and its numbers are gone
            place = place_of(suspect)
            return Reason(
                kind,
                f"{what} has {kind} in it because {leaf} holds {shown_value(culprit.leaf._array)} since an update, most likely as "
                f"{_operation(suspect)} gave a gradient that is not finite {lies(place)}.",
                remedy_for(Culprit(suspect, None, False, []), values),
                place,
            )
        written = None if culprit.leaf is None else _written_last(culprit.leaf)
        if written is not None:
            is_step = ".step(" in written.text
            return Reason(
                kind,
                f"{what} has {kind} in it because {leaf} holds {shown_value(culprit.leaf._array)} since the "
                f"{'step' if is_step else 'write'} {lies(written)}.",
                "lower the learning rate, scale the inputs, or clip the gradient before the step"
                if is_step
                else "write finite numbers there; a large negative number serves as a mask where -inf is too much",
                written,
            )
        return Reason(
            kind,
            f"{what} has {kind} in it because {leaf} holds {shown_value(culprit.leaf._array)} already.",
            remedy_for(culprit, values),
        )
    asked.culprit = culprit.node
    place = place_of(culprit.node)
    inputs = _shown_inputs(culprit)
    if culprit.is_forward:
        likely = ", most likely" if culprit.likely else ""
        sentence = f"{what} has {kind} in it{likely} because the result of {_operation(culprit.node)} is not finite {lies(place)}{inputs}."
    else:
        sentence = (
            f"{what} has {kind} in it because the derivative of {_operation(culprit.node)} is not finite {lies(place)}"
            f"{inputs}."
        )
    remedy = remedy_for(culprit, values)
    if culprit.is_forward and not is_bad(asked.loss._array):  # it does not reach the loss: something masks it
        remedy = f"{SECOND_WHERE}; or {remedy}"
    return Reason(kind, sentence, remedy, place)


def _written_last(leaf: Tensor) -> Place | None:
    """Where a leaf was overwritten last."""
    counter: Any = leaf._counter
    write = None if counter is None or not counter.writes else counter.writes.get(counter.version)
    return None if not write else place_of(Source(*write))


def _name_of(asked: Question, array: np.ndarray) -> str | None:
    """The name of the tensor that an array belongs to."""
    for tensor in asked.scope.tensors:
        if isinstance(tensor._array, np.ndarray) and np.shares_memory(tensor._array, array):
            return asked.scope.names[id(tensor)]
    return None


def why_zero(asked: Question) -> Reason:
    """Every element of x.grad is 0."""
    name = asked.name
    values = asked.values()
    if values is None:
        return Reason(
            "zero",
            f"{name}.grad is 0, and no graph is there that says why.",
            "pass the loss: chainrule.why(x, loss)",
        )
    cleared = cleared_after_backward(asked)
    target = gradient_edge(asked.x)
    try:
        again = walk(values, gradient_edge(asked.loss), asked.seed_array(), lambda *_: False, {target}).get(target)
        if again is not None and np.any(again) and cleared is not None:
            return cleared_reason(asked, "0", cleared)
        if again is not None and np.any(again):
            hooked = _hook_to_blame(asked, "is 0")
            if hooked is not None:
                return hooked
        culprit = first_zero(values, gradient_edge(asked.loss), target, asked.seed_array(), near=True)
    except Unknown:
        return _zero_by_exclusion(asked, values, target, cleared)
    return of_custom_function(asked, culprit) or _zero_at(asked, culprit) or _stationary(asked)


def _zero_by_exclusion(asked: Question, values: Values, target: Edge, cleared: Place | None) -> Reason:
    """The same where numbers are not known any more."""
    if cleared is not None:
        return cleared_reason(asked, "0", cleared)
    nodes, kind = may_stop(values, target)
    hooked = None if kind in (*STEPS, "dropout", "softmax of one") else _hook_to_blame(asked, "is 0")
    if hooked is not None:
        return hooked
    if not nodes:
        return _stationary(asked)
    culprit = Culprit(nodes[0], None, False, [])
    record = record_of(nodes[0])
    is_softmax = record is not None and record.name in ("softmax", "log_softmax")
    known: Any = of_custom_function(asked, culprit) or _zero_at(
        asked, culprit, kind or ("some softmax" if is_softmax else "")
    )
    if kind:
        return known
    others = [f"{_operation(node)} {lies(place_of(node))}" for node in nodes[1:3]]
    more = "" if not others else f" (or {' or '.join(others)})"
    sentence = f"{asked.name}.grad is 0, most likely because {_operation(nodes[0])} passes no gradient on {lies(known.source)}{more}."
    return Reason("zero", sentence, f"{known.remedy}; to be certain, call why before the backward", known.source)


def _hook_to_blame(asked: Question, is_what: str) -> Reason | None:
    """The hook that the program has put on the way to x, if there is only one."""
    hooks = list(asked.x._extra.hooks.values()) if asked.x._extra is not None and asked.x._extra.hooks else []
    for node in reachable(asked.loss.grad_fn):
        for held in (node.meta.tensor_hooks or {}).values() if node.meta is not None else ():
            hooks += held.values()
    return hook_returns(f"{asked.name}.grad", is_what, hooks[0]) if len(hooks) == 1 else None


def zero_reason(asked: Question, values: Values, target: Edge, near: bool = False) -> Reason | None:
    """The operation that passes no gradient on to x; `near`: what is left of it is rounding error."""
    try:
        culprit = first_zero(values, gradient_edge(asked.loss), target, asked.seed_array(), near)
    except Unknown:
        return None
    return _zero_at(asked, culprit)


def _stationary(asked: Question) -> Reason:
    place = place_of(asked.loss.grad_fn)
    return Reason(
        "zero",
        f"{asked.name}.grad is 0: what arrives along its paths from {asked.loss_name}, made {lies(place)}, adds up to 0.",
        "this is a stationary point, or terms cancel: chainrule.explain(loss, x).shares() shows what each path gives",
        place,
    )


def _zero_at(asked: Question, culprit: Culprit | None, known: str = "") -> Reason | None:
    """`known`: what is to be said of it, a key in ZEROS; "": what its inputs show."""
    if culprit is None or culprit.node is None:
        return None
    name, asked.culprit = asked.name, culprit.node
    record = record_of(culprit.node)
    if not known and record is not None:
        known = record.name
    if known in ("softmax", "log_softmax"):
        known = _kind_of_softmax(culprit) or known
    elif known == "mul" and is_dropped(culprit.node):
        known = "dropout"
    because, remedy = ZEROS.get(known, ("its derivative is 0 there", "look at its inputs with chainrule.explain"))
    place = place_of(culprit.node)
    return Reason(
        "zero",
        f"{name}.grad is 0 because {_operation(culprit.node)} passes no gradient on {lies(place)}: {because}.",
        remedy,
        place,
    )


def _kind_of_softmax(culprit: Culprit) -> str:
    """Which of its ways to pass nothing on a softmax has taken: see ZEROS; "": it is saturated."""
    given = culprit.inputs[0] if culprit.inputs else None
    if given is None or not np.size(given):
        return ""
    if (1 in np.shape(given) and np.shape(given)[-1] == 1) or np.size(given) == 1:
        return "softmax of one"
    sizes = np.ptp(np.asarray(given), axis=-1)
    return "softmax of all" if np.any(sizes < 20) else ""


def _operation(node: Node) -> str:
    """The operation of a node as the program calls it, such as max for max_dim."""
    record, call = record_of(node), expression_of(node)
    if record is None:
        return node.name()
    called = "" if not isinstance(call, ast.Call) else getattr(call.func, "attr", "")
    return called if called and record.name.startswith(f"{called}_") else getattr(record.apply, "__name__", record.name)


def _shown_inputs(culprit: Culprit) -> str:
    shown = [shown_value(i) for i in culprit.inputs if i is not None]
    return f", where its input is {' and '.join(shown)}" if shown else ""
