"""Lists the names of `torch` that a program uses and chainrule does not have, without running the program.

What counts are names that the text reaches from a module: imports, and attributes of an imported module or class, also
where the program calls it by another name. What class a value has, and so its methods, is not known before a run.
"""

from __future__ import annotations

import ast
import importlib
import os
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from chainrule.runner import COMPILE_ERRORS, read_bytes, syntax_error
from chainrule.runner.alias import ALIAS
from chainrule.runner.notebook import Notebook
from chainrule.runner.script import Script


def report(program: Script | Notebook) -> int:
    """Prints each name that is missing, with its line, and returns 1 if there is one, else 0.

    `alias.install` must have been called: what `torch` has is what it has in this process.

    Raises:
        BadFile: a module of the program, in a file beside it, cannot be read or has a syntax error.
    """
    reader = Reader(os.path.dirname(program.file))
    reader.read(program.sources)
    # Imports first: what they load becomes an attribute of what is loaded already.
    missing = [use for use in reader.uses if use.is_import and not is_importable(use.name)]
    missing += [use for use in reader.uses if not use.is_import and not is_attribute(use.name)]
    missing = sorted({use for use in missing if use.name not in reader.assigned})
    for use in missing:
        print(f"{reader.files[use.file]}:{use.line}: {use.name}")
    if not missing:
        print(f"{program.file}: chainrule has every torch name used here")
        return 0
    count = len({use.name for use in missing})
    print(f"{program.file}: chainrule lacks {count} torch name{'s' * (count != 1)} used here")
    return 1


def is_importable(name: str) -> bool:
    """Whether `import name` works or, for a name x.y, `from x import y`."""
    try:
        importlib.import_module(name)
        return True
    except ImportError:
        holder, _, last = name.rpartition(".")
        try:
            return bool(holder) and hasattr(importlib.import_module(holder), last)
        except ImportError:
            return False


def is_attribute(name: str) -> bool:
    """Whether each part of a dotted name is an attribute of the part before, while that is a module or a class."""
    first, *rest = name.split(".")
    holder: Any = importlib.import_module(first)
    for part in rest:
        if not isinstance(holder, (ModuleType, type)):
            return True
        try:
            holder = getattr(holder, part)
        except (AttributeError, ImportError):
            return False
    return True


class Use(NamedTuple):
    """A dotted name, beginning with `torch`, at a line of a file."""

    file: int  # its place in `Reader.files`
    line: int
    name: str
    is_import: bool


# What is known of the names in a scope: a dotted name of torch, or None for what is, or may be, something else.
Names = ChainMap[str, str | None]

PARSE = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


class Reader:
    """Collects the uses of `torch` in a program and in the modules beside it that it imports."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.uses: list[Use] = []
        self.assigned: set[str] = set()  # what the program itself adds to modules and classes of torch
        self.files: list[str] = []

    def read(self, sources: Iterable[tuple[str, bytes | str]]) -> None:
        """Reads the parts of a program, given as (name, text), that share one namespace."""
        parts = []
        for file, text in sources:
            try:
                parts.append((file, compile(text, file, "exec", PARSE, dont_inherit=True).body))
            except COMPILE_ERRORS as error:
                raise syntax_error(file, error) from None
        names: Names = ChainMap()
        bind([node for _, nodes in parts for node in nodes], names)
        modules = []
        for file, nodes in parts:
            self.files.append(file)
            self.read_scope(nodes, names, names)
            modules += [module for node in nodes for module in self.modules_beside(node, os.path.dirname(file))]
        for module in modules:
            if module not in self.files:
                self.read([(module, read_bytes(module))])

    def read_scope(self, nodes: Sequence[ast.AST], names: Names, inner_names: Names) -> None:
        """Reads the nodes of one scope, in which `names` hold, and the scopes in it, in which `inner_names` hold."""
        for node in own_nodes(nodes, names):
            self.read_node(node, names)
            if isinstance(node, SCOPES):
                inside = inner_parts(node)
                own_names = inner_names.new_child(dict.fromkeys(parameters(node)))
                bind(inside, own_names)
                # What a class binds is seen in its body, but not in its methods.
                self.read_scope(inside, own_names, inner_names if isinstance(node, ast.ClassDef) else own_names)

    def read_node(self, node: ast.AST, names: Names) -> None:
        match node:
            case ast.Import():
                self.add_imports(node, [name.name for name in node.names])
            case ast.ImportFrom(module=str(module), level=0):
                self.add_imports(node, [module if name.name == "*" else f"{module}.{name.name}" for name in node.names])
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                self.add_imports(node, [module])
            case ast.Call(func=ast.Name(id="getattr"), args=[holder, ast.Constant(value=str(attribute))]):
                if name := dotted(holder, names):
                    self.add(node, f"{name}.{attribute}")
            case ast.Attribute():
                if name := dotted(node, names):
                    if isinstance(node.ctx, ast.Load):
                        self.add(node, name)
                    else:
                        self.assigned.add(name)

    def add(self, node: ast.expr | ast.stmt, name: str, is_import: bool = False) -> None:
        self.uses.append(Use(len(self.files) - 1, node.lineno, name, is_import))

    def add_imports(self, node: ast.expr | ast.stmt, names: list[str]) -> None:
        for name in names:
            if is_torch(name):
                self.add(node, name, is_import=True)

    def modules_beside(self, statement: ast.AST, directory: str) -> list[str]:
        """The files of the program's own modules that `statement` imports, in a file of `directory`."""
        files = []
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                for name in node.names:
                    files += module_files(self.directory, name.name.split("."))
            elif isinstance(node, ast.ImportFrom):
                start = os.path.join(directory, *[os.pardir] * (node.level - 1)) if node.level else self.directory
                package = node.module.split(".") if node.module else []
                for name in node.names:
                    files += module_files(start, [*package, name.name])
        return files


