"""Lines of the program that are found by what stands there: a function's return, a class's assignment to an attribute."""

from __future__ import annotations

import ast
from typing import Any

from ..engine import is_own
from .dataflow import Place
from .syntax import simple_name, syntax_of


def place_in(file: str, line: int) -> Place:
    """A line of a file as a Place."""
    import linecache

    return Place(file, line, linecache.getline(file, line).strip())


def return_of(code: Any) -> Place:
    """The return statement of a function, if it has only one, else its first line."""
    syntax = syntax_of(code.co_filename)
    line = code.co_firstlineno
    if syntax is not None:
        for node in ast.walk(syntax.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if first == code.co_firstlineno or node.lineno == code.co_firstlineno:
                    returns = [n for n in ast.walk(node) if isinstance(n, ast.Return)]
                    line = returns[-1].lineno if returns else node.lineno
    return place_in(code.co_filename, line)


def backward_place(function: type) -> Place | None:
    """The last return of a custom Function's backward."""
    method = getattr(function, "backward", None)
    code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
    return None if code is None or is_own(code.co_filename) else return_of(code)


def attribute_line(module: type, attribute: str) -> Place | None:
    """Where a module's class assigns an attribute of itself."""
    for kind in module.__mro__:
        method = vars(kind).get("__init__")
        code = getattr(method, "__code__", None)
        syntax = None if code is None else syntax_of(code.co_filename)
        if syntax is None or is_own(code.co_filename):
            continue
        for node in ast.walk(syntax.tree):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                for one in ast.walk(node):
                    targets = (
                        one.targets
                        if isinstance(one, ast.Assign)
                        else [one.target]
                        if isinstance(one, ast.AnnAssign)
                        else []
                    )
                    if any(simple_name(t) == f"self.{attribute}" for t in targets):
                        return place_in(code.co_filename, one.lineno)
    return None
