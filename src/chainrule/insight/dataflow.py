"""Follows tensors through the text of the user's program, to find where a history is cut without a trace in the graph.

An abstract run: statements in order, calls of the program's own functions and methods followed, loops run twice, both
branches of an `if` taken. A value is known by the places where variables were bound that went into it, each with the first
cut on the way, if every way is cut. Nothing of the user's program is executed.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, NamedTuple

from .source import short_path
from .syntax import Syntax, is_module, program_files, simple_name, syntax_of, values_used

MOST_STEPS = 30_000
DEEPEST_CALL = 12
PASSES = 2  # through each loop


class Place(NamedTuple):
    """A line of the program."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        where = f"{short_path(self.file)}:{self.line}"
        return f"{where}: {self.text}" if self.text else where


class Origin(NamedTuple):
    """One binding of a variable: each time that a statement runs is another."""

    serial: int
    name: str
    place: Place


class Cut(NamedTuple):
    """Where a history ends, and how."""

    kind: str
    place: Place
    block: Place | None = None  # the `with` or decorator that is to blame


Flows = dict[Origin, "Cut | None"]  # None: the history goes through


@dataclass
class Value:
    """What the abstract run knows of a value."""

    flows: Flows = field(default_factory=dict)
    elements: list[Value] | None = None  # of a tuple or list written out
    function: Function | None = None
    instance: str = ""  # the key of its attributes
    methods: dict[str, Function] | None = None
    is_class: bool = False
    bound: Value | None = None  # of a method: what it is a method of
    origin: Origin | None = None  # where it was last bound to a name
    suspect: Cut | None = None  # where its history ends, should it turn out to have none
    text: ast.Constant | None = None  # of a string that is written out


