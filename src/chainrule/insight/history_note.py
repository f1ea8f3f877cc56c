"""What the error of a backward on something without history says: where the history was cut."""

from __future__ import annotations

import ast
import linecache
from typing import Any

from .answers.question import origin_of, run_to
from .cuts import CUTS, remedy_of_block
from .dataflow import Run
from .names import Scope, caller
from .places import lies
from .source import Source
from .syntax import simple_name, syntax_of

LONGEST_FILE = 4000  # lines


def history_note() -> str | None:
    """Where the history was cut of what the caller called backward or grad on, which does not require grad."""
    frame = caller(2)
    position = Source(frame.f_code, frame.f_lasti)
    if len(linecache.getlines(position.file)) > LONGEST_FILE:
        return None  # to read it would take longer than an error may
    syntax = syntax_of(position.file)
    call = None if syntax is None else syntax.expression(position)
    if not isinstance(call, ast.Call):
        return None
    run = run_to(frame)
    try:
        return _history_of(run, call, syntax, Scope(frame))
    finally:
        run.forget()


def _history_of(run: Run, call: ast.Call, syntax, scope: Scope) -> str | None:
    given: Any = call.args or [None]
    receiver = call.func.value if isinstance(call.func, ast.Attribute) and not call.args else given[0]
    if (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "backward"
        and simple_name(call.func.value) not in syntax.modules
    ):
        receiver = call.func.value
    if receiver is None or run.exhausted:
        return None
    value = run.value(receiver, run.found)
    cuts = [
        (o, c)
        for o, c in value.flows.items()
        if c is not None and (getattr(scope.look_up(o.name), "requires_grad", False) or c.kind in ("no_grad", "late"))
    ]
    if cuts:
        origin, cut = cuts[0]
        doing, remedy = CUTS[cut.kind]
        block = "" if cut.block is None else f" (recording is switched off {lies(cut.block)})"
        if cut.block is not None:
            remedy = remedy_of_block(cut.block, remedy)
        return f"the history from {origin.name} was cut {lies(cut.place)}{block}: that {doing}\nremedy: {remedy}"
    made = origin_of(value)
    where = "" if made is None else f", computed {lies(made.place)},"
    return (
        f"nothing that it{where} was computed from requires grad\n"
        "remedy: make the tensors that are to get gradients with requires_grad=True"
    )
