"""Values that a backward has freed, from calling again what recorded them: a function or a module of this package, with the
arguments that the program's text names. The program's own code does not run again, and neither do hooks."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from ..engine import Node, is_own
from ..modes import set_grad_enabled
from ..overrides import TorchFunctionMode
from ..tensor import Tensor, gradient_edge, wrap
from .source import Source
from .syntax import Syntax, syntax_of
from .values import Edge, Unknown, Values, edges_of

MOST_CONSTANTS = 8  # of the program's tensors, tried as an argument that has no name any more


class _NotNamed(Unknown):
    """The value of a variable of a function that has returned."""


class Replay:
    """Calls made again for a graph whose numbers are `values`; `modules` are those that the program holds."""

    def __init__(self, values: Values, look_up: Any, modules: Iterable[Any], held: Iterable[Tensor]) -> None:
        self.values = values
        self.look_up = look_up
        self.modules = list(modules)
        self._places: dict[tuple, set[Node]] = {}  # what each place of the program recorded
        self.constants = [tensor for tensor in held if not tensor._requires_grad]

    def twins(self, node: Node) -> dict[Node, Node]:
        """{each node that the call which made `node` recorded: its like from the new call}; Unknown with the reason."""
        group = self.group(node)
        try:
            return self._kept(*self._matching(node, group, None))
        except Unknown as reason:
            # a parameter of the program's function: the one constant in sight that the call takes
            found = []
            for constant in self.constants[:MOST_CONSTANTS] if isinstance(reason, _NotNamed) else ():
                with suppress(Unknown):
                    found.append(self._matching(node, group, constant))
            if len(found) != 1:
                raise
            return self._kept(*found[0])

    def _kept(self, pairs: dict[Node, Node], made: list[Tensor]) -> dict[Node, Node]:
        back = {new: old for old, new in pairs.items()}
        for tensor in made:
            if tensor._node in back and not _written(tensor):
                self.values.learn((back[tensor._node], tensor.output_nr), np.asarray(tensor._array))
        return pairs

    def _matching(self, node: Node, group: set[Node], guess: Tensor | None) -> tuple[dict[Node, Node], list[Tensor]]:
        call = _Call(self, node, group, guess)
        results = call.run()
        last = max((n for n in group if not any(n in other.edges for other in group)), key=lambda n: n.sequence)
        for result in results:
            made = result._node if isinstance(result, Tensor) else None
            pairs = None if made is None else _matched(made, last, group, call.stand_ins)
            if pairs is not None:
                return pairs, call.made
        raise Unknown(f"calling {ast.unparse(call.expression)} again records something else")

    def group(self, node: Node) -> set[Node]:
        """The nodes recorded in the same place of the program, as far as they are connected through such."""
        if not self._places:
            for one in self.values.order:
                self._places.setdefault((id(one.code), one.lasti), set()).add(one)
        here = self._places[id(node.code), node.lasti]
        users: dict[Node, list[Node]] = {}
        for one in here:
            for edge in one.edges:
                if edge in here:
                    users.setdefault(edge, []).append(one)
        found: set[Node] = set()
        stack = [node]
        while stack:
            one = stack.pop()
            if one not in found:
                found.add(one)
                stack += [e for e in one.edges if e in here] + users.get(one, [])
        return found


class _Call:
    """One call, with tensors standing in for what the graph led to."""

    def __init__(self, replay: Replay, node: Node, group: set[Node], guess: Tensor | None) -> None:
        self.replay, self.node, self.guess = replay, node, guess
        source = Source(node.code, node.lasti)
        syntax = syntax_of(source.file)
        expression = None if syntax is None else syntax.expression(source)
        if not isinstance(expression, ast.Call) or any(keyword.arg is None for keyword in expression.keywords):
            raise Unknown("what recorded it is no call")
        self.syntax: Syntax = syntax  # type: ignore[assignment]
        self.expression = expression
        edges = {edge for n in group for edge in edges_of(n) if edge is not None and edge[0] not in group}
        self.leaves = [edge[0] for edge in edges if isinstance(edge[0], Tensor)]
        self.stand_ins: dict[Edge, Tensor] = {}
        self.made: list[Tensor] = []  # by the operations of the call
        for edge in edges:
            if not isinstance(edge[0], Tensor):
                self.stand_ins[edge] = wrap(np.array(replay.values.value(edge))).requires_grad_()

    def run(self) -> list:
        """What the call returns, as a list."""
        from ..random import default_generator

        arguments = [self._argument(a) for a in self.expression.args]
        settings = {str(k.arg): self._argument(k.value) for k in self.expression.keywords}
        callee = self._callee()
        before = default_generator.get_state()
        buffers = [(b, b._array.copy()) for b in callee.buffers()] if _is_module(callee) else []
        try:
            with set_grad_enabled(True), _Keeping(self.made):
                result = callee(*arguments, **settings)
        except Exception as error:
            raise Unknown(f"{ast.unparse(self.expression)} cannot be called again: {error}") from None
        finally:
            for buffer, array in buffers:
                buffer._array = array
        if not np.array_equal(before._array, default_generator.get_state()._array):
            default_generator.set_state(before)
            raise Unknown(f"{ast.unparse(self.expression)} draws random numbers, which it would draw anew")
        return list(result) if isinstance(result, (tuple, list)) else [result]

    # ---- what the expressions stand for

    def _argument(self, expression: ast.expr) -> Any:
        """The value of an argument; Unknown where that is not to be had."""
        found = self._value(expression)
        if found is None and isinstance(expression, ast.Constant):
            return expression.value
        if found is None and len(self.stand_ins) == 1 and not isinstance(expression, ast.Constant):
            return next(iter(self.stand_ins.values()))  # nothing else can have led there
        if found is None and isinstance(expression, ast.Name):
            if self.guess is None:
                raise _NotNamed(f"{expression.id} is not known any more")
            return self.guess
        if found is None:
            raise Unknown(f"{ast.unparse(expression)} is not known any more")
        return found

    def _value(self, expression: ast.expr) -> Any:
        """The value of an expression, None where it is not known."""
        if isinstance(expression, (ast.Tuple, ast.List)):
            return type(ast.literal_eval("()" if isinstance(expression, ast.Tuple) else "[]"))(
                self._argument(one) for one in expression.elts
            )
        for edge, tensor in self.stand_ins.items():
            if self._is_of(expression, edge[0]):
                return tensor
        found = self._look_up(ast.unparse(expression))
        if isinstance(found, Tensor):
            edge = gradient_edge(found)
            return self.stand_ins.get(edge, found) if edge[0] is not None else found
        return self.replay.values.literal(expression) if found is None else found

    def _is_of(self, expression: ast.expr, node: Node) -> bool:
        """Whether an expression is what recorded a node, or the variable of this function that got it."""
        from .names import target_name

        if self.syntax.expression(Source(node.code, node.lasti)) is expression and node.code is self.node.code:
            return True
        return (
            isinstance(expression, (ast.Name, ast.Attribute))
            and node.code is self.node.code
            and target_name(node) == ast.unparse(expression)
        )

    def _look_up(self, text: str) -> Any:
        found = self.replay.look_up(text)
        if found is None:
            head, *rest = text.split(".")
            for module in list(sys.modules.values()):  # the file in which the code stands
                if getattr(module, "__file__", None) == self.node.code.co_filename:
                    found = vars(module).get(head)
                    for name in rest:
                        found = getattr(found, name, None)
        return found

    def _callee(self) -> Any:
        function = self.expression.func
        found = self._look_up(ast.unparse(function))
        if found is None and isinstance(function, ast.Attribute):
            held = self._value(function.value)
            if isinstance(held, Tensor) and hasattr(held, function.attr):
                return getattr(held, function.attr)
        if not callable(found) or (_is_module(found) and not _is_ours(found)):
            found = self._module(getattr(function, "attr", getattr(function, "id", "")))
        if found is None or not _is_ours(found):
            raise Unknown(f"{ast.unparse(function)} is code of the program, which does not run again")
        if _is_module(found) and any(_has_hooks(m) for m in found.modules()):
            raise Unknown(f"{ast.unparse(function)} has hooks, which do not run again")
        return found

    def _module(self, name: str) -> Any:
        """The smallest module whose parameters the call used; where it used none, one that some module calls by this name."""
        everything = [m for held in self.replay.modules for m in held.modules()]
        if not self.leaves:
            return next((m._modules[name] for m in everything if m._modules.get(name) is not None), None)
        wanted = {id(leaf) for leaf in self.leaves}
        fitting: list[tuple[int, int, Any]] = []
        for module in everything:
            own = {id(p) for p in module.parameters()}
            if wanted <= own and _is_ours(module):
                fitting.append((len(own), len(fitting), module))
        return min(fitting)[2] if fitting else None


class _Keeping(TorchFunctionMode):
    """Keeps what every operation returns."""

    def __init__(self, made: list[Tensor]) -> None:
        super().__init__()
        self.made = made

    def __torch_function__(self, function, types, arguments=(), settings=None):
        result = function(*arguments, **(settings or {}))
        self.made += [t for t in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(t, Tensor)]
        return result


def _matched(made: Node, old: Node, group: set[Node], stand_ins: dict[Edge, Tensor]) -> dict[Node, Node] | None:
    """The nodes of a new graph that belong to those of the group; None if the graphs are not alike."""
    pairs: dict[Node, Node] = {}
    stack = [(old, made)]
    while stack:
        one, other = stack.pop()
        if one in pairs:
            if pairs[one] is not other:
                return None
            continue
        if type(one) is not type(other) or len(one.edges) != len(other.edges):
            return None
        pairs[one] = other
        for edge, new in zip(edges_of(one), edges_of(other)):
            if edge is None or new is None:
                if edge is not new:
                    return None
            elif edge[0] in group:
                stack.append((edge[0], new[0]))
            elif new[0] is not stand_ins.get(edge, edge[0]):
                return None
    return pairs


def _is_module(value: Any) -> bool:
    return hasattr(value, "_modules") and hasattr(value, "_parameters") and not isinstance(value, type)


def _is_ours(value: Any) -> bool:
    """Whether a function or a module's forward is of this package."""
    code = getattr(type(value).forward if _is_module(value) else value, "__code__", None)
    return code is not None and is_own(code.co_filename)


def _has_hooks(module: Any) -> bool:
    return any(
        getattr(module, name, None)
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )


def _written(tensor: Tensor) -> bool:
    return tensor._counter is not None and bool(tensor._counter.version)