class Function(NamedTuple):
    """A function of the program."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Variables
    syntax: Syntax


class Event(NamedTuple):
    """A call that does something to gradients, in the order of the abstract run."""

    kind: str  # backward, zero_grad, clear, step, grad, requires_grad, retain_grad, change
    place: Place
    value: Value
    call: ast.AST


class Variables:
    """The variables of a scope, and those around it."""

    def __init__(self, outer: Variables | None = None) -> None:
        self.outer = outer
        self.values: dict[str, Value] = {}
        self.globals: set[str] = set()

    def get(self, name: str) -> Value | None:
        scope: Variables | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        return None

    def bind(self, name: str, value: Value) -> None:
        scope = self
        if name in self.globals:
            while scope.outer is not None:
                scope = scope.outer
        scope.values[name] = value


class _Returned(Exception):
    """The called function has returned."""


class _Found(Exception):
    """The run has come to the call that is asked about."""


class _Exhausted(Exception):
    """The run has become too long."""


CUTTING_METHODS = {
    "detach": "detach", "detach_": "detach", "item": "item", "tolist": "item", "numpy": "numpy", "argmax": "argmax",
    "argmin": "argmax", "argsort": "argmax", "long": "integer", "int": "integer", "short": "integer", "byte": "integer",
    "char": "integer", "bool": "integer", "nonzero": "argmax", "eq": "comparison", "ne": "comparison", "gt": "comparison",
    "lt": "comparison", "ge": "comparison", "le": "comparison", "__array__": "numpy", "bernoulli": "sample",
    "multinomial": "sample",
}  # fmt: skip
NO_VALUE = {
    "size", "dim", "numel", "nelement", "stride", "shape", "dtype", "device", "ndim", "requires_grad", "is_leaf", "grad_fn",
    "layout", "zeros_like", "ones_like", "empty_like", "rand_like", "randn_like", "full_like", "new_zeros", "new_ones",
    "new_empty", "new_full", "is_floating_point", "register_hook", "retain_grad", "_version", "retains_grad", "no_grad",
    "enable_grad", "set_grad_enabled", "inference_mode", "manual_seed", "allclose", "equal", "is_tensor",
}  # fmt: skip
REMAKING = {
    "tensor",
    "Tensor",
    "FloatTensor",
    "DoubleTensor",
    "LongTensor",
    "from_numpy",
    "new_tensor",
    "scalar_tensor",
}
_DERIVATIVES = {"jacobian", "hessian", "hvp", "vhp"}
_OF_CHECKPOINT = {"use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop"}
INTEGER_DTYPES = {"int", "long", "short", "int8", "int16", "int32", "int64", "uint8", "bool", "LongTensor", "IntTensor"}
WITH_INDICES = {"max", "min", "sort", "topk", "kthvalue", "median", "mode", "cummax", "cummin"}


class Run:
    """An abstract run of the program that a file belongs to, up to the call at a position in it."""

    def __init__(
        self, file: str, query: tuple[int, int] | None, function: str = "", stack: Sequence[tuple[str, int]] = ()
    ) -> None:
        """`query`: (line, column) of the call at whose arguments we look, or of a statement, where the run ends; `function`:
        the name of the one it stands in; `stack`: (file, line) of the calls that led there, outermost first. Without
        `query`, all is run.
        """
        self.file, self.stack = file, list(stack)
        self.query: Any = query
        self._sites: list[tuple[str, ast.AST]] = []  # the calls that the run is in
        self._passes: list[int] = []  # which time it goes through each loop it is in
        self.events: list[Event] = []
        self.terms: list[tuple[Place, Value]] = []  # what is added somewhere, and has a cut on its way
        self.attributes: dict[str, dict[str, Value]] = {}
        self.everything: list[Value] = []
        self.found: Any = None  # the variables at the query
        self._serial = count().__next__
        self._steps = 0
        self._blocks: list[Place | None] = [None]  # the innermost: where gradients were switched off, None: they are on
        self._called: list[Function] = []
        self._returns: list[list[Value]] = []
        self._scopes: list[Variables] = []
        self._modules: dict[str, Variables | None] = {}
        self.main = self._scope(None)
        files = program_files(file)
        self.syntax: Any = None  # Syntax of the file that the run is in
        parsed = [s for s in map(syntax_of, files) if s is not None]
        try:
            for syntax in parsed:
                self.syntax = syntax
                self._block(syntax.tree.body, self.main)
            if self.found is None and query is not None:
                self._function_alone(parsed, function)
        except (_Exhausted, RecursionError):
            self.exhausted = True
        except (_Returned, _Found):
            pass
        if self.found is None:
            self.found = self.main
        self.query = None  # what is asked from here on does not end the run

    exhausted = False

    def _scope(self, outer: Variables | None) -> Variables:
        scope = Variables(outer)
        self._scopes.append(scope)
        return scope

    def forget(self) -> None:
        """Empties the variables of the run: functions refer to the scopes that hold them, and so to themselves."""
        for scope in self._scopes:
            scope.values.clear()

    def _function_alone(self, parsed: list[Syntax], name: str) -> None:
        """The function that holds the query was not called from the program's own text: it is run by itself."""
        for syntax in parsed:
            for node in ast.walk(syntax.tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and syntax.file == self.file:
                    if node.lineno <= self.query[0] <= (node.end_lineno or 0) and node.name == name.rpartition(".")[2]:
                        self.syntax = syntax
                        if node.name == "backward" and isinstance(syntax.parents.get(node), ast.ClassDef):
                            self._blocks.append(self.place(node))  # of a custom Function
                        self._call(Function(node, self.main, syntax), [], {}, node)
                        return

    # ---- places and values

    def place(self, node: ast.AST) -> Place:
        from linecache import getline

        line = getattr(node, "lineno", 1)
        named = node.func if isinstance(node, ast.Call) else node
        if isinstance(named, ast.Attribute):
            line = named.end_lineno or line  # in a chain over several lines, the line of the attribute itself
        return Place(self.syntax.file, line, getline(self.syntax.file, line).strip())

    def _merged(self, values: Iterable[Value]) -> Value:
        flows: Flows = {}
        suspect = None
        for value in values:
            suspect = suspect or value.suspect
            for origin, cut in value.flows.items():
                if origin not in flows or cut is None:
                    flows[origin] = cut
        return Value(flows, suspect=suspect)

    def _cut(self, value: Value, kind: str, node: ast.AST) -> Value:
        """The value with every way that was open ended here."""
        new = Cut(kind, self.place(node))
        through = Cut("detach", new.place)  # x.detach().numpy() is a way to NumPy
        return Value({origin: new if cut in (None, through) else cut for origin, cut in value.flows.items()})

    def _computed(self, value: Value, node: ast.AST) -> Value:
        """The result of an operation, which records nothing where gradients are off."""
        block = self._blocks[-1]
        if block is None:
            return value
        place = self.place(node)
        return Value({origin: cut or Cut("no_grad", place, block) for origin, cut in value.flows.items()})

    def _note_terms(self, node: ast.AST, parts: list[Value]) -> None:
        """Keeps what is added that has lost a history."""
        if isinstance(getattr(node, "op", None), (ast.Add, ast.Sub)):
            self.terms += [(self.place(node), one) for one in parts if any(one.flows.values())]

    # ---- statements

    def _block(self, body: list[ast.stmt], scope: Variables) -> None:
        for statement in body:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise _Exhausted
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Variables) -> None:
        self._look_for_query(node, scope)
        if isinstance(node, ast.Assign):
            value = self.value(node.value, scope)
            for target in node.targets:
                self._assign(target, value, scope, node)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._assign(node.target, self.value(node.value, scope), scope, node)
        elif isinstance(node, ast.AugAssign):
            old = self.value(node.target, scope)
            new = self._computed(self.value(node.value, scope), node)
            merged = self._merged([old, new])
            merged.origin = old.origin
            self._note_terms(node, [new])
            if any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in ast.walk(node.value)):
                self.events.append(Event("step", self.place(node), old, node))
            if self._blocks[-1] is not None:  # written in place, unrecorded: still the tensor that it was
                self._bind_again(node.target, merged, scope)
            else:
                self._assign(node.target, merged, scope, node)
        elif isinstance(node, ast.Expr):
            self.value(node.value, scope)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope.bind(node.name, Value(function=Function(node, scope, self.syntax)))
        elif isinstance(node, ast.ClassDef):
            inherited = [self.value(base, scope).methods or {} for base in node.bases]
            methods = {name: f for one in inherited for name, f in one.items()}
            methods |= {
                f.name: Function(f, scope, self.syntax) for f in node.body if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef))
            }  # fmt: skip
            scope.bind(node.name, Value(methods=methods, is_class=True))
        elif isinstance(node, ast.Return):
            if self._returns:
                value = self.value(node.value, scope) if node.value is not None else Value()
                if not value.flows and value.suspect is None:
                    value = replace(value, suspect=Cut("constant", self.place(node)))
                self._returns[-1].append(value)
                raise _Returned
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            iterated = self.value(node.iter, scope)
            for number in range(PASSES):
                self._assign(node.target, self._element_of(iterated), scope, node, names=False)
                self._pass(number, node.body, scope)
            self._block(node.orelse, scope)
        elif isinstance(node, ast.While):
            self.value(node.test, scope)
            for number in range(PASSES):
                self._pass(number, node.body, scope)
            self._block(node.orelse, scope)
        elif isinstance(node, ast.If):
            self.value(node.test, scope)
            self._branches([node.body, node.orelse], scope)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            self._with(node, scope)
        elif isinstance(node, (ast.Try, ast.TryStar)):
            self._block(node.body, scope)
            for handler in node.handlers:
                self._block(handler.body, scope)
            self._block(node.orelse, scope)
            self._block(node.finalbody, scope)
        elif isinstance(node, ast.Match):
            self.value(node.subject, scope)
            self._branches([case.body for case in node.cases], scope)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, scope)
        elif isinstance(node, ast.Global):
            scope.globals.update(node.names)
        elif isinstance(node, ast.Assert):
            self.value(node.test, scope)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Variables) -> None:
        """Binds what is imported from the program's other files, which are run when they are first met."""
        for alias in node.names:
            name = alias.name if isinstance(node, ast.Import) else node.module or ""
            module = self._module(name)
            if module is None:
                continue
            if isinstance(node, ast.Import):
                scope.bind(alias.asname or name.partition(".")[0], Value(instance=f"module {name}"))
            elif alias.name == "*":
                scope.values.update(module.values)
            elif alias.name in module.values:
                scope.bind(alias.asname or alias.name, module.values[alias.name])

    def _module(self, name: str) -> Variables | None:
        if name in self._modules:
            return self._modules[name]
        import sys

        file = getattr(sys.modules.get(name), "__file__", None)
        directory = os.path.dirname(os.path.abspath(self.file))
        inside = (
            file is not None and os.path.abspath(file).startswith(directory + os.sep) and "site-packages" not in file
        )
        syntax = (
            syntax_of(file)
            if file is not None and inside and os.path.abspath(file) != os.path.abspath(self.file)
            else None
        )
        self._modules[name] = None
        if syntax is None:
            return None
        made = self._modules[name] = self._scope(None)
        outer, self.syntax = self.syntax, syntax
        try:
            self._block(syntax.tree.body, made)
        finally:
            self.syntax = outer
        self.attributes[f"module {name}"] = made.values
        return made

    def _pass(self, number: int, body: list[ast.stmt], scope: Variables) -> None:
        """One pass through a loop."""
        self._passes.append(number)
        try:
            self._block(body, scope)
        finally:
            self._passes.pop()

    def _branches(self, bodies: list[list[ast.stmt]], scope: Variables) -> None:
        """Each branch from the same start; what either binds is merged."""
        before = dict(scope.values)
        after: list[dict[str, Value]] = []
        returned = 0
        for body in bodies:
            scope.values = dict(before)
            try:
                self._block(body, scope)
                after.append(scope.values)
            except _Returned:
                returned += 1
        scope.values = dict(before)
        if returned == len(bodies):
            raise _Returned
        for name in dict.fromkeys(name for one in after for name in one):
            choices = [one[name] for one in after if name in one]
            first = choices[-1]
            if all(c is first for c in choices):
                scope.values[name] = first
                continue
            merged = self._merged(choices)
            constants = [c.origin for c in choices if c.origin is not None and set(c.flows) == {c.origin}]
            if merged.suspect is None and constants and len(merged.flows) > len(constants):
                merged.suspect = Cut("constant", constants[0].place)
            latest = max((c for c in choices if c.origin), key=lambda c: c.origin.serial, default=first)
            merged.origin, merged.function, merged.instance, merged.methods = (
                latest.origin, first.function, first.instance, first.methods,
            )  # fmt: skip
            scope.values[name] = merged

    def _with(self, node: ast.With | ast.AsyncWith, scope: Variables) -> None:
        entered = 0
        for item in node.items:
            value = self.value(item.context_expr, scope)
            mode = self._mode(item.context_expr)
            if mode is not None:
                self._blocks.append(self.place(node) if not mode else None)
                entered += 1
            if item.optional_vars is not None:
                self._assign(item.optional_vars, value, scope, node)
        try:
            self._block(node.body, scope)
        finally:
            del self._blocks[len(self._blocks) - entered :]

    def _mode(self, expression: ast.expr) -> bool | None:
        """Whether a context manager or decorator switches gradients on or off; None: neither."""
        name = _last_name(expression.func if isinstance(expression, ast.Call) else expression)
        if name in ("no_grad", "inference_mode"):
            return False
        if name == "enable_grad":
            return True
        if name == "set_grad_enabled" and isinstance(expression, ast.Call) and expression.args:
            argument = expression.args[0]
            if isinstance(argument, ast.Constant):
                return bool(argument.value)
            # a block that may switch them off is asked about only where something has
            return False if isinstance(self.syntax.parents.get(expression), ast.withitem) else None
        return None

    # ---- binding

    def _assign(self, target: ast.expr, value: Value, scope: Variables, node: ast.AST, names: bool = True) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = value.elements if value.elements is not None and len(value.elements) == len(target.elts) else None
            for i, one in enumerate(target.elts):
                part = parts[i] if parts else self._element(value, i)
                source = getattr(node, "value", None)
                if i == 1 and isinstance(source, ast.Call) and _last_name(source.func) in WITH_INDICES:
                    part = self._cut(part, "argmax", node)
                self._assign(one.value if isinstance(one, ast.Starred) else one, part, scope, node, names)
            return
        if isinstance(target, ast.Attribute) and target.attr == "requires_grad":
            if isinstance(getattr(node, "value", None), ast.Constant) and node.value.value:
                self._requires_grad(self.value(target.value, scope), node)
            return
        if isinstance(target, ast.Attribute) and target.attr == "grad":
            self.events.append(Event("clear", self.place(node), self.value(target.value, scope), node))
            return
        if isinstance(target, ast.Attribute) and target.attr == "data":
            if isinstance(node, ast.Assign) and values_used(node.value)[1]:  # w.data = w.data - lr * w.grad
                self.events.append(Event("step", self.place(node), self.value(target.value, scope), node))
            return
        if isinstance(target, ast.Subscript):
            old = self.value(target.value, scope)
            merged = self._merged([old, self._computed(value, node)])
            merged.origin, merged.instance = old.origin, old.instance
            self._bind_again(target.value, merged, scope)
            return
        name = simple_name(target)
        if name is None:
            return
        is_alias = isinstance(getattr(node, "value", None), (ast.Name, ast.Attribute)) and value.origin is not None
        if not names or (is_alias and isinstance(node, ast.Assign) and not _cuts_attribute(node.value)):
            bound = value  # another name for the same thing
        else:
            origin = Origin(self._serial(), name, self.place(node))
            flows = dict(value.flows)
            flows[origin] = None
            bound = replace(value, flows=flows, origin=origin)
            self.everything.append(bound)
        self._store(target, name, bound, scope)

    def _bind_again(self, target: ast.expr, value: Value, scope: Variables) -> None:
        name = simple_name(target)
        if name is not None:
            self.everything.append(value)
            self._store(target, name, value, scope)

    def _store(self, target: ast.expr, name: str, value: Value, scope: Variables) -> None:
        if isinstance(target, ast.Attribute):
            owner = self.value(target.value, scope)
            if owner.instance:
                self.attributes.setdefault(owner.instance, {})[target.attr] = value
                return
        scope.bind(name, value)

    def _requires_grad(self, value: Value, node: ast.AST) -> None:
        """What was computed before a tensor was told to require grad does not know it."""
        place = self.place(node)
        self.events.append(Event("requires_grad", place, value, node))
        if value.origin is None:
            return
        for other in self.everything:
            if other.origin != value.origin and other.flows.get(value.origin, place) is None:
                other.flows[value.origin] = Cut("late", place)

    def _element(self, value: Value, number: int) -> Value:
        return Value(dict(value.flows))

    def _element_of(self, value: Value) -> Value:
        return self._merged(value.elements) if value.elements else Value(dict(value.flows))

    # ---- expressions

    def value(self, node: ast.AST, scope: Variables) -> Value:
        """What an expression stands for."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise _Exhausted
        if isinstance(node, ast.Name):
            return scope.get(node.id) or Value()
        if isinstance(node, ast.Constant):
            return Value(text=node if isinstance(node.value, str) else None)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope)
        if isinstance(node, ast.Call):
            return self._call_expression(node, scope)
        if isinstance(node, (ast.BinOp, ast.UnaryOp)):
            written = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.operand]
            parts = [self.value(p, scope) for p in written]
            self._note_terms(node, parts)
            return self._computed(self._merged(parts), node)
        if isinstance(node, ast.Compare):
            merged = self._merged([self.value(p, scope) for p in (node.left, *node.comparators)])
            return self._cut(merged, "comparison", node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, scope)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            elements = [self.value(e.value if isinstance(e, ast.Starred) else e, scope) for e in node.elts]
            merged = self._merged(elements)
            merged.elements = elements
            return merged
        if isinstance(node, ast.IfExp):
            return self._merged([self.value(node.body, scope), self.value(node.orelse, scope)])
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            inner = self._scope(scope)
            for generator in node.generators:
                iterated = self.value(generator.iter, inner)
                self._assign(generator.target, self._element_of(iterated), inner, node, names=False)
            return self.value(node.value if isinstance(node, ast.DictComp) else node.elt, inner)
        if isinstance(node, ast.NamedExpr):
            value = self.value(node.value, scope)
            self._assign(node.target, value, scope, node)
            return self.value(node.target, scope)
        if isinstance(node, ast.Lambda):
            return Value(function=Function(node, scope, self.syntax))
        if isinstance(node, ast.Dict):
            return self._merged([self.value(v, scope) for v in node.values])
        if isinstance(node, (ast.BoolOp,)):
            return self._merged([self.value(v, scope) for v in node.values])
        if isinstance(node, (ast.Await, ast.Starred, ast.YieldFrom)):
            return self.value(node.value, scope)
        return Value()

    def _attribute(self, node: ast.Attribute, scope: Variables, called: bool = False) -> Value:
        """`called`: what stands there is called, and may be a method."""
        name = simple_name(node)
        if name is not None:
            known = scope.get(name)
            if known is not None:
                return known
        owner = self.value(node.value, scope)
        if owner.instance:
            held = self.attributes.get(owner.instance, {})
            if node.attr in held:
                return held[node.attr]
            if owner.methods and node.attr in owner.methods:
                return Value(function=owner.methods[node.attr], bound=owner)
        if node.attr == "data":
            return self._cut(owner, "data", node)
        if node.attr == "indices":
            return self._cut(owner, "argmax", node)
        if node.attr == "grad":
            return self._cut(owner, "gradient", node)
        if node.attr in NO_VALUE:
            return Value()
        if owner.origin is None or called or node.attr in ("T", "mT", "H", "real", "imag"):
            return Value(dict(owner.flows))
        part = Origin(owner.origin.serial, f"{owner.origin.name}.{node.attr}", owner.origin.place)
        return Value({**owner.flows, part: None}, origin=part)  # of a layer, its weight and its bias are two things

    def _subscript(self, node: ast.Subscript, scope: Variables) -> Value:
        name = simple_name(node)
        known = None if name is None or "[" not in name else scope.get(name)
        if known is not None:
            return known
        value = self.value(node.value, scope)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if value.elements is not None and isinstance(key, int) and -len(value.elements) <= key < len(value.elements):
            return value.elements[key]
        if key == 1 and isinstance(node.value, ast.Call) and _last_name(node.value.func) in WITH_INDICES:
            return self._cut(value, "argmax", node)
        index = self._cut(self.value(node.slice, scope), "index", node)
        return self._computed(self._merged([value, index]), node)

    # ---- calls

    def _look_for_query(self, node: ast.stmt | ast.expr, scope: Variables) -> None:
        if self.query == (node.lineno, node.col_offset) and self.syntax.file == self.file:
            self.found = scope
            if self._is_the_call():
                raise _Found

    def _call_expression(self, node: ast.Call, scope: Variables) -> Value:
        self._look_for_query(node, scope)
        arguments = [self.value(a.value if isinstance(a, ast.Starred) else a, scope) for a in node.args]
        keywords = {k.arg or "**": self.value(k.value, scope) for k in node.keywords}
        function = node.func
        name = _last_name(function)
        mode = self._mode(node)
        if name == "set_grad_enabled" and mode is not None and isinstance(self.syntax.parents.get(node), ast.Expr):
            self._blocks[-1] = None if mode else self.place(node)
        if isinstance(function, ast.Attribute) and not is_module(self.syntax, function.value):
            owner = self.value(function.value, scope)
            if owner.instance and owner.methods and name in owner.methods:
                return self._call(owner.methods[name], [owner, *arguments], keywords, node)
            if isinstance(function.value, ast.Call) and _last_name(function.value.func) == "super":
                return Value()
            held = self._attribute(function, scope, called=True)
            if held.function is not None or held.instance or held.is_class or held.origin is not None:
                return self._call_value(held, arguments, keywords, node)  # a layer of a module, for instance
            return self._method(node, name, owner, arguments, keywords, scope)
        if name == "exec" and arguments and arguments[0].text is not None:
            self._run_text(arguments[0].text, node, scope)
            return Value()
        callee = self.value(function, scope)
        if callee.function is not None or callee.instance or callee.is_class:
            return self._call_value(callee, arguments, keywords, node)
        return self._library(node, name, [callee, *arguments], keywords)

    def _run_text(self, text: ast.Constant, node: ast.Call, scope: Variables) -> None:
        """Runs a text that the program gives to exec; what it binds goes into the dict that is given, too."""
        tree = _parsed_in_place(text, self.syntax.file)
        if tree is None:
            return
        given = simple_name(node.args[1]) if len(node.args) > 1 else None
        inner = scope if given is None else self._scope(scope)
        outer, self.syntax = self.syntax, Syntax(self.syntax.file, tree)
        try:
            self._block(tree.body, inner)
        finally:
            self.syntax = outer
        if given is not None:
            for name, value in inner.values.items():
                scope.bind(f"{given}[{name!r}]", value)

    def _gradient(self, value: Value, node: ast.Call) -> Value:
        """The result of a call that gives derivatives: it has a history only if that is asked for."""
        if any(k.arg == "create_graph" and isinstance(k.value, ast.Constant) and k.value.value for k in node.keywords):
            return replace(value, suspect=Cut("slope", self.place(node)))
        return self._cut(value, "gradient", node)

    def _is_the_call(self) -> bool:
        """Whether the run stands where the program does: by the same calls, and in loops as late as we know."""
        if any(number < PASSES - 1 for number in self._passes):
            return False
        return len(self._sites) != len(self.stack) or all(
            file == theirs and site.lineno <= line <= (site.end_lineno or site.lineno)
            for (file, site), (theirs, line) in zip(self._sites, self.stack)
        )

    def _call_value(self, callee: Value, arguments: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        if callee.is_class:
            return self._instance(callee, arguments, keywords, node)
        if callee.function is not None:
            first = [] if callee.bound is None else [callee.bound]
            return self._call(callee.function, [*first, *arguments], keywords, node)
        forward = (callee.methods or {}).get("forward") or (callee.methods or {}).get("__call__")
        if forward is not None:
            return self._call(forward, [callee, *arguments], keywords, node)
        return self._computed(self._merged([callee, *arguments, *keywords.values()]), node)

    def _instance(self, kind: Value, arguments: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value:
        made = Value(instance=f"{_last_name(node.func)}#{self._serial()}", methods=kind.methods)
        initialize = (kind.methods or {}).get("__init__")
        if initialize is not None:
            self._call(initialize, [made, *arguments], keywords, node)
        return made

    def _call(self, function: Function, arguments: list[Value], keywords: dict[str, Value], node: ast.AST) -> Value:
        """Runs a function of the program."""
        if len(self._called) >= DEEPEST_CALL or sum(f.node is function.node for f in self._called) > 1:
            return self._merged([*arguments, *keywords.values()])
        scope = self._scope(function.scope)
        signature = function.node.args
        parameters = [*signature.posonlyargs, *signature.args]
        for parameter, value in zip(parameters, arguments):
            scope.values[parameter.arg] = value
        if signature.vararg is not None:
            scope.values[signature.vararg.arg] = self._merged(arguments[len(parameters) :])
        for name, value in keywords.items():
            scope.values[name] = value
        for parameter in (*parameters, *signature.kwonlyargs):
            if parameter.arg not in scope.values:
                origin = Origin(self._serial(), parameter.arg, Place(function.syntax.file, function.node.lineno, ""))
                scope.values[parameter.arg] = Value({origin: None}, origin=origin)
        outer = self.syntax
        self.syntax = function.syntax
        self._called.append(function)
        self._sites.append((outer.file, node))
        blocks = len(self._blocks)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body, scope)
            for decorator in function.node.decorator_list:
                mode = self._mode(decorator)
                if mode is not None:
                    self._blocks.append(None if mode else self.place(decorator))
            self._returns.append([])
            try:
                self._block(function.node.body, scope)
            except _Returned:
                pass
            finally:
                returned = self._returns.pop()
            if len(returned) == 1:
                return returned[0]
            return self._merged(returned)
        finally:
            del self._blocks[blocks:]
            self._called.pop()
            self._sites.pop()
            self.syntax = outer

    def _passed_on(self, name: str, arguments: list[Value], keywords: dict[str, Value], node: ast.Call) -> Value | None:
        """What a call gives that calls a function of the program in its turn; None if it is none of those."""
        if name in ("Thread", "Timer", "Process") and "target" in keywords:
            given = keywords.get("args")
            return self._call_value(keywords["target"], (given.elements or []) if given else [], {}, node)
        if not arguments or not (arguments[0].function or arguments[0].methods or name == "checkpoint"):
            return None
        function, *rest = arguments
        if name in ("map", "imap", "starmap"):
            return self._call_value(function, [self._element_of(one) for one in rest], {}, node)
        if name in ("submit", "apply_async", "call_soon", "to_thread"):
            return self._call_value(function, rest, keywords, node)
        if name == "checkpoint":
            own = {k: v for k, v in keywords.items() if k not in _OF_CHECKPOINT}
            result = self._call_value(function, rest, own, node)
            reentrant = next((k.value for k in node.keywords if k.arg == "use_reentrant"), None)
            if isinstance(reentrant, ast.Constant) and not reentrant.value:
                return result
            given = self._merged([*rest, *own.values()])  # only their histories go through
            return Value({**self._cut(result, "checkpoint", node).flows, **given.flows})
        return None

    def _method(
        self,
        node: ast.Call,
        name: str,
        owner: Value,
        arguments: list[Value],
        keywords: dict[str, Value],
        scope: Variables,
    ) -> Value:
        """A method of a tensor, a list, a module of the library, an optimizer."""
        place = self.place(node)
        passed_on = self._passed_on(name, arguments, keywords, node)
        if passed_on is not None:
            return passed_on
        if name == "backward":
            self.events.append(Event("backward", place, owner, node))
            return Value()
        if name == "apply" and owner.is_class and "forward" in (owner.methods or {}):  # of a custom Function
            given = [one if one.elements is None else self._cut(one, "contained", node) for one in arguments]
            return self._computed(self._merged(given), node)
        if name in ("zero_grad", "step"):
            self.events.append(Event(name, place, owner, node))
            return Value()
        if name in ("zero_", "retain_grad"):
            is_gradient = any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in ast.walk(node.func.value))
            if name == "zero_" and is_gradient:
                self.events.append(Event("zero_grad", place, owner, node))
            if name == "retain_grad":
                self.events.append(Event("retain_grad", place, owner, node))
            return Value()
        if name == "requires_grad_":
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and first.value is False:
                return self._cut(owner, "requires_grad_false", node)
            if isinstance(node.func.value, ast.Name):
                self._requires_grad(owner, node)
            return owner
        if name == "sample":  # of a distribution; rsample has a gradient
            return self._cut(owner, "sample", node)
        if name in CUTTING_METHODS:
            return self._cut(owner, CUTTING_METHODS[name], node)
        if name in ("to", "type", "astype") and any(_last_name(a) in INTEGER_DTYPES for a in (*node.args, *(k.value for k in node.keywords))):  # fmt: skip
            return self._cut(owner, "integer", node)
        if name in NO_VALUE:
            return Value()
        if name in REMAKING:
            return self._cut(self._merged([owner, *arguments]), "remade", node)
        result = self._computed(self._merged([owner, *arguments, *keywords.values()]), node)
        if name in ("append", "extend", "insert", "add", "update", "setdefault") or (
            name.endswith("_") and name[:1] != "_"
        ):
            changed = self._merged([owner, result])
            changed.origin, changed.instance, changed.methods = owner.origin, owner.instance, owner.methods
            self._bind_again(node.func.value, changed, scope)
        return result

    def _library(self, node: ast.Call, name: str, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        """A function of torch, NumPy or Python."""
        passed_on = self._passed_on(name, arguments[1:], keywords, node)
        if passed_on is not None:
            return passed_on
        merged = self._merged([*arguments, *keywords.values()])
        function = node.func
        base = function.value if isinstance(function, ast.Attribute) else None
        while isinstance(base, ast.Attribute):
            base = base.value
        module = base.id if isinstance(base, ast.Name) else ""
        if name in ("backward", "grad") and module:
            self.events.append(Event(name, self.place(node), arguments[1] if len(arguments) > 1 else merged, node))
            return self._gradient(merged, node) if name == "grad" else Value()
        if name in _DERIVATIVES and (
            not module or "functional" in ast.unparse(function)
        ):  # of torch.autograd.functional
            return self._gradient(merged, node)
        if module in ("np", "numpy"):
            return self._cut(merged, "numpy", node)
        if module == "math" or (name in ("float", "int", "bool", "complex") and not module):
            return self._cut(merged, "number", node)
        if name in REMAKING or (
            name == "as_tensor" and node.args and not isinstance(node.args[0], (ast.Name, ast.Attribute))
        ):
            return self._cut(merged, "remade", node)
        if name == "compile" and arguments[1:]:
            return Value(text=arguments[1].text)
        if name == "deepcopy":
            return self._cut(merged, "copied", node)
        if name == "Parameter":
            return self._cut(merged, "parameter", node)
        if name in CUTTING_METHODS and module:
            return self._cut(merged, CUTTING_METHODS[name], node)
        if name in NO_VALUE or name in ("len", "print", "isinstance", "type", "str", "repr", "range", "format"):
            return Value()
        return self._computed(merged, node)


def _last_name(expression: ast.AST) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _cuts_attribute(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Attribute) and expression.attr in ("data", "grad", "T", "mT", "real", "imag")


def _parsed_in_place(text: ast.Constant, file: str) -> ast.Module | None:
    """The syntax of a program in a string, with the lines that it has in the file that the string is written in."""
    from linecache import getline

    try:
        tree = ast.parse(str(text.value))
    except (SyntaxError, ValueError):
        return None
    below = text.lineno - 1
    lines = str(text.value).splitlines()
    if len(lines) > 1 and all(one.strip() in getline(file, below + i) for i, one in enumerate(lines, start=1)):
        return ast.increment_lineno(tree, below)
    for node in ast.walk(tree):  # written with \n in it, on one line
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = text.lineno
    return tree
