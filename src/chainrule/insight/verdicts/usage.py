"""What the program's text does with a value at a place: prints it, asks whether it is there, updates it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import dropwhile, islice
from typing import Any

from ..places import Position, ancestors, expression_at, statement_at
from ..syntax import simple_name, syntax_of, values_used


def read_name(position: Position) -> str:
    """The name of what a `.grad` is read of at a position."""
    node, _ = expression_at(position)
    return simple_name(node.value) or "it" if isinstance(node, ast.Attribute) else "it"


def only_shown(position: Position) -> bool:
    """Whether the value at a position is only printed, formatted, or kept in a log."""
    for node in ancestors(position):
        if isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
            return True
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("print", "format", "write", "info", "debug", "add_scalar", "log", "set_postfix", "update", "set_description"):  # fmt: skip
                return True
        if isinstance(node, (ast.If, ast.While, ast.Compare)):
            return True
        if isinstance(node, ast.stmt):
            return False
    return False


def is_guarded(position: Position) -> bool:
    """Whether a `.grad` is read to ask whether it is there."""
    inner: ast.AST | None = None
    for node in ancestors(position):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)) for op in node.ops
        ):
            if any(isinstance(c, ast.Constant) and c.value is None for c in (node.left, *node.comparators)):
                return True
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and inner is node.test:
            return True
        if isinstance(node, (ast.BoolOp, ast.Assert)) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("hasattr", "getattr", "isinstance", "bool"):
            return True
        if isinstance(node, ast.stmt):
            return False
        inner = node
    return False


def _names_read(scope: ast.AST) -> Iterator[str]:
    """The variables whose values are read, but for those that are only printed."""
    waiting = [scope]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if not is_print and not isinstance(node, ast.FormattedValue):
            waiting.extend(ast.iter_child_nodes(node))


def unread_target(position: Position) -> str | None:
    """The variable that what is computed at a position is given to, if nothing in its function, or file, reads it."""
    statement = statement_at(position)
    if not isinstance(statement, ast.Assign) or not all(isinstance(t, ast.Name) for t in statement.targets):
        return None
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)
    scope: Any = next((one for one in ancestors(position) if isinstance(one, scopes)), None)
    names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
    read = set(_names_read(scope))
    outside = {name for one in ast.walk(scope) if isinstance(one, (ast.Global, ast.Nonlocal)) for name in one.names}
    return None if (read | outside).intersection(names) else names[0]


def is_own_update_at(made: Position, name: str) -> bool:
    """Whether a value is made as in `w = w - lr * w.grad`, an update that should have been in place."""
    for node in ancestors(made):
        if isinstance(node, ast.stmt):
            break
        values, gradients = values_used(node)
        if values & gradients:
            return True
        above = next(islice(ancestors(made), 1, 2), None)
        if isinstance(above, ast.Assign) and simple_name(above.targets[0]) == name and name in values:
            return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))
    return False


def own_update_with(read: Position) -> ast.Assign | None:
    """The assignment `w = w - lr * w.grad` that uses the `w.grad` read at a position, there or by way of `g = w.grad`."""
    name = read_name(read)
    around = dropwhile(lambda one: not isinstance(one, ast.stmt), ancestors(read))
    statement, block = next(around, None), next(around, None)
    if not isinstance(statement, ast.Assign):
        return None
    if _stores(statement, name) and name in values_used(statement.value)[0]:
        return statement
    for after in getattr(block, "body", []):
        if isinstance(after, ast.Assign) and after.lineno > statement.lineno and _stores(after, name):
            values = values_used(after.value)[0]
            if name in values and any(_stores(statement, one) for one in values - {name}):
                return after
    return None


def loop_variables_rebound(file: str) -> Iterator[tuple[str, int]]:
    """Where the body of a loop over tensors does `p = p - …` with the loop's own variable, which changes none of them."""
    syntax = syntax_of(file)
    for loop in ast.walk(syntax.tree) if syntax is not None else ():
        if not isinstance(loop, ast.For):
            continue
        targets = {one.id for one in ast.walk(loop.target) if isinstance(one, ast.Name)}
        for one in loop.body:
            name = simple_name(one.targets[0]) if isinstance(one, ast.Assign) else None
            if name in targets and isinstance(one.value, ast.BinOp) and name in values_used(one.value)[0]:
                yield name, one.lineno


def _stores(statement: ast.Assign, name: str) -> bool:
    """Whether an assignment gives a name to a value, alone or with others."""
    targets = [one for t in statement.targets for one in (t.elts if isinstance(t, (ast.Tuple, ast.List)) else [t])]
    return any(simple_name(one) == name for one in targets)
