"""The user's program as syntax trees: which expression an operation was recorded for, and what it was assigned to."""

from __future__ import annotations

import ast
import linecache
import re
import sys
from types import CodeType, ModuleType

from .source import Source, lines_of

_EXPRESSIONS = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Subscript, ast.Attribute, ast.Compare, ast.AugAssign, ast.BoolOp)
_FENCE = re.compile(r"^ *(`{3,}|~{3,})\s*(\w*)")
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
_TRANSPARENT = (ast.IfExp, ast.Starred)


class Syntax:
    """One file, or one cell, parsed."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file = file
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {}
        self.modules: set[str] = set()  # names that imports bind
        self._at: dict[tuple, ast.AST] = {}
        self._calls_ending: dict[tuple, ast.AST] = {}
        self._bindings: dict[str, list[ast.AST]] = {}
        self._of_loops: dict[int, set[str]] = {}  # {first line of a function, 0 for none: names that its loops bind}
        for parent in ast.walk(tree):
            for child in ast.iter_child_nodes(parent):
                self.parents[child] = parent
            if isinstance(parent, _EXPRESSIONS):
                end = parent.end_lineno, parent.end_col_offset
                self._at.setdefault((parent.lineno, parent.col_offset, *end), parent)
                if isinstance(parent, ast.Call):
                    self._calls_ending[end] = parent
            elif isinstance(parent, (ast.Import, ast.ImportFrom)):
                self.modules.update(alias.asname or alias.name.split(".")[0] for alias in parent.names)
            elif isinstance(parent, ast.Name) and isinstance(parent.ctx, ast.Store):
                self._bindings.setdefault(parent.id, []).append(parent)
            elif isinstance(parent, (ast.For, ast.AsyncFor)):
                names = [one.id for one in ast.walk(parent.target) if isinstance(one, ast.Name)]
                self._of_loops.setdefault(self._line_of_function(parent), set()).update(names)
            elif isinstance(parent, ast.arg):
                self._bindings.setdefault(parent.arg, []).append(parent)

    def _line_of_function(self, node: ast.AST | None) -> int:
        """The first line, with decorators, of the function or class that a statement is in; 0 for none."""
        while node is not None and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node = self.parents.get(node)
        return 0 if node is None else min([node.lineno, *(one.lineno for one in node.decorator_list)])

    def loop_variables(self, code: CodeType) -> set[str]:
        """The names that the loops of a function, or of the program itself, bind."""
        is_function = code.co_name.isidentifier()  # and not "<module>"
        return self._of_loops.get(code.co_firstlineno if is_function else 0, set())

    def expression(self, source: Source) -> ast.AST | None:
        """The expression at a recorded position."""
        end = source.end_line, source.end_column
        found = self._at.get((source.line, source.column, *end))
        # in a chain of methods over several lines, a call's position starts at its last attribute
        return found if found is not None else self._calls_ending.get(end)

    def target(self, expression: ast.AST, number: int = 0) -> ast.expr | None:
        """What the whole expression is assigned to: the target that takes output `number`, or None."""
        if isinstance(expression, ast.AugAssign):
            return expression.target
        path: list[int] = []
        node = expression
        parent = self.parents.get(node)
        while parent is not None:
            if isinstance(parent, ast.Assign) and node is parent.value:
                return _unpacked(parent.targets[0], path, number)
            if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)) and node is parent.value:
                return _unpacked(parent.target, path, number)
            if isinstance(parent, (ast.Tuple, ast.List)):
                path.append(parent.elts.index(node))  # type: ignore[arg-type]
            elif not isinstance(parent, _TRANSPARENT) or node is getattr(parent, "test", None):
                return None
            node, parent = parent, self.parents.get(parent)
        return None

    def is_fixed(self, name: str) -> bool:
        """Whether a variable is assigned in one place of the file, outside of loops and functions."""
        bound = self._bindings.get(name, [])
        node: ast.AST | None = bound[0] if len(bound) == 1 else None
        if node is None:
            return False
        while node is not None:
            if isinstance(node, (*_LOOPS, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                return False
            node = self.parents.get(node)
        return True

    def statement(self, expression: ast.AST) -> ast.stmt | None:
        """The statement that an expression is part of."""
        node: ast.AST | None = expression
        while node is not None and not isinstance(node, ast.stmt):
            node = self.parents.get(node)
        return node


def _unpacked(target: ast.expr, path: list[int], number: int) -> ast.expr | None:
    """The part of an assignment's target at `path`, or the one that takes an output of several."""
    for place in reversed(path):
        if not isinstance(target, (ast.Tuple, ast.List)) or place >= len(target.elts):
            return None
        target = target.elts[place]
    if isinstance(target, (ast.Tuple, ast.List)):
        if path or number >= len(target.elts):
            return None
        target = target.elts[number]
    return target


_parsed: dict[str, tuple[list[str], Syntax | None]] = {}


