"""What the program's text does with a value at a place: prints it, asks whether it is there, updates it."""

from __future__ import annotations

import ast
from itertools import islice

from ..places import Position, ancestors, expression_at
from ..syntax import simple_name


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


def is_own_update_at(made: Position, name: str) -> bool:
    """Whether a value is made as in `w = w - lr * w.grad`, an update that should have been in place."""
    for node in ancestors(made):
        if isinstance(node, ast.stmt):
            break
        used = {simple_name(n) for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}
        if any(text is not None and f"{text}.grad" in used for text in used):
            return True
        above = next(islice(ancestors(made), 1, 2), None)
        if isinstance(above, ast.Assign) and simple_name(above.targets[0]) == name and name in used:
            return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))
    return False
