"""One operation of a graph: what it computes, from what, and who uses the result."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["Node", "has_side_effect", "map_aggregate", "map_arg"]

OPCODES = ("placeholder", "get_attr", "call_function", "call_module", "call_method", "output", "root")
_IMPURE: set[Callable] = set()


def has_side_effect(fn: Callable) -> Callable:
    """Keeps calls of this function, though nobody uses their results."""
    _IMPURE.add(fn)
    return fn


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """`a` with fn applied to all that is in its tuples, lists, dicts and slices."""
    if isinstance(a, tuple):
        mapped = tuple(map_aggregate(one, fn) for one in a)
        return type(a)(*mapped) if hasattr(a, "_fields") else mapped
    if isinstance(a, list):
        return [map_aggregate(one, fn) for one in a]
    if isinstance(a, dict):
        return {key: map_aggregate(value, fn) for key, value in a.items()}
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """`a` with fn applied to all nodes in it."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


class Node:
    """A node of a graph.

    `op` says what `target` is: an input's name ("placeholder"), an attribute's path ("get_attr"), a function
    ("call_function"), a submodule's path ("call_module"), a method's name, with the object as the first argument
    ("call_method"), or nothing ("output", whose argument is what the graph returns). `args` and `kwargs` are numbers, text
    and nodes, in tuples, lists, dicts and slices; `users` are the nodes that have this one among theirs.
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Any, args: tuple, kwargs: dict, return_type: Any = None
    ) -> None:
        if op not in OPCODES:
            raise AssertionError(f"op={op} is not a legal op")
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a Callable is "
                    "expected"
                )
        elif not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a str is expected"
            )
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.meta: dict = {}
        self.users: dict[Node, None] = {}
        self._inputs: dict[Node, None] = {}
        self._args: tuple = ()
        self._kwargs: dict = {}
        self._prev = self._next = self
        self._erased = False
        self._set(args, kwargs)

    def _set(self, args: tuple, kwargs: dict) -> None:
        """New arguments; the nodes in them learn who uses them."""
        for node in self._inputs:
            node.users.pop(self, None)
        self._inputs = {}
        self._args, self._kwargs = map_arg(tuple(args), self._use), map_arg(dict(kwargs), self._use)

    def _use(self, node: Node) -> Node:
        self._inputs[node] = None
        node.users[self] = None
        return node

    @property
    def args(self) -> tuple:
        """The positional arguments."""
        return self._args

    @args.setter
    def args(self, args: tuple) -> None:
        self._set(args, self._kwargs)

    @property
    def kwargs(self) -> dict:
        """The named arguments."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: dict) -> None:
        self._set(self._args, kwargs)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Another positional argument at a place."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """One more positional argument at a place."""
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Another named argument."""
        self.kwargs = {**self.kwargs, key: arg}

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._inputs)

    @property
    def prev(self) -> Node:
        """The node before it in the graph's order."""
        return self._prev

    @property
    def next(self) -> Node:
        """The node after it in the graph's order."""
        return self._next

    def prepend(self, x: Node) -> None:
        """Moves `x` to before this node."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if self is x:
            return
        x._unlink()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x

    def append(self, x: Node) -> None:
        """Moves `x` to after this node."""
        self._next.prepend(x)

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev
        self._prev = self._next = self

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Puts another node in its place in the arguments of its users (those `delete_user_cb` agrees to); which they were."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        changed = [user for user in self.users if delete_user_cb(user)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    def replace_input_with(self, old_input: Node, new_input: Any) -> None:
        """Puts another node (or value) in the place of one of its arguments."""

        def swap(node: Node) -> Any:
            return new_input if node is old_input else node

        self._set(map_arg(self._args, swap), map_arg(self._kwargs, swap))

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it stays, though nobody uses it."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _IMPURE
        return self.op == "call_method" and self.target.endswith("_") and not self.target.endswith("__")

    def format_node(self, *unused: Any, **settings: Any) -> str | None:
        """The node as `str` of a graph shows it."""
        kind = "" if self.type is None else f"{type_text(self.type)} "
        users = f"[num_users={len(self.users)}]"
        if self.op == "placeholder":
            default = f"(default={self.args[0]})" if self.args else ""
            return f"%{self.name} : {kind}{users} = {self.op}[target={self.target}]{default}"
        if self.op == "get_attr":
            return f"%{self.name} : {kind}{users} = {self.op}[target={self.target}]"
        if self.op == "output":
            return f"return {self.args[0]}"
        target = self.target if isinstance(self.target, str) else target_name(self.target)
        return (
            f"%{self.name} : {kind}{users} = {self.op}[target={target}](args = {_shown(self.args)}, "
            f"kwargs = {_shown(self.kwargs)})"
        )

    def __repr__(self) -> str:
        return self.name

    def __iter__(self) -> Iterator:
        raise TypeError("a Node is no sequence")


def _shown(value: Any) -> str:
    if isinstance(value, Node):
        return f"%{value.name}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    return str(value)


# ---------------------------------------------------------------- names of functions and types

_NAMESPACES = ("", "nn.functional", "linalg", "fft", "special")
_names: dict[Callable, str] = {}


def target_name(function: Callable) -> str:
    """A function's name as a program would write it: ``torch.sin``, ``operator.add``, ``module.name``."""
    if not _names:
        _name_functions()
    try:
        if function in _names:
            return _names[function]
    except TypeError:  # not hashable
        pass
    name = getattr(function, "__name__", type(function).__name__)
    if getattr(builtins, name, None) is function:
        return f"builtins.{name}"
    if getattr(operator, name, None) is function:
        return f"operator.{name}"
    return f"{getattr(function, '__module__', None) or 'unknown'}.{name}"


def namespaces() -> dict[str, Any]:
    """{name without torch: module} of the modules whose functions compute something."""
    from importlib import import_module

    return {name: import_module(f"chainrule.{name}".rstrip(".")) for name in _NAMESPACES}


def _name_functions() -> None:
    for namespace, module in namespaces().items():
        for name in getattr(module, "__all__", None) or dir(module):
            function = getattr(module, name, None)
            if callable(function) and not isinstance(function, type):
                _names.setdefault(function, ".".join(filter(None, ("torch", namespace, name))))


def type_text(kind: Any) -> str:
    """A type as an annotation would write it."""
    from ..tensor import Tensor

    if kind is Tensor:
        return "torch.Tensor"
    if isinstance(kind, type) and not hasattr(kind, "__args__"):
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return kind if isinstance(kind, str) else repr(kind)
