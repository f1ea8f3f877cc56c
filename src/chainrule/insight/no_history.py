"""Why something that backward or grad is called on has no history: where it was cut, as the program's text shows."""

from __future__ import annotations

import ast
from types import FrameType
from typing import Any

from .answers.question import learns, origin_of, run_to
from .cuts import CUTS, is_backward, remedy_of_block
from .dataflow import Cut, Origin, Run
from .names import Scope
from .places import expression_at, lies
from .reasons import Reason
from .syntax import simple_name


def why_no_history(frame: FrameType) -> Reason | None:
    """Where the history was cut of what a frame calls backward or grad on, which does not require grad."""
    call, syntax = expression_at((frame.f_code, frame.f_lasti))
    if not isinstance(call, ast.Call):
        return None
    run = run_to(frame)
    try:
        return _history_of(run, call, syntax, Scope(frame))
    finally:
        run.forget()


def _history_of(run: Run, call: ast.Call, syntax: Any, scope: Scope) -> Reason | None:
    given: Any = call.args or [k.value for k in call.keywords if k.arg in ("outputs", "tensors")] or [None]
    receiver = given[0]
    if (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "backward"
        and simple_name(call.func.value) not in syntax.modules
    ):
        receiver = call.func.value
    if receiver is None or run.exhausted:
        return None
    value = run.value(receiver, run.found)
    newest = {origin.name: origin for origin in sorted(value.flows)}  # of bindings of one name
    cuts: list[tuple[Origin, Cut]] = [
        (origin, cut)
        for origin, cut in value.flows.items()
        if cut is not None
        and newest[origin.name] is origin
        and (cut.kind in ("no_grad", "late") or learns(scope.look_up(origin.name)))
    ]
    if cuts:
        return _of_cut(f"the history from {cuts[0][0].name}", cuts[0][1])
    if value.suspect is not None:
        return _of_cut(f"the history of {simple_name(receiver) or 'the result'}", value.suspect)
    made = origin_of(value)
    where = "" if made is None else f", computed {lies(made.place)},"
    return Reason(
        "no requires_grad",
        f"nothing that it{where} was computed from requires grad.",
        "make the tensors that are to get gradients with requires_grad=True",
        None if made is None else made.place,
    )


def _of_cut(history: str, cut: Cut) -> Reason:
    doing, remedy = CUTS[cut.kind]
    block = "" if cut.block is None else f" (recording is switched off {lies(cut.block)})"
    if cut.block is not None:
        remedy = remedy_of_block(cut.block, remedy)
    cause = "in backward" if cut.block is not None and is_backward(cut.block) else cut.kind
    return Reason(cause, f"{history} was cut {lies(cut.place)}{block}: that {doing}.", remedy, cut.place)
