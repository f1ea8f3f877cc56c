"""Tracing: a program is run on proxies, and what it does to them becomes a graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ..tensor import Tensor
from .graph import Graph
from .graph_module import GraphModule
from .node import Node, namespaces
from .proxy import ParameterProxy, Proxy, TracerBase, first_proxy

__all__ = ["PH", "Tracer", "symbolic_trace", "wrap"]

_wrapped: list[tuple[dict, str]] = []  # (globals of a module, name): what `wrap` was called for


class _Placeholder:
    """For `concrete_args`: this part of an argument stays an input."""

    def __repr__(self) -> str:
        return "PH"


PH = _Placeholder()


def wrap(fn_or_name: str | Callable) -> Any:
    """At the top of a module: calls of this function of it are recorded, and not traced into. Also a decorator."""
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name not in ("<module>", "<cell line: 1>") and frame.f_locals is not frame.f_globals:
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped.append((frame.f_globals, name))
    return fn_or_name


def wrapped_names() -> set[str]:
    """The names that `wrap` was called for."""
    return {name for _, name in _wrapped}


class _Patches:
    """Puts values in the place of others, until the end of a ``with`` block."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, Any, Any]] = []

    def __enter__(self) -> _Patches:
        return self

    def item(self, scope: dict, name: str, value: Any) -> None:
        """``scope[name] = value``."""
        self._undo.append((scope, name, scope.get(name, _Patches)))
        scope[name] = value

    def method(self, cls: type, name: str, value: Any) -> None:
        """``cls.name = value``."""
        self._undo.append((cls, name, cls.__dict__[name]))
        setattr(cls, name, value)

    def __exit__(self, *exc: object) -> None:
        for owner, name, value in reversed(self._undo):
            if not isinstance(owner, dict):
                setattr(owner, name, value)
            elif value is _Patches:
                del owner[name]
            else:
                owner[name] = value


class _Recording:
    """A function that becomes a node where it is given a proxy. It equals the function, which programs compare targets with."""

    def __init__(self, function: Callable, arrange: Callable | None = None) -> None:
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._arrange = arrange

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self.__wrapped__
        if first_proxy(args, kwargs) is None:
            return function(*args, **kwargs)
        if self._arrange is not None:
            args, kwargs = self._arrange(function, args, kwargs)
        return Proxy.__torch_function__(function, (), args, kwargs)

    def __eq__(self, other: object) -> bool:
        return self is other or self.__wrapped__ == other

    def __hash__(self) -> int:
        return hash(self.__wrapped__)


# What PyTorch has as functions written in C++: their arguments are recorded as they were given.
_AS_GIVEN = {
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "bilinear", "channel_shuffle", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "gelu", "linear", "logsigmoid",
    "one_hot", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu_", "scaled_dot_product_attention", "softplus",
    "softshrink",
}  # fmt: skip


