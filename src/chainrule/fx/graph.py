"""Graphs of operations, and Python code made of them."""

from __future__ import annotations

import builtins
import contextlib
import keyword
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .node import OPCODES, Node, map_arg, target_name, type_text

__all__ = ["CodeGen", "Graph", "PythonCode"]

_BINARY = {
    "add": "+", "and_": "&", "eq": "==", "floordiv": "//", "ge": ">=", "gt": ">", "le": "<=", "lshift": "<<", "lt": "<",
    "matmul": "@", "mod": "%", "mul": "*", "ne": "!=", "or_": "|", "pow": "**", "rshift": ">>", "sub": "-",
    "truediv": "/", "xor": "^",
}  # fmt: skip
_INFIX: dict[Any, str] = {getattr(operator, name): f"{{}} {sign} {{}}" for name, sign in _BINARY.items()}
_INFIX |= {operator.getitem: "{}[{}]", operator.invert: "~{}", operator.neg: "-{}", operator.pos: "+{}"}
_IN_PLACE = {
    "iadd": "+=", "iand": "&=", "ifloordiv": "//=", "ilshift": "<<=", "imatmul": "@=", "imod": "%=", "imul": "*=",
    "ior": "|=", "ipow": "**=", "irshift": ">>=", "isub": "-=", "itruediv": "/=", "ixor": "^=",
}  # fmt: skip
_ASSIGNING = {getattr(operator, name): sign for name, sign in _IN_PLACE.items()}