def is_torch(name: str) -> bool:
    return name.partition(".")[0] == ALIAS


def module_files(directory: str, parts: list[str]) -> list[str]:
    """The files, of those there are, of the modules `parts[0]`, `parts[0].parts[1]` and so on in `directory`."""
    files = []
    for number in range(1, len(parts) + 1):
        path = os.path.normpath(os.path.join(directory, *parts[:number]))
        files += [file for file in (os.path.join(path, "__init__.py"), f"{path}.py") if os.path.isfile(file)][:1]
    return files


def own_nodes(nodes: Sequence[ast.AST], names: Names) -> Iterator[ast.AST]:
    """`nodes` and those in them of the same scope, in the text's order, less the parts of a dotted name of torch."""
    pending = [*reversed(nodes)]
    while pending:
        node = pending.pop()
        yield node
        if dotted(node, names) is None:
            inside = inner_parts(node)
            pending += [child for child in reversed([*ast.iter_child_nodes(node)]) if child not in inside]


def inner_parts(node: Any) -> Sequence[ast.AST]:
    """The children of `node` that are evaluated in a scope that it makes."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.body
        case ast.Lambda():
            return [node.body]
        case ast.DictComp():
            return [*node.generators, node.key, node.value]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return [*node.generators, node.elt]
    return []


def parameters(node: Any) -> list[str]:
    """The names of the parameters of `node`, if it is a function."""
    return [part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)] if hasattr(node, "args") else []


def dotted(node: ast.AST, names: Names) -> str | None:
    """The name of torch that an expression such as `F.relu` stands for, or None if it stands for none."""
    attributes = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    base = names.get(node.id) if isinstance(node, ast.Name) else None
    return base and ".".join([base, *reversed(attributes)])


def bind(nodes: Sequence[ast.AST], names: Names) -> None:
    """Adds to the first map of `names` what the scope of `nodes` binds: None for a name bound to several things."""
    own = names.maps[0]
    same_as: dict[ast.AST, str | None] = {}
    foreign = {
        name for node in own_nodes(nodes, names) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
    }

    def add(name: str | None, value: str | None = None) -> None:
        if name is not None and name not in foreign:
            own[name] = value if own.get(name, value) == value else None

    for node in own_nodes(nodes, names):
        match node:
            case ast.Import():
                for each in node.names:
                    name = each.name if each.asname else each.name.partition(".")[0]
                    add(each.asname or name, name if is_torch(name) else None)
            case ast.ImportFrom():
                module = node.module if node.module and not node.level and is_torch(node.module) else None
                for each in node.names:
                    add(each.asname or each.name, module and f"{module}.{each.name}")
            case ast.Assign(targets=[ast.Name() as target], value=ast.Constant(value=None)):
                same_as[target] = names.get(target.id)  # for where the import failed
            case ast.Assign(targets=[ast.Name() as target], value=value):
                same_as[target] = dotted(value, names)
            case ast.Name(ctx=ast.Store()):
                add(node.id, same_as.get(node))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
                add(node.name)
            case ast.MatchAs() | ast.MatchStar():
                add(node.name)
            case ast.MatchMapping():
                add(node.rest)