def syntax_of(file: str) -> Syntax | None:
    """The parsed text of a file as Python knows it now; None where it cannot be read or parsed."""
    lines = lines_of(file)
    if not lines:
        return None
    known = _parsed.get(file)
    if known is not None and known[0] == lines:
        return known[1]
    try:
        made = Syntax(file, ast.parse("".join(_code_only(file, lines))))
    except (SyntaxError, ValueError):
        made = None
    if len(_parsed) > 200:
        _parsed.clear()
    _parsed[file] = (list(lines), made)
    return made


def _code_only(file: str, lines: list[str]) -> list[str]:
    """A page of Markdown with everything blank but its Python blocks, which are run under the page's name; a cell of a
    notebook without its magics."""
    if ".ipynb[" in file or file.startswith("<ipython"):
        return ["\n" if line.lstrip().startswith(("%", "!")) else line for line in lines]
    if not file.endswith(".md"):
        return lines
    kept, fence, python = [], "", False
    for line in lines:
        met = _FENCE.match(line)
        if met and not fence:
            fence, python = met[1], met[2] in ("python", "py")
            kept.append("\n")
        elif met and line.strip() == fence:
            fence = ""
            kept.append("\n")
        else:
            kept.append(line if fence and python and not line.startswith((">>>", "...")) else "\n")
    return kept if any(line.strip() for line in kept) else lines


def program_files(file: str) -> list[str]:
    """The files that make up the program `file` belongs to, in order: a session's inputs up to it, or itself."""
    met = re.match(r"<doctest .*\[(\d+)\]>$", file)
    if met:
        start = file[: met.start(1)]
        return [f"{start}{n}]>" for n in range(int(met[1]) + 1)]
    if _is_on_disk(file):
        return [file]
    # the cells of a notebook and the inputs of a session, which put their text there one after another
    pattern = _numberless(file)
    inputs = [name for name in linecache.cache if _numberless(name) == pattern and not _is_on_disk(name)]
    return inputs[: inputs.index(file) + 1] if file in inputs else [*inputs, file]


def _numberless(file: str) -> str:
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", file)


def _is_on_disk(file: str) -> bool:
    entry = linecache.cache.get(file)
    return entry is None or len(entry) != 4 or entry[1] is not None


def simple_name(expression: ast.AST | None) -> str | None:
    """The text of a name, an attribute of one, or a constant element of one: `w`, `self.w`, `w[0]`; else None."""
    if isinstance(expression, ast.Name):
        return expression.id
    if isinstance(expression, ast.Attribute):
        base = simple_name(expression.value)
        return None if base is None else f"{base}.{expression.attr}"
    if isinstance(expression, ast.Subscript):
        base = simple_name(expression.value)
        try:
            ast.literal_eval(expression.slice)
        except ValueError:
            return base
        return None if base is None else f"{base}[{ast.unparse(expression.slice).strip('()')}]"
    return None


def values_used(expression: ast.AST) -> tuple[set[str], set[str]]:
    """The names of the values in an expression, and of those whose gradient is in it: x of `x.grad.data`, no value there."""
    values: set[str] = set()
    gradients: set[str] = set()
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        is_gradient = isinstance(node, ast.Attribute) and node.attr == "grad"
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = simple_name(node.value if is_gradient else node)
            if name is not None:
                (gradients if is_gradient else values).add(name)
        if not is_gradient:
            waiting.extend(ast.iter_child_nodes(node))
    return values, gradients


def updates_itself(statement: ast.AST) -> bool:
    """Whether a statement is an update such as `w = w - lr * w.grad`, which should have been in place."""
    if not isinstance(statement, ast.Assign):
        return False
    name = simple_name(statement.targets[0])
    values, gradients = values_used(statement.value)
    return name in values and bool(gradients)


def operands(syntax: Syntax, expression: ast.AST) -> list[ast.expr]:
    """The expressions of an operation's operands, in the order in which they are written; settings may follow."""
    if isinstance(expression, ast.BinOp):
        return [expression.left, expression.right]
    if isinstance(expression, ast.AugAssign):
        return [expression.target, expression.value]
    if isinstance(expression, ast.UnaryOp):
        return [expression.operand]
    if isinstance(expression, (ast.Attribute, ast.Subscript)):
        return [expression.value]
    if isinstance(expression, ast.Call):
        function = expression.func
        if isinstance(function, ast.Attribute) and not is_module(syntax, function.value):
            return [function.value, *expression.args]
        return list(expression.args)
    return []


def is_module(syntax: Syntax, expression: ast.expr) -> bool:
    """Whether an expression is a module: `torch`, `torch.nn.functional`."""
    while isinstance(expression, ast.Attribute):
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return False
    name = expression.id  # imported here, by another cell, or before this text began
    return (
        name in syntax.modules or name in _CUSTOMARY or isinstance(vars(sys.modules["__main__"]).get(name), ModuleType)
    )


_CUSTOMARY = {"torch", "F", "nn", "np", "numpy", "chainrule"}  # what modules are called