def _as_functional(function: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a function of nn.functional as PyTorch records them: all that have defaults by name."""
    if function.__name__ in _AS_GIVEN:
        return args, kwargs
    from inspect import Parameter as Argument, signature

    try:
        bound = signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):  # it will say so itself when the graph runs
        return args, kwargs
    parameters = bound.signature.parameters.values()
    if any(p.kind not in (Argument.POSITIONAL_OR_KEYWORD, Argument.KEYWORD_ONLY) for p in parameters):
        return args, kwargs
    bound.apply_defaults()
    positional = tuple(bound.arguments[p.name] for p in parameters if p.default is Argument.empty)
    return positional, {p.name: bound.arguments[p.name] for p in parameters if p.default is not Argument.empty}


def _recorded_functions() -> dict[Callable, Callable]:
    """{a function of the library that computes something: the one that records it}."""
    found: dict[Callable, Callable] = {}
    for namespace, module in namespaces().items():
        arrange = _as_functional if namespace == "nn.functional" else None
        for name in getattr(module, "__all__", None) or dir(module):
            function = getattr(module, name, None)
            if isinstance(function, FunctionType) and not name.startswith("_"):
                found.setdefault(function, _Recording(function, arrange))
    return found


def record_functions(patches: _Patches, scopes: list[dict], more: Iterable[Callable] = ()) -> None:
    """Puts functions that record themselves in the place of the library's functions, and of `more`, in modules' names."""
    import chainrule

    recorded = _recorded_functions()
    for function in more:
        recorded.setdefault(function, _Recording(function))
    done: set[int] = set()
    for scope in scopes:
        if id(scope) in done:
            continue
        done.add(id(scope))
        for name, value in list(scope.items()):
            if isinstance(value, FunctionType | BuiltinFunctionType) and value in recorded:
                patches.item(scope, name, recorded[value])
    for name in chainrule._LAZY_NAMES:  # which are not in the package's own names yet
        value = getattr(chainrule, name, None)
        if name not in vars(chainrule) and isinstance(value, FunctionType) and value in recorded:
            patches.item(vars(chainrule), name, recorded[value])


class Tracer(TracerBase):
    """Traces a module or function: `trace` returns the graph of what it does.

    Submodules that are `is_leaf_module` become a node each; those of `torch.nn` are, unless a subclass says otherwise.
    """

    def __init__(self, autowrap_modules: tuple = (), autowrap_functions: tuple = (), **settings: Any) -> None:
        import math

        self.autowrap_modules = (math, *autowrap_modules)
        self.autowrap_functions = tuple(autowrap_functions)
        self.submodule_paths: dict[Module, str] = {}

    # ---- what subclasses change

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a module becomes one node: it is of torch.nn, and no container of others."""
        from ..nn.modules.container import Sequential

        return type(m).__module__.startswith(("chainrule.nn", "torch.nn")) and not isinstance(m, Sequential)

    def call_module(self, m: Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        """A call of a submodule: a node, or what its forward does."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def path_of_module(self, mod: Module) -> str:
        """The path of a submodule. NameError if it is none."""
        if mod not in self.submodule_paths:
            raise NameError("module is not installed as a submodule")
        return self.submodule_paths[mod]

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict) -> Any:
        """An attribute that the program reads from a module: of a parameter, what stands for it."""
        if not isinstance(attr_val, Parameter):
            return attr_val
        path = next((path for path, parameter in self.root.named_parameters() if parameter is attr_val), None)
        if path is None:
            return attr_val
        if path not in parameter_proxy_cache:

            def proxy(node: Node) -> Proxy:
                return ParameterProxy(self, node, path, attr_val)

            parameter_proxy_cache[path] = self.create_proxy("get_attr", path, (), {}, proxy_factory_fn=proxy)
        return parameter_proxy_cache[path]

    def create_arg(self, a: Any) -> Any:
        """An argument of a node; tensors become attributes of the module, if they are not already."""
        if isinstance(a, Tensor):
            if isinstance(a, Parameter):
                for name, parameter in self.root.named_parameters():
                    if parameter is a:
                        return self.create_node("get_attr", name, (), {})
                raise NameError("parameter is not a member of this module")
            path = next((path for path, tensor in self._tensors if tensor is a), None)
            if path is None:
                i = 0
                while hasattr(self.root, f"_tensor_constant{i}"):
                    i += 1
                path = f"_tensor_constant{i}"
                setattr(self.root, path, a)
                self._tensors.append((path, a))
            return self.create_node("get_attr", path, (), {})
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super().create_arg(a)

    # ---- tracing

    def trace(self, root: Module | Callable, concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module's forward, or of a function. `concrete_args` are values that are known: {name: value}."""
        if isinstance(root, Module):
            self.root, function = root, type(root).forward
            self.submodule_paths = {mod: name for name, mod in root.named_modules()}
        else:
            self.root, function = Module(), root
        self.graph = Graph(tracer_cls=type(self))
        self._tensors = [
            (f"{path}.{name}" if path else name, value)
            for path, module in self.root.named_modules()
            for name, value in (*module.__dict__.items(), *module._buffers.items())
            if isinstance(value, Tensor)
        ]
        given = self._inputs(function, isinstance(root, Module), concrete_args or {})
        cache: dict = {}
        plain_call, plain_getattr = Module.__call__, Module.__getattr__

        def call(module: Module, *args: Any, **kwargs: Any) -> Any:
            if module not in self.submodule_paths:
                return plain_call(module, *args, **kwargs)
            return self.call_module(module, lambda *a, **k: plain_call(module, *a, **k), args, kwargs)

        def read(module: Module, name: str) -> Any:
            return self.getattr(name, plain_getattr(module, name), cache)

        with _Patches() as patches:
            patches.method(Module, "__call__", call)
            patches.method(Module, "__getattr__", read)
            self._patch_functions(patches, function)
            result = _call(function, given)
        returned = getattr(function, "__annotations__", {}).get("return")
        self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=returned)
        return self.graph

    def _patch_functions(self, patches: _Patches, function: Callable) -> None:
        """Lets functions of the library, under whatever name the traced modules know them, record themselves."""
        import builtins

        modules: list[ModuleType] = list(self.autowrap_modules)
        modules += namespaces().values()
        modules += [sys.modules[type(m).__module__] for m in self.root.modules() if type(m).__module__ in sys.modules]
        scopes = [getattr(function, "__globals__", {}), *map(vars, modules)]
        more = [
            value
            for module in self.autowrap_modules
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_")
        ]
        record_functions(patches, scopes, (*more, *self.autowrap_functions))
        for scope, name in _wrapped:
            patches.item(scope, name, _Recording(scope[name] if name in scope else getattr(builtins, name)))

    def _inputs(self, function: Callable, is_method: bool, concrete: dict[str, Any]) -> dict[str, Any]:
        """{parameter: what the function is to be given}: placeholders, and values that are known."""
        from inspect import signature

        given: dict[str, Any] = {}
        for parameter in signature(function).parameters.values():
            name = parameter.name
            default = () if parameter.default is parameter.empty else (parameter.default,)
            kind = None if parameter.annotation is parameter.empty else parameter.annotation
            if is_method and not given:
                given[name] = self.root
            elif parameter.kind is parameter.VAR_POSITIONAL:
                given[name] = self.create_proxy("placeholder", f"*{name}", (), {}, f"_{name}")
            elif parameter.kind is parameter.VAR_KEYWORD:
                given[name] = self.create_proxy("placeholder", f"**{name}", (), {}, f"_{name}")
            elif name in concrete and concrete[name] is not PH:
                self.create_proxy("placeholder", f"{name}_1", default, {})
                given[name] = concrete[name]
            else:
                given[name] = self.create_proxy("placeholder", name, default, {}, type_expr=kind)
        return given


def _call(function: Any, given: dict[str, Any]) -> Any:
    """Calls a function, with a proxy each for ``*args`` and ``**kwargs``: a copy of it takes them as ordinary parameters."""
    from inspect import CO_VARARGS, CO_VARKEYWORDS, unwrap

    function = unwrap(function)
    if not isinstance(function, FunctionType):
        return function(**given)
    code = function.__code__
    plain = code.replace(
        co_argcount=len(given), co_posonlyargcount=0, co_kwonlyargcount=0,
        co_flags=code.co_flags & ~CO_VARARGS & ~CO_VARKEYWORDS,
    )  # fmt: skip
    copied = FunctionType(plain, function.__globals__, function.__name__, None, function.__closure__)
    return copied(*[given[name] for name in code.co_varnames[: len(given)]])


def symbolic_trace(root: Module | Callable, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A GraphModule that does what a module or function does, as it was recorded on proxies."""
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
