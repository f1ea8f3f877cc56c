"""A program that fails on a `.grad` that is None: what is added to Python's own error, which says nothing of gradients."""

from __future__ import annotations

import ast
import linecache
from types import FrameType
from typing import Any

from ..tensor import Tensor
from .answers.missing import why_none
from .answers.question import Question
from .dataflow import Place, Run
from .names import value_called
from .places import ancestors, lies, place_of, statement_at
from .reasons import Reason
from .source import Source
from .syntax import simple_name
from .verdicts.judge import innermost


def note_missing_gradient(error: BaseException) -> None:
    """Adds why the gradient is None, if that is what an error that ended the program is about."""
    if not isinstance(error, (TypeError, AttributeError)) or "NoneType" not in str(error):
        return
    try:
        where = innermost(error)
        found = None if where is None else _missing(*where)
        if where is None or found is None:
            return
        asked = Question(found, None, where[0], asked=False)
        asked.__dict__["run"] = _run_to(error, *where)  # the frames themselves have ended, and lead nowhere
        reason = why_none(asked)
        if reason.cause == "no backward":
            reason = _before_backward(asked, place_of(Source(where[0].f_code, where[1])))
        error.add_note(f"{reason.sentence.rstrip('.')}\nremedy: {reason.remedy}")
    except Exception as failure:  # the error itself must reach the user, whatever their program's text looks like
        error.add_note(f"(what led to it could not be found out: {failure!r})")


def _before_backward(asked: Question, place: Place) -> Reason:
    is_cleared = ".zero_(" in linecache.getline(place.file, place.line)
    return Reason(
        "no backward",
        f"{asked.name}.grad is None when it is used {lies(place)}: no backward has been called before.",
        "there is nothing to clear before the first backward: clear it after the update, or set it to None"
        if is_cleared
        else f"call {asked.loss_name}.backward() first",
        place,
    )


def _missing(frame: FrameType, lasti: int) -> Tensor | None:
    """The tensor whose `.grad`, in the expression that failed, is None."""
    names: dict[str, Any] = {**frame.f_globals, **frame.f_locals}
    for outer in ancestors((frame.f_code, lasti)):
        for node in ast.walk(outer):
            if isinstance(node, ast.Attribute) and node.attr == "grad":
                name = simple_name(node.value)
                value = None if name is None else value_called(name, names)
                if isinstance(value, Tensor) and value._grad is None:
                    return value
        if isinstance(outer, ast.stmt):
            break
    return None


def _run_to(error: BaseException, frame: FrameType, lasti: int) -> Run:
    statement = statement_at((frame.f_code, lasti))
    position = None if statement is None else (statement.lineno, statement.col_offset)
    entry, stack = error.__traceback__, []
    while entry is not None and entry.tb_frame is not frame:
        stack.append((entry.tb_frame.f_code.co_filename, entry.tb_lineno))
        entry = entry.tb_next
    return Run(frame.f_code.co_filename, position, frame.f_code.co_qualname, stack)