def snake_case(name: str) -> str:
    """``SomeName`` as ``some_name``."""
    return re.sub(r"(?<!^)(?<!_)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class _Names:
    """Names that are not taken yet."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def free(self, candidate: str) -> str:
        """The candidate, or with the next number at its end."""
        candidate = re.sub(r"[^0-9a-zA-Z_]+", "_", candidate) or "_"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        found = re.fullmatch(r"(.*)_(\d+)", candidate)
        base, number = (found.group(1), int(found.group(2))) if found else (candidate, None)
        if number is not None and candidate not in self._taken:
            name = candidate
        else:
            name = base if number is None else candidate
            count = self._last.get(base, 0)
            while name in self._taken or keyword.iskeyword(name) or hasattr(builtins, name):
                count += 1
                name = f"{base}_{count}"
            self._last[base] = count
        self._taken.add(name)
        return name


class PythonCode:
    """Source text, and the names that it needs."""

    def __init__(self, src: str, names: dict[str, Any]) -> None:
        self.src, self.globals = src, names


class CodeGen:
    """How a graph becomes code."""

    def process_inputs(self, *args: Any) -> Any:
        """The arguments of the graph's placeholders."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What the code returns, of what the graph's output holds."""
        return outputs


class _NodeList:
    """The nodes of a graph, in order."""

    def __init__(self, graph: Graph, direction: str = "_next") -> None:
        self.graph, self.direction = graph, direction

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = getattr(root, self.direction)
        while node is not root:
            following = getattr(node, self.direction)
            if not node._erased:
                yield node
            # what is inserted after the node while it is at hand is visited too
            node = getattr(node, self.direction) if not node._erased else following

    def __reversed__(self) -> _NodeList:
        return _NodeList(self.graph, "_next" if self.direction == "_prev" else "_prev")


class Graph:
    """Operations in an order in which they can run: nodes are added at the insert point, which is the end at first."""

    def __init__(self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: dict | None = None) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._names = _Names()
        self._codegen = CodeGen()
        self.owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras

    @property
    def nodes(self) -> _NodeList:
        """The nodes, in order."""
        return _NodeList(self)

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of an opcode, and of a target if one is given."""
        return [node for node in self.nodes if node.op == op and (target is None or node.target == target)]

    def output_node(self) -> Node:
        """The output."""
        return next(node for node in reversed(self.nodes) if node.op == "output")

    # ---- adding and removing

    def create_node(
        self,
        op: str,
        target: Any,
        args: tuple | None = None,
        kwargs: dict | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node at the insert point. AssertionError or ValueError for an op or target that does not fit."""
        if op not in OPCODES:
            if not isinstance(target, str):
                raise AssertionError(f"Expected target to be str, got {type(target)}")
            raise AssertionError(f"op={op} is not a legal op")
        chosen = self._names.free(self._target_to_str(target) if name is None else name)
        node = Node(self, chosen, op, target, () if args is None else args, {} if kwargs is None else kwargs, type_expr)
        self._insert(node)
        return node

    @staticmethod
    def _target_to_str(target: Any) -> str:
        """What a node is called after."""
        if isinstance(target, str):
            name = target[2:-2] if target.startswith("__") and target.endswith("__") else target
        else:
            name = getattr(target, "__name__", type(target).__name__)
        return snake_case(name)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An input."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module, by its path."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_function(
        self, the_function: Callable, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None,
        name: str | None = None,
    ) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def call_method(
        self, method_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None
    ) -> Node:
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None
    ) -> Node:
        """A call of a submodule, by its path."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """What the graph returns."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """A copy of a node of another graph, with its arguments translated."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        copied = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copied.meta = dict(node.meta)
        return copied

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Copies all nodes of another graph but its output; what that would return, in nodes of this graph."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: dict | None = None) -> Graph:
        copied = Graph(tracer_cls=self._tracer_cls)
        nodes: dict[Node, Node] = {}
        for node in self.nodes:
            nodes[node] = copied.node_copy(node, lambda n: nodes[n])
        copied._codegen = self._codegen
        return copied

    def erase_node(self, to_erase: Node) -> None:
        """Removes a node. RuntimeError if it has users."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                f"{to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        to_erase._set((), {})
        previous, following = to_erase._prev, to_erase._next
        to_erase._unlink()
        to_erase._prev, to_erase._next = previous, following  # for whoever iterates
        to_erase._erased = True

    @contextlib.contextmanager
    def _inserting(self, insert: Callable[[Node], None]) -> Iterator[None]:
        previous, self._insert = self._insert, insert
        try:
            yield
        finally:
            self._insert = previous

    def inserting_before(self, n: Node | None = None) -> Any:
        """A context in which new nodes come before `n` (None: at the beginning)."""
        return self.inserting_after(self._root) if n is None else self._inserting(n.prepend)

    def inserting_after(self, n: Node | None = None) -> Any:
        """A context in which new nodes come after `n`, one after the other (None: at the end)."""
        if n is None:
            return self._inserting(self._root.prepend)
        place = [n]

        def insert(node: Node) -> None:
            place[0].append(node)
            place[0] = node

        return self._inserting(insert)

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Removes what nobody uses; whether there was anything."""
        impure = is_impure_node or Node.is_impure
        changed = False
        for node in reversed(self.nodes):
            if not node.users and not impure(node):
                self.erase_node(node)
                changed = True
        return changed

    def lint(self) -> None:
        """RuntimeError if a node uses one that comes later, or is in another graph, or has the name of another."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            for used in node.all_input_nodes:
                if used.graph is not self:
                    raise RuntimeError(f"Argument '{used}' of Node '{node}' does not belong to this Graph!")
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check that Nodes "
                        "in the graph are topologically ordered"
                    )
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)

    # ---- text

    def __str__(self) -> str:
        lines = ["graph():", *("    " + str(node.format_node()) for node in self.nodes)]
        return "\n".join(lines)

    def print_tabular(self) -> None:
        """Prints a table of the nodes."""
        rows = [["opcode", "name", "target", "args", "kwargs"]]
        rows += [[n.op, n.name, str(n.target), str(n.args), str(n.kwargs)] for n in self.nodes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def python_code(self, root_module: str = "self", **settings: Any) -> PythonCode:
        """A function ``forward`` that computes what the graph does."""
        return _Writer(self, root_module).code()

    def set_codegen(self, codegen: CodeGen) -> None:
        """Another way from arguments to placeholders, and from the output to the result."""
        self._codegen = codegen

    def process_inputs(self, *args: Any) -> Any:
        """The arguments of the placeholders."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """What the code returns."""
        return self._codegen.process_outputs(out)


class _Writer:
    """Writes the code of a graph."""

    def __init__(self, graph: Graph, root_module: str) -> None:
        import chainrule

        self.graph, self.root_module = graph, root_module
        self.globals: dict[str, Any] = {
            "torch": chainrule,
            "inf": math.inf,
            "nan": math.nan,
            "device": chainrule.device,
        }
        self.wrapped: list[str] = []
        self.parameters: list[str] = []
        self.lines: list[str] = []
        self.returns = ""
        self.last_uses = _last_uses(graph)

    def code(self) -> PythonCode:
        for node in self.graph.nodes:
            self._write(node)
        body = "\n    ".join(self.lines or ["pass"])
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped)
        parameters = ", ".join([self.root_module, *self.parameters])
        return PythonCode(f"\n{wraps}\n\ndef forward({parameters}){self.returns}:\n    {body}\n    ", self.globals)

    def _write(self, node: Node) -> None:
        op, name = node.op, node.name
        if op == "placeholder":
            annotation = "" if node.type is None else f" : {self._type(node.type)}"
            default = f" = {self._text(node.args[0])}" if node.args else ""
            self.parameters.append(f"{node.target}{annotation}{default}")
            raw = node.target.lstrip("*")
            if raw != name:
                self.lines.append(f"{name} = {raw}")
            return
        if op == "output":
            if node.type is not None:
                self.returns = f" -> {self._type(node.type)}"
            self.lines.append(f"return {self._text(node.args[0])}")
            return
        self.lines.append(f"{self._statement(node)}{self._ended(node)}")

    def _statement(self, node: Node) -> str:
        name, args = node.name, node.args
        if node.op == "get_attr":
            return f"{name} = {_path(self.root_module, node.target)}"
        if node.op == "call_module":
            return f"{name} = {_path(self.root_module, node.target)}({self._arguments(args, node.kwargs)})"
        if node.op == "call_method":
            rest = self._arguments(args[1:], node.kwargs)
            return f"{name} = {self._text(args[0])}.{node.target}({rest})"
        if node.target in _INFIX and not node.kwargs:
            return f"{name} = {_INFIX[node.target].format(*map(self._text, args))}"
        if node.target in _ASSIGNING and not node.kwargs:
            first, second = map(self._text, args)
            return f"{first} {_ASSIGNING[node.target]} {second};  {name} = {first}"
        if node.target is getattr and isinstance(args[1], str) and args[1].isidentifier() and len(args) == 2:
            return f"{name} = {self._text(args[0])}.{args[1]}"
        return f"{name} = {self._function(node.target)}({self._arguments(args, node.kwargs)})"

    def _ended(self, node: Node) -> str:
        """The names whose last use this is, so that their memory is free."""
        ended = list(self.last_uses.get(node, ()))
        if not node.users:
            ended.append(node)
        return f";  {' = '.join(one.name for one in ended)} = None" if ended else ""

    def _arguments(self, args: Iterable, kwargs: dict) -> str:
        return ", ".join([*map(self._text, args), *(f"{key} = {self._text(value)}" for key, value in kwargs.items())])

    def _function(self, function: Callable) -> str:
        from ._symbolic_trace import wrapped_names

        name = target_name(function)
        if name.startswith("torch."):
            return name
        short = name.removeprefix("builtins.")
        if name.startswith("builtins."):
            if short in wrapped_names() and short not in self.wrapped:
                self.wrapped.append(short)
            return short
        held = self._hold(re.sub(r"\W", "_", name), function)
        if getattr(function, "__name__", None) in wrapped_names() and held not in self.wrapped:
            self.wrapped.append(held)
        return held

    def _hold(self, name: str, value: Any) -> str:
        """A global name for a value."""
        wanted, count = name, 0
        while name in self.globals and self.globals[name] is not value:
            count += 1
            name = f"{wanted}_{count}"
        self.globals[name] = value
        return name

    def _type(self, kind: Any) -> str:
        text = type_text(kind)
        if text.partition(".")[0] not in ("torch", *dir(builtins)):
            return self._hold(re.sub(r"\W", "_", text), kind)
        return text

    def _text(self, value: Any) -> str:
        """An argument as code."""
        if isinstance(value, Node):
            return value.name
        if isinstance(value, tuple):
            if hasattr(value, "_fields"):
                return f"{self._hold(type(value).__name__, type(value))}({', '.join(map(self._text, value))})"
            return f"({', '.join(map(self._text, value))}{',' if len(value) == 1 else ''})"
        if isinstance(value, list):
            return f"[{', '.join(map(self._text, value))}]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self._text(one)}" for key, one in value.items()) + "}"
        if isinstance(value, slice):
            return f"slice({self._text(value.start)}, {self._text(value.stop)}, {self._text(value.step)})"
        if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
            return self._function(value)
        return repr(value)


def _path(root: str, target: str) -> str:
    """An attribute by its path; pieces that are no names by getattr."""
    text = root
    for piece in target.split("."):
        text = f"{text}.{piece}" if piece.isidentifier() else f'getattr({text}, "{piece}")'
    return text


def _last_uses(graph: Graph) -> dict[Node, list[Node]]:
    """{node: the nodes that are last used there}; nothing ends at the output."""
    done: set[Node] = set()
    found: dict[Node, list[Node]] = {}
    for node in reversed(graph.nodes):
        for used in node.all_input_nodes:
            if used not in done:
                done.add(used)
                found.setdefault(node, []).append(used)
    return found
