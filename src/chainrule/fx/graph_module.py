"""Modules whose forward is the code of a graph."""

from __future__ import annotations

import copy
import linecache
from collections.abc import Callable
from typing import Any

from ..nn.modules.module import Module
from ..tensor import Tensor
from .graph import Graph, PythonCode

__all__ = ["GraphModule"]

_count = [0]


def _compiled(code: PythonCode) -> Callable:
    """The function ``forward`` of a text, which tracebacks can show."""
    _count[0] += 1
    file = f"<eval_with_key>.{_count[0]}"
    linecache.cache[file] = (len(code.src), None, code.src.splitlines(keepends=True), file)
    scope = dict(code.globals)
    exec(compile(code.src, file, "exec"), scope)
    return scope["forward"]


def _owner(root: Module, path: str, create: bool = False) -> tuple[Any, str]:
    """The object that holds the last piece of a path, and that piece."""
    *prefix, last = path.split(".")
    here: Any = root
    for piece in prefix:
        if create and not hasattr(here, piece):
            setattr(here, piece, Module())
        here = getattr(here, piece)
    return here, last


class GraphModule(Module):
    """A module that computes what a graph says, with the parameters and submodules of `root` that the graph names.

    `code` is its forward; after a change of `graph`, call `recompile`.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # each has a class of its own, because a forward is looked up on the class
        class GraphModuleImpl(cls):  # type: ignore[misc,valid-type]
            pass

        return super().__new__(GraphModuleImpl)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        if isinstance(root, Module):
            self.training = root.training
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module"):
                self._take(root, node.target)
        self.graph = graph

    def _take(self, root: Any, path: str) -> None:
        """Makes an attribute of the root one of this module's own, under the same path."""
        if isinstance(root, dict):
            if path not in root:
                raise RuntimeError(f"Node referenced target {path} but that target was not provided in `root`!")
            value = root[path]
        else:
            try:
                owner, last = _owner(root, path)
                value = getattr(owner, last)
            except AttributeError:
                return
        place, last = _owner(self, path, create=True)
        if (
            isinstance(value, Tensor)
            and not hasattr(value, "_is_param")
            and last not in getattr(place, "_parameters", {})
        ):
            from ..nn.parameter import Parameter

            if not isinstance(value, Parameter):
                place.register_buffer(last, value)
                return
        setattr(place, last, value)

    @property
    def graph(self) -> Graph:
        """The graph; a new one is compiled at once."""
        return self._graph

    @graph.setter
    def graph(self, graph: Graph) -> None:
        if not isinstance(graph, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(graph)}")
        self._graph = graph if graph.owning_module in (None, self) else copy.deepcopy(graph)
        self._graph.owning_module = self
        self.recompile()

    def recompile(self) -> PythonCode:
        """Makes forward anew from the graph."""
        python_code = self._graph.python_code(root_module="self")
        self._code = python_code.src
        type(self).forward = _compiled(python_code)
        return python_code

    @property
    def code(self) -> str:
        """The text of forward."""
        return self._code

    def print_readable(self, print_output: bool = True, **settings: Any) -> str:
        """The code as that of a class; printed unless told not to."""
        body = "\n".join("    " + line if line else line for line in self._code.strip().splitlines())
        text = f"class {type(self).__name__}(torch.nn.Module):\n{body}\n"
        if print_output:
            print(text)
        return text

    def add_submodule(self, target: str, m: Module) -> bool:
        """Adds a submodule under a path; False if something else is in the way."""
        here: Any = self
        *prefix, last = target.split(".")
        for piece in prefix:
            if not hasattr(here, piece):
                here.add_module(piece, Module())
            here = getattr(here, piece)
            if not isinstance(here, Module):
                return False
        here.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Removes a submodule; False if there was none."""
        try:
            owner, last = _owner(self, target)
        except AttributeError:
            return False
        if not isinstance(getattr(owner, last, None), Module):
            return False
        delattr(owner, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Removes the submodules that the graph does not name, nor anything inside of them."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                pieces = node.target.split(".")
                used.update(".".join(pieces[: i + 1]) for i in range(len(pieces)))
                if node.op == "call_module":
                    used.update(f"{node.target}.{name}" for name, _ in self.get_submodule(node.target).named_modules())
        for name, _ in list(self.named_modules()):
            if name and name not in used:
                self.delete_submodule(name)

    def __deepcopy__(self, memo: dict) -> GraphModule:
        root = Module()
        root.__dict__ = copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "_graph"}, memo)
        copied = GraphModule(root, copy.deepcopy(self.graph), type(self).__name__)
        memo[id(self)] = copied
        return copied

    def __copy__(self) -> GraphModule:
        return GraphModule(self, self.graph, type(self).__name__)

    def __reduce__(self) -> tuple:
        state = {name: value for name, value in self.__dict__.items() if name not in ("_graph", "_code")}
        code = self._graph.python_code()
        held = {name: value for name, value in code.globals.items() if name not in ("torch", "inf", "nan", "device")}
        return _restored, (state, code.src, held, type(self).__name__)

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return f"{super().__repr__()}\n{self._code}\n{hint}"

    def __repr__(self) -> str:
        return self.__str__() if type(self).__mro__[1] is GraphModule else super().__repr__()


def _restored(state: dict, src: str, held: dict, name: str) -> GraphModule:
    """A GraphModule from its code, which is traced again with every submodule a leaf."""
    import math

    import chainrule

    from ._symbolic_trace import Tracer

    class _Leaves(Tracer):
        def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
            return True

    class Coded(Module):
        forward = _compiled(
            PythonCode(src, {"torch": chainrule, "inf": math.inf, "nan": math.nan, "device": chainrule.device, **held})
        )

    root = Coded()
    root.__dict__ = state
    return GraphModule(root, _Leaves().trace(root), name)
