"""Statements of a program that do nothing: `loss.backward` without parentheses, `w.grad.clamp(-1, 1)` whose result is lost."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .places import lies, place_in
from .reasons import Reason
from .syntax import syntax_of

_CALLED = ("backward", "step", "zero_grad", "requires_grad_", "retain_grad")
_GIVE_ANEW = ("abs", "add", "clamp", "clamp_max", "clamp_min", "clip", "div", "mul", "nan_to_num", "neg", "sub")


def idle_statements(file: str) -> Iterator[Reason]:
    """Those of a file that are about gradients."""
    syntax = syntax_of(file)
    for statement in () if syntax is None else ast.walk(syntax.tree):
        if not isinstance(statement, ast.Expr):
            continue
        value, place = statement.value, place_in(file, statement.lineno)
        if isinstance(value, ast.Attribute) and value.attr in _CALLED:
            written = ast.unparse(value)
            yield Reason(
                "not called",
                f"{written} is not called {lies(place)}: without parentheses the line does nothing.",
                f"write {written}()",
                place,
            )
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _GIVE_ANEW:
            changed, method = value.func.value, value.func.attr
            is_shown = statement is syntax.tree.body[-1] and not file.endswith(".py")  # by the cell of a notebook
            if not is_shown and any(isinstance(one, ast.Attribute) and one.attr == "grad" for one in ast.walk(changed)):
                yield Reason(
                    "result unused",
                    f"{ast.unparse(changed)} is not changed {lies(place)}: {method} gives a new tensor, which nothing uses.",
                    f"change it in place: {ast.unparse(changed)}.{method}_(…)",
                    place,
                )
