"""Proxies: what takes the place of values while a program is traced, and records what is done to it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from .. import dtypes
from ..size import Size, device
from ..tensor import Tensor
from .graph import Graph
from .node import Node, map_aggregate

__all__ = ["Attribute", "GraphAppendingTracer", "ParameterProxy", "Proxy", "TraceError", "TracerBase"]

_ATOMS = (str, int, float, bool, complex, type(None), dtypes.dtype, device, type(Ellipsis))


class TraceError(ValueError):
    """What the program does cannot be recorded in a graph."""


class TracerBase:
    """Makes nodes of a graph, and proxies of nodes."""

    graph: Graph

    def create_node(
        self, kind: str, target: Any, args: tuple, kwargs: dict, name: str | None = None, type_expr: Any = None
    ) -> Node:
        """A node of the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """What stands for a node's value."""
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple,
        kwargs: dict,
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """A node whose arguments may hold proxies, and what stands for its value."""
        node = self.create_node(kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr)
        return self.proxy(node) if proxy_factory_fn is None else proxy_factory_fn(node)

    def create_arg(self, a: Any) -> Any:
        """An argument of a node: proxies become their nodes. NotImplementedError for what a graph cannot hold."""
        if isinstance(a, Size):
            a = tuple(a)
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, (tuple, list, dict, slice)):
            return map_aggregate(a, self.create_arg)
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, (Node, *_ATOMS)) or callable(a):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """A condition on a proxy: TraceError, because its value is not known."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator:
        """A loop over a proxy: TraceError, because its length is not known."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
            "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what "
            "types of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy "
            "iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """``**proxy``: the keys, in the graph."""
        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Records what is done to proxies of its nodes at the end of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph


def first_proxy(args: tuple, kwargs: dict) -> Proxy | None:
    """The first proxy among the arguments of a call."""
    found: list[Proxy] = []
    map_aggregate((args, kwargs), lambda value: found.append(value) if isinstance(value, Proxy) else None)
    return found[0] if found else None


class Proxy:
    """Stands for the value of a node: operators, methods, attributes and functions of it become nodes themselves."""

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.node = node
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Attribute:
        # an operation of the library, given a proxy, looks for a tensor's own fields: it is to find that this is none
        if name in ("_array", "_extra", "_requires_grad", "__array__", "__index__", "__tensor__") or name.startswith(
            "__array_"
        ):
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        return self.tracer.iter(self)

    def __contains__(self, element: Any) -> bool:
        self.tracer.iter(self)
        return False

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    def keys(self) -> Any:
        """`TracerBase.keys`."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Proxy:
        """A function that is called with proxies becomes a node."""
        found: Any = first_proxy(args, kwargs or {})
        return found.tracer.create_proxy("call_function", func, args, kwargs or {})


class Attribute(Proxy):
    """``proxy.name``: called, a method; otherwise an attribute, which becomes a node when it is used."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)

    def __repr__(self) -> str:
        return f"Attribute({self.root}, {self.attr})"


class ParameterProxy(Proxy):
    """Stands for a parameter of the module: its shape is known."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Tensor) -> None:
        super().__init__(node, tracer)
        self.param, self.name = param, name

    shape = property(lambda self: self.param.shape)
    ndim = property(lambda self: self.param.ndim)

    def size(self, dim: int | None = None) -> Any:
        """The size, which is known."""
        return self.param.size() if dim is None else self.param.size(dim)

    def dim(self) -> int:
        """The number of dimensions."""
        return self.param.dim()

    def numel(self) -> int:
        """The number of elements."""
        return self.param.numel()


def _operator(name: str) -> Callable:
    function = getattr(operator, name)

    def method(*operands: Any) -> Proxy:
        return operands[0].tracer.create_proxy("call_function", function, operands, {})

    return method


def _reflected(name: str) -> Callable:
    function = getattr(operator, name)

    def method(self: Proxy, other: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", function, (other, self), {})

    return method


_REFLECTED = (
    "add", "and_", "floordiv", "lshift", "matmul", "mod", "mul", "or_", "pow", "rshift", "sub", "truediv", "xor",
)  # fmt: skip
for _name in (*_REFLECTED, "abs", "eq", "ge", "getitem", "gt", "invert", "le", "lt", "ne", "neg", "pos"):
    setattr(Proxy, f"__{_name.rstrip('_')}__", _operator(_name))
for _name in _REFLECTED:
    setattr(Proxy, f"__r{_name.rstrip('_')}__", _reflected(_name))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]
