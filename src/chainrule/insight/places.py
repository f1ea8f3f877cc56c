"""Lines of the program: of a node, of an instruction, and those found by what stands there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import CodeType
from typing import Any

from ..engine import Node, is_own
from .dataflow import Place
from .source import Source, lines_of, short_path
from .syntax import simple_name, syntax_of


def place_of(source: Source | Node) -> Place:
    """The place of a node or a source as a Place."""
    if isinstance(source, Node):
        source = Source(source.code, source.lasti)
    return Place(source.file, source.line, source.text)


def lies(place: Place) -> str:
    """at FILE:LINE: `text`"""
    return f"at {short_path(place.file)}:{place.line}" + (f": `{place.text}`" if place.text else "")


Position = tuple[CodeType, int]  # a code object and an instruction offset in it


def place_at(position: Position) -> Place:
    """A position as a Place; of a function (offset -1), its first line, which is that of its first decorator."""
    code, lasti = position
    return place_in(code.co_filename, code.co_firstlineno) if lasti < 0 else place_of(Source(code, lasti))


def block_at(position: Position) -> Place:
    """The line that opens a block, without the block itself."""
    place = place_at(position)
    return place_in(place.file, place.line)


def line_at(position: Position) -> tuple[str, int]:
    place = place_at(position)
    return place.file, place.line


def expression_at(position: Position) -> Any:
    """The syntax of the expression at a position, and the file it is in."""
    source = Source(*position)
    syntax = syntax_of(source.file)
    return (None, None) if syntax is None else (syntax.expression(source), syntax)


def ancestors(position: Position) -> Iterator[ast.AST]:
    """The expression at a position, and what it stands in, innermost first."""
    node, syntax = expression_at(position)
    while node is not None:
        yield node
        node = syntax.parents.get(node)


def statement_at(position: Position) -> ast.stmt | None:
    """The statement at a position."""
    return next((node for node in ancestors(position) if isinstance(node, ast.stmt)), None)


def place_in(file: str, line: int) -> Place:
    """A line of a file as a Place."""
    text = lines_of(file)[line - 1 : line]
    return Place(file, line, text[0].strip() if text else "")


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


def made_at(name: str | None, before: Position) -> Place | None:
    """The last statement that bound a name in the text before a position, else the first anywhere in its file."""
    place = place_at(before)
    syntax = syntax_of(place.file)
    if syntax is None or not name:
        return None
    lines = sorted(bindings(syntax, name))
    earlier = [line for line in lines if line <= place.line]
    chosen = earlier[-1] if earlier else (lines[0] if lines else None)
    return None if chosen is None else place_in(place.file, chosen)


def bindings(syntax: Any, name: str) -> Iterator[int]:
    last = name.rpartition(".")[2]
    for node in ast.walk(syntax.tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            for one in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                text = simple_name(one)
                if text is not None and (text == name or text == f"self.{last}"):
                    yield node.lineno
