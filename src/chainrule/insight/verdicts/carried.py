"""What the rounds of a loop hand on to each other with its history: backward then goes through earlier rounds, too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple

from ...engine import is_own
from ...tensor import Tensor
from ..dataflow import Place
from ..names import value_called
from ..places import ancestors, lies, place_in
from ..reasons import Reason
from ..syntax import simple_name

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class Carried(NamedTuple):
    """A variable that one round of a loop gives to the next, with a history."""

    name: str
    place: Place  # where it gets its value
    is_list: bool


def carried(frame: FrameType | None, lasti: int) -> Carried | None:
    """What the loop around a position carries, or one around a call that led there; inside of functions that a loop calls,
    attributes of objects last from call to call, too."""
    while frame is not None:
        if not is_own(frame.f_code.co_filename):
            around = list(ancestors((frame.f_code, lasti)))
            bound = next((i for i, node in enumerate(around) if isinstance(node, _FUNCTIONS)), len(around))
            loop: Any = next((node for node in around[:bound] if isinstance(node, _LOOPS)), None)
            body = loop if loop is not None else next(iter(around[bound : bound + 1]), None)
            variables = {**frame.f_globals, **frame.f_locals}
            for name, line, is_list in _handed_on(body) if body is not None else ():
                value = value_called(name, variables)
                if (loop is not None or "." in name) and _has_history(value) and is_list == isinstance(value, list):
                    return Carried(name, place_in(frame.f_code.co_filename, line), is_list)
        frame = frame.f_back
        lasti = -1 if frame is None else frame.f_lasti
    return None


def _handed_on(body: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """The variables that are read in a loop's body before they get a value there, with the line where they do; and the lists
    that it appends to and reads."""
    read: dict[str, int] = {}
    given: dict[str, int] = {}
    appended: dict[str, int] = {}
    for node in ast.walk(body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for one in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                    name = simple_name(one)
                    if name is not None:
                        given[name] = min(node.lineno, given.get(name, node.lineno))
        elif isinstance(node, ast.AugAssign):
            name = simple_name(node.target)
            if name is not None:
                given[name] = read[name] = node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append":
            name = simple_name(node.func.value)
            if name is not None:
                appended[name] = node.lineno
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            name = simple_name(node)
            if name is not None:
                read[name] = min(node.lineno, read.get(name, node.lineno))
    for name, line in given.items():
        if read.get(name, line + 1) <= line:
            yield name, line, False
    for name, line in appended.items():
        if name in read:
            yield name, line, True


def _has_history(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_history(one) for one in value[:20])
    return isinstance(value, Tensor) and value._node is not None


def carried_reason(cause: str, failing: str, known: Carried) -> Reason:
    """`failing`: what fails, and because of what."""
    name = known.name
    what = f"what is appended to {name}" if known.is_list else f"{name}, which gets its value"
    remedy = (
        "append only numbers, loss.item(), or loss.detach()"
        if known.is_list
        else f"cut it off between rounds: {name} = {name}.detach(), or each part of it; to add up a loss for printing, loss.item()"
    )
    return Reason(
        cause,
        f"{failing}: {what} {lies(known.place)}, is kept from one round of the loop to the next with all its history.",
        remedy,
        known.place,
    )
